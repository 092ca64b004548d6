// gather: the row of a packed matrix that the step's id names; the first tile of every model.
//
//   w panel64 or q8g32 (N, T_COLUMNS); tile (1, T_COLUMNS up to 64s); args: N, w, operands ..
//   item: T_BLOCK rows. The same packed weight serves the head, so a tied one is stored once.
#include "templates/cpu/constants.h"
#include "templates/cpu/statements.h"

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end);

TL_INLINE float half_to_float(uint16_t bits) {
  return _cvtsh_ss(bits);
}

TL_INLINE float bf16_to_float(uint16_t bits) {
  uint32_t wide = (uint32_t)bits << 16;
  float value;
  __builtin_memcpy(&value, &wide, 4);
  return value;
}

TL_INLINE float value_at(const char *w, int64_t n, int64_t k) {
  int64_t panel = n / 64, c = n % 64;
  if (T_WEIGHT == TL_CPU_Q8G32) {
    const char *group = w + panel * tl_panel_bytes_q8g32(T_COLUMNS) +
                        k / 32 * (TL_PANEL_ROWS * 2 + TL_PANEL_GROUP * TL_PANEL_ROWS);
    return half_to_float(((const uint16_t *)group)[c]) *
           (float)((const int8_t *)group)[TL_PANEL_ROWS * 2 + k % 32 * 64 + c];
  }
  if (T_WEIGHT == TL_CPU_BF16) {
    const char *p = w + panel * tl_panel_bytes(T_COLUMNS, 2, 2);
    return bf16_to_float(((const uint16_t *)p)[(k / 2 * 64 + c) * 2 + k % 2]);
  }
  int bytes = T_WEIGHT == TL_CPU_F16 ? 2 : 4;
  const char *p = w + panel * tl_panel_bytes(T_COLUMNS, bytes, 1);
  if (bytes == 2) return half_to_float(((const uint16_t *)p)[k * 64 + c]);
  return ((const float *)p)[k * 64 + c];
}

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end) {
  int64_t rows = step->rows_count, width = (T_COLUMNS + 63) / 64 * 64;
  int64_t last = end * T_BLOCK < rows ? end * T_BLOCK : rows;
  uint32_t place = T_SOURCE == 1 ? step->positions : T_SOURCE == 2 ? step->types : step->ids;
  const int32_t *ids = tl_step_ints(step, place);
  for (int64_t row = begin * T_BLOCK; row < last; row++) {
    tl_tile tile = {(float *)scratch, width, 1, width, row, 0, T_COLUMNS, 0};
    for (int64_t k = 0; k < T_COLUMNS; k++)
      tile.x[k] = value_at(args[1].in, ids[row], k);
    for (int64_t k = T_COLUMNS; k < width; k++)
      tile.x[k] = 0;
    tl_epilogue(&tile, args, step, 0);
  }
}
