// A hash index from names to the numbers 0, 1, 2, ... in the order in which they were added.
//
//   tl_name_index_init(&index, arena, 2)
//   tl_name_index_add(&index, TL_STR("a"))    ->  0
//   tl_name_index_find(&index, TL_STR("b"))   ->  -1
//
// Sized once; names are views that must outlive the index. Many threads may find at a time.
#ifndef TL_LOAD_NAME_INDEX_H
#define TL_LOAD_NAME_INDEX_H

#include "runtime/base/arena.h"

enum { TL_NAME_INDEX_MAX = 1 << 22 };

typedef struct tl_name_index {
  tl_str *names; // in the order added
  uint32_t count, capacity;
  uint32_t *slots; // numbers plus one, 0 = free
  uint32_t mask;   // slots - 1, a power of two minus one
} tl_name_index;

// Room for `capacity` names (at most TL_NAME_INDEX_MAX) on `arena`. TL_MEMORY.
tl_status tl_name_index_init(tl_name_index *index, tl_arena *arena, size_t capacity) TL_CHECKED;

// Adds a name and returns its number, or -1 if it is there already. There must be room.
int64_t tl_name_index_add(tl_name_index *index, tl_str name);

// The number of `name`, -1 if it is not there.
int64_t tl_name_index_find(const tl_name_index *index, tl_str name);

// The number of the name with the fewest single-character edits from `name` (the first of equals);
// -1 if none is nearer than a third of its length. For "closest name" notes.
int64_t tl_name_index_closest(const tl_name_index *index, tl_str name);

#endif
