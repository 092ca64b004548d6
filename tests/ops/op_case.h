// One case of the op conformance suite: a graph of one op, random operands, the reference's result.
//
//   op_case_create(arena, table, &specs[i])  ->  c->args.operands, c->args.result
//
// The result is the interpreter's. Where the op has a state, the interpreter was given the rows in
// two calls; a target gets all rows at once and no state, and must agree: how rows are cut into
// calls has no influence. Fails the program if the case itself is at fault.
#ifndef TL_TESTS_OPS_OP_CASE_H
#define TL_TESTS_OPS_OP_CASE_H

#include "ir/interp.h"

typedef struct op_case_spec {
  tl_op op;
  int64_t rows, ids_below;
  const char *declarations, *expression;
} op_case_spec;

typedef struct op_case {
  const op_case_spec *spec;
  const tl_node *node; // the op; node->op is its row of ops.def
  tl_graph *graph;
  int64_t symbols[TL_SYMBOLS_MAX];
  tl_ref_args args; // operands and attributes, all rows; `result` is the reference's
} op_case;

// A way to compute a case: an independent implementation or a compiled target. Writes all elements
// of the result, integers as numbers; false if it has nothing for this case.
typedef struct op_target {
  const char *name;
  bool (*run)(const op_case *c, double *out);
} op_target;

// All cases, from cases.def.
extern const op_case_spec op_case_specs[];
extern const int op_case_specs_count;

op_case *op_case_create(tl_arena *arena, const tl_op_table *table, const op_case_spec *spec);

#endif
