// What a template is specialised on: declared here, given values by the compiler when a plan is
// built (compiler/codegen/cpu_module.c sets each by name and fails on one that is left).
#ifndef TL_TEMPLATES_CPU_CONSTANTS_H
#define TL_TEMPLATES_CPU_CONSTANTS_H

#include <stdint.h>

// Element formats as templates know them.
enum { TL_CPU_F32, TL_CPU_BF16, TL_CPU_F16, TL_CPU_Q8G32 };

// Rows that a kernel's scratch memory has room for.
enum {
  TL_TILE_ROWS = 64, // of a matmul's tile
  TL_QUERY_ROWS = 16 // query vectors of attention's tile
};

// What a choice of experts has room for.
enum { TL_EXPERTS_MAX = 1024, TL_EXPERT_GROUPS_MAX = 64, TL_CHOSEN_MAX = 64 };

enum { TL_TILES_STEP = 32 }; // values of K that the tile unit takes at a time

#define TL_CONSTANT extern __attribute__((visibility("hidden"))) const

TL_CONSTANT int64_t T_WEIGHT;      // format of the weights
TL_CONSTANT int64_t T_COLUMNS;     // K of a matmul; width of a row
TL_CONSTANT int64_t T_INPUT;       // format of the input rows
TL_CONSTANT int64_t T_INPUT_BYTES; // from input row to input row
TL_CONSTANT int64_t T_EXACT;    // 1 = inputs that meet bf16 are not rounded, at twice the products
TL_CONSTANT int64_t T_UNIT;     // panels of one tile
TL_CONSTANT int64_t T_WEIGHTS;  // weights whose columns lie side by side in a tile
TL_CONSTANT int64_t T_SEGMENTS; // segments of the kernel
TL_CONSTANT int64_t T_WANTED;   // 1 = output row r takes input row wanted[r]
TL_CONSTANT int64_t T_SYMBOL_R; // 1 = rows are counted in R, else in T
TL_CONSTANT int64_t T_BLOCK;    // rows of one item
TL_CONSTANT int64_t T_KEY;      // attention: values of a key
TL_CONSTANT int64_t T_VALUE;    // values of a value
TL_CONSTANT int64_t T_HEADS;    // key heads
TL_CONSTANT int64_t T_QUERIES;  // query heads of each key head
TL_CONSTANT int64_t T_CACHE;    // format of the pages
TL_CONSTANT int64_t T_WINDOW;   // visible tokens, 0 = all
TL_CONSTANT int64_t T_CHUNK;    // only tokens of the same chunk, 0 = all
TL_CONSTANT int64_t T_FULL;     // 1 = all rows of a sequence see each other
TL_CONSTANT int64_t T_SOURCE;   // gather: 0 ids, 1 positions, 2 token types
TL_CONSTANT int64_t T_EXPERTS;  // experts of a layer
TL_CONSTANT int64_t T_CHOSEN;   // experts that each row chose
TL_CONSTANT int64_t T_COPIES;   // experts: rows that are copied together at once
TL_CONSTANT int64_t T_SCALE_BYTES; // combine: from row to row of the weights, 0 = none
TL_CONSTANT double T_SCALE;        // of scores
TL_CONSTANT double T_SOFTCAP;      // of scores, 0 = none
TL_CONSTANT int64_t T_PAIRS;       // rope_table: frequencies
TL_CONSTANT double T_FACTOR;       // rope_table: of cosines and sines
TL_CONSTANT int64_t T_LIMIT;       // rope_table: longer prompts have a larger base, 0 = none
TL_CONSTANT double T_STRETCH;      // rope_table: by which it grows

#endif
