// y = x[.., begin : end].
#include "templates/ref/ref.h"

TL_REF_OP(slice) {
  const tl_ref_tensor *x = &args->operands[0];
  int64_t rows = tl_ref_rows(x), width = x->dims[x->rank - 1];
  int64_t begin = args->attrs[0].i, count = args->attrs[1].i - begin;
  for (int64_t t = 0; t < rows; t++) {
    memcpy(args->result.f + t * count, x->f + t * width + begin, (size_t)count * sizeof(float));
  }
  return TL_OK;
}
