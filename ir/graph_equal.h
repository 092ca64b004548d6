// Structural equality: the same nodes in the same order with the same names, operands, attributes,
// types, weights, tables and states. Places in sources are not compared.
#ifndef TL_IR_GRAPH_EQUAL_H
#define TL_IR_GRAPH_EQUAL_H

#include "ir/graph.h"

// Reals are equal if their bits are: -0 is not 0, so that equal graphs print to equal bytes.
bool tl_graph_equal(const tl_graph *a, const tl_graph *b);

#endif
