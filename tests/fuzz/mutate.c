// Implementation of mutate.h.
#include "tests/fuzz/mutate.h"

#include <string.h>

enum { RANGE_MAX = 64 };

typedef struct edit {
  uint8_t *data;
  size_t size, size_max;
  uint32_t random;
} edit;

static uint32_t next_random(edit *e, size_t below) {
  e->random ^= e->random << 13;
  e->random ^= e->random >> 17;
  e->random ^= e->random << 5;
  return below ? e->random % (uint32_t)below : 0;
}

// Opens a gap of `length` bytes at `at`, as far as there is room; returns what fits.
static size_t insert(edit *e, size_t at, size_t length) {
  size_t room = e->size_max - e->size;
  if (length > room) length = room;
  memmove(e->data + at + length, e->data + at, e->size - at);
  e->size += length;
  return length;
}

static void drop(edit *e, size_t at, size_t length) {
  if (length > e->size - at) length = e->size - at;
  memmove(e->data + at, e->data + at + length, e->size - at - length);
  e->size -= length;
}

static void put_piece(edit *e, size_t at, const char *const *pieces) {
  size_t count = 0;
  while (pieces[count])
    count++;
  const char *piece = pieces[next_random(e, count)];
  if (next_random(e, 2)) drop(e, at, strlen(piece));
  size_t length = insert(e, at, strlen(piece));
  if (length) memcpy(e->data + at, piece, length);
}

static void copy_range(edit *e, size_t at) {
  uint8_t range[RANGE_MAX];
  size_t from = next_random(e, e->size + 1), length = 1 + next_random(e, RANGE_MAX);
  if (length > e->size - from) length = e->size - from;
  memcpy(range, e->data + from, length);
  memcpy(e->data + at, range, insert(e, at, length));
}

size_t tl_fuzz_mutate(uint8_t *data, size_t size, size_t size_max, unsigned seed,
                      const char *const *pieces) {
  edit e = {data, size, size_max, seed * 2654435761u + 1};
  size_t at = next_random(&e, size + 1);
  switch (next_random(&e, 6)) {
  case 0:
    if (at < e.size) data[at] ^= (uint8_t)(1u << next_random(&e, 8));
    break;
  case 1:
    if (at < e.size) data[at] = (uint8_t)next_random(&e, 256);
    break;
  case 2: drop(&e, at, 1 + next_random(&e, 8)); break;
  case 3: copy_range(&e, at); break;
  default: put_piece(&e, at, pieces);
  }
  return e.size;
}
