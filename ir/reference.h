// The reference templates by op: templates/ref has one function per row of ops.def, and a row
// without one does not link.
//
//   tl_op_reference(TL_OP_add)(&args)
#ifndef TL_IR_REFERENCE_H
#define TL_IR_REFERENCE_H

#include "ir/op.h"
#include "templates/ref/ref.h"

#define OP(name, ...) tl_ref_function tl_ref_##name;
#include "ir/ops.def"
#undef OP

// `op` must be below TL_OP_COUNT.
tl_ref_function *tl_op_reference(tl_op op);

#endif
