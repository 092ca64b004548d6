// The tile: what a block computes before its statements run, f32, in shared memory.
//
//   x[row * stride + column]   rows x width values, width a multiple of 64; of the run's columns
//                              the first `columns - column` exist, the rest are finite filler
//
// Element (row, column) belongs to thread (row * width + column) % T_THREADS: statements that read
// and write only their own elements follow each other without a barrier.
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
} tl_tile;

TL_INLINE tl_u32 tl_tile_at(const tl_tile *tile, tl_i32 row, tl_i32 column) {
  return tile->x + (tl_u32)(row * tile->stride + column) * 4;
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

#endif
