// The pass that gives buffers their places: those of one symbol share an arena, and two buffers may
// share bytes if no launch needs both.
//
//   address = arena(symbol) + offset * bound of the symbol     offset a multiple of 64
#ifndef TL_COMPILER_CODEGEN_MEMORY_H
#define TL_COMPILER_CODEGEN_MEMORY_H

#include "runtime/base/arena.h"
#include "runtime/base/plan.h"

// A buffer's life: from the launch that stores it to the last that reads it, both included.
typedef struct tl_memory_life {
  uint32_t first, last;
} tl_memory_life;

// Sets the offsets of `buffers` and the arenas' sizes. Deterministic: first fit in order of first
// launch, then of number. TL_MEMORY if `scratch` is exhausted.
tl_status tl_memory_place(tl_plan_buffer *buffers, const tl_memory_life *lives, uint32_t count,
                          uint64_t *out_arena_bytes, tl_arena *scratch) TL_CHECKED;

#endif
