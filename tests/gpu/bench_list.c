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

// columns of a tile, rows of a block, warps, blocks, stages, cluster; (counts); more, by name
#define COUNTS(...) {__VA_ARGS__}
#define WIDE(width_, rows_, warps_, blocks_, stages_, cluster_, counts_, ...)                      \
  {{.template = "matmul_wide",                                                                     \
    .width = (width_),                                                                             \
    .rows = (rows_),                                                                               \
    .warps = (warps_),                                                                             \
    .blocks = (blocks_),                                                                           \
    .stages = (stages_),                                                                           \
    .cluster = (cluster_),                                                                         \
    __VA_ARGS__},                                                                                  \
   COUNTS counts_}
#define STAYS .stays = true
#define HINTS .hints = true
#define KNOWN .known = true

const bench_variant bench_variants[] = {
    FEW(8, 16, 1, 3, 2, 8, 1, 8),
    FEW(16, 8, 2, 3, 4, 8, 16),

    WIDE(64, 8, 4, 1, 22, 2, (1, 8), STAYS),
    WIDE(64, 8, 4, 1, 22, 2, (1, 8), STAYS, HINTS, KNOWN),
    WIDE(64, 8, 4, 2, 11, 2, (1, 8), STAYS, HINTS, KNOWN),
    WIDE(64, 8, 4, 1, 22, 1, (1, 8), STAYS, HINTS, KNOWN),

    WIDE(64, 16, 4, 1, 20, 2, (16), STAYS, HINTS),
    WIDE(64, 16, 4, 1, 20, 2, (16), STAYS, HINTS, KNOWN),
    WIDE(64, 16, 4, 1, 10, 2, (16), STAYS, HINTS, KNOWN, .lines = 2),
    WIDE(64, 16, 4, 2, 10, 2, (16), STAYS, HINTS, KNOWN),
    WIDE(64, 16, 4, 1, 20, 1, (16), STAYS, HINTS, KNOWN),
    WIDE(128, 16, 8, 1, 11, 2, (16), STAYS, HINTS, KNOWN),
    WIDE(256, 16, 8, 1, 6, 1, (16), HINTS, KNOWN),

    WIDE(64, 32, 4, 1, 17, 2, (32), .stays = false),
    WIDE(64, 32, 4, 1, 17, 2, (32), STAYS),
    WIDE(64, 32, 4, 1, 17, 2, (32), STAYS, HINTS),
    WIDE(64, 32, 4, 1, 17, 2, (32), STAYS, KNOWN),
    WIDE(64, 32, 4, 1, 8, 2, (32), STAYS, HINTS, KNOWN, .lines = 2),
    WIDE(64, 32, 4, 2, 8, 2, (32), STAYS, HINTS, KNOWN),
    WIDE(64, 32, 4, 2, 4, 2, (32), STAYS, HINTS, KNOWN, .lines = 2),
    WIDE(64, 32, 4, 1, 17, 1, (32), STAYS, HINTS, KNOWN),
    WIDE(128, 32, 8, 1, 10, 2, (32), STAYS, HINTS, KNOWN),
    WIDE(128, 32, 8, 1, 10, 1, (32), STAYS, HINTS, KNOWN),
    WIDE(256, 32, 8, 1, 6, 1, (32), HINTS, KNOWN),
    WIDE(64, 32, 4, 2, 5, 1, (32), HINTS, KNOWN),

    WIDE(64, 64, 4, 1, 12, 2, (64), STAYS, HINTS, KNOWN),
    WIDE(64, 64, 4, 1, 6, 2, (64), STAYS, HINTS, KNOWN, .lines = 2),
    WIDE(64, 64, 4, 1, 12, 1, (64), STAYS, HINTS, KNOWN),
    WIDE(128, 64, 8, 1, 9, 1, (64), STAYS),
    WIDE(128, 64, 8, 1, 9, 1, (64), STAYS, HINTS, KNOWN),
    WIDE(128, 64, 8, 1, 8, 2, (64), STAYS, HINTS, KNOWN),
    WIDE(256, 64, 8, 1, 5, 1, (64), HINTS, KNOWN),

    WIDE(128, 128, 8, 1, 6, 1, (512), .stays = false),
    WIDE(128, 128, 8, 1, 6, 1, (512), STAYS, .tile = 32),
    WIDE(128, 256, 8, 1, 4, 1, (2048), STAYS, .tile = 64),
    WIDE(256, 128, 8, 1, 4, 1, (512, 2048), .stays = false),
    WIDE(256, 128, 8, 1, 4, 1, (2048), .tile = 32),
    WIDE(256, 128, 8, 1, 4, 1, (512, 2048), STAYS, .tile = 32),
    WIDE(256, 128, 8, 1, 3, 1, (2048), STAYS, .tile = 64),
};
const int bench_variants_count = sizeof bench_variants / sizeof *bench_variants;

bool bench_has(int variant, int op) {
  bool is_wide = strcmp(bench_variants[variant].kernel.template, "matmul_wide") == 0;
  return !is_wide || bench_ops[op].which != TL_CUDA_LOGITS;
}

void bench_variant_name(const tl_cuda_variant *variant, char *out, size_t bytes) {
  const tl_cuda_variant *v = variant;
  const char *name = v->template + strlen("matmul_");
  if (strcmp(name, "wide") == 0) {
    snprintf(out, bytes, "%s r%d n%d w%d b%d s%d c%d l%d t%d%s%s%s", name, v->rows, v->width,
             v->warps, v->blocks, v->stages, v->cluster, v->lines, v->tile, v->stays ? " S" : "",
             v->hints ? " H" : "", v->known ? " K" : "");
  } else {
    snprintf(out, bytes, "%s r%d n%d w%d b%d s%d c%d a%d", name, v->rows, v->width, v->warps,
             v->blocks, v->stages, v->cluster, v->ahead);
  }
}

void bench_file(int variant, int op, char *out, size_t bytes) {
  snprintf(out, bytes, "bench_%d_%s.cubin", variant, bench_ops[op].name);
}

void bench_check_file(int check, int which, char *out, size_t bytes) {
  snprintf(out, bytes, "check_%d_%d.cubin", check, which);
}
