// A parsed template: nodes on an arena, linked into lists by `next`.
//
//   {% for m in messages %}{{ m.role }}{% endfor %}
//   FOR  left = NAME m, right = NAME messages, items = PRINT { left = ATTRIBUTE { left = NAME m } }
#ifndef TL_TEXT_JINJA_NODE_H
#define TL_TEXT_JINJA_NODE_H

#include "runtime/text/jinja/datum.h"
#include "runtime/text/jinja/jinja.h"

typedef enum tl_node_kind {
  // Statements.
  TL_JINJA_DATA,         // name
  TL_JINJA_PRINT,        // left
  TL_JINJA_IF,           // left, items; others: further IFs, of which one without left is the else
  TL_JINJA_FOR,          // left in right if third: items, else others; op 1 = recursive
  TL_JINJA_SET,          // left = right
  TL_JINJA_SET_BLOCK,    // left = text of items, through the filter right
  TL_JINJA_MACRO,        // symbol(params): items; op: bit mask of known symbols in it
  TL_JINJA_CALL_BLOCK,   // the call left, with a caller of params and items
  TL_JINJA_FILTER_BLOCK, // the filter right on the text of items
  TL_JINJA_WITH,         // params: items
  TL_JINJA_GENERATION,   // items
  TL_JINJA_BREAK,
  TL_JINJA_CONTINUE,
  // Expressions.
  TL_JINJA_CONST,     // constant
  TL_JINJA_NAME,      // symbol
  TL_JINJA_MEMBER,    // symbol.name, as a target
  TL_JINJA_ATTRIBUTE, // left.name
  TL_JINJA_ITEM,      // left[right]
  TL_JINJA_SLICE,     // left[items]: three, each may be a CONST that is absent
  TL_JINJA_CALL,      // left(items): ARGUMENTs
  TL_JINJA_FILTER,    // left | function(items); left NULL = the text of a block
  TL_JINJA_TEST,      // left is function(items)
  TL_JINJA_NOT,
  TL_JINJA_NEGATE,
  TL_JINJA_PLUS,
  TL_JINJA_BINARY, // left op right
  TL_JINJA_AND,
  TL_JINJA_OR,
  TL_JINJA_CONCAT,  // items
  TL_JINJA_COMPARE, // left, items: OPERANDs
  TL_JINJA_CHOICE,  // left if right else third
  TL_JINJA_LIST,    // items
  TL_JINJA_TUPLE,   // items
  TL_JINJA_DICT,    // items: PAIRs
  // Parts of expressions and statements.
  TL_JINJA_ARGUMENT, // left; name if it has one; op: 1 = *left, 2 = **left
  TL_JINJA_OPERAND,  // op left
  TL_JINJA_PAIR,     // left: right
  TL_JINJA_PARAMETER // symbol, name, left = default or NULL; of WITH: left = right
} tl_node_kind;

typedef enum tl_jinja_op {
  TL_JINJA_ADD,
  TL_JINJA_SUBTRACT,
  TL_JINJA_MULTIPLY,
  TL_JINJA_DIVIDE,
  TL_JINJA_FLOOR_DIVIDE,
  TL_JINJA_MODULO,
  TL_JINJA_POWER,
  TL_JINJA_EQUAL,
  TL_JINJA_UNEQUAL,
  TL_JINJA_LESS,
  TL_JINJA_LESS_EQUAL,
  TL_JINJA_GREATER,
  TL_JINJA_GREATER_EQUAL,
  TL_JINJA_IN,
  TL_JINJA_NOT_IN
} tl_jinja_op;

typedef struct tl_jinja_node tl_jinja_node;

struct tl_jinja_node {
  uint8_t kind, op;
  uint16_t symbol;
  uint32_t offset; // in the template's text
  tl_str name;
  const tl_jinja_node *left, *right, *third;
  const tl_jinja_node *items, *others, *params; // first of a list
  const tl_jinja_node *next;
  const tl_function_row *function;
  tl_datum constant;
};

struct tl_jinja_template {
  tl_source source; // line ends normalized
  const tl_jinja_node *items;
  const tl_str *symbols;
  uint32_t symbols_count;
};

// Names that the renderer knows: they have these symbols in every template.
#define TL_JINJA_SYMBOL_MAP(X)                                                                     \
  X(LOOP, "loop")                                                                                  \
  X(CALLER, "caller")                                                                              \
  X(VARARGS, "varargs")                                                                            \
  X(KWARGS, "kwargs")

#define TL_JINJA_X_SYMBOL(name, text) TL_JINJA_SYMBOL_##name,
typedef enum tl_jinja_symbol {
  TL_JINJA_SYMBOL_MAP(TL_JINJA_X_SYMBOL) TL_JINJA_SYMBOLS_KNOWN
} tl_jinja_symbol;

#endif
