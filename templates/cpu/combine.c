// combine: a row is the sum of what its experts made of it, in the order in which they were chosen.
//
//   y (sorted rows, T_COLUMNS) f32, weights (rows, T_CHOSEN) f32, rows of T_SCALE_BYTES, 0 = none
//   tile (1, T_COLUMNS up to 64s); args: y, groups, weights, operands ..; item: T_BLOCK rows
#include "templates/cpu/constants.h"
#include "templates/cpu/statements.h"

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end);

TL_INLINE void add_experts(const tl_arg *args, const int32_t *places, const float *weights,
                           tl_tile *tile) {
  for (int64_t c = 0; c < tile->width; c += VW) {
    vf sum = {0};
    for (int64_t a = 0; a < T_CHOSEN; a++) {
      vf y = vf_load((const float *)((const char *)args[0].in + places[a] * T_INPUT_BYTES) + c);
      sum = vf_fma(vf_all(T_SCALE_BYTES ? weights[a] : 1.0f), y, sum);
    }
    vf_store(tile->x + c, sum);
  }
}

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end) {
  int64_t rows = step->rows_count, width = (T_COLUMNS + 63) / 64 * 64;
  int64_t last = end * T_BLOCK < rows ? end * T_BLOCK : rows;
  const int32_t *places = (const int32_t *)args[1].in + rows * T_CHOSEN;
  for (int64_t row = begin * T_BLOCK; row < last; row++) {
    tl_tile tile = {.x = (float *)scratch,
                    .stride = width,
                    .rows = 1,
                    .width = width,
                    .row = row,
                    .columns = T_COLUMNS};
    add_experts(args, places + row * T_CHOSEN,
                (const float *)((const char *)args[2].in + row * T_SCALE_BYTES), &tile);
    tl_epilogue(&tile, args, step, 0);
  }
}
