// The tile unit (AMX) of a core: products of 16 rows with 16 columns, 32 values of K at a time.
//
//   registers   0..3 accumulators, 16 columns each; 4 input rows; 5, 6 panel columns in turn
//   a step      acc[r][c] += (x0 w0 + x2 w2 + ..) + (x1 w1 + x3 w3 + ..)   over its 32 values
//
// A panel's pairs along K are what the unit eats, so it reads the same weights and pages as the
// other levels do. Registers are set up for a number of rows and given back at the end of a kernel,
// so that the kernel of the system need not save them.
#ifndef TL_TEMPLATES_CPU_TILES_H
#define TL_TEMPLATES_CPU_TILES_H

#include "templates/cpu/constants.h"
#include "templates/cpu/vector.h"

#ifdef __AMX_BF16__
#define TL_TILES 1
#else
#define TL_TILES 0
#endif

#if TL_TILES

// What `ldtilecfg` reads.
typedef struct tl_tiles_config {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tl_tiles_config;

// `rows` in 1..16. Accumulators are zero after it.
TL_INLINE void tl_tiles_setup(int64_t rows) {
  tl_tiles_config config = {.palette = 1};
#pragma unroll
  for (int i = 0; i < 7; i++) {
    config.row_bytes[i] = 64;
    config.rows[i] = i < 5 ? (uint8_t)rows : 16;
  }
  _tile_loadconfig(&config);
}

// `tiles_rows`: 0 if nothing was set up.
TL_INLINE void tl_tiles_finish(int64_t tiles_rows) {
  if (tiles_rows) _tile_release();
}

// The lines that a load of 16 columns will read, in its order: fetched in the order of addresses
// instead, they arrive an eighth more slowly.
TL_INLINE void tl_tiles_fetch(const char *columns, int64_t panel_step, int64_t ahead) {
  if (!ahead) return;
#pragma unroll
  for (int i = 0; i < TL_TILES_STEP / 2; i++)
    __builtin_prefetch(columns + ahead + i * panel_step, 0, 2);
}

// `vectors` in 1..4: of 16 columns.
#define TL_TILES_EACH(OP)                                                                          \
  OP(0) if (vectors > 1) {                                                                         \
    OP(1)                                                                                          \
  }                                                                                                \
  if (vectors > 2) {                                                                               \
    OP(2)                                                                                          \
  }                                                                                                \
  if (vectors > 3) {                                                                               \
    OP(3)                                                                                          \
  }

TL_INLINE void tl_tiles_begin(const float *out, int64_t out_bytes, bool more, const int vectors) {
#define LOAD(n) _tile_loadd(n, out + (n) * 16, out_bytes);
#define ZERO(n) _tile_zero(n);
  if (more) {
    TL_TILES_EACH(LOAD)
  } else {
    TL_TILES_EACH(ZERO)
  }
#undef LOAD
#undef ZERO
}

// Fetches the panel `ahead` bytes further on, 0 = not, between the products so that neither waits.
TL_INLINE void tl_tiles_step(const char *x, int64_t x_step, const char *panel, int64_t panel_step,
                             int64_t ahead, const int vectors) {
  _tile_loadd(4, x, x_step);
#define MULTIPLY(n)                                                                                \
  tl_tiles_fetch(panel + (n) * 64, panel_step, ahead);                                             \
  _tile_loadd(5 + (n) % 2, panel + (n) * 64, panel_step);                                          \
  _tile_dpbf16ps(n, 4, 5 + (n) % 2);
  TL_TILES_EACH(MULTIPLY)
#undef MULTIPLY
}

TL_INLINE void tl_tiles_end(float *out, int64_t out_bytes, const int vectors){
#define STORE(n) _tile_stored(n, out + (n) * 16, out_bytes);
    TL_TILES_EACH(STORE)
#undef STORE
}

#else

TL_INLINE void tl_tiles_finish(int64_t tiles_rows) {
  (void)tiles_rows;
}

#endif

#endif
