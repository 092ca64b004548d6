// Implementation of graph.h: append-only nodes and a name map.
#include "ir/graph.h"

enum { SLOTS_MIN = 256 };

static const char *const state_texts[] = {
#define X(name, text, summary) text,
    TL_STATE_MAP(X)
#undef X
};

const char *tl_state_kind_text(tl_state_kind kind) {
  return state_texts[kind];
}

tl_graph *tl_graph_create(tl_arena *arena, const tl_op_table *ops, tl_str name,
                          const tl_symbols *symbols) {
  tl_graph *graph = tl_arena_alloc(arena, sizeof *graph);
  if (!graph) return NULL;
  *graph = (tl_graph){.arena = arena, .ops = ops, .symbols = *symbols};
  graph->name = tl_arena_copy(arena, name);
  for (int s = 0; s < symbols->count; s++) {
    graph->symbols.names[s] = tl_arena_copy(arena, symbols->names[s]);
  }
  graph->slots = tl_arena_array(arena, SLOTS_MIN, sizeof *graph->slots);
  graph->slots_count = SLOTS_MIN;
  return graph->name.data && graph->slots ? graph : NULL;
}

static size_t name_hash(tl_str name) { // FNV-1a
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < name.length; i++)
    hash = (hash ^ (uint8_t)name.data[i]) * 1099511628211u;
  return (size_t)hash;
}

static tl_value **find_slot(tl_value **slots, size_t count, tl_str name) {
  size_t at = name_hash(name) & (count - 1);
  while (slots[at] && !tl_str_equal(slots[at]->name, name))
    at = (at + 1) & (count - 1);
  return &slots[at];
}

tl_value *tl_graph_find(const tl_graph *graph, tl_str name) {
  return *find_slot(graph->slots, graph->slots_count, name);
}

static bool grow_slots(tl_graph *graph) {
  size_t count = graph->slots_count * 2;
  tl_value **slots = tl_arena_array(graph->arena, count, sizeof *slots);
  if (!slots) return false;
  for (size_t i = 0; i < graph->slots_count; i++) {
    tl_value *value = graph->slots[i];
    if (value) *find_slot(slots, count, value->name) = value;
  }
  graph->slots = slots;
  graph->slots_count = count;
  return true;
}

static tl_value *define(tl_graph *graph, tl_str name, const tl_type *type) {
  if (graph->slots_used * 2 >= graph->slots_count && !grow_slots(graph)) return NULL;
  tl_value *value = tl_arena_alloc(graph->arena, sizeof *value);
  tl_str copy = tl_arena_copy(graph->arena, name);
  if (!value || !copy.data) return NULL;
  *value = (tl_value){.name = copy, .type = *type};
  *find_slot(graph->slots, graph->slots_count, copy) = value;
  graph->slots_used++;
  return value;
}

tl_status tl_graph_add(tl_graph *graph, const tl_node *node, tl_str name, const tl_type *type,
                       tl_node **out_node, tl_diag *diag) {
  if (name.length > TL_NAME_MAX) {
    return tl_diag_error(diag, TL_INPUT, node->span, "name of %zu characters (limit %d)",
                         name.length, TL_NAME_MAX);
  }
  if (node->kind != TL_NODE_OUTPUT && tl_graph_find(graph, name)) {
    return tl_diag_error(diag, TL_INPUT, node->span, "%%%.*s is defined twice", TL_STR_ARG(name));
  }
  const char *fault = node->kind == TL_NODE_OUTPUT ? NULL : tl_type_fault(type);
  if (fault) {
    return tl_diag_error(diag, TL_INPUT, node->span, "%%%.*s: %s", TL_STR_ARG(name), fault);
  }
  tl_node **nodes = graph->nodes;
  if (graph->nodes_count < TL_GRAPH_NODES_MAX) {
    nodes = tl_arena_grow(graph->arena, nodes, &graph->nodes_capacity, graph->nodes_count + 1,
                          sizeof *nodes);
  }
  tl_node *copy = tl_arena_alloc(graph->arena, sizeof *copy);
  if (!nodes || !copy || graph->nodes_count == TL_GRAPH_NODES_MAX) {
    return tl_diag_error(diag, TL_MEMORY, node->span, "the graph has too many nodes");
  }
  *copy = *node;
  if (node->kind != TL_NODE_OUTPUT) {
    copy->result = define(graph, name, type);
    if (!copy->result) return tl_diag_error(diag, TL_MEMORY, node->span, "out of memory");
    copy->result->producer = copy;
  }
  for (int i = 0; i < TL_OPERANDS_MAX; i++) {
    if (copy->operands[i]) copy->operands[i]->uses_count++;
  }
  graph->nodes = nodes;
  graph->nodes[graph->nodes_count++] = copy;
  if (out_node) *out_node = copy;
  return TL_OK;
}

static tl_status fill_attrs(const tl_op_info *info, const bool *given, tl_node *node,
                            tl_diag *diag) {
  tl_status status = TL_OK;
  for (int i = 0; i < info->attrs_count; i++) {
    if (given[i]) continue;
    node->attrs[i] = info->attrs[i].value;
    if (info->attrs[i].has_default) continue;
    status = tl_diag_error(diag, TL_INPUT, node->span, "%.*s needs the attribute '%.*s'",
                           TL_STR_ARG(info->name), TL_STR_ARG(info->attrs[i].name));
  }
  return status;
}

// Presence and kind of the operands; `out_types` gets the types that inference looks at.
static tl_status check_operands(const tl_node *node, const tl_type **out_types, tl_diag *diag) {
  const tl_op_info *info = node->op;
  tl_status status = TL_OK;
  for (int i = 0; i < info->operands_count; i++) {
    const tl_operand_info *operand = &info->operands[i];
    const tl_value *value = node->operands[i];
    bool is_state = value && value->producer->kind == TL_NODE_STATE;
    out_types[i] = value && !is_state ? &value->type : NULL;
    if (!value && !operand->optional) {
      status = tl_diag_error(diag, TL_INPUT, node->span, "%.*s needs the operand '%.*s'",
                             TL_STR_ARG(info->name), TL_STR_ARG(operand->name));
    } else if (value && is_state != (operand->class == TL_OPERAND_STATE)) {
      status = tl_diag_error(diag, TL_INPUT, node->span, "operand '%.*s' of %.*s %s a state",
                             TL_STR_ARG(operand->name), TL_STR_ARG(info->name),
                             is_state ? "is" : "must be");
    }
  }
  return status;
}

tl_status tl_graph_add_op(tl_graph *graph, const tl_node *node, const bool *attrs_given,
                          tl_str name, tl_node **out_node, tl_diag *diag) {
  tl_node copy = *node;
  const tl_type *types[TL_OPERANDS_MAX] = {0};
  tl_type result;
  TL_TRY(fill_attrs(node->op, attrs_given, &copy, diag));
  TL_TRY(check_operands(&copy, types, diag));
  tl_op_call call = {.info = node->op,
                     .operands = types,
                     .attrs = copy.attrs,
                     .symbols = &graph->symbols,
                     .span = node->span};
  TL_TRY(tl_op_infer(&call, &result, diag));
  return tl_graph_add(graph, &copy, name, &result, out_node, diag);
}

static void count_uses(tl_graph *graph) {
  for (size_t i = 0; i < graph->nodes_count; i++) {
    if (graph->nodes[i]->result) graph->nodes[i]->result->uses_count = 0;
  }
  for (size_t i = 0; i < graph->nodes_count; i++) {
    for (int o = 0; o < TL_OPERANDS_MAX; o++) {
      tl_value *operand = graph->nodes[i]->operands[o];
      if (operand) operand->uses_count++;
    }
  }
}

static bool is_dead(const tl_node *node) {
  return node->kind != TL_NODE_INPUT && node->kind != TL_NODE_OUTPUT &&
         node->result->uses_count == 0;
}

void tl_graph_sweep(tl_graph *graph) {
  count_uses(graph);
  size_t kept = graph->nodes_count; // the survivors gather at the end, then move to the front
  for (size_t i = graph->nodes_count; i-- > 0;) {
    tl_node *node = graph->nodes[i];
    for (int o = 0; o < TL_OPERANDS_MAX && is_dead(node); o++) {
      if (node->operands[o]) node->operands[o]->uses_count--;
    }
    if (!is_dead(node)) graph->nodes[--kept] = node;
  }
  graph->nodes_count -= kept;
  memmove(graph->nodes, graph->nodes + kept, graph->nodes_count * sizeof *graph->nodes);
  memset(graph->slots, 0, graph->slots_count * sizeof *graph->slots);
  graph->slots_used = 0;
  for (size_t i = 0; i < graph->nodes_count; i++) {
    tl_value *value = graph->nodes[i]->result;
    if (!value) continue;
    *find_slot(graph->slots, graph->slots_count, value->name) = value;
    graph->slots_used++;
  }
}

tl_weight *tl_weight_create(tl_arena *arena, tl_weight_kind kind) {
  tl_weight *weight = tl_arena_alloc(arena, sizeof *weight);
  if (weight) weight->kind = kind;
  return weight;
}
