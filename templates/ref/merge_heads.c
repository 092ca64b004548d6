// [T,H,D] as [T,H*D]: the same numbers.
#include "templates/ref/ref.h"

TL_REF_OP(merge_heads) {
  size_t count = (size_t)tl_ref_elements(&args->result);
  if (count) memcpy(args->result.f, args->operands[0].f, count * sizeof(float));
  return TL_OK;
}
