// Operators on values: truth, equality, order, arithmetic.
#include <math.h>

#include "runtime/base/utf8.h"
#include "runtime/text/jinja/render.h"

const char *tl_datum_type_text(const tl_datum *datum) {
  static const char *const lists[] = {"list",        "tuple",      "dict_keys",
                                      "dict_values", "dict_items", "generator"};
  static const char *const names[] = {[TL_DATUM_ABSENT] = "absent",
                                      [TL_DATUM_UNDEFINED] = "Undefined",
                                      [TL_DATUM_NONE] = "NoneType",
                                      [TL_DATUM_BOOL] = "bool",
                                      [TL_DATUM_INT] = "int",
                                      [TL_DATUM_BIG] = "int",
                                      [TL_DATUM_REAL] = "float",
                                      [TL_DATUM_TEXT] = "str",
                                      [TL_DATUM_LIST] = "list",
                                      [TL_DATUM_RANGE] = "range",
                                      [TL_DATUM_DICT] = "dict",
                                      [TL_DATUM_NAMESPACE] = "Namespace",
                                      [TL_DATUM_MACRO] = "Macro",
                                      [TL_DATUM_FUNCTION] = "function",
                                      [TL_DATUM_METHOD] = "builtin_method",
                                      [TL_DATUM_LOOP] = "LoopContext",
                                      [TL_DATUM_CYCLER] = "Cycler",
                                      [TL_DATUM_JOINER] = "Joiner"};
  return datum->kind == TL_DATUM_LIST ? lists[datum->flavour] : names[datum->kind];
}

bool tl_datum_truth(const tl_datum *value) {
  switch ((tl_datum_kind)value->kind) {
  case TL_DATUM_ABSENT:
  case TL_DATUM_UNDEFINED:
  case TL_DATUM_NONE: return false;
  case TL_DATUM_BOOL: return value->boolean;
  case TL_DATUM_INT: return value->integer != 0;
  case TL_DATUM_REAL: return value->real != 0;
  case TL_DATUM_TEXT: return value->length > 0;
  case TL_DATUM_LIST: return value->flavour == TL_DATUM_AS_STREAM || value->list->count > 0;
  case TL_DATUM_RANGE: return value->range->count > 0;
  case TL_DATUM_DICT: return value->dict->count > 0;
  default: return true;
  }
}

bool tl_datum_same(const tl_datum *a, const tl_datum *b) {
  if (a->kind != b->kind || a->flavour != b->flavour) return false;
  switch ((tl_datum_kind)a->kind) {
  case TL_DATUM_NONE: return true;
  case TL_DATUM_BOOL: return a->boolean == b->boolean;
  case TL_DATUM_INT: return a->integer == b->integer;
  case TL_DATUM_REAL: return a->real == b->real;
  case TL_DATUM_TEXT:
  case TL_DATUM_BIG: return tl_str_equal(tl_datum_str(a), tl_datum_str(b));
  case TL_DATUM_UNDEFINED: return false;
  default: return a->list == b->list; // any pointer
  }
}

static tl_status equal_lists(tl_render *render, const tl_datum_list *a, const tl_datum_list *b,
                             bool *out) {
  *out = a->count == b->count;
  for (size_t i = 0; *out && i < a->count; i++)
    TL_TRY(tl_datum_equal(render, &a->items[i], &b->items[i], out));
  return TL_OK;
}

static tl_status equal_dicts(tl_render *render, const tl_datum_dict *a, const tl_datum_dict *b,
                             bool *out) {
  *out = a->count == b->count;
  for (size_t i = 0; *out && i < a->count; i++) {
    tl_datum other;
    TL_TRY(tl_dict_get(render, b, &a->pairs[i].key, &other));
    *out = other.kind != TL_DATUM_ABSENT;
    if (*out) TL_TRY(tl_datum_equal(render, &a->pairs[i].value, &other, out));
  }
  return TL_OK;
}

static bool equal_numbers(const tl_datum *a, const tl_datum *b) {
  int64_t x, y;
  if (tl_datum_to_int(a, &x) && tl_datum_to_int(b, &y)) return x == y;
  return tl_datum_to_real(a) == tl_datum_to_real(b);
}

tl_status tl_datum_equal(tl_render *render, const tl_datum *a, const tl_datum *b, bool *out) {
  tl_status status = TL_OK;
  TL_TRY(tl_render_charge(render, 1));
  if (tl_datum_is_number(a) && tl_datum_is_number(b)) {
    *out = equal_numbers(a, b);
    return TL_OK;
  }
  *out = false;
  if (a->kind != b->kind) return TL_OK;
  bool is_deep = a->kind == TL_DATUM_LIST || a->kind == TL_DATUM_DICT;
  if (a->kind == TL_DATUM_TEXT || a->kind == TL_DATUM_BIG) {
    *out = tl_str_equal(tl_datum_str(a), tl_datum_str(b));
    return tl_render_charge_text(render, a->length);
  }
  if (!is_deep) {
    *out = a->kind == TL_DATUM_UNDEFINED || tl_datum_same(a, b);
    return TL_OK;
  }
  if (a->flavour != b->flavour) return TL_OK;
  TL_TRY(tl_render_enter(render));
  status = a->kind == TL_DATUM_DICT ? equal_dicts(render, a->dict, b->dict, out)
                                    : equal_lists(render, a->list, b->list, out);
  render->depth--;
  return status;
}

static tl_status order_lists(tl_render *render, const tl_datum_list *a, const tl_datum_list *b,
                             int *out) {
  for (size_t i = 0; i < a->count && i < b->count; i++) {
    bool is_equal;
    TL_TRY(tl_datum_equal(render, &a->items[i], &b->items[i], &is_equal));
    if (!is_equal) return tl_datum_order(render, &a->items[i], &b->items[i], out);
  }
  *out = (a->count > b->count) - (a->count < b->count);
  return TL_OK;
}

tl_status tl_datum_order(tl_render *render, const tl_datum *a, const tl_datum *b, int *out) {
  tl_status status;
  int64_t x, y;
  TL_TRY(tl_render_charge(render, 1));
  if (a->kind == TL_DATUM_UNDEFINED) return tl_render_undefined(render, a);
  if (b->kind == TL_DATUM_UNDEFINED) return tl_render_undefined(render, b);
  if (tl_datum_to_int(a, &x) && tl_datum_to_int(b, &y)) {
    *out = (x > y) - (x < y);
    return TL_OK;
  }
  if (tl_datum_is_number(a) && tl_datum_is_number(b)) {
    double p = tl_datum_to_real(a), q = tl_datum_to_real(b);
    *out = isnan(p) || isnan(q) ? 2 : (p > q) - (p < q); // 2: no order holds
    return TL_OK;
  }
  if (a->kind == TL_DATUM_TEXT && b->kind == TL_DATUM_TEXT) {
    int bytes = tl_str_compare(tl_datum_str(a), tl_datum_str(b));
    *out = (bytes > 0) - (bytes < 0);
    return tl_render_charge_text(render, a->length);
  }
  bool are_lists = a->kind == TL_DATUM_LIST && b->kind == TL_DATUM_LIST &&
                   a->flavour == b->flavour && a->flavour <= TL_DATUM_AS_TUPLE;
  if (!are_lists) {
    return tl_render_fail(render, "values of type '%s' and '%s' have no order",
                          tl_datum_type_text(a), tl_datum_type_text(b));
  }
  TL_TRY(tl_render_enter(render));
  status = order_lists(render, a->list, b->list, out);
  render->depth--;
  return status;
}

// Whether `text` contains `part`. Linear but for texts made to be slow, which are charged.
static tl_status contains_text(tl_render *render, tl_str text, tl_str part, bool *out) {
  TL_TRY(tl_render_charge_text(render, text.length));
  *out = part.length == 0 || memmem(text.data, text.length, part.data, part.length);
  return TL_OK;
}

static tl_status contains(tl_render *render, const tl_datum *item, const tl_datum *in, bool *out) {
  tl_datum found;
  tl_datum_list list;
  *out = false;
  if (in->kind == TL_DATUM_TEXT) {
    if (item->kind == TL_DATUM_TEXT) {
      return contains_text(render, tl_datum_str(in), tl_datum_str(item), out);
    }
    return tl_render_fail(render, "'in <string>' requires string as left operand, not %s",
                          tl_datum_type_text(item));
  }
  if (in->kind == TL_DATUM_DICT) {
    TL_TRY(tl_dict_get(render, in->dict, item, &found));
    *out = found.kind != TL_DATUM_ABSENT;
    return TL_OK;
  }
  TL_TRY(tl_list_of(render, in, &list));
  for (size_t i = 0; !*out && i < list.count; i++)
    TL_TRY(tl_datum_equal(render, &list.items[i], item, out));
  return TL_OK;
}

tl_status tl_datum_compare(tl_render *render, tl_jinja_op op, const tl_datum *a, const tl_datum *b,
                           bool *out) {
  int order = 0;
  if (op == TL_JINJA_EQUAL || op == TL_JINJA_UNEQUAL) {
    TL_TRY(tl_datum_equal(render, a, b, out));
    *out ^= op == TL_JINJA_UNEQUAL;
    return TL_OK;
  }
  if (op == TL_JINJA_IN || op == TL_JINJA_NOT_IN) {
    TL_TRY(contains(render, a, b, out));
    *out ^= op == TL_JINJA_NOT_IN;
    return TL_OK;
  }
  TL_TRY(tl_datum_order(render, a, b, &order));
  switch (op) {
  case TL_JINJA_LESS: *out = order == -1; break;
  case TL_JINJA_LESS_EQUAL: *out = order == -1 || order == 0; break;
  case TL_JINJA_GREATER: *out = order == 1; break;
  default: *out = order == 1 || order == 0; break;
  }
  return TL_OK;
}

// ---- Arithmetic

static tl_status overflow(tl_render *render) {
  return tl_render_fail(render, "an integer is beyond 64 bits");
}

static tl_status power_of_ints(tl_render *render, int64_t base, int64_t exponent, tl_datum *out) {
  int64_t result = 1;
  if (exponent < 0) {
    *out = tl_datum_of_real(pow((double)base, (double)exponent));
    return base ? TL_OK : tl_render_fail(render, "0.0 cannot be raised to a negative power");
  }
  bool is_short = base >= -1 && base <= 1;
  if (is_short) exponent = exponent > 2 ? 2 + (exponent & 1) : exponent;
  for (int64_t i = 0; i < exponent; i++) {
    if (__builtin_mul_overflow(result, base, &result)) return overflow(render);
  }
  *out = tl_datum_of_int(result);
  return TL_OK;
}

static int64_t floor_divide(int64_t a, int64_t b) {
  int64_t quotient = a / b;
  return quotient - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t floor_modulo(int64_t a, int64_t b) {
  int64_t rest = a % b;
  return rest + (rest != 0 && (rest < 0) != (b < 0) ? b : 0);
}

static tl_status operate_ints(tl_render *render, tl_jinja_op op, int64_t a, int64_t b,
                              tl_datum *out) {
  int64_t result = 0;
  bool is_division = op == TL_JINJA_DIVIDE || op == TL_JINJA_FLOOR_DIVIDE || op == TL_JINJA_MODULO;
  if (is_division && b == 0) return tl_render_fail(render, "division by zero");
  if (is_division && a == INT64_MIN && b == -1) return overflow(render);
  bool overflows = false;
  switch (op) {
  case TL_JINJA_ADD: overflows = __builtin_add_overflow(a, b, &result); break;
  case TL_JINJA_SUBTRACT: overflows = __builtin_sub_overflow(a, b, &result); break;
  case TL_JINJA_MULTIPLY: overflows = __builtin_mul_overflow(a, b, &result); break;
  case TL_JINJA_DIVIDE: *out = tl_datum_of_real((double)a / (double)b); return TL_OK;
  case TL_JINJA_FLOOR_DIVIDE: result = floor_divide(a, b); break;
  case TL_JINJA_MODULO: result = floor_modulo(a, b); break;
  default: return power_of_ints(render, a, b, out);
  }
  if (overflows) return overflow(render);
  *out = tl_datum_of_int(result);
  return TL_OK;
}

static tl_status operate_reals(tl_render *render, tl_jinja_op op, double a, double b,
                               tl_datum *out) {
  double result = 0;
  bool is_division = op == TL_JINJA_DIVIDE || op == TL_JINJA_FLOOR_DIVIDE || op == TL_JINJA_MODULO;
  if (is_division && b == 0) return tl_render_fail(render, "float division by zero");
  switch (op) {
  case TL_JINJA_ADD: result = a + b; break;
  case TL_JINJA_SUBTRACT: result = a - b; break;
  case TL_JINJA_MULTIPLY: result = a * b; break;
  case TL_JINJA_DIVIDE: result = a / b; break;
  case TL_JINJA_FLOOR_DIVIDE: result = floor(a / b); break;
  case TL_JINJA_MODULO:
    result = fmod(a, b);
    if (result != 0 && (result < 0) != (b < 0)) result += b;
    break;
  default: result = pow(a, b); break;
  }
  *out = tl_datum_of_real(result);
  return TL_OK;
}

// `text` or a list, `count` times.
static tl_status repeat(tl_render *render, const tl_datum *value, int64_t count, tl_datum *out) {
  tl_text text = {0};
  tl_datum_list *list = NULL;
  if (value->kind == TL_DATUM_TEXT) {
    for (int64_t i = 0; i < count && value->length > 0; i++) {
      TL_TRY(tl_render_charge(render, 1));
      TL_TRY(tl_text_add(render, &text, tl_datum_str(value)));
    }
    *out = tl_text_datum(&text);
    out->flavour = value->flavour;
    return TL_OK;
  }
  TL_TRY(tl_list_create(render, 0, &list));
  for (int64_t i = 0; i < count && value->list->count > 0; i++) {
    for (size_t j = 0; j < value->list->count; j++)
      TL_TRY(tl_list_add(render, list, &value->list->items[j]));
  }
  *out = tl_datum_of_list(list, (tl_datum_flavour)value->flavour);
  return TL_OK;
}

static bool is_repeatable(const tl_datum *value) {
  return value->kind == TL_DATUM_TEXT ||
         (value->kind == TL_DATUM_LIST && value->flavour <= TL_DATUM_AS_TUPLE);
}

// Moves the items of `list` to where `count` have room; more if it has been added to before.
static tl_status move_items(tl_render *render, tl_datum_list *list, size_t count) {
  size_t capacity = list->used ? 2 * count : count;
  tl_datum *items = tl_arena_array(render->arena, capacity, sizeof *items);
  list->used = tl_arena_alloc(render->arena, sizeof *list->used);
  if (!items || !list->used) return tl_render_full(render);
  TL_TRY(tl_render_charge(render, list->count));
  if (list->count) memcpy(items, list->items, list->count * sizeof *items);
  list->items = items;
  list->capacity = capacity;
  return TL_OK;
}

// Nobody changes a list, so that a list that grows item by item can share them with what it was.
static tl_status add_lists(tl_render *render, const tl_datum *a, const tl_datum *b, tl_datum *out) {
  tl_datum_list *list = NULL;
  size_t begin = a->list->count, more = b->list->count, count = begin + more;
  TL_TRY(tl_list_create(render, 0, &list));
  TL_TRY(tl_render_charge(render, more));
  *list = *a->list;
  bool is_longest = list->used && *list->used == begin && count <= list->capacity;
  if (!is_longest) TL_TRY(move_items(render, list, count));
  if (more) memcpy(list->items + begin, b->list->items, more * sizeof *list->items);
  list->count = *list->used = count;
  *out = tl_datum_of_list(list, (tl_datum_flavour)a->flavour);
  return TL_OK;
}

tl_status tl_datum_join(tl_render *render, tl_str a, tl_str b, tl_str *out) {
  tl_text *joined = &render->joined;
  bool is_last = a.length > 0 && a.data == joined->data && a.length == joined->length;
  if (!is_last) {
    *joined = (tl_text){0};
    TL_TRY(tl_text_add(render, joined, a));
  }
  TL_TRY(tl_text_add(render, joined, b));
  *out = (tl_str){joined->length ? joined->data : "", joined->length};
  return TL_OK;
}

// A safe text stays safe: what is added to it is escaped.
static tl_status add_texts(tl_render *render, const tl_datum *a, const tl_datum *b, tl_datum *out) {
  tl_str left = tl_datum_str(a), right = tl_datum_str(b), sum;
  tl_text escaped = {0};
  if (a->flavour != b->flavour) {
    TL_TRY(tl_text_add_escaped(render, &escaped, a->flavour ? right : left));
    tl_datum text = tl_text_datum(&escaped);
    *(a->flavour ? &right : &left) = tl_datum_str(&text);
  }
  TL_TRY(tl_datum_join(render, left, right, &sum));
  *out = tl_datum_of_text(sum);
  out->flavour = a->flavour | b->flavour;
  return TL_OK;
}

static tl_status format_text(tl_render *render, const tl_datum *a, const tl_datum *b,
                             tl_datum *out) {
  tl_text text = {0};
  if (a->flavour) return tl_render_fail(render, "safe text %% values is not supported");
  TL_TRY(tl_datum_format(render, tl_datum_str(a), b, &text));
  *out = tl_text_datum(&text);
  return TL_OK;
}

tl_status tl_datum_operate(tl_render *render, tl_jinja_op op, const tl_datum *a, const tl_datum *b,
                           tl_datum *out) {
  int64_t x = 0, y = 0;
  if (op == TL_JINJA_MODULO && a->kind == TL_DATUM_TEXT) return format_text(render, a, b, out);
  if (a->kind == TL_DATUM_UNDEFINED) return tl_render_undefined(render, a);
  if (b->kind == TL_DATUM_UNDEFINED) return tl_render_undefined(render, b);
  if (tl_datum_to_int(a, &x) && tl_datum_to_int(b, &y)) return operate_ints(render, op, x, y, out);
  if (tl_datum_is_number(a) && tl_datum_is_number(b)) {
    return operate_reals(render, op, tl_datum_to_real(a), tl_datum_to_real(b), out);
  }
  if (op == TL_JINJA_ADD) {
    if (a->kind == TL_DATUM_TEXT && b->kind == TL_DATUM_TEXT) return add_texts(render, a, b, out);
    bool are_lists = a->kind == TL_DATUM_LIST && b->kind == TL_DATUM_LIST && is_repeatable(a);
    if (are_lists && a->flavour == b->flavour) return add_lists(render, a, b, out);
  }
  if (op == TL_JINJA_MULTIPLY && is_repeatable(a) && tl_datum_to_int(b, &y)) {
    return repeat(render, a, y, out);
  }
  if (op == TL_JINJA_MULTIPLY && is_repeatable(b) && tl_datum_to_int(a, &x)) {
    return repeat(render, b, x, out);
  }
  return tl_render_fail(render, "unsupported operand types: '%s' and '%s'", tl_datum_type_text(a),
                        tl_datum_type_text(b));
}

tl_status tl_datum_negate(tl_render *render, const tl_datum *a, tl_datum *out) {
  int64_t value;
  if (a->kind == TL_DATUM_UNDEFINED) return tl_render_undefined(render, a);
  if (tl_datum_to_int(a, &value)) {
    if (value == INT64_MIN) return overflow(render);
    *out = tl_datum_of_int(-value);
    return TL_OK;
  }
  if (a->kind == TL_DATUM_REAL) {
    *out = tl_datum_of_real(-a->real);
    return TL_OK;
  }
  return tl_render_fail(render, "bad operand type for a sign: '%s'", tl_datum_type_text(a));
}
