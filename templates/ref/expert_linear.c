// y[t,a] = w[ids[t,a]] x[t] or, for x of [T,A,K], w[ids[t,a]] x[t,a]; w is [E,N,K].
#include "templates/ref/ref.h"

TL_REF_OP(expert_linear) {
  const tl_ref_tensor *x = &args->operands[0], *ids = &args->operands[1], *w = &args->operands[2];
  int64_t slots = ids->dims[1], columns = w->dims[1], depth = w->dims[2];
  for (int64_t i = 0; i < ids->dims[0] * slots; i++) {
    int64_t id = ids->i[i], row = x->rank == 3 ? i : i / slots;
    if (id < 0 || id >= w->dims[0]) return TL_INPUT;
    const float *expert = w->f + id * columns * depth; // [N,K]
    for (int64_t n = 0; n < columns; n++) {
      double sum = tl_ref_dot(x->f + row * depth, expert + n * depth, depth);
      args->result.f[i * columns + n] = (float)sum;
    }
  }
  return TL_OK;
}
