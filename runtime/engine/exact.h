// exp, log and a random generator whose results are the same bits on every machine.
//
// Built from additions, multiplications and divisions in a fixed order, which IEEE 754 defines to
// the last bit; the C library's functions differ between versions and processors. Sources must be
// compiled without contraction into fused multiply-adds, as the whole project is.
//
//   tl_exact_exp(-1.0f) = 0.36787945f      tl_exact_log(2.0) = 0.69314718055994529
#ifndef TL_ENGINE_EXACT_H
#define TL_ENGINE_EXACT_H

#include <stdint.h>
#include <string.h>

// e^x for x <= 0, within 2 units in the last place; 0 below -87. Written so that loops over it
// become vector code. The result for x > 0 or NaN is not meaningful.
static inline float tl_exact_exp(float x) {
  float clamped = x < -87.0f ? -87.0f : x;
  // Adding and taking away 1.5 * 2^23 rounds to an integer.
  float n = (clamped * 1.44269504f + 12582912.0f) - 12582912.0f;
  // ln 2 in two parts; n times the first, 355/512, is exact.
  float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  int32_t bits = ((int32_t)n + 127) * (1 << 23);
  float scale;
  memcpy(&scale, &bits, sizeof scale);
  return x < -87.0f ? 0.0f : p * scale;
}

// Natural logarithm of a normal x > 0, relative error below 1e-15.
double tl_exact_log(double x);

// Philox 4x32 with 10 rounds: 128 random bits that are a function of (seed, position) alone;
// streams of different seeds and different positions are independent.
void tl_exact_random(uint64_t seed, uint64_t position, uint32_t out_words[4]);

#endif
