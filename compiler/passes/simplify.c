// Implementation of simplify.h: one walk in program order. An op that can go is mapped to the value
// that stands for it, and later operands are looked up in that map; sweeping removes it.
#include "compiler/passes/simplify.h"

#include "ir/value_map.h"

// A slice moves to an earlier producer each time a rule applies; what is left of a longer chain is
// as right as before.
enum { REWRITES_MAX = 64 };

// The node that computes operand `index`, if it is the op `op`.
static const tl_node *producer_of(const tl_node *node, int index, tl_op op) {
  const tl_node *from = node->operands[index]->producer;
  return from->kind == TL_NODE_OP && from->op->id == op ? from : NULL;
}

static int64_t last_dim(const tl_value *value) {
  return value->type.dims[value->type.rank - 1].constant;
}

static bool last_dim_is_constant(const tl_value *value) {
  return tl_dim_is_constant(value->type.dims[value->type.rank - 1]);
}

// slice(slice(x, a, ..), b, e) = slice(x, a + b, a + e)
static bool merge_slices(tl_node *node) {
  const tl_node *inner = producer_of(node, 0, TL_OP_slice);
  if (!inner) return false;
  node->attrs[0].i += inner->attrs[0].i;
  node->attrs[1].i += inner->attrs[0].i;
  node->operands[0] = inner->operands[0];
  return true;
}

// slice(concat(a, b)) = slice(a) or slice(b) if it lies in one of them
static bool slice_part(tl_node *node) {
  const tl_node *joined = producer_of(node, 0, TL_OP_concat);
  if (!joined || !last_dim_is_constant(joined->operands[0])) return false;
  int64_t border = last_dim(joined->operands[0]);
  if (node->attrs[1].i <= border) {
    node->operands[0] = joined->operands[0];
    return true;
  }
  if (node->attrs[0].i < border) return false;
  node->attrs[0].i -= border;
  node->attrs[1].i -= border;
  node->operands[0] = joined->operands[1];
  return true;
}

// The operand that `node` hands on unchanged, or NULL.
static tl_value *handed_on(const tl_node *node) {
  tl_value *x = node->operands[0];
  const tl_node *from = NULL;
  switch (node->op->id) {
  case TL_OP_slice: return node->attrs[0].i == 0 && node->attrs[1].i == last_dim(x) ? x : NULL;
  case TL_OP_scale: return node->attrs[0].f == 1 ? x : NULL;
  case TL_OP_position_scale: return node->attrs[0].f == 0 ? x : NULL;
  case TL_OP_merge_heads: from = producer_of(node, 0, TL_OP_split_heads); break;
  case TL_OP_split_heads: from = producer_of(node, 0, TL_OP_merge_heads); break;
  default: return NULL;
  }
  return from ? from->operands[0] : NULL;
}

// The value that stands for the result of `node`, which may be changed in place; NULL if none does.
static tl_value *simplify_op(tl_node *node) {
  for (int i = 0; i < REWRITES_MAX && node->op->id == TL_OP_slice; i++) {
    if (!merge_slices(node) && !slice_part(node)) break;
  }
  tl_value *same = handed_on(node);
  return same && tl_type_equal(&same->type, &node->result->type) ? same : NULL;
}

tl_status tl_pass_simplify(tl_graph *graph, tl_arena *scratch, tl_diag *diag) {
  tl_value_map replaced;
  if (!tl_value_map_init(&replaced, graph->nodes_count, scratch)) {
    return tl_diag_error(diag, TL_MEMORY, (tl_span){0}, "out of memory");
  }
  for (size_t i = 0; i < graph->nodes_count; i++) {
    tl_node *node = graph->nodes[i];
    for (int o = 0; o < TL_OPERANDS_MAX; o++) {
      tl_value *other = node->operands[o] ? tl_value_map_find(&replaced, node->operands[o]) : NULL;
      if (other) node->operands[o] = other;
    }
    tl_value *same = node->kind == TL_NODE_OP ? simplify_op(node) : NULL;
    if (same) tl_value_map_add(&replaced, node->result, same);
  }
  tl_graph_sweep(graph);
  return TL_OK;
}
