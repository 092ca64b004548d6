// The few ops whose result dims are not said by their signature. Used by infer.c only.
#ifndef TL_IR_SHAPE_RULES_H
#define TL_IR_SHAPE_RULES_H

#include "ir/op.h"

// Fills rank and dims of `out_type`; NULL, or a sentence that says what does not fit.
typedef const char *tl_shape_rule(const tl_type *const *operands, const tl_attr_value *attrs,
                                  tl_type *out_type);

// NULL for an op whose signature says its result.
tl_shape_rule *tl_shape_rule_of(tl_op op);

#endif
