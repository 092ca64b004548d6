// Whether a graph means something. What it guarantees, and every pass must keep:
//
//   values    have valid names, unique, found by name; are defined before they are used; every op,
//             weight, table and state is used
//   types     dims within limits and over declared symbols; results are what inference gives
//   weights   constant dims, any format but i32, an expression that can give the declared dims;
//             operands declared as weights are not computed
//   tables    f32, constant dims, finite
//   states    sizes positive, a span for windows and chunks only; appended to by one op, which
//             agrees with them in widths, window and chunk
//   ops       operands and attributes as in ops.def and within the ranges of op_rules.c
//   outputs   at least one, uniquely named, of values that are not states
//
// Reports all faults at the places of their nodes. Reads the graph only: any thread.
#ifndef TL_IR_VERIFY_H
#define TL_IR_VERIFY_H

#include "ir/graph.h"

// TL_INPUT with every fault in `diag`; TL_MEMORY if `scratch`, which is left dirty, is exhausted.
tl_status tl_graph_verify(const tl_graph *graph, tl_arena *scratch, tl_diag *diag) TL_CHECKED;

#endif
