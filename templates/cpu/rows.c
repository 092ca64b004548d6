// rows: each row of a buffer is a tile of its own, whole; for what no matmul can hold.
//
//   x in T_INPUT; tile (1, columns up to 64s) of each segment, T_COLUMNS if there is one
//   args: x, for each segment {first column of x, columns}, operands ..
//   item: T_BLOCK rows
#include "templates/cpu/constants.h"
#include "templates/cpu/statements.h"

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end);

// Columns [first, first + columns) of a row, and filler of no meaning up to a multiple of 64.
TL_INLINE void load(float *to, const char *x, int64_t first, int64_t columns) {
  int64_t c = 0;
  for (; c + VW <= columns; c += VW)
    vf_store(to + c, tl_buffer_load(x, first + c, T_INPUT));
  for (; c < columns; c++)
    to[c] = T_INPUT == TL_CPU_BF16 ? tl_bf16_at(x, first + c) : ((const float *)x)[first + c];
  for (; c < (columns + 63) / 64 * 64; c++)
    to[c] = 0;
}

TL_INLINE void run_row(const tl_arg *args, const tl_step *step, char *scratch, int64_t row) {
  int64_t from = T_WANTED ? tl_step_ints(step, step->wanted)[row] : row;
  const char *x = (const char *)args[0].in + from * T_INPUT_BYTES;
  for (int64_t s = 0; s < T_SEGMENTS; s++) {
    int64_t columns = T_SEGMENTS == 1 ? T_COLUMNS : args[2 + 2 * s].i;
    int64_t width = (columns + 63) / 64 * 64;
    tl_tile tile = {(float *)scratch, width, 1, width, row, 0, columns, 0};
    load(tile.x, x, args[1 + 2 * s].i, columns);
    tl_epilogue(&tile, args, step, s);
  }
}

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end) {
  int64_t rows = T_SYMBOL_R ? step->wanted_count : step->rows_count;
  int64_t last = end * T_BLOCK < rows ? end * T_BLOCK : rows;
  for (int64_t row = begin * T_BLOCK; row < last; row++)
    run_row(args, step, scratch, row);
}
