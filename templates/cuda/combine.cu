// combine: a row is the sum of what its experts made of it, in the order in which they were chosen.
//
//   y (sorted rows, T_COLUMNS) f32, rows of T_INPUT_BYTES; weights (rows, T_CHOSEN) f32, rows of
//   T_SCALE_BYTES, 0 = none; tile (1, WIDTH) of the row's columns, the last one may be less wide
//   args: y, groups, weights, operands ..;  grid: row * tiles of a row + tile
#define WIDTH (T_UNIT * 64)
#define TILE_ROWS 1

#include "templates/cuda/rows.cuh"
#include "templates/cuda/statements.cuh"

TL_INLINE void tl_epilogue(tl_tile *tile, const tl_arguments *a, const tl_step *step,
                           tl_i32 segment);

#define TILES ((T_COLUMNS + WIDTH - 1) / WIDTH)
#define AT_ONCE 4 // experts whose values are loaded before the first is used

TL_INLINE float weight_of(const tl_arguments *a, tl_i64 row, tl_i32 slot) {
  return T_SCALE_BYTES ? tl_load_f32((const char *)a->at[2].p + row * T_SCALE_BYTES, slot) : 1.0f;
}

// Four columns from `column` on.
TL_INLINE tl_four add_experts(const tl_arguments *a, const tl_step *step, tl_i64 row,
                              tl_i32 column) {
  tl_i64 places = ((tl_i64)step->rows_count + row) * T_CHOSEN;
  tl_four sum = {{0, 0, 0, 0}};
  TL_UNROLL for (tl_i32 done = 0; done < T_CHOSEN; done += AT_ONCE) {
    tl_four y[AT_ONCE];
    TL_UNROLL for (tl_i32 i = 0; i < AT_ONCE; i++) if (done + i < T_CHOSEN) {
      tl_i64 place = tl_load_i32(a->at[1].p, places + done + i);
      y[i] = tl_load_four((const char *)a->at[0].p + place * T_INPUT_BYTES, column, 0);
    }
    TL_UNROLL for (tl_i32 i = 0; i < AT_ONCE; i++) if (done + i < T_CHOSEN) {
      float by = weight_of(a, row, done + i);
      TL_UNROLL for (tl_i32 e = 0; e < 4; e++) sum.v[e] = tl_fma(by, y[i].v[e], sum.v[e]);
    }
  }
  return sum;
}

TL_KERNEL(T_THREADS, 1) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  tl_i32 row = tl_block() / TILES;
  tl_tile self = {0, WIDTH, 1, WIDTH, row, tl_block() % TILES * WIDTH, T_COLUMNS, WIDTH, 0};
  tl_tile *tile = &self;
  if (row >= step->rows_count) return;
  tl_wait_for_launch();
  tl_allow_next_launch();
  tile->width = tl_tile_stored(tile);
  TL_EACH_FOUR(r, c)
  tl_tile_put_four(tile, r, c, add_experts(&a, step, row + r, tile->column + c));
  tl_epilogue(tile, &a, step, 0);
}
