// Operators and functions of expressions. Private to compiler/lower.
#ifndef TL_COMPILER_LOWER_EXPR_CALLS_H
#define TL_COMPILER_LOWER_EXPR_CALLS_H

#include "compiler/lower/expr.h"

typedef enum tl_expr_operator {
  TL_EXPR_ADD,
  TL_EXPR_SUBTRACT,
  TL_EXPR_MULTIPLY,
  TL_EXPR_DIVIDE,
  TL_EXPR_FLOOR_DIVIDE,
  TL_EXPR_MODULO,
  TL_EXPR_POWER,
  TL_EXPR_EQUAL,
  TL_EXPR_NOT_EQUAL,
  TL_EXPR_LESS,
  TL_EXPR_LESS_OR_EQUAL,
  TL_EXPR_GREATER,
  TL_EXPR_GREATER_OR_EQUAL,
  TL_EXPR_IN
} tl_expr_operator;

// False, with a sentence in `out_fault`, if the operands do not fit or the result is no number.
bool tl_expr_apply(tl_expr_operator op, const tl_expr_value *a, const tl_expr_value *b,
                   tl_expr_value *out_value, char *out_fault, size_t fault_bytes);

// Which of two operands that tl_expr_apply refused is to blame: what is no number, else what was
// read from a JSON text.
const tl_expr_value *tl_expr_culprit(tl_expr_operator op, const tl_expr_value *a,
                                     const tl_expr_value *b);

// What tl_expr_call says if there is no memory for a list.
extern const char tl_expr_no_memory[];

// Calls a function. NULL, or what is wrong. Inactive calls check the name only.
const char *tl_expr_call(tl_str name, const tl_expr_value *args, size_t count, bool active,
                         tl_arena *arena, tl_expr_value *out_value);

#endif
