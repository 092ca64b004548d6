// Implementation of reference.h.
#include "ir/reference.h"

tl_ref_function *tl_op_reference(tl_op op) {
  static tl_ref_function *const functions[TL_OP_COUNT] = {
#define OP(name, ...) tl_ref_##name,
#include "ir/ops.def"
#undef OP
  };
  return functions[op];
}
