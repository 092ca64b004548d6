// Law: a tokenizer.json compiles into tables that pass their own verification and encode and decode
// without faults, or it is refused with a sentence; where the input says so, memory runs out.
#include <string.h>

#include "runtime/text/decoder.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/shortage.h"
#include "tests/lib/tokenizer_fixture.h"

enum { MEMORY_MAX = 192 << 20 };

static void use(tl_str section, tl_arena *arena) {
  tl_tokenizer tokenizer;
  tl_ids ids;
  tl_str text = TL_STR("The  fox's 123\n\n<|end|> e\xCC\x81\xE4\xBD\xA0 \xFF ab</s> aabc<s>1   <s> "
                       " </s>  x<unk> <unk>y <unk> "
                       "ababababababababababababababababababababababababababababababababababab "
                       "\xEA\xB0\x80\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8\xCC\xA7\xCC\x81");
  CHECK(tl_ok(tl_tokenizer_open(section, NULL, &tokenizer)));
  tl_types types;
  tl_encode_options options = {.add_special = true, .pair = &text, .out_types = &types};
  tl_status status = tl_tokenizer_encode(&tokenizer, text, &options, arena, NULL, &ids);
  if (tl_ok(status))
    status = tl_tokenizer_decode(&tokenizer, ids.items, ids.count, false, arena, &text);
  if (tl_ok(status) && ids.count > 2) // from the middle of a character, perhaps
    status = tl_tokenizer_decode(&tokenizer, ids.items + 1, ids.count - 2, true, arena, &text);
  CHECK(tl_ok(status) || status == TL_MEMORY || status == TL_UNSUPPORTED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static tl_diag diag;
  static tl_arena arena; // kept: taking megabytes anew takes longer than most inputs do
  if (arena.limit_bytes == 0) tl_arena_init(&arena, MEMORY_MAX);
  tl_arena_reset(&arena);
  diag.count = 0;
  tl_source source = {"fuzz.json", {(const char *)data, size}};
  arena.fail_after = tl_shortage_take(&source.text);
  tl_str section;
  tl_status status = tl_tokenizer_compile(&source, &source, &arena, &diag, &section);
  CHECK(tl_ok(status) ? diag.count == 0 : diag.count > 0 || status == TL_MEMORY);
  tl_fuzz_accepted = tl_ok(status);
  if (tl_ok(status)) use(section, &arena);
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  static const char *const pieces[] = {"\"type\":\"Sequence\"",
                                       "{\"type\":\"NFC\"}",
                                       "{\"type\":\"Replace\",\"content\":\"b\"}",
                                       "{\"type\":\"Prepend\",\"prepend\":\"_\"}",
                                       "{\"type\":\"Digits\",\"individual_digits\":true}",
                                       "{\"type\":\"ByteLevel\",\"use_regex\":true}",
                                       "{\"type\":\"Metaspace\",\"replacement\":\"_\"}",
                                       "{\"Regex\":\"\\\\p{L}+|\\\\s+(?!\\\\S)|[^a-c]{2,3}?\"}",
                                       "{\"String\":\" \"}",
                                       "{\"type\":\"BertNormalizer\"}",
                                       "{\"type\":\"NFKD\"}",
                                       "\"Precompiled\"",
                                       "\"precompiled_charsmap\":\"BAAAAAAAAAB4AA==\"",
                                       "{\"type\":\"Lowercase\"}",
                                       "{\"type\":\"Strip\"}",
                                       "{\"type\":\"Whitespace\"}",
                                       "{\"type\":\"Punctuation\"}",
                                       "{\"type\":\"WordPiece\",\"prefix\":\"a\"}",
                                       "\"WordPiece\"",
                                       "\"Unigram\"",
                                       "\"WordLevel\"",
                                       "[\"ab\",-1.5]",
                                       "{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}",
                                       "\"MergedWithNext\"",
                                       "\"Removed\"",
                                       "\"Contiguous\"",
                                       "\"first\"",
                                       "\"Fuse\"",
                                       "\"ByteFallback\"",
                                       "\"Strip\"",
                                       "\"\\u0120\"",
                                       "\"\\ud83d\\ude00\"",
                                       "\"<0x0A>\"",
                                       "(?i:",
                                       "(?!",
                                       "\\\\p{Lu}",
                                       "\\\\P{N}",
                                       "[^",
                                       "*",
                                       "+",
                                       "{1,3}",
                                       "|",
                                       "\\\\x{41}",
                                       NULL};
  tl_shortage end = tl_shortage_keep(data, &size, &size_max, seed);
  return tl_shortage_put(&end, data, tl_fuzz_mutate_json(data, size, size_max, seed, pieces));
}
