// A cursor over one line of IR text, with the reading steps its parsers share.
//
//   %h = embed %ids, %embed {a=1} : f32[T,576]   # comment
//        ^ at
//
// A reader that fails has reported the fault with the bytes it was looking at; the caller gives up
// the line. Private to the text parser.
#ifndef TL_IR_TEXT_LEX_H
#define TL_IR_TEXT_LEX_H

#include "ir/text_parse.h"

typedef struct tl_lexer {
  tl_str line; // without comment and trailing blanks
  size_t at;
  const tl_text_hooks *hooks; // never NULL
  tl_arena *arena;            // of strings and weight expressions
  tl_diag *diag;
} tl_lexer;

// The place of bytes [begin, end) of the line.
tl_span tl_lexer_span(const tl_lexer *lexer, size_t begin, size_t end);

// `line` without its comment and trailing blanks; a # inside of a string is no comment.
tl_str tl_text_strip(tl_str line);

// Moves past blanks; false at the end of the line.
bool tl_lexer_more(tl_lexer *lexer);

// The byte after blanks, 0 at the end of the line.
char tl_lexer_peek(tl_lexer *lexer);

// Takes `c` if it comes next.
bool tl_lexer_accept(tl_lexer *lexer, char c);

// Takes `c` or fails with "expected 'c' `where`".
tl_status tl_lexer_expect(tl_lexer *lexer, char c, const char *where) TL_CHECKED;

// Fails unless only blanks are left.
tl_status tl_lexer_end(tl_lexer *lexer, const char *where) TL_CHECKED;

// Reports "expected `what`, found ..", pointing at what comes next.
tl_status tl_lexer_unexpected(tl_lexer *lexer, const char *what);

// Takes a word: a letter or `_`, then letters, digits and `_`. `what` names it in the message.
tl_status tl_lexer_word(tl_lexer *lexer, const char *what, tl_str *out_word) TL_CHECKED;

// Takes a name: a word that may hold dots too.
tl_status tl_lexer_name(tl_lexer *lexer, const char *what, tl_str *out_name) TL_CHECKED;

// Takes a decimal integer that fits 64 bits.
tl_status tl_lexer_integer(tl_lexer *lexer, const char *what, int64_t *out_value) TL_CHECKED;

// Takes a finite decimal number.
tl_status tl_lexer_real(tl_lexer *lexer, const char *what, double *out_value) TL_CHECKED;

// Takes a quoted string and decodes \" \\ \n \t \xHH; the result is on the arena.
tl_status tl_lexer_string(tl_lexer *lexer, const char *what, tl_str *out_text) TL_CHECKED;

// Takes a type such as `bf16[2*T+1,576]`; symbols are looked up in `symbols`.
tl_status tl_lexer_type(tl_lexer *lexer, const tl_symbols *symbols, tl_type *out_type) TL_CHECKED;

// Takes a weight expression.
tl_status tl_lexer_weight(tl_lexer *lexer, tl_weight **out_weight) TL_CHECKED;

// True if `name` could be written in a text: what tl_lexer_name takes, all of it.
bool tl_name_is_valid(tl_str name);

#endif
