// Filters on any value: defaults, numbers, JSON.
#include <math.h>
#include <stdio.h>

#include "runtime/base/decimal.h"
#include "runtime/text/jinja/globals.h"
#include "runtime/text/jinja/render.h"
#include "runtime/text/jinja/unicode.h"

static tl_status default_value(tl_render *render, const tl_call *call, tl_datum *out) {
  bool is_missing = call->self.kind == TL_DATUM_UNDEFINED ||
                    (tl_datum_truth(&call->args[1]) && !tl_datum_truth(&call->self));
  *out = call->self;
  if (!is_missing) return TL_OK;
  *out = tl_datum_is_given(&call->args[0]) ? call->args[0] : tl_datum_of_text(TL_STR(""));
  return tl_render_charge(render, 1);
}

static tl_status length(tl_render *render, const tl_call *call, tl_datum *out) {
  const tl_datum *self = &call->self;
  size_t count = 0;
  switch ((tl_datum_kind)self->kind) {
  case TL_DATUM_UNDEFINED: break;
  case TL_DATUM_TEXT:
    TL_TRY(tl_render_charge_text(render, self->length));
    count = tl_unicode_length(tl_datum_str(self));
    break;
  case TL_DATUM_DICT: count = self->dict->count; break;
  case TL_DATUM_RANGE: count = (size_t)self->range->count; break;
  case TL_DATUM_LOOP: count = self->loop->count; break;
  default:
    if (self->kind == TL_DATUM_LIST && self->flavour != TL_DATUM_AS_STREAM) {
      count = self->list->count;
      break;
    }
    return tl_render_fail(render, "object of type '%s' has no len()", tl_datum_type_text(self));
  }
  *out = tl_datum_of_int((int64_t)count);
  return TL_OK;
}

static tl_status absolute(tl_render *render, const tl_call *call, tl_datum *out) {
  bool is_negative = (call->self.kind == TL_DATUM_INT && call->self.integer < 0) ||
                     (call->self.kind == TL_DATUM_REAL && signbit(call->self.real));
  TL_TRY(tl_datum_negate(render, &call->self, out));
  if (!is_negative) TL_TRY(tl_datum_negate(render, out, out));
  return TL_OK;
}

static tl_status attr(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_str name;
  TL_TRY(tl_datum_to_str(render, &call->args[0], &name));
  bool is_dict = call->self.kind == TL_DATUM_DICT;
  if (is_dict && !tl_method_find(&call->self, name)) { // members are no attributes
    *out = tl_datum_undefined(TL_DATUM_NO_ITEM, name);
    out->owner = call->self.kind;
    return TL_OK;
  }
  return tl_datum_attribute(render, &call->self, name, out);
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// float(text) of what has digits. Python allows underscores between digits, and a point without
// digits on one side.
static bool real_of_text(tl_str text, double *out) {
  char room[TL_DECIMAL_DIGITS_MAX];
  size_t at = tl_unicode_space_before(text), count = 0;
  size_t end = at < text.length ? text.length - tl_unicode_space_after(text) : at;
  if (at < end && (text.data[at] == '-' || text.data[at] == '+')) {
    if (text.data[at] == '-') room[count++] = '-';
    at++;
  }
  for (size_t i = at; i < end; i++) {
    char c = text.data[i];
    bool after_digit = i > at && is_digit(text.data[i - 1]);
    bool before_digit = i + 1 < end && is_digit(text.data[i + 1]);
    if (count + 2 > sizeof room || (i == at && !is_digit(c) && c != '.')) return false;
    if (c == '.' && !after_digit && !before_digit) return false;
    if (c == '.' && !after_digit) room[count++] = '0';
    if (c == '.' ? before_digit : c != '_' || !after_digit || !before_digit) room[count++] = c;
  }
  return tl_decimal_to_f64((tl_str){room, count}, out);
}

typedef enum number { NO_NUMBER, NUMBER, LARGE_NUMBER } number;

// int(text, base); a prefix such as 0x may stand before digits of its base.
static number int_of_text(tl_str text, int64_t base, int64_t *out) {
  static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
  size_t at = tl_unicode_space_before(text);
  size_t end = at < text.length ? text.length - tl_unicode_space_after(text) : at;
  bool is_negative = at < end && text.data[at] == '-', fits = true, after_digit = false;
  if (is_negative || (at < end && text.data[at] == '+')) at++;
  char mark = base == 16 ? 'x' : base == 8 ? 'o' : base == 2 ? 'b' : '\0';
  bool has_prefix =
      mark && end - at > 2 && text.data[at] == '0' && (text.data[at + 1] | 32) == mark;
  if (has_prefix) at += text.data[at + 2] == '_' ? 3 : 2;
  *out = 0; // the number's negative: there is one more of these
  for (; at < end; at++) {
    char c = text.data[at];
    if (c >= 'A' && c <= 'Z') c = (char)(c | 32);
    const char *found = c ? strchr(digits, c) : NULL;
    bool is_joint = c == '_' && after_digit;
    if (!is_joint && (!found || found - digits >= base)) return NO_NUMBER;
    after_digit = !is_joint;
    if (is_joint || !fits) continue;
    fits = !__builtin_mul_overflow(*out, base, out) &&
           !__builtin_sub_overflow(*out, found - digits, out);
  }
  if (fits && !is_negative) fits = !__builtin_sub_overflow(0, *out, out);
  return !after_digit ? NO_NUMBER : fits ? NUMBER : LARGE_NUMBER;
}

static number int_of_real(double value, int64_t *out) {
  if (isnan(value)) return NO_NUMBER;
  if (!(value > -9.2e18 && value < 9.2e18)) return LARGE_NUMBER;
  *out = (int64_t)value;
  return NUMBER;
}

static tl_status integer(tl_render *render, const tl_call *call, tl_datum *out) {
  const tl_datum *self = &call->self;
  int64_t value, base = 10;
  double real = 0;
  if (self->kind == TL_DATUM_UNDEFINED) return tl_render_undefined(render, self);
  if (tl_datum_is_given(&call->args[1]) && !tl_datum_to_int(&call->args[1], &base)) {
    return tl_render_fail(render, "the base is no integer");
  }
  if (base < 2 || base > 36) return tl_render_fail(render, "the base is not in 2 .. 36");
  *out = tl_datum_is_given(&call->args[0]) ? call->args[0] : tl_datum_of_int(0);
  if (self->kind == TL_DATUM_BIG) {
    *out = *self;
  } else if (tl_datum_to_int(self, &value)) {
    *out = tl_datum_of_int(value);
  } else {
    number found = NO_NUMBER;
    if (self->kind == TL_DATUM_REAL) found = int_of_real(self->real, &value);
    if (self->kind == TL_DATUM_TEXT) found = int_of_text(tl_datum_str(self), base, &value);
    if (self->kind == TL_DATUM_TEXT && !found && real_of_text(tl_datum_str(self), &real))
      found = int_of_real(real, &value);
    if (found == LARGE_NUMBER) return tl_render_fail(render, "the number is too large");
    if (found) *out = tl_datum_of_int(value);
  }
  return TL_OK;
}

static tl_status real(tl_render *render, const tl_call *call, tl_datum *out) {
  const tl_datum *self = &call->self;
  double value;
  if (self->kind == TL_DATUM_UNDEFINED) return tl_render_undefined(render, self);
  *out = tl_datum_is_given(&call->args[0]) ? call->args[0] : tl_datum_of_real(0);
  if (tl_datum_is_number(self)) *out = tl_datum_of_real(tl_datum_to_real(self));
  bool has_digits = self->kind == TL_DATUM_TEXT || self->kind == TL_DATUM_BIG;
  if (has_digits && real_of_text(tl_datum_str(self), &value)) *out = tl_datum_of_real(value);
  return TL_OK;
}

// round(value, precision): the nearest decimal, ties of the exact value to even.
static double round_common(double value, int precision) {
  char room[400];
  if (precision == 0 || !isfinite(value)) return rint(value);
  int length = snprintf(room, sizeof room, "%.*f", precision, value);
  if (length < 0 || (size_t)length >= sizeof room) return value;
  for (int i = 0; i < length; i++) { // the locale's point
    if (room[i] != '-' && (room[i] < '0' || room[i] > '9')) room[i] = '.';
  }
  (void)tl_decimal_to_f64((tl_str){room, (size_t)length}, &value);
  return value;
}

static tl_status rounded(tl_render *render, const tl_call *call, tl_datum *out) {
  int64_t precision = 0;
  tl_str method = TL_STR("common");
  if (!tl_datum_is_number(&call->self)) return tl_render_fail(render, "only a number is rounded");
  if (tl_datum_is_given(&call->args[0]) && !tl_datum_to_int(&call->args[0], &precision)) {
    return tl_render_fail(render, "the precision is no integer");
  }
  if (precision < 0 || precision > 17) {
    return tl_render_fail(render, "a precision outside of 0 .. 17 is not supported");
  }
  if (tl_datum_is_given(&call->args[1])) TL_TRY(tl_datum_to_str(render, &call->args[1], &method));
  double value = tl_datum_to_real(&call->self), factor = pow(10, (double)precision);
  if (tl_str_is(method, "common")) {
    *out = call->self.kind == TL_DATUM_REAL ? tl_datum_of_real(round_common(value, (int)precision))
                                            : call->self;
  } else if (tl_str_is(method, "ceil")) {
    *out = tl_datum_of_real(ceil(value * factor) / factor);
  } else if (tl_str_is(method, "floor")) {
    *out = tl_datum_of_real(floor(value * factor) / factor);
  } else {
    return tl_render_fail(render, "method must be common, ceil or floor");
  }
  return TL_OK;
}

// Reads `indent`: a number of spaces, a text, or none.
static tl_status json_indent(tl_render *render, const tl_datum *indent, tl_json_style *style) {
  tl_text spaces = {0};
  int64_t count = 0;
  if (indent->kind == TL_DATUM_ABSENT || indent->kind == TL_DATUM_NONE) return TL_OK;
  style->has_indent = true;
  style->item_separator = TL_STR(",");
  if (indent->kind == TL_DATUM_TEXT) {
    style->indent = tl_datum_str(indent);
    return TL_OK;
  }
  if (!tl_datum_to_int(indent, &count)) return tl_render_fail(render, "indent is no integer");
  for (int64_t i = 0; i < count; i++)
    TL_TRY(tl_text_add(render, &spaces, TL_STR(" ")));
  style->indent = (tl_str){spaces.length ? spaces.data : "", spaces.length};
  return TL_OK;
}

static tl_status tojson(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_json_style style = {.ascii = tl_datum_truth(&call->args[0]),
                         .sorts = tl_datum_truth(&call->args[3]),
                         .item_separator = TL_STR(", "),
                         .key_separator = TL_STR(": ")};
  tl_text text = {0};
  tl_datum_list separators;
  TL_TRY(json_indent(render, &call->args[1], &style));
  if (tl_datum_is_given(&call->args[2]) && call->args[2].kind != TL_DATUM_NONE) {
    TL_TRY(tl_list_of(render, &call->args[2], &separators));
    if (separators.count != 2 || separators.items[0].kind != TL_DATUM_TEXT ||
        separators.items[1].kind != TL_DATUM_TEXT) {
      return tl_render_fail(render, "separators are two texts");
    }
    style.item_separator = tl_datum_str(&separators.items[0]);
    style.key_separator = tl_datum_str(&separators.items[1]);
  }
  TL_TRY(tl_text_add_json(render, &text, &call->self, &style, 0));
  *out = tl_text_datum(&text);
  return TL_OK;
}

const tl_function_row tl_value_filter_rows[] = {
    {"tojson", "ensure_ascii indent separators sort_keys", 0, tojson},
    {"length", "", 0, length},
    {"count", "", 0, length},
    {"default", "default_value boolean", 0, default_value},
    {"d", "default_value boolean", 0, default_value},
    {"int", "default base", 0, integer},
    {"float", "default", 0, real},
    {"abs", "", 0, absolute},
    {"round", "precision method", 0, rounded},
    {"attr", "name", 1, attr},
    {NULL, NULL, 0, NULL},
};
