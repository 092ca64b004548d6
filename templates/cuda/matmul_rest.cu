// matmul_rest: the statements of a matmul whose products lie in memory, where a library has put
// them.
//
//   shapes: matmul.cuh, without weights; x are rows of products in f32
//   args: products, end of each segment in units .., for each segment {N, first column of each
//         weight's products ..}, operands ..
//   grid: unit * blocks of T_ROWS rows + block
//   shared: T_ROWS * STRIDE * 4
//
// Little of each tile waits for the rest of it, and many blocks lie beside each other: it takes the
// time that memory needs.
#define TILE_ROWS T_ROWS

#include "templates/cuda/matmul.cuh"

#define STRIDE (WIDTH + 4)

// Four products from column `c` of the tile on; of a missing panel zeros.
TL_INLINE tl_four products_at(const unit *u, const char *row, tl_i32 c) {
  tl_i32 column = u->index * (T_UNIT * 64) + c % (T_UNIT * 64);
  tl_four none = {{0, 0, 0, 0}};
  if (T_UNIT > 1 && column >= (u->columns + 63) / 64 * 64) return none;
  return tl_load_four(row, u->weights[c / (T_UNIT * 64)].i + column, 0);
}

TL_INLINE void load_tile(const unit *u, const tl_arguments *a, const tl_tile *tile) {
  TL_EACH_BATCH(i) {
    tl_four x[TL_BATCH];
    TL_IN_BATCH(i, b, r, c) {
      x[b] = products_at(u, (const char *)a->at[0].p + (tl_i64)(u->row + r) * T_INPUT_BYTES, c);
    }
    TL_IN_BATCH(i, b, r, c) tl_tile_put_four(tile, r, c, x[b]);
  }
}

TL_KERNEL(T_THREADS, T_BLOCKS) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  tl_i32 units = units_count(&a), rows = tl_rows_count(step);
  tl_i32 blocks = (rows + T_ROWS - 1) / T_ROWS;
  tl_allow_next_launch();
  if (blocks == 0 || tl_block() / blocks >= units) return;
  unit u = unit_at(&a, step, tl_block() / blocks, tl_block() % blocks * T_ROWS);
  tl_i32 left = rows - u.row;
  tl_tile tile = tile_of(&u, 0, STRIDE, u.row, left < T_ROWS ? left : T_ROWS);
  tl_wait_for_launch();
  load_tile(&u, &a, &tile);
  tl_epilogue(&tile, &a, step, u.segment);
}
