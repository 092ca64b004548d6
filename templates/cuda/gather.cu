// gather: the rows of a packed weight that the step's ids, positions or types name.
//
//   w rows (N up to 64s, T_COLUMNS up to 32s) in T_WEIGHT; tile (1, T_COLUMNS up to 64s)
//   T_SOURCE: 0 = ids, 1 = positions, 2 = types
//   args: N, w, operands ..;  grid: a row each
#define WIDTH ((T_COLUMNS + 63) / 64 * 64)
#define TILE_ROWS 1

#include "templates/cuda/rows.cuh"
#include "templates/cuda/statements.cuh"

TL_INLINE void tl_epilogue(tl_tile *tile, const tl_arguments *a, const tl_step *step,
                           tl_i32 segment);

TL_INLINE float weight_value(const void *weights, tl_i64 index) {
  if (T_WEIGHT_BYTES == 4) return tl_load_f32(weights, index);
  tl_u16 bits = tl_load_u16(weights, index);
  return T_WEIGHT_BF16 ? tl_from_bf16(bits) : tl_from_f16(bits);
}

TL_KERNEL(T_THREADS, 1) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  tl_tile self = {0, WIDTH, 1, WIDTH, tl_block(), 0, T_COLUMNS, WIDTH, 0}, *tile = &self;
  if (tile->row >= tl_rows_count(step)) return;
  tl_u32 ids = T_SOURCE == 1 ? step->positions : T_SOURCE == 2 ? step->types : step->ids;
  tl_i32 id = tl_step_int(step, ids, tile->row);
  tl_i64 from = (tl_i64)id * ((T_COLUMNS + 31) / 32 * 32);
  tl_wait_for_launch();
  TL_EACH_FOUR(r, c) {
    tl_four f = {{0, 0, 0, 0}};
    TL_UNROLL for (tl_i32 e = 0; e < 4; e++) {
      if (c + e < T_COLUMNS && id < a.at[0].i) f.v[e] = weight_value(a.at[1].p, from + c + e);
    }
    tl_tile_put_four(tile, r, c, f);
  }
  tl_allow_next_launch();
  tl_epilogue(tile, &a, step, 0);
}
