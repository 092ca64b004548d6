// The step block: everything a step tells the kernels, in one relocatable piece of memory.
//
// The host fills it before each step; kernels get its address and never learn counts, rows or pages
// from launch arguments, so one captured launch list serves every step. All places are byte offsets
// from the start of the block, so that it can be copied to another memory as it is.
//
//   | tl_step | ids | positions | types | lengths | wanted | asked |
//   | slots[g].. | sequences | pages[g].. | work |
//
// A page holds TL_PAGE_TOKENS consecutive positions of one sequence; position p lies in page
// p / TL_PAGE_TOKENS of its sequence at p % TL_PAGE_TOKENS. Freed pages of a window are -1.
#ifndef TL_BASE_STEP_H
#define TL_BASE_STEP_H

#include <stdint.h>

enum {
  TL_PAGE_TOKENS = 64,        // tokens of a KV page, and of a block of attention
  TL_GROUPS_MAX = 8,          // KV groups of a plan
  TL_ATTENTION_ROWS = 16,     // rows of one piece of attention work on a CPU
  TL_CUDA_ATTENTION_ROWS = 64 // on a GPU
};

// Rows [first_row, first_row + rows_count) of the step continue one sequence at first_position.
typedef struct tl_step_sequence {
  int32_t first_row, rows_count;
  int32_t first_position;
  int32_t reserved;
} tl_step_sequence;

// Rows [first_row, first_row + rows_count) of one sequence, at most as many as the device's pieces
// have; the host cuts them at multiples of that from the sequence's first row of the step.
typedef struct tl_step_work {
  int32_t sequence;
  int32_t first_row, rows_count;
  int32_t first_position; // of first_row
} tl_step_work;

enum { TL_STEP_CANDIDATES = 128 }; // of a wanted row, at most

// An output that may be chosen, and its number.
typedef struct tl_step_candidate {
  float value;
  int32_t id;
} tl_step_candidate;

// What a device finds of a wanted row's outputs x where a place of `asked` is t. t < 0: nothing.
// t = 0: only the largest of them. t > 0: a list of the TL_STEP_CANDIDATES largest (all, if there
// are no more), ids ascending; of equal values the first belong to it. x of minus infinity are not
// looked at. A sum is within 1e-4 of itself, or 1e-29, of what exact arithmetic gives.
typedef struct tl_step_best {
  int32_t id;    // of the only one found, the lowest of several; -1 if t > 0 or count is not 1
  int32_t count; // of what is found; -1 if some x is no number
  float rest;    // sum of exp((x - most) / t) of all others, 0 if t is; nothing if most is infinite
  int32_t reserved;
} tl_step_best;

typedef struct tl_step {
  int32_t rows_count;      // T
  int32_t sequences_count; // S
  int32_t wanted_count;    // R
  int32_t work_count;      // A
  int32_t pages_max;       // entries per sequence of a page table
  uint32_t ids;            // int32 [T]
  uint32_t positions;      // int32 [T]
  uint32_t types;          // int32 [T]
  uint32_t wanted;         // int32 [R]: rows whose outputs are wanted
  uint32_t sequences;      // tl_step_sequence [S]
  uint32_t work;           // tl_step_work [A]
  uint32_t lengths;        // int32 [T]: of the prompt of the row's sequence, fixed when it begins
  uint32_t slots[TL_GROUPS_MAX]; // int32 [T]: page * TL_PAGE_TOKENS + place in the page
  uint32_t pages[TL_GROUPS_MAX]; // int32 [S][pages_max]
  uint32_t asked;                // float [R]: see tl_step_best
} tl_step;

static inline const int32_t *tl_step_ints(const tl_step *step, uint32_t place) {
  return (const int32_t *)((const char *)step + place);
}

#endif
