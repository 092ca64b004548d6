// Implementation of type.h.
#include "ir/type.h"

#include <stdio.h>

enum { NONE_BITS = 0, F8E4M3_BITS = 8, E8M0_BITS = 8, F16_BITS = 16, F32_BITS = 32 };
enum { BYTES_HEADROOM = 256 }; // bits of an element with a scale of its own, and some more

static const tl_format_info formats[] = {
#define FORMAT(name, text, class, bits, group_n, group_k, scale, scale2, zero, permuted, summary)  \
  {{text, sizeof(text) - 1},                                                                       \
   TL_CLASS_##class,                                                                               \
   bits,                                                                                           \
   group_n,                                                                                        \
   group_k,                                                                                        \
   scale##_BITS,                                                                                   \
   scale2##_BITS,                                                                                  \
   zero,                                                                                           \
   permuted,                                                                                       \
   {summary, sizeof(summary) - 1}},
#include "ir/formats.def"
#undef FORMAT
};

const tl_format_info *tl_format_of(tl_format format) {
  return &formats[format];
}

bool tl_format_from_text(tl_str text, tl_format *out_format) {
  for (int f = 0; f < TL_FORMAT_COUNT; f++) {
    if (!tl_str_equal(formats[f].text, text)) continue;
    *out_format = (tl_format)f;
    return true;
  }
  return false;
}

bool tl_dim_equal(tl_dim a, tl_dim b) {
  bool equal = a.constant == b.constant;
  for (int s = 0; s < TL_SYMBOLS_MAX; s++)
    equal &= a.coefs[s] == b.coefs[s];
  return equal;
}

bool tl_dim_is_constant(tl_dim dim) {
  for (int s = 0; s < TL_SYMBOLS_MAX; s++) {
    if (dim.coefs[s]) return false;
  }
  return true;
}

tl_dim tl_dim_add(tl_dim a, tl_dim b) {
  a.constant += b.constant;
  for (int s = 0; s < TL_SYMBOLS_MAX; s++)
    a.coefs[s] += b.coefs[s];
  return a;
}

bool tl_dim_multiply(tl_dim a, tl_dim b, tl_dim *out_product) {
  if (!tl_dim_is_constant(a)) {
    if (!tl_dim_is_constant(b)) return false;
    return tl_dim_multiply(b, a, out_product);
  }
  bool overflow = __builtin_mul_overflow(a.constant, b.constant, &out_product->constant);
  for (int s = 0; s < TL_SYMBOLS_MAX; s++) {
    overflow |= __builtin_mul_overflow(a.constant, b.coefs[s], &out_product->coefs[s]);
  }
  return !overflow;
}

int64_t tl_dim_value(tl_dim dim, const int64_t *symbols) {
  int64_t value = dim.constant;
  for (int s = 0; s < TL_SYMBOLS_MAX; s++) {
    if (dim.coefs[s]) value += dim.coefs[s] * symbols[s];
  }
  return value;
}

bool tl_type_equal(const tl_type *a, const tl_type *b) {
  if (a->format != b->format || a->rank != b->rank) return false;
  for (int i = 0; i < a->rank; i++) {
    if (!tl_dim_equal(a->dims[i], b->dims[i])) return false;
  }
  return true;
}

const char *tl_type_fault(const tl_type *type) {
  int64_t elements = 1;
  for (int i = 0; i < type->rank; i++) {
    const tl_dim *dim = &type->dims[i];
    int64_t sum = dim->constant;
    bool negative = dim->constant<0, large = dim->constant> TL_DIM_MAX;
    for (int s = 0; s < TL_SYMBOLS_MAX && !large; s++) {
      negative |= dim->coefs[s] < 0;
      large |= dim->coefs[s] > TL_DIM_MAX;
      if (!negative && !large) sum += dim->coefs[s];
    }
    if (negative) return "a dim is negative";
    if (sum == 0) return "a dim is zero";
    if (large) return "a dim is larger than 2^40";
    if (__builtin_mul_overflow(elements, sum, &elements) || elements > TL_ELEMENTS_MAX) {
      return "the type has more than 2^48 elements";
    }
  }
  return NULL;
}

int64_t tl_type_elements(const tl_type *type, const int64_t *symbols) {
  int64_t count = 1;
  for (int i = 0; i < type->rank; i++) {
    int64_t value = tl_dim_value(type->dims[i], symbols);
    if (__builtin_mul_overflow(count, value, &count)) return INT64_MAX;
  }
  return count;
}

int64_t tl_type_bytes(const tl_type *type, const int64_t *symbols) {
  const tl_format_info *info = tl_format_of(type->format);
  int64_t count = tl_type_elements(type, symbols);
  if (count > INT64_MAX / BYTES_HEADROOM) return INT64_MAX;
  int64_t bytes = (count * info->bits + 7) / 8 + info->scale2_bits / 8;
  if (!info->scale_bits || count == 0) return bytes;
  int64_t k = tl_dim_value(type->dims[type->rank - 1], symbols);
  int64_t n = type->rank > 1 ? tl_dim_value(type->dims[type->rank - 2], symbols) : 1;
  int64_t group_k = info->group_k ? info->group_k : k, group_n = info->group_n ? info->group_n : n;
  int64_t groups =
      ((k + group_k - 1) / group_k) * ((n + group_n - 1) / group_n) * (count / (n * k));
  return bytes + (groups * (info->scale_bits + info->zero_bits) + 7) / 8 +
         (info->permuted_k ? k * 4 : 0);
}

size_t tl_dim_print(tl_dim dim, const tl_symbols *symbols, char *out, size_t size) {
  size_t used = 0;
  for (int s = 0; s < TL_SYMBOLS_MAX; s++) {
    if (!dim.coefs[s] || used >= size) continue;
    tl_str name = symbols && s < symbols->count ? symbols->names[s] : TL_STR("?");
    const char *plus = used ? "+" : "";
    int length = dim.coefs[s] == 1
                     ? snprintf(out + used, size - used, "%s%.*s", plus, TL_STR_ARG(name))
                     : snprintf(out + used, size - used, "%s%lld*%.*s", plus,
                                (long long)dim.coefs[s], TL_STR_ARG(name));
    used += (size_t)length;
  }
  if ((dim.constant || used == 0) && used < size) {
    const char *format = used ? "%+lld" : "%lld";
    used += (size_t)snprintf(out + used, size - used, format, (long long)dim.constant);
  }
  return used < size ? used : size - 1;
}

size_t tl_type_print(const tl_type *type, const tl_symbols *symbols, char *out, size_t size) {
  tl_str text = tl_format_of(type->format)->text;
  size_t used = (size_t)snprintf(out, size, "%.*s[", TL_STR_ARG(text));
  for (int i = 0; i < type->rank && used + 2 < size; i++) {
    if (i) out[used++] = ',';
    used += tl_dim_print(type->dims[i], symbols, out + used, size - used);
  }
  if (used + 1 < size) out[used++] = ']';
  out[used] = 0;
  return used;
}
