// How weights and KV pages lie in memory on the CPU; written by the compiler, read by the
// templates.
//
// A matrix w[N,K] is cut into panels of 64 rows; K runs inside a panel, so that a kernel reads one
// contiguous stream and has 64 outputs in registers. `pair` neighbours along K lie together: 2 for
// bf16 (what the bf16 dot product eats), 1 else.
//
//   panel64    [ceil(N/64)] [ceil(K/pair)] [64] [pair]     missing rows and columns are zero
//   q8g32      [ceil(N/64)] [ceil(K/32)] { [64] f16 scales, [32][64] int8 }
//   vector     f32, zeros up to a multiple of 64
//
// A KV page holds, for each layer and key head, 64 positions; a key block is a panel whose rows are
// positions, a value block one whose K axis is positions:
//
//   head block   { keys [ceil(D/pair)] [64] [pair], values [64/pair] [E up to 16s] [pair] }
#ifndef TL_TEMPLATES_CPU_PANEL_H
#define TL_TEMPLATES_CPU_PANEL_H

#include <stdint.h>

enum { TL_PANEL_ROWS = 64, TL_PANEL_GROUP = 32 };

// Bytes of one panel of a matrix with K columns.
static inline int64_t tl_panel_bytes(int64_t columns, int element_bytes, int pair) {
  return (columns + pair - 1) / pair * pair * TL_PANEL_ROWS * element_bytes;
}

static inline int64_t tl_panel_bytes_q8g32(int64_t columns) {
  return (columns + TL_PANEL_GROUP - 1) / TL_PANEL_GROUP *
         (TL_PANEL_ROWS * 2 + TL_PANEL_GROUP * TL_PANEL_ROWS);
}

// Bytes of the keys and of the values of one head in a page; elements of 4 (pair 1) or 2 (pair 2).
static inline int64_t tl_page_key_bytes(int64_t key, int element_bytes) {
  int pair = element_bytes == 2 ? 2 : 1;
  return (key + pair - 1) / pair * pair * 64 * element_bytes;
}

static inline int64_t tl_page_value_bytes(int64_t value, int element_bytes) {
  return (value + 15) / 16 * 16 * 64 * element_bytes;
}

#endif
