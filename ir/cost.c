// Implementation of cost.h.
#include "ir/cost.h"

static int64_t add(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t multiply(int64_t a, int64_t b) {
  int64_t product;
  return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

static int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

// Positions that a row sees through a window or chunk of `span` (0 = all).
static int64_t visible(int64_t context, int64_t span) {
  return span > 0 ? smaller(context, span) : context;
}

static int64_t span_of(const tl_node *node) {
  int window = tl_op_attr_index(node->op, TL_STR("window"));
  int chunk = tl_op_attr_index(node->op, TL_STR("chunk"));
  int64_t span = window < 0 ? 0 : node->attrs[window].i;
  return span || chunk < 0 ? span : node->attrs[chunk].i;
}

static int64_t op_flops(const tl_graph *graph, const tl_node *node, const tl_cost_point *point) {
  const tl_type *types[TL_OPERANDS_MAX] = {0};
  for (int i = 0; i < node->op->operands_count; i++) {
    const tl_value *value = node->operands[i];
    if (value && value->producer->kind != TL_NODE_STATE) types[i] = &value->type;
  }
  tl_op_call call = {.info = node->op,
                     .operands = types,
                     .attrs = node->attrs,
                     .symbols = &graph->symbols,
                     .span = node->span};
  int64_t flops = tl_op_flops(&call, point->symbols);
  // The table counts these two per visible position.
  bool attends = node->op->id == TL_OP_attention || node->op->id == TL_OP_latent_attention;
  return attends ? multiply(flops, visible(point->context, span_of(node))) : flops;
}

static int64_t weight_bytes(const tl_node *node, int operand, const tl_cost_point *point) {
  const tl_type *type = &node->operands[operand]->type;
  int64_t bytes = tl_type_bytes(type, point->symbols);
  bool gathers = node->op->id == TL_OP_embed || node->op->id == TL_OP_expert_linear;
  if (!gathers || tl_format_of(node->operands[operand]->type.format)->class == TL_CLASS_INT) {
    return bytes;
  }
  // One slice of the first axis per id, as far as there are different ones.
  int ids = node->op->id == TL_OP_embed ? 0 : 1;
  int64_t wanted = tl_type_elements(&node->operands[ids]->type, point->symbols);
  int64_t slices = tl_dim_value(type->dims[0], point->symbols);
  return slices > wanted ? multiply(bytes / slices, wanted) : bytes;
}

static int64_t state_bytes(const tl_node *state, const tl_node *op, const tl_cost_point *point) {
  const tl_state_info *info = &state->state;
  int64_t width = multiply(info->heads, add(info->key, info->value));
  int64_t position = multiply(width, tl_format_of(point->cache_format)->bits) / 8;
  int64_t rows = tl_dim_value(op->result->type.dims[0], point->symbols);
  int64_t read = multiply(point->sequences, visible(point->context, info->span));
  return multiply(position, add(read, rows));
}

tl_cost tl_node_cost(const tl_graph *graph, const tl_node *node, const tl_cost_point *point) {
  tl_cost cost = {0};
  if (node->kind != TL_NODE_OP) return cost;
  cost.flops = op_flops(graph, node, point);
  cost.activation_bytes = tl_type_bytes(&node->result->type, point->symbols);
  for (int i = 0; i < node->op->operands_count; i++) {
    const tl_value *value = node->operands[i];
    if (!value) continue;
    const tl_node *from = value->producer;
    if (from->kind == TL_NODE_STATE) {
      cost.state_bytes = add(cost.state_bytes, state_bytes(from, node, point));
    } else if (from->kind == TL_NODE_WEIGHT || from->kind == TL_NODE_TABLE) {
      cost.weight_bytes = add(cost.weight_bytes, weight_bytes(node, i, point));
    } else {
      int64_t bytes = tl_type_bytes(&value->type, point->symbols);
      cost.activation_bytes = add(cost.activation_bytes, bytes);
    }
  }
  return cost;
}

tl_cost tl_graph_cost(const tl_graph *graph, const tl_cost_point *point) {
  tl_cost total = {0};
  for (size_t i = 0; i < graph->nodes_count; i++) {
    tl_cost cost = tl_node_cost(graph, graph->nodes[i], point);
    total.flops = add(total.flops, cost.flops);
    total.weight_bytes = add(total.weight_bytes, cost.weight_bytes);
    total.activation_bytes = add(total.activation_bytes, cost.activation_bytes);
    total.state_bytes = add(total.state_bytes, cost.state_bytes);
  }
  return total;
}
