// rows: the statements on whole rows of a buffer.
//
//   x (rows, T_COLUMNS) in T_INPUT; tile (1, T_COLUMNS up to 64s)
//   args: x, operands ..;  grid: a row each
#define WIDTH ((T_COLUMNS + 63) / 64 * 64)
#define TILE_ROWS 1

#include "templates/cuda/rows.cuh"
#include "templates/cuda/statements.cuh"

TL_INLINE void tl_epilogue(tl_tile *tile, const tl_arguments *a, const tl_step *step,
                           tl_i32 segment);

TL_KERNEL(T_THREADS, 1) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  tl_tile self = {0, WIDTH, 1, WIDTH, tl_block(), 0, T_COLUMNS, WIDTH}, *tile = &self;
  if (tile->row >= tl_rows_count(step)) return;
  const char *x = (const char *)a.at[0].p + (tl_i64)tl_input_row(step, tile->row) * T_INPUT_BYTES;
  tl_wait_for_launch();
  TL_EACH_FOUR(r, c) {
    tl_four f = tl_load_four(x, c, T_INPUT_BF16);
    TL_UNROLL for (tl_i32 e = 0; e < 4; e++) f.v[e] = c + e < T_COLUMNS ? f.v[e] : 0.0f;
    tl_tile_put_four(tile, r, c, f);
  }
  tl_allow_next_launch();
  tl_epilogue(tile, &a, step, 0);
}
