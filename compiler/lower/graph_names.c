// Implementation of graph_names.h: a list, as there are few names at a time.
#include "compiler/lower/graph_names.h"

static tl_graph_name *find(const tl_graph_names *names, tl_str path, tl_str name) {
  for (size_t i = names->count; i-- > 0;) {
    tl_graph_name *item = &names->items[i];
    if (item->name.length == path.length + name.length && tl_str_starts_with(item->name, path) &&
        tl_str_ends_with(item->name, name)) {
      return item;
    }
  }
  return NULL;
}

bool tl_graph_names_bind(tl_graph_names *names, tl_str path, tl_str name, tl_str full) {
  tl_graph_name *item = find(names, path, name);
  if (item) {
    item->full = full;
    return true;
  }
  if (names->count == TL_GRAPH_NAMES_MAX) return false;
  item = tl_arena_grow(names->arena, names->items, &names->capacity, names->count + 1,
                       sizeof *names->items);
  tl_str key = tl_arena_format(names->arena, "%.*s%.*s", TL_STR_ARG(path), TL_STR_ARG(name));
  if (!item || !key.data) return false;
  names->items = item;
  names->items[names->count++] = (tl_graph_name){key, full};
  return true;
}

tl_str tl_graph_names_find(const tl_graph_names *names, tl_str path, tl_str name) {
  for (;;) {
    const tl_graph_name *item = find(names, path, name);
    if (item) return item->full;
    if (path.length == 0) return name;
    path.length--;
    while (path.length && path.data[path.length - 1] != '.')
      path.length--;
  }
}
