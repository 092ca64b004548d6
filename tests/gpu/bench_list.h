// What is timed on a GPU: matmuls of a decoder's layer, each with many variants of its kernel. Read
// by the program that compiles them and by the one that runs them, so both agree on files.
#ifndef TL_TESTS_GPU_BENCH_LIST_H
#define TL_TESTS_GPU_BENCH_LIST_H

#include <stddef.h>

#include "tests/lib/cuda_cases.h"

enum { BENCH_OPS = 5, BENCH_LAYER_OPS = 4, BENCH_ROWS_MAX = 2048, BENCH_COUNTS_MAX = 3 };

typedef struct bench_op {
  const char *name;
  tl_cuda_case which;
  tl_cuda_sizes sizes;
  int columns; // K
  int outputs; // N, of all weights
} bench_op;

typedef struct bench_variant {
  tl_cuda_variant kernel;
  int counts[BENCH_COUNTS_MAX]; // rows of the step; 0: none
} bench_variant;

// The first BENCH_LAYER_OPS are a layer's, in their order.
extern const bench_op bench_ops[BENCH_OPS];

extern const bench_variant bench_variants[];
extern const int bench_variants_count;

// Whether a variant can make an op: wide boxes hold no rows of a list, as those of logits are.
bool bench_has(int variant, int op);

// A variant's numbers in few letters.
void bench_variant_name(const tl_cuda_variant *variant, char *out, size_t bytes);

// Files of code, without the folder.
void bench_file(int variant, int op, char *out, size_t bytes);
void bench_check_file(int check, int which, char *out, size_t bytes);

#endif
