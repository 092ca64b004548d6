// Users and buffers of values.
#include "compiler/passes/fuse_values.h"

static bool is_view(const tl_node *node) {
  return tl_node_is(node, TL_OP_split_heads) || tl_node_is(node, TL_OP_merge_heads);
}

const tl_value *tl_fuse_root(const tl_value *value) {
  while (is_view(value->producer))
    value = value->producer->operands[0];
  return value;
}

tl_fuse_value *tl_fuse_value_of(const tl_fuse_values *values, const tl_value *value) {
  return tl_value_map_find(&values->map, tl_fuse_root(value));
}

// Calls for each use of a root by something that is not a view: counts, then fills.
static void visit_uses(tl_fuse_values *values, const tl_graph *graph, bool fill) {
  for (size_t i = 0; i < graph->nodes_count; i++) {
    tl_node *node = graph->nodes[i];
    if (is_view(node)) continue;
    for (int o = 0; o < TL_OPERANDS_MAX; o++) {
      if (!node->operands[o]) continue;
      tl_fuse_value *item = tl_fuse_value_of(values, node->operands[o]);
      if (fill) item->users[item->users_count] = node;
      item->users_count++;
    }
  }
}

tl_status tl_fuse_values_init(tl_fuse_values *values, const tl_graph *graph, tl_arena *arena) {
  size_t count = 0;
  values->items = tl_arena_array(arena, graph->nodes_count + 1, sizeof *values->items);
  if (!values->items || !tl_value_map_init(&values->map, graph->nodes_count, arena)) {
    return TL_MEMORY;
  }
  for (size_t i = 0; i < graph->nodes_count; i++) {
    if (!graph->nodes[i]->result || is_view(graph->nodes[i])) continue;
    values->items[count].kernel = -1;
    tl_value_map_add(&values->map, graph->nodes[i]->result, &values->items[count++]);
  }
  visit_uses(values, graph, false);
  for (size_t i = 0; i < count; i++) {
    tl_fuse_value *item = &values->items[i];
    if (item->users_count == 0) continue;
    item->users = tl_arena_array(arena, (size_t)item->users_count, sizeof *item->users);
    if (!item->users) return TL_MEMORY;
    item->users_count = 0;
  }
  visit_uses(values, graph, true);
  return TL_OK;
}
