// matmul: rows of a buffer times packed weights, the statements of a segment on each tile.
//
//   x (rows, T_COLUMNS) in T_INPUT, w panel64 or q8g32 (N, T_COLUMNS); tile (<= 6, T_WEIGHTS *
//   unit) args: x, end of each segment in units .., for each segment {N, weights ..}, operands ..
//   item: unit * blocks + block: T_BLOCK rows of one unit's columns, so that neighbours share
//   panels
#include "templates/cpu/micro.h"
#include "templates/cpu/statements.h"

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end);

typedef struct unit {
  const tl_arg *weights; // of its segment
  int64_t segment;
  int64_t index;   // in the segment
  int64_t columns; // N of the segment
} unit;

TL_INLINE int64_t panel_bytes(void) {
  if (T_WEIGHT == TL_CPU_Q8G32) return tl_panel_bytes_q8g32(T_COLUMNS);
  if (T_WEIGHT == TL_CPU_BF16) return tl_panel_bytes(T_COLUMNS, 2, 2);
  return tl_panel_bytes(T_COLUMNS, T_WEIGHT == TL_CPU_F16 ? 2 : 4, 1);
}

// Bytes of one value (with its pair) of a row of the panel, and from k to the next k.
TL_INLINE int64_t cell_bytes(void) {
  if (T_WEIGHT == TL_CPU_Q8G32) return 0; // the micro kernel is told the column instead
  return T_WEIGHT == TL_CPU_F16 ? 2 : 4;
}

TL_INLINE const char *input_row(const tl_arg *args, const tl_step *step, int64_t row) {
  int64_t from = T_WANTED ? tl_step_ints(step, step->wanted)[row] : row;
  return (const char *)args[0].in + from * T_INPUT_BYTES;
}

TL_INLINE void multiply(const unit *u, tl_micro *m, tl_tile *tile) {
  int64_t panels = (u->columns + 63) / 64, first = u->index * T_UNIT;
  int64_t here = panels - first < T_UNIT ? panels - first : T_UNIT;
  tile->width = here * 64 * T_WEIGHTS;
  for (int64_t w = 0; w < T_WEIGHTS; w++) {
    for (int64_t p = 0; p < here; p++) {
      const char *panel = (const char *)u->weights[w].in + (first + p) * panel_bytes();
      float *out = tile->x + (w * here + p) * 64;
      for (int64_t column = 0; column < 64; column += TL_MICRO_VECTORS * VW) {
        m->panel = panel + column * cell_bytes();
        m->out = out + column;
        tl_micro_rows(m, T_WEIGHT, tile->rows, TL_MICRO_VECTORS, column);
      }
    }
  }
}

TL_INLINE void run_unit(const tl_arg *args, const tl_step *step, char *scratch, const unit *u,
                        int64_t row, int64_t row_end) {
  while (row < row_end) {
    int64_t left = row_end - row, tiles = (left + TL_MICRO_ROWS - 1) / TL_MICRO_ROWS;
    int64_t rows = (left + tiles - 1) / tiles;
    tl_tile tile = {.x = (float *)scratch,
                    .stride = T_UNIT * T_WEIGHTS * 64,
                    .rows = rows,
                    .row = row,
                    .column = u->index * T_UNIT * 64,
                    .columns = u->columns};
    tl_micro m = {.panel_step = 64 * cell_bytes(), .columns = T_COLUMNS, .out_stride = tile.stride};
    for (int64_t r = 0; r < rows; r++)
      m.x[r] = input_row(args, step, row + r);
    multiply(u, &m, &tile);
    tl_epilogue(&tile, args, step, u->segment);
    row += rows;
  }
}

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end) {
  int64_t rows = T_SYMBOL_R ? step->wanted_count : step->rows_count;
  int64_t blocks = (rows + T_BLOCK - 1) / T_BLOCK;
  for (int64_t item = begin; item < end; item++) {
    int64_t index = item / blocks, row = item % blocks * T_BLOCK, segment = 0;
    while (segment + 1 < T_SEGMENTS && index >= args[1 + segment].i)
      segment++;
    const tl_arg *own = args + 1 + T_SEGMENTS + segment * (1 + T_WEIGHTS);
    unit u = {own + 1, segment, index - (segment ? args[segment].i : 0), own->i};
    run_unit(args, step, scratch, &u, row, row + T_BLOCK < rows ? row + T_BLOCK : rows);
  }
}
