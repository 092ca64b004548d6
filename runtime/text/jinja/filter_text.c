// Filters on texts.
#include "runtime/text/jinja/globals.h"
#include "runtime/text/jinja/render.h"
#include "runtime/text/jinja/text_work.h"
#include "runtime/text/jinja/unicode.h"

// What soft_str gives: a text as it is, str() of anything else.
static tl_status soft(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_str text;
  TL_TRY(tl_datum_to_str(render, &call->self, &text));
  *out = tl_datum_of_text(text);
  out->flavour = call->self.kind == TL_DATUM_TEXT ? call->self.flavour : 0;
  return TL_OK;
}

typedef tl_status change_text(tl_render *render, tl_text *text, tl_str more);

static tl_status changed(tl_render *render, const tl_call *call, change_text *change,
                         tl_datum *out) {
  tl_datum from;
  tl_text text = {0};
  TL_TRY(soft(render, call, &from));
  TL_TRY(change(render, &text, tl_datum_str(&from)));
  *out = tl_text_datum(&text);
  out->flavour = from.flavour;
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

// The first letter of each word upper, the others lower; words end with a space or - ( { [ <.
static tl_status add_title(tl_render *render, tl_text *text, tl_str from) {
  bool begins = true;
  for (size_t at = 0; at < from.length;) {
    uint32_t code;
    size_t length = tl_utf8_read(from.data + at, from.length - at, &code);
    bool splits =
        tl_unicode_is_space(code) || (code > 0 && code < 0x80 && strchr("-({[<", (int)code));
    size_t end = at + length;
    if (splits || begins) {
      TL_TRY(tl_text_add_upper(render, text, tl_str_slice(from, at, end)));
    } else {
      while (end < from.length) { // the rest of a word at once: a final sigma is one in the word
        size_t next = tl_utf8_read(from.data + end, from.length - end, &code);
        if (tl_unicode_is_space(code) || (code > 0 && code < 0x80 && strchr("-({[<", (int)code))) {
          break;
        }
        end += next;
      }
      TL_TRY(tl_text_add_lower(render, text, tl_str_slice(from, at, end)));
    }
    begins = splits;
    at = end;
  }
  return TL_OK;
}

static tl_status title(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum from;
  tl_text text = {0};
  TL_TRY(soft(render, call, &from));
  TL_TRY(add_title(render, &text, tl_datum_str(&from)));
  *out = tl_text_datum(&text);
  return TL_OK;
}

static tl_status trim(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum from;
  tl_str text;
  TL_TRY(soft(render, call, &from));
  TL_TRY(tl_text_trim(render, tl_datum_str(&from), &call->args[0], TL_STRIP_BOTH, &text));
  *out = tl_datum_of_text(text);
  out->flavour = from.flavour;
  return TL_OK;
}

static tl_status replace(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_str text, from, to;
  int64_t count = -1;
  tl_text result = {0};
  TL_TRY(tl_datum_to_str(render, &call->self, &text));
  TL_TRY(tl_datum_to_str(render, &call->args[0], &from));
  TL_TRY(tl_datum_to_str(render, &call->args[1], &to));
  if (tl_datum_is_given(&call->args[2]) && call->args[2].kind != TL_DATUM_NONE &&
      !tl_datum_to_int(&call->args[2], &count)) {
    return tl_render_fail(render, "the count of replacements is no integer");
  }
  TL_TRY(tl_text_replace(render, text, (tl_replacement){from, to, count}, &result));
  *out = tl_text_datum(&result);
  return TL_OK;
}

static tl_status string(tl_render *render, const tl_call *call, tl_datum *out) {
  return soft(render, call, out);
}

static tl_status safe(tl_render *render, const tl_call *call, tl_datum *out) {
  TL_TRY(soft(render, call, out));
  out->flavour = 1;
  return TL_OK;
}

static tl_status escape(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum from;
  tl_text text = {0};
  TL_TRY(soft(render, call, &from));
  *out = from;
  if (!from.flavour) {
    TL_TRY(tl_text_add_escaped(render, &text, tl_datum_str(&from)));
    *out = tl_text_datum(&text);
  }
  out->flavour = 1;
  return TL_OK;
}

static tl_status format(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_str text;
  tl_text result = {0};
  const tl_arguments *given = call->given;
  tl_datum_list list = {.items = (tl_datum *)given->items, .count = given->count};
  tl_datum values = tl_datum_of_list(&list, TL_DATUM_AS_TUPLE);
  tl_datum_dict *dict = NULL;
  if (given->count > 0 && given->named_count > 0) {
    return tl_render_fail(render, "format takes values with names or without, not both");
  }
  if (given->named_count > 0) TL_TRY(tl_dict_create(render, given->named_count, &dict));
  for (size_t i = 0; i < given->named_count; i++) {
    tl_datum key = tl_datum_of_text(given->names[i]);
    TL_TRY(tl_dict_set(render, dict, &key, &given->items[i]));
  }
  if (dict) values = (tl_datum){.kind = TL_DATUM_DICT, .dict = dict};
  TL_TRY(tl_datum_to_str(render, &call->self, &text));
  TL_TRY(tl_datum_format(render, text, &values, &result));
  *out = tl_text_datum(&result);
  return TL_OK;
}

static tl_status indention(tl_render *render, const tl_datum *width, tl_str *out) {
  tl_text spaces = {0};
  int64_t count = 4;
  if (width->kind == TL_DATUM_TEXT) {
    *out = tl_datum_str(width);
    return TL_OK;
  }
  if (tl_datum_is_given(width) && !tl_datum_to_int(width, &count)) {
    return tl_render_fail(render, "the width of an indention is a number or a text");
  }
  for (int64_t i = 0; i < count; i++)
    TL_TRY(tl_text_add(render, &spaces, TL_STR(" ")));
  *out = (tl_str){count > 0 ? spaces.data : "", spaces.length};
  return TL_OK;
}

static tl_status indent(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum_list *lines = NULL;
  tl_text text = {0};
  tl_str with = {0}, from = tl_datum_str(&call->self);
  if (call->self.kind == TL_DATUM_UNDEFINED) return tl_render_undefined(render, &call->self);
  if (call->self.kind != TL_DATUM_TEXT) return tl_render_fail(render, "only a text is indented");
  bool first = tl_datum_truth(&call->args[1]), blank = tl_datum_truth(&call->args[2]);
  TL_TRY(indention(render, &call->args[0], &with));
  TL_TRY(tl_list_create(render, 0, &lines));
  TL_TRY(tl_text_lines(render, from, false, lines));
  // A line end at the end of a text begins an empty line here.
  uint32_t code = 0;
  if (from.length > 0) {
    size_t last = tl_utf8_before(from.data, from.length);
    tl_utf8_read(from.data + last, from.length - last, &code);
  }
  tl_datum empty = tl_datum_of_text(TL_STR(""));
  if (from.length == 0 || tl_unicode_is_line_end(code)) TL_TRY(tl_list_add(render, lines, &empty));
  if (first) TL_TRY(tl_text_add(render, &text, with));
  for (size_t i = 0; i < lines->count; i++) {
    tl_str line = tl_datum_str(&lines->items[i]);
    if (i > 0) TL_TRY(tl_text_add(render, &text, TL_STR("\n")));
    if (i > 0 && (blank || line.length > 0)) TL_TRY(tl_text_add(render, &text, with));
    TL_TRY(tl_text_add(render, &text, line));
  }
  *out = tl_text_datum(&text);
  out->flavour = call->self.flavour;
  return TL_OK;
}

static tl_status center(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_str text;
  tl_text result = {0};
  int64_t width = 80;
  if (tl_datum_is_given(&call->args[0]) && !tl_datum_to_int(&call->args[0], &width)) {
    return tl_render_fail(render, "the width is no integer");
  }
  TL_TRY(tl_datum_to_str(render, &call->self, &text));
  TL_TRY(tl_text_pad(render, text, (tl_padding){width, TL_STR(" "), TL_PAD_BOTH}, &result));
  *out = tl_text_datum(&result);
  return TL_OK;
}

static tl_status truncate(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_str text, end = TL_STR("...");
  int64_t length = 255, leeway = 5;
  tl_text result = {0};
  if (tl_datum_is_given(&call->args[2])) TL_TRY(tl_datum_to_str(render, &call->args[2], &end));
  (void)tl_datum_to_int(&call->args[0], &length);
  (void)tl_datum_to_int(&call->args[3], &leeway);
  TL_TRY(tl_datum_to_str(render, &call->self, &text));
  int64_t count = (int64_t)tl_unicode_length(text), end_count = (int64_t)tl_unicode_length(end);
  if (length < end_count || leeway < 0) return tl_render_fail(render, "the length is too small");
  *out = tl_datum_of_text(text);
  if (count - leeway <= length) return TL_OK;
  text = tl_str_slice(text, 0, tl_unicode_offset(text, (size_t)(length - end_count)));
  const char *space = tl_datum_truth(&call->args[1]) ? NULL : memrchr(text.data, ' ', text.length);
  if (space) text.length = (size_t)(space - text.data);
  TL_TRY(tl_text_add(render, &result, text));
  TL_TRY(tl_text_add(render, &result, end));
  *out = tl_text_datum(&result);
  return TL_OK;
}

const tl_function_row tl_text_filter_rows[] = {
    {"trim", "chars", 0, trim},     {"upper", "", 0, upper},
    {"lower", "", 0, lower},        {"capitalize", "", 0, capitalize},
    {"title", "", 0, title},        {"replace", "old new count", 2, replace},
    {"string", "", 0, string},      {"safe", "", 0, safe},
    {"escape", "", 0, escape},      {"e", "", 0, escape},
    {"format", NULL, 0, format},    {"indent", "width first blank", 0, indent},
    {"center", "width", 0, center}, {"truncate", "length killwords end leeway", 0, truncate},
    {NULL, NULL, 0, NULL},
};
