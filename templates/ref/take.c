// y[t,a] = x[t, ids[t,a]].
#include "templates/ref/ref.h"

TL_REF_OP(take) {
  const tl_ref_tensor *x = &args->operands[0], *ids = &args->operands[1];
  int64_t slots = ids->dims[1], width = x->dims[1];
  for (int64_t i = 0; i < ids->dims[0] * slots; i++) {
    int64_t id = ids->i[i];
    if (id < 0 || id >= width) return TL_INPUT;
    args->result.f[i] = x->f[i / slots * width + id];
  }
  return TL_OK;
}
