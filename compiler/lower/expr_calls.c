// What operators and functions compute.
#include "compiler/lower/expr_calls.h"

#include <math.h>
#include <stdio.h>

const char tl_expr_no_memory[] = "out of memory";

static bool both_ints(const tl_expr_value *a, const tl_expr_value *b) {
  return a->kind == TL_EXPR_INT && b->kind == TL_EXPR_INT;
}

static int64_t floor_divide(int64_t a, int64_t b) {
  int64_t quotient = a / b;
  return quotient - (a % b != 0 && (a < 0) != (b < 0));
}

// Of a positive divisor; without the product, which may not fit.
static int64_t floor_modulo(int64_t a, int64_t b) {
  int64_t rest = a % b;
  return rest < 0 ? rest + b : rest;
}

static bool integer_power(int64_t base, int64_t exponent, int64_t *out) {
  *out = 1;
  for (int64_t i = 0; i < exponent; i++) {
    if (i > 64 || __builtin_mul_overflow(*out, base, out)) return false;
  }
  return true;
}

// False if the result is not an exact integer.
static bool apply_ints(tl_expr_operator op, int64_t a, int64_t b, int64_t *out) {
  switch (op) {
  case TL_EXPR_ADD: return !__builtin_add_overflow(a, b, out);
  case TL_EXPR_SUBTRACT: return !__builtin_sub_overflow(a, b, out);
  case TL_EXPR_MULTIPLY: return !__builtin_mul_overflow(a, b, out);
  case TL_EXPR_FLOOR_DIVIDE: *out = b > 0 ? floor_divide(a, b) : 0; return b > 0;
  case TL_EXPR_MODULO: *out = b > 0 ? floor_modulo(a, b) : 0; return b > 0;
  case TL_EXPR_POWER: return b >= 0 && integer_power(a, b, out);
  default: return false;
  }
}

static double apply_reals(tl_expr_operator op, double a, double b) {
  switch (op) {
  case TL_EXPR_ADD: return a + b;
  case TL_EXPR_SUBTRACT: return a - b;
  case TL_EXPR_MULTIPLY: return a * b;
  case TL_EXPR_DIVIDE: return a / b;
  case TL_EXPR_FLOOR_DIVIDE: return floor(a / b);
  case TL_EXPR_MODULO: return a - floor(a / b) * b;
  default: return pow(a, b);
  }
}

static bool is_in(const tl_expr_value *needle, const tl_expr_value *list) {
  if (list->kind == TL_EXPR_TEXT && needle->kind == TL_EXPR_TEXT) {
    for (size_t i = 0; i + needle->text.length <= list->text.length; i++) {
      if (tl_str_equal(tl_str_slice(list->text, i, i + needle->text.length), needle->text)) {
        return true;
      }
    }
    return false;
  }
  if (list->kind == TL_EXPR_JSON && tl_json_kind_of(list->json) == TL_JSON_OBJECT) {
    return needle->kind == TL_EXPR_TEXT && tl_json_get(list->json, needle->text);
  }
  size_t count = list->kind == TL_EXPR_JSON ? tl_json_count(list->json) : list->count;
  for (size_t i = 0; i < count; i++) {
    tl_expr_value item = list->kind == TL_EXPR_JSON ? tl_expr_from_json(tl_json_item(list->json, i))
                                                    : list->items[i];
    if (tl_expr_equal(needle, &item)) return true;
  }
  return false;
}

static bool compare(tl_expr_operator op, double a, double b) {
  switch (op) {
  case TL_EXPR_LESS: return a < b;
  case TL_EXPR_LESS_OR_EQUAL: return a <= b;
  case TL_EXPR_GREATER: return a > b;
  default: return a >= b;
  }
}

enum { NAME_BYTES = 64 };

// A value in a message: its name if it is missing, what it is if that is short, or "this".
static void describe(const tl_expr_value *value, char *out_name) {
  bool is_named = value->kind == TL_EXPR_MISSING || value->kind == TL_EXPR_TEXT;
  const char *quote = value->kind == TL_EXPR_TEXT ? "'" : "";
  snprintf(out_name, NAME_BYTES, "this");
  if (value->kind == TL_EXPR_INT) snprintf(out_name, NAME_BYTES, "%lld", (long long)value->i);
  if (is_named && value->text.data && value->text.length + 3 < NAME_BYTES) {
    snprintf(out_name, NAME_BYTES, "%s%.*s%s", quote, TL_STR_ARG(value->text), quote);
  }
}

const tl_expr_value *tl_expr_culprit(tl_expr_operator op, const tl_expr_value *a,
                                     const tl_expr_value *b) {
  double unused;
  double divisor = 1;
  if (op == TL_EXPR_IN) return b;
  if (!tl_expr_to_real(a, &unused)) return a;
  bool divides = op == TL_EXPR_DIVIDE || op == TL_EXPR_FLOOR_DIVIDE || op == TL_EXPR_MODULO;
  if (divides && tl_expr_to_real(b, &divisor) && divisor == 0) return b;
  return a->json && tl_expr_to_real(b, &unused) ? a : b;
}

static bool mismatch(const tl_expr_value *a, const tl_expr_value *b, char *fault, size_t bytes) {
  const tl_expr_value *bad = tl_expr_culprit(TL_EXPR_ADD, a, b);
  char name[NAME_BYTES];
  describe(bad, name);
  snprintf(fault, bytes, "%s is %s, a number was expected", name, tl_expr_kind_text(bad));
  return false;
}

bool tl_expr_apply(tl_expr_operator op, const tl_expr_value *a, const tl_expr_value *b,
                   tl_expr_value *out_value, char *out_fault, size_t fault_bytes) {
  double x, y;
  char name[NAME_BYTES];
  *out_value = (tl_expr_value){.kind = TL_EXPR_BOOL};
  if (op == TL_EXPR_EQUAL || op == TL_EXPR_NOT_EQUAL) {
    out_value->i = tl_expr_equal(a, b) == (op == TL_EXPR_EQUAL);
    return true;
  }
  if (op == TL_EXPR_IN && b->kind >= TL_EXPR_TEXT) {
    out_value->i = is_in(a, b);
    return true;
  }
  if (op == TL_EXPR_IN) {
    describe(b, name);
    snprintf(out_fault, fault_bytes, "%s is %s, a list was expected", name, tl_expr_kind_text(b));
    return false;
  }
  if (!tl_expr_to_real(a, &x) || !tl_expr_to_real(b, &y)) {
    return mismatch(a, b, out_fault, fault_bytes);
  }
  if (op >= TL_EXPR_LESS) {
    out_value->i = compare(op, x, y);
    return true;
  }
  out_value->kind = TL_EXPR_INT;
  if (both_ints(a, b) && op != TL_EXPR_DIVIDE && apply_ints(op, a->i, b->i, &out_value->i)) {
    return true;
  }
  *out_value = (tl_expr_value){.kind = TL_EXPR_REAL, .f = apply_reals(op, x, y)};
  if (isfinite(out_value->f)) return true;
  snprintf(out_fault, fault_bytes, "the result is not a finite number");
  return false;
}

typedef const char *function(const tl_expr_value *args, size_t count, tl_arena *arena,
                             tl_expr_value *out);

static const char not_number[] = "the argument must be a number";

static const char *real_result(double value, tl_expr_value *out) {
  *out = (tl_expr_value){.kind = TL_EXPR_REAL, .f = value};
  return isfinite(value) ? NULL : "the result is not a finite number";
}

static const char *int_result(double value, tl_expr_value *out) {
  *out = (tl_expr_value){.kind = TL_EXPR_INT};
  if (!(fabs(value) < 9e15)) return "the result is too large for an integer";
  out->i = (int64_t)value;
  return NULL;
}

#define REAL_FUNCTION(name, expression)                                                            \
  static const char *call_##name(const tl_expr_value *args, size_t count, tl_arena *arena,         \
                                 tl_expr_value *out) {                                             \
    double x;                                                                                      \
    (void)count, (void)arena;                                                                      \
    return tl_expr_to_real(&args[0], &x) ? real_result(expression, out) : not_number;              \
  }
#define INT_FUNCTION(name, expression)                                                             \
  static const char *call_##name(const tl_expr_value *args, size_t count, tl_arena *arena,         \
                                 tl_expr_value *out) {                                             \
    double x;                                                                                      \
    (void)count, (void)arena;                                                                      \
    return tl_expr_to_real(&args[0], &x) ? int_result(expression, out) : not_number;               \
  }
REAL_FUNCTION(sqrt, sqrt(x))
REAL_FUNCTION(exp, exp(x))
REAL_FUNCTION(log, log(x))
REAL_FUNCTION(sin, sin(x))
REAL_FUNCTION(cos, cos(x))
REAL_FUNCTION(real, x)
INT_FUNCTION(floor, floor(x))
INT_FUNCTION(ceil, ceil(x))
INT_FUNCTION(int, trunc(x))
INT_FUNCTION(round, nearbyint(x)) // half to even, as Python

static const char *call_abs(const tl_expr_value *args, size_t count, tl_arena *arena,
                            tl_expr_value *out) {
  (void)count, (void)arena;
  *out = args[0];
  if (out->kind == TL_EXPR_INT && out->i != INT64_MIN) {
    out->i = out->i < 0 ? -out->i : out->i;
    return NULL;
  }
  out->f = fabs(out->f);
  return out->kind == TL_EXPR_REAL ? NULL : not_number;
}

// Items of one list argument, or the arguments themselves.
static size_t items_of(const tl_expr_value *args, size_t count) {
  if (count != 1) return count;
  return args[0].kind == TL_EXPR_JSON ? tl_json_count(args[0].json) : args[0].count;
}

static tl_expr_value item_at(const tl_expr_value *args, size_t count, size_t index) {
  if (count != 1) return args[index];
  if (args[0].kind == TL_EXPR_JSON) return tl_expr_from_json(tl_json_item(args[0].json, index));
  return args[0].items[index];
}

static const char *fold(const tl_expr_value *args, size_t count, int kind, tl_expr_value *out) {
  size_t items = items_of(args, count);
  if (items == 0 && kind != 0) return "there is nothing to choose from";
  *out = (tl_expr_value){.kind = TL_EXPR_INT};
  for (size_t i = 0; i < items; i++) {
    tl_expr_value item = item_at(args, count, i), sum;
    char fault[TL_DIAG_TEXT_MAX];
    double x, best = 0;
    if (!tl_expr_to_real(&item, &x)) return not_number;
    tl_expr_to_real(out, &best);
    if (kind == 0) {
      if (!tl_expr_apply(TL_EXPR_ADD, out, &item, &sum, fault, sizeof fault)) return not_number;
      *out = sum;
    } else if (i == 0 || (kind < 0 ? x < best : x > best)) {
      *out = item;
    }
  }
  return NULL;
}

static const char *call_sum(const tl_expr_value *args, size_t count, tl_arena *arena,
                            tl_expr_value *out) {
  (void)arena;
  return fold(args, count, 0, out);
}

static const char *call_min(const tl_expr_value *args, size_t count, tl_arena *arena,
                            tl_expr_value *out) {
  (void)arena;
  return fold(args, count, -1, out);
}

static const char *call_max(const tl_expr_value *args, size_t count, tl_arena *arena,
                            tl_expr_value *out) {
  (void)arena;
  return fold(args, count, 1, out);
}

static const char *call_has(const tl_expr_value *args, size_t count, tl_arena *arena,
                            tl_expr_value *out) {
  (void)count, (void)arena;
  *out = (tl_expr_value){.kind = TL_EXPR_BOOL};
  out->i = args[0].kind != TL_EXPR_MISSING && args[0].kind != TL_EXPR_NULL;
  return NULL;
}

static const char *call_len(const tl_expr_value *args, size_t count, tl_arena *arena,
                            tl_expr_value *out) {
  (void)count, (void)arena;
  *out = (tl_expr_value){.kind = TL_EXPR_INT};
  if (args[0].kind == TL_EXPR_TEXT) out->i = (int64_t)args[0].text.length;
  if (args[0].kind == TL_EXPR_LIST) out->i = (int64_t)args[0].count;
  if (args[0].kind == TL_EXPR_JSON) out->i = (int64_t)tl_json_count(args[0].json);
  return args[0].kind >= TL_EXPR_TEXT ? NULL : "the argument has no length";
}

static const char *call_round_up(const tl_expr_value *args, size_t count, tl_arena *arena,
                                 tl_expr_value *out) {
  int64_t value, to;
  (void)count, (void)arena;
  if (!tl_expr_to_int(&args[0], &value) || !tl_expr_to_int(&args[1], &to) || to <= 0 ||
      value > INT64_MAX - to) {
    return "the arguments must be integers";
  }
  *out = (tl_expr_value){.kind = TL_EXPR_INT, .i = (value + to - 1) / to * to};
  return NULL;
}

static const char *call_range(const tl_expr_value *args, size_t count, tl_arena *arena,
                              tl_expr_value *out) {
  int64_t end;
  (void)count;
  if (!tl_expr_to_int(&args[0], &end) || end < 0 || end > TL_EXPR_ITEMS_MAX) {
    return "the argument must be a small integer";
  }
  tl_expr_value *items = tl_arena_array(arena, (size_t)end + 1, sizeof *items);
  if (!items) return tl_expr_no_memory;
  for (int64_t i = 0; i < end; i++)
    items[i] = (tl_expr_value){.kind = TL_EXPR_INT, .i = i};
  *out = (tl_expr_value){.kind = TL_EXPR_LIST, .items = items, .count = (size_t)end};
  return NULL;
}

static const char *call_starts_with(const tl_expr_value *args, size_t count, tl_arena *arena,
                                    tl_expr_value *out) {
  (void)count, (void)arena;
  if (args[0].kind != TL_EXPR_TEXT || args[1].kind != TL_EXPR_TEXT) {
    return "the arguments must be texts";
  }
  *out = (tl_expr_value){.kind = TL_EXPR_BOOL};
  out->i = tl_str_starts_with(args[0].text, args[1].text);
  return NULL;
}

static const char *call_contains(const tl_expr_value *args, size_t count, tl_arena *arena,
                                 tl_expr_value *out) {
  (void)count, (void)arena;
  *out = (tl_expr_value){.kind = TL_EXPR_BOOL, .i = is_in(&args[1], &args[0])};
  return NULL;
}

const char *tl_expr_call(tl_str name, const tl_expr_value *args, size_t count, bool active,
                         tl_arena *arena, tl_expr_value *out_value) {
  static const struct {
    const char *name;
    size_t least, most;
    function *call;
  } table[] = {
      {"abs", 1, 1, call_abs},
      {"ceil", 1, 1, call_ceil},
      {"contains", 2, 2, call_contains},
      {"cos", 1, 1, call_cos},
      {"exp", 1, 1, call_exp},
      {"floor", 1, 1, call_floor},
      {"has", 1, 1, call_has},
      {"int", 1, 1, call_int},
      {"len", 1, 1, call_len},
      {"log", 1, 1, call_log},
      {"max", 1, TL_EXPR_ARGS_MAX, call_max},
      {"min", 1, TL_EXPR_ARGS_MAX, call_min},
      {"range", 1, 1, call_range},
      {"real", 1, 1, call_real},
      {"round", 1, 1, call_round},
      {"round_up", 2, 2, call_round_up},
      {"sin", 1, 1, call_sin},
      {"sqrt", 1, 1, call_sqrt},
      {"starts_with", 2, 2, call_starts_with},
      {"sum", 1, TL_EXPR_ARGS_MAX, call_sum},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    if (!tl_str_is(name, table[i].name)) continue;
    if (count < table[i].least || count > table[i].most) return "wrong number of arguments";
    return active ? table[i].call(args, count, arena, out_value) : NULL;
  }
  return "there is no function of this name";
}
