// Implementation of name_index.h.
#include "compiler/load/name_index.h"

#include "runtime/base/hash.h"

enum { SLOTS_MIN = 16 };

tl_status tl_name_index_init(tl_name_index *index, tl_arena *arena, size_t capacity) {
  *index = (tl_name_index){0};
  if (capacity > TL_NAME_INDEX_MAX) return TL_MEMORY;
  uint32_t slots_count = SLOTS_MIN;
  while (slots_count < 2 * capacity)
    slots_count *= 2;
  index->names = tl_arena_array(arena, capacity, sizeof *index->names);
  index->slots = tl_arena_array(arena, slots_count, sizeof *index->slots);
  if (!index->names || !index->slots) return TL_MEMORY;
  index->capacity = (uint32_t)capacity;
  index->mask = slots_count - 1;
  return TL_OK;
}

// The slot that holds `name`, or the free one where it belongs. Seeded by an address, so that no
// file can choose names that collide.
static uint32_t slot_of(const tl_name_index *index, tl_str name) {
  uint64_t seed = (uint64_t)(uintptr_t)index->names;
  uint32_t slot = (uint32_t)tl_hash64(name.data, name.length, seed) & index->mask;
  while (index->slots[slot] && !tl_str_equal(index->names[index->slots[slot] - 1], name))
    slot = (slot + 1) & index->mask;
  return slot;
}

int64_t tl_name_index_add(tl_name_index *index, tl_str name) {
  uint32_t slot = slot_of(index, name);
  if (index->slots[slot] || index->count == index->capacity) return -1;
  index->names[index->count] = name;
  index->slots[slot] = ++index->count;
  return index->count - 1;
}

int64_t tl_name_index_find(const tl_name_index *index, tl_str name) {
  if (!index->count) return -1;
  return (int64_t)index->slots[slot_of(index, name)] - 1;
}

// Edits between `a` and `b`, at most `limit`. What both begin and end with costs none, and names of
// one model differ in little else.
static size_t distance(tl_str a, tl_str b, size_t limit) {
  size_t shorter = a.length < b.length ? a.length : b.length, begin = 0, end = 0;
  while (begin < shorter && a.data[begin] == b.data[begin])
    begin++;
  while (end < shorter - begin && a.data[a.length - 1 - end] == b.data[b.length - 1 - end])
    end++;
  a = tl_str_slice(a, begin, a.length - end);
  b = tl_str_slice(b, begin, b.length - end);
  return tl_str_distance(a, b, limit);
}

int64_t tl_name_index_closest(const tl_name_index *index, tl_str name) {
  int64_t closest = -1;
  size_t best = name.length / 3 + 1;
  for (uint32_t i = 0; i < index->count; i++) {
    size_t edits = distance(name, index->names[i], best);
    if (edits >= best) continue;
    best = edits;
    closest = i;
  }
  return closest;
}
