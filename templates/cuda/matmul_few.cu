// matmul for few rows: weights stream from memory once per T_ROWS rows, straight into registers.
//
//   x (rows, T_COLUMNS) in T_INPUT, w rows (N up to 64s, K up to 32s) in T_WEIGHT
//   tile (<= T_ROWS, T_WEIGHTS * T_UNIT * 64)
//   args: x, end of each segment in units .., for each segment {N, weights ..}, operands ..
//   grid: unit * blocks + block of T_ROWS rows
//
// A warp makes 16 columns; of the warps left over each takes every T_SPLITS-th step along K, and
// their sums are added in order. bf16: the weights are the matrix unit's a operand, 32 values of K
// of its rows at a time, 16 bytes a lane; x is the b operand, 8 rows at a time.
#include "templates/cuda/rows.cuh"
#include "templates/cuda/statements.cuh"

TL_INLINE void tl_epilogue(tl_tile *tile, const tl_arguments *a, const tl_step *step,
                           tl_i32 segment);

#define WIDTH (T_WEIGHTS * T_UNIT * 64)
#define STRIDE (WIDTH + 4) // neighbouring rows start in other banks
#define STEP 32            // values of K
#define STEPS ((T_COLUMNS + STEP - 1) / STEP)
#define AHEAD 4 // steps whose weights are loaded before the first of them is used
#define GROUPS (T_ROWS / 8)

typedef struct unit {
  const tl_argument *weights; // of its segment
  tl_i32 segment, index;      // index in the segment
  tl_i32 columns;             // N of the segment
  tl_i32 row, rows;
} unit;

TL_INLINE unit find_unit(const tl_arguments *a, const tl_step *step) {
  tl_i32 rows = tl_rows_count(step), blocks = (rows + T_ROWS - 1) / T_ROWS;
  unit u = {0, 0, 0, 0, 0, 0};
  if (blocks == 0) return u;
  tl_i32 index = tl_block() / blocks;
  if (index >= a->at[T_SEGMENTS].i) return u;
  TL_UNROLL for (tl_i32 s = 0; s + 1 < T_SEGMENTS; s++) {
    if (index >= a->at[1 + s].i) u.segment = s + 1;
  }
  const tl_argument *own = &a->at[1 + T_SEGMENTS + u.segment * (1 + T_WEIGHTS)];
  u.weights = own + 1;
  u.columns = (tl_i32)own->i;
  u.index = index - (u.segment ? (tl_i32)a->at[u.segment].i : 0);
  u.row = tl_block() % blocks * T_ROWS;
  u.rows = rows - u.row < T_ROWS ? rows - u.row : T_ROWS;
  return u;
}

// Where column `column` of the tile lies in its weight.
TL_INLINE const char *weight_row(const unit *u, tl_i32 column) {
  tl_i32 weight = column / (T_UNIT * 64);
  tl_i64 row = u->index * (T_UNIT * 64) + column % (T_UNIT * 64);
  return (const char *)u->weights[weight].p + row * (STEPS * STEP * T_WEIGHT_BYTES);
}

#if T_WEIGHT_BF16

TL_INLINE void load_weights(tl_quad out[2], const char *row, tl_i32 step, tl_i32 t) {
  const tl_quad none = {0, 0, 0, 0};
  tl_i64 at = step * 4 + t, below = at + 8 * STEPS * 4;
  out[0] = step < STEPS ? tl_load_stream(row, at) : none;
  out[1] = step < STEPS ? tl_load_stream(row, below) : none;
}

// Two products: a lane's 8 values of K are the pairs of the first, then those of the second.
TL_INLINE void multiply(float d[4], const tl_quad w[2], tl_quad x) {
  tl_u32 first[4] = {w[0].x, w[1].x, w[0].y, w[1].y}, second[4] = {w[0].z, w[1].z, w[0].w, w[1].w};
  tl_u32 x_first[2] = {x.x, x.y}, x_second[2] = {x.z, x.w};
  tl_multiply_bf16(d, first, x_first);
  tl_multiply_bf16(d, second, x_second);
}

TL_INLINE void run_columns(const unit *u, const tl_arguments *a, const tl_step *step, tl_i32 column,
                           tl_i32 split) {
  const tl_quad none = {0, 0, 0, 0};
  tl_i32 g = tl_thread() % 32 / 4, t = tl_thread() % 4;
  const char *weights = weight_row(u, column + g), *x[GROUPS];
  float d[GROUPS][4];
  tl_quad w[AHEAD][2];
  TL_UNROLL for (tl_i32 i = 0; i < AHEAD; i++) load_weights(w[i], weights, split + i * T_SPLITS, t);
  tl_wait_for_launch();
  TL_UNROLL for (tl_i32 j = 0; j < GROUPS; j++) {
    tl_i32 row = j * 8 + g;
    x[j] = row < u->rows
               ? (const char *)a->at[0].p + (tl_i64)tl_input_row(step, u->row + row) * T_INPUT_BYTES
               : 0;
    TL_UNROLL for (tl_i32 i = 0; i < 4; i++) d[j][i] = 0;
  }
  for (tl_i32 first = split; first < STEPS; first += AHEAD * T_SPLITS) {
    TL_UNROLL for (tl_i32 i = 0; i < AHEAD; i++) {
      tl_i32 at = first + i * T_SPLITS;
      TL_UNROLL for (tl_i32 j = 0; j < GROUPS; j++) {
        multiply(d[j], w[i], x[j] && at < STEPS ? tl_load_quad(x[j], at * 4 + t) : none);
      }
      load_weights(w[i], weights, at + AHEAD * T_SPLITS, t);
    }
  }
  TL_UNROLL for (tl_i32 j = 0; j < GROUPS; j++) TL_UNROLL for (tl_i32 i = 0; i < 4; i++) {
    tl_i32 row = split * T_ROWS + j * 8 + 2 * t + i % 2;
    tl_shared_put_f32((tl_u32)(row * STRIDE + column + g + i / 2 * 8) * 4, d[j][i]);
  }
}

#else

TL_INLINE float weight_value(const char *row, tl_i32 k) {
  return T_WEIGHT_BYTES == 4 ? tl_load_f32(row, k) : tl_from_f16(tl_load_u16(row, k));
}

// A column after the other, K over the lanes.
TL_INLINE void run_columns(const unit *u, const tl_arguments *a, const tl_step *step, tl_i32 column,
                           tl_i32 split) {
  tl_i32 lane = tl_thread() % 32;
  tl_wait_for_launch();
  for (tl_i32 c = column; c < column + 16; c++) {
    const char *weights = weight_row(u, c);
    for (tl_i32 row = 0; row < u->rows; row++) {
      const char *x =
          (const char *)a->at[0].p + (tl_i64)tl_input_row(step, u->row + row) * T_INPUT_BYTES;
      float sum = 0;
      for (tl_i32 k = split * STEP + lane; k < T_COLUMNS; k += T_SPLITS * STEP)
        sum = tl_fma(weight_value(weights, k), tl_load_f32(x, k), sum);
      sum = tl_warp_sum(sum);
      if (lane == 0) tl_shared_put_f32((tl_u32)((split * T_ROWS + row) * STRIDE + c) * 4, sum);
    }
  }
}

#endif

// Columns of the unit's tile that are in a row of the outputs, its filler included. A tile of two
// weights is one panel of each.
TL_INLINE tl_i32 width_of(const unit *u) {
  tl_i32 left = (u->columns + 63) / 64 * 64 - u->index * (T_UNIT * 64);
  return T_WEIGHTS > 1 || left > WIDTH ? WIDTH : left;
}

// Adds the sums along K of all splits, in their order.
TL_INLINE void add_splits(tl_tile *tile) {
  TL_EACH_ELEMENT(r, c, x) {
    float sum = tl_shared_f32(x);
    TL_UNROLL for (tl_i32 s = 1; s < T_SPLITS; s++)
      sum += tl_shared_f32(x + (tl_u32)(s * T_ROWS * STRIDE) * 4);
    tl_shared_put_f32(x, sum);
  }
}

TL_KERNEL(T_THREADS, 1) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  unit u = find_unit(&a, step);
  if (u.rows == 0) return;
  tl_i32 warp = tl_thread() / 32;
  run_columns(&u, &a, step, warp % (WIDTH / 16) * 16, warp / (WIDTH / 16));
  tl_allow_next_launch();
  tl_barrier();
  tl_tile tile = {0, STRIDE, u.rows, width_of(&u), u.row, u.index * (T_UNIT * 64), u.columns};
  add_splits(&tile);
  tl_epilogue(&tile, &a, step, u.segment);
}
