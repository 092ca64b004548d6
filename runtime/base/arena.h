// Arenas: bump allocation with one lifetime for everything inside.
//
//   arena   lives as long as a whole build or a request
//   scratch is reset after each pass or call
//
// No function in this project returns memory that its caller must free one by one; a function that
// allocates takes an arena whose parameter name says the lifetime. An arena is used by one thread.
//
//   block:  | next | capacity | used | ........ bytes ........ |
#ifndef TL_BASE_ARENA_H
#define TL_BASE_ARENA_H

#include "runtime/base/status.h"
#include "runtime/base/str.h"

typedef struct tl_arena_block tl_arena_block;

typedef struct tl_arena {
  tl_arena_block *head; // newest block
  size_t total_bytes;   // taken from the system so far
  size_t limit_bytes;   // allocation beyond this fails
  size_t fail_after;    // tests: number of allocations that still succeed; SIZE_MAX = all
} tl_arena;

// An empty arena takes nothing from the system until its first allocation.
void tl_arena_init(tl_arena *arena, size_t limit_bytes);

// Releases everything. Accepts a zeroed arena and may be called twice.
void tl_arena_finish(tl_arena *arena);

// Forgets all allocations but keeps the newest block for reuse.
void tl_arena_reset(tl_arena *arena);

// `bytes` zeroed bytes aligned to 16, or NULL if the limit is hit or the system refuses.
void *tl_arena_alloc(tl_arena *arena, size_t bytes);

// `count` zeroed elements of `element_bytes`; NULL on overflow too.
void *tl_arena_array(tl_arena *arena, size_t count, size_t element_bytes);

// A copy of `s` with a NUL after it (not counted in its length); data is NULL on failure.
tl_str tl_arena_copy(tl_arena *arena, tl_str s);

// printf into the arena; data is NULL on failure.
tl_str tl_arena_format(tl_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Grows `items` (of `*capacity` elements) so that it holds at least `count`; doubles. The old array
// stays in the arena. NULL on failure, and then `items` is unchanged.
void *tl_arena_grow(tl_arena *arena, void *items, size_t *capacity, size_t count,
                    size_t element_bytes);

#endif
