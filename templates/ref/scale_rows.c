// y[t,d] = x[t,d] * s[t,0].
#include "templates/ref/ref.h"

TL_REF_OP(scale_rows) {
  const tl_ref_tensor *x = &args->operands[0], *s = &args->operands[1];
  int64_t rows = x->dims[0], width = x->dims[1];
  for (int64_t t = 0; t < rows; t++) {
    double by = s->f[t * s->dims[1]];
    for (int64_t d = 0; d < width; d++)
      args->result.f[t * width + d] = (float)(x->f[t * width + d] * by);
  }
  return TL_OK;
}
