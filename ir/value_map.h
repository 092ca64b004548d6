// A map from values of a graph to small records of the caller's, for verifiers and passes that must
// not write to the graph.
//
//   tl_value_map map;
//   tl_value_map_init(&map, graph->nodes_count, scratch)
//   tl_value_map_add(&map, value, &record);      found = tl_value_map_find(&map, value);
//
// Open addressing, at most half full; the order of its slots never leaks out.
#ifndef TL_IR_VALUE_MAP_H
#define TL_IR_VALUE_MAP_H

#include "ir/graph.h"

typedef struct tl_value_map {
  const tl_value **keys;
  void **items;
  size_t slots_count;
} tl_value_map;

// Room for `capacity` values on `scratch`; false if it is exhausted.
bool tl_value_map_init(tl_value_map *map, size_t capacity, tl_arena *scratch);

// Sets the item of `value`. At most as many different values as the map was made for.
void tl_value_map_add(tl_value_map *map, const tl_value *value, void *item);

// The item of `value`, NULL if it has none.
void *tl_value_map_find(const tl_value_map *map, const tl_value *value);

#endif
