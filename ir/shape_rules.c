// Implementation of shape_rules.h.
#include "ir/shape_rules.h"

static const char *split_heads(const tl_type *const *operands, const tl_attr_value *attrs,
                               tl_type *out_type) {
  tl_dim columns = operands[0]->dims[1];
  int64_t heads = attrs[0].i;
  if (!tl_dim_is_constant(columns)) return "the columns must be a constant";
  if (heads <= 0 || columns.constant % heads) return "heads must divide the columns";
  out_type->rank = 3;
  out_type->dims[0] = operands[0]->dims[0];
  out_type->dims[1] = tl_dim_of(heads);
  out_type->dims[2] = tl_dim_of(columns.constant / heads);
  return NULL;
}

static const char *merge_heads(const tl_type *const *operands, const tl_attr_value *attrs,
                               tl_type *out_type) {
  (void)attrs;
  out_type->rank = 2;
  out_type->dims[0] = operands[0]->dims[0];
  bool affine = tl_dim_multiply(operands[0]->dims[1], operands[0]->dims[2], &out_type->dims[1]);
  return affine ? NULL : "the product of heads and head size is too large";
}

static const char *slice(const tl_type *const *operands, const tl_attr_value *attrs,
                         tl_type *out_type) {
  int64_t begin = attrs[0].i, end = attrs[1].i;
  *out_type = (tl_type){.format = out_type->format, .rank = operands[0]->rank};
  memcpy(out_type->dims, operands[0]->dims, sizeof out_type->dims);
  if (operands[0]->rank == 0) return "there is no axis to cut";
  tl_dim *last = &out_type->dims[out_type->rank - 1];
  if (!tl_dim_is_constant(*last)) return "the last axis must be a constant";
  if (begin < 0 || begin >= end || end > last->constant) return "the range is not in the last axis";
  *last = tl_dim_of(end - begin);
  return NULL;
}

static const char *concat(const tl_type *const *operands, const tl_attr_value *attrs,
                          tl_type *out_type) {
  (void)attrs;
  if (operands[0]->rank != operands[1]->rank) return "the operands differ in rank";
  *out_type = (tl_type){.format = out_type->format, .rank = operands[0]->rank};
  memcpy(out_type->dims, operands[0]->dims, sizeof out_type->dims);
  for (int i = 0; i + 1 < out_type->rank; i++) {
    if (!tl_dim_equal(operands[0]->dims[i], operands[1]->dims[i])) {
      return "the operands differ in an axis that is not the last";
    }
  }
  int last = out_type->rank - 1;
  if (last < 0) return "there is no axis to join";
  out_type->dims[last] = tl_dim_add(operands[0]->dims[last], operands[1]->dims[last]);
  return NULL;
}

static const char *expert_linear(const tl_type *const *operands, const tl_attr_value *attrs,
                                 tl_type *out_type) {
  (void)attrs;
  const tl_type *x = operands[0], *ids = operands[1], *w = operands[2];
  if (x->rank != 2 && x->rank != 3) return "x must be [T,K] or [T,A,K]";
  if (!tl_dim_equal(x->dims[0], ids->dims[0])) return "x and ids differ in T";
  if (x->rank == 3 && !tl_dim_equal(x->dims[1], ids->dims[1])) return "x and ids differ in A";
  if (!tl_dim_equal(x->dims[x->rank - 1], w->dims[2])) return "x and w differ in K";
  out_type->rank = 3;
  out_type->dims[0] = ids->dims[0];
  out_type->dims[1] = ids->dims[1];
  out_type->dims[2] = w->dims[1];
  return NULL;
}

tl_shape_rule *tl_shape_rule_of(tl_op op) {
  static tl_shape_rule *const rules[TL_OP_COUNT] = {
      [TL_OP_split_heads] = split_heads,
      [TL_OP_merge_heads] = merge_heads,
      [TL_OP_slice] = slice,
      [TL_OP_concat] = concat,
      [TL_OP_expert_linear] = expert_linear,
  };
  return rules[op];
}
