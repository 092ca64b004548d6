// Values of expressions.
#include <math.h>

#include "compiler/lower/expr.h"
#include "runtime/base/decimal.h"

tl_expr_value tl_expr_from_json(const tl_json *node) {
  tl_expr_value value = {.json = node};
  if (!node) return value;
  switch (tl_json_kind_of(node)) {
  case TL_JSON_NULL: value.kind = TL_EXPR_NULL; break;
  case TL_JSON_BOOL:
    value.kind = TL_EXPR_BOOL;
    value.i = node->boolean;
    break;
  case TL_JSON_INT:
    value.kind = TL_EXPR_INT;
    value.i = node->integer;
    break;
  case TL_JSON_REAL:
    value.kind = TL_EXPR_REAL;
    value.f = node->real;
    break;
  case TL_JSON_STRING:
    value.kind = TL_EXPR_TEXT;
    value.text = node->string;
    break;
  default: value.kind = TL_EXPR_JSON; break;
  }
  return value;
}

bool tl_expr_to_truth(const tl_expr_value *value, bool *out_truth) {
  switch (value->kind) {
  case TL_EXPR_BOOL:
  case TL_EXPR_INT: *out_truth = value->i != 0; return true;
  case TL_EXPR_REAL: *out_truth = value->f != 0; return true;
  case TL_EXPR_TEXT:
  case TL_EXPR_LIST:
  case TL_EXPR_JSON: return false;
  default: *out_truth = false; return true;
  }
}

bool tl_expr_to_real(const tl_expr_value *value, double *out_value) {
  if (value->kind == TL_EXPR_INT) *out_value = (double)value->i;
  if (value->kind == TL_EXPR_REAL) *out_value = value->f;
  return value->kind == TL_EXPR_INT || value->kind == TL_EXPR_REAL;
}

bool tl_expr_to_int(const tl_expr_value *value, int64_t *out_value) {
  if (value->kind == TL_EXPR_INT) {
    *out_value = value->i;
    return true;
  }
  if (value->kind != TL_EXPR_REAL || value->f != floor(value->f) || fabs(value->f) > 1e15) {
    return false;
  }
  *out_value = (int64_t)value->f;
  return true;
}

bool tl_expr_equal(const tl_expr_value *a, const tl_expr_value *b) {
  double x, y;
  bool a_absent = a->kind == TL_EXPR_NULL || a->kind == TL_EXPR_MISSING;
  bool b_absent = b->kind == TL_EXPR_NULL || b->kind == TL_EXPR_MISSING;
  if (a_absent || b_absent) return a_absent && b_absent;
  if (tl_expr_to_real(a, &x) && tl_expr_to_real(b, &y)) return x == y;
  if (a->kind != b->kind) return false;
  if (a->kind == TL_EXPR_TEXT) return tl_str_equal(a->text, b->text);
  return a->kind == TL_EXPR_BOOL ? a->i == b->i : a->json && a->json == b->json;
}

const char *tl_expr_kind_text(const tl_expr_value *value) {
  static const char *const texts[] = {"missing",  "null",   "true or false", "an integer",
                                      "a number", "a text", "a list",        "JSON"};
  return texts[value->kind];
}

// As IR texts have it: a whole number has no point.
static tl_str print_real(double value, tl_arena *arena) {
  char text[TL_DECIMAL_TEXT_BYTES];
  size_t length = tl_decimal_from_f64(value, text);
  tl_str printed = {text, length};
  if (tl_str_ends_with(printed, TL_STR(".0"))) printed.length -= 2;
  return tl_arena_copy(arena, printed);
}

// A list or a JSON array.
static tl_str print_list(const tl_expr_value *list, tl_arena *arena) {
  bool is_json = list->kind == TL_EXPR_JSON;
  size_t count = is_json ? tl_json_count(list->json) : list->count;
  tl_str text = TL_STR("[");
  for (size_t i = 0; i < count; i++) {
    tl_expr_value item = is_json ? tl_expr_from_json(tl_json_item(list->json, i)) : list->items[i];
    tl_str printed = tl_expr_print(&item, arena);
    text =
        tl_arena_format(arena, "%.*s%s%.*s", TL_STR_ARG(text), i ? ", " : "", TL_STR_ARG(printed));
  }
  return tl_arena_format(arena, "%.*s]", TL_STR_ARG(text));
}

tl_str tl_expr_print(const tl_expr_value *value, tl_arena *arena) {
  bool is_json = value->kind == TL_EXPR_JSON;
  if (is_json && tl_json_kind_of(value->json) == TL_JSON_ARRAY) return print_list(value, arena);
  switch (value->kind) {
  case TL_EXPR_NULL: return TL_STR("null");
  case TL_EXPR_BOOL: return value->i ? TL_STR("true") : TL_STR("false");
  case TL_EXPR_INT: return tl_arena_format(arena, "%lld", (long long)value->i);
  case TL_EXPR_REAL: return print_real(value->f, arena);
  case TL_EXPR_TEXT: return value->text;
  case TL_EXPR_LIST: return print_list(value, arena);
  default: return tl_str_from(tl_expr_kind_text(value));
  }
}
