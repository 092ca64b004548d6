// What the matmuls share: which columns and rows a block makes.
//
//   x (rows, K), w rows (N up to 64s, K up to 32s)
//   tile (<= T_ROWS, WIDTH), WIDTH = T_WEIGHTS * T_UNIT * 64
//   args: x, end of each segment in units .., for each segment {N, weights ..}, operands ..
//
// A unit is T_UNIT * 64 columns of each of the segment's T_WEIGHTS weights, one beside the other; of
// the last one some panels of 64 may be missing. Two more kinds have one segment of stacks of
// matrices:
//
//   heads     T_HEADS > 0: x (rows, T_HEADS * K), each head times a matrix of its own, out
//             beside each other; a unit is of one head
//             args: x, N, w, bytes from matrix to matrix, few and room of latent_share.cuh: rows of
//             sequences that are taken expanded need not be made, operands ..
//   experts   T_CHOSEN > 0: a block of rows is a piece of an expert's, see tl_routing in
//             compiler/program/program.h; out come sorted rows. T_WANTED: x are rows of the step,
//             else sorted rows too
//             args: x, groups, N, bytes from matrix to matrix, weights .., operands ..
#ifndef TL_TEMPLATES_CUDA_MATMUL_CUH
#define TL_TEMPLATES_CUDA_MATMUL_CUH

#ifndef T_HEADS
#define T_HEADS 0
#endif
#ifndef T_CHOSEN
#define T_CHOSEN 0
#endif

#define WIDTH (T_WEIGHTS * T_UNIT * 64)

#include "templates/cuda/rows.cuh"
#include "templates/cuda/statements.cuh"

TL_INLINE void tl_epilogue(tl_tile *tile, const tl_arguments *a, const tl_step *step,
                           tl_i32 segment);

typedef struct unit {
  const tl_argument *weights; // of its segment
  tl_i64 matrix;              // its place in the stack, in bytes
  tl_i32 segment, index;      // index in the segment, or of the head's
  tl_i32 columns;             // N of the segment, of a head
  tl_i32 row, rows;           // the first; experts: how many there are
  tl_i32 head;
} unit;

TL_INLINE tl_i32 units_of(tl_i64 columns) {
  return (tl_i32)((columns + T_UNIT * 64 - 1) / (T_UNIT * 64));
}

TL_INLINE tl_i32 units_count(const tl_arguments *a) {
  if (T_HEADS > 0) return T_HEADS * units_of(a->at[1].i);
  return T_CHOSEN > 0 ? units_of(a->at[2].i) : (tl_i32)a->at[T_SEGMENTS].i;
}

TL_INLINE unit head_unit_at(const tl_arguments *a, tl_i32 index) {
  tl_i32 units = units_of(a->at[1].i), head = index / units;
  unit u = {&a->at[2], head * a->at[3].i, 0, index % units, (tl_i32)a->at[1].i, 0, 0, head};
  return u;
}

// `piece`: {expert, first sorted row, rows} in the groups' memory; no rows if there is none.
TL_INLINE unit expert_unit_at(const tl_arguments *a, const tl_step *step, tl_i32 index,
                              tl_i32 piece) {
  tl_i64 pairs = (tl_i64)step->rows_count * T_CHOSEN, at = 2 * pairs + (tl_i64)piece * 3;
  unit u = {&a->at[4], 0, 0, index, (tl_i32)a->at[2].i, 0, 0, 0};
  if (piece >= pairs) return u;
  u.matrix = tl_load_i32(a->at[1].p, at) * a->at[3].i;
  u.row = tl_load_i32(a->at[1].p, at + 1);
  u.rows = tl_load_i32(a->at[1].p, at + 2);
  return u;
}

// Unit `index` of all segments, of the block of rows from `row` on; of experts piece row / T_ROWS.
TL_INLINE unit unit_at(const tl_arguments *a, const tl_step *step, tl_i32 index, tl_i32 row) {
  if (T_CHOSEN > 0) return expert_unit_at(a, step, index, row / T_ROWS);
  unit u = {0, 0, 0, 0, 0, 0, 0, 0};
  if (T_HEADS > 0) {
    u = head_unit_at(a, index);
  } else {
    TL_UNROLL for (tl_i32 s = 0; s + 1 < T_SEGMENTS; s++) {
      if (index >= a->at[1 + s].i) u.segment = s + 1;
    }
    const tl_argument *own = &a->at[1 + T_SEGMENTS + u.segment * (1 + T_WEIGHTS)];
    u.weights = own + 1;
    u.columns = (tl_i32)own->i;
    u.index = index - (u.segment ? (tl_i32)a->at[u.segment].i : 0);
  }
  u.row = row;
  return u;
}

// Rows from the unit's first on. Not before the unit's weights are asked for: it waits for memory.
TL_INLINE tl_i32 rows_of(const unit *u, const tl_step *step) {
  return T_CHOSEN > 0 ? u->rows : tl_rows_count(step) - u->row;
}

// The unit's tile of `rows` rows from `row` on, at `x` in shared memory. Its width is what goes into
// rows of outputs, filler included.
TL_INLINE tl_tile tile_of(const unit *u, tl_u32 x, tl_i32 stride, tl_i32 row, tl_i32 rows) {
  tl_tile tile = {x, stride, rows, WIDTH, row, u->index * (T_UNIT * 64), u->columns, WIDTH, 0};
  if (T_WEIGHTS == 1 && T_UNIT > 1) tile.width = tl_tile_stored(&tile);
  if (T_HEADS > 0) {
    tile.column += u->head * u->columns;
    tile.columns += u->head * u->columns;
    tile.total = T_HEADS * u->columns;
  }
  return tile;
}

#endif
