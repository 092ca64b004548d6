// Law: a tokenizer section with any bytes changed is refused, or encodes and decodes any text
// without leaving its buffers and without end.
//
// The input is a short list of patches, five bytes each (offset, value), for the section of a
// fixture; what is left is the text.
#include <string.h>

#include "runtime/text/decoder.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/tokenizer_fixture.h"

enum { PATCH_BYTES = 5, PATCHES_MAX = 4, SECTION_MAX = 1 << 20, MEMORY_MAX = 64 << 20 };

static const char *const fixtures[] = {
    TL_SOURCE_DIR "/tests/fixtures/tokenizers/bytes/tokenizer.json",
    TL_SOURCE_DIR "/tests/fixtures/tokenizers/pieces/tokenizer.json"};

static tl_str section_of(int which) {
  static _Alignas(64) char sections[2][SECTION_MAX];
  static size_t lengths[2];
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

static void use(tl_str section, tl_str text) {
  tl_tokenizer tokenizer;
  tl_arena arena;
  tl_ids ids;
  tl_arena_init(&arena, MEMORY_MAX);
  if (tl_ok(tl_tokenizer_open(section, NULL, &tokenizer))) {
    tl_status status = tl_tokenizer_encode(
        &tokenizer, text, &(tl_encode_options){.add_special = true}, &arena, NULL, &ids);
    if (tl_ok(status))
      status = tl_tokenizer_decode(&tokenizer, ids.items, ids.count, false, &arena, &text);
    CHECK(tl_ok(status) || status == TL_MEMORY || status == TL_UNSUPPORTED);
  }
  tl_arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static _Alignas(64) char copy[SECTION_MAX];
  if (size == 0) return 0;
  tl_str section = section_of(data[0] & 1);
  size_t patches = data[0] / 2 % PATCHES_MAX + 1;
  memcpy(copy, section.data, section.length);
  data++;
  size--;
  for (size_t i = 0; i < patches && size >= PATCH_BYTES; i++) {
    uint32_t offset;
    memcpy(&offset, data, sizeof offset);
    // A quarter of the patches goes to the head and the small tables at the start.
    size_t range = offset % 4 ? section.length : 4096;
    copy[offset / 4 % range] = (char)data[4];
    data += PATCH_BYTES;
    size -= PATCH_BYTES;
  }
  use((tl_str){copy, section.length}, (tl_str){(const char *)data, size});
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  uint64_t random = (seed + 1) * 0x9E3779B97F4A7C15ull;
  enum { HEAD = 1 + PATCHES_MAX * PATCH_BYTES };
  if (size > 512) size = 512;
  for (size_t i = 0; i < HEAD && i < size; i++) {
    random ^= random >> 29;
    random *= 0xBF58476D1CE4E5B9ull;
    random ^= random >> 32;
    data[i] = (uint8_t)random;
  }
  return size < size_max ? size : size_max;
}
