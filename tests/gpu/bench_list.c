// Shapes and variants.
#include "tests/gpu/bench_list.h"

#include <stdio.h>
#include <string.h>

#define LAYER(inner_columns)                                                                       \
  {.hidden = 4096,                                                                                 \
   .inner = (inner_columns),                                                                       \
   .heads = 32,                                                                                    \
   .kv_heads = 8,                                                                                  \
   .head = 128,                                                                                    \
   .vocabulary = 128256,                                                                           \
   .is_bf16 = true,                                                                                \
   .no_bias = true}

const bench_op bench_ops[BENCH_OPS] = {
    {"qkv", TL_CUDA_QKV, LAYER(14336), 4096, 6144},
    {"o", TL_CUDA_DOWN, LAYER(4096), 4096, 4096},
    {"gate_up", TL_CUDA_GLU, LAYER(14336), 4096, 2 * 14336},
    {"down", TL_CUDA_DOWN, LAYER(14336), 14336, 4096},
    {"logits", TL_CUDA_LOGITS, LAYER(14336), 4096, 128256},
};

// rows of a block, warps, blocks, stages, cluster, steps ahead
#define FEW(rows_, warps_, blocks_, stages_, cluster_, ahead_, ...)                                \
  {                                                                                                \
    {.template = "matmul_few",                                                                     \
     .rows = (rows_),                                                                              \
     .warps = (warps_),                                                                            \
     .blocks = (blocks_),                                                                          \
     .stages = (stages_),                                                                          \
     .cluster = (cluster_),                                                                        \
     .ahead = (ahead_)},                                                                           \
    {                                                                                              \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }
#define MANY(width_, rows_, warps_, blocks_, stages_, ...)                                         \
  {                                                                                                \
    {.template = "matmul_many",                                                                    \
     .width = (width_),                                                                            \
     .rows = (rows_),                                                                              \
     .warps = (warps_),                                                                            \
     .blocks = (blocks_),                                                                          \
     .stages = (stages_)},                                                                         \
    {                                                                                              \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }

#define WIDE(width_, rows_, warps_, blocks_, stages_, cluster_, ...)                               \
  {                                                                                                \
    {.template = "matmul_wide",                                                                    \
     .width = (width_),                                                                            \
     .rows = (rows_),                                                                              \
     .warps = (warps_),                                                                            \
     .blocks = (blocks_),                                                                          \
     .stages = (stages_),                                                                          \
     .cluster = (cluster_)},                                                                       \
    {                                                                                              \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }

const bench_variant bench_variants[] = {
    FEW(8, 16, 1, 3, 2, 8, 1, 8),
    FEW(16, 8, 2, 3, 4, 8, 16),
    FEW(32, 8, 2, 3, 4, 4, 32),
    WIDE(64, 16, 4, 1, 20, 2, 16),
    WIDE(64, 32, 4, 1, 17, 2, 32),
    WIDE(64, 32, 4, 2, 5, 1, 32),
    WIDE(128, 32, 8, 1, 10, 2, 32),
    WIDE(64, 64, 4, 1, 12, 2, 64),
    WIDE(128, 64, 8, 1, 9, 1, 64),
    WIDE(128, 128, 8, 1, 6, 1, 128, 512),
    WIDE(256, 128, 8, 1, 4, 1, 512, 2048),
    MANY(128, 128, 8, 2, 3, 512, 2048),
};
const int bench_variants_count = sizeof bench_variants / sizeof *bench_variants;

bool bench_has(int variant, int op) {
  bool is_wide = strcmp(bench_variants[variant].kernel.template, "matmul_wide") == 0;
  return !is_wide || bench_ops[op].which != TL_CUDA_LOGITS;
}

void bench_variant_name(const tl_cuda_variant *variant, char *out, size_t bytes) {
  const tl_cuda_variant *v = variant;
  snprintf(out, bytes, "%s r%d n%d w%d b%d s%d c%d a%d", v->template + strlen("matmul_"), v->rows,
           v->width, v->warps, v->blocks, v->stages, v->cluster, v->ahead);
}

void bench_file(int variant, int op, char *out, size_t bytes) {
  snprintf(out, bytes, "bench_%d_%s.cubin", variant, bench_ops[op].name);
}

void bench_check_file(int check, int which, char *out, size_t bytes) {
  snprintf(out, bytes, "check_%d_%d.cubin", check, which);
}
