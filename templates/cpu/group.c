// group: deals the step's rows to their experts; see tl_routing in compiler/program/program.h.
//
//   ids (rows, T_CHOSEN), rows of T_INPUT_BYTES; args: ids, groups
//   item: all of it, which is a walk over a few thousand integers
#include "templates/cpu/constants.h"
#include "templates/cpu/vector.h"

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end);

// Sorted rows of each expert so far: first their count, then where the next one goes.
TL_INLINE int64_t cut_pieces(int32_t *next, int32_t *pieces) {
  int64_t count = 0;
  int32_t first = 0;
  for (int32_t e = 0; e < T_EXPERTS; e++) {
    int32_t rows = next[e];
    for (int32_t done = 0; done < rows; done += T_BLOCK, count++) {
      pieces[count * 3] = e;
      pieces[count * 3 + 1] = first + done;
      pieces[count * 3 + 2] = rows - done < T_BLOCK ? rows - done : (int32_t)T_BLOCK;
    }
    next[e] = first;
    first += rows;
  }
  return count;
}

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end) {
  int64_t rows = step->rows_count, pairs = rows * T_CHOSEN;
  int32_t *order = args[1].out, *place = order + pairs, *pieces = place + pairs;
  int32_t *next = (int32_t *)scratch;
  if (begin >= end) return;
  for (int64_t e = 0; e < T_EXPERTS; e++)
    next[e] = 0;
  for (int64_t row = 0; row < rows; row++) {
    const int32_t *ids = (const int32_t *)((const char *)args[0].in + row * T_INPUT_BYTES);
    for (int64_t a = 0; a < T_CHOSEN; a++)
      next[ids[a]]++;
  }
  int64_t count = cut_pieces(next, pieces);
  for (int64_t i = count * 3; i < pairs * 3; i++)
    pieces[i] = 0;
  for (int64_t row = 0; row < rows; row++) {
    const int32_t *ids = (const int32_t *)((const char *)args[0].in + row * T_INPUT_BYTES);
    for (int64_t a = 0; a < T_CHOSEN; a++) {
      int32_t sorted = next[ids[a]]++;
      order[sorted] = (int32_t)row;
      place[row * T_CHOSEN + a] = sorted;
    }
  }
}
