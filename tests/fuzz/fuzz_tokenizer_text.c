// Law: any text encodes on the tables of a fixture into ids that exist, no more than four to a byte
// and as many as there are types; what they decode to is the same at once and as a stream.
//
// The first byte of the input chooses the fixture and the options, the rest is the text; what comes
// after a form feed is the second text of a pair.
#include <string.h>

#include "runtime/text/decoder.h"
#include "tests/fuzz/edit.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"
#include "tests/lib/tokenizer_fixture.h"

enum { FIXTURES_COUNT = 8, MEMORY_MAX = 256 << 20 };

static const char *const fixtures[FIXTURES_COUNT] = {
    TL_SOURCE_DIR "/tests/fixtures/tokenizers/bytes/tokenizer.json",
    TL_SOURCE_DIR "/tests/fixtures/tokenizers/pieces/tokenizer.json",
    TL_SOURCE_DIR "/tests/fixtures/tokenizers/words/tokenizer.json",
    TL_SOURCE_DIR "/tests/fixtures/tokenizers/scores/tokenizer.json",
    TL_SOURCE_DIR "/tests/fixtures/tokenizers/rules/tokenizer.json",
    TL_SOURCE_DIR "/tests/fixtures/tokenizers/model-merges/tokenizer.model",
    TL_SOURCE_DIR "/tests/fixtures/tokenizers/model-rules/tokenizer.model",
    TL_SOURCE_DIR "/tests/fixtures/tokenizers/model-scores/tokenizer.model"};

static const tl_tokenizer *tokenizer_of(int which) {
  static tl_tokenizer tokenizers[FIXTURES_COUNT];
  static tl_arena arenas[FIXTURES_COUNT];
  if (arenas[which].limit_bytes == 0) {
    tl_arena_init(&arenas[which], (size_t)1 << 30);
    tl_str file = tl_fixture_read(fixtures[which]);
    tl_str section = tl_fixture_compile(file, &arenas[which]);
    CHECK(tl_ok(tl_tokenizer_open(section, NULL, &tokenizers[which])));
  }
  return &tokenizers[which];
}

static void check_stream(const tl_tokenizer *tokenizer, tl_ids ids, tl_str whole, tl_arena *arena) {
  tl_decoder decoder;
  tl_decoder_init(&decoder, tokenizer, true, arena);
  size_t at = 0;
  for (size_t i = 0; i <= ids.count; i++) {
    tl_str part;
    CHECK(tl_ok(i < ids.count ? tl_decoder_push(&decoder, ids.items[i], &part)
                              : tl_decoder_finish(&decoder, &part)));
    CHECK(part.length <= whole.length - at);
    CHECK(part.length == 0 || memcmp(part.data, whole.data + at, part.length) == 0);
    at += part.length;
  }
  CHECK(at == whole.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static tl_arena arena;
  if (size == 0) return 0;
  if (arena.limit_bytes == 0) tl_arena_init(&arena, MEMORY_MAX);
  tl_arena_reset(&arena);
  const tl_tokenizer *tokenizer = tokenizer_of(data[0] % FIXTURES_COUNT);
  int flags = data[0] / FIXTURES_COUNT;
  tl_str text = {(const char *)data + 1, size - 1}, pair = {NULL, 0}, decoded;
  const char *cut = text.length ? memchr(text.data, '\f', text.length) : NULL;
  if (cut) {
    pair = tl_str_slice(text, (size_t)(cut - text.data) + 1, text.length);
    text.length = (size_t)(cut - text.data);
  }
  tl_ids ids;
  tl_types types;
  tl_encode_options options = {.add_special = flags & 1,
                               .plain_special = flags & 2,
                               .pair = cut ? &pair : NULL,
                               .out_types = &types};
  CHECK(tl_ok(tl_tokenizer_encode(tokenizer, text, &options, &arena, NULL, &ids)));
  CHECK(ids.count == types.count && ids.count <= 4 * size + 16);
  for (size_t i = 0; i < ids.count; i++)
    CHECK((uint32_t)ids.items[i] < tokenizer->table.header.tokens_count);
  CHECK(tl_ok(tl_tokenizer_decode(tokenizer, ids.items, ids.count, true, &arena, &decoded)));
  check_stream(tokenizer, ids, decoded, &arena);
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  static const char *const pieces[] = {" ",
                                       "\n",
                                       "the",
                                       "<|end|>",
                                       "\xCC\x81",
                                       "\xE4\xBD\xA0",
                                       "\xFF",
                                       "'s",
                                       "12",
                                       "\f",
                                       "<s>",
                                       "[SEP]",
                                       "\xEA\xB0\x80",
                                       "\xE1\x84\x80",
                                       "fox",
                                       "<tool>",
                                       "[trim]",
                                       "\r\n",
                                       "\xD8\x80",
                                       "\xC2\xA9\xE2\x80\x8D",
                                       "\xE0\xA4\x95\xE0\xA5\x8D",
                                       "\xE2\x96\x81",
                                       "\x00",
                                       "\xF0\x9F\x98\x80",
                                       "\xEF\xAC\x81",
                                       "\xC4\xB0",
                                       NULL};
  tl_edit edit = tl_edit_begin(data, size, size_max, seed);
  if (edit.size == 0) tl_edit_put(&edit, (tl_range){0, 0}, "a");
  if (tl_edit_random(&edit, 8) == 0) {
    data[0] = (uint8_t)tl_edit_random(&edit, 4 * FIXTURES_COUNT);
    return edit.size;
  }
  tl_edit text = edit;
  text.data++;
  text.size--;
  text.size_max--;
  tl_edit_bytes(&text, pieces);
  return text.size + 1;
}
