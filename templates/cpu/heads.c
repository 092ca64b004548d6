// heads: each head of a row times a weight of its own; heads lie beside each other, in and out.
//
//   x (rows, T_HEADS * T_COLUMNS) in T_INPUT, w panel64 (T_HEADS, N, T_COLUMNS)
//   tile (<= TL_TILE_ROWS, unit) of one head
//   args: x, N, w, bytes from head to head of w, operands ..
//   item: (head * units + unit) * blocks + block
#include "templates/cpu/matmul.h"

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end);

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end) {
  int64_t rows = step->rows_count, blocks = (rows + T_BLOCK - 1) / T_BLOCK, tiles_rows = 0;
  int64_t columns = args[1].i, units = (columns + T_UNIT * 64 - 1) / (T_UNIT * 64);
  for (int64_t item = begin; item < end; item++) {
    int64_t index = item / blocks, row = item % blocks * T_BLOCK, head = index / units;
    int64_t bytes = T_COLUMNS * (T_INPUT == TL_CPU_BF16 ? TL_OPERAND_BYTES : 4);
    tl_unit u = {.input = {(const char *)args[0].in + head * bytes, 0},
                 .weights = {(const char *)args[2].in + head * args[3].i},
                 .index = index % units,
                 .columns = columns,
                 .first = head * columns,
                 .total = T_HEADS * columns,
                 .tiles_rows = &tiles_rows};
    tl_run_unit(args, step, scratch, &u, row, row + T_BLOCK < rows ? row + T_BLOCK : rows);
  }
  tl_tiles_finish(tiles_rows);
}
