// What names in a graph section mean at the moment: name to full name, the latest definition wins.
//
//   in block `mlp` of layer 3:   %x -> mlp.x, if the block defined it,
//                                else x of the layer or of what is before it
//
// Private to compiler/lower.
#ifndef TL_COMPILER_LOWER_GRAPH_NAMES_H
#define TL_COMPILER_LOWER_GRAPH_NAMES_H

#include "runtime/base/arena.h"

enum { TL_GRAPH_NAMES_MAX = 1 << 12 };

typedef struct tl_graph_name {
  tl_str name; // with the path of the blocks around its definition
  tl_str full; // of the value in the graph
} tl_graph_name;

typedef struct tl_graph_names {
  tl_arena *arena;
  tl_graph_name *items;
  size_t count, capacity;
} tl_graph_names;

// `path` is "" or ends in a dot. False if the arena or the limit is exhausted.
bool tl_graph_names_bind(tl_graph_names *names, tl_str path, tl_str name, tl_str full);

// Looks with all of `path` before the name, then with ever less of it. `name` itself if nothing is
// found: the parser of statements reports it.
tl_str tl_graph_names_find(const tl_graph_names *names, tl_str path, tl_str name);

#endif
