// y[t] = sum over a, in order, of weights[t,a] x[t,a]; without weights they are 1.
#include "templates/ref/ref.h"

TL_REF_OP(combine) {
  const tl_ref_tensor *x = &args->operands[0];
  const float *weights = args->present[1] ? args->operands[1].f : NULL;
  int64_t slots = x->dims[1], width = x->dims[2];
  for (int64_t i = 0; i < x->dims[0] * width; i++) {
    int64_t t = i / width, d = i % width;
    double sum = 0;
    for (int64_t a = 0; a < slots; a++) {
      double weight = weights ? weights[t * slots + a] : 1;
      sum += weight * x->f[(t * slots + a) * width + d];
    }
    args->result.f[i] = (float)sum;
  }
  return TL_OK;
}
