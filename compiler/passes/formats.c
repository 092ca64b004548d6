// Formats of weights.
#include "compiler/passes/formats.h"

static bool holds_dequant(const tl_weight *weight) {
  if (weight->kind == TL_WEIGHT_DEQUANT) return true;
  for (int i = 0; i < weight->parts_count; i++) {
    if (holds_dequant(weight->parts[i])) return true;
  }
  return false;
}

static tl_format target_of(const tl_node *node, tl_weights_choice choice) {
  tl_format own = node->result->type.format;
  switch (choice) {
  case TL_WEIGHTS_F32: return TL_FORMAT_F32;
  case TL_WEIGHTS_BF16: return TL_FORMAT_BF16;
  case TL_WEIGHTS_F16: return TL_FORMAT_F16;
  case TL_WEIGHTS_INT8: return TL_FORMAT_Q8G32;
  default: return holds_dequant(node->weight) ? TL_FORMAT_BF16 : own;
  }
}

// Whether numbers of `from` may not all be numbers of `to`.
static bool loses(tl_format from, tl_format to) {
  if (from == to || to == TL_FORMAT_F32) return false;
  return true;
}

// Whether `weight` makes the scores of a choice: a rounded score may choose another expert.
static bool decides(const tl_graph *graph, const tl_value *weight) {
  for (size_t i = 0; i < graph->nodes_count; i++) {
    const tl_node *node = graph->nodes[i];
    if (node->kind != TL_NODE_OP || node->op->id != TL_OP_group_topk) continue;
    const tl_node *from = node->operands[0]->producer;
    while (from->kind == TL_NODE_OP && from->op->id != TL_OP_linear)
      from = from->operands[0]->producer;
    if (from->kind == TL_NODE_OP && from->operands[1] == weight) return true;
  }
  return false;
}

tl_status tl_pass_formats(tl_graph *graph, tl_weights_choice choice, int64_t *out_lossy,
                          tl_diag *diag) {
  *out_lossy = 0;
  for (size_t i = 0; i < graph->nodes_count; i++) {
    tl_node *node = graph->nodes[i];
    if (node->kind != TL_NODE_WEIGHT || node->result->type.rank < 2) continue;
    tl_format to = decides(graph, node->result) ? TL_FORMAT_F32 : target_of(node, choice);
    int64_t columns = node->result->type.dims[node->result->type.rank - 1].constant;
    int group = tl_format_of(to)->group_k;
    if (tl_format_of(to)->class == TL_CLASS_QUANT && group > 0 && columns % group != 0) {
      return tl_diag_error(diag, TL_UNSUPPORTED, node->span,
                           "weight '%.*s' has %lld columns, not a multiple of the group of %d",
                           TL_STR_ARG(node->result->name), (long long)columns, group);
    }
    *out_lossy += loses(node->result->type.format, to);
    node->result->type.format = to;
  }
  return TL_OK;
}
