// What kernels read of global memory: every byte of every load, and every byte once.
#include <stdlib.h>
#include <string.h>

#include "tests/lib/cuda/state.h"

enum { PIECE_BYTES = 4096, UNIT_BYTES = 4, PIECE_UNITS = PIECE_BYTES / UNIT_BYTES };

// Which units of a piece were read.
typedef struct piece {
  uintptr_t number; // its address / PIECE_BYTES; 0 = none
  uint64_t seen[PIECE_UNITS / 64];
} piece;

// A hash table of pieces, at most half full.
struct tl_traffic {
  tl_shim_traffic sum;
  piece *pieces;
  size_t capacity, count, last;
};

static piece *find(const tl_traffic *traffic, uintptr_t number) {
  size_t mask = traffic->capacity - 1;
  size_t at = (size_t)(number * 0x9e3779b97f4a7c15u >> 20) & mask;
  while (traffic->pieces[at].number && traffic->pieces[at].number != number)
    at = (at + 1) & mask;
  return &traffic->pieces[at];
}

static void grow(tl_traffic *traffic) {
  tl_traffic old = *traffic;
  traffic->capacity = old.capacity ? 2 * old.capacity : 1024;
  traffic->pieces = tl_shim_need(calloc(traffic->capacity, sizeof *traffic->pieces));
  for (size_t i = 0; i < old.capacity; i++) {
    if (old.pieces[i].number) *find(traffic, old.pieces[i].number) = old.pieces[i];
  }
  free(old.pieces);
}

void tl_traffic_add(tl_traffic *traffic, uintptr_t at, size_t bytes) {
  traffic->sum.read += bytes;
  for (uintptr_t end = at + bytes; at < end; at += UNIT_BYTES) {
    if (2 * traffic->count >= traffic->capacity) grow(traffic);
    piece *p = find(traffic, at / PIECE_BYTES);
    if (!p->number) traffic->count++;
    p->number = at / PIECE_BYTES;
    size_t unit = at % PIECE_BYTES / UNIT_BYTES;
    uint64_t bit = (uint64_t)1 << unit % 64;
    if (!(p->seen[unit / 64] & bit)) traffic->sum.unique += UNIT_BYTES;
    p->seen[unit / 64] |= bit;
  }
}

void tl_shim_count(tl_shim *shim, bool counts) {
  if (shim->traffic) free(shim->traffic->pieces);
  free(shim->traffic);
  shim->traffic = counts ? tl_shim_need(calloc(1, sizeof *shim->traffic)) : NULL;
}

tl_shim_traffic tl_shim_counted(const tl_shim *shim) {
  return shim->traffic ? shim->traffic->sum : (tl_shim_traffic){0};
}
