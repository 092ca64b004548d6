// Narrow formats against a slow definition: every narrow value, and every place where rounding
// changes its mind.
#include "runtime/base/half.h"
#include "tests/lib/check.h"

#include <math.h>
#include <stdbool.h>

typedef struct format {
  const char *name;
  int exponent_bits, mantissa_bits;
  bool has_infinity;
  uint32_t (*narrow)(float value);
  float (*widen)(uint32_t bits);
} format;

#define WRAP(name, type)                                                                           \
  static uint32_t narrow_##name(float value) {                                                     \
    return tl_f32_to_##name(value);                                                                \
  }                                                                                                \
  static float widen_##name(uint32_t bits) {                                                       \
    return tl_##name##_to_f32((type)bits);                                                         \
  }
WRAP(bf16, uint16_t)
WRAP(f16, uint16_t)
WRAP(f8e4m3, uint8_t)
WRAP(f8e5m2, uint8_t)

static const format formats[] = {
    {"bf16", 8, 7, true, narrow_bf16, widen_bf16},
    {"f16", 5, 10, true, narrow_f16, widen_f16},
    {"f8e4m3", 4, 3, false, narrow_f8e4m3, widen_f8e4m3},
    {"f8e5m2", 5, 2, true, narrow_f8e5m2, widen_f8e5m2},
};

// Value of the magnitude `bits` by the format's definition; NaN and infinity as such.
static double value_of(const format *f, uint32_t bits) {
  int exponent = (int)(bits >> f->mantissa_bits), all = (1 << f->exponent_bits) - 1;
  uint32_t mantissa = bits & ((1u << f->mantissa_bits) - 1);
  int bias = all >> 1;
  if (exponent == all && f->has_infinity) return mantissa ? NAN : INFINITY;
  if (!f->has_infinity && bits == (1u << (f->exponent_bits + f->mantissa_bits)) - 1) return NAN;
  double fraction = ldexp(mantissa, -f->mantissa_bits);
  return exponent ? ldexp(1 + fraction, exponent - bias) : ldexp(fraction, 1 - bias);
}

static void check_narrow(const format *f, float value, uint32_t wanted) {
  uint32_t got = f->narrow(value);
  if (got != wanted) fprintf(stderr, "%s: %a gave %x, not %x\n", f->name, value, got, wanted);
  CHECK(got == wanted);
  uint32_t sign = 1u << (f->exponent_bits + f->mantissa_bits);
  CHECK(f->narrow(-value) == (wanted | sign));
}

static void test_format(const format *f) {
  uint32_t count = 1u << (f->exponent_bits + f->mantissa_bits);
  for (uint32_t bits = 0; bits < count; bits++) {
    double value = value_of(f, bits);
    float wide = f->widen(bits), minus = f->widen(bits | count);
    if (isnan(value)) {
      CHECK(isnan(wide) && isnan(minus) && !signbit(wide) && signbit(minus));
      CHECK(f->narrow(minus) >= count && isnan(f->widen(f->narrow(wide))));
      continue;
    }
    CHECK((double)wide == value && (double)minus == -value && signbit(minus));
    check_narrow(f, wide, bits);
    if (isinf(value)) continue;
    // Between this number and the next: the middle goes to the even one, its neighbours part.
    double next = value_of(f, bits + 1);
    uint32_t above = bits + 1;
    if (!isfinite(next)) next = value + (value - value_of(f, bits - 1));
    double middle = value / 2 + next / 2;
    if (middle > 0x1.fffffep127 || (float)middle != middle) continue; // f32 has no such number
    check_narrow(f, (float)middle, bits & 1 ? above : bits);
    check_narrow(f, nextafterf((float)middle, 0), bits);
    check_narrow(f, nextafterf((float)middle, INFINITY), above);
  }
}

static void test_extremes(void) {
  CHECK(tl_f32_to_f16(1e30f) == 0x7C00 && tl_f32_to_f16(-INFINITY) == 0xFC00);
  CHECK(tl_f32_to_f8e4m3(1e30f) == 0x7F && tl_f32_to_f8e4m3(-INFINITY) == 0xFF);
  CHECK(tl_f32_to_f8e5m2(1e30f) == 0x7C && tl_f32_to_bf16(0x1.fffffep127f) == 0x7F80);
  CHECK(tl_f32_to_f16(1e-40f) == 0 && tl_f32_to_f8e4m3(1e-40f) == 0);
  CHECK(tl_f32_to_bf16(tl_f32_from_bits(0x7F800001)) == 0x7FC0); // stays a NaN
  CHECK(tl_f32_to_f16(tl_f32_from_bits(0xFF800001)) == 0xFE00);
}

// All f32 values in steps, against the nearest of both neighbours.
static void test_f16_sweep(void) {
  for (uint64_t bits = 0; bits < 0x47800000; bits += 997) {
    float value = tl_f32_from_bits((uint32_t)bits);
    uint16_t got = tl_f32_to_f16(value);
    double distance = fabs((double)tl_f16_to_f32(got) - value);
    if (got == 0x7C00) {
      CHECK(value >= 65520);
      continue;
    }
    for (int step = -1; step <= 1; step += 2) {
      int other = got + step;
      if (other < 0 || other >= 0x7C00) continue;
      CHECK(distance <= fabs((double)tl_f16_to_f32((uint16_t)other) - value));
    }
  }
}

int main(void) {
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
    test_format(&formats[i]);
  test_extremes();
  test_f16_sweep();
  return 0;
}
