// Narrow floating-point formats to f32 and back.
//
//   bf16    s eeeeeeee mmmmmmm      f32's upper half
//   f16     s eeeee mmmmmmmmmm      IEEE binary16
//   f8e4m3  s eeee mmm              no infinity; all ones is NaN, the largest number is 448
//   f8e5m2  s eeeee mm              f16's upper half
//
// Widening is exact. Narrowing rounds to nearest, ties to even, and keeps NaN a NaN; what is too
// large becomes infinity, in f8e4m3 NaN. Branch-free but for selections, so that loops vectorise.
// Narrowing takes for granted that the processor rounds to nearest, as C programs start out.
#ifndef TL_BASE_HALF_H
#define TL_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t tl_f32_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float tl_f32_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline float tl_bf16_to_f32(uint16_t half) {
  return tl_f32_from_bits((uint32_t)half << 16);
}

static inline uint16_t tl_f32_to_bf16(float value) {
  uint32_t bits = tl_f32_bits(value), nan = bits >> 16 | 0x40;
  uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
  return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? nan : rounded);
}

// Subnormals: the number's bits below the exponent of `least`, the smallest normal number, make
// least + number; taking `least` away again is exact. `em` is exponent and mantissa at their place
// in an f32, `bias` the difference of the exponents' biases.
static inline uint32_t tl_f32_widen(uint32_t em, uint32_t bias) {
  uint32_t least = (bias + 1) << 23;
  uint32_t subnormal = tl_f32_bits(tl_f32_from_bits(em + least) - tl_f32_from_bits(least));
  return em < 1u << 23 ? subnormal : em + (bias << 23);
}

// The reverse: `magnitude` is below infinity's bits, the result has `mantissa` bits of fraction. A
// number below the smallest normal one is added to the power of two whose last bit is the result's
// last bit: the addition rounds.
static inline uint32_t tl_f32_narrow(uint32_t magnitude, uint32_t bias, uint32_t mantissa) {
  uint32_t shift = 23 - mantissa, power = (bias + 1 + shift) << 23;
  uint32_t subnormal = tl_f32_bits(tl_f32_from_bits(magnitude) + tl_f32_from_bits(power)) - power;
  uint32_t half = (1u << (shift - 1)) - 1 + (magnitude >> shift & 1);
  uint32_t normal = (magnitude + half - (bias << 23)) >> shift;
  return magnitude < (bias + 1) << 23 ? subnormal : normal;
}

static inline float tl_f16_to_f32(uint16_t half) {
  uint32_t em = (uint32_t)(half & 0x7FFF) << 13;
  uint32_t wide = em >= 31u << 23 ? em + (224u << 23) : tl_f32_widen(em, 112);
  return tl_f32_from_bits(wide | (uint32_t)(half & 0x8000) << 16);
}

static inline uint16_t tl_f32_to_f16(float value) {
  uint32_t bits = tl_f32_bits(value), magnitude = bits & 0x7FFFFFFF;
  uint32_t special = magnitude > 0x7F800000 ? 0x7E00 | (magnitude >> 13 & 0x3FF) : 0x7C00;
  uint32_t narrow = magnitude >= 143u << 23 ? special : tl_f32_narrow(magnitude, 112, 10);
  return (uint16_t)(narrow | (bits >> 16 & 0x8000));
}

static inline float tl_f8e4m3_to_f32(uint8_t byte) {
  uint32_t em = (uint32_t)(byte & 0x7F) << 20;
  uint32_t wide = (byte & 0x7F) == 0x7F ? 0x7FC00000 : tl_f32_widen(em, 120);
  return tl_f32_from_bits(wide | (uint32_t)(byte & 0x80) << 24);
}

static inline uint8_t tl_f32_to_f8e4m3(float value) {
  uint32_t bits = tl_f32_bits(value), magnitude = bits & 0x7FFFFFFF;
  uint32_t narrow = magnitude >= 136u << 23 ? 0x7F : tl_f32_narrow(magnitude, 120, 3);
  return (uint8_t)((narrow > 0x7F ? 0x7F : narrow) | (bits >> 24 & 0x80));
}

static inline float tl_f8e5m2_to_f32(uint8_t byte) {
  return tl_f16_to_f32((uint16_t)(byte << 8));
}

static inline uint8_t tl_f32_to_f8e5m2(float value) {
  uint32_t bits = tl_f32_bits(value), magnitude = bits & 0x7FFFFFFF;
  uint32_t special = magnitude > 0x7F800000 ? 0x7E | (magnitude >> 21 & 3) : 0x7C;
  uint32_t narrow = magnitude >= 143u << 23 ? special : tl_f32_narrow(magnitude, 112, 2);
  return (uint8_t)(narrow | (bits >> 24 & 0x80));
}

#endif
