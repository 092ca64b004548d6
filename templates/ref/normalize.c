// y = x / (sum of x over the last axis + eps).
#include "templates/ref/ref.h"

TL_REF_OP(normalize) {
  const tl_ref_tensor *x = &args->operands[0];
  int64_t rows = tl_ref_rows(x), width = x->dims[x->rank - 1];
  for (int64_t t = 0; t < rows; t++) {
    double sum = args->attrs[0].f;
    for (int64_t n = 0; n < width; n++)
      sum += x->f[t * width + n];
    for (int64_t n = 0; n < width; n++)
      args->result.f[t * width + n] = (float)(x->f[t * width + n] / sum);
  }
  return TL_OK;
}
