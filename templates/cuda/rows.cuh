// Which rows a block works on: the grid covers the most there can be, the step says how many are.
#ifndef TL_TEMPLATES_CUDA_ROWS_CUH
#define TL_TEMPLATES_CUDA_ROWS_CUH

#include "templates/cuda/tile.cuh"

TL_INLINE tl_i32 tl_rows_count(const tl_step *step) {
  return T_SYMBOL_R ? step->wanted_count : step->rows_count;
}

// The row of the input that output row `row` is made from.
TL_INLINE tl_i32 tl_input_row(const tl_step *step, tl_i32 row) {
  return T_WANTED ? tl_step_int(step, step->wanted, row) : row;
}

#endif
