// Weight templates and tables of an architecture made into nodes of the graph, when `@name` is
// first used. Private to compiler/lower.
#ifndef TL_COMPILER_LOWER_WEIGHTS_H
#define TL_COMPILER_LOWER_WEIGHTS_H

#include "compiler/lower/scope.h"

typedef struct tl_weights {
  tl_scope *scope;
  bool *used;                // by number of the checkpoint's tensor
  tl_format skeleton_format; // of matrices where there is no checkpoint
} tl_weights;

tl_status tl_weights_init(tl_weights *weights, tl_scope *scope) TL_CHECKED;

// The value for `@name` in the scope's current layer; NULL if its `when` is false or if it is
// optional and the checkpoint has none. `layer_prefix` comes before names of weights of a layer.
tl_status tl_weights_resolve(tl_weights *weights, tl_graph *graph, tl_str name, tl_str layer_prefix,
                             tl_span span, tl_value **out_value) TL_CHECKED;

// Every tensor of the checkpoint must have been used or match a pattern of ignore.tensors.
tl_status tl_weights_check_unused(const tl_weights *weights) TL_CHECKED;

#endif
