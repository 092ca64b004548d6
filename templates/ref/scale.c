// y = x * by.
#include "templates/ref/ref.h"

TL_REF_OP(scale) {
  const float *x = args->operands[0].f;
  double by = args->attrs[0].f;
  int64_t count = tl_ref_elements(&args->result);
  for (int64_t i = 0; i < count; i++)
    args->result.f[i] = (float)(x[i] * by);
  return TL_OK;
}
