// y = a + b, element by element.
#include "templates/ref/ref.h"

TL_REF_OP(add) {
  const float *a = args->operands[0].f, *b = args->operands[1].f;
  int64_t count = tl_ref_elements(&args->result);
  for (int64_t i = 0; i < count; i++)
    args->result.f[i] = (float)((double)a[i] + b[i]);
  return TL_OK;
}
