// y[t] = x[t] * (1 + by * log(1 + floor((pos[t] + 1) / floor))).
#include <math.h>

#include "templates/ref/ref.h"

TL_REF_OP(position_scale) {
  const tl_ref_tensor *x = &args->operands[0], *pos = &args->operands[1];
  double by = args->attrs[0].f, period = (double)args->attrs[1].i;
  int64_t width = x->dims[1] * x->dims[2];
  for (int64_t t = 0; t < x->dims[0]; t++) {
    double scale = 1 + by * log(1 + floor((pos->i[t] + 1.0) / period));
    for (int64_t d = 0; d < width; d++)
      args->result.f[t * width + d] = (float)(x->f[t * width + d] * scale);
  }
  return TL_OK;
}
