// Implementation of convert.h: the loops around runtime/base/half.h.
#include "ir/convert.h"

#include "runtime/base/half.h"

bool tl_convert_reads(tl_format format) {
  return tl_format_of(format)->class == TL_CLASS_FLOAT;
}

bool tl_convert_writes(tl_format format) {
  return format == TL_FORMAT_F32 || format == TL_FORMAT_BF16 || format == TL_FORMAT_F16;
}

size_t tl_convert_element_bytes(tl_format format) {
  return (size_t)tl_format_of(format)->bits / 8;
}

// The functions passed are inline and constant at each call, so each call becomes a loop of its
// own.
static inline __attribute__((always_inline)) void widen16(const char *in, int64_t count, float *out,
                                                          float (*widen)(uint16_t)) {
  for (int64_t i = 0; i < count; i++) {
    uint16_t bits;
    memcpy(&bits, in + 2 * i, sizeof bits);
    out[i] = widen(bits);
  }
}

static inline __attribute__((always_inline)) void widen8(const uint8_t *in, int64_t count,
                                                         float *out, float (*widen)(uint8_t)) {
  for (int64_t i = 0; i < count; i++)
    out[i] = widen(in[i]);
}

void tl_convert_to_f32(tl_format format, const void *in, int64_t count, float *out) {
  if (format == TL_FORMAT_F32 && count) memcpy(out, in, (size_t)count * sizeof *out);
  if (format == TL_FORMAT_BF16) widen16(in, count, out, tl_bf16_to_f32);
  if (format == TL_FORMAT_F16) widen16(in, count, out, tl_f16_to_f32);
  if (format == TL_FORMAT_F8E4M3) widen8(in, count, out, tl_f8e4m3_to_f32);
  if (format == TL_FORMAT_F8E5M2) widen8(in, count, out, tl_f8e5m2_to_f32);
}

static inline __attribute__((always_inline)) void narrow16(const float *in, int64_t count,
                                                           char *out, uint16_t (*narrow)(float)) {
  for (int64_t i = 0; i < count; i++) {
    uint16_t bits = narrow(in[i]);
    memcpy(out + 2 * i, &bits, sizeof bits);
  }
}

void tl_convert_from_f32(tl_format format, const float *in, int64_t count, void *out) {
  if (format == TL_FORMAT_F32 && count) memcpy(out, in, (size_t)count * sizeof *in);
  if (format == TL_FORMAT_BF16) narrow16(in, count, out, tl_f32_to_bf16);
  if (format == TL_FORMAT_F16) narrow16(in, count, out, tl_f32_to_f16);
}
