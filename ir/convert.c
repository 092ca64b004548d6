// Implementation of convert.h.
#include "ir/convert.h"

bool tl_convert_reads(tl_format format) {
  return tl_format_of(format)->class == TL_CLASS_FLOAT;
}

bool tl_convert_writes(tl_format format) {
  return format == TL_FORMAT_F32 || format == TL_FORMAT_BF16 || format == TL_FORMAT_F16;
}

size_t tl_convert_element_bytes(tl_format format) {
  return (size_t)tl_format_of(format)->bits / 8;
}

static float float_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static void from_bf16(const char *in, int64_t count, float *out) {
  for (int64_t i = 0; i < count; i++) {
    uint16_t bits;
    memcpy(&bits, in + 2 * i, sizeof bits);
    out[i] = float_of_bits((uint32_t)bits << 16);
  }
}

static void from_f16(const char *in, int64_t count, float *out) {
  for (int64_t i = 0; i < count; i++) {
    _Float16 value;
    memcpy(&value, in + 2 * i, sizeof value);
    out[i] = (float)value;
  }
}

// 1 sign, 4 exponent (bias 7), 3 mantissa bits; all ones is NaN, there is no infinity.
static float f8e4m3_value(uint8_t bits) {
  uint32_t sign = (uint32_t)(bits & 0x80) << 24, rest = bits & 0x7f;
  if (rest == 0x7f) return float_of_bits(sign | 0x7fc00000);
  // Shifted into an f32's place the number is too small by 2^120, subnormals included.
  float value = float_of_bits(rest << 20) * 0x1p120f;
  return sign ? -value : value;
}

static void from_f8e4m3(const char *in, int64_t count, float *out) {
  for (int64_t i = 0; i < count; i++)
    out[i] = f8e4m3_value((uint8_t)in[i]);
}

// The upper half of an f16.
static void from_f8e5m2(const char *in, int64_t count, float *out) {
  for (int64_t i = 0; i < count; i++) {
    uint16_t bits = (uint16_t)((uint8_t)in[i] << 8);
    from_f16((const char *)&bits, 1, out + i);
  }
}

void tl_convert_to_f32(tl_format format, const void *in, int64_t count, float *out) {
  if (format == TL_FORMAT_F32 && count) memcpy(out, in, (size_t)count * sizeof *out);
  if (format == TL_FORMAT_BF16) from_bf16(in, count, out);
  if (format == TL_FORMAT_F16) from_f16(in, count, out);
  if (format == TL_FORMAT_F8E4M3) from_f8e4m3(in, count, out);
  if (format == TL_FORMAT_F8E5M2) from_f8e5m2(in, count, out);
}

static void to_bf16(const float *in, int64_t count, char *out) {
  for (int64_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, in + i, sizeof bits);
    bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
    uint32_t rounded = is_nan ? bits | 0x400000 : bits + 0x7fff + (bits >> 16 & 1);
    uint16_t upper = (uint16_t)(rounded >> 16);
    memcpy(out + 2 * i, &upper, sizeof upper);
  }
}

static void to_f16(const float *in, int64_t count, char *out) {
  for (int64_t i = 0; i < count; i++) {
    _Float16 value = (_Float16)in[i];
    memcpy(out + 2 * i, &value, sizeof value);
  }
}

void tl_convert_from_f32(tl_format format, const float *in, int64_t count, void *out) {
  if (format == TL_FORMAT_F32 && count) memcpy(out, in, (size_t)count * sizeof *in);
  if (format == TL_FORMAT_BF16) to_bf16(in, count, out);
  if (format == TL_FORMAT_F16) to_f16(in, count, out);
}
