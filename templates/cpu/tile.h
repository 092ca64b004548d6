// The tile: what a kernel computes before its statements run, f32, in the thread's scratch memory.
//
//   x[row * stride + column]   rows x width values, width a multiple of 64; of the run's columns
//                              the first `columns - column` exist, the rest are finite filler
#ifndef TL_TEMPLATES_CPU_TILE_H
#define TL_TEMPLATES_CPU_TILE_H

#include "templates/cpu/vector.h"

typedef struct tl_tile {
  float *x;
  int64_t stride;  // floats from row to row
  int64_t rows;    // rows of this tile
  int64_t width;   // columns of this tile, a multiple of 64
  int64_t row;     // number of the first row among the outputs' rows
  int64_t column;  // number of the first column in its segment
  int64_t columns; // columns of the segment, counted from where `column` is
  int64_t total;   // 0: filler may be stored; else this tile's neighbour is another's, and the row
                   // ends after so many columns
} tl_tile;

// Runs the statements of a segment; its body is generated for each kernel.
void tl_epilogue(tl_tile *tile, const tl_arg *args, const tl_step *step, int64_t segment);

// Columns of the tile that exist.
TL_INLINE int64_t tl_tile_real(const tl_tile *tile) {
  int64_t left = tile->columns - tile->column;
  return left < tile->width ? left : tile->width;
}

#endif
