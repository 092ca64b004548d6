// Law: a tokenizer section with any bytes changed is refused, or encodes and decodes any text
// without leaving its buffers and without end.
//
// The input is a list of patches for the section of a fixture, and a text:
//
//   | 4 x patches + fixture, 1 byte | patch: place, 3 bytes; how, 1 byte; number, 4 | .. | text |
#include <string.h>

#include "runtime/text/decoder.h"
#include "tests/fuzz/edit.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/tokenizer_fixture.h"

enum {
  FIXTURES_COUNT = 5,
  PATCH_BYTES = 8,
  PATCHES_MAX = 7,
  SECTION_MAX = 1 << 20,
  MEMORY_MAX = 64 << 20,
  HEAD_BYTES = 1024, // the header and the first small tables
  TEXT_MAX = 512,
  NUMBERS_COUNT = 12
};

static const char *const fixtures[FIXTURES_COUNT] = {
    TL_SOURCE_DIR "/tests/fixtures/tokenizers/bytes/tokenizer.json",
    TL_SOURCE_DIR "/tests/fixtures/tokenizers/pieces/tokenizer.json",
    TL_SOURCE_DIR "/tests/fixtures/tokenizers/words/tokenizer.json",
    TL_SOURCE_DIR "/tests/fixtures/tokenizers/scores/tokenizer.json",
    TL_SOURCE_DIR "/tests/fixtures/tokenizers/rules/tokenizer.json"};

static tl_str section_of(int which) {
  static _Alignas(64) char sections[FIXTURES_COUNT][SECTION_MAX];
  static size_t lengths[FIXTURES_COUNT];
  if (lengths[which] == 0) {
    tl_arena arena;
    tl_arena_init(&arena, (size_t)1 << 30);
    tl_str json = tl_fixture_read(fixtures[which]), made = tl_fixture_compile(json, &arena);
    CHECK(made.length <= SECTION_MAX);
    memcpy(sections[which], made.data, made.length);
    lengths[which] = made.length;
    free((char *)json.data);
    tl_arena_finish(&arena);
  }
  return (tl_str){sections[which], lengths[which]};
}

static void patch(char *section, size_t length, const uint8_t *data) {
  static const uint32_t numbers[NUMBERS_COUNT] = {
      0, 1, 2, 255, 256, 0x7fff, 0x8000, 0xffff, 0x1fffff, 0x7fffffff, 0x80000000, 0xffffffff};
  size_t range = data[3] & 0x80 ? HEAD_BYTES : length - 4;
  size_t place = (data[0] | data[1] << 8 | (size_t)data[2] << 16) % range;
  size_t bytes = data[3] & 0x40 ? 1 : data[3] & 0x20 ? 2 : 4;
  if (bytes == 4) place &= ~(size_t)3;
  uint32_t number, old;
  memcpy(&number, data + 4, sizeof number);
  memcpy(&old, section + place, sizeof old);
  switch (data[3] % 5) {
  case 0: old = numbers[number % NUMBERS_COUNT]; break;
  case 1: old += number % 17 - 8; break;
  case 2: old = number; break;
  case 3: old ^= 1u << number % 32; break;
  default: memcpy(&old, section + number % (length - 4), sizeof old); break;
  }
  memcpy(section + place, &old, bytes);
}

static bool use(tl_str section, tl_str text) {
  tl_tokenizer tokenizer;
  tl_arena arena;
  tl_ids ids;
  if (!tl_ok(tl_tokenizer_open(section, NULL, &tokenizer))) return false;
  tl_arena_init(&arena, MEMORY_MAX);
  tl_status status = tl_tokenizer_encode(&tokenizer, text,
                                         &(tl_encode_options){.add_special = true, .pair = &text},
                                         &arena, NULL, &ids);
  if (tl_ok(status))
    status = tl_tokenizer_decode(&tokenizer, ids.items, ids.count, false, &arena, &text);
  CHECK(tl_ok(status) || status == TL_MEMORY || status == TL_UNSUPPORTED);
  tl_arena_finish(&arena);
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  tl_str section = section_of(data[0] % FIXTURES_COUNT);
  size_t patches = data[0] / FIXTURES_COUNT % (PATCHES_MAX + 1);
  // On memory of its own length, so that sanitizers see a step beyond it.
  char *copy = aligned_alloc(64, (section.length + 63) / 64 * 64);
  CHECK(copy);
  memcpy(copy, section.data, section.length);
  data++;
  size--;
  for (; patches > 0 && size >= PATCH_BYTES; patches--, size -= PATCH_BYTES, data += PATCH_BYTES)
    patch(copy, section.length, data);
  tl_fuzz_accepted = use((tl_str){copy, section.length}, (tl_str){(const char *)data, size});
  free(copy);
  return 0;
}

// Fields of a patch, a patch more or less, or the text.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  static const char *const pieces[] = {
      " ", "\n", "the dog", "<|end|>", "\xCC\x81", "\xE4\xBD\xA0", "\xFF", "'s", "12", NULL};
  tl_edit edit = tl_edit_begin(data, size, size_max < TEXT_MAX ? size_max : TEXT_MAX, seed);
  if (edit.size == 0) tl_edit_put(&edit, (tl_range){0, 0}, "a");
  size_t patches = data[0] / FIXTURES_COUNT % (PATCHES_MAX + 1), begin = 1 + patches * PATCH_BYTES;
  uint32_t what = tl_edit_random(&edit, 8);
  if (begin > edit.size || (patches == PATCHES_MAX && what == 0) || (patches == 0 && what > 3)) {
    data[0] %= FIXTURES_COUNT;
    return edit.size;
  }
  if (what < 2) {
    uint32_t new[2] = {tl_edit_random(&edit, 0), tl_edit_random(&edit, 0)};
    new[0] = tl_edit_random(&edit, 1 << 30) << 2 ^ new[1] >> 3;
    new[1] = tl_edit_random(&edit, 1 << 30) << 2 ^ new[0] >> 3;
    tl_edit_replace(&edit, (tl_range){1, 1}, new, PATCH_BYTES);
    data[0] = (uint8_t)(data[0] + FIXTURES_COUNT);
  } else if (what == 2 && patches) {
    tl_edit_put(&edit, (tl_range){1, 1 + PATCH_BYTES}, "");
    data[0] = (uint8_t)(data[0] - FIXTURES_COUNT);
  } else if (what < 4) {
    tl_edit text = edit;
    text.data += begin;
    text.size -= begin;
    text.size_max -= begin;
    tl_edit_bytes(&text, pieces);
    edit.size = begin + text.size;
  } else {
    size_t at = 1 + tl_edit_random(&edit, begin - 1);
    data[at] = (uint8_t)tl_edit_random(&edit, 256);
  }
  return edit.size;
}
