// Implementation of tensor.h.
#include "compiler/load/tensor.h"

#include "runtime/base/half.h"

typedef struct dtype_row {
  const char *text;
  size_t bytes;
  bool is_real;
} dtype_row;

static const dtype_row rows[TL_DTYPE_COUNT] = {
#define ROW(name, text, bytes, is_real) {text, bytes, is_real},
    TL_DTYPE_MAP(ROW)
#undef ROW
};

const char *tl_dtype_text(tl_dtype dtype) {
  return rows[dtype].text;
}

size_t tl_dtype_bytes(tl_dtype dtype) {
  return rows[dtype].bytes;
}

bool tl_dtype_by_text(tl_str text, tl_dtype *out_dtype) {
  for (int i = 0; i < TL_DTYPE_COUNT; i++) {
    if (!tl_str_is(text, rows[i].text)) continue;
    *out_dtype = (tl_dtype)i;
    return true;
  }
  return false;
}

// Data may begin at any byte, so elements are copied out one by one; compilers make vector loads of
// it. `restrict`, so that they need no check whether the two overlap.
#define WIDEN_ALL(name, type)                                                                      \
  static void widen_##name(const char *restrict from, float *restrict out, int64_t count) {        \
    for (int64_t i = 0; i < count; i++) {                                                          \
      type narrow;                                                                                 \
      memcpy(&narrow, from + i * (int64_t)sizeof narrow, sizeof narrow);                           \
      out[i] = tl_##name##_to_f32(narrow);                                                         \
    }                                                                                              \
  }
WIDEN_ALL(bf16, uint16_t)
WIDEN_ALL(f16, uint16_t)
WIDEN_ALL(f8e4m3, uint8_t)
WIDEN_ALL(f8e5m2, uint8_t)

tl_status tl_tensor_read_f32(const tl_tensor *tensor, int64_t first, int64_t count, float *out,
                             tl_diag *diag) {
  int64_t total = tensor->elements_count;
  if (first < 0 || count < 0 || first > total || count > total - first)
    return tl_diag_error(diag, TL_USAGE, tensor->span,
                         "%lld elements from number %lld on were asked for, the tensor has %lld",
                         (long long)count, (long long)first, (long long)total);
  if (!rows[tensor->dtype].is_real)
    return tl_diag_error(diag, TL_UNSUPPORTED, tensor->span,
                         "tensor '%.*s' is %s, expected F32, F16, BF16, F8_E4M3 or F8_E5M2",
                         TL_STR_ARG(tensor->name), tl_dtype_text(tensor->dtype));
  const char *from = tensor->data + (size_t)first * rows[tensor->dtype].bytes;
  switch (tensor->dtype) {
  case TL_DTYPE_BF16: widen_bf16(from, out, count); break;
  case TL_DTYPE_F16: widen_f16(from, out, count); break;
  case TL_DTYPE_F8_E4M3: widen_f8e4m3(from, out, count); break;
  case TL_DTYPE_F8_E5M2: widen_f8e5m2(from, out, count); break;
  default:
    if (count) memcpy(out, from, (size_t)count * sizeof *out);
  }
  return TL_OK;
}
