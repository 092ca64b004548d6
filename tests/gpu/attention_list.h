// What of attention is timed on a GPU: read by the program that compiles and by the one that runs.
#ifndef TL_TESTS_GPU_ATTENTION_LIST_H
#define TL_TESTS_GPU_ATTENTION_LIST_H

#include "tests/lib/cuda_attention.h"

typedef struct attention_bench {
  const char *name;
  tl_cuda_attention_shape shape;
  tl_cuda_attention_variant variant;
} attention_bench;

// `sequences` of `rows` rows each, the first at `context`.
typedef struct attention_load {
  int sequences, context, rows;
} attention_load;

extern const attention_bench attention_benches[];
extern const int attention_benches_count;
extern const attention_load attention_loads[];
extern const int attention_loads_count;

// Files of code, without the folder; of trials and of benches.
void attention_file(bool is_trial, int index, char *out, size_t bytes);

#endif
