// Rotates pair j of each head by the angle pos * freqs[j] and multiplies it by factor:
//
//   half         (j, j + P)        | a0 a1 .. aP-1 | b0 b1 .. bP-1 | untouched |
//   interleaved  (2j, 2j + 1)      | a0 b0 a1 b1 .. aP-1 bP-1      | untouched |
//
// The angle is one f32 product, as in the models' training; all else is double.
#include <math.h>

#include "templates/ref/ref.h"

static void rotate(const tl_ref_args *args, const float *in, float *out, float position) {
  const tl_ref_tensor *freqs = &args->operands[2];
  int64_t pairs = freqs->dims[0];
  bool interleaved = args->attrs[0].i == 1;
  double factor = args->attrs[1].f;
  for (int64_t j = 0; j < pairs; j++) {
    int64_t a = interleaved ? 2 * j : j, b = interleaved ? a + 1 : j + pairs;
    float angle = position * freqs->f[j];
    double c = cos(angle) * factor, s = sin(angle) * factor;
    out[a] = (float)(in[a] * c - in[b] * s);
    out[b] = (float)(in[b] * c + in[a] * s);
  }
}

TL_REF_OP(rope) {
  const tl_ref_tensor *x = &args->operands[0], *pos = &args->operands[1];
  int64_t heads = x->dims[1], width = x->dims[2];
  for (int64_t row = 0; row < x->dims[0] * heads; row++) {
    int64_t token = row / heads;
    const float *in = x->f + row * width;
    float *out = args->result.f + row * width;
    memcpy(out, in, (size_t)width * sizeof *out);
    rotate(args, in, out, (float)pos->i[token]);
  }
  return TL_OK;
}
