// Law: a tokenizer.model compiles into tables that pass their own verification and encode and
// decode without faults, or it is refused with a sentence; where the input says so, memory runs
// out.
#include <string.h>

#include "runtime/text/decoder.h"
#include "tests/fuzz/edit.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/shortage.h"
#include "tests/lib/tokenizer_fixture.h"

enum { MEMORY_MAX = 192 << 20, FIELDS_MAX = 1024 };

static void use(tl_str section, tl_arena *arena) {
  tl_tokenizer tokenizer;
  tl_ids ids;
  tl_str text =
      TL_STR("The  fox's 123\n\n<tool> e\xCC\x81\xE4\xBD\xA0 \xFF ab</s> the quick  [INST] ");
  CHECK(tl_ok(tl_tokenizer_open(section, NULL, &tokenizer)));
  tl_encode_options options = {.add_special = true, .pair = &text};
  tl_status status = tl_tokenizer_encode(&tokenizer, text, &options, arena, NULL, &ids);
  if (tl_ok(status))
    status = tl_tokenizer_decode(&tokenizer, ids.items, ids.count, false, arena, &text);
  CHECK(tl_ok(status) || status == TL_MEMORY || status == TL_UNSUPPORTED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static tl_diag diag;
  static tl_arena arena; // kept: taking megabytes anew takes longer than most inputs do
  if (arena.limit_bytes == 0) tl_arena_init(&arena, MEMORY_MAX);
  tl_arena_reset(&arena);
  diag.count = 0;
  tl_source source = {"tokenizer.model", {(const char *)data, size}};
  tl_source config = {"tokenizer_config.json",
                      TL_STR("{\"add_eos_token\": true, \"bos_token\": \"<s>\", "
                             "\"added_tokens_decoder\": {\"9999\": {\"content\": \"fox\"}}}")};
  arena.fail_after = tl_shortage_take(&source.text);
  tl_str section;
  tl_status status = tl_tokenizer_compile_pieces(&source, &config, &arena, &diag, &section);
  CHECK(tl_ok(status) ? diag.count == 0 : diag.count > 0 || status == TL_MEMORY);
  tl_fuzz_accepted = tl_ok(status);
  if (tl_ok(status)) use(section, &arena);
  return 0;
}

// The number at `*at`, which is moved behind it.
static uint64_t take_number(const tl_edit *edit, size_t *at) {
  uint64_t value = 0;
  for (int shift = 0; *at < edit->size && shift < 64; shift += 7) {
    uint8_t byte = edit->data[(*at)++];
    value |= (uint64_t)(byte & 0x7F) << shift;
    if (!(byte & 0x80)) break;
  }
  return value;
}

// The field of a message that begins at `at`.
static tl_range field_at(const tl_edit *edit, size_t at, size_t *out_body) {
  tl_range field = {at, at};
  uint64_t key = take_number(edit, &field.end), length = 0;
  *out_body = field.end;
  if ((key & 7) == 0) take_number(edit, &field.end);
  if ((key & 7) == 1) length = 8;
  if ((key & 7) == 5) length = 4;
  if ((key & 7) == 2) {
    length = take_number(edit, &field.end);
    *out_body = field.end;
  }
  field.end = length < edit->size - field.end ? field.end + length : edit->size;
  return field;
}

// A random field of those in [begin, end), and where its body begins.
static tl_range some_field(tl_edit *edit, size_t begin, size_t end, size_t *out_body) {
  tl_range found = {begin, begin};
  *out_body = begin;
  for (uint32_t i = 1; begin < end && i < FIELDS_MAX; i++) {
    size_t body;
    tl_range field = field_at(edit, begin, &body);
    if (tl_edit_random(edit, i) == 0) {
      found = field;
      *out_body = body;
    }
    begin = field.end;
  }
  return found;
}

// Fields of the file copied, moved or dropped; bytes of a field of a field changed.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  static const char *const pieces[] = {
      "\xE2\x96\x81", "the", "<0x41>",           "\x18\x04", "\x18\x05",
      "\x18\x02",     "a",   "\x1A\x02\x20\x01", NULL};
  tl_shortage end = tl_shortage_keep(data, &size, &size_max, seed);
  tl_edit edit = tl_edit_begin(data, size, size_max, seed);
  size_t body, inner_body;
  tl_range field = some_field(&edit, 0, edit.size, &body);
  switch (tl_edit_random(&edit, 6)) {
  case 0: tl_edit_replace(&edit, field, "", 0); break;
  case 1:
  case 2: {
    size_t ignored;
    tl_range place = some_field(&edit, 0, edit.size, &ignored);
    place.end = place.begin;
    tl_edit_copy(&edit, place, field);
    break;
  }
  case 3:
  case 4: {
    tl_range inner = some_field(&edit, body, field.end, &inner_body);
    if (inner_body >= inner.end) break;
    size_t at = inner_body + tl_edit_random(&edit, inner.end - inner_body);
    edit.data[at] = (uint8_t)tl_edit_random(&edit, tl_edit_random(&edit, 2) ? 8 : 256);
    break;
  }
  default: tl_edit_bytes(&edit, pieces); break;
  }
  return tl_shortage_put(&end, data, edit.size);
}
