// Implementation of token.h.
#include "runtime/text/jinja/token.h"

#include "runtime/base/decimal.h"
#include "runtime/text/jinja/jinja.h"
#include "runtime/text/jinja/unicode.h"

typedef struct token_reader {
  tl_arena *arena;
  const tl_source *source;
  tl_diag *diag;
  tl_str text;
  size_t at;
  bool at_line_start; // what was read last ended with a line end
  tl_token *tokens;
  size_t count, capacity;
  char open[TL_JINJA_NESTING_MAX]; // brackets of the tag that is being read
  int open_count;
} token_reader;

static tl_status fault(token_reader *lexer, size_t offset, size_t length, const char *what) {
  return tl_diag_error(lexer->diag, TL_INPUT, (tl_span){lexer->source, offset, length}, "%s", what);
}

static char char_at(const token_reader *lexer, size_t at) {
  return at < lexer->text.length ? lexer->text.data[at] : '\0';
}

static bool has(const token_reader *lexer, size_t at, const char *word) {
  size_t length = strlen(word);
  return at <= lexer->text.length && lexer->text.length - at >= length &&
         memcmp(lexer->text.data + at, word, length) == 0;
}

static size_t skip_space(const token_reader *lexer, size_t at) {
  return at + tl_unicode_space_before(tl_str_slice(lexer->text, at, lexer->text.length));
}

static tl_status add(token_reader *lexer, const tl_token *token) {
  tl_token *tokens = tl_arena_grow(lexer->arena, lexer->tokens, &lexer->capacity, lexer->count + 1,
                                   sizeof *tokens);
  if (!tokens) return TL_MEMORY;
  lexer->tokens = tokens;
  tokens[lexer->count++] = *token;
  return TL_OK;
}

static tl_status add_plain(token_reader *lexer, tl_token_kind kind, size_t begin, size_t end) {
  tl_token token = {.kind = kind,
                    .offset = (uint32_t)begin,
                    .end = (uint32_t)end,
                    .text = tl_str_slice(lexer->text, begin, end)};
  return add(lexer, &token);
}

static void move_to(token_reader *lexer, size_t at) {
  lexer->at_line_start = at > lexer->at ? lexer->text.data[at - 1] == '\n' : false;
  lexer->at = at;
}

// Moves behind a tag's end of two characters, which lies at `at` with its sign in front.
static void end_tag(token_reader *lexer, char sign, size_t at, bool trims) {
  size_t end = at + 2;
  if (sign == '-') end = skip_space(lexer, end);
  if (sign == '\0' && trims && char_at(lexer, end) == '\n') end++;
  move_to(lexer, end);
}

// Where the text from `begin` to the tag at `end` really ends: its whitespace goes with the sign
// `-`, and that of an indented tag goes unless the sign is `+` or the tag prints.
static size_t strip_before(const token_reader *lexer, size_t begin, size_t end, char sign,
                           bool prints) {
  tl_str text = tl_str_slice(lexer->text, begin, end);
  if (sign == '-') return end - tl_unicode_space_after(text);
  if (sign == '+' || prints) return end;
  size_t line = text.length;
  while (line > 0 && text.data[line - 1] != '\n')
    line--;
  if (line == 0 && !lexer->at_line_start) return end;
  tl_str rest = tl_str_slice(text, line, text.length);
  return tl_unicode_space_before(rest) == rest.length ? begin + line : end;
}

static char sign_at(const token_reader *lexer, size_t at) {
  char sign = char_at(lexer, at);
  return sign == '-' || sign == '+' ? sign : '\0';
}

static tl_status read_comment(token_reader *lexer, size_t begin) {
  size_t first = begin + 2 + (sign_at(lexer, begin + 2) != '\0');
  for (size_t at = first; at + 1 < lexer->text.length; at++) {
    if (!has(lexer, at, "#}")) continue;
    end_tag(lexer, at > first ? sign_at(lexer, at - 1) : '\0', at, true);
    return TL_OK;
  }
  return fault(lexer, begin, 2, "the comment has no end: '#}' is missing");
}

// The length of `{% raw %}` at `at`, 0 if there is none; a `-` before its end takes whitespace.
static size_t raw_begin(const token_reader *lexer, size_t at) {
  size_t word = skip_space(lexer, at + 2 + (sign_at(lexer, at + 2) != '\0'));
  if (!has(lexer, word, "raw")) return 0;
  size_t end = skip_space(lexer, word + 3);
  if (has(lexer, end, "-%}")) return skip_space(lexer, end + 3) - at;
  return has(lexer, end, "%}") ? end + 2 - at : 0;
}

static tl_status read_raw(token_reader *lexer, size_t begin, size_t length) {
  move_to(lexer, begin + length);
  size_t first = lexer->at;
  for (size_t at = first; at + 1 < lexer->text.length; at++) {
    if (!has(lexer, at, "{%")) continue;
    char sign = sign_at(lexer, at + 2);
    size_t word = skip_space(lexer, at + 2 + (sign != '\0'));
    if (!has(lexer, word, "endraw")) continue;
    size_t end = skip_space(lexer, word + 6);
    char end_sign = sign_at(lexer, end);
    if (!has(lexer, end + (end_sign != '\0'), "%}")) continue;
    size_t data_end = strip_before(lexer, first, at, sign, false);
    if (data_end > first) TL_TRY(add_plain(lexer, TL_TOKEN_DATA, first, data_end));
    end_tag(lexer, end_sign, end + (end_sign != '\0'), true);
    return TL_OK;
  }
  return fault(lexer, begin, 2, "the raw block has no end: '{% endraw %}' is missing");
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_name_char(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         (unsigned char)c >= 0x80;
}

// Digits with single underscores between them.
static size_t skip_digits(const token_reader *lexer, size_t at) {
  while (is_digit(char_at(lexer, at)) ||
         (char_at(lexer, at) == '_' && is_digit(char_at(lexer, at + 1))))
    at++;
  return at;
}

static tl_str without_underscores(token_reader *lexer, size_t begin, size_t end) {
  char *copy = tl_arena_alloc(lexer->arena, end - begin + 1);
  size_t length = 0;
  for (size_t i = begin; copy && i < end; i++) {
    if (lexer->text.data[i] != '_') copy[length++] = lexer->text.data[i];
  }
  return (tl_str){copy, length};
}

static tl_status read_number(token_reader *lexer) {
  size_t begin = lexer->at, end = skip_digits(lexer, begin), exponent;
  bool is_real = false;
  bool after_dot = begin > 0 && lexer->text.data[begin - 1] == '.';
  if (!after_dot && char_at(lexer, end) == '.' && is_digit(char_at(lexer, end + 1))) {
    end = skip_digits(lexer, end + 1);
    is_real = true;
  }
  if (!after_dot && (char_at(lexer, end) == 'e' || char_at(lexer, end) == 'E')) {
    exponent = end + 1 + (sign_at(lexer, end + 1) != '\0');
    if (is_digit(char_at(lexer, exponent))) {
      end = skip_digits(lexer, exponent);
      is_real = true;
    }
  }
  tl_token token = {.kind = is_real ? TL_TOKEN_REAL : TL_TOKEN_INT,
                    .offset = (uint32_t)begin,
                    .end = (uint32_t)end};
  token.text = without_underscores(lexer, begin, end);
  if (!token.text.data) return TL_MEMORY;
  bool is_number = is_real ? tl_decimal_to_f64(token.text, &token.real)
                           : tl_str_to_i64(token.text, &token.integer);
  bool is_octal = !is_real && token.text.length > 1 && token.text.data[0] == '0';
  if (!is_number || is_octal) {
    return fault(lexer, begin, end - begin, "this number is not supported");
  }
  move_to(lexer, end);
  return add(lexer, &token);
}

static int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// An escape that gives its code in digits: \x41, \u0041, \U00000041, \101. Moves `*at` behind it.
static tl_status read_code(token_reader *lexer, size_t *at, uint32_t *out_code) {
  char kind = char_at(lexer, *at);
  int digits = kind == 'x' ? 2 : kind == 'u' ? 4 : 8, base = 16;
  size_t first = *at + 1;
  if (is_digit(kind)) {
    digits = 3;
    base = 8;
    first = *at;
  }
  int count = 0;
  *out_code = 0;
  for (; count < digits; count++) {
    int digit = hex_value(char_at(lexer, first + (size_t)count));
    if (digit < 0 || digit >= base) break;
    *out_code = *out_code * (uint32_t)base + (uint32_t)digit;
  }
  bool is_scalar = *out_code < TL_CODES_COUNT && (*out_code < 0xD800 || *out_code > 0xDFFF);
  if ((base == 16 && count < digits) || !is_scalar) {
    return fault(lexer, *at - 1, 2, "this escape names no character");
  }
  *at = first + (size_t)count;
  return TL_OK;
}

// Decodes the escape behind the backslash before `*at`; what is none stays as it is.
static tl_status read_escape(token_reader *lexer, size_t *at, char *out, size_t *length) {
  static const char names[] = "\\'\"abfnrtv", values[] = "\\'\"\a\b\f\n\r\t\v";
  char kind = char_at(lexer, *at);
  const char *found = kind ? strchr(names, kind) : NULL;
  uint32_t code;
  if (kind == '\n') {
    (*at)++;
  } else if (found) {
    out[(*length)++] = values[found - names];
    (*at)++;
  } else if (kind == 'x' || kind == 'u' || kind == 'U' || (kind >= '0' && kind <= '7')) {
    TL_TRY(read_code(lexer, at, &code));
    *length += tl_utf8_write(code, out + *length);
  } else if (kind == 'N') {
    return fault(lexer, *at - 1, 2, "escapes with a character's name are not supported");
  } else {
    out[(*length)++] = '\\';
  }
  return TL_OK;
}

static tl_status read_string(token_reader *lexer) {
  size_t begin = lexer->at, end = begin + 1, length = 0;
  char quote = lexer->text.data[begin];
  while (end < lexer->text.length && lexer->text.data[end] != quote)
    end += lexer->text.data[end] == '\\' ? 2 : 1;
  if (end >= lexer->text.length) return fault(lexer, begin, 1, "the string has no end");
  // No escape is longer than what it stands for, but for what is kept with its backslash.
  char *out = tl_arena_alloc(lexer->arena, end - begin + TL_UTF8_BYTES_MAX);
  if (!out) return TL_MEMORY;
  for (size_t at = begin + 1; at < end;) {
    if (lexer->text.data[at] == '\\') {
      at++;
      TL_TRY(read_escape(lexer, &at, out, &length));
    } else {
      out[length++] = lexer->text.data[at++];
    }
  }
  tl_token token = {.kind = TL_TOKEN_STRING,
                    .offset = (uint32_t)begin,
                    .end = (uint32_t)end + 1,
                    .text = {out, length}};
  move_to(lexer, end + 1);
  return add(lexer, &token);
}

static tl_status balance(token_reader *lexer, char c) {
  static const char opening[] = "([{", closing[] = ")]}";
  const char *open = strchr(opening, c), *close = strchr(closing, c);
  if (open) {
    if (lexer->open_count == TL_JINJA_NESTING_MAX) {
      return fault(lexer, lexer->at, 1, "too many brackets inside each other");
    }
    lexer->open[lexer->open_count++] = closing[open - opening];
  }
  if (!close) return TL_OK;
  if (lexer->open_count == 0 || lexer->open[lexer->open_count - 1] != c) {
    return fault(lexer, lexer->at, 1, "this bracket closes nothing");
  }
  lexer->open_count--;
  return TL_OK;
}

static tl_status read_operator(token_reader *lexer) {
  static const char *const pairs[] = {"//", "**", "==", "!=", ">=", "<="};
  size_t begin = lexer->at, length = 0;
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    if (has(lexer, begin, pairs[i])) length = 2;
  }
  char c = lexer->text.data[begin];
  if (length == 0 && c && strchr("+-/*%~[](){}><=.:|,;", c)) length = 1;
  if (length == 0) return fault(lexer, begin, 1, "this character means nothing in a tag");
  if (length == 1) TL_TRY(balance(lexer, c));
  move_to(lexer, begin + length);
  return add_plain(lexer, TL_TOKEN_OPERATOR, begin, begin + length);
}

static tl_status read_in_tag(token_reader *lexer) {
  size_t begin = lexer->at;
  char c = lexer->text.data[begin];
  size_t space = skip_space(lexer, begin);
  if (space > begin) {
    move_to(lexer, space);
    return TL_OK;
  }
  if (is_digit(c)) return read_number(lexer);
  if (c == '"' || c == '\'') return read_string(lexer);
  if (!is_name_char(c)) return read_operator(lexer);
  size_t end = begin;
  while (is_name_char(char_at(lexer, end)))
    end++;
  move_to(lexer, end);
  return add_plain(lexer, TL_TOKEN_NAME, begin, end);
}

// Reads a tag that begins at `begin`, to its end.
static tl_status read_tag(token_reader *lexer, size_t begin, bool prints) {
  const char *closing = prints ? "}}" : "%}";
  TL_TRY(add_plain(lexer, prints ? TL_TOKEN_PRINT_BEGIN : TL_TOKEN_BLOCK_BEGIN, begin, begin + 2));
  move_to(lexer, begin + 2 + (sign_at(lexer, begin + 2) != '\0'));
  lexer->open_count = 0;
  while (lexer->at < lexer->text.length) {
    char sign = sign_at(lexer, lexer->at);
    if (prints && sign == '+') sign = '\0';
    size_t end = lexer->at + (sign != '\0');
    if (lexer->open_count == 0 && has(lexer, end, closing)) {
      TL_TRY(add_plain(lexer, prints ? TL_TOKEN_PRINT_END : TL_TOKEN_BLOCK_END, end, end + 2));
      end_tag(lexer, sign, end, !prints);
      return TL_OK;
    }
    TL_TRY(read_in_tag(lexer));
  }
  return fault(lexer, begin, 2, "the tag has no end");
}

// Reads text and the tag behind it.
static tl_status read_part(token_reader *lexer) {
  size_t begin = lexer->at, at = begin;
  while (at < lexer->text.length &&
         !(has(lexer, at, "{{") || has(lexer, at, "{%") || has(lexer, at, "{#")))
    at++;
  bool is_end = at >= lexer->text.length, prints = has(lexer, at, "{{");
  size_t end = is_end ? at : strip_before(lexer, begin, at, sign_at(lexer, at + 2), prints);
  if (end > begin) TL_TRY(add_plain(lexer, TL_TOKEN_DATA, begin, end));
  if (is_end) {
    lexer->at = at;
    return TL_OK;
  }
  if (has(lexer, at, "{#")) return read_comment(lexer, at);
  size_t raw = prints ? 0 : raw_begin(lexer, at);
  return raw ? read_raw(lexer, at, raw) : read_tag(lexer, at, prints);
}

tl_status tl_tokens_read(tl_arena *arena, const tl_source *source, tl_diag *diag,
                         tl_token **out_tokens) {
  token_reader lexer = {
      .arena = arena, .source = source, .diag = diag, .text = source->text, .at_line_start = true};
  while (lexer.at < lexer.text.length)
    TL_TRY(read_part(&lexer));
  TL_TRY(add_plain(&lexer, TL_TOKEN_END, lexer.text.length, lexer.text.length));
  *out_tokens = lexer.tokens;
  return TL_OK;
}
