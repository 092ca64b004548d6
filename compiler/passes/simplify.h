// The pass that drops what changes no value, bit for bit.
//
//   Requires: a graph that verifies.
//   Ensures:  a graph that verifies with the same outputs; no op that only hands its operand on, no
//             slice of a slice or of a concat's part, nothing unused. Idempotent.
//   Example:  %a = split_heads %x {heads=8}           %y = linear %x, %w
//             %b = merge_heads %a                ->
//             %y = linear %b, %w
//
// Rules that would change rounding (scales that multiply, norms that merge) are not here.
#ifndef TL_COMPILER_PASSES_SIMPLIFY_H
#define TL_COMPILER_PASSES_SIMPLIFY_H

#include "ir/graph.h"

// Rewrites `graph` in place. TL_MEMORY if `scratch` is exhausted.
tl_status tl_pass_simplify(tl_graph *graph, tl_arena *scratch, tl_diag *diag) TL_CHECKED;

#endif
