// Kernels of the CUDA target as the code generator would ask for them: one of every template with
// the statements of dense models, for tests of the generator and of the kernels.
#ifndef TL_TESTS_LIB_CUDA_CASES_H
#define TL_TESTS_LIB_CUDA_CASES_H

#include "compiler/codegen/spec.h"

// Sizes of a model's layer.
typedef struct tl_cuda_sizes {
  int hidden, inner, heads, kv_heads, head, vocabulary;
  bool is_bf16; // weights, inputs of matmuls and pages; else f32
  bool no_bias; // of gate and up: their arguments are there in vain
  int window;
  double softcap;
} tl_cuda_sizes;

typedef enum tl_cuda_case {
  TL_CUDA_QKV,       // args: x, ends [3], {N, w} [3], sums, table, q, k state [3], v state [3]
  TL_CUDA_GLU,       // args: x, end, N, gate, up, sums, biases of gate and up, out
  TL_CUDA_DOWN,      // args: x, end, N, w, residual, sums, gamma, input of the next matmul
  TL_CUDA_LOGITS,    // args: x, end, N, w, sums, out
  TL_CUDA_GATHER,    // args: N, w, sums, out
  TL_CUDA_ROWS,      // args: x, 0, columns, gamma of half a row, beta, factors, out
  TL_CUDA_TABLE,     // args: frequencies, out
  TL_CUDA_ATTENTION, // args: q, out, state [3], bytes of a row of q, of out
  TL_CUDA_CASES
} tl_cuda_case; // matmul_wide: K after the weights

// A way to compute the matmuls. The templates say what the numbers mean; `width`: columns of a
// tile, more where a head is wider; `warps`: of a block, more where they make less than its
// columns, then of fewer `blocks`.
typedef struct tl_cuda_variant {
  const char *template;
  int width, rows, warps, blocks, stages, cluster, ahead;
} tl_cuda_variant;

// What is compiled, and how it is launched.
typedef struct tl_cuda_kernel {
  const char *template;
  tl_spec spec;
  int threads, cluster, unit;
  int rows; // of a block
  int64_t shared_bytes;
} tl_cuda_kernel;

// Bytes of a buffer's row of `columns`.
int64_t tl_cuda_row_bytes(int columns, bool is_bf16);

// `variant` is for matmuls.
void tl_cuda_case_make(const tl_cuda_sizes *sizes, tl_cuda_case which,
                       const tl_cuda_variant *variant, tl_cuda_kernel *out);

#endif
