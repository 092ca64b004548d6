// Implementation of text_lex.h: blanks, words, numbers, strings, types.
#include "ir/text_lex.h"

#include <stdio.h>

#include "runtime/base/decimal.h"

enum { SHOWN_MAX = 24, WHAT_MAX = 80 };

tl_span tl_lexer_span(const tl_lexer *lexer, size_t begin, size_t end) {
  const tl_text_hooks *hooks = lexer->hooks;
  return hooks->place ? hooks->place(hooks->user, begin, end - begin) : (tl_span){0};
}

static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

tl_str tl_text_strip(tl_str line) {
  size_t end = 0;
  bool quoted = false;
  while (end < line.length && (quoted || line.data[end] != '#')) {
    if (line.data[end] == '"') quoted = !quoted;
    end += quoted && line.data[end] == '\\' ? 2 : 1;
  }
  if (end > line.length) end = line.length;
  while (end > 0 && is_blank(line.data[end - 1]))
    end--;
  return tl_str_slice(line, 0, end);
}

bool tl_lexer_more(tl_lexer *lexer) {
  while (lexer->at < lexer->line.length && is_blank(lexer->line.data[lexer->at]))
    lexer->at++;
  return lexer->at < lexer->line.length;
}

char tl_lexer_peek(tl_lexer *lexer) {
  return tl_lexer_more(lexer) ? lexer->line.data[lexer->at] : 0;
}

bool tl_lexer_accept(tl_lexer *lexer, char c) {
  bool found = tl_lexer_more(lexer) && lexer->line.data[lexer->at] == c;
  lexer->at += found;
  return found;
}

// End of the run of bytes at the cursor that reads as one thing: a word, a number or one byte.
static size_t token_end(const tl_lexer *lexer) {
  size_t end = lexer->at;
  while (end < lexer->line.length &&
         (is_letter(lexer->line.data[end]) || is_digit(lexer->line.data[end]) ||
          lexer->line.data[end] == '.'))
    end++;
  return end > lexer->at ? end : end + 1;
}

// How much of a token fits into a message.
static int shown_length(tl_str token) {
  return token.length > SHOWN_MAX ? SHOWN_MAX : (int)token.length;
}

tl_status tl_lexer_unexpected(tl_lexer *lexer, const char *what) {
  if (!tl_lexer_more(lexer)) {
    size_t end = lexer->line.length;
    return tl_diag_error(lexer->diag, TL_INPUT, tl_lexer_span(lexer, end, end),
                         "expected %s, found the end of the line", what);
  }
  size_t end = token_end(lexer);
  tl_span span = tl_lexer_span(lexer, lexer->at, end);
  tl_str token = tl_str_slice(lexer->line, lexer->at, end);
  unsigned char first = (unsigned char)token.data[0];
  if (first < ' ' || first > '~') {
    return tl_diag_error(lexer->diag, TL_INPUT, span, "expected %s, found the byte 0x%02x", what,
                         first);
  }
  return tl_diag_error(lexer->diag, TL_INPUT, span, "expected %s, found '%.*s'%s", what,
                       shown_length(token), token.data, token.length > SHOWN_MAX ? ".." : "");
}

tl_status tl_lexer_expect(tl_lexer *lexer, char c, const char *where) {
  if (tl_lexer_accept(lexer, c)) return TL_OK;
  char what[WHAT_MAX];
  snprintf(what, sizeof what, "'%c' %s", c, where);
  return tl_lexer_unexpected(lexer, what);
}

tl_status tl_lexer_end(tl_lexer *lexer, const char *where) {
  if (!tl_lexer_more(lexer)) return TL_OK;
  char what[WHAT_MAX];
  snprintf(what, sizeof what, "the end of the line %s", where);
  return tl_lexer_unexpected(lexer, what);
}

static tl_status take_name(tl_lexer *lexer, const char *what, bool dots, tl_str *out_name) {
  if (!is_letter(tl_lexer_peek(lexer))) return tl_lexer_unexpected(lexer, what);
  size_t begin = lexer->at, end = begin;
  while (end < lexer->line.length) {
    char c = lexer->line.data[end];
    if (!is_letter(c) && !is_digit(c) && !(dots && c == '.')) break;
    end++;
  }
  lexer->at = end;
  *out_name = tl_str_slice(lexer->line, begin, end);
  if (out_name->length <= TL_NAME_MAX) return TL_OK;
  return tl_diag_error(lexer->diag, TL_INPUT, tl_lexer_span(lexer, begin, end),
                       "name of %zu characters (limit %d)", out_name->length, TL_NAME_MAX);
}

tl_status tl_lexer_word(tl_lexer *lexer, const char *what, tl_str *out_word) {
  return take_name(lexer, what, false, out_word);
}

tl_status tl_lexer_name(tl_lexer *lexer, const char *what, tl_str *out_name) {
  return take_name(lexer, what, true, out_name);
}

bool tl_name_is_valid(tl_str name) {
  if (name.length == 0 || name.length > TL_NAME_MAX || !is_letter(name.data[0])) return false;
  for (size_t i = 1; i < name.length; i++) {
    if (!is_letter(name.data[i]) && !is_digit(name.data[i]) && name.data[i] != '.') return false;
  }
  return true;
}

// Takes the longest run that looks like a number: digits, sign, point, exponent.
static tl_status take_number(tl_lexer *lexer, const char *what, size_t *out_begin) {
  char first = tl_lexer_peek(lexer);
  if (!is_digit(first) && first != '-') return tl_lexer_unexpected(lexer, what);
  *out_begin = lexer->at++;
  while (lexer->at < lexer->line.length) {
    char c = lexer->line.data[lexer->at], before = lexer->line.data[lexer->at - 1];
    bool sign = (c == '-' || c == '+') && (before == 'e' || before == 'E');
    if (!is_digit(c) && !is_letter(c) && c != '.' && !sign) break;
    lexer->at++;
  }
  return TL_OK;
}

static tl_status bad_number(const tl_lexer *lexer, size_t begin, const char *what,
                            const char *fault) {
  tl_str text = tl_str_slice(lexer->line, begin, lexer->at);
  return tl_diag_error(lexer->diag, TL_INPUT, tl_lexer_span(lexer, begin, lexer->at),
                       "expected %s, but '%.*s' %s", what, shown_length(text), text.data, fault);
}

tl_status tl_lexer_integer(tl_lexer *lexer, const char *what, int64_t *out_value) {
  size_t begin = 0;
  TL_TRY(take_number(lexer, what, &begin));
  tl_str text = tl_str_slice(lexer->line, begin, lexer->at);
  if (tl_str_to_i64(text, out_value)) return TL_OK;
  return bad_number(lexer, begin, what, "is no integer of 64 bits");
}

tl_status tl_lexer_real(tl_lexer *lexer, const char *what, double *out_value) {
  size_t begin = 0;
  TL_TRY(take_number(lexer, what, &begin));
  tl_str text = tl_str_slice(lexer->line, begin, lexer->at);
  if (tl_decimal_to_f64(text, out_value)) return TL_OK;
  return bad_number(lexer, begin, what, "is no number that a double can hold");
}

static int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// Decodes the escape whose backslash is at the cursor and moves past it; -1 if there is none.
static int take_escape(tl_lexer *lexer) {
  tl_str rest = tl_str_slice(lexer->line, lexer->at + 1, lexer->line.length);
  char kind = rest.length ? rest.data[0] : 0;
  lexer->at += 2;
  if (kind == '"' || kind == '\\') return kind;
  if (kind == 'n') return '\n';
  if (kind == 't') return '\t';
  int high = kind == 'x' && rest.length > 2 ? hex_digit(rest.data[1]) : -1;
  int low = high >= 0 ? hex_digit(rest.data[2]) : -1;
  lexer->at += 2;
  return low < 0 ? -1 : high * 16 + low;
}

tl_status tl_lexer_string(tl_lexer *lexer, const char *what, tl_str *out_text) {
  if (!tl_lexer_accept(lexer, '"')) return tl_lexer_unexpected(lexer, what);
  size_t begin = lexer->at - 1, length = 0;
  char text[TL_TEXT_STRING_MAX];
  while (lexer->at < lexer->line.length && lexer->line.data[lexer->at] != '"') {
    size_t from = lexer->at;
    int c = (unsigned char)lexer->line.data[from];
    if (c == '\\')
      c = take_escape(lexer);
    else
      lexer->at++;
    if (c < 0) {
      lexer->at = from;
      return tl_diag_error(lexer->diag, TL_INPUT, tl_lexer_span(lexer, from, from + 1),
                           "unknown escape, expected \\\" \\\\ \\n \\t or \\x and two hex digits");
    }
    if (length == sizeof text) {
      return tl_diag_error(lexer->diag, TL_INPUT, tl_lexer_span(lexer, begin, lexer->at),
                           "string of more than %d bytes", TL_TEXT_STRING_MAX);
    }
    text[length++] = (char)c;
  }
  if (lexer->at >= lexer->line.length) {
    return tl_diag_error(lexer->diag, TL_INPUT, tl_lexer_span(lexer, begin, lexer->line.length),
                         "the string does not end on its line");
  }
  lexer->at++;
  *out_text = tl_arena_copy(lexer->arena, (tl_str){text, length});
  if (out_text->data) return TL_OK;
  return tl_diag_error(lexer->diag, TL_MEMORY, tl_lexer_span(lexer, begin, lexer->at),
                       "out of memory");
}

static tl_status take_symbol(tl_lexer *lexer, const tl_symbols *symbols, int *out_index) {
  tl_str word = {0};
  TL_TRY(tl_lexer_word(lexer, "a dim: a number, a symbol or number*symbol", &word));
  for (int s = 0; s < symbols->count; s++) {
    if (!tl_str_equal(symbols->names[s], word)) continue;
    *out_index = s;
    return TL_OK;
  }
  size_t begin = lexer->at - word.length;
  return tl_diag_error(lexer->diag, TL_INPUT, tl_lexer_span(lexer, begin, lexer->at),
                       "symbol '%.*s' is not declared by the graph", shown_length(word), word.data);
}

// Adds one term, `7`, `T` or `2*T`, to `dim`.
static tl_status take_term(tl_lexer *lexer, const tl_symbols *symbols, tl_dim *dim) {
  int64_t factor = 1;
  int symbol = -1;
  bool number = is_digit(tl_lexer_peek(lexer));
  size_t begin = lexer->at;
  if (number) TL_TRY(tl_lexer_integer(lexer, "a dim", &factor));
  if (!number || tl_lexer_accept(lexer, '*')) TL_TRY(take_symbol(lexer, symbols, &symbol));
  int64_t *part = symbol < 0 ? &dim->constant : &dim->coefs[symbol];
  if (!__builtin_add_overflow(*part, factor, part) && *part <= TL_DIM_MAX) return TL_OK;
  *part = 0;
  return tl_diag_error(lexer->diag, TL_INPUT, tl_lexer_span(lexer, begin, lexer->at),
                       "the dim is too large (limit %lld)", (long long)TL_DIM_MAX);
}

static tl_status take_dims(tl_lexer *lexer, const tl_symbols *symbols, tl_type *type) {
  do {
    if (type->rank == TL_RANK_MAX) {
      return tl_diag_error(lexer->diag, TL_INPUT, tl_lexer_span(lexer, lexer->at, lexer->at),
                           "a type has at most %d dims", TL_RANK_MAX);
    }
    tl_dim *dim = &type->dims[type->rank++];
    do {
      TL_TRY(take_term(lexer, symbols, dim));
    } while (tl_lexer_accept(lexer, '+'));
  } while (tl_lexer_accept(lexer, ','));
  return TL_OK;
}

tl_status tl_lexer_type(tl_lexer *lexer, const tl_symbols *symbols, tl_type *out_type) {
  tl_str word;
  *out_type = (tl_type){0};
  TL_TRY(tl_lexer_word(lexer, "a type such as f32[8,64]", &word));
  size_t begin = lexer->at - word.length;
  if (!tl_format_from_text(word, &out_type->format)) {
    return tl_diag_error(lexer->diag, TL_INPUT, tl_lexer_span(lexer, begin, lexer->at),
                         "unknown format '%.*s', see `tlmc ops`", shown_length(word), word.data);
  }
  TL_TRY(tl_lexer_expect(lexer, '[', "after the format"));
  if (tl_lexer_accept(lexer, ']')) return TL_OK;
  TL_TRY(take_dims(lexer, symbols, out_type));
  TL_TRY(tl_lexer_expect(lexer, ']', "after the dims"));
  const char *fault = tl_type_fault(out_type);
  if (!fault) return TL_OK;
  return tl_diag_error(lexer->diag, TL_INPUT, tl_lexer_span(lexer, begin, lexer->at), "%s", fault);
}
