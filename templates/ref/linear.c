// y[t,n] = sum over k of x[t,k] w[n,k], plus b[n]; w is [N,K].
#include "templates/ref/ref.h"

TL_REF_OP(linear) {
  const tl_ref_tensor *x = &args->operands[0], *w = &args->operands[1];
  const float *bias = args->present[2] ? args->operands[2].f : NULL;
  int64_t rows = tl_ref_rows(x), columns = w->dims[0], depth = w->dims[1];
  for (int64_t n = 0; n < columns; n++) { // outside, so that a row of w is read once
    for (int64_t t = 0; t < rows; t++) {
      double sum = tl_ref_dot(x->f + t * depth, w->f + n * depth, depth);
      args->result.f[t * columns + n] = (float)(bias ? sum + bias[n] : sum);
    }
  }
  return TL_OK;
}
