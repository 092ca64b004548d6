// matmul: rows of a buffer times packed weights, the statements of a segment on each tile.
//
//   x (rows, T_COLUMNS) in T_INPUT, w panel64 or q8g32 (N, T_COLUMNS)
//   tile (<= TL_TILE_ROWS, T_WEIGHTS * unit)
//   args: x, end of each segment in units .., for each segment {N, weights ..}, operands ..
//   item: unit * blocks + block: T_BLOCK rows of one unit's columns; neighbours share panels
#include "templates/cpu/matmul.h"

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end);

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end) {
  int64_t rows = T_SYMBOL_R ? step->wanted_count : step->rows_count;
  int64_t blocks = (rows + T_BLOCK - 1) / T_BLOCK, tiles_rows = 0;
  for (int64_t item = begin; item < end; item++) {
    int64_t index = item / blocks, row = item % blocks * T_BLOCK, segment = 0;
    while (segment + 1 < T_SEGMENTS && index >= args[1 + segment].i)
      segment++;
    const tl_arg *own = args + 1 + T_SEGMENTS + segment * (1 + T_WEIGHTS);
    tl_unit u = {.input = {args[0].in, T_WANTED ? tl_step_ints(step, step->wanted) : 0},
                 .weights = {own[1].in, T_WEIGHTS > 1 ? own[2].in : 0},
                 .segment = segment,
                 .index = index - (segment ? args[segment].i : 0),
                 .columns = own->i,
                 .tiles_rows = &tiles_rows};
    tl_run_unit(args, step, scratch, &u, row, row + T_BLOCK < rows ? row + T_BLOCK : rows);
  }
  tl_tiles_finish(tiles_rows);
}
