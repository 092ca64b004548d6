// rows: each row of a buffer is a tile of its own, whole; for what no matmul can hold.
//
//   x (rows, T_COLUMNS) in T_INPUT; tile (1, T_COLUMNS up to 64s); args: x, operands ..
//   item: T_BLOCK rows
#include "templates/cpu/constants.h"
#include "templates/cpu/statements.h"

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end);

TL_INLINE void run_row(const tl_arg *args, const tl_step *step, char *scratch, int64_t row) {
  int64_t from = T_WANTED ? tl_step_ints(step, step->wanted)[row] : row;
  const char *x = (const char *)args[0].in + from * T_INPUT_BYTES;
  int64_t width = (T_COLUMNS + 63) / 64 * 64;
  tl_tile tile = {(float *)scratch, width, 1, width, row, 0, T_COLUMNS};
  for (int64_t c = 0; c < width; c += VW) {
    vf_store(tile.x + c, tl_buffer_load(x, c, T_INPUT));
  }
  tl_epilogue(&tile, args, step, 0);
}

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end) {
  int64_t rows = T_SYMBOL_R ? step->wanted_count : step->rows_count;
  int64_t last = end * T_BLOCK < rows ? end * T_BLOCK : rows;
  for (int64_t row = begin * T_BLOCK; row < last; row++)
    run_row(args, step, scratch, row);
}
