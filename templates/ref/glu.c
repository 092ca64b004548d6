// y = f(gate) * up, f one of the activations of ref.c.
#include "templates/ref/ref.h"

TL_REF_OP(glu) {
  const float *gate = args->operands[0].f, *up = args->operands[1].f;
  int64_t count = tl_ref_elements(&args->result);
  for (int64_t i = 0; i < count; i++)
    args->result.f[i] = (float)(tl_ref_activation(args->attrs[0].i, gate[i]) * up[i]);
  return TL_OK;
}
