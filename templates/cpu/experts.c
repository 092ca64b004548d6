// experts: the rows that were dealt to each expert times its weights; out come sorted rows.
//
//   x (rows, T_COLUMNS) in T_INPUT, T_WANTED: picked rows of the step, else sorted rows
//   w panel64 or q8g32 (experts, N, T_COLUMNS); groups as in compiler/program/program.h
//   args: x, groups, N, bytes from expert to expert, weights .., operands ..
//   item: unit * pieces + piece, pieces as many as there can be; neighbours share nothing, but the
//   pieces that exist come first and so are dealt evenly
//
// Picked rows lie anywhere. Two always have one distance; more are copied together first.
#include "templates/cpu/matmul.h"

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end);

enum { ROWS_EVEN = 2 };

TL_INLINE void copy_rows(char *to, const tl_input *from, int64_t row, int64_t count) {
  for (int64_t r = 0; r < count; r++) {
    const vu_loose *in = (const vu_loose *)input_row(from, row + r);
    vu_loose *out = (vu_loose *)(to + r * T_INPUT_BYTES);
    for (int64_t i = 0; i < T_INPUT_BYTES / (VW * 4); i++)
      out[i] = in[i];
  }
}

// `piece`: {expert, first sorted row, rows}.
TL_INLINE void run_piece(const tl_arg *args, const tl_step *step, char *scratch, tl_unit *u,
                         const int32_t *piece) {
  int64_t row = piece[1], end = row + piece[2];
  char *copies = scratch + TL_TILE_ROWS * T_UNIT * T_WEIGHTS * 64 * 4;
  for (int w = 0; w < T_WEIGHTS; w++)
    u->weights[w] = (const char *)args[4 + w].in + piece[0] * args[3].i;
  if (!T_WANTED || end - row <= ROWS_EVEN) {
    tl_run_unit(args, step, scratch, u, row, end);
    return;
  }
  tl_unit copied = *u;
  copied.input.list = 0;
  for (int64_t here; row < end; row += here) {
    here = end - row < T_COPIES ? end - row : T_COPIES;
    copy_rows(copies, &u->input, row, here);
    copied.input.base = copies - row * T_INPUT_BYTES;
    tl_run_unit(args, step, scratch, &copied, row, row + here);
  }
}

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end) {
  int64_t pairs = (int64_t)step->rows_count * T_CHOSEN, tiles_rows = 0;
  const int32_t *groups = args[1].in;
  for (int64_t item = begin; item < end; item++) {
    const int32_t *piece = groups + 2 * pairs + item % pairs * 3;
    if (piece[2] == 0) continue;
    tl_unit u = {.input = {args[0].in, groups},
                 .index = item / pairs,
                 .columns = args[2].i,
                 .tiles_rows = &tiles_rows};
    run_piece(args, step, scratch, &u, piece);
  }
  tl_tiles_finish(tiles_rows);
}
