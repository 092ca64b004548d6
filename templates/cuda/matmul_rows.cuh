// Where rows of x and of weights lie for matmuls that read them by address, at a depth that the kernel
// is made for: T_COLUMNS values, T_INPUT_BYTES from row to row of x. See matmul.cuh.
#ifndef TL_TEMPLATES_CUDA_MATMUL_ROWS_CUH
#define TL_TEMPLATES_CUDA_MATMUL_ROWS_CUH

#include "templates/cuda/matmul.cuh"

#define STEP 32 // values of K
#define STEPS ((T_COLUMNS + STEP - 1) / STEP)
#define WEIGHT_ROW_BYTES (STEPS * STEP * T_WEIGHT_BYTES)

// Whether the matrix unit multiplies: a head's input must begin where 16 bytes do, and end where
// its weights do.
#define MATRIX_UNIT (T_WEIGHT_BF16 && (T_HEADS == 0 || T_COLUMNS % STEP == 0))

// Likewise in f32: whether x and weights are the same lines of 128 bytes.
#define IN_LINES (T_WEIGHT_BYTES == 4 && (T_HEADS == 0 || T_COLUMNS % STEP == 0))

// Where column `column` of the tile lies in its weight; of a missing panel another one's.
TL_INLINE const char *weight_row(const unit *u, tl_i32 column) {
  tl_i32 weight = column / (T_UNIT * 64);
  tl_i64 row = u->index * (T_UNIT * 64) + column % (T_UNIT * 64);
  if (T_UNIT > 1 && row >= (u->columns + 63) / 64 * 64) row %= 64;
  return (const char *)u->weights[weight].p + u->matrix + row * WEIGHT_ROW_BYTES;
}

TL_INLINE const char *input_row(const unit *u, const tl_arguments *a, const tl_step *step,
                                tl_i32 row) {
  tl_i64 from = row;
  if (T_CHOSEN > 0) {
    if (T_WANTED) from = tl_load_i32(a->at[1].p, row);
  } else {
    from = tl_input_row(step, row);
  }
  return (const char *)a->at[0].p + from * T_INPUT_BYTES +
         u->head * (T_COLUMNS * (T_INPUT_BF16 ? 2 : 4));
}

TL_INLINE float weight_value(const char *row, tl_i32 k) {
  if (T_WEIGHT_BYTES == 4) return tl_load_f32(row, k);
  return T_WEIGHT_BF16 ? tl_from_bf16(tl_load_u16(row, k)) : tl_from_f16(tl_load_u16(row, k));
}

// Values from k on, a multiple of 4, where rows of x are in fours too.
#define IN_FOURS (T_HEADS == 0 || T_COLUMNS % 4 == 0)

TL_INLINE tl_four weight_four(const char *row, tl_i32 k) {
  if (T_WEIGHT_BYTES == 4 || T_WEIGHT_BF16) return tl_load_four(row, k, T_WEIGHT_BF16);
  tl_pair p = tl_load_pair(row, k / 4);
  tl_four f = {{tl_from_f16((tl_u16)p.x), tl_from_f16((tl_u16)(p.x >> 16)),
                tl_from_f16((tl_u16)p.y), tl_from_f16((tl_u16)(p.y >> 16))}};
  return f;
}

#endif
