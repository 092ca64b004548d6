// Implementation of graph_equal.h.
#include "ir/graph_equal.h"

#include "ir/weight.h"

static bool operands_equal(const tl_node *a, const tl_node *b) {
  for (int i = 0; i < TL_OPERANDS_MAX; i++) {
    const tl_value *left = a->operands[i], *right = b->operands[i];
    if (!left != !right || (left && !tl_str_equal(left->name, right->name))) return false;
  }
  return true;
}

static bool attrs_equal(const tl_node *a, const tl_node *b) {
  for (int i = 0; i < a->op->attrs_count; i++) {
    if (!tl_attr_equal(&a->op->attrs[i], &a->attrs[i], &b->attrs[i])) return false;
  }
  return true;
}

static bool states_equal(const tl_state_info *a, const tl_state_info *b) {
  return a->kind == b->kind && a->heads == b->heads && a->key == b->key && a->value == b->value &&
         a->span == b->span;
}

static bool tables_equal(const tl_node *a, const tl_node *b) {
  int64_t count = tl_type_elements(&a->result->type, (int64_t[TL_SYMBOLS_MAX]){0});
  return memcmp(a->table, b->table, (size_t)count * sizeof *a->table) == 0;
}

static bool results_equal(const tl_value *a, const tl_value *b) {
  if (!a != !b) return false;
  return !a || (tl_str_equal(a->name, b->name) && tl_type_equal(&a->type, &b->type));
}

static bool nodes_equal(const tl_node *a, const tl_node *b) {
  if (a->kind != b->kind || !results_equal(a->result, b->result) || !operands_equal(a, b)) {
    return false;
  }
  switch (a->kind) {
  case TL_NODE_INPUT: return true;
  case TL_NODE_WEIGHT: return tl_weight_equal(a->weight, b->weight);
  case TL_NODE_TABLE: return tables_equal(a, b);
  case TL_NODE_STATE: return states_equal(&a->state, &b->state);
  case TL_NODE_OP: return a->op->id == b->op->id && attrs_equal(a, b);
  case TL_NODE_OUTPUT: return tl_str_equal(a->output_name, b->output_name);
  }
  return false;
}

bool tl_graph_equal(const tl_graph *a, const tl_graph *b) {
  bool equal = tl_str_equal(a->name, b->name) && a->symbols.count == b->symbols.count &&
               a->nodes_count == b->nodes_count;
  for (int s = 0; equal && s < a->symbols.count; s++)
    equal = tl_str_equal(a->symbols.names[s], b->symbols.names[s]);
  for (size_t i = 0; equal && i < a->nodes_count; i++)
    equal = nodes_equal(a->nodes[i], b->nodes[i]);
  return equal;
}
