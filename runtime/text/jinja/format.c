// Texts with places for values: % and str.format.
#include <math.h>
#include <stdio.h>

#include "runtime/text/jinja/text_work.h"
#include "runtime/text/jinja/unicode.h"

// %[(name)][flags][width][.precision]type
typedef struct value_place {
  tl_str name;
  bool has_name, has_precision;
  bool left, zero, plus, space, alternative;
  int width, precision;
  char type;
} value_place;

enum { WIDTH_MAX = 1000 };

static bool read_number(tl_str text, size_t *at, int *out) {
  *out = 0;
  for (; *at < text.length && text.data[*at] >= '0' && text.data[*at] <= '9'; (*at)++) {
    *out = *out * 10 + (text.data[*at] - '0');
    if (*out > WIDTH_MAX) return false;
  }
  return true;
}

// Reads the place behind the % before `*at`.
static tl_status read_place(tl_render *render, tl_str text, size_t *at, value_place *out) {
  bool fits = true;
  *out = (value_place){0};
  if (*at < text.length && text.data[*at] == '(') {
    const char *end = memchr(text.data + *at, ')', text.length - *at);
    if (!end) return tl_render_fail(render, "incomplete format key");
    out->name = tl_str_slice(text, *at + 1, (size_t)(end - text.data));
    out->has_name = true;
    *at = (size_t)(end - text.data) + 1;
  }
  for (; *at < text.length; (*at)++) {
    char c = text.data[*at];
    if (c == '-')
      out->left = true;
    else if (c == '0')
      out->zero = true;
    else if (c == '+')
      out->plus = true;
    else if (c == ' ')
      out->space = true;
    else if (c == '#')
      out->alternative = true;
    else
      break;
  }
  fits = read_number(text, at, &out->width);
  if (*at < text.length && text.data[*at] == '.') {
    (*at)++;
    out->has_precision = true;
    fits = fits && read_number(text, at, &out->precision);
  }
  if (*at >= text.length) return tl_render_fail(render, "incomplete format");
  out->type = text.data[(*at)++];
  return fits ? TL_OK : tl_render_fail(render, "a width above %d is not supported", WIDTH_MAX);
}

static tl_status add_padded(tl_render *render, const value_place *place, tl_str value,
                            tl_text *out) {
  bool is_number = !strchr("sr", place->type);
  bool zero = place->zero && !place->left && is_number;
  size_t sign = zero && value.length > 0 && strchr("+- ", value.data[0]) ? 1 : 0;
  tl_padding padding = {place->width - (int64_t)sign, zero ? TL_STR("0") : TL_STR(" "),
                        place->left ? TL_PAD_RIGHT : TL_PAD_LEFT};
  TL_TRY(tl_text_add(render, out, tl_str_slice(value, 0, sign)));
  return tl_text_pad(render, tl_str_slice(value, sign, value.length), padding, out);
}

// The number with its sign, as printf writes it; `room` holds any width.
static tl_status write_number(tl_render *render, const value_place *place, const tl_datum *value,
                              char *room, size_t capacity, tl_str *out) {
  char format[16];
  int64_t integer = 0;
  int length;
  const char *sign = place->plus ? "+" : place->space ? " " : "";
  bool is_int = strchr("dixXo", place->type);
  if (!tl_datum_is_number(value) || (place->alternative && is_int)) {
    return tl_render_fail(render, "%%%c format: a number is required, not %s", place->type,
                          tl_datum_type_text(value));
  }
  if (!is_int) {
    snprintf(format, sizeof format, "%%%s%s.*%c", sign, place->alternative ? "#" : "", place->type);
    double real = tl_datum_to_real(value);
    length = snprintf(room, capacity, format, place->has_precision ? place->precision : 6,
                      isnan(real) ? NAN : real);                    // Python's has no sign
    for (int i = 0; i < length && (size_t)length < capacity; i++) { // the locale's point
      if (!strchr("0123456789+-einfaEINFA ", room[i])) room[i] = '.';
    }
  } else {
    bool fits = tl_datum_to_int(value, &integer);
    bool is_decimal = place->type == 'd' || place->type == 'i';
    if (!fits && is_decimal && value->real > -9e18 && value->real < 9e18) {
      integer = (int64_t)value->real;
      fits = true;
    }
    if (!fits || integer == INT64_MIN) return tl_render_fail(render, "an integer is required");
    bool is_negative = integer < 0;
    snprintf(format, sizeof format, "%%s%%.*ll%c", is_decimal ? 'd' : place->type);
    length = snprintf(room, capacity, format, is_negative ? "-" : sign,
                      place->has_precision ? place->precision : 1,
                      (long long)(is_negative ? -integer : integer));
  }
  if (length < 0 || (size_t)length >= capacity) return tl_render_fail(render, "number too long");
  *out = (tl_str){room, (size_t)length};
  return TL_OK;
}

static tl_status add_value(tl_render *render, const value_place *place, const tl_datum *value,
                           tl_text *out) {
  char room[2048];
  tl_text text = {0};
  tl_str written = {0};
  if (place->type == 's' || place->type == 'r') {
    TL_TRY(place->type == 's' ? tl_text_add_str(render, &text, value)
                              : tl_text_add_repr(render, &text, value));
    written = (tl_str){text.length ? text.data : "", text.length};
    size_t count = (size_t)place->precision;
    if (place->has_precision && tl_unicode_length(written) > count) {
      written = tl_str_slice(written, 0, tl_unicode_offset(written, count));
    }
  } else if (strchr("dixXofFeEgG", place->type)) {
    TL_TRY(write_number(render, place, value, room, sizeof room, &written));
  } else {
    return tl_render_fail(render, "the format %%%c is not supported", place->type);
  }
  return add_padded(render, place, written, out);
}

// The value for a place: by name, or the next one.
static tl_status value_of(tl_render *render, const value_place *place, const tl_datum *values,
                          size_t *next, tl_datum *out) {
  bool is_tuple = values->kind == TL_DATUM_LIST && values->flavour == TL_DATUM_AS_TUPLE;
  if (place->has_name) {
    if (values->kind != TL_DATUM_DICT) return tl_render_fail(render, "format requires a mapping");
    *out = tl_dict_find(values->dict, place->name);
    if (tl_datum_is_given(out)) return TL_OK;
    return tl_render_fail(render, "there is no value '%.*s'", TL_STR_ARG(place->name));
  }
  if (*next >= (is_tuple ? values->list->count : 1)) {
    return tl_render_fail(render, "not enough arguments for format string");
  }
  *out = is_tuple ? values->list->items[*next] : *values;
  (*next)++;
  return TL_OK;
}

tl_status tl_datum_format(tl_render *render, tl_str text, const tl_datum *values, tl_text *out) {
  size_t next = 0;
  bool is_tuple = values->kind == TL_DATUM_LIST && values->flavour == TL_DATUM_AS_TUPLE;
  for (size_t at = 0; at < text.length;) {
    const char *percent = memchr(text.data + at, '%', text.length - at);
    size_t end = percent ? (size_t)(percent - text.data) : text.length;
    TL_TRY(tl_text_add(render, out, tl_str_slice(text, at, end)));
    at = end + 1;
    if (!percent) break;
    value_place place = {0};
    tl_datum value = {0};
    TL_TRY(read_place(render, text, &at, &place));
    TL_TRY(tl_render_charge(render, 1));
    if (place.type == '%') {
      TL_TRY(tl_text_add(render, out, TL_STR("%")));
      continue;
    }
    TL_TRY(value_of(render, &place, values, &next, &value));
    TL_TRY(add_value(render, &place, &value, out));
  }
  // A dict or a list need not be used.
  bool must_be_used = is_tuple || (values->kind != TL_DATUM_DICT && values->kind != TL_DATUM_LIST);
  if (must_be_used && next < (is_tuple ? values->list->count : 1)) {
    return tl_render_fail(render, "not all arguments converted during string formatting");
  }
  return TL_OK;
}

// The value of {name}, {0} or {}; names count from 0 where there are none.
static tl_status field_value(tl_render *render, tl_str field, const tl_arguments *args,
                             int64_t *next, tl_datum *out) {
  int64_t index = *next;
  bool is_number = field.length == 0 || tl_str_to_i64(field, &index);
  if (is_number) {
    bool is_mixed = field.length == 0 ? *next < 0 : *next > 0;
    if (is_mixed) return tl_render_fail(render, "numbered and unnumbered fields are mixed");
    *next = field.length == 0 ? *next + 1 : -1;
    if (index < 0 || (size_t)index >= args->count) {
      return tl_render_fail(render, "Replacement index %lld out of range", (long long)index);
    }
    *out = args->items[index];
    return TL_OK;
  }
  for (size_t i = 0; i < args->named_count; i++) {
    if (!tl_str_equal(args->names[i], field)) continue;
    *out = args->items[args->count + i];
    return TL_OK;
  }
  return tl_render_fail(render, "there is no value '%.*s', or its form is not supported",
                        TL_STR_ARG(field));
}

tl_status tl_text_add_formatted(tl_render *render, tl_str format, const tl_arguments *args,
                                tl_text *out) {
  int64_t next = 0;
  for (size_t at = 0; at < format.length;) {
    size_t end = at;
    while (end < format.length && format.data[end] != '{' && format.data[end] != '}')
      end++;
    TL_TRY(tl_text_add(render, out, tl_str_slice(format, at, end)));
    if (end == format.length) break;
    char brace = format.data[end];
    TL_TRY(tl_render_charge(render, 1));
    if (end + 1 < format.length && format.data[end + 1] == brace) {
      TL_TRY(tl_text_add(render, out, (tl_str){&format.data[end], 1}));
      at = end + 2;
      continue;
    }
    const char *close = memchr(format.data + end, '}', format.length - end);
    if (brace == '}' || !close) return tl_render_fail(render, "a single '%c' in a format", brace);
    tl_datum value;
    at = (size_t)(close - format.data) + 1;
    TL_TRY(field_value(render, tl_str_slice(format, end + 1, at - 1), args, &next, &value));
    TL_TRY(tl_text_add_str(render, out, &value));
  }
  return TL_OK;
}
