// y[r] = x[rows[r]].
#include "templates/ref/ref.h"

TL_REF_OP(select_rows) {
  const tl_ref_tensor *x = &args->operands[0], *rows = &args->operands[1];
  int64_t width = x->dims[1];
  for (int64_t r = 0; r < rows->dims[0]; r++) {
    int64_t row = rows->i[r];
    if (row < 0 || row >= x->dims[0]) return TL_INPUT;
    memcpy(args->result.f + r * width, x->f + row * width, (size_t)width * sizeof(float));
  }
  return TL_OK;
}
