// Implementation of value_map.h.
#include "ir/value_map.h"

static size_t slot_of(const tl_value_map *map, const tl_value *value) {
  size_t at = ((uintptr_t)value / 16 * 0x9e3779b97f4a7c15u) >> 20 & (map->slots_count - 1);
  while (map->keys[at] && map->keys[at] != value)
    at = (at + 1) & (map->slots_count - 1);
  return at;
}

bool tl_value_map_init(tl_value_map *map, size_t capacity, tl_arena *scratch) {
  size_t count = 16;
  while (count < 2 * capacity + 1)
    count *= 2;
  *map = (tl_value_map){.slots_count = count};
  map->keys = tl_arena_array(scratch, count, sizeof *map->keys);
  map->items = tl_arena_array(scratch, count, sizeof *map->items);
  return map->keys && map->items;
}

void tl_value_map_add(tl_value_map *map, const tl_value *value, void *item) {
  size_t at = slot_of(map, value);
  map->keys[at] = value;
  map->items[at] = item;
}

void *tl_value_map_find(const tl_value_map *map, const tl_value *value) {
  return map->items[slot_of(map, value)];
}
