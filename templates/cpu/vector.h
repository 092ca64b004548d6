// Vectors of the machine's width and the functions the statements need, without libm.
//
// One source for all levels: 16 floats with AVX-512, 8 with AVX2. Every function works lane by
// lane, so its result does not depend on which lane or which tile a value is in.
#ifndef TL_TEMPLATES_CPU_VECTOR_H
#define TL_TEMPLATES_CPU_VECTOR_H

#include <immintrin.h>
#include <stdint.h>

#include "runtime/base/kernel.h"

#define TL_INLINE static inline __attribute__((always_inline))

#ifdef __AVX512F__
enum { VW = 16 };
#else
enum { VW = 8 };
#endif

// Whether bf16 has a dot product of its own.
#ifdef __AVX512BF16__
#define TL_DOT 1
#else
#define TL_DOT 0
#endif

// Bytes of an input value that meets bf16 weights. Rows of them have 4 for each: f32; or, for the
// dot product, two planes of bf16, the rounded values and what rounding took from them.
enum { TL_OPERAND_BYTES = TL_DOT ? 2 : 4 };

typedef float vf __attribute__((vector_size(VW * 4)));
typedef int32_t vi __attribute__((vector_size(VW * 4)));
typedef uint32_t vu __attribute__((vector_size(VW * 4)));
typedef uint16_t vh __attribute__((vector_size(VW * 2)));
typedef int8_t vb __attribute__((vector_size(VW)));
typedef float vf_loose __attribute__((vector_size(VW * 4), aligned(1), may_alias));
typedef uint32_t vu_loose __attribute__((vector_size(VW * 4), aligned(1), may_alias));
typedef uint16_t vh_loose __attribute__((vector_size(VW * 2), aligned(1), may_alias));
typedef int8_t vb_loose __attribute__((vector_size(VW), aligned(1), may_alias));

TL_INLINE vf vf_load(const float *p) {
  return *(const vf_loose *)p;
}

TL_INLINE void vf_store(float *p, vf x) {
  *(vf_loose *)p = x;
}

TL_INLINE vf vf_all(float x) {
  return x - (vf){0};
}

TL_INLINE vf vf_fma(vf a, vf b, vf c) {
  return __builtin_elementwise_fma(a, b, c);
}

TL_INLINE vf vf_from_bf16(const void *p) {
  return (vf)(__builtin_convertvector(*(const vh_loose *)p, vu) << 16);
}

// Rounds to nearest even; NaN stays NaN.
TL_INLINE vh vf_to_bf16(vf x) {
  vu bits = (vu)x;
  vu rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  vu nan = (bits >> 16) | 0x40;
  vi is_nan = x != x;
  return __builtin_convertvector((rounded & ~(vu)is_nan) | (nan & (vu)is_nan), vh);
}

TL_INLINE vf vf_from_f16(const void *p) {
#ifdef __AVX512F__
  return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
#else
  return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
#endif
}

TL_INLINE vf vf_from_i8(const void *p) {
  return __builtin_convertvector(__builtin_convertvector(*(const vb_loose *)p, vi), vf);
}

// Sum of the lanes in a fixed order.
TL_INLINE float vf_total(vf x) {
  float part[VW];
  vf_store(part, x);
#pragma unroll
  for (int half = VW / 2; half > 0; half /= 2) {
#pragma unroll
    for (int i = 0; i < half; i++)
      part[i] += part[i + half];
  }
  return part[0];
}

TL_INLINE float vf_largest(vf x) {
  return __builtin_reduce_max(x);
}

// e^x to about 1 ulp: 2^n * e^r with |r| <= ln2 / 2, Taylor to r^7. Below -87.3 it is 0.
TL_INLINE vf vf_exp(vf x) {
  vf clamped =
      __builtin_elementwise_min(__builtin_elementwise_max(x, vf_all(-88.0f)), vf_all(88.7228f));
  vf n = __builtin_elementwise_roundeven(clamped * vf_all(1.44269504f));
  vf r = vf_fma(n, vf_all(-0.693145752f), clamped);
  r = vf_fma(n, vf_all(-1.42860677e-6f), r);
  vf p = vf_all(1.98412698e-4f);
  p = vf_fma(p, r, vf_all(1.38888889e-3f));
  p = vf_fma(p, r, vf_all(8.33333333e-3f));
  p = vf_fma(p, r, vf_all(4.16666667e-2f));
  p = vf_fma(p, r, vf_all(1.66666667e-1f));
  p = vf_fma(p, r, vf_all(0.5f));
  p = vf_fma(p, r, vf_all(1.0f));
  p = vf_fma(p, r, vf_all(1.0f));
  vi e = __builtin_convertvector(n, vi);
  vi half = e >> 1;
  vf scaled = p * (vf)((half + 127) << 23) * (vf)((e - half + 127) << 23);
  vi dead = x < vf_all(-87.3f), bad = x != x;
  return (vf)(((vi)scaled & ~dead & ~bad) | ((vi)x & bad));
}

TL_INLINE vf vf_sigmoid(vf x) {
  return vf_all(1.0f) / (vf_all(1.0f) + vf_exp(-x));
}

// Small arguments by the odd Taylor-like fit, the rest by exponentials: no cancellation near 0.
TL_INLINE vf vf_tanh(vf x) {
  vf big = vf_all(1.0f) - vf_all(2.0f) / (vf_exp(x * vf_all(2.0f)) + vf_all(1.0f));
  vf s = x * x;
  vf p = vf_all(2.18694885e-2f);
  p = vf_fma(p, s, vf_all(-5.39682540e-2f));
  p = vf_fma(p, s, vf_all(1.33333333e-1f));
  p = vf_fma(p, s, vf_all(-3.33333333e-1f));
  vf small = vf_fma(p * s, x, x);
  vi near = s < vf_all(0.04f);
  return (vf)(((vi)small & near) | ((vi)big & ~near));
}

// Abramowitz and Stegun 7.1.26, absolute error 1.5e-7.
TL_INLINE vf vf_erf(vf x) {
  vi sign = (vi)x & (vi)vf_all(-0.0f);
  vf a = (vf)((vi)x ^ sign);
  vf t = vf_all(1.0f) / vf_fma(a, vf_all(0.3275911f), vf_all(1.0f));
  vf p = vf_all(1.061405429f);
  p = vf_fma(p, t, vf_all(-1.453152027f));
  p = vf_fma(p, t, vf_all(1.421413741f));
  p = vf_fma(p, t, vf_all(-0.284496736f));
  p = vf_fma(p, t, vf_all(0.254829592f));
  vf y = vf_all(1.0f) - p * t * vf_exp(-a * a);
  return (vf)((vi)y | sign);
}

// Activations by their index among the choices of ops.def.
TL_INLINE vf vf_activate(int64_t kind, vf x) {
  const vf zero = {0};
  switch (kind) {
  case 0: return x * vf_sigmoid(x);
  case 1: return vf_all(0.5f) * x * (vf_all(1.0f) + vf_erf(x * vf_all(0.707106781f)));
  case 2: {
    vf inner = vf_fma(x * x * x, vf_all(0.044715f), x);
    return x * vf_sigmoid(inner * vf_all(1.59576912f));
  }
  case 3: return x * vf_sigmoid(x * vf_all(1.702f));
  case 4: return __builtin_elementwise_max(x, zero);
  case 5: {
    vf r = __builtin_elementwise_max(x, zero);
    return r * r;
  }
  case 6: return vf_tanh(x);
  default: return vf_sigmoid(x);
  }
}

#endif
