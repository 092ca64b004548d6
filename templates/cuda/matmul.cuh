// What the matmuls share: which columns and rows a block makes, and where weights lie.
//
//   x (rows, T_COLUMNS) in T_INPUT, w rows (N up to 64s, K up to 32s) in T_WEIGHT
//   tile (<= T_ROWS, WIDTH), WIDTH = T_WEIGHTS * T_UNIT * 64
//   args: x, end of each segment in units .., for each segment {N, weights ..}, operands ..
//
// A unit is T_UNIT * 64 columns of each of the segment's T_WEIGHTS weights, one beside the other; of
// the last one some panels of 64 may be missing.
#ifndef TL_TEMPLATES_CUDA_MATMUL_CUH
#define TL_TEMPLATES_CUDA_MATMUL_CUH

#define WIDTH (T_WEIGHTS * T_UNIT * 64)

#include "templates/cuda/rows.cuh"
#include "templates/cuda/statements.cuh"

TL_INLINE void tl_epilogue(tl_tile *tile, const tl_arguments *a, const tl_step *step,
                           tl_i32 segment);

#define STEP 32 // values of K
#define STEPS ((T_COLUMNS + STEP - 1) / STEP)
#define WEIGHT_ROW_BYTES (STEPS * STEP * T_WEIGHT_BYTES)

typedef struct unit {
  const tl_argument *weights; // of its segment
  tl_i32 segment, index;      // index in the segment
  tl_i32 columns;             // N of the segment
  tl_i32 row;                 // the first
} unit;

TL_INLINE tl_i32 units_count(const tl_arguments *a) {
  return (tl_i32)a->at[T_SEGMENTS].i;
}

// Unit `index` of all segments.
TL_INLINE unit unit_at(const tl_arguments *a, tl_i32 index, tl_i32 row) {
  unit u = {0, 0, 0, 0, row};
  TL_UNROLL for (tl_i32 s = 0; s + 1 < T_SEGMENTS; s++) {
    if (index >= a->at[1 + s].i) u.segment = s + 1;
  }
  const tl_argument *own = &a->at[1 + T_SEGMENTS + u.segment * (1 + T_WEIGHTS)];
  u.weights = own + 1;
  u.columns = (tl_i32)own->i;
  u.index = index - (u.segment ? (tl_i32)a->at[u.segment].i : 0);
  return u;
}

// Where column `column` of the tile lies in its weight; of a missing panel another one's.
TL_INLINE const char *weight_row(const unit *u, tl_i32 column) {
  tl_i32 weight = column / (T_UNIT * 64);
  tl_i64 row = u->index * (T_UNIT * 64) + column % (T_UNIT * 64);
  if (T_UNIT > 1 && row >= (u->columns + 63) / 64 * 64) row %= 64;
  return (const char *)u->weights[weight].p + row * WEIGHT_ROW_BYTES;
}

// Columns of the tile that go into rows of outputs, their filler included.
TL_INLINE tl_i32 width_of(const unit *u) {
  tl_tile tile = {0, 0, 0, WIDTH, 0, u->index * (T_UNIT * 64), u->columns, WIDTH};
  return T_WEIGHTS > 1 || T_UNIT == 1 ? WIDTH : tl_tile_stored(&tile);
}

TL_INLINE const char *input_row(const tl_arguments *a, const tl_step *step, tl_i32 row) {
  return (const char *)a->at[0].p + (tl_i64)tl_input_row(step, row) * T_INPUT_BYTES;
}

TL_INLINE float weight_value(const char *row, tl_i32 k) {
  if (T_WEIGHT_BYTES == 4) return tl_load_f32(row, k);
  return T_WEIGHT_BF16 ? tl_from_bf16(tl_load_u16(row, k)) : tl_from_f16(tl_load_u16(row, k));
}

#endif
