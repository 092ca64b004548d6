// Regular expressions of pre-tokenizers, compiled to automata over classes of code points.
//
// Understood: literals, . [..] [^..] \s \S \d \D \w \W \p{..} \P{..} \n \xHH \x{..} \uHHHH,
// alternation (leftmost first), groups ( ) (?: ) (?i: ), greedy * + ? {n,m}, look-ahead at one
// character (?=x) (?!x), $ at the end of a line. All else, and patterns that match the empty text,
// are TL_UNSUPPORTED with a sentence that names the construct and its place.
//
// Two stages, because the classes depend on all patterns of a tokenizer:
//   tl_regex_parse(..) for each;  tl_charclasses_build(..);  tl_regex_compile(..) for each
#ifndef TL_COMPILER_LOAD_REGEX_H
#define TL_COMPILER_LOAD_REGEX_H

#include "compiler/load/charset.h"
#include "runtime/base/diag.h"

enum {
  TL_REGEX_BYTES_MAX = 8192,  // of a pattern
  TL_REGEX_DEPTH_MAX = 32,    // of groups
  TL_REGEX_REPEAT_MAX = 1000, // in {n,m}
  TL_REGEX_INSTS_MAX = 8192,  // after repeats are written out
};

// What a parser shares with its caller.
typedef struct tl_regex_context {
  tl_arena *arena;
  tl_charclasses *classes;
  tl_span span; // the pattern's place, for errors
  tl_diag *diag;
} tl_regex_context;

typedef enum tl_regex_kind {
  TL_REGEX_EMPTY,
  TL_REGEX_SET,         // one character of `set`
  TL_REGEX_LOOK,        // the next character is in `set`; the end of the text is if `look_end`
  TL_REGEX_CONCAT,      // all children
  TL_REGEX_ALTERNATION, // one of the children, the first that lets the whole match
  TL_REGEX_REPEAT,      // the child min..max times, as often as possible
} tl_regex_kind;

// A node of the parsed pattern. Children are linked from the last to the first.
typedef struct tl_regex_node tl_regex_node;
struct tl_regex_node {
  tl_regex_kind kind;
  uint32_t set; // registered in the classes
  bool look_end;
  bool nullable; // can match the empty text
  int min, max;  // max -1 = no limit
  tl_regex_node *last_child, *before;
};

// An automaton in the form of tokenizer_table.h: rows of classes + 1 cells; the start state is 1.
typedef struct tl_automaton {
  const uint16_t *cells;
  uint32_t states_count;
} tl_automaton;

// Parses `pattern` and registers its sets. TL_UNSUPPORTED or TL_INPUT with one error.
TL_CHECKED tl_status tl_regex_parse(const tl_regex_context *context, tl_str pattern,
                                    tl_regex_node **out_root);

// A node that matches one character of `set`; for steps that are no regex in the file.
TL_CHECKED tl_status tl_regex_from_set(const tl_regex_context *context, const tl_charset *set,
                                       tl_regex_node **out_root);

// Makes the automaton, after the classes have been built. TL_UNSUPPORTED if it gets too large.
TL_CHECKED tl_status tl_regex_compile(const tl_regex_context *context, const tl_regex_node *root,
                                      tl_automaton *out_automaton);

#endif
