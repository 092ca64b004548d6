// The graph section of an architecture, expanded into statements of the graph language. Private to
// compiler/lower.
//
//   for i in 0..layers {            names defined inside get the prefix `l0.`, `l1.`, ..; a name
//   that
//     %h = add %h, %o               is read means its latest definition, so %h is carried along
//   }
//   when expression { .. } else { .. }
//   use block                       the lines of section blocks, as if they stood here
//   $name  ${expression}            replaced by the value
//   @name                           the weight or table of that name, in the current layer
#ifndef TL_COMPILER_LOWER_GRAPH_TEXT_H
#define TL_COMPILER_LOWER_GRAPH_TEXT_H

#include "compiler/lower/weights.h"

tl_status tl_graph_text_expand(tl_weights *weights, tl_graph *graph) TL_CHECKED;

#endif
