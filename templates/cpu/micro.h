// The inner product of a few input rows with one panel: what matmul and attention spend their time
// in. Each output is one chain of additions along K in ascending order, whatever the number of
// rows, so a row's result does not depend on its neighbours.
//
//   acc[r][c] (+)= sum over k of x[r][k] * panel[k][c]     c = 0..63, in registers
//
// Why it is fast: `rows` and the format are constants after inlining, the accumulators (6 x 4
// registers of 16, 6 x 2 of 8, or 4 tiles of 16 x 16) stay in registers, the panel is read once as
// one stream.
#ifndef TL_TEMPLATES_CPU_MICRO_H
#define TL_TEMPLATES_CPU_MICRO_H

#include <stdbool.h>

#include "templates/cpu/constants.h"
#include "templates/cpu/panel.h"
#include "templates/cpu/tiles.h"
#include "templates/cpu/vector.h"

// Rows and vectors of accumulators; a single row leaves registers for a whole panel's width.
enum { TL_MICRO_ROWS = 6, TL_MICRO_VECTORS = VW == 16 ? 4 : 2, TL_MICRO_PANEL = 64 / VW };

// Rows of one use at most, whatever the format.
enum { TL_MICRO_ROWS_MAX = TL_TILES ? 16 : TL_MICRO_ROWS };

// Bytes between a panel's use and its fetch into the second cache, when all rows of the step are in
// one pass over it. Where the dot product has an instruction of its own the hardware's prefetcher
// keeps up with two threads and more hints only cost; elsewhere it does not.
enum { TL_MICRO_AHEAD = TL_TILES || !TL_DOT ? 4096 : 0 };

// One use: `columns` values along K, added to what `out` holds if `more`; panel rows are
// `panel_step` bytes apart, of which the first vectors * VW columns are computed.
typedef struct tl_micro {
  const char *x;       // first input row
  int64_t x_step;      // bytes from row to row
  int64_t x_plane;     // dot product: bytes to the second plane if it is to be multiplied, else 0
  const char *panel;   // first column of the computed ones
  int64_t panel_step;  // bytes from k to k + pair
  int64_t columns;     // K, or a block of it
  bool more;           // the sum over earlier blocks of K is in `out`
  int64_t ahead;       // bytes ahead of its use to fetch the panel into the second cache, 0 = not
  float *out;          // first output
  int64_t out_stride;  // floats from row to row
  int64_t *tiles_rows; // rows that the tile registers are set up for, 0 = not yet
} tl_micro;

#define TL_UNROLL _Pragma("unroll")
#define TL_EACH_ACC                                                                                \
  TL_UNROLL for (int r = 0; r < rows; r++) TL_UNROLL for (int n = 0; n < vectors; n++)

typedef vf tl_acc[TL_MICRO_ROWS][TL_MICRO_PANEL];

TL_INLINE void tl_micro_fetch(const char *panel, int64_t ahead, int lines) {
  if (!ahead) return;
  TL_UNROLL for (int i = 0; i < lines; i++) __builtin_prefetch(panel + ahead + i * 64, 0, 2);
}

TL_INLINE vu vu_pair(const char *x) {
  uint32_t pair;
  __builtin_memcpy(&pair, x, 4);
  return pair - (vu){0};
}

// For the compiler only, loads through `pointer` come after `value` is computed: it would load
// early, run out of registers and keep accumulators in memory.
#define TL_AFTER(pointer, value) __asm__("" : "+r"(pointer), "+v"(value))

// A step of K of bf16 x bf16: two products.
typedef struct tl_micro_pair {
  const char *x; // of the first row
  int64_t x_step, x_plane;
  const char *w;
  uint32_t mask; // 0xffff clears the second product
} tl_micro_pair;

// Without a dot product the input is f32, and the even values of all rows come first: then the
// widened weights of both halves need not be held at once. Products stay in the order they are
// written in: 6 rows of 2 vectors need 12 accumulators, 2 weights, a value and a mask, which are
// all 16 registers.
TL_INLINE void tl_micro_bf16_step(tl_acc acc, const tl_micro_pair at, const int rows,
                                  const int vectors) {
#if TL_DOT
  vu weights[TL_MICRO_PANEL];
  TL_UNROLL for (int n = 0; n < vectors; n++) {
    weights[n] = *(const vu_loose *)(at.w + n * VW * 4) & at.mask;
  }
  const char *x = at.x;
  TL_UNROLL for (int r = 0; r < rows; r++) {
    vu pair = vu_pair(x + r * at.x_step) & at.mask;
    TL_UNROLL for (int n = 0; n < vectors; n++) {
      acc[r][n] = (vf)_mm512_dpbf16_ps((__m512)acc[r][n], (__m512bh)weights[n], (__m512bh)pair);
      TL_AFTER(x, acc[r][n]);
    }
    if (!at.x_plane) continue;
    vu rest = vu_pair(x + r * at.x_step + at.x_plane) & at.mask;
    TL_UNROLL for (int n = 0; n < vectors; n++) {
      acc[r][n] = (vf)_mm512_dpbf16_ps((__m512)acc[r][n], (__m512bh)weights[n], (__m512bh)rest);
    }
  }
#else
  const int held = vectors < 4 ? vectors : 4; // fewer than a single row's: its sums take the rest
  TL_UNROLL for (int half = 0; half < 2; half++) {
    vf weights[TL_MICRO_PANEL];
    const char *x = at.x, *w = at.w;
    if (half == 1 && at.mask == 0xffffu) break;
    TL_AFTER(w, acc[rows - 1][vectors - 1]);
    TL_UNROLL for (int first = 0; first < vectors; first += held) {
      const int end = first + held < vectors ? first + held : vectors;
      TL_UNROLL for (int n = first; n < end; n++) {
        vu both = *(const vu_loose *)(w + n * VW * 4);
        weights[n] = (vf)(half ? both & 0xffff0000u : both << 16);
      }
      TL_UNROLL for (int r = 0; r < rows; r++) {
        vf value = vf_all(((const float *)(x + r * at.x_step))[half]);
        TL_UNROLL for (int n = first; n < end; n++) {
          acc[r][n] = vf_fma(weights[n], value, acc[r][n]);
          TL_AFTER(x, acc[r][n]);
        }
      }
      TL_AFTER(w, acc[rows - 1][end - 1]);
    }
  }
#endif
}

TL_INLINE void tl_micro_bf16(tl_acc acc, const tl_micro *m, const int rows, const int vectors) {
  tl_micro_pair at = {m->x, m->x_step, m->x_plane, m->panel, 0xffffffffu};
  for (int64_t k = 0; k + 2 <= m->columns;
       k += 2, at.w += m->panel_step, at.x += 2 * TL_OPERAND_BYTES) {
    tl_micro_bf16_step(acc, at, rows, vectors);
    tl_micro_fetch(at.w, m->ahead, vectors * VW / 16);
  }
  at.mask = 0xffffu;
  if (m->columns & 1) tl_micro_bf16_step(acc, at, rows, vectors);
}

// f32 input with f32 or f16 weights: one product per step of K.
TL_INLINE void tl_micro_f32(tl_acc acc, const tl_micro *m, const int rows, const int vectors,
                            const int is_half) {
  const char *w = m->panel;
  for (int64_t k = 0; k < m->columns; k++, w += m->panel_step) {
    vf weights[TL_MICRO_PANEL];
    TL_UNROLL for (int n = 0; n < vectors; n++) {
      weights[n] = is_half ? vf_from_f16(w + n * VW * 2) : vf_load((const float *)w + n * VW);
    }
    TL_UNROLL for (int r = 0; r < rows; r++) {
      vf x = vf_all(*(const float *)(m->x + r * m->x_step + k * 4));
      TL_UNROLL for (int n = 0; n < vectors; n++) acc[r][n] = vf_fma(weights[n], x, acc[r][n]);
    }
  }
}

// f32 input with int8 weights, a scale per 32 along K: the group's sum, then times its scale. The
// panel pointer is that of the first column's scale; `column` is its number in the panel.
TL_INLINE void tl_micro_q8g32(tl_acc acc, const tl_micro *m, const int rows, const int vectors,
                              int64_t column) {
  const char *group = m->panel;
  for (int64_t k = 0; k < m->columns; k += TL_PANEL_GROUP) {
    tl_acc part;
    TL_EACH_ACC part[r][n] = (vf){0};
    const char *w = group + TL_PANEL_ROWS * 2 + column;
    for (int64_t j = 0; j < TL_PANEL_GROUP; j++, w += TL_PANEL_ROWS) {
      vf weights[TL_MICRO_PANEL];
      TL_UNROLL for (int n = 0; n < vectors; n++) weights[n] = vf_from_i8(w + n * VW);
      TL_UNROLL for (int r = 0; r < rows; r++) {
        vf x = vf_all(*(const float *)(m->x + r * m->x_step + (k + j) * 4));
        TL_UNROLL for (int n = 0; n < vectors; n++) part[r][n] = vf_fma(weights[n], x, part[r][n]);
      }
    }
    TL_EACH_ACC acc[r][n] =
        vf_fma(vf_from_f16(group + (column + n * VW) * 2), part[r][n], acc[r][n]);
    group += TL_PANEL_ROWS * 2 + TL_PANEL_GROUP * TL_PANEL_ROWS;
  }
}

TL_INLINE void tl_micro_run(const tl_micro *m, const int64_t format, const int rows,
                            const int vectors, int64_t column) {
  tl_acc acc;
  if (m->more) {
    TL_EACH_ACC acc[r][n] = vf_load(m->out + r * m->out_stride + n * VW);
  } else {
    TL_EACH_ACC acc[r][n] = (vf){0};
  }
  if (format == TL_CPU_BF16) {
    tl_micro_bf16(acc, m, rows, vectors);
  } else if (format == TL_CPU_Q8G32) {
    tl_micro_q8g32(acc, m, rows, vectors, column);
  } else {
    tl_micro_f32(acc, m, rows, vectors, format == TL_CPU_F16);
  }
  TL_EACH_ACC vf_store(m->out + r * m->out_stride + n * VW, acc[r][n]);
}

// Runs `rows` in 1..TL_MICRO_ROWS, each count its own specialised code.
TL_INLINE void tl_micro_vectors(const tl_micro *m, const int64_t format, int64_t rows,
                                const int vectors, int64_t column) {
  switch (rows) {
  case 1: tl_micro_run(m, format, 1, vectors, column); break;
  case 2: tl_micro_run(m, format, 2, vectors, column); break;
  case 3: tl_micro_run(m, format, 3, vectors, column); break;
  case 4: tl_micro_run(m, format, 4, vectors, column); break;
  case 5: tl_micro_run(m, format, 5, vectors, column); break;
  default: tl_micro_run(m, format, 6, vectors, column); break;
  }
}

#if TL_TILES
// Whole steps of the tile unit, then what is left of K with vectors: which values of K go which way
// depends on `columns` alone, never on the rows.
TL_INLINE void tl_micro_tiles(const tl_micro *m, int64_t rows, const int vectors,
                              const bool is_ragged) {
  int64_t whole = is_ragged ? m->columns / TL_TILES_STEP * TL_TILES_STEP : m->columns;
  if (*m->tiles_rows != rows) tl_tiles_setup(rows);
  *m->tiles_rows = rows;
  if (whole > 0 || !is_ragged) {
    tl_tiles_begin(m->out, m->out_stride * 4, m->more, vectors);
    const char *x = m->x, *w = m->panel;
    for (int64_t k = 0; k < whole; k += TL_TILES_STEP) {
      tl_tiles_step(x, m->x_step, w, m->panel_step, m->ahead, vectors);
      if (m->x_plane) tl_tiles_step(x + m->x_plane, m->x_step, w, m->panel_step, 0, vectors);
      x += TL_TILES_STEP * 2;
      w += m->panel_step * (TL_TILES_STEP / 2);
    }
    tl_tiles_end(m->out, m->out_stride * 4, vectors);
  }
  if (!is_ragged || whole == m->columns) return;
  tl_micro rest = *m;
  rest.x += whole * 2;
  rest.panel += whole / 2 * m->panel_step;
  rest.columns = m->columns - whole;
  rest.more = m->more || whole > 0;
  for (int64_t r = 0; r < rows; r += TL_MICRO_ROWS) {
    int64_t here = rows - r < TL_MICRO_ROWS ? rows - r : TL_MICRO_ROWS;
    tl_micro_vectors(&rest, TL_CPU_BF16, here, vectors, 0);
    rest.x += TL_MICRO_ROWS * m->x_step;
    rest.out += TL_MICRO_ROWS * m->out_stride;
  }
}
#endif

// Rows that tl_micro_rows takes at most.
TL_INLINE int64_t tl_micro_rows_max(const int64_t format) {
  return format == TL_CPU_BF16 ? TL_MICRO_ROWS_MAX : TL_MICRO_ROWS;
}

// Runs `rows` in 1..tl_micro_rows_max(format). With `is_ragged` false `columns` is a multiple of 32
// and the tile unit's steps need no rest.
TL_INLINE void tl_micro_rows(const tl_micro *m, const int64_t format, int64_t rows,
                             const int vectors, int64_t column, const bool is_ragged) {
#if TL_TILES
  if (format == TL_CPU_BF16) {
    tl_micro_tiles(m, rows, vectors, is_ragged);
    return;
  }
#endif
  (void)is_ragged;
  if (VW == 8 && vectors == TL_MICRO_PANEL) {
    tl_micro_run(m, format, 1, vectors, column);
  } else {
    tl_micro_vectors(m, format, rows, vectors, column);
  }
}

#endif
