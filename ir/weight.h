// Weight expressions: what can be said about one without its checkpoint.
//
//   stack(8, concat(slice(tensor("up"), 0, 512), tensor("gate")))     [8, ?, ?]
//
// Axes are counted from the first; -1 stands for a size that only the checkpoint knows. Expressions
// are trees of at most TL_WEIGHT_DEPTH_MAX levels. Pure functions: any thread.
#ifndef TL_IR_WEIGHT_H
#define TL_IR_WEIGHT_H

#include "ir/graph.h"

enum { TL_WEIGHT_DEPTH_MAX = 8, TL_WEIGHT_KINDS_COUNT = TL_WEIGHT_MERGE + 1 };

// The function's name in texts.
const char *tl_weight_kind_text(tl_weight_kind kind);

bool tl_weight_equal(const tl_weight *a, const tl_weight *b);

// Whether `weight` can be a tensor of `type`, whose dims must be constants. NULL, or what does not
// fit.
const char *tl_weight_fault(const tl_weight *weight, const tl_type *type);

#endif
