// Fills packed weights in their own formats.
#include "runtime/device/random.h"

#include <string.h>

enum { PIECE_BYTES = 1 << 20 };

typedef struct filler {
  const tl_plan_tables *tables;
  const tl_plan_weight *weight;
  uint64_t begin, end; // of the weight's bytes
  char *out;
  uint64_t seed;
  tl_pool *pool;
} filler;

static uint64_t mixed(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  return x ^ x >> 31;
}

// Sign, an exponent that gives 2^-6 .. 2^-5, random mantissa.
static void fill_bf16(uint16_t *out, size_t count, uint64_t key) {
  for (size_t i = 0; i < count; i++) {
    uint64_t r = mixed(key + i);
    out[i] = (uint16_t)((r & 0x807f) | 121u << 7);
  }
}

static void fill_f16(uint16_t *out, size_t count, uint64_t key) {
  for (size_t i = 0; i < count; i++)
    out[i] = (uint16_t)((mixed(key + i) & 0x83ff) | 9u << 10);
}

static void fill_f32(float *out, size_t count, uint64_t key, bool vector) {
  for (size_t i = 0; i < count; i++) {
    float x = (float)((int64_t)(mixed(key + i) & 0xffff) - 0x8000) / 0x8000;
    out[i] = vector ? 1.0f + x / 8 : x / 32;
  }
}

// Scales of 1/2048 (f16), codes of any value.
static void fill_q8(char *out, size_t bytes, uint64_t key, int64_t group_bytes) {
  for (size_t i = 0; i < bytes; i++)
    out[i] = (char)mixed(key + i);
  for (size_t group = 0; group + (size_t)group_bytes <= bytes; group += (size_t)group_bytes) {
    for (int c = 0; c < 64; c++)
      memcpy(out + group + 2 * c, "\0\x10", 2);
  }
}

static void fill_piece(const filler *f, uint64_t offset, uint64_t bytes) {
  const char *format = f->tables->strings + f->weight->format;
  char *out = f->out + (offset - f->begin);
  uint64_t key = mixed(f->seed + f->weight->offset) + offset;
  if (f->weight->layout == TL_PLAN_LAYOUT_VECTOR) {
    fill_f32((float *)out, bytes / 4, key, true);
  } else if (strcmp(format, "bf16") == 0) {
    fill_bf16((uint16_t *)out, bytes / 2, key);
  } else if (strcmp(format, "f16") == 0) {
    fill_f16((uint16_t *)out, bytes / 2, key);
  } else if (strcmp(format, "f32") == 0) {
    fill_f32((float *)out, bytes / 4, key, false);
  } else {
    fill_q8(out, bytes, key, 64 * 2 + 32 * 64);
  }
}

uint64_t tl_random_piece_bytes(const tl_plan_weight *weight) {
  uint64_t panel = weight->layout == TL_PLAN_LAYOUT_VECTOR ? 64 : (uint64_t)weight->stride;
  return panel >= PIECE_BYTES ? panel : PIECE_BYTES / panel * panel;
}

static void fill_thread(void *context, int thread) {
  const filler *f = context;
  uint64_t piece = tl_random_piece_bytes(f->weight), bytes = f->end - f->begin;
  int64_t begin, end;
  (void)thread;
  while (tl_pool_take(f->pool, (int64_t)((bytes + piece - 1) / piece), &begin, &end)) {
    for (int64_t i = begin; i < end; i++) {
      uint64_t at = (uint64_t)i * piece;
      fill_piece(f, f->begin + at, bytes - at < piece ? bytes - at : piece);
    }
  }
}

void tl_random_fill(const tl_plan_tables *tables, const tl_random_range *range, char *out,
                    uint64_t seed, tl_pool *pool) {
  filler f = {.tables = tables,
              .weight = &tables->weights[range->weight],
              .begin = range->begin,
              .end = range->end,
              .out = out,
              .seed = seed,
              .pool = pool};
  tl_pool_run(pool, fill_thread, &f);
}
