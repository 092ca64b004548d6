// Rows of a matrix put into a panel of templates/cpu/panel.h; quantises on the way where the
// panel's format asks for it.
//
//   rows, row-major                     panel, K inside
//   lane 0   a0 a1 a2 a3 ..             f32, f16   a0 b0 .. | a1 b1 .. | ..          64 per line
//   lane 1   b0 b1 b2 b3 ..     ->      bf16       a0 a1 b0 b1 .. | a2 a3 b2 b3 ..   64 pairs
//   ..                                  q8g32      64 scales, 32 lines of 64 bytes per group
//
// Pure functions: any thread.
#ifndef TL_COMPILER_CODEGEN_PANEL_H
#define TL_COMPILER_CODEGEN_PANEL_H

#include "ir/type.h"

typedef struct tl_panel_rows {
  const char *data; // [lanes_count][columns] without gaps, in tl_panel_source_format
  int64_t columns;  // K
  int first_lane, lanes_count;
} tl_panel_rows;

// Whether there are panels of `format`.
bool tl_panel_has_format(tl_format format);

// What rows are given as: `format` itself, f32 where it is quantised.
tl_format tl_panel_source_format(tl_format format);

// Bytes of a whole panel.
int64_t tl_panel_stride(tl_format format, int64_t columns);

// Writes what `rows` add to bytes [begin, end) of their panel; byte `begin` goes to out[0]. Bytes
// of other lanes and of columns that do not exist are left alone: `out` was zeroed before. Unless
// quantised, `begin` must be a multiple of a line (64 * bytes, for bf16 pairs). False if a value is
// not finite and would have to be quantised.
bool tl_panel_put(tl_format format, const tl_panel_rows *rows, int64_t begin, int64_t end,
                  char *out) TL_CHECKED;

#endif
