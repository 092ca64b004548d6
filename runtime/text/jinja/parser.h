// What the two halves of the parser share: statements (parse.c), expressions (parse_expression.c).
#ifndef TL_TEXT_JINJA_PARSER_H
#define TL_TEXT_JINJA_PARSER_H

#include "runtime/text/jinja/node.h"
#include "runtime/text/jinja/token.h"

enum { TL_PARSER_MISSING_MAX = 64 };

// A filter or test that does not exist. In a branch it is a fault when it is run, elsewhere it is
// one of the template.
typedef struct tl_missing {
  const tl_token *token;
  bool is_fault;
} tl_missing;

typedef struct tl_parser {
  tl_arena *arena;
  const tl_source *source;
  tl_diag *diag;
  const tl_token *token; // the next one
  tl_str *symbols;
  size_t symbols_count, symbols_capacity;
  int depth; // blocks and expressions that are open
  int loops; // that are open, since the last macro
  tl_missing missing[TL_PARSER_MISSING_MAX];
  int missing_count;
  int uses; // bit mask of the known symbols that occurred since the last macro began
} tl_parser;

// A list that is being built.
typedef struct tl_node_list {
  const tl_jinja_node *first;
  tl_jinja_node *last;
} tl_node_list;

// Reports a fault at the next token; `found` says what it is.
tl_status tl_parser_fail(tl_parser *parser, const char *expected);

// The same with any sentence and status, at `token`.
tl_status tl_parser_refuse(tl_parser *parser, const tl_token *token, tl_status status,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));

// A node at the next token. NULL if the arena is full.
tl_jinja_node *tl_parser_node(tl_parser *parser, tl_node_kind kind);

void tl_parser_append(tl_node_list *list, tl_jinja_node *node);

// The number of a name, the same for the same name.
TL_CHECKED tl_status tl_parser_symbol(tl_parser *parser, tl_str name, uint16_t *out_symbol);

// Whether the next token is this operator or this name; `skip` moves on if so, `expect` fails else.
bool tl_parser_is(const tl_parser *parser, const char *op);
bool tl_parser_is_name(const tl_parser *parser, const char *name);
bool tl_parser_skip(tl_parser *parser, const char *op);
bool tl_parser_skip_name(tl_parser *parser, const char *name);
TL_CHECKED tl_status tl_parser_expect(tl_parser *parser, const char *op);

// Notes that the filter or test at the next token does not exist.
TL_CHECKED tl_status tl_parser_miss(tl_parser *parser);

// What was missed since there were `count` is in a branch, or in a body that is none.
void tl_parser_allow_missing(tl_parser *parser, int count);
void tl_parser_forbid_missing(tl_parser *parser, int count);

// Counts a level; TL_MEMORY beyond TL_JINJA_NESTING_MAX.
TL_CHECKED tl_status tl_parser_enter(tl_parser *parser);

// An expression; without `has_choice`, `a if b` is not read.
TL_CHECKED tl_status tl_parse_expression(tl_parser *parser, bool has_choice,
                                         const tl_jinja_node **out_node);

// An expression, or several with commas between them as a tuple. Ends before `end`, a name, too
// (NULL = none).
TL_CHECKED tl_status tl_parse_tuple(tl_parser *parser, bool has_choice, const char *end,
                                    const tl_jinja_node **out_node);

// The filters from the next name on, applied to `input` (NULL = the text of a block).
TL_CHECKED tl_status tl_parse_filters(tl_parser *parser, const tl_jinja_node *input,
                                      const tl_jinja_node **out_node);

// What can be assigned to: names, in any nesting of tuples; or a member of a namespace, if
// `allows_members`.
TL_CHECKED tl_status tl_parse_target(tl_parser *parser, bool allows_members,
                                     const tl_jinja_node **out_node);

// One name.
TL_CHECKED tl_status tl_parse_name(tl_parser *parser, tl_jinja_node **out_node);

#endif
