// Rows times packed weights, tile by tile: the common part of matmul, heads and experts.
#ifndef TL_TEMPLATES_CPU_MATMUL_H
#define TL_TEMPLATES_CPU_MATMUL_H

#include "templates/cpu/micro.h"
#include "templates/cpu/statements.h"

// Where rows come from: row r is row list[r] of `base`, or row r itself without a list.
typedef struct tl_input {
  const char *base;
  const int32_t *list;
} tl_input;

// A run of columns, and what it is made of.
typedef struct tl_unit {
  tl_input input;
  const char *weights[2]; // first panel of each weight
  int64_t segment;
  int64_t index;       // among the units of its weights
  int64_t columns;     // N of its weights
  int64_t first;       // column of the output that column 0 of the weights is
  int64_t total;       // columns of the output's row
  int64_t *tiles_rows; // see tl_micro
} tl_unit;

// Rows that go through the weights together: K is then cut into blocks that stay in the first cache
// while all tiles of rows pass over them, and the accumulators are carried on in the tile. The tile
// unit needs it for any number of rows, the others only until panels come from the second cache
// fast enough. A pass of few vectors reads one line of the panel in four: these lie in a quarter of
// the cache's sets, where a longer block does not stay.
enum { FEW_ROWS = 24, BLOCK_COLUMNS = VW == 8 ? 64 : 256 };

TL_INLINE int64_t panel_bytes(int64_t columns) {
  if (T_WEIGHT == TL_CPU_Q8G32) return tl_panel_bytes_q8g32(columns);
  if (T_WEIGHT == TL_CPU_BF16) return tl_panel_bytes(columns, 2, 2);
  return tl_panel_bytes(columns, T_WEIGHT == TL_CPU_F16 ? 2 : 4, 1);
}

// Bytes of one value (with its pair) of a row of the panel, and from k to the next k.
TL_INLINE int64_t cell_bytes(void) {
  if (T_WEIGHT == TL_CPU_Q8G32) return 0; // the micro kernel is told the column instead
  return T_WEIGHT == TL_CPU_F16 ? 2 : 4;
}

TL_INLINE const char *input_row(const tl_input *in, int64_t row) {
  int64_t from = T_WANTED && in->list ? in->list[row] : row;
  return in->base + from * T_INPUT_BYTES;
}

// Rows from `row` on that lie evenly in memory, at most `most`: all that are not picked.
TL_INLINE int64_t even_rows(const tl_input *in, int64_t row, int64_t most) {
  if (!T_WANTED || !in->list || most < 3) return most;
  const int32_t *wanted = in->list + row;
  int64_t count = 2;
  while (count < most && wanted[count] - wanted[count - 1] == wanted[1] - wanted[0])
    count++;
  return count;
}

// Where a tile's rows come from and where a panel's columns go.
typedef struct place {
  const tl_input *input;
  const tl_tile *tile;
  const char *panel;
  float *out;
  int64_t *tiles_rows;
} place;

// Columns [k, k + count) of K, all rows of the tile in turns.
TL_INLINE void multiply_block(const place *at, int64_t column, int64_t k, int64_t count,
                              const int vectors) {
  int64_t rows = at->tile->rows, most = tl_micro_rows_max(T_WEIGHT);
  int64_t turns = (rows + most - 1) / most, share = (rows + turns - 1) / turns, here;
  tl_micro m = {.panel = at->panel + panel_bytes(k) + column * cell_bytes(),
                .panel_step = 64 * cell_bytes(),
                .columns = count,
                .more = k > 0,
                .x_plane = T_EXACT ? T_INPUT_BYTES / 2 : 0,
                .out_stride = at->tile->stride,
                .tiles_rows = at->tiles_rows};
  for (int64_t first = 0, turn = 0; first < rows; first += here, turn++) {
    here = rows - first < share ? rows - first : share;
    here = even_rows(at->input, at->tile->row + first, here);
    m.x = input_row(at->input, at->tile->row + first);
    m.x_step = here > 1 ? input_row(at->input, at->tile->row + first + 1) - m.x : 0;
    m.x += k * (T_INPUT == TL_CPU_BF16 ? TL_OPERAND_BYTES : 4);
    m.out = at->out + first * m.out_stride + column;
    // The second turn finds its block in the cache and has time to fetch the next one.
    m.ahead = rows <= most ? TL_MICRO_AHEAD : turn == 1 ? panel_bytes(BLOCK_COLUMNS) : 0;
    tl_micro_rows(&m, T_WEIGHT, here, vectors, column, T_COLUMNS % TL_TILES_STEP != 0);
  }
}

TL_INLINE void multiply(const tl_unit *u, tl_tile *tile) {
  int64_t panels = (u->columns + 63) / 64, first = u->index * T_UNIT;
  int64_t here = panels - first < T_UNIT ? panels - first : T_UNIT;
  int64_t block = tile->rows > tl_micro_rows_max(T_WEIGHT) ? BLOCK_COLUMNS : T_COLUMNS;
  tile->width = here * 64 * T_WEIGHTS;
  for (int64_t i = 0; i < here * T_WEIGHTS; i++) {
    place at = {&u->input, tile, .out = tile->x + i * 64, .tiles_rows = u->tiles_rows};
    at.panel = u->weights[i / here] + (first + i % here) * panel_bytes(T_COLUMNS);
    if (VW == 8 && tile->rows == 1 && T_WEIGHT != TL_CPU_Q8G32) {
      multiply_block(&at, 0, 0, T_COLUMNS, TL_MICRO_PANEL);
      continue;
    }
    for (int64_t k = 0; k < T_COLUMNS; k += block) {
      int64_t count = T_COLUMNS - k < block ? T_COLUMNS - k : block;
      for (int64_t column = 0; column < 64; column += TL_MICRO_VECTORS * VW)
        multiply_block(&at, column, k, count, TL_MICRO_VECTORS);
    }
  }
}

// Rows [row, row_end) of a unit, the statements on each tile of them.
TL_INLINE void tl_run_unit(const tl_arg *args, const tl_step *step, char *scratch, const tl_unit *u,
                           int64_t row, int64_t row_end) {
  int64_t most = row_end - row <= FEW_ROWS ? FEW_ROWS : tl_micro_rows_max(T_WEIGHT);
  if (TL_TILES && T_WEIGHT == TL_CPU_BF16) most = TL_TILE_ROWS;
  while (row < row_end) {
    int64_t left = row_end - row, tiles = (left + most - 1) / most;
    tl_tile tile = {.x = (float *)scratch,
                    .stride = T_UNIT * T_WEIGHTS * 64,
                    .rows = (left + tiles - 1) / tiles,
                    .row = row,
                    .column = u->first + u->index * T_UNIT * 64,
                    .columns = u->first + u->columns,
                    .total = u->total};
    multiply(u, &tile);
    tl_epilogue(&tile, args, step, u->segment);
    row += tile.rows;
  }
}

#endif
