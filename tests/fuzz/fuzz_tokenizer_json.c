// Law: a tokenizer.json compiles into tables that pass their own verification and encode and decode
// without faults, or it is refused with a sentence.
#include <string.h>

#include "runtime/text/decoder.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/tokenizer_fixture.h"

enum { MEMORY_MAX = 192 << 20 };

static void use(tl_str section, tl_arena *arena) {
  tl_tokenizer tokenizer;
  tl_ids ids;
  tl_str text = TL_STR("The  fox's 123\n\n<|end|> e\xCC\x81\xE4\xBD\xA0 \xFF");
  CHECK(tl_ok(tl_tokenizer_open(section, NULL, &tokenizer)));
  tl_status status = tl_tokenizer_encode(
      &tokenizer, text, &(tl_encode_options){.add_special = true}, arena, NULL, &ids);
  if (tl_ok(status))
    status = tl_tokenizer_decode(&tokenizer, ids.items, ids.count, false, arena, &text);
  CHECK(tl_ok(status) || status == TL_MEMORY || status == TL_UNSUPPORTED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static tl_diag diag;
  tl_arena arena;
  tl_arena_init(&arena, MEMORY_MAX);
  diag = (tl_diag){0};
  tl_source source = {"fuzz.json", {(const char *)data, size}};
  tl_str section;
  tl_status status = tl_tokenizer_compile(&source, &source, &arena, &diag, &section);
  CHECK(tl_ok(status) == (diag.count == 0));
  if (tl_ok(status)) use(section, &arena);
  tl_arena_finish(&arena);
  return 0;
}

// Changes a byte, copies a stretch over another, or cuts one out.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  static const char bytes[] = "{}[]\":,\\0129-eE.+*?|()^$aznu \xFF";
  uint64_t random = (seed + 1) * 0x9E3779B97F4A7C15ull;
  random ^= random >> 29;
  random *= 0xBF58476D1CE4E5B9ull;
  random ^= random >> 32;
  if (size == 0) return 0;
  size_t at = (size_t)(random >> 8) % size, from = (size_t)(random >> 24) % size;
  size_t length = (random >> 48) % 24, room = size - (at > from ? at : from);
  if (length > room) length = room;
  if (random % 4 == 0) {
    memmove(data + at, data + at + length, size - at - length);
    return size - length;
  }
  if (random % 4 == 1) {
    memmove(data + at, data + from, length);
  } else {
    data[at] = (uint8_t)bytes[(random >> 40) % (sizeof bytes - 1)];
  }
  return size < size_max ? size : size_max;
}
