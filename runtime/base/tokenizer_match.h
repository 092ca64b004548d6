// Classes of code points and the search for patterns, on verified tokenizer tables.
//
// An automaton steps once per code point and looks at the class of the next one, so a match that
// depends on what follows ("white space not followed by a word") costs nothing extra. The match
// found is the leftmost one; among those, the one a backtracking engine would take. Empty matches
// are none.
//
//   tl_find find = {.text = text, .steps_left = tl_find_budget(text.length)};
//   while (tl_ok(status = tl_pattern_find(table, p, &find)) && find.found)
//     ... [find.begin, find.end)
#ifndef TL_BASE_TOKENIZER_MATCH_H
#define TL_BASE_TOKENIZER_MATCH_H

#include "runtime/base/tokenizer_table.h"
#include "runtime/base/utf8.h"

// A search through one text; each call goes on where the last match ended.
typedef struct tl_find {
  tl_str text;         // valid UTF-8
  size_t begin, end;   // of the last match; zero to begin with
  bool found;          //
  uint64_t steps_left; // characters that may still be looked at, see tl_find_budget
} tl_find;

// A pattern may look at a character many times, but not without limit: this many times `length`.
static inline uint64_t tl_find_budget(size_t length) {
  return (uint64_t)length * 256 + 65536;
}

static inline uint8_t tl_class_of(const tl_tokenizer_table *table, uint32_t code) {
  return table
      ->char_blocks[table->char_index[code / TL_CHAR_BLOCK] * TL_CHAR_BLOCK + code % TL_CHAR_BLOCK];
}

static inline uint32_t tl_class_flags_of(const tl_tokenizer_table *table, uint32_t code) {
  return table->class_flags[tl_class_of(table, code)];
}

// Finds the next match from find->end on. TL_UNSUPPORTED when the budget is used up: the pattern is
// quadratic on this text.
TL_CHECKED tl_status tl_pattern_find(const tl_tokenizer_table *table, uint32_t pattern,
                                     tl_find *find);

// The added token that matches at the first possible place from `from` on, the longest one there.
// `list` is 0 for raw tokens, 1 for normalized ones. NULL if there is none.
const tl_tokenizer_added *tl_added_find(const tl_tokenizer_table *table, uint32_t list, tl_str text,
                                        size_t from, size_t *out_begin);

#endif
