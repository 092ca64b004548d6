// Implementation of json.h.
#include "runtime/base/json.h"

#include "runtime/base/decimal.h"
#include "runtime/base/utf8.h"

#include <stdio.h>

typedef enum expected {
  EXPECTED_VALUE,
  EXPECTED_VALUE_OR_END, // after '['
  EXPECTED_KEY,
  EXPECTED_KEY_OR_END, // after '{'
  EXPECTED_COMMA,      // or the end of the innermost array or object
  EXPECTED_END,        // of the text
} expected;

enum { SHOWN_BYTES = 16 };

void tl_json_reader_init(tl_json_reader *reader, const tl_source *source, tl_diag *diag) {
  *reader = (tl_json_reader){.source = source, .diag = diag, .expected = EXPECTED_VALUE};
}

static tl_str text_of(const tl_json_reader *reader) {
  return reader->source->text;
}

static tl_span span_at(const tl_json_reader *reader, size_t offset, size_t length) {
  return (tl_span){reader->source, offset, length};
}

static tl_status fault(tl_json_reader *reader, size_t offset, size_t length, const char *text) {
  return tl_diag_error(reader->diag, TL_INPUT, span_at(reader, offset, length), "%s", text);
}

static bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '+' || c == '-' || c == '.';
}

// "expected `what` but found ...", naming the word or byte at the reader's place.
static tl_status fault_expected(tl_json_reader *reader, const char *what) {
  tl_str rest = tl_str_slice(text_of(reader), reader->at, SIZE_MAX);
  size_t word = 0;
  while (word < rest.length && word < SHOWN_BYTES && is_word(rest.data[word]))
    word++;
  char found[32];
  unsigned char byte = rest.length ? (unsigned char)rest.data[0] : 0;
  if (!rest.length)
    snprintf(found, sizeof found, "the end of the text");
  else if (word)
    snprintf(found, sizeof found, "'%.*s'", (int)word, rest.data);
  else if (byte > 0x20 && byte < 0x7F)
    snprintf(found, sizeof found, "'%c'", byte);
  else
    snprintf(found, sizeof found, "byte 0x%02x", byte);
  return tl_diag_error(reader->diag, TL_INPUT, span_at(reader, reader->at, word), //
                       "expected %s but found %s", what, found);
}

static void skip_blanks(tl_json_reader *reader) {
  tl_str text = text_of(reader);
  while (reader->at < text.length) {
    char c = text.data[reader->at];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return;
    reader->at++;
  }
}

// The character at the reader's place, 0 at the end of the text (and for a NUL in it, which no rule
// accepts either).
static char peek(const tl_json_reader *reader) {
  tl_str text = text_of(reader);
  return reader->at < text.length ? text.data[reader->at] : 0;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The code unit of the four hex digits at `at`, or -1.
static int32_t hex_unit(tl_str text, size_t at) {
  if (text.length - at < 4) return -1;
  int32_t unit = 0;
  for (size_t i = 0; i < 4; i++) {
    int digit = hex_digit(text.data[at + i]);
    if (digit < 0) return -1;
    unit = unit << 4 | digit;
  }
  return unit;
}

// The character that \u and its digits name at `at` (after the u), with the second half of a pair;
// -1 if there is none. `*out_end` is after it.
static int32_t unicode_escape(tl_str text, size_t at, size_t *out_end) {
  int32_t unit = hex_unit(text, at);
  *out_end = at + 4;
  if (unit < 0xD800 || unit > 0xDFFF) return unit;
  if (unit > 0xDBFF || text.length - at < 10) return -1;
  if (text.data[at + 4] != '\\' || text.data[at + 5] != 'u') return -1;
  int32_t low = hex_unit(text, at + 6);
  if (low < 0xDC00 || low > 0xDFFF) return -1;
  *out_end = at + 10;
  return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
}

// The character of a one-letter escape, 0 if there is none.
static char short_escape(char letter) {
  static const char letters[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";
  const char *found = letter ? strchr(letters, letter) : NULL;
  return found ? meaning[found - letters] : 0;
}

static tl_status scan_escape(tl_json_reader *reader, size_t *at) {
  tl_str text = text_of(reader);
  if (*at + 1 == text.length) return fault(reader, *at, 1, "the string has no closing quote");
  char letter = text.data[*at + 1];
  size_t end = *at + 2;
  if (letter == 'u') {
    if (unicode_escape(text, *at + 2, &end) < 0)
      return fault(reader, *at, 2,
                   "\\u needs four hex digits, and a surrogate needs its other half");
  } else if (!short_escape(letter)) {
    return fault(reader, *at, 2,
                 "no such escape; expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t "
                 "\\u");
  }
  *at = end;
  return TL_OK;
}

static tl_status scan_unusual(tl_json_reader *reader, size_t *at, bool *has_escapes) {
  tl_str text = text_of(reader);
  if (text.data[*at] == '\\') {
    *has_escapes = true;
    return scan_escape(reader, at);
  }
  if ((unsigned char)text.data[*at] < 0x20)
    return fault(reader, *at, 0, "a control character in a string must be written as an escape");
  uint32_t code;
  bool valid;
  size_t length = tl_utf8_check(text.data + *at, text.length - *at, &code, &valid);
  if (!valid) return fault(reader, *at, 0, "the string is not valid UTF-8 here");
  *at += length;
  return TL_OK;
}

// Bytes of `text` from `at` on that stand for themselves in a string: ASCII, no quote, backslash or
// control character. Eight at a time; a false alarm of the bit trick only ends the fast part.
static size_t skip_plain(tl_str text, size_t at) {
  const uint64_t ones = 0x0101010101010101ull, highs = 0x8080808080808080ull;
  for (; text.length - at >= 8; at += 8) {
    uint64_t v;
    memcpy(&v, text.data + at, 8);
    uint64_t quote = v ^ ones * '"', slash = v ^ ones * '\\';
    uint64_t stop = v | (v - ones * 0x20) | (quote - ones) | (slash - ones);
    if (stop & highs) break;
  }
  while (at < text.length) {
    unsigned char c = (unsigned char)text.data[at];
    if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') break;
    at++;
  }
  return at;
}

static tl_status read_string(tl_json_reader *reader, tl_json_token *out) {
  tl_str text = text_of(reader);
  size_t begin = reader->at, at = begin + 1;
  for (;;) {
    at = skip_plain(text, at);
    if (at >= text.length) return fault(reader, begin, 1, "the string has no closing quote");
    if (text.data[at] == '"') break;
    TL_TRY(scan_unusual(reader, &at, &out->has_escapes));
  }
  out->kind = TL_JSON_TOKEN_STRING;
  reader->at = at + 1;
  return TL_OK;
}

static bool at_digit(const tl_json_reader *reader) {
  char c = peek(reader);
  return c >= '0' && c <= '9';
}

static tl_status scan_digits(tl_json_reader *reader) {
  if (!at_digit(reader)) return fault_expected(reader, "a digit");
  while (at_digit(reader))
    reader->at++;
  return TL_OK;
}

// Scans a number's form; sets `*out_is_real` if it has a fraction or an exponent.
static tl_status scan_number(tl_json_reader *reader, bool *out_is_real) {
  if (peek(reader) == '-') reader->at++;
  size_t digits = reader->at;
  TL_TRY(scan_digits(reader));
  if (reader->at - digits > 1 && text_of(reader).data[digits] == '0')
    return fault(reader, digits, reader->at - digits, "a number must not begin with a zero");
  if (peek(reader) == '.') {
    *out_is_real = true;
    reader->at++;
    TL_TRY(scan_digits(reader));
  }
  if (peek(reader) == 'e' || peek(reader) == 'E') {
    *out_is_real = true;
    reader->at++;
    if (peek(reader) == '-' || peek(reader) == '+') reader->at++;
    TL_TRY(scan_digits(reader));
  }
  return TL_OK;
}

static tl_status read_number(tl_json_reader *reader, tl_json_token *out) {
  size_t begin = reader->at;
  bool is_real = false;
  TL_TRY(scan_number(reader, &is_real));
  tl_str number = tl_str_slice(text_of(reader), begin, reader->at);
  if (number.length > TL_JSON_NUMBER_MAX)
    return fault(reader, begin, 1, "the number is longer than 1024 bytes");
  bool fits = !is_real && tl_str_to_i64(number, &out->integer);
  // -0 has no integer that prints as it does.
  if (fits && (out->integer != 0 || number.data[0] != '-')) {
    out->kind = TL_JSON_TOKEN_INT;
    out->real = (double)out->integer;
    return TL_OK;
  }
  out->kind = TL_JSON_TOKEN_REAL;
  if (!tl_decimal_to_f64(number, &out->real))
    return fault(reader, begin, number.length, "the number is beyond the range of a double");
  return TL_OK;
}

static bool take_word(tl_json_reader *reader, const char *word) {
  tl_str rest = tl_str_slice(text_of(reader), reader->at, SIZE_MAX), wanted = tl_str_from(word);
  if (!tl_str_starts_with(rest, wanted)) return false;
  if (rest.length > wanted.length && is_word(rest.data[wanted.length])) return false;
  reader->at += wanted.length;
  return true;
}

static tl_status read_word(tl_json_reader *reader, tl_json_token *out) {
  static const struct {
    const char *text;
    tl_json_token_kind kind;
  } words[] = {
      {"null", TL_JSON_TOKEN_NULL}, {"false", TL_JSON_TOKEN_FALSE}, {"true", TL_JSON_TOKEN_TRUE}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    out->kind = words[i].kind;
    if (take_word(reader, words[i].text)) return TL_OK;
  }
  static const char *const not_json[] = {"NaN", "Infinity", "-Infinity"};
  for (size_t i = 0; i < sizeof not_json / sizeof *not_json; i++) {
    size_t begin = reader->at;
    if (!take_word(reader, not_json[i])) continue;
    return tl_diag_error(reader->diag, TL_INPUT, span_at(reader, begin, strlen(not_json[i])),
                         "%s is not JSON (Python's json module writes it); expected a finite "
                         "number or null",
                         not_json[i]);
  }
  return fault_expected(reader,
                        reader->expected == EXPECTED_VALUE_OR_END ? "a value or ']'" : "a value");
}

static tl_status open_container(tl_json_reader *reader, tl_json_token *out) {
  bool is_object = peek(reader) == '{';
  if (reader->depth == TL_JSON_DEPTH_MAX)
    return fault(reader, reader->at, 1, "more than 128 arrays and objects inside each other");
  reader->is_object[reader->depth] = is_object;
  reader->opened_at[reader->depth++] = reader->at++;
  out->kind = is_object ? TL_JSON_TOKEN_OBJECT_BEGIN : TL_JSON_TOKEN_ARRAY_BEGIN;
  reader->expected = is_object ? EXPECTED_KEY_OR_END : EXPECTED_VALUE_OR_END;
  return TL_OK;
}

static void after_value(tl_json_reader *reader) {
  reader->expected = reader->depth ? EXPECTED_COMMA : EXPECTED_END;
}

static tl_status close_container(tl_json_reader *reader, tl_json_token *out) {
  bool is_object = reader->is_object[--reader->depth];
  reader->at++;
  out->kind = is_object ? TL_JSON_TOKEN_OBJECT_END : TL_JSON_TOKEN_ARRAY_END;
  after_value(reader);
  return TL_OK;
}

static tl_status read_value(tl_json_reader *reader, tl_json_token *out) {
  char c = peek(reader);
  if (c == '{' || c == '[') return open_container(reader, out);
  tl_status status;
  if (c == '"')
    status = read_string(reader, out);
  else if ((c >= '0' && c <= '9') || (c == '-' && reader->at + 1 < text_of(reader).length &&
                                      text_of(reader).data[reader->at + 1] != 'I'))
    status = read_number(reader, out);
  else
    status = read_word(reader, out);
  if (tl_ok(status)) after_value(reader);
  return status;
}

static tl_status read_key(tl_json_reader *reader, tl_json_token *out) {
  if (peek(reader) != '"')
    return fault_expected(reader, reader->expected == EXPECTED_KEY
                                      ? "a key in double quotes"
                                      : "a key in double quotes or '}'");
  TL_TRY(read_string(reader, out));
  out->kind = TL_JSON_TOKEN_KEY;
  out->length = reader->at - out->offset;
  skip_blanks(reader);
  if (peek(reader) != ':') return fault_expected(reader, "':' after the key");
  reader->at++;
  reader->expected = EXPECTED_VALUE;
  return TL_OK;
}

// After a value inside an array or object: its end, or a comma and what follows.
static tl_status read_comma(tl_json_reader *reader, tl_json_token *out) {
  bool is_object = reader->is_object[reader->depth - 1];
  char c = peek(reader);
  if (c == (is_object ? '}' : ']')) return close_container(reader, out);
  if (c != ',') {
    tl_status status = fault_expected(reader, is_object ? "',' or '}'" : "',' or ']'");
    int line, column;
    tl_diag_locate(text_of(reader), reader->opened_at[reader->depth - 1], &line, &column);
    tl_diag_note(reader->diag, "the %s begins at line %d, column %d",
                 is_object ? "object" : "array", line, column);
    return status;
  }
  reader->at++;
  skip_blanks(reader);
  out->offset = reader->at;
  reader->expected = is_object ? EXPECTED_KEY : EXPECTED_VALUE;
  return is_object ? read_key(reader, out) : read_value(reader, out);
}

static tl_status read_token(tl_json_reader *reader, tl_json_token *out) {
  switch ((expected)reader->expected) {
  case EXPECTED_VALUE: return read_value(reader, out);
  case EXPECTED_VALUE_OR_END:
    return peek(reader) == ']' ? close_container(reader, out) : read_value(reader, out);
  case EXPECTED_KEY: return read_key(reader, out);
  case EXPECTED_KEY_OR_END:
    return peek(reader) == '}' ? close_container(reader, out) : read_key(reader, out);
  case EXPECTED_COMMA: return read_comma(reader, out);
  case EXPECTED_END:
    if (reader->at < text_of(reader).length)
      return fault_expected(reader, "nothing after the first value");
    out->kind = TL_JSON_END;
    return TL_OK;
  }
  return TL_INTERNAL;
}

// Faults of the text as a whole, looked for once.
static tl_status check_start(tl_json_reader *reader) {
  tl_str text = text_of(reader);
  if (text.length > TL_JSON_BYTES_MAX)
    return tl_diag_error(reader->diag, TL_MEMORY, span_at(reader, 0, 0),
                         "the text has %zu bytes; the limit is 1 GiB", text.length);
  if (tl_str_starts_with(text, TL_STR("\xEF\xBB\xBF")))
    return fault(reader, 0, 0, "the text begins with a byte order mark; save it as plain UTF-8");
  return TL_OK;
}

tl_status tl_json_next(tl_json_reader *reader, tl_json_token *out_token) {
  *out_token = (tl_json_token){0};
  if (!tl_ok(reader->status)) return reader->status;
  if (reader->at == 0) reader->status = check_start(reader);
  if (!tl_ok(reader->status)) return reader->status;
  skip_blanks(reader);
  out_token->offset = reader->at;
  reader->status = read_token(reader, out_token);
  if (!out_token->length) out_token->length = reader->at - out_token->offset;
  return reader->status;
}

static size_t decode_escape(tl_str raw, size_t *at, char *out) {
  if (raw.data[*at + 1] == 'u')
    return tl_utf8_write((uint32_t)unicode_escape(raw, *at + 2, at), out);
  *out = short_escape(raw.data[*at + 1]);
  *at += 2;
  return 1;
}

tl_status tl_json_token_string(tl_arena *arena, const tl_source *source, const tl_json_token *token,
                               tl_str *out_string) {
  tl_str raw = tl_str_slice(source->text, token->offset + 1, token->offset + token->length - 1);
  *out_string = raw;
  if (!token->has_escapes) return TL_OK;
  char *data = tl_arena_alloc(arena, raw.length); // no escape is shorter than what it stands for
  if (!data) return TL_MEMORY;
  size_t used = 0;
  for (size_t at = 0; at < raw.length;) {
    if (raw.data[at] == '\\')
      used += decode_escape(raw, &at, data + used);
    else
      data[used++] = raw.data[at++];
  }
  *out_string = (tl_str){data, used};
  return TL_OK;
}
