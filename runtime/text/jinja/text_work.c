// Implementation of text_work.h.
#include "runtime/text/jinja/text_work.h"

#include "runtime/text/jinja/unicode.h"

// Whether the character `text` is one of `characters`.
static bool is_one_of(tl_str text, tl_str characters) {
  if (characters.length < text.length) return false;
  return memmem(characters.data, characters.length, text.data, text.length);
}

tl_status tl_text_trim(tl_render *render, tl_str text, const tl_datum *characters, tl_strip ends,
                       tl_str *out) {
  size_t begin = 0, end = text.length;
  bool is_set = characters->kind != TL_DATUM_ABSENT && characters->kind != TL_DATUM_NONE;
  if (is_set && characters->kind != TL_DATUM_TEXT) {
    return tl_render_fail(render, "strip arg must be None or str");
  }
  TL_TRY(tl_render_charge_text(render, text.length));
  if (!is_set) {
    if (ends & TL_STRIP_LEFT) begin = tl_unicode_space_before(text);
    if (ends & TL_STRIP_RIGHT && begin < end) end -= tl_unicode_space_after(text);
    *out = tl_str_slice(text, begin, end);
    return TL_OK;
  }
  tl_str set = tl_datum_str(characters);
  uint32_t code;
  while (ends & TL_STRIP_LEFT && begin < end) {
    size_t length = tl_utf8_read(text.data + begin, end - begin, &code);
    if (!is_one_of(tl_str_slice(text, begin, begin + length), set)) break;
    TL_TRY(tl_render_charge(render, 1 + set.length / 16));
    begin += length;
  }
  while (ends & TL_STRIP_RIGHT && begin < end) {
    size_t last = tl_utf8_before(text.data, end);
    if (!is_one_of(tl_str_slice(text, last, end), set)) break;
    TL_TRY(tl_render_charge(render, 1 + set.length / 16));
    end = last;
  }
  *out = tl_str_slice(text, begin, end);
  return TL_OK;
}

int64_t tl_text_find(tl_str text, tl_str part, bool is_last) {
  if (part.length == 0) return is_last ? (int64_t)text.length : 0;
  if (part.length > text.length) return -1;
  if (!is_last) {
    const char *found = memmem(text.data, text.length, part.data, part.length);
    return found ? found - text.data : -1;
  }
  for (size_t at = text.length - part.length + 1; at-- > 0;) {
    if (memcmp(text.data + at, part.data, part.length) == 0) return (int64_t)at;
  }
  return -1;
}

// An empty text is found before every character and at the end.
static tl_status replace_nothing(tl_render *render, tl_str text, tl_replacement replacement,
                                 tl_text *out) {
  int64_t left = replacement.count;
  for (size_t at = 0;;) {
    uint32_t code;
    if (left != 0) TL_TRY(tl_text_add(render, out, replacement.to));
    if (left > 0) left--;
    if (at >= text.length) return TL_OK;
    size_t length = tl_utf8_read(text.data + at, text.length - at, &code);
    TL_TRY(tl_text_add(render, out, tl_str_slice(text, at, at + length)));
    TL_TRY(tl_render_charge(render, 1));
    at += length;
  }
}

tl_status tl_text_replace(tl_render *render, tl_str text, tl_replacement replacement,
                          tl_text *out) {
  if (replacement.from.length == 0) return replace_nothing(render, text, replacement, out);
  TL_TRY(tl_render_charge_text(render, text.length));
  for (int64_t left = replacement.count; left != 0; left -= left > 0) {
    int64_t found = tl_text_find(text, replacement.from, false);
    if (found < 0) break;
    TL_TRY(tl_render_charge(render, 1));
    TL_TRY(tl_text_add(render, out, tl_str_slice(text, 0, (size_t)found)));
    TL_TRY(tl_text_add(render, out, replacement.to));
    text = tl_str_slice(text, (size_t)found + replacement.from.length, text.length);
  }
  return tl_text_add(render, out, text);
}

tl_status tl_text_lines(tl_render *render, tl_str text, bool keeps_ends, tl_datum_list *lines) {
  size_t begin = 0;
  TL_TRY(tl_render_charge_text(render, text.length));
  for (size_t at = 0; at < text.length;) {
    uint32_t code;
    size_t end = at, length = tl_utf8_read(text.data + at, text.length - at, &code);
    at += length;
    if (!tl_unicode_is_line_end(code) && at < text.length) continue;
    if (!tl_unicode_is_line_end(code)) end = at;
    if (code == '\r' && at < text.length && text.data[at] == '\n') at++;
    tl_datum line = tl_datum_of_text(tl_str_slice(text, begin, keeps_ends ? at : end));
    TL_TRY(tl_list_add(render, lines, &line));
    begin = at;
  }
  return TL_OK;
}

tl_status tl_text_pad(tl_render *render, tl_str text, tl_padding padding, tl_text *out) {
  int64_t missing = padding.width - (int64_t)tl_unicode_length(text);
  int64_t before = padding.where == TL_PAD_LEFT ? missing : 0;
  if (missing < 0) missing = before = 0;
  // str.center puts the odd character to the left if the width is odd.
  if (padding.where == TL_PAD_BOTH) before = missing / 2 + (missing & padding.width & 1);
  TL_TRY(tl_render_charge_text(render, text.length));
  for (int64_t i = 0; i < before; i++)
    TL_TRY(tl_text_add(render, out, padding.with));
  TL_TRY(tl_text_add(render, out, text));
  for (int64_t i = before; i < missing; i++) {
    TL_TRY(tl_render_charge(render, 1));
    TL_TRY(tl_text_add(render, out, padding.with));
  }
  return TL_OK;
}
