// Implementation of edit.h, and of the mutator of bytes.
#include "tests/fuzz/edit.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

enum { RANGE_MAX = 64, SIZE_MAX_BYTES = 1 << 20 };

bool tl_fuzz_accepted = true;

// Of libFuzzer: knows what the input is compared with, and crosses inputs.
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);

tl_edit tl_edit_begin(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  if (size_max > SIZE_MAX_BYTES) size_max = SIZE_MAX_BYTES;
  if (size > size_max) size = size_max;
  tl_edit edit = {data, size, size_max, seed * 2654435761u};
  if (edit.random == 0) edit.random = 1;
  for (int i = 0; i < 3; i++) // neighbouring seeds begin alike
    tl_edit_random(&edit, 0);
  return edit;
}

uint32_t tl_edit_random(tl_edit *edit, size_t below) {
  edit->random ^= edit->random << 13;
  edit->random ^= edit->random >> 17;
  edit->random ^= edit->random << 5;
  return below ? edit->random % (uint32_t)below : 0;
}

void tl_edit_replace(tl_edit *edit, tl_range range, const void *with, size_t length) {
  static uint8_t copy[SIZE_MAX_BYTES];
  size_t rest = edit->size - range.end, room = edit->size_max - range.begin - rest;
  if (length > room) length = room;
  if (length) memcpy(copy, with, length);
  memmove(edit->data + range.begin + length, edit->data + range.end, rest);
  memcpy(edit->data + range.begin, copy, length);
  edit->size = range.begin + length + rest;
}

void tl_edit_copy(tl_edit *edit, tl_range range, tl_range from) {
  tl_edit_replace(edit, range, edit->data + from.begin, from.end - from.begin);
}

void tl_edit_put(tl_edit *edit, tl_range range, const char *text) {
  tl_edit_replace(edit, range, text, strlen(text));
}

const char *tl_edit_pick(tl_edit *edit, const char *const *list) {
  size_t count = 0;
  while (list[count])
    count++;
  return list[tl_edit_random(edit, count)];
}

// Of up to `max` bytes from `at`.
static tl_range range_at(tl_edit *edit, size_t at, size_t max) {
  size_t length = 1 + tl_edit_random(edit, max);
  return (tl_range){at, length < edit->size - at ? at + length : edit->size};
}

static void change_bytes(tl_edit *edit, const char *const *pieces) {
  size_t at = tl_edit_random(edit, edit->size + 1);
  tl_range here = {at, at};
  switch (tl_edit_random(edit, 6)) {
  case 0:
    if (at < edit->size) edit->data[at] ^= (uint8_t)(1u << tl_edit_random(edit, 8));
    break;
  case 1:
    if (at < edit->size) edit->data[at] = (uint8_t)tl_edit_random(edit, 256);
    break;
  case 2: tl_edit_put(edit, range_at(edit, at, 8), ""); break;
  case 3:
    tl_edit_copy(edit, here, range_at(edit, tl_edit_random(edit, edit->size + 1), RANGE_MAX));
    break;
  default:
    if (tl_edit_random(edit, 2)) here = range_at(edit, at, 16);
    tl_edit_put(edit, here, tl_edit_pick(edit, pieces));
  }
}

void tl_edit_bytes(tl_edit *edit, const char *const *pieces) {
  if (LLVMFuzzerMutate && tl_edit_random(edit, 2)) {
    edit->size = LLVMFuzzerMutate(edit->data, edit->size, edit->size_max);
  } else {
    change_bytes(edit, pieces);
  }
}

size_t tl_fuzz_mutate(uint8_t *data, size_t size, size_t size_max, unsigned seed,
                      const char *const *pieces) {
  tl_edit edit = tl_edit_begin(data, size, size_max, seed);
  tl_edit_bytes(&edit, pieces);
  return edit.size;
}
