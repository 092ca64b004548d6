// NVIDIA's library of matmuls, cuBLASLt, loaded when a session would use it and it is there: plans
// run without it. The functions are the library's, by their own names and with its meaning; handles
// are pointers, matrices are column by column.
#ifndef TL_DEVICE_CUDA_BLAS_H
#define TL_DEVICE_CUDA_BLAS_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/device/cuda/driver.h"

// What the functions give back; 0 is success.
typedef int tl_blas_result;

enum {
  // formats
  TL_BLAS_F32 = 0,
  TL_BLAS_BF16 = 14,
  // of a matmul
  TL_BLAS_COMPUTE_F32 = 68, // products of f32 are not rounded to less
  TL_BLAS_TRANSPOSE_A = 3,
  TL_BLAS_EPILOGUE = 7,
  TL_BLAS_BIAS_POINTER = 8,
  TL_BLAS_EPILOGUE_BIAS = 4,
  // of a search
  TL_BLAS_WORKSPACE_BYTES_MAX = 1,
  TL_BLAS_ALIGNMENT_A = 5,
  TL_BLAS_ALIGNMENT_B = 6,
  TL_BLAS_ALIGNMENT_C = 7,
  TL_BLAS_ALIGNMENT_D = 8
};

// A way to compute a matmul, as the library gives it for one.
typedef struct tl_blas_way {
  uint64_t words[8];
} tl_blas_way;

typedef struct tl_blas_found {
  tl_blas_way way;
  size_t workspace_bytes;
  tl_blas_result result; // the rest counts if this is 0
  float waves;
  int reserved[4];
} tl_blas_found;

// X(field, symbol, what it gives, parameters)
#define TL_BLAS_FUNCTION_MAP(X)                                                                    \
  X(version, cublasLtGetVersion, size_t, (void))                                                   \
  X(status_name, cublasLtGetStatusName, const char *, (tl_blas_result result))                     \
  X(create, cublasLtCreate, tl_blas_result, (void **out))                                          \
  X(destroy, cublasLtDestroy, tl_blas_result, (void *handle))                                      \
  X(matmul_create, cublasLtMatmulDescCreate, tl_blas_result, (void **out, int compute, int scale)) \
  X(matmul_destroy, cublasLtMatmulDescDestroy, tl_blas_result, (void *matmul))                     \
  X(matmul_set, cublasLtMatmulDescSetAttribute, tl_blas_result,                                    \
    (void *matmul, int attribute, const void *value, size_t bytes))                                \
  X(layout_create, cublasLtMatrixLayoutCreate, tl_blas_result,                                     \
    (void **out, int format, uint64_t rows, uint64_t columns, int64_t stride))                     \
  X(layout_destroy, cublasLtMatrixLayoutDestroy, tl_blas_result, (void *layout))                   \
  X(search_create, cublasLtMatmulPreferenceCreate, tl_blas_result, (void **out))                   \
  X(search_destroy, cublasLtMatmulPreferenceDestroy, tl_blas_result, (void *search))               \
  X(search_set, cublasLtMatmulPreferenceSetAttribute, tl_blas_result,                              \
    (void *search, int attribute, const void *value, size_t bytes))                                \
  X(find, cublasLtMatmulAlgoGetHeuristic, tl_blas_result,                                          \
    (void *handle, void *matmul, void *a, void *b, void *c, void *d, void *search, int count_max,  \
     tl_blas_found *out, int *out_count))                                                          \
  X(multiply, cublasLtMatmul, tl_blas_result,                                                      \
    (void *handle, void *matmul, const void *alpha, tl_cuda_address a, void *a_layout,             \
     tl_cuda_address b, void *b_layout, const void *beta, tl_cuda_address c, void *c_layout,       \
     tl_cuda_address d, void *d_layout, const tl_blas_way *way, tl_cuda_address workspace,         \
     size_t workspace_bytes, void *stream))

typedef struct tl_blas {
  void *handle; // NULL = it is not loaded
  char name[32];
// NOLINTNEXTLINE(bugprone-macro-parentheses)
#define X(field, symbol, result, parameters) result(*field) parameters;
  TL_BLAS_FUNCTION_MAP(X)
#undef X
} tl_blas;

// Loads the newest of the known versions and starts it for the current context. False if there is
// none that can be used; `out_why` then says so, without an end. Once loaded it stays in the
// process. Any thread.
bool tl_blas_open(tl_blas *out_blas, char *out_why, size_t why_bytes);

// The context is current. Accepts a zeroed one.
void tl_blas_close(tl_blas *blas);

#endif
