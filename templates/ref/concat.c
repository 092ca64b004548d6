// y = a then b along the last axis.
#include "templates/ref/ref.h"

TL_REF_OP(concat) {
  const tl_ref_tensor *a = &args->operands[0], *b = &args->operands[1];
  int64_t rows = tl_ref_rows(a), left = a->dims[a->rank - 1], right = b->dims[b->rank - 1];
  for (int64_t t = 0; t < rows; t++) {
    float *out = args->result.f + t * (left + right);
    memcpy(out, a->f + t * left, (size_t)left * sizeof *out);
    memcpy(out + left, b->f + t * right, (size_t)right * sizeof *out);
  }
  return TL_OK;
}
