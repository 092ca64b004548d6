// rows: the statements on whole rows of a buffer.
//
//   x in T_INPUT; tile (1, columns up to 64s) of each segment, T_COLUMNS if there is one, T_COLUMNS
//   at most if there are several
//   args: x, for each segment {first column of x, columns}, operands ..
//   grid: row * T_SEGMENTS + segment
#define WIDTH ((T_COLUMNS + 63) / 64 * 64)
#define TILE_ROWS 1

#include "templates/cuda/rows.cuh"
#include "templates/cuda/statements.cuh"

TL_INLINE void tl_epilogue(tl_tile *tile, const tl_arguments *a, const tl_step *step,
                           tl_i32 segment);

// Four columns from `c` on of a segment, zeros behind its last one.
TL_INLINE tl_four load_columns(const char *x, tl_i32 from, tl_i32 c, tl_i32 columns) {
  tl_four f;
  if (from % 4 == 0 && c + 4 <= columns) return tl_load_four(x, from + c, T_INPUT_BF16);
  TL_UNROLL for (tl_i32 e = 0; e < 4; e++)
    f.v[e] = c + e < columns ? tl_load_value(x, from + c + e, T_INPUT_BF16) : 0.0f;
  return f;
}

TL_KERNEL(T_THREADS, 1) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  tl_i32 segment = tl_block() % T_SEGMENTS, row = tl_block() / T_SEGMENTS;
  tl_i32 from = (tl_i32)a.at[1 + 2 * segment].i;
  tl_i32 columns = T_SEGMENTS == 1 ? T_COLUMNS : (tl_i32)a.at[2 + 2 * segment].i;
  tl_i32 width = (columns + 63) / 64 * 64;
  tl_tile self = {0, WIDTH, 1, width, row, 0, columns, width, 0}, *tile = &self;
  if (row >= tl_rows_count(step)) return;
  const char *x = (const char *)a.at[0].p + (tl_i64)tl_input_row(step, row) * T_INPUT_BYTES;
  tl_wait_for_launch();
  TL_EACH_FOUR(r, c) tl_tile_put_four(tile, r, c, load_columns(x, from, c, columns));
  tl_allow_next_launch();
  tl_epilogue(tile, &a, step, segment);
}
