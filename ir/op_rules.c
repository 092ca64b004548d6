// Implementation of op_rules.h: one short function per op that has rules of its own.
#include "ir/op_rules.h"

#include <math.h>

// Operands and attributes of the rules, in the order of ops.def; op_rules_test.c checks them
// against the table.
typedef const char *op_rule(const tl_node *node);

static const tl_attr_value *attr_of(const tl_node *node, const char *name) {
  return &node->attrs[tl_op_attr_index(node->op, tl_str_from(name))];
}

static int64_t integer(const tl_node *node, const char *name) {
  return attr_of(node, name)->i;
}

static double real(const tl_node *node, const char *name) {
  return attr_of(node, name)->f;
}

static const tl_dim *dim_of(const tl_node *node, int operand, int axis) {
  return &node->operands[operand]->type.dims[axis];
}

// The size of an axis, or -1 if it is not a constant.
static int64_t size(const tl_node *node, int operand, int axis) {
  const tl_dim *dim = dim_of(node, operand, axis);
  return tl_dim_is_constant(*dim) ? dim->constant : -1;
}

static const char *eps_rule(const tl_node *node) {
  return real(node, "eps") >= 0 ? NULL : "eps must not be negative";
}

static const char *softcap_rule(const tl_node *node) {
  return real(node, "cap") > 0 ? NULL : "cap must be positive";
}

static const char *rope_rule(const tl_node *node) {
  int64_t head = size(node, 0, 2), pairs = size(node, 2, 0);
  if (head < 0 || pairs < 0) return "head size and frequencies must be constants";
  if (2 * pairs > head) return "more frequencies than pairs in a head";
  if (real(node, "factor") <= 0) return "factor must be positive";
  int64_t limit = integer(node, "limit");
  if (limit < 0 || limit > TL_DIM_MAX) return "limit must not be negative or larger than 2^40";
  if ((limit > 0) != (node->operands[3] != NULL)) return "limit and lengths come together";
  return real(node, "stretch") >= 1 ? NULL : "stretch must be at least 1";
}

static const char *position_scale_rule(const tl_node *node) {
  return integer(node, "floor") >= 1 ? NULL : "floor must be at least 1";
}

static const char *heads_state_fault(const tl_node *node, const tl_state_info *state) {
  int64_t window = integer(node, "window"), chunk = integer(node, "chunk");
  bool causal = integer(node, "mask") == 0;
  if (state->heads != size(node, 1, 1) || state->key != size(node, 1, 2) ||
      state->value != size(node, 2, 2)) {
    return "the cache's heads, key and value differ from those of k and v";
  }
  if (state->kind == TL_STATE_LATENT) return "attention needs a cache of keys and values";
  if (causal != (state->kind != TL_STATE_CROSS)) {
    return "a causal mask goes with the cache of its own rows, a full mask with a cross cache";
  }
  if ((window > 0) != (state->kind == TL_STATE_WINDOW)) {
    return "a window needs a window cache, and a window cache a window";
  }
  if ((chunk > 0) != (state->kind == TL_STATE_CHUNK)) {
    return "a chunk needs a chunk cache, and a chunk cache a chunk";
  }
  return state->span == window + chunk ? NULL : "the cache's span differs from window or chunk";
}

static const char *attention_rule(const tl_node *node) {
  int64_t heads = size(node, 0, 1), groups = size(node, 1, 1);
  int64_t window = integer(node, "window"), chunk = integer(node, "chunk");
  if (heads < 1 || groups < 1 || size(node, 0, 2) < 1 || size(node, 2, 2) < 1) {
    return "heads and head sizes must be constants";
  }
  if (heads % groups) return "the key heads must divide the query heads";
  if (real(node, "scale") <= 0) return "scale must be positive";
  if (real(node, "softcap") < 0) return "softcap must not be negative";
  if (window < 0 || window > TL_DIM_MAX || chunk < 0 || chunk > TL_DIM_MAX) {
    return "window and chunk must not be negative or larger than 2^40";
  }
  if (window && chunk) return "window and chunk exclude each other";
  const tl_value *cache = node->operands[3];
  return cache ? heads_state_fault(node, &cache->producer->state) : NULL;
}

static const char *latent_attention_rule(const tl_node *node) {
  int64_t latent = size(node, 2, 1), rope = size(node, 3, 1);
  if (size(node, 0, 1) < 1 || size(node, 0, 2) < 1 || latent < 1 || rope < 1) {
    return "heads and widths must be constants";
  }
  if (real(node, "scale") <= 0) return "scale must be positive";
  if (!node->operands[6]) return NULL;
  const tl_state_info *state = &node->operands[6]->producer->state;
  if (state->kind != TL_STATE_LATENT) return "latent_attention needs a latent cache";
  return state->key == latent && state->value == rope
             ? NULL
             : "the cache's key and value differ from latent and k_rope";
}

static const char *group_topk_rule(const tl_node *node) {
  int64_t experts = size(node, 0, 1), k = integer(node, "k"), groups = integer(node, "groups");
  int64_t kept = integer(node, "groups_kept"), best = integer(node, "group_best");
  if (experts < 1) return "the experts must be a constant";
  if (groups < 1 || experts % groups) return "groups must divide the experts";
  if (kept < 1 || kept > groups) return "groups_kept must be within 1 and groups";
  if (k < 1 || k > experts / groups * kept) return "k must be within 1 and the experts kept";
  if (groups == 1) return NULL; // group_best has no meaning
  return best >= 1 && best <= experts / groups ? NULL : "group_best must be within 1 and a group";
}

static op_rule *rule_of(tl_op op) {
  static op_rule *const rules[TL_OP_COUNT] = {
      [TL_OP_rmsnorm] = eps_rule,
      [TL_OP_layernorm] = eps_rule,
      [TL_OP_normalize] = eps_rule,
      [TL_OP_softcap] = softcap_rule,
      [TL_OP_rope] = rope_rule,
      [TL_OP_position_scale] = position_scale_rule,
      [TL_OP_attention] = attention_rule,
      [TL_OP_latent_attention] = latent_attention_rule,
      [TL_OP_group_topk] = group_topk_rule,
  };
  return rules[op];
}

const char *tl_op_fault(const tl_node *node) {
  for (int i = 0; i < node->op->attrs_count; i++) {
    bool is_real = node->op->attrs[i].kind == TL_ATTR_REAL;
    if (is_real && !isfinite(node->attrs[i].f)) return "an attribute is not finite";
  }
  op_rule *rule = rule_of(node->op->id);
  return rule ? rule(node) : NULL;
}
