// y = exp(x - max) / sum of exp(x - max) over the last axis.
#include "templates/ref/ref.h"

TL_REF_OP(softmax) {
  const tl_ref_tensor *x = &args->operands[0];
  int64_t rows = tl_ref_rows(x), width = x->dims[x->rank - 1];
  double *row = tl_arena_array(args->scratch, (size_t)width, sizeof *row);
  if (!row) return TL_MEMORY;
  for (int64_t t = 0; t < rows; t++) {
    for (int64_t n = 0; n < width; n++)
      row[n] = x->f[t * width + n];
    tl_ref_softmax_row(row, width);
    for (int64_t n = 0; n < width; n++)
      args->result.f[t * width + n] = (float)row[n];
  }
  return TL_OK;
}
