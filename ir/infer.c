// Shape inference and cost of one op, from its signature: dims unify by name over all operands.
#include <stdio.h>

#include "ir/shape_rules.h"

enum { BINDINGS_MAX = 16 };

typedef struct binding {
  tl_str name;
  tl_dim dim;
  int operand; // where it was bound, for messages
} binding;

typedef struct matcher {
  const tl_op_call *call;
  const tl_op_info *info;     // call->info
  const tl_attr_value *attrs; // call->attrs
  tl_diag *diag;
  binding bindings[BINDINGS_MAX];
  int bindings_count;
  tl_dim rest[TL_RANK_MAX]; // what `..` stands for
  int rest_count;           // -1 = not bound yet
} matcher;

static tl_status mismatch(matcher *m, int operand, const tl_type *type, const char *what) {
  char text[TL_TYPE_TEXT_MAX];
  tl_type_print(type, m->call->symbols, text, sizeof text);
  const tl_op_call *call = m->call;
  tl_span span = call->operand_spans ? call->operand_spans[operand] : call->span;
  return tl_diag_error(m->diag, TL_INPUT, span, "operand '%.*s' of %.*s is %s: %s",
                       TL_STR_ARG(m->info->operands[operand].name), TL_STR_ARG(m->info->name), text,
                       what);
}

static const binding *find_binding(const matcher *m, tl_str name) {
  for (int i = 0; i < m->bindings_count; i++) {
    if (tl_str_equal(m->bindings[i].name, name)) return &m->bindings[i];
  }
  return NULL;
}

static tl_status bind(matcher *m, int operand, const tl_type *type, const tl_pattern *pattern,
                      tl_dim dim) {
  if (pattern->kind == TL_PATTERN_ANY) return TL_OK;
  const binding *bound = find_binding(m, pattern->name);
  if (!bound) {
    if (m->bindings_count == BINDINGS_MAX) return TL_INTERNAL;
    m->bindings[m->bindings_count++] = (binding){pattern->name, dim, operand};
    return TL_OK;
  }
  if (tl_dim_equal(bound->dim, dim)) return TL_OK;
  char here[TL_TYPE_TEXT_MAX], there[TL_TYPE_TEXT_MAX], what[3 * TL_TYPE_TEXT_MAX];
  tl_dim_print(dim, m->call->symbols, here, sizeof here);
  tl_dim_print(bound->dim, m->call->symbols, there, sizeof there);
  snprintf(what, sizeof what, "%.*s is %.190s here but %.190s in operand '%.*s'",
           TL_STR_ARG(pattern->name), here, there,
           TL_STR_ARG(m->info->operands[bound->operand].name));
  return mismatch(m, operand, type, what);
}

static bool has_rest(const tl_shape_pattern *shape) {
  return shape->count > 0 && shape->dims[0].kind == TL_PATTERN_REST;
}

static tl_status match_rest(matcher *m, int operand, const tl_type *type, int rest_count) {
  if (m->rest_count < 0) {
    m->rest_count = rest_count;
    memcpy(m->rest, type->dims, (size_t)rest_count * sizeof *m->rest);
    return TL_OK;
  }
  bool same = m->rest_count == rest_count;
  for (int i = 0; same && i < rest_count; i++)
    same = tl_dim_equal(m->rest[i], type->dims[i]);
  return same ? TL_OK
              : mismatch(m, operand, type, "its leading dims differ from the first operand");
}

static bool class_fits(tl_operand_class class, tl_format format) {
  tl_format_class found = tl_format_of(format)->class;
  if (class == TL_OPERAND_INT) return found == TL_CLASS_INT;
  if (class == TL_OPERAND_FLOAT) return found == TL_CLASS_FLOAT;
  return class == TL_OPERAND_WEIGHT && found != TL_CLASS_INT;
}

static tl_status match_operand(matcher *m, int operand, const tl_type *type) {
  const tl_operand_info *info = &m->info->operands[operand];
  if (!class_fits(info->class, type->format)) {
    return mismatch(m, operand, type, "its format does not fit the op");
  }
  // The last operand of concat and the first of expert_linear are left to their shape rules.
  if (m->info->result_by_rule && has_rest(&info->shape)) return TL_OK;
  int rest = has_rest(&info->shape), named = info->shape.count - rest;
  if (type->rank < named || (!rest && type->rank != named)) {
    return mismatch(m, operand, type, "it has the wrong number of dims");
  }
  if (rest) TL_TRY(match_rest(m, operand, type, type->rank - named));
  tl_status status = TL_OK;
  for (int i = 0; i < named; i++) {
    tl_status one =
        bind(m, operand, type, &info->shape.dims[rest + i], type->dims[type->rank - named + i]);
    if (tl_ok(status)) status = one;
  }
  return status;
}

static tl_status build_result(matcher *m, tl_type *out_type) {
  const tl_shape_pattern *shape = &m->info->result_shape;
  for (int i = 0; i < shape->count; i++) {
    const tl_pattern *pattern = &shape->dims[i];
    if (pattern->kind == TL_PATTERN_REST) {
      for (int r = 0; r < m->rest_count; r++)
        out_type->dims[out_type->rank++] = m->rest[r];
    } else if (pattern->kind == TL_PATTERN_ATTR) {
      int64_t value = m->attrs[tl_op_attr_index(m->info, pattern->name)].i;
      out_type->dims[out_type->rank++] = tl_dim_of(value);
    } else {
      const binding *bound = find_binding(m, pattern->name);
      if (!bound || out_type->rank == TL_RANK_MAX) return TL_INTERNAL;
      out_type->dims[out_type->rank++] = bound->dim;
    }
  }
  return TL_OK;
}

tl_status tl_op_infer(const tl_op_call *call, tl_type *out_type, tl_diag *diag) {
  const tl_op_info *info = call->info;
  matcher m = {.call = call, .info = info, .attrs = call->attrs, .diag = diag, .rest_count = -1};
  tl_status status = TL_OK;
  for (int i = 0; i < info->operands_count; i++) {
    if (!call->operands[i]) continue;
    tl_status one = match_operand(&m, i, call->operands[i]);
    if (tl_ok(status)) status = one;
  }
  if (!tl_ok(status)) return status;
  tl_format like =
      info->result_like < 0 ? info->result_format : call->operands[info->result_like]->format;
  *out_type = (tl_type){.format = like};
  if (!info->result_by_rule) return build_result(&m, out_type);
  const char *fault = tl_shape_rule_of(info->id)(call->operands, call->attrs, out_type);
  if (!fault) return TL_OK;
  return tl_diag_error(diag, TL_INPUT, call->span, "%.*s: %s", TL_STR_ARG(info->name), fault);
}

static int64_t saturating_multiply(int64_t a, int64_t b) {
  int64_t product;
  return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

static int64_t saturating_add(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t factor_value(const matcher *m, tl_str factor, const int64_t *symbols) {
  int64_t value = 0;
  if (tl_str_to_i64(factor, &value)) return value;
  if (tl_str_is(factor, "..")) {
    value = 1;
    for (int r = 0; r < m->rest_count; r++)
      value = saturating_multiply(value, tl_dim_value(m->rest[r], symbols));
    return value;
  }
  if (factor.data[0] == '$') {
    int attr = tl_op_attr_index(m->info, tl_str_slice(factor, 1, factor.length));
    return attr < 0 ? 0 : m->attrs[attr].i;
  }
  const binding *bound = find_binding(m, factor);
  return bound ? tl_dim_value(bound->dim, symbols) : 0;
}

int64_t tl_op_flops(const tl_op_call *call, const int64_t *symbols) {
  const tl_op_info *info = call->info;
  matcher m = {.call = call, .info = info, .attrs = call->attrs, .rest_count = -1};
  for (int i = 0; i < info->operands_count; i++) {
    if (call->operands[i] && match_operand(&m, i, call->operands[i]) != TL_OK) return 0;
  }
  int64_t total = 0, product = 1;
  size_t begin = 0;
  for (size_t at = 0; at <= info->flops.length; at++) {
    char c = at < info->flops.length ? info->flops.data[at] : '+';
    if (c != '*' && c != '+') continue;
    int64_t factor = factor_value(&m, tl_str_slice(info->flops, begin, at), symbols);
    product = saturating_multiply(product, factor);
    begin = at + 1;
    if (c == '*') continue;
    total = saturating_add(total, product);
    product = 1;
  }
  return total;
}
