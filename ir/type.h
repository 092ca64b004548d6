// Element formats, dims and types.
//
// A dim is affine in the program's symbols: c + sum(ci * symbol). A type is a format and up to
// TL_RANK_MAX dims; it prints as `f32[T,9,64]`. Values, no ownership; any thread.
#ifndef TL_IR_TYPE_H
#define TL_IR_TYPE_H

#include "runtime/base/arena.h"

enum { TL_RANK_MAX = 6, TL_SYMBOLS_MAX = 4, TL_SYMBOL_LENGTH_MAX = 16, TL_TYPE_TEXT_MAX = 1024 };

// Limits of a dim's constant and factors, and of a type's elements where every symbol is 1.
#define TL_DIM_MAX ((int64_t)1 << 40)
#define TL_ELEMENTS_MAX ((int64_t)1 << 48)

typedef enum tl_format {
#define FORMAT(name, ...) TL_FORMAT_##name,
#include "ir/formats.def"
#undef FORMAT
  TL_FORMAT_COUNT
} tl_format;

typedef enum tl_format_class { TL_CLASS_FLOAT, TL_CLASS_INT, TL_CLASS_QUANT } tl_format_class;

typedef struct tl_format_info {
  tl_str text;
  tl_format_class class;
  int bits;
  int group_n, group_k; // 0 = the whole axis
  int scale_bits;       // 0 = no scale
  int scale2_bits;      // 0 = no second-level scale
  int zero_bits;        // 0 = symmetric
  bool permuted_k;
  tl_str summary;
} tl_format_info;

// Row of formats.def; `format` must be below TL_FORMAT_COUNT.
const tl_format_info *tl_format_of(tl_format format);

// False if no format prints as `text`.
bool tl_format_from_text(tl_str text, tl_format *out_format);

// Symbols of a program, by name: `step` has T, S, R.
typedef struct tl_symbols {
  tl_str names[TL_SYMBOLS_MAX];
  int count;
} tl_symbols;

typedef struct tl_dim {
  int64_t constant;
  int64_t coefs[TL_SYMBOLS_MAX];
} tl_dim;

typedef struct tl_type {
  tl_format format;
  int rank;
  tl_dim dims[TL_RANK_MAX];
} tl_type;

static inline tl_dim tl_dim_of(int64_t constant) {
  return (tl_dim){.constant = constant};
}

bool tl_dim_equal(tl_dim a, tl_dim b);
bool tl_dim_is_constant(tl_dim dim);
tl_dim tl_dim_add(tl_dim a, tl_dim b);

// False if the product is not affine (both depend on symbols).
bool tl_dim_multiply(tl_dim a, tl_dim b, tl_dim *out_product);

// Value with `symbols[i]` for the i-th symbol.
int64_t tl_dim_value(tl_dim dim, const int64_t *symbols);

bool tl_type_equal(const tl_type *a, const tl_type *b);

// NULL, or what is wrong with the dims: one is zero or negative, or a limit above is exceeded.
const char *tl_type_fault(const tl_type *type);

// Number of elements with the given symbol values; INT64_MAX if it is larger.
int64_t tl_type_elements(const tl_type *type, const int64_t *symbols);

// Bytes of the elements and their scales with the given symbol values; INT64_MAX if larger.
int64_t tl_type_bytes(const tl_type *type, const int64_t *symbols);

// Writes `T`, `576` or `2*T+1` into `out`, cut to `size`; returns the length written.
size_t tl_dim_print(tl_dim dim, const tl_symbols *symbols, char *out, size_t size);

// Writes `f32[T,576]`; a buffer of TL_TYPE_TEXT_MAX always holds it.
size_t tl_type_print(const tl_type *type, const tl_symbols *symbols, char *out, size_t size);

#endif
