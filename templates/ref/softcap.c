// y = cap * tanh(x / cap).
#include <math.h>

#include "templates/ref/ref.h"

TL_REF_OP(softcap) {
  const float *x = args->operands[0].f;
  double cap = args->attrs[0].f;
  int64_t count = tl_ref_elements(&args->result);
  for (int64_t i = 0; i < count; i++)
    args->result.f[i] = (float)(cap * tanh(x[i] / cap));
  return TL_OK;
}
