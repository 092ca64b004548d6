// Methods of texts.
#include "runtime/text/jinja/globals.h"
#include "runtime/text/jinja/text_work.h"
#include "runtime/text/jinja/unicode.h"

// A result that is safe if the text was.
static tl_datum like(const tl_call *call, tl_str text) {
  tl_datum value = tl_datum_of_text(text);
  value.flavour = call->self.flavour;
  return value;
}

static tl_status need_text(tl_render *render, const tl_datum *value, tl_str *out) {
  *out = tl_datum_str(value);
  if (value->kind == TL_DATUM_TEXT) return TL_OK;
  return tl_render_fail(render, "must be str, not %s", tl_datum_type_text(value));
}

static tl_status need_int(tl_render *render, const tl_datum *value, int64_t *out) {
  if (!tl_datum_is_given(value) || tl_datum_to_int(value, out)) return TL_OK;
  return tl_render_fail(render, "'%s' object cannot be interpreted as an integer",
                        tl_datum_type_text(value));
}

static tl_status strip_ends(tl_render *render, const tl_call *call, tl_strip ends, tl_datum *out) {
  tl_str text;
  TL_TRY(tl_text_trim(render, tl_datum_str(&call->self), &call->args[0], ends, &text));
  *out = like(call, text);
  return TL_OK;
}

static tl_status strip(tl_render *render, const tl_call *call, tl_datum *out) {
  return strip_ends(render, call, TL_STRIP_BOTH, out);
}

static tl_status lstrip(tl_render *render, const tl_call *call, tl_datum *out) {
  return strip_ends(render, call, TL_STRIP_LEFT, out);
}

static tl_status rstrip(tl_render *render, const tl_call *call, tl_datum *out) {
  return strip_ends(render, call, TL_STRIP_RIGHT, out);
}

// Adds a part of the text.
static tl_status add_part(tl_render *render, const tl_call *call, tl_datum_list *list,
                          tl_str part) {
  tl_datum item = like(call, part);
  return tl_list_add(render, list, &item);
}

static tl_status split_spaces(tl_render *render, const tl_call *call, int64_t left, bool from_end,
                              tl_datum_list *list) {
  tl_str text = tl_datum_str(&call->self);
  tl_datum none = {0};
  TL_TRY(tl_text_trim(render, text, &none, from_end ? TL_STRIP_RIGHT : TL_STRIP_LEFT, &text));
  while (text.length > 0) {
    size_t at = from_end ? text.length : 0;
    uint32_t code;
    while (left != 0 && (from_end ? at > 0 : at < text.length)) {
      size_t next = from_end ? tl_utf8_before(text.data, at) : at;
      size_t length = tl_utf8_read(text.data + next, text.length - next, &code);
      if (tl_unicode_is_space(code)) break;
      at = from_end ? next : at + length;
    }
    if (left == 0) at = from_end ? 0 : text.length;
    TL_TRY(tl_render_charge(render, 1));
    if (left == 0) { // the rest, without the whitespace around it
      TL_TRY(tl_text_trim(render, text, &none, from_end ? TL_STRIP_RIGHT : TL_STRIP_LEFT, &text));
      return text.length ? add_part(render, call, list, text) : TL_OK;
    }
    TL_TRY(add_part(render, call, list,
                    from_end ? tl_str_slice(text, at, text.length) : tl_str_slice(text, 0, at)));
    text = from_end ? tl_str_slice(text, 0, at) : tl_str_slice(text, at, text.length);
    TL_TRY(tl_text_trim(render, text, &none, from_end ? TL_STRIP_RIGHT : TL_STRIP_LEFT, &text));
    left -= left > 0;
  }
  return TL_OK;
}

static tl_status split_at(tl_render *render, const tl_call *call, int64_t left, bool from_end,
                          tl_datum_list *list) {
  tl_str text = tl_datum_str(&call->self), separator;
  TL_TRY(need_text(render, &call->args[0], &separator));
  if (separator.length == 0) return tl_render_fail(render, "empty separator");
  TL_TRY(tl_render_charge_text(render, text.length));
  while (left != 0) {
    int64_t found = tl_text_find(text, separator, from_end);
    if (found < 0) break;
    size_t begin = (size_t)found, end = begin + separator.length;
    tl_str part = from_end ? tl_str_slice(text, end, text.length) : tl_str_slice(text, 0, begin);
    TL_TRY(add_part(render, call, list, part));
    text = from_end ? tl_str_slice(text, 0, begin) : tl_str_slice(text, end, text.length);
    left -= left > 0;
  }
  return add_part(render, call, list, text);
}

static tl_status split_list(tl_render *render, const tl_call *call, bool from_end, tl_datum *out) {
  tl_datum_list *list = NULL;
  int64_t count = -1;
  bool is_space = call->args[0].kind == TL_DATUM_ABSENT || call->args[0].kind == TL_DATUM_NONE;
  TL_TRY(need_int(render, &call->args[1], &count));
  TL_TRY(tl_list_create(render, 0, &list));
  TL_TRY(is_space ? split_spaces(render, call, count, from_end, list)
                  : split_at(render, call, count, from_end, list));
  for (size_t i = 0; from_end && i < list->count / 2; i++) {
    tl_datum item = list->items[i];
    list->items[i] = list->items[list->count - 1 - i];
    list->items[list->count - 1 - i] = item;
  }
  *out = tl_datum_of_list(list, TL_DATUM_AS_LIST);
  return TL_OK;
}

static tl_status split(tl_render *render, const tl_call *call, tl_datum *out) {
  return split_list(render, call, false, out);
}

static tl_status rsplit(tl_render *render, const tl_call *call, tl_datum *out) {
  return split_list(render, call, true, out);
}

static tl_status splitlines(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum_list *list = NULL;
  TL_TRY(tl_list_create(render, 0, &list));
  TL_TRY(tl_text_lines(render, tl_datum_str(&call->self), tl_datum_truth(&call->args[0]), list));
  for (size_t i = 0; i < list->count; i++)
    list->items[i].flavour = call->self.flavour;
  *out = tl_datum_of_list(list, TL_DATUM_AS_LIST);
  return TL_OK;
}

// text[args[1]:args[2]], in which methods search; `out_begin` is its place in characters.
static tl_status search_range(tl_render *render, const tl_call *call, tl_str *out_text,
                              int64_t *out_begin) {
  tl_datum bounds[3] = {call->args[1], call->args[2], {0}}, part;
  int64_t begin = 0, count;
  TL_TRY(need_int(render, &call->args[1], &begin));
  TL_TRY(tl_datum_slice(render, &call->self, bounds, &part));
  if (part.kind != TL_DATUM_TEXT) return tl_render_fail(render, "slice indices must be integers");
  *out_text = tl_datum_str(&part);
  count = begin < 0 || begin > 0 ? (int64_t)tl_unicode_length(tl_datum_str(&call->self)) : 0;
  if (begin < 0) begin = begin + count < 0 ? 0 : begin + count;
  *out_begin = begin;
  return TL_OK;
}

static bool is_at_end(tl_str text, tl_str part, bool at_begin) {
  return at_begin ? tl_str_starts_with(text, part) : tl_str_ends_with(text, part);
}

// startswith and endswith, with one text or a tuple of them.
static tl_status has_end(tl_render *render, const tl_call *call, bool at_begin, tl_datum *out) {
  tl_str text = {0}, part = {0};
  int64_t begin = 0;
  bool holds = false;
  const tl_datum *parts = &call->args[0];
  TL_TRY(search_range(render, call, &text, &begin));
  if (parts->kind == TL_DATUM_LIST && parts->flavour == TL_DATUM_AS_TUPLE) {
    for (size_t i = 0; !holds && i < parts->list->count; i++) {
      TL_TRY(need_text(render, &parts->list->items[i], &part));
      holds = is_at_end(text, part, at_begin);
    }
  } else {
    TL_TRY(need_text(render, parts, &part));
    holds = is_at_end(text, part, at_begin);
  }
  *out = tl_datum_of_bool(holds);
  return TL_OK;
}

static tl_status startswith(tl_render *render, const tl_call *call, tl_datum *out) {
  return has_end(render, call, true, out);
}

static tl_status endswith(tl_render *render, const tl_call *call, tl_datum *out) {
  return has_end(render, call, false, out);
}

static tl_status find_place(tl_render *render, const tl_call *call, bool is_last, tl_datum *out) {
  tl_str text = {0}, part = {0};
  int64_t begin = 0;
  TL_TRY(need_text(render, &call->args[0], &part));
  TL_TRY(search_range(render, call, &text, &begin));
  TL_TRY(tl_render_charge(render, text.length / (is_last ? 1 : 16)));
  int64_t found = tl_text_find(text, part, is_last);
  if (begin > (int64_t)tl_unicode_length(tl_datum_str(&call->self))) found = -1;
  if (found >= 0) {
    found = begin + (int64_t)tl_unicode_length(tl_str_slice(text, 0, (size_t)found));
  }
  *out = tl_datum_of_int(found);
  return TL_OK;
}

static tl_status find(tl_render *render, const tl_call *call, tl_datum *out) {
  return find_place(render, call, false, out);
}

static tl_status rfind(tl_render *render, const tl_call *call, tl_datum *out) {
  return find_place(render, call, true, out);
}

static tl_status found_place(tl_render *render, const tl_call *call, bool is_last, tl_datum *out) {
  TL_TRY(find_place(render, call, is_last, out));
  return out->integer >= 0 ? TL_OK : tl_render_fail(render, "substring not found");
}

static tl_status index_of(tl_render *render, const tl_call *call, tl_datum *out) {
  return found_place(render, call, false, out);
}

static tl_status rindex_of(tl_render *render, const tl_call *call, tl_datum *out) {
  return found_place(render, call, true, out);
}

static tl_status count(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_str text = {0}, part = {0};
  int64_t begin = 0, count = 0;
  TL_TRY(need_text(render, &call->args[0], &part));
  TL_TRY(search_range(render, call, &text, &begin));
  TL_TRY(tl_render_charge_text(render, text.length));
  if (part.length == 0) {
    count = (int64_t)tl_unicode_length(text) + 1;
  } else {
    for (int64_t at = tl_text_find(text, part, false); at >= 0; count++) {
      text = tl_str_slice(text, (size_t)at + part.length, text.length);
      at = tl_text_find(text, part, false);
    }
  }
  TL_TRY(tl_render_charge(render, (size_t)count));
  *out = tl_datum_of_int(count);
  return TL_OK;
}

static tl_status replace(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_str from, to;
  int64_t times = -1;
  tl_text text = {0}, escaped = {0};
  TL_TRY(need_text(render, &call->args[0], &from));
  TL_TRY(need_text(render, &call->args[1], &to));
  TL_TRY(need_int(render, &call->args[2], &times));
  if (call->self.flavour && !call->args[1].flavour) {
    TL_TRY(tl_text_add_escaped(render, &escaped, to));
    to = (tl_str){escaped.length ? escaped.data : "", escaped.length};
  }
  TL_TRY(
      tl_text_replace(render, tl_datum_str(&call->self), (tl_replacement){from, to, times}, &text));
  tl_datum result = tl_text_datum(&text);
  *out = like(call, tl_datum_str(&result));
  return TL_OK;
}

typedef tl_status change_text(tl_render *render, tl_text *text, tl_str more);

static tl_status changed(tl_render *render, const tl_call *call, change_text *change,
                         tl_datum *out) {
  tl_text text = {0};
  TL_TRY(change(render, &text, tl_datum_str(&call->self)));
  tl_datum result = tl_text_datum(&text);
  *out = like(call, tl_datum_str(&result));
  return TL_OK;
}

static tl_status upper(tl_render *render, const tl_call *call, tl_datum *out) {
  return changed(render, call, tl_text_add_upper, out);
}

static tl_status lower(tl_render *render, const tl_call *call, tl_datum *out) {
  return changed(render, call, tl_text_add_lower, out);
}

static tl_status capitalize(tl_render *render, const tl_call *call, tl_datum *out) {
  return changed(render, call, tl_text_add_capitalized, out);
}

static bool is_cased(uint32_t code) {
  uint32_t to[TL_CASE_CODES_MAX];
  return tl_unicode_to_case(code, TL_CASE_UPPER, to) != 1 || to[0] != code ||
         tl_unicode_to_case(code, TL_CASE_LOWER, to) != 1 || to[0] != code;
}

// Every run of letters capitalized.
static tl_status add_titled(tl_render *render, tl_text *text, tl_str from) {
  for (size_t at = 0; at < from.length;) {
    uint32_t code;
    size_t end = at;
    while (end < from.length) {
      size_t length = tl_utf8_read(from.data + end, from.length - end, &code);
      if (!is_cased(code)) break;
      end += length;
    }
    TL_TRY(tl_text_add_capitalized(render, text, tl_str_slice(from, at, end)));
    at = end;
    if (at == from.length) break;
    end += tl_utf8_read(from.data + at, from.length - at, &code);
    TL_TRY(tl_text_add(render, text, tl_str_slice(from, at, end)));
    TL_TRY(tl_render_charge(render, 1));
    at = end;
  }
  return TL_OK;
}

static tl_status title(tl_render *render, const tl_call *call, tl_datum *out) {
  return changed(render, call, add_titled, out);
}

static tl_status join(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum_list list;
  tl_text text = {0};
  TL_TRY(tl_list_of(render, &call->args[0], &list));
  for (size_t i = 0; i < list.count; i++) {
    tl_str part;
    if (i > 0) TL_TRY(tl_text_add(render, &text, tl_datum_str(&call->self)));
    TL_TRY(need_text(render, &list.items[i], &part));
    bool escapes = call->self.flavour && !list.items[i].flavour;
    TL_TRY(escapes ? tl_text_add_escaped(render, &text, part) : tl_text_add(render, &text, part));
  }
  tl_datum result = tl_text_datum(&text);
  *out = like(call, tl_datum_str(&result));
  return TL_OK;
}

static tl_status format(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_text text = {0};
  if (call->self.flavour) return tl_render_fail(render, "format of safe text is not supported");
  TL_TRY(tl_text_add_formatted(render, tl_datum_str(&call->self), call->given, &text));
  *out = tl_text_datum(&text);
  return TL_OK;
}

static tl_status partition_at(tl_render *render, const tl_call *call, bool is_last, tl_datum *out) {
  tl_str text = tl_datum_str(&call->self), separator;
  tl_datum_list *list = NULL;
  TL_TRY(need_text(render, &call->args[0], &separator));
  if (separator.length == 0) return tl_render_fail(render, "empty separator");
  TL_TRY(tl_render_charge_text(render, text.length));
  TL_TRY(tl_list_create(render, 3, &list));
  int64_t found = tl_text_find(text, separator, is_last);
  size_t begin = found >= 0 ? (size_t)found : is_last ? 0 : text.length;
  size_t end = found >= 0 ? begin + separator.length : begin;
  TL_TRY(add_part(render, call, list, tl_str_slice(text, 0, begin)));
  TL_TRY(add_part(render, call, list, tl_str_slice(text, begin, end)));
  TL_TRY(add_part(render, call, list, tl_str_slice(text, end, text.length)));
  *out = tl_datum_of_list(list, TL_DATUM_AS_TUPLE);
  return TL_OK;
}

static tl_status partition(tl_render *render, const tl_call *call, tl_datum *out) {
  return partition_at(render, call, false, out);
}

static tl_status rpartition(tl_render *render, const tl_call *call, tl_datum *out) {
  return partition_at(render, call, true, out);
}

static tl_status remove_end(tl_render *render, const tl_call *call, bool at_begin, tl_datum *out) {
  tl_str text = tl_datum_str(&call->self), part;
  TL_TRY(need_text(render, &call->args[0], &part));
  *out = call->self;
  if (!is_at_end(text, part, at_begin)) return TL_OK;
  *out = like(call, at_begin ? tl_str_slice(text, part.length, text.length)
                             : tl_str_slice(text, 0, text.length - part.length));
  return TL_OK;
}

static tl_status removeprefix(tl_render *render, const tl_call *call, tl_datum *out) {
  return remove_end(render, call, true, out);
}

static tl_status removesuffix(tl_render *render, const tl_call *call, tl_datum *out) {
  return remove_end(render, call, false, out);
}

static tl_status pad(tl_render *render, const tl_call *call, tl_pad where, tl_datum *out) {
  tl_text text = {0};
  tl_padding padding = {0, TL_STR(" "), where};
  TL_TRY(need_int(render, &call->args[0], &padding.width));
  if (tl_datum_is_given(&call->args[1])) {
    TL_TRY(need_text(render, &call->args[1], &padding.with));
    if (tl_unicode_length(padding.with) != 1) {
      return tl_render_fail(render, "The fill character must be exactly one character long");
    }
  }
  TL_TRY(tl_text_pad(render, tl_datum_str(&call->self), padding, &text));
  tl_datum result = tl_text_datum(&text);
  *out = like(call, tl_datum_str(&result));
  return TL_OK;
}

static tl_status ljust(tl_render *render, const tl_call *call, tl_datum *out) {
  return pad(render, call, TL_PAD_RIGHT, out);
}

static tl_status rjust(tl_render *render, const tl_call *call, tl_datum *out) {
  return pad(render, call, TL_PAD_LEFT, out);
}

static tl_status center(tl_render *render, const tl_call *call, tl_datum *out) {
  return pad(render, call, TL_PAD_BOTH, out);
}

static tl_status zfill(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_str text = tl_datum_str(&call->self);
  int64_t width = 0;
  tl_text result = {0};
  TL_TRY(need_int(render, &call->args[0], &width));
  bool has_sign = text.length > 0 && (text.data[0] == '-' || text.data[0] == '+');
  if (has_sign) TL_TRY(tl_text_add(render, &result, tl_str_slice(text, 0, 1)));
  tl_padding padding = {width - has_sign, TL_STR("0"), TL_PAD_LEFT};
  TL_TRY(tl_text_pad(render, tl_str_slice(text, has_sign, text.length), padding, &result));
  tl_datum value = tl_text_datum(&result);
  *out = like(call, tl_datum_str(&value));
  return TL_OK;
}

static bool is_digit(uint8_t c) {
  return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c) {
  return (c | 32) >= 'a' && (c | 32) <= 'z';
}

static bool is_letter_or_digit(uint8_t c) {
  return is_digit(c) || is_letter(c);
}

// Whether all of a text, which is not empty, is of a class; of ASCII only.
static tl_status all_are(tl_render *render, const tl_call *call, bool (*is_member)(uint8_t c),
                         tl_datum *out) {
  tl_str text = tl_datum_str(&call->self);
  bool holds = text.length > 0;
  TL_TRY(tl_render_charge_text(render, text.length));
  for (size_t i = 0; i < text.length; i++) {
    uint8_t c = (uint8_t)text.data[i];
    if (c >= 0x80) {
      return tl_render_fail(render, "classes of characters beyond ASCII are not supported");
    }
    holds &= is_member(c);
  }
  *out = tl_datum_of_bool(holds);
  return TL_OK;
}

static tl_status test_digit(tl_render *render, const tl_call *call, tl_datum *out) {
  return all_are(render, call, is_digit, out);
}

static tl_status test_alpha(tl_render *render, const tl_call *call, tl_datum *out) {
  return all_are(render, call, is_letter, out);
}

static tl_status test_alnum(tl_render *render, const tl_call *call, tl_datum *out) {
  return all_are(render, call, is_letter_or_digit, out);
}

static tl_status test_space(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_str text = tl_datum_str(&call->self);
  TL_TRY(tl_render_charge_text(render, text.length));
  *out = tl_datum_of_bool(text.length > 0 && tl_unicode_space_before(text) == text.length);
  return TL_OK;
}

static tl_status test_upper(tl_render *render, const tl_call *call, tl_datum *out) {
  static const tl_arguments none;
  return tl_function_call(render, tl_test_find(TL_STR("upper")), call->self, &none, out);
}

static tl_status test_lower(tl_render *render, const tl_call *call, tl_datum *out) {
  static const tl_arguments none;
  return tl_function_call(render, tl_test_find(TL_STR("lower")), call->self, &none, out);
}

const tl_function_row tl_text_method_rows[] = {
    {"strip", "/chars", 0, strip},
    {"lstrip", "/chars", 0, lstrip},
    {"rstrip", "/chars", 0, rstrip},
    {"split", "sep maxsplit", 0, split},
    {"rsplit", "sep maxsplit", 0, rsplit},
    {"splitlines", "keepends", 0, splitlines},
    {"startswith", "/prefix /start /end", 1, startswith},
    {"endswith", "/suffix /start /end", 1, endswith},
    {"find", "/sub /start /end", 1, find},
    {"rfind", "/sub /start /end", 1, rfind},
    {"index", "/sub /start /end", 1, index_of},
    {"rindex", "/sub /start /end", 1, rindex_of},
    {"count", "/sub /start /end", 1, count},
    {"replace", "/old /new /count", 2, replace},
    {"upper", "", 0, upper},
    {"lower", "", 0, lower},
    {"capitalize", "", 0, capitalize},
    {"title", "", 0, title},
    {"join", "/iterable", 1, join},
    {"format", NULL, 0, format},
    {"partition", "/sep", 1, partition},
    {"rpartition", "/sep", 1, rpartition},
    {"removeprefix", "/prefix", 1, removeprefix},
    {"removesuffix", "/suffix", 1, removesuffix},
    {"ljust", "/width /fillchar", 1, ljust},
    {"rjust", "/width /fillchar", 1, rjust},
    {"center", "/width /fillchar", 1, center},
    {"zfill", "/width", 1, zfill},
    {"isdigit", "", 0, test_digit},
    {"isdecimal", "", 0, test_digit},
    {"isnumeric", "", 0, test_digit},
    {"isalpha", "", 0, test_alpha},
    {"isalnum", "", 0, test_alnum},
    {"isspace", "", 0, test_space},
    {"isupper", "", 0, test_upper},
    {"islower", "", 0, test_lower},
    {NULL, NULL, 0, NULL},
};
