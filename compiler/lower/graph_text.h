// The graph section of an architecture, expanded into statements of the graph language. Private to
// compiler/lower.
//
//   %h = embed %ids, @embed
//   for i in 0..layers {              names defined inside get the prefix `l0.`, `l1.`, ..
//     %n = rmsnorm %h, @norm          a name means its latest definition, so %h is carried along
//     use gated as mlp(x=%n, w='mlp')
//     %h = add %h, %mlp.out           %l0.h
//   }
//   when expression {                 only the chosen branch is read
//   } else {
//   }
//   use head                          the lines of the block, as if they stood here
//   use gated as mlp(..)              the same with `mlp.` before all names it defines; in it, the
//                                     arguments are names of values (%..) or of expressions
//   $name  ${expression}              replaced by the value
//   @name                             the weight or table of that name, in the current layer
#ifndef TL_COMPILER_LOWER_GRAPH_TEXT_H
#define TL_COMPILER_LOWER_GRAPH_TEXT_H

#include "compiler/lower/weights.h"

// Adds the nodes to `graph`. Stops at the first faulty line, with notes on the layers and blocks
// around it.
tl_status tl_graph_text_expand(tl_weights *weights, tl_graph *graph) TL_CHECKED;

#endif
