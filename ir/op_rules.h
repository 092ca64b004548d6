// What an op asks of its attributes and dims beyond what shape inference sees: ranges, divisors,
// the state that fits. Used by verify.c only.
#ifndef TL_IR_OP_RULES_H
#define TL_IR_OP_RULES_H

#include "ir/graph.h"

// NULL, or a sentence that says what does not hold. `node` is an op whose operands, attributes and
// type fit its row of ops.def.
const char *tl_op_fault(const tl_node *node);

#endif
