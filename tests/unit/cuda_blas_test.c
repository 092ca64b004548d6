// The stand-in for cuBLASLt, on the stand-in for a driver: products of both formats are right, and
// each thing that the library itself would refuse, or misuse unseen, is refused.
#include "runtime/device/cuda/blas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/half.h"
#include "tests/lib/check.h"

#define X(field, symbol, result, parameters) result symbol parameters;
TL_BLAS_FUNCTION_MAP(X)
#undef X
#define X(field, symbol, parameters) tl_cuda_result symbol parameters;
TL_CUDA_FUNCTION_MAP(X)
#undef X

enum { COLUMNS = 64, ROWS = 5, DEPTH = 24, STRIDE = 96, WORKSPACE = 1 << 20, PIECE = 1 << 16 };
enum { WEIGHT, INPUT, ADDED, OUT, BIAS, PIECES };
enum { INVALID = 7, EXECUTION_FAILED = 13, NOT_SUPPORTED = 15 };

// A product as the runtime asks for it: out (ROWS, COLUMNS) in rows of STRIDE values.
typedef struct product {
  int format, out_format, compute, transpose, epilogue;
  uint64_t depth, columns, rows;
  int64_t weight_stride, input_stride, out_stride;
  uint32_t alignment;
  uint64_t workspace_found, workspace_given;
  tl_cuda_address at[PIECES], workspace;
  float beta;
  bool other_way; // found for something else
} product;

static void *handle, *stream;
static tl_cuda_address pieces[PIECES], workspace;

static void *host(tl_cuda_address at) {
  return (void *)(uintptr_t)at; // NOLINT(performance-no-int-to-ptr)
}

static float element(int piece, int index) {
  return (float)((index * 37 + piece * 11) % 17 - 8) / 8;
}

static void fill(int format) {
  for (int p = 0; p < PIECES; p++) {
    for (int i = 0; i < ROWS * STRIDE + COLUMNS * STRIDE; i++) {
      bool is_bf16 = format == TL_BLAS_BF16 && (p == WEIGHT || p == INPUT);
      if (is_bf16) ((uint16_t *)host(pieces[p]))[i] = tl_f32_to_bf16(element(p, i));
      if (!is_bf16) ((float *)host(pieces[p]))[i] = element(p, i);
    }
  }
}

static product good(int format) {
  product p = {.format = format,
               .out_format = TL_BLAS_F32,
               .compute = TL_BLAS_COMPUTE_F32,
               .transpose = 1,
               .epilogue = TL_BLAS_EPILOGUE_BIAS,
               .depth = DEPTH,
               .columns = COLUMNS,
               .rows = ROWS,
               .weight_stride = 32,
               .input_stride = 64,
               .out_stride = STRIDE,
               .alignment = 64,
               .workspace_found = WORKSPACE,
               .workspace_given = WORKSPACE,
               .workspace = workspace,
               .beta = 1};
  memcpy(p.at, pieces, sizeof pieces);
  return p;
}

static tl_blas_result search(const product *p, void *matmul, void *const *l, tl_blas_found *out) {
  void *wish;
  int count = 0;
  tl_blas_result r = cublasLtMatmulPreferenceCreate(&wish);
  CHECK(r == 0);
  r = cublasLtMatmulPreferenceSetAttribute(wish, TL_BLAS_WORKSPACE_BYTES_MAX, &p->workspace_found,
                                           sizeof p->workspace_found);
  for (int i = TL_BLAS_ALIGNMENT_A; r == 0 && i <= TL_BLAS_ALIGNMENT_D; i++)
    r = cublasLtMatmulPreferenceSetAttribute(wish, i, &p->alignment, sizeof p->alignment);
  CHECK(r == 0);
  r = cublasLtMatmulAlgoGetHeuristic(handle, matmul, l[0], l[1], l[2], l[3], wish, 1, out, &count);
  CHECK(r != 0 || (count == 1 && out->result == 0 && out->workspace_bytes <= WORKSPACE));
  CHECK(cublasLtMatmulPreferenceDestroy(wish) == 0);
  CHECK(cublasLtMatmulPreferenceDestroy(wish) != 0);
  return r;
}

// All of it: descriptions, a way, the product.
static tl_blas_result multiply(const product *p) {
  void *matmul, *l[4], *other;
  float alpha = 1;
  tl_blas_found found;
  CHECK(cublasLtMatmulDescCreate(&matmul, p->compute, TL_BLAS_F32) == 0);
  CHECK(cublasLtMatmulDescSetAttribute(matmul, TL_BLAS_TRANSPOSE_A, &p->transpose, 4) == 0);
  CHECK(cublasLtMatmulDescSetAttribute(matmul, TL_BLAS_EPILOGUE, &p->epilogue, 4) == 0);
  CHECK(cublasLtMatmulDescSetAttribute(matmul, TL_BLAS_BIAS_POINTER, &p->at[BIAS], 8) == 0);
  CHECK(cublasLtMatrixLayoutCreate(&l[0], p->format, p->depth, p->columns, p->weight_stride) == 0);
  CHECK(cublasLtMatrixLayoutCreate(&l[1], p->format, DEPTH, p->rows, p->input_stride) == 0);
  CHECK(cublasLtMatrixLayoutCreate(&l[2], TL_BLAS_F32, COLUMNS, ROWS, STRIDE) == 0);
  CHECK(cublasLtMatrixLayoutCreate(&l[3], p->out_format, COLUMNS, ROWS, p->out_stride) == 0);
  CHECK(cublasLtMatrixLayoutCreate(&other, TL_BLAS_F32, COLUMNS, ROWS, STRIDE + 4) == 0);
  tl_blas_result r = search(p, matmul, l, &found);
  if (r == 0) {
    void *d = p->other_way ? other : l[3];
    r = cublasLtMatmul(handle, matmul, &alpha, p->at[WEIGHT], l[0], p->at[INPUT], l[1], &p->beta,
                       p->at[ADDED], l[2], p->at[OUT], d, &found.way, p->workspace,
                       p->workspace_given, stream);
  }
  CHECK(cublasLtMatmulDescDestroy(matmul) == 0 && cublasLtMatrixLayoutDestroy(other) == 0);
  for (int i = 0; i < 4; i++)
    CHECK(cublasLtMatrixLayoutDestroy(l[i]) == 0);
  return r;
}

static void test_products(void) {
  for (int format = 0; format <= TL_BLAS_BF16; format += TL_BLAS_BF16) {
    product p = good(format);
    fill(format);
    CHECK(multiply(&p) == 0);
    const float *out = host(pieces[OUT]);
    for (int r = 0; r < ROWS; r++) {
      for (int c = 0; c < STRIDE; c++) {
        double sum = element(OUT, r * STRIDE + c); // behind the columns nothing changes
        if (c < COLUMNS) sum = element(ADDED, r * STRIDE + c) + element(BIAS, c);
        for (int k = 0; c < COLUMNS && k < DEPTH; k++)
          sum += element(INPUT, r * 64 + k) * element(WEIGHT, c * 32 + k);
        CHECK(fabs(out[r * STRIDE + c] - sum) < 1e-5);
      }
    }
  }
}

static void refused(const product *p, tl_blas_result expected) {
  tl_blas_result found = multiply(p);
  if (found != expected) fprintf(stderr, "found %d, expected %d\n", found, expected);
  CHECK(found == expected);
}

#define REFUSED(result, change)                                                                    \
  do {                                                                                             \
    product p = good(TL_BLAS_BF16);                                                                \
    change;                                                                                        \
    refused(&p, result);                                                                           \
  } while (0)

static void test_refused(void) {
  CHECK(cublasLtDestroy(&handle) == INVALID);
  REFUSED(NOT_SUPPORTED, p.compute = 77); // TF32
  REFUSED(NOT_SUPPORTED, p.format = 2);   // f16
  REFUSED(NOT_SUPPORTED, p.out_format = TL_BLAS_BF16);
  REFUSED(NOT_SUPPORTED, p.weight_stride = 28);
  REFUSED(NOT_SUPPORTED, p.alignment = 2);
  REFUSED(NOT_SUPPORTED, p.workspace_found = 4096);
  REFUSED(INVALID, p.weight_stride = 16); // less than a row
  REFUSED(INVALID, p.depth = 16);
  REFUSED(INVALID, p.columns = 32);
  REFUSED(INVALID, p.rows = 4);
  REFUSED(INVALID, p.transpose = 0);
  REFUSED(INVALID, p.epilogue = 1); // with a bias
  REFUSED(INVALID, p.at[BIAS] = 0);
  REFUSED(INVALID, p.other_way = true);
  REFUSED(INVALID, p.workspace_given = 4096);
  REFUSED(INVALID, p.at[INPUT] += 16);
  REFUSED(INVALID, p.at[OUT] = p.at[INPUT]);
  REFUSED(INVALID, p.at[OUT] = p.at[ADDED] + 64);
  REFUSED(0, p.at[OUT] = p.at[ADDED]);
  REFUSED(INVALID, p.workspace = p.at[OUT]);
  REFUSED(EXECUTION_FAILED, p.workspace += 256);
  REFUSED(EXECUTION_FAILED, p.at[WEIGHT] += PIECE - 2048);
  REFUSED(EXECUTION_FAILED, p.at[BIAS] += PIECE - 64);
  REFUSED(EXECUTION_FAILED, p.at[OUT] = 4096);
  void *others = stream;
  stream = &others;
  REFUSED(EXECUTION_FAILED, (void)p);
  stream = others;
}

int main(void) {
  CHECK(cuInit(0) == 0 && cuStreamCreate(&stream, 1) == 0);
  for (int i = 0; i < PIECES; i++)
    CHECK(cuMemAlloc_v2(&pieces[i], i == OUT ? WORKSPACE : PIECE) == 0);
  CHECK(cuMemAlloc_v2(&workspace, WORKSPACE) == 0);
  product early = good(TL_BLAS_F32);
  refused(&early, 1); // there is no handle
  CHECK(cublasLtCreate(&handle) == 0);
  test_products();
  test_refused();
  CHECK(cublasLtDestroy(handle) == 0);
  CHECK(cublasLtDestroy(handle) != 0);
  return 0;
}
