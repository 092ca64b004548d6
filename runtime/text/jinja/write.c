// Values as text: str, repr and JSON, byte for byte as Python writes them.
#include <math.h>
#include <stdio.h>

#include "runtime/base/decimal.h"
#include "runtime/text/jinja/render.h"
#include "runtime/text/jinja/unicode.h"

tl_status tl_text_add(tl_render *render, tl_text *text, tl_str more) {
  if (more.length > TL_JINJA_OUTPUT_MAX - text->length) return tl_render_full(render);
  TL_TRY(tl_render_charge_text(render, more.length));
  if (text->length + more.length > text->capacity) {
    char *data =
        tl_arena_grow(render->arena, text->data, &text->capacity, text->length + more.length, 1);
    if (!data) return tl_render_full(render);
    text->data = data;
  }
  if (more.length > 0) memcpy(text->data + text->length, more.data, more.length);
  text->length += more.length;
  return TL_OK;
}

tl_status tl_text_add_code(tl_render *render, tl_text *text, uint32_t code) {
  char bytes[TL_UTF8_BYTES_MAX];
  return tl_text_add(render, text, (tl_str){bytes, tl_utf8_write(code, bytes)});
}

static tl_status add_int(tl_render *render, tl_text *text, int64_t value) {
  char room[32];
  int length = snprintf(room, sizeof room, "%lld", (long long)value);
  return tl_text_add(render, text, (tl_str){room, (size_t)length});
}

static tl_status add_real(tl_render *render, tl_text *text, double value, bool as_json) {
  char room[TL_DECIMAL_TEXT_BYTES];
  if (isnan(value)) return tl_text_add(render, text, as_json ? TL_STR("NaN") : TL_STR("nan"));
  if (isinf(value) && value < 0) TL_TRY(tl_text_add(render, text, TL_STR("-")));
  if (isinf(value)) return tl_text_add(render, text, as_json ? TL_STR("Infinity") : TL_STR("inf"));
  size_t length = tl_decimal_from_f64(value, room);
  return tl_text_add(render, text, (tl_str){room, length});
}

// The escape of `code` inside a literal: \n, \x1b, \u200b, \U000e0001.
static tl_status add_escape(tl_render *render, tl_text *text, uint32_t code) {
  char room[16];
  if (code == '\n') return tl_text_add(render, text, TL_STR("\\n"));
  if (code == '\r') return tl_text_add(render, text, TL_STR("\\r"));
  if (code == '\t') return tl_text_add(render, text, TL_STR("\\t"));
  const char *format = code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x";
  int length = snprintf(room, sizeof room, format, (unsigned)code);
  return tl_text_add(render, text, (tl_str){room, (size_t)length});
}

static tl_status add_literal(tl_render *render, tl_text *text, tl_str value) {
  bool has_single = memchr(value.data, '\'', value.length), has_double;
  has_double = memchr(value.data, '"', value.length);
  char quote = has_single && !has_double ? '"' : '\'';
  TL_TRY(tl_text_add(render, text, (tl_str){&quote, 1}));
  for (size_t at = 0; at < value.length;) {
    uint32_t code;
    size_t length = tl_utf8_read(value.data + at, value.length - at, &code);
    if (code == (uint32_t)quote || code == '\\') {
      TL_TRY(tl_text_add(render, text, TL_STR("\\")));
      TL_TRY(tl_text_add_code(render, text, code));
    } else if (tl_unicode_is_printable(code)) {
      TL_TRY(tl_text_add(render, text, tl_str_slice(value, at, at + length)));
    } else {
      TL_TRY(add_escape(render, text, code));
    }
    at += length;
  }
  return tl_text_add(render, text, (tl_str){&quote, 1});
}

static tl_status add_items(tl_render *render, tl_text *text, const tl_datum_list *list) {
  for (size_t i = 0; i < list->count; i++) {
    if (i > 0) TL_TRY(tl_text_add(render, text, TL_STR(", ")));
    TL_TRY(tl_text_add_repr(render, text, &list->items[i]));
  }
  return TL_OK;
}

static tl_status add_list(tl_render *render, tl_text *text, const tl_datum *value) {
  static const char *const opening[] = {"[", "(", "dict_keys([", "dict_values([", "dict_items(["};
  static const char *const closing[] = {"]", ")", "])", "])", "])"};
  if (value->flavour == TL_DATUM_AS_STREAM) {
    return tl_render_fail(render, "a generator is written: it needs `| list`");
  }
  TL_TRY(tl_text_add(render, text, tl_str_from(opening[value->flavour])));
  TL_TRY(add_items(render, text, value->list));
  if (value->flavour == TL_DATUM_AS_TUPLE && value->list->count == 1) {
    TL_TRY(tl_text_add(render, text, TL_STR(",")));
  }
  return tl_text_add(render, text, tl_str_from(closing[value->flavour]));
}

static tl_status add_dict(tl_render *render, tl_text *text, const tl_datum_dict *dict) {
  TL_TRY(tl_text_add(render, text, TL_STR("{")));
  for (size_t i = 0; i < dict->count; i++) {
    if (i > 0) TL_TRY(tl_text_add(render, text, TL_STR(", ")));
    TL_TRY(tl_text_add_repr(render, text, &dict->pairs[i].key));
    TL_TRY(tl_text_add(render, text, TL_STR(": ")));
    TL_TRY(tl_text_add_repr(render, text, &dict->pairs[i].value));
  }
  return tl_text_add(render, text, TL_STR("}"));
}

static tl_status add_range(tl_render *render, tl_text *text, const tl_datum_range *range) {
  if (range->is_beyond) return tl_render_fail(render, "a range beyond 64 bits cannot be written");
  TL_TRY(tl_text_add(render, text, TL_STR("range(")));
  TL_TRY(add_int(render, text, range->start));
  TL_TRY(tl_text_add(render, text, TL_STR(", ")));
  TL_TRY(add_int(render, text, range->stop));
  if (range->step != 1) {
    TL_TRY(tl_text_add(render, text, TL_STR(", ")));
    TL_TRY(add_int(render, text, range->step));
  }
  return tl_text_add(render, text, TL_STR(")"));
}

static tl_status add_container(tl_render *render, tl_text *text, const tl_datum *value) {
  tl_status status = TL_OK;
  TL_TRY(tl_render_enter(render));
  switch ((tl_datum_kind)value->kind) {
  case TL_DATUM_LIST: status = add_list(render, text, value); break;
  case TL_DATUM_DICT: status = add_dict(render, text, value->dict); break;
  case TL_DATUM_RANGE: status = add_range(render, text, value->range); break;
  case TL_DATUM_NAMESPACE:
    status = tl_text_add(render, text, TL_STR("<Namespace "));
    if (tl_ok(status)) status = add_dict(render, text, value->dict);
    if (tl_ok(status)) status = tl_text_add(render, text, TL_STR(">"));
    break;
  default:
    status = tl_render_fail(render, "a %s is written as text", tl_datum_type_text(value));
    break;
  }
  render->depth--;
  return status;
}

tl_status tl_text_add_repr(tl_render *render, tl_text *text, const tl_datum *value) {
  if (value->kind == TL_DATUM_UNDEFINED) return tl_text_add(render, text, TL_STR("Undefined"));
  if (value->kind != TL_DATUM_TEXT) return tl_text_add_str(render, text, value);
  if (value->flavour) TL_TRY(tl_text_add(render, text, TL_STR("Markup(")));
  TL_TRY(add_literal(render, text, tl_datum_str(value)));
  return value->flavour ? tl_text_add(render, text, TL_STR(")")) : TL_OK;
}

tl_status tl_text_add_str(tl_render *render, tl_text *text, const tl_datum *value) {
  switch ((tl_datum_kind)value->kind) {
  case TL_DATUM_UNDEFINED: return TL_OK;
  case TL_DATUM_NONE: return tl_text_add(render, text, TL_STR("None"));
  case TL_DATUM_BOOL:
    return tl_text_add(render, text, value->boolean ? TL_STR("True") : TL_STR("False"));
  case TL_DATUM_INT: return add_int(render, text, value->integer);
  case TL_DATUM_BIG:
  case TL_DATUM_TEXT: return tl_text_add(render, text, tl_datum_str(value));
  case TL_DATUM_REAL: return add_real(render, text, value->real, false);
  default: return add_container(render, text, value);
  }
}

tl_status tl_datum_to_str(tl_render *render, const tl_datum *value, tl_str *out) {
  tl_text text = {0};
  *out = tl_datum_str(value);
  if (value->kind == TL_DATUM_TEXT) return TL_OK;
  TL_TRY(tl_text_add_str(render, &text, value));
  *out = (tl_str){text.length ? text.data : "", text.length};
  return TL_OK;
}

tl_status tl_text_add_escaped(tl_render *render, tl_text *text, tl_str more) {
  static const char special[] = "&<>'\"";
  static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
  size_t begin = 0;
  for (size_t at = 0; at < more.length; at++) {
    const char *found = more.data[at] ? strchr(special, more.data[at]) : NULL;
    if (!found) continue;
    TL_TRY(tl_text_add(render, text, tl_str_slice(more, begin, at)));
    TL_TRY(tl_text_add(render, text, tl_str_from(entities[found - special])));
    begin = at + 1;
  }
  return tl_text_add(render, text, tl_str_slice(more, begin, more.length));
}

// ---- JSON

static tl_status add_json_code(tl_render *render, tl_text *text, uint32_t code) {
  char room[16];
  int length;
  if (code < 0x10000) {
    length = snprintf(room, sizeof room, "\\u%04x", (unsigned)code);
  } else {
    unsigned rest = (unsigned)code - 0x10000;
    length = snprintf(room, sizeof room, "\\u%04x\\u%04x", 0xD800 + (rest >> 10),
                      0xDC00 + (rest & 0x3FF));
  }
  return tl_text_add(render, text, (tl_str){room, (size_t)length});
}

static tl_status add_json_text(tl_render *render, tl_text *text, tl_str value, bool ascii) {
  static const char special[] = "\"\\\n\r\t\f\b", letters[] = "\"\\nrtfb";
  size_t begin = 0;
  TL_TRY(tl_text_add(render, text, TL_STR("\"")));
  for (size_t at = 0; at < value.length;) {
    uint32_t code = (uint8_t)value.data[at];
    size_t length = code < 0x80 ? 1 : tl_utf8_read(value.data + at, value.length - at, &code);
    const char *found = code > 0 && code < 0x80 ? strchr(special, (int)code) : NULL;
    bool is_plain = !found && code >= ' ' && (code < 0x7F || !ascii);
    if (!is_plain) {
      char escape[2] = {'\\', found ? letters[found - special] : 0};
      TL_TRY(tl_text_add(render, text, tl_str_slice(value, begin, at)));
      TL_TRY(found ? tl_text_add(render, text, (tl_str){escape, 2})
                   : add_json_code(render, text, code));
      begin = at + length;
    }
    at += length;
  }
  TL_TRY(tl_text_add(render, text, tl_str_slice(value, begin, value.length)));
  return tl_text_add(render, text, TL_STR("\""));
}

static tl_status add_json_line(tl_render *render, tl_text *text, const tl_json_style *style,
                               int level) {
  if (!style->has_indent) return TL_OK;
  TL_TRY(tl_text_add(render, text, TL_STR("\n")));
  for (int i = 0; i < level; i++)
    TL_TRY(tl_text_add(render, text, style->indent));
  return TL_OK;
}

static tl_status add_json_list(tl_render *render, tl_text *text, const tl_datum_list *list,
                               const tl_json_style *style, int level) {
  if (list->count == 0) return tl_text_add(render, text, TL_STR("[]"));
  TL_TRY(tl_text_add(render, text, TL_STR("[")));
  for (size_t i = 0; i < list->count; i++) {
    if (i > 0) TL_TRY(tl_text_add(render, text, style->item_separator));
    TL_TRY(add_json_line(render, text, style, level + 1));
    TL_TRY(tl_text_add_json(render, text, &list->items[i], style, level + 1));
  }
  TL_TRY(add_json_line(render, text, style, level));
  return tl_text_add(render, text, TL_STR("]"));
}

static tl_status add_json_key(tl_render *render, tl_text *text, const tl_datum *key,
                              const tl_json_style *style) {
  if (key->kind == TL_DATUM_TEXT) return tl_text_add_json(render, text, key, style, 0);
  bool is_key = tl_datum_is_number(key) || key->kind == TL_DATUM_BIG || key->kind == TL_DATUM_NONE;
  if (!is_key) {
    return tl_render_fail(render, "keys must be str, int, float, bool or None, not %s",
                          tl_datum_type_text(key));
  }
  TL_TRY(tl_text_add(render, text, TL_STR("\"")));
  TL_TRY(tl_text_add_json(render, text, key, style, 0));
  return tl_text_add(render, text, TL_STR("\""));
}

// The pairs in the order they are written in.
static tl_status json_pairs(tl_render *render, const tl_datum_dict *dict, bool sorts,
                            tl_datum_pair **out_pairs) {
  *out_pairs = dict->pairs;
  if (!sorts || dict->count < 2) return TL_OK;
  tl_datum *keys = tl_arena_array(render->arena, dict->count * 2, sizeof *keys);
  tl_datum_pair *pairs = tl_arena_array(render->arena, dict->count, sizeof *pairs);
  if (!keys || !pairs) return tl_render_full(render);
  tl_datum *rows = keys + dict->count;
  for (size_t i = 0; i < dict->count; i++) {
    keys[i] = dict->pairs[i].key;
    rows[i] = tl_datum_of_int((int64_t)i);
  }
  TL_TRY(tl_list_sort(render, rows, keys, dict->count, false));
  for (size_t i = 0; i < dict->count; i++)
    pairs[i] = dict->pairs[rows[i].integer];
  *out_pairs = pairs;
  return TL_OK;
}

static tl_status add_json_dict(tl_render *render, tl_text *text, const tl_datum_dict *dict,
                               const tl_json_style *style, int level) {
  tl_datum_pair *pairs = NULL;
  if (dict->count == 0) return tl_text_add(render, text, TL_STR("{}"));
  TL_TRY(json_pairs(render, dict, style->sorts, &pairs));
  TL_TRY(tl_text_add(render, text, TL_STR("{")));
  for (size_t i = 0; i < dict->count; i++) {
    if (i > 0) TL_TRY(tl_text_add(render, text, style->item_separator));
    TL_TRY(add_json_line(render, text, style, level + 1));
    TL_TRY(add_json_key(render, text, &pairs[i].key, style));
    TL_TRY(tl_text_add(render, text, style->key_separator));
    TL_TRY(tl_text_add_json(render, text, &pairs[i].value, style, level + 1));
  }
  TL_TRY(add_json_line(render, text, style, level));
  return tl_text_add(render, text, TL_STR("}"));
}

tl_status tl_text_add_json(tl_render *render, tl_text *text, const tl_datum *value,
                           const tl_json_style *style, int level) {
  tl_status status;
  TL_TRY(tl_render_charge(render, 1));
  switch ((tl_datum_kind)value->kind) {
  case TL_DATUM_NONE: return tl_text_add(render, text, TL_STR("null"));
  case TL_DATUM_BOOL:
    return tl_text_add(render, text, value->boolean ? TL_STR("true") : TL_STR("false"));
  case TL_DATUM_REAL: return add_real(render, text, value->real, true);
  case TL_DATUM_INT:
  case TL_DATUM_BIG: return tl_text_add_str(render, text, value);
  case TL_DATUM_TEXT: return add_json_text(render, text, tl_datum_str(value), style->ascii);
  default: break;
  }
  bool is_list = value->kind == TL_DATUM_LIST && value->flavour <= TL_DATUM_AS_TUPLE;
  if (!is_list && value->kind != TL_DATUM_DICT) {
    return tl_render_fail(render, "Object of type %s is not JSON serializable",
                          tl_datum_type_text(value));
  }
  TL_TRY(tl_render_enter(render));
  status = is_list ? add_json_list(render, text, value->list, style, level)
                   : add_json_dict(render, text, value->dict, style, level);
  render->depth--;
  return status;
}
