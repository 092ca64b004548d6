// A tensor as it lies in a checkpoint: name, element type, dims, and its bytes in a mapped file.
//
//   {"lm_head.weight", BF16, 2 dims: 49152, 576, 56623104 bytes at data}
//
// Row-major, little endian, not aligned to anything. Bytes are read from disk when touched and may
// be dropped again (checkpoint.h).
#ifndef TL_LOAD_TENSOR_H
#define TL_LOAD_TENSOR_H

#include "runtime/base/diag.h"

// X(NAME, text in files, bytes per element, whether tl_tensor_read_f32 reads it)
#define TL_DTYPE_MAP(X)                                                                            \
  X(F64, "F64", 8, false)                                                                          \
  X(F32, "F32", 4, true)                                                                           \
  X(F16, "F16", 2, true)                                                                           \
  X(BF16, "BF16", 2, true)                                                                         \
  X(F8_E4M3, "F8_E4M3", 1, true)                                                                   \
  X(F8_E5M2, "F8_E5M2", 1, true)                                                                   \
  X(I64, "I64", 8, false)                                                                          \
  X(I32, "I32", 4, false)                                                                          \
  X(I16, "I16", 2, false)                                                                          \
  X(I8, "I8", 1, false)                                                                            \
  X(U64, "U64", 8, false)                                                                          \
  X(U32, "U32", 4, false)                                                                          \
  X(U16, "U16", 2, false)                                                                          \
  X(U8, "U8", 1, false)                                                                            \
  X(BOOL, "BOOL", 1, false)

typedef enum tl_dtype {
#define TL_DTYPE_ENUM(name, text, bytes, is_real) TL_DTYPE_##name,
  TL_DTYPE_MAP(TL_DTYPE_ENUM)
#undef TL_DTYPE_ENUM
      TL_DTYPE_COUNT
} tl_dtype;

enum { TL_TENSOR_RANK_MAX = 8 };

typedef struct tl_tensor {
  tl_str name;
  tl_dtype dtype;
  int rank; // 0 = a single number
  int64_t dims[TL_TENSOR_RANK_MAX];
  int64_t elements_count;
  const char *data;    // first byte
  size_t bytes;        // elements_count * bytes per element
  uint32_t file_index; // of the checkpoint's file it lies in
  tl_span span;        // its entry in the file's header
} tl_tensor;

// "BF16"; static.
const char *tl_dtype_text(tl_dtype dtype);

// Bytes of one element.
size_t tl_dtype_bytes(tl_dtype dtype);

// The type that files call `text`; false if there is none.
bool tl_dtype_by_text(tl_str text, tl_dtype *out_dtype);

// Elements [first, first + count) as f32, exactly. TL_UNSUPPORTED with a diagnostic for types that
// are not F32, F16, BF16, F8_E4M3 or F8_E5M2, TL_USAGE if there are no such elements. May be called
// by any number of threads.
tl_status tl_tensor_read_f32(const tl_tensor *tensor, int64_t first, int64_t count, float *out,
                             tl_diag *diag) TL_CHECKED;

#endif
