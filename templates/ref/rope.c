// Rotates pair j of each head by the angle pos * freqs[j] and multiplies it by factor:
//
//   half         (j, j + P)        | a0 a1 .. aP-1 | b0 b1 .. bP-1 | untouched |
//   interleaved  (2j, 2j + 1)      | a0 b0 a1 b1 .. aP-1 bP-1      | untouched |
//
// The angle is one f32 product, as in the models' training; all else is double. Where a sequence is
// longer than the limit, frequencies are those of a larger base.
#include <math.h>

#include "templates/ref/ref.h"

enum { STYLE, FACTOR, LIMIT, STRETCH }; // attributes

// Frequency `j` for a sequence of `length`.
static float frequency(const tl_ref_args *args, int64_t j, int64_t length) {
  const tl_ref_tensor *freqs = &args->operands[2];
  int64_t limit = args->attrs[LIMIT].i, pairs = freqs->dims[0];
  if (limit == 0 || length <= limit || pairs < 2) return freqs->f[j];
  double stretch = args->attrs[STRETCH].f;
  double growth = stretch * (double)length / (double)limit - (stretch - 1);
  return (float)(freqs->f[j] * pow(growth, -(double)j / (double)(pairs - 1)));
}

static void rotate(const tl_ref_args *args, const float *in, float *out, int64_t token) {
  int64_t pairs = args->operands[2].dims[0];
  int64_t length = args->present[3] ? args->operands[3].i[token] : 0;
  float position = (float)args->operands[1].i[token];
  bool interleaved = args->attrs[STYLE].i == 1;
  double factor = args->attrs[FACTOR].f;
  for (int64_t j = 0; j < pairs; j++) {
    int64_t a = interleaved ? 2 * j : j, b = interleaved ? a + 1 : j + pairs;
    float angle = position * frequency(args, j, length);
    double c = cos(angle) * factor, s = sin(angle) * factor;
    out[a] = (float)(in[a] * c - in[b] * s);
    out[b] = (float)(in[b] * c + in[a] * s);
  }
}

TL_REF_OP(rope) {
  const tl_ref_tensor *x = &args->operands[0];
  int64_t heads = x->dims[1], width = x->dims[2];
  for (int64_t row = 0; row < x->dims[0] * heads; row++) {
    int64_t token = row / heads;
    const float *in = x->f + row * width;
    float *out = args->result.f + row * width;
    memcpy(out, in, (size_t)width * sizeof *out);
    rotate(args, in, out, token);
  }
  return TL_OK;
}
