// y[t,a,d] = x[t,a,d] * s[t,a].
#include "templates/ref/ref.h"

TL_REF_OP(scale_choices) {
  const tl_ref_tensor *x = &args->operands[0], *s = &args->operands[1];
  int64_t choices = x->dims[0] * x->dims[1], width = x->dims[2];
  for (int64_t i = 0; i < choices; i++) {
    double by = s->f[i];
    for (int64_t d = 0; d < width; d++)
      args->result.f[i * width + d] = (float)(x->f[i * width + d] * by);
  }
  return TL_OK;
}
