// Recursive descent that evaluates as it parses. A branch that is not taken is parsed with `active`
// off: its syntax is checked, nothing is read or computed.
#include "compiler/lower/expr.h"

#include "compiler/lower/expr_calls.h"

typedef struct evaluator {
  const tl_expr_scope *scope;
  tl_str text;
  size_t at;
  int depth;
  bool active;
  tl_diag *diag;
} evaluator;

static tl_status ternary(evaluator *e, tl_expr_value *out);

static tl_status fault(evaluator *e, size_t from, const char *what) {
  size_t length = e->at > from ? e->at - from : 0;
  return tl_diag_error(e->diag, TL_INPUT, e->scope->place(e->scope->user, from, length), "%s",
                       what);
}

// Of a value that does not fit: shown where it was read, if it was.
static tl_status fault_of(evaluator *e, size_t from, const tl_expr_value *value, const char *what) {
  const tl_expr_scope *scope = e->scope;
  bool is_read = value && (value->json || value->kind == TL_EXPR_MISSING);
  if (!scope->origin || !is_read) return fault(e, from, what);
  tl_span here = scope->place(scope->user, from, e->at > from ? e->at - from : 0);
  tl_diag_error(e->diag, TL_INPUT, scope->origin(scope->user, value->json), "%s", what);
  tl_diag_note(e->diag, "%s reads it in '%.*s'", here.source->name,
               TL_STR_ARG(tl_str_slice(e->text, from, e->at)));
  return TL_INPUT;
}

static void skip_blanks(evaluator *e) {
  while (e->at < e->text.length && strchr(" \t\n", e->text.data[e->at]) && e->text.data[e->at])
    e->at++;
}

static char peek(evaluator *e) {
  skip_blanks(e);
  return e->at < e->text.length ? e->text.data[e->at] : 0;
}

static bool is_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Takes `token` if it is next; words end at word ends.
static bool take(evaluator *e, const char *token) {
  skip_blanks(e);
  size_t length = strlen(token);
  if (!tl_str_starts_with(tl_str_slice(e->text, e->at, e->text.length), tl_str_from(token))) {
    return false;
  }
  bool word = is_word_byte(token[0]);
  if (word && e->at + length < e->text.length && is_word_byte(e->text.data[e->at + length])) {
    return false;
  }
  e->at += length;
  return true;
}

// The same for operators that are the beginning of longer ones.
static bool take_operator(evaluator *e, const char *token, const char *not_before) {
  size_t before = e->at;
  if (!take(e, token)) return false;
  if (e->at < e->text.length && strchr(not_before, e->text.data[e->at])) {
    e->at = before;
    return false;
  }
  return true;
}

static tl_str word(evaluator *e) {
  skip_blanks(e);
  size_t begin = e->at;
  while (e->at < e->text.length && is_word_byte(e->text.data[e->at]))
    e->at++;
  return tl_str_slice(e->text, begin, e->at);
}

static tl_status number(evaluator *e, tl_expr_value *out) {
  size_t begin = e->at;
  while (e->at < e->text.length) {
    char c = e->text.data[e->at], before = e->at > begin ? e->text.data[e->at - 1] : 0;
    bool exponent_sign = (c == '+' || c == '-') && (before == 'e' || before == 'E');
    if (!is_word_byte(c) && c != '.' && !exponent_sign) break;
    e->at++;
  }
  tl_str text = tl_str_slice(e->text, begin, e->at);
  *out = (tl_expr_value){.kind = TL_EXPR_INT};
  if (tl_str_to_i64(text, &out->i)) return TL_OK;
  out->kind = TL_EXPR_REAL;
  return tl_str_to_f64(text, &out->f) ? TL_OK : fault(e, begin, "this is not a number");
}

static tl_status quoted(evaluator *e, tl_expr_value *out) {
  size_t begin = e->at;
  char quote = e->text.data[e->at++];
  while (e->at < e->text.length && e->text.data[e->at] != quote)
    e->at++;
  if (e->at == e->text.length) return fault(e, begin, "this text does not end");
  *out = (tl_expr_value){.kind = TL_EXPR_TEXT, .text = tl_str_slice(e->text, begin + 1, e->at)};
  e->at++;
  return TL_OK;
}

static tl_status list(evaluator *e, tl_expr_value *out) {
  size_t begin = e->at++, capacity = 0;
  tl_expr_value *items = NULL;
  *out = (tl_expr_value){.kind = TL_EXPR_LIST};
  while (peek(e) != ']') {
    if (out->count == TL_EXPR_ITEMS_MAX) return fault(e, begin, "this list is too long");
    items = tl_arena_grow(e->scope->arena, items, &capacity, out->count + 1, sizeof *items);
    if (!items) return TL_MEMORY;
    TL_TRY(ternary(e, &items[out->count++]));
    if (!take(e, ",") && peek(e) != ']') return fault(e, begin, "',' or ']' is missing");
  }
  e->at++;
  out->items = items;
  return TL_OK;
}

// Integers are exact in single precision too.
static tl_expr_value rounded(const evaluator *e, const tl_expr_value *value) {
  tl_expr_value copy = *value;
  if (e->scope->single && copy.kind == TL_EXPR_REAL) copy.f = (double)(float)copy.f;
  return copy;
}

static tl_status call(evaluator *e, tl_str name, size_t begin, tl_expr_value *out) {
  tl_expr_value args[TL_EXPR_ARGS_MAX];
  size_t count = 0;
  e->at++;
  while (peek(e) != ')') {
    if (count == TL_EXPR_ARGS_MAX) return fault(e, begin, "too many arguments");
    TL_TRY(ternary(e, &args[count++]));
    if (!take(e, ",") && peek(e) != ')') return fault(e, begin, "',' or ')' is missing");
  }
  e->at++;
  *out = (tl_expr_value){0};
  for (size_t i = 0; i < count; i++)
    args[i] = rounded(e, &args[i]);
  const char *what = tl_expr_call(name, args, count, e->active, e->scope->arena, out);
  if (what == tl_expr_no_memory) return TL_MEMORY;
  *out = rounded(e, out);
  return what ? fault_of(e, begin, count == 1 ? args : NULL, what) : TL_OK;
}

static tl_status name(evaluator *e, tl_expr_value *out) {
  size_t begin = e->at;
  tl_str text = word(e);
  *out = (tl_expr_value){.kind = TL_EXPR_BOOL};
  if (text.length == 0) {
    e->at += e->at < e->text.length;
    return fault(e, begin, "a value was expected");
  }
  if (tl_str_is(text, "true") || tl_str_is(text, "false")) {
    out->i = tl_str_is(text, "true");
    return TL_OK;
  }
  if (tl_str_is(text, "null")) {
    out->kind = TL_EXPR_NULL;
    return TL_OK;
  }
  if (peek(e) == '(') return call(e, text, begin, out);
  e->at = begin + text.length;
  out->kind = TL_EXPR_MISSING;
  if (!e->active) return TL_OK;
  bool found = false;
  TL_TRY(e->scope->lookup(e->scope->user, text, &found, out, e->diag));
  return found ? TL_OK : fault(e, begin, "there is no parameter of this name");
}

static tl_status primary(evaluator *e, tl_expr_value *out) {
  char c = peek(e);
  if (c == '(') {
    size_t begin = e->at++;
    TL_TRY(ternary(e, out));
    return take(e, ")") ? TL_OK : fault(e, begin, "')' is missing");
  }
  if (c == '[') return list(e, out);
  if (c == '"' || c == '\'') return quoted(e, out);
  if (c >= '0' && c <= '9') return number(e, out);
  return name(e, out);
}

static tl_status member(evaluator *e, size_t begin, tl_expr_value *value) {
  tl_str key = word(e);
  if (key.length == 0) return fault(e, begin, "a name was expected after '.'");
  tl_str path = tl_str_slice(e->text, begin, e->at);
  if (!e->active) return TL_OK;
  if (value->kind == TL_EXPR_MISSING || value->kind == TL_EXPR_NULL) {
    *value = (tl_expr_value){.text = path};
    return TL_OK;
  }
  if (value->kind != TL_EXPR_JSON || tl_json_kind_of(value->json) != TL_JSON_OBJECT) {
    return fault_of(e, begin, value, "only JSON objects have members");
  }
  if (e->scope->on_read) e->scope->on_read(e->scope->user, value->json, key);
  *value = tl_expr_from_json(tl_json_get(value->json, key));
  if (value->kind == TL_EXPR_MISSING) value->text = path;
  return TL_OK;
}

static tl_status item(evaluator *e, size_t begin, tl_expr_value *value) {
  tl_expr_value index;
  int64_t at = 0;
  TL_TRY(ternary(e, &index));
  if (!take(e, "]")) return fault(e, begin, "']' is missing");
  if (!e->active || value->kind == TL_EXPR_MISSING) return TL_OK;
  if (value->kind == TL_EXPR_NULL) {
    *value = (tl_expr_value){.text = tl_str_slice(e->text, begin, e->at)};
    return TL_OK;
  }
  if (value->kind == TL_EXPR_JSON && index.kind == TL_EXPR_TEXT) {
    if (e->scope->on_read) e->scope->on_read(e->scope->user, value->json, index.text);
    *value = tl_expr_from_json(tl_json_get(value->json, index.text));
    if (value->kind == TL_EXPR_MISSING) value->text = tl_str_slice(e->text, begin, e->at);
    return TL_OK;
  }
  size_t count = value->kind == TL_EXPR_JSON ? tl_json_count(value->json) : value->count;
  if (!tl_expr_to_int(&index, &at) || at < 0 || (size_t)at >= count) {
    return fault_of(e, begin, value, "there is no such item");
  }
  *value = value->kind == TL_EXPR_JSON ? tl_expr_from_json(tl_json_item(value->json, (size_t)at))
                                       : value->items[at];
  return TL_OK;
}

static tl_status postfix(evaluator *e, tl_expr_value *out) {
  skip_blanks(e);
  size_t begin = e->at;
  TL_TRY(primary(e, out));
  for (;;) {
    if (take(e, ".")) {
      TL_TRY(member(e, begin, out));
    } else if (take(e, "[")) {
      TL_TRY(item(e, begin, out));
    } else {
      return TL_OK;
    }
  }
}

static tl_status apply(evaluator *e, size_t begin, tl_expr_operator op, tl_expr_value *left,
                       const tl_expr_value *right) {
  if (!e->active) return TL_OK;
  char text[TL_DIAG_TEXT_MAX];
  tl_expr_value result = {0}, a = rounded(e, left), b = rounded(e, right);
  if (tl_expr_apply(op, &a, &b, &result, text, sizeof text)) {
    *left = rounded(e, &result);
    return TL_OK;
  }
  return fault_of(e, begin, tl_expr_culprit(op, left, right), text);
}

static tl_status unary(evaluator *e, tl_expr_value *out);

static tl_status power(evaluator *e, tl_expr_value *out) {
  skip_blanks(e);
  size_t begin = e->at;
  tl_expr_value exponent;
  TL_TRY(postfix(e, out));
  if (!take(e, "**")) return TL_OK;
  TL_TRY(unary(e, &exponent));
  return apply(e, begin, TL_EXPR_POWER, out, &exponent);
}

static tl_status unary(evaluator *e, tl_expr_value *out) {
  skip_blanks(e);
  size_t begin = e->at;
  if (e->depth == TL_EXPR_DEPTH_MAX) return fault(e, begin, "this expression is too deep");
  e->depth++;
  tl_status status;
  if (take(e, "-")) {
    tl_expr_value zero = {.kind = TL_EXPR_INT}, operand;
    status = unary(e, &operand);
    *out = zero;
    if (tl_ok(status)) status = apply(e, begin, TL_EXPR_SUBTRACT, out, &operand);
  } else {
    status = power(e, out);
  }
  e->depth--;
  return status;
}

static tl_status product(evaluator *e, tl_expr_value *out) {
  skip_blanks(e);
  size_t begin = e->at;
  tl_expr_value right;
  TL_TRY(unary(e, out));
  for (;;) {
    tl_expr_operator op = TL_EXPR_MULTIPLY;
    if (take(e, "//")) {
      op = TL_EXPR_FLOOR_DIVIDE;
    } else if (take(e, "/")) {
      op = TL_EXPR_DIVIDE;
    } else if (take(e, "%")) {
      op = TL_EXPR_MODULO;
    } else if (!take_operator(e, "*", "*")) {
      return TL_OK;
    }
    TL_TRY(unary(e, &right));
    TL_TRY(apply(e, begin, op, out, &right));
  }
}

static tl_status sum(evaluator *e, tl_expr_value *out) {
  skip_blanks(e);
  size_t begin = e->at;
  tl_expr_value right;
  TL_TRY(product(e, out));
  for (;;) {
    bool plus = take(e, "+");
    if (!plus && !take(e, "-")) return TL_OK;
    TL_TRY(product(e, &right));
    TL_TRY(apply(e, begin, plus ? TL_EXPR_ADD : TL_EXPR_SUBTRACT, out, &right));
  }
}

static tl_status comparison(evaluator *e, tl_expr_value *out) {
  static const struct {
    const char *text;
    tl_expr_operator op;
  } table[] = {{"==", TL_EXPR_EQUAL},
               {"!=", TL_EXPR_NOT_EQUAL},
               {"<=", TL_EXPR_LESS_OR_EQUAL},
               {">=", TL_EXPR_GREATER_OR_EQUAL},
               {"<", TL_EXPR_LESS},
               {">", TL_EXPR_GREATER},
               {"in", TL_EXPR_IN}};
  skip_blanks(e);
  size_t begin = e->at;
  tl_expr_value right;
  TL_TRY(sum(e, out));
  if (take(e, "not")) {
    if (!take(e, "in")) return fault(e, begin, "'in' was expected after 'not'");
    TL_TRY(sum(e, &right));
    TL_TRY(apply(e, begin, TL_EXPR_IN, out, &right));
    out->i = !out->i;
    return TL_OK;
  }
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    if (!take(e, table[i].text)) continue;
    TL_TRY(sum(e, &right));
    return apply(e, begin, table[i].op, out, &right);
  }
  return TL_OK;
}

// Whether `value`, which began at `begin`, holds. What is not active has no value to look at.
static tl_status truth(evaluator *e, size_t begin, const tl_expr_value *value, bool *out) {
  *out = false;
  if (!e->active || tl_expr_to_truth(value, out)) return TL_OK;
  return fault_of(e, begin, value, "this is no condition: expected true, false or a number");
}

static tl_status negation(evaluator *e, tl_expr_value *out) {
  if (!take(e, "not")) return comparison(e, out);
  size_t begin = e->at;
  bool holds = false;
  if (e->depth == TL_EXPR_DEPTH_MAX) return fault(e, e->at, "this expression is too deep");
  e->depth++;
  TL_TRY(negation(e, out));
  e->depth--;
  TL_TRY(truth(e, begin, out, &holds));
  *out = (tl_expr_value){.kind = TL_EXPR_BOOL, .i = !holds};
  return TL_OK;
}

// `and`, `or` and `??`: the right side is evaluated only if it decides.
static tl_status lazy(evaluator *e, int level, tl_expr_value *out) {
  static const char *const operators[] = {"and", "or", "??"};
  if (level < 0) return negation(e, out);
  size_t begin = e->at;
  TL_TRY(lazy(e, level - 1, out));
  while (take(e, operators[level])) {
    bool decides = out->kind == TL_EXPR_NULL || out->kind == TL_EXPR_MISSING;
    if (level < 2) TL_TRY(truth(e, begin, out, &decides));
    if (level == 1) decides = !decides;
    bool active = e->active;
    tl_expr_value right;
    e->active = active && decides;
    tl_status status = lazy(e, level - 1, &right);
    e->active = active;
    TL_TRY(status);
    if (decides) *out = right;
  }
  return TL_OK;
}

// True if an `if` of this level follows before the level ends.
static bool has_condition(const evaluator *e) {
  int level = 0;
  for (size_t i = e->at; i < e->text.length; i++) {
    char c = e->text.data[i];
    if (c == '\'' || c == '"') {
      for (i++; i < e->text.length && e->text.data[i] != c; i++)
        continue;
      continue;
    }
    if (c == '(' || c == '[') level++;
    if ((c == ')' || c == ']') && level-- == 0) return false;
    if (c == ',' && level == 0) return false;
    if (level != 0 || !is_word_byte(c) || (i > 0 && is_word_byte(e->text.data[i - 1]))) continue;
    evaluator ahead = *e;
    ahead.at = i;
    if (take(&ahead, "if")) return true;
    if (take(&ahead, "else")) return false;
  }
  return false;
}

// a if c else b: the condition is evaluated first, then the branch it chooses.
static tl_status conditional(evaluator *e, tl_expr_value *out) {
  bool active = e->active;
  size_t begin = e->at;
  tl_expr_value condition, other;
  e->active = false;
  tl_status status = lazy(e, 2, out);
  e->active = active;
  TL_TRY(status);
  if (!take(e, "if")) return fault(e, begin, "'if' was expected");
  size_t condition_begin = e->at;
  bool chosen = false;
  TL_TRY(lazy(e, 2, &condition));
  if (!take(e, "else")) return fault(e, begin, "'else' is missing");
  TL_TRY(truth(e, condition_begin, &condition, &chosen));
  e->active = active && !chosen;
  status = ternary(e, &other);
  e->active = active;
  TL_TRY(status);
  if (!active) return TL_OK;
  if (!chosen) {
    *out = other;
    return TL_OK;
  }
  size_t end = e->at;
  e->at = begin;
  status = lazy(e, 2, out);
  e->at = end;
  return status;
}

static tl_status ternary(evaluator *e, tl_expr_value *out) {
  skip_blanks(e);
  if (e->depth == TL_EXPR_DEPTH_MAX) return fault(e, e->at, "this expression is too deep");
  e->depth++;
  tl_status status = has_condition(e) ? conditional(e, out) : lazy(e, 2, out);
  e->depth--;
  return status;
}

static tl_status all_of(evaluator *e, tl_expr_value *out) {
  TL_TRY(ternary(e, out));
  if (peek(e) == 0 && e->at >= e->text.length) return TL_OK;
  size_t begin = e->at;
  e->at = e->text.length;
  return fault(e, begin, "this does not belong to the expression");
}

tl_status tl_expr_eval(const tl_expr_scope *scope, tl_str text, tl_expr_value *out_value,
                       tl_diag *diag) {
  evaluator e = {.scope = scope, .text = text, .active = true, .diag = diag};
  return all_of(&e, out_value);
}

tl_status tl_expr_check(const tl_expr_scope *scope, tl_str text, tl_diag *diag) {
  evaluator e = {.scope = scope, .text = text, .diag = diag};
  tl_expr_value unused;
  return all_of(&e, &unused);
}
