// Implementation of unicode.h, on tables that tests/oracle/make_python_unicode.py makes.
#include "runtime/text/jinja/unicode.h"

#include "runtime/text/jinja/render.h"

typedef struct code_range {
  uint32_t first, last;
} code_range;

// Codes first, first + stride .. last become themselves plus `delta`.
typedef struct case_range {
  uint32_t first, last;
  uint32_t stride;
  int32_t delta;
} case_range;

typedef struct case_special {
  uint32_t code;
  uint32_t to[TL_CASE_CODES_MAX]; // 0 behind the last
} case_special;

#include "runtime/text/jinja/unicode_data.inc"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

bool tl_unicode_is_space(uint32_t code) {
  if (code < 0x80) return code == ' ' || (code >= 9 && code <= 13) || (code >= 28 && code <= 31);
  return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
         code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

bool tl_unicode_is_line_end(uint32_t code) {
  return (code >= 10 && code <= 13) || (code >= 28 && code <= 30) || code == 0x85 ||
         code == 0x2028 || code == 0x2029;
}

bool tl_unicode_is_printable(uint32_t code) {
  if (code < 0x7F) return code >= ' ';
  size_t low = 0, high = COUNT(unprintable);
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (unprintable[middle].last < code)
      low = middle + 1;
    else
      high = middle;
  }
  return low == COUNT(unprintable) || code < unprintable[low].first;
}

static const case_range *find_range(const case_range *ranges, size_t count, uint32_t code) {
  size_t low = 0, high = count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (ranges[middle].last < code)
      low = middle + 1;
    else
      high = middle;
  }
  // Ranges of stride 2 may lie in each other.
  for (; low < count && ranges[low].first <= code; low++) {
    if ((code - ranges[low].first) % ranges[low].stride == 0) return &ranges[low];
  }
  return NULL;
}

static const case_special *find_special(const case_special *rows, size_t count, uint32_t code) {
  for (size_t i = 0; i < count; i++) {
    if (rows[i].code == code) return &rows[i];
  }
  return NULL;
}

int tl_unicode_to_case(uint32_t code, tl_case to, uint32_t out_codes[TL_CASE_CODES_MAX]) {
  const case_special *special = NULL;
  const case_range *range;
  out_codes[0] = code;
  if (code < 0x80) {
    bool is_lower = code >= 'a' && code <= 'z', is_upper = code >= 'A' && code <= 'Z';
    if (to == TL_CASE_LOWER ? is_upper : is_lower) out_codes[0] = code ^ 32;
    return 1;
  }
  if (to == TL_CASE_TITLE) special = find_special(title_special, COUNT(title_special), code);
  if (to == TL_CASE_LOWER) special = find_special(lower_special, COUNT(lower_special), code);
  if (to != TL_CASE_LOWER && !special) {
    special = find_special(upper_special, COUNT(upper_special), code);
  }
  if (special) {
    int count = 0;
    for (; count < TL_CASE_CODES_MAX && special->to[count]; count++)
      out_codes[count] = special->to[count];
    return count;
  }
  range = to == TL_CASE_LOWER ? find_range(lower_ranges, COUNT(lower_ranges), code)
                              : find_range(upper_ranges, COUNT(upper_ranges), code);
  if (range) out_codes[0] = (uint32_t)((int64_t)code + range->delta);
  return 1;
}

size_t tl_unicode_space_before(tl_str text) {
  size_t at = 0;
  while (at < text.length) {
    uint32_t code;
    size_t length = tl_utf8_read(text.data + at, text.length - at, &code);
    if (!tl_unicode_is_space(code)) break;
    at += length;
  }
  return at;
}

size_t tl_unicode_space_after(tl_str text) {
  size_t end = text.length;
  while (end > 0) {
    uint32_t code;
    size_t at = tl_utf8_before(text.data, end);
    tl_utf8_read(text.data + at, end - at, &code);
    if (!tl_unicode_is_space(code)) break;
    end = at;
  }
  return text.length - end;
}

size_t tl_unicode_length(tl_str text) {
  size_t count = 0;
  for (size_t i = 0; i < text.length; i++)
    count += ((uint8_t)text.data[i] & 0xC0) != 0x80;
  return count;
}

size_t tl_unicode_offset(tl_str text, size_t index) {
  size_t at = 0;
  for (; at < text.length; at++) {
    bool begins = ((uint8_t)text.data[at] & 0xC0) != 0x80;
    if (begins && index-- == 0) break;
  }
  return at;
}

// ---- Texts in another case

static bool is_ascii(tl_str text) {
  for (size_t i = 0; i < text.length; i++) {
    if ((uint8_t)text.data[i] >= 0x80) return false;
  }
  return true;
}

static bool is_cased(uint32_t code) {
  uint32_t to[TL_CASE_CODES_MAX];
  return tl_unicode_to_case(code, TL_CASE_UPPER, to) != 1 || to[0] != code ||
         tl_unicode_to_case(code, TL_CASE_LOWER, to) != 1 || to[0] != code;
}

// Marks that a word goes on across, when it is asked where a sigma stands.
static bool is_ignorable(uint32_t code) {
  return code == '\'' || code == '.' || code == ':' || code == '^' || code == '`' || code == 0xAD ||
         code == 0xB7 || (code >= 0x300 && code <= 0x36F) || code == 0x2019;
}

// A sigma behind a letter and with none after it is written as final.
static bool is_final(tl_str text, size_t at, size_t end) {
  uint32_t code = 0;
  bool has_before = false;
  for (size_t before = at; before > 0;) {
    before = tl_utf8_before(text.data, before);
    tl_utf8_read(text.data + before, text.length - before, &code);
    if (is_ignorable(code)) continue;
    has_before = is_cased(code);
    break;
  }
  for (size_t after = end; has_before && after < text.length;) {
    after += tl_utf8_read(text.data + after, text.length - after, &code);
    if (is_ignorable(code)) continue;
    return !is_cased(code);
  }
  return has_before;
}

static tl_status add_case(tl_render *render, tl_text *text, tl_str from, size_t begin, tl_case to) {
  enum { CAPITAL_SIGMA = 0x3A3, FINAL_SIGMA = 0x3C2 };
  TL_TRY(tl_render_charge(render, from.length - begin));
  for (size_t at = begin; at < from.length;) {
    uint32_t code, codes[TL_CASE_CODES_MAX];
    size_t length = tl_utf8_read(from.data + at, from.length - at, &code);
    int count = tl_unicode_to_case(code, to, codes);
    if (code == CAPITAL_SIGMA && to == TL_CASE_LOWER && is_final(from, at, at + length)) {
      codes[0] = FINAL_SIGMA;
    }
    for (int i = 0; i < count; i++)
      TL_TRY(tl_text_add_code(render, text, codes[i]));
    at += length;
  }
  return TL_OK;
}

static tl_status add_ascii(tl_render *render, tl_text *text, tl_str from, tl_case to) {
  size_t begin = text->length;
  char low = to == TL_CASE_UPPER ? 'a' : 'A';
  TL_TRY(tl_text_add(render, text, from));
  for (size_t i = begin; i < text->length; i++) {
    if (text->data[i] >= low && text->data[i] < low + 26) text->data[i] ^= 32;
  }
  return TL_OK;
}

tl_status tl_text_add_upper(tl_render *render, tl_text *text, tl_str more) {
  return is_ascii(more) ? add_ascii(render, text, more, TL_CASE_UPPER)
                        : add_case(render, text, more, 0, TL_CASE_UPPER);
}

tl_status tl_text_add_lower(tl_render *render, tl_text *text, tl_str more) {
  return is_ascii(more) ? add_ascii(render, text, more, TL_CASE_LOWER)
                        : add_case(render, text, more, 0, TL_CASE_LOWER);
}

tl_status tl_text_add_capitalized(tl_render *render, tl_text *text, tl_str more) {
  size_t first = tl_unicode_offset(more, more.length ? 1 : 0);
  TL_TRY(add_case(render, text, tl_str_slice(more, 0, first), 0, TL_CASE_TITLE));
  return add_case(render, text, more, first, TL_CASE_LOWER);
}
