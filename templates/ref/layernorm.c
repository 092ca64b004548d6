// y = (x - mean) / sqrt(var + eps) * (w + offset) + b over the last axis.
#include <math.h>

#include "templates/ref/ref.h"

TL_REF_OP(layernorm) {
  const tl_ref_tensor *x = &args->operands[0];
  const float *w = args->operands[1].f, *bias = args->present[2] ? args->operands[2].f : NULL;
  double eps = args->attrs[0].f, offset = args->attrs[1].f;
  int64_t rows = tl_ref_rows(x), width = x->dims[x->rank - 1];
  for (int64_t t = 0; t < rows; t++) {
    const float *in = x->f + t * width;
    float *out = args->result.f + t * width;
    double mean = 0, variance = 0;
    for (int64_t d = 0; d < width; d++)
      mean += in[d] / (double)width;
    for (int64_t d = 0; d < width; d++)
      variance += (in[d] - mean) * (in[d] - mean) / (double)width;
    double deviation = sqrt(variance + eps);
    for (int64_t d = 0; d < width; d++)
      out[d] = (float)((in[d] - mean) / deviation * (w[d] + offset) + (bias ? bias[d] : 0));
  }
  return TL_OK;
}
