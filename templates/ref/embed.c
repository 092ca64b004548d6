// y[t] = w[ids[t]], rows of w [V,D].
#include "templates/ref/ref.h"

TL_REF_OP(embed) {
  const tl_ref_tensor *ids = &args->operands[0], *w = &args->operands[1];
  int64_t count = tl_ref_elements(ids), width = w->dims[1];
  for (int64_t t = 0; t < count; t++) {
    int64_t id = ids->i[t];
    if (id < 0 || id >= w->dims[0]) return TL_INPUT;
    memcpy(args->result.f + t * width, w->f + id * width, (size_t)width * sizeof(float));
  }
  return TL_OK;
}
