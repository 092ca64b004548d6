// y = x / sqrt(mean(x^2) + eps) * (w + offset) over the last axis; without w the bare quotient.
#include <math.h>

#include "templates/ref/ref.h"

TL_REF_OP(rmsnorm) {
  const tl_ref_tensor *x = &args->operands[0];
  const float *w = args->present[1] ? args->operands[1].f : NULL;
  double eps = args->attrs[0].f, offset = args->attrs[1].f;
  int64_t rows = tl_ref_rows(x), width = x->dims[x->rank - 1];
  for (int64_t t = 0; t < rows; t++) {
    const float *in = x->f + t * width;
    float *out = args->result.f + t * width;
    double rms = sqrt(tl_ref_dot(in, in, width) / (double)width + eps);
    for (int64_t d = 0; d < width; d++)
      out[d] = (float)(in[d] / rms * (w ? w[d] + offset : 1));
  }
  return TL_OK;
}
