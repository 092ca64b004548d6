// The tile: what a block computes before its statements run, f32, in shared memory.
//
//   x[row * stride + column]   rows x width values, width a multiple of 64; of the run's columns
//                              the first `columns - column` exist, the rest are finite filler
//
// Four neighbours from column c on, c a multiple of 4, belong to thread (row * pitch + c) / 4 %
// T_THREADS: statements that read and write only their own elements follow each other without a
// barrier. What they need of global memory is loaded for TL_BATCH fours before it is used: as many
// as a tile of TILE_ROWS by WIDTH, the template's, has for each thread, but not more than 4.
#ifndef TL_TEMPLATES_CUDA_TILE_CUH
#define TL_TEMPLATES_CUDA_TILE_CUH

#include "runtime/base/step.h"
#include "templates/cuda/dialect.cuh"

typedef struct tl_tile {
  tl_u32 x;       // place in shared memory
  tl_i32 stride;  // floats from row to row
  tl_i32 rows;    // rows of this tile
  tl_i32 width;   // columns of this tile
  tl_i32 row;     // number of the first row among the outputs' rows
  tl_i32 column;  // number of the first column in its segment
  tl_i32 columns; // columns of the segment
  tl_i32 pitch;   // as many columns are dealt to threads, those past the width in vain; a constant
                  // where speed matters
  tl_i32 total;   // 0: filler may be stored; else this tile's neighbour is another's, and the row
                  // ends after so many columns
} tl_tile;

typedef struct tl_four {
  float v[4];
} tl_four;

#define TL_BATCH TL_BATCH_OF(TILE_ROWS *WIDTH / 4, T_THREADS)
#define TL_BATCH_OF(things, threads)                                                               \
  ((things) > 3 * (threads) ? 4 : ((things) + (threads) - 1) / (threads))

// Runs the statement after it for batches of this thread's fours; the first of them is number `i`.
#define TL_EACH_BATCH(i)                                                                           \
  for (tl_i32 i = tl_thread(); i < tile->rows * (tile->pitch / 4); i += TL_BATCH * T_THREADS)

// In a batch, runs the statement after it for its fours: number b, row r, column c.
#define TL_IN_BATCH(i, b, r, c)                                                                    \
  TL_UNROLL for (tl_i32 b = 0; b < TL_BATCH; b++)                                                  \
    for (tl_i32 i_ = (i) + b * T_THREADS, r = i_ / (tile->pitch / 4),                              \
                c = i_ % (tile->pitch / 4) * 4, once_ = r < tile->rows && c < tile->width;         \
         once_; once_ = 0)

// Runs the statement after it for this thread's fours.
#define TL_EACH_FOUR(r, c)                                                                         \
  for (tl_i32 i_ = tl_thread(); i_ < tile->rows * (tile->pitch / 4); i_ += T_THREADS)              \
    for (tl_i32 r = i_ / (tile->pitch / 4), c = i_ % (tile->pitch / 4) * 4,                        \
                once_ = c < tile->width;                                                           \
         once_; once_ = 0)

TL_INLINE tl_u32 tl_tile_at(const tl_tile *tile, tl_i32 row, tl_i32 column) {
  return tile->x + (tl_u32)(row * tile->stride + column) * 4;
}

TL_INLINE tl_four tl_four_of(tl_quad q) {
  tl_four f = {{tl_bits_f32(q.x), tl_bits_f32(q.y), tl_bits_f32(q.z), tl_bits_f32(q.w)}};
  return f;
}

TL_INLINE tl_quad tl_quad_of(tl_four f) {
  tl_quad q = {tl_f32_bits(f.v[0]), tl_f32_bits(f.v[1]), tl_f32_bits(f.v[2]), tl_f32_bits(f.v[3])};
  return q;
}

TL_INLINE tl_four tl_tile_four(const tl_tile *tile, tl_i32 row, tl_i32 column) {
  return tl_four_of(tl_shared_quad(tl_tile_at(tile, row, column)));
}

TL_INLINE void tl_tile_put_four(const tl_tile *tile, tl_i32 row, tl_i32 column, tl_four f) {
  tl_shared_put_quad(tl_tile_at(tile, row, column), tl_quad_of(f));
}

// Columns of the tile that exist.
TL_INLINE tl_i32 tl_tile_real(const tl_tile *tile) {
  tl_i32 left = tile->columns - tile->column;
  return left < tile->width ? left : tile->width;
}

// The same up to 64s, as rows of buffers are.
TL_INLINE tl_i32 tl_tile_stored(const tl_tile *tile) {
  tl_i32 left = (tile->columns + 63) / 64 * 64 - tile->column;
  return left < tile->width ? left : tile->width;
}

TL_INLINE tl_i32 tl_step_int(const tl_step *step, tl_u32 place, tl_i64 index) {
  return tl_load_i32((const char *)step + place, index);
}

TL_INLINE float tl_warp_sum(float value) {
  TL_UNROLL for (tl_i32 mask = 16; mask > 0; mask /= 2) value += tl_from_lane_xor(value, mask);
  return value;
}

TL_INLINE float tl_warp_largest(float value) {
  TL_UNROLL for (tl_i32 mask = 16; mask > 0; mask /= 2)
    value = tl_max(value, tl_from_lane_xor(value, mask));
  return value;
}

TL_INLINE tl_i32 tl_int_from_lane(tl_i32 value, tl_i32 lane) {
  return (tl_i32)tl_f32_bits(tl_from_lane(tl_bits_f32((tl_u32)value), lane));
}

// The sum of the values of this lane and those below.
TL_INLINE tl_i32 tl_sum_to_lane(tl_i32 value) {
  tl_i32 lane = tl_thread() % 32;
  TL_UNROLL for (tl_i32 by = 1; by < 32; by *= 2) {
    tl_i32 lower = tl_int_from_lane(value, lane < by ? lane : lane - by);
    value += lane < by ? 0 : lower;
  }
  return value;
}

TL_INLINE float tl_from_bf16(tl_u32 bits) {
  return tl_bits_f32(bits << 16);
}

// A value of a buffer or a weight: bf16 or f32.
TL_INLINE float tl_load_value(const void *base, tl_i64 index, tl_i32 is_bf16) {
  return is_bf16 ? tl_from_bf16(tl_load_u16(base, index)) : tl_load_f32(base, index);
}

TL_INLINE void tl_store_value(void *base, tl_i64 index, float value, tl_i32 is_bf16) {
  if (is_bf16) {
    tl_store_u16(base, index, (tl_u16)tl_pack_bf16(value, 0.0f));
  } else {
    tl_store_f32(base, index, value);
  }
}

// Values from `index` on, a multiple of 4.
TL_INLINE tl_four tl_load_four(const void *base, tl_i64 index, tl_i32 is_bf16) {
  if (!is_bf16) return tl_four_of(tl_load_quad(base, index / 4));
  tl_pair p = tl_load_pair(base, index / 4);
  tl_four f = {{tl_from_bf16(p.x & 0xffff), tl_bits_f32(p.x & 0xffff0000u),
                tl_from_bf16(p.y & 0xffff), tl_bits_f32(p.y & 0xffff0000u)}};
  return f;
}

TL_INLINE void tl_store_four(void *base, tl_i64 index, tl_four f, tl_i32 is_bf16) {
  if (is_bf16) {
    tl_pair p = {tl_pack_bf16(f.v[0], f.v[1]), tl_pack_bf16(f.v[2], f.v[3])};
    tl_store_pair(base, index / 4, p);
  } else {
    tl_store_quad(base, index / 4, tl_quad_of(f));
  }
}

#endif
