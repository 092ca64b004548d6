// Every row of ops.def: it decodes, has a reference template, and its strings refer to what exists.
#include "ir/reference.h"
#include "tests/lib/check.h"

static tl_op_table table;

static bool is_dim(const tl_op_info *info, tl_str name) {
  for (int i = 0; i < info->operands_count; i++) {
    const tl_shape_pattern *shape = &info->operands[i].shape;
    for (int d = 0; d < shape->count; d++) {
      bool named = shape->dims[d].kind == TL_PATTERN_NAME;
      if (named && tl_str_equal(shape->dims[d].name, name)) return true;
    }
  }
  return false;
}

static bool has_rest(const tl_op_info *info) {
  bool has = false;
  for (int i = 0; i < info->operands_count; i++) {
    const tl_shape_pattern *shape = &info->operands[i].shape;
    for (int d = 0; d < shape->count; d++)
      has |= shape->dims[d].kind == TL_PATTERN_REST;
  }
  return has;
}

static bool is_attr(const tl_op_info *info, tl_str name, tl_attr_kind kind) {
  int attr = tl_op_attr_index(info, name);
  return attr >= 0 && info->attrs[attr].kind == kind;
}

// A number, `..`, `$attribute` or a dim of an operand.
static bool is_factor(const tl_op_info *info, tl_str factor) {
  int64_t number;
  if (tl_str_to_i64(factor, &number)) return number >= 0;
  if (tl_str_is(factor, "..")) return has_rest(info);
  if (factor.length && factor.data[0] == '$') {
    return is_attr(info, tl_str_slice(factor, 1, factor.length), TL_ATTR_INT);
  }
  return is_dim(info, factor);
}

static void check_flops(const tl_op_info *info) {
  size_t begin = 0;
  CHECK(info->flops.length);
  for (size_t at = 0; at <= info->flops.length; at++) {
    char c = at < info->flops.length ? info->flops.data[at] : '+';
    if (c != '*' && c != '+') continue;
    tl_str factor = tl_str_slice(info->flops, begin, at);
    if (!is_factor(info, factor)) {
      fprintf(stderr, "flops of %.*s: unknown '%.*s'\n", TL_STR_ARG(info->name),
              TL_STR_ARG(factor));
    }
    CHECK(is_factor(info, factor));
    begin = at + 1;
  }
}

static void check_result(const tl_op_info *info) {
  CHECK(info->result_like < info->operands_count);
  CHECK(info->result_like < 0 || info->operands[info->result_like].class != TL_OPERAND_STATE);
  for (int d = 0; d < info->result_shape.count; d++) {
    const tl_pattern *pattern = &info->result_shape.dims[d];
    if (pattern->kind == TL_PATTERN_NAME) CHECK(is_dim(info, pattern->name));
    if (pattern->kind == TL_PATTERN_REST) CHECK(d == 0 && has_rest(info));
    if (pattern->kind == TL_PATTERN_ATTR) CHECK(is_attr(info, pattern->name, TL_ATTR_INT));
    CHECK(pattern->kind != TL_PATTERN_ANY);
  }
}

static void check_operands(const tl_op_info *info) {
  CHECK(info->operands_count > 0 && info->operands_required > 0);
  for (int i = 0; i < info->operands_count; i++) {
    const tl_operand_info *operand = &info->operands[i];
    CHECK((operand->class == TL_OPERAND_STATE) == (operand->shape.count == 0));
    CHECK(operand->optional == (i >= info->operands_required));
    for (int k = 0; k < i; k++)
      CHECK(!tl_str_equal(info->operands[k].name, operand->name));
    for (int d = 1; d < operand->shape.count; d++)
      CHECK(operand->shape.dims[d].kind != TL_PATTERN_REST);
  }
  int effect = info->effect_operand;
  CHECK(effect < 0 || info->operands[effect].class == TL_OPERAND_STATE);
}

static void check_attrs(const tl_op_info *info) {
  for (int i = 0; i < info->attrs_count; i++) {
    CHECK(tl_op_attr_index(info, info->attrs[i].name) == i);
    CHECK(info->attrs[i].kind != TL_ATTR_TEXT || info->attrs[i].has_default);
  }
}

int main(void) {
  static tl_diag diag;
  CHECK(tl_ok(tl_op_table_init(&table, &diag)) && diag.count == 0);
  for (int op = 0; op < TL_OP_COUNT; op++) {
    const tl_op_info *info = &table.ops[op];
    CHECK(info->id == (tl_op)op && tl_op_by_name(&table, info->name) == info);
    CHECK(tl_op_reference((tl_op)op) != NULL);
    CHECK(info->summary.length >= 3 && info->summary.length < 300);
    CHECK(info->tolerance >= 0 && info->tolerance <= 1e-3);
    check_operands(info);
    check_result(info);
    check_attrs(info);
    check_flops(info);
  }
  return 0;
}
