// The inner product of a few input rows with one panel: what matmul and attention spend their time
// in. Each output is one chain of additions along K in ascending order, whatever the number of
// rows, so a row's result does not depend on its neighbours.
//
//   acc[r][c] (+)= sum over k of x[r][k] * panel[k][c]     c = 0..63 in registers of VW
//
// Why it is fast: `rows` and the format are constants after inlining, the accumulators (6 x 4
// registers of 16, or 6 x 2 of 8) stay in registers, the panel is read once as one stream.
#ifndef TL_TEMPLATES_CPU_MICRO_H
#define TL_TEMPLATES_CPU_MICRO_H

#include <stdbool.h>

#include "templates/cpu/constants.h"
#include "templates/cpu/panel.h"
#include "templates/cpu/vector.h"

enum { TL_MICRO_ROWS = 6, TL_MICRO_VECTORS = VW == 16 ? 4 : 2 };

// One use: `columns` values along K, added to what `out` holds if `more`; panel rows are
// `panel_columns` wide (64, or the padded width of values), of which [column, column +
// TL_MICRO_VECTORS * VW) are computed.
typedef struct tl_micro {
  const char *x[TL_MICRO_ROWS]; // input rows
  const char *panel;            // first column of the computed ones
  int64_t panel_step;           // bytes from k to k + pair
  int64_t columns;              // K, or a block of it
  bool more;                    // the sum over earlier blocks of K is in `out`
  int64_t ahead;                // bytes ahead of its use to fetch the panel into the second cache,
                                // 0 = not at all
  float *out;                   // first output
  int64_t out_stride;           // floats from row to row
} tl_micro;

#define TL_UNROLL _Pragma("unroll")
#define TL_EACH_ACC                                                                                \
  TL_UNROLL for (int r = 0; r < rows; r++) TL_UNROLL for (int n = 0; n < vectors; n++)

typedef vf tl_acc[TL_MICRO_ROWS][TL_MICRO_VECTORS];

TL_INLINE vu vu_pair(const char *x) {
  uint32_t pair;
  __builtin_memcpy(&pair, x, 4);
  return pair - (vu){0};
}

// bf16 x bf16: two products per step of K, `mask` clears the second one.
TL_INLINE void tl_micro_bf16_step(tl_acc acc, const char *const *x, const char *w, uint32_t mask,
                                  const int rows, const int vectors) {
  vu weights[TL_MICRO_VECTORS];
  TL_UNROLL for (int n = 0; n < vectors; n++) {
    weights[n] = *(const vu_loose *)(w + n * VW * 4) & mask;
  }
  TL_UNROLL for (int r = 0; r < rows; r++) {
    vu pair = vu_pair(x[r]) & mask;
#ifdef __AVX512BF16__
    TL_UNROLL for (int n = 0; n < vectors; n++) {
      acc[r][n] = (vf)_mm512_dpbf16_ps((__m512)acc[r][n], (__m512bh)weights[n], (__m512bh)pair);
    }
#else
    vf even = (vf)(pair << 16), odd = (vf)(pair & 0xffff0000u);
    TL_UNROLL for (int n = 0; n < vectors; n++) {
      acc[r][n] = vf_fma((vf)(weights[n] << 16), even, acc[r][n]);
      acc[r][n] = vf_fma((vf)(weights[n] & 0xffff0000u), odd, acc[r][n]);
    }
#endif
  }
}

TL_INLINE void tl_micro_bf16(tl_acc acc, const tl_micro *m, const int rows, const int vectors) {
  const char *x[TL_MICRO_ROWS], *w = m->panel;
  TL_UNROLL for (int r = 0; r < rows; r++) x[r] = m->x[r];
  for (int64_t k = 0; k + 2 <= m->columns; k += 2, w += m->panel_step) {
    tl_micro_bf16_step(acc, x, w, 0xffffffffu, rows, vectors);
    if (m->ahead) {
      TL_UNROLL for (int n = 0; n < vectors * VW / 16; n++) {
        __builtin_prefetch(w + m->ahead + n * 64, 0, 2);
      }
    }
    TL_UNROLL for (int r = 0; r < rows; r++) x[r] += 4;
  }
  if (m->columns & 1) tl_micro_bf16_step(acc, x, w, 0xffffu, rows, vectors);
}

// f32 input with f32 or f16 weights: one product per step of K.
TL_INLINE void tl_micro_f32(tl_acc acc, const tl_micro *m, const int rows, const int vectors,
                            const int is_half) {
  const char *w = m->panel;
  for (int64_t k = 0; k < m->columns; k++, w += m->panel_step) {
    vf weights[TL_MICRO_VECTORS];
    TL_UNROLL for (int n = 0; n < vectors; n++) {
      weights[n] = is_half ? vf_from_f16(w + n * VW * 2) : vf_load((const float *)w + n * VW);
    }
    TL_UNROLL for (int r = 0; r < rows; r++) {
      vf x = vf_all(*(const float *)(m->x[r] + k * 4));
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
      vf weights[TL_MICRO_VECTORS];
      TL_UNROLL for (int n = 0; n < vectors; n++) weights[n] = vf_from_i8(w + n * VW);
      TL_UNROLL for (int r = 0; r < rows; r++) {
        vf x = vf_all(*(const float *)(m->x[r] + (k + j) * 4));
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
TL_INLINE void tl_micro_rows(const tl_micro *m, const int64_t format, int64_t rows,
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

#endif
