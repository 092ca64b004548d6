// Attention of decoders of 8 and of 1 billion weights.
#include "tests/gpu/attention_list.h"

#include <stdio.h>

#define HEAD_128 {128, 128, 8, 4, 0, 0, 0, true, true, 0, false}
#define HEAD_64 {64, 64, 8, 4, 0, 0, 0, true, true, 0, false}
#define FEW(stages, span) {TL_CUDA_ATTENTION_FEW, 128, 64, 16, 64, 1024, stages, span, 0, 0, 0, 0}
#define MANY(positions, wide)                                                                      \
  {TL_CUDA_ATTENTION_MANY, 128, 64, 16, 64, 1024, 0, 0, 2, positions, wide, 0}

const attention_bench attention_benches[] = {
    {"few 128, 3 stages", HEAD_128, FEW(3, 0)},     {"few 128, 2 stages", HEAD_128, FEW(2, 0)},
    {"few 128, spans of 4", HEAD_128, FEW(3, 4)},   {"few 64, 3 stages", HEAD_64, FEW(3, 0)},
    {"few 64, 5 stages", HEAD_64, FEW(5, 0)},       {"many 128, 32 of 64", HEAD_128, MANY(64, 32)},
    {"many 128, 64 of 64", HEAD_128, MANY(64, 64)}, {"many 128, 32 of 32", HEAD_128, MANY(32, 32)},
    {"many 64, 64 of 64", HEAD_64, MANY(64, 64)},
};
const int attention_benches_count = sizeof attention_benches / sizeof *attention_benches;

const attention_load attention_loads[] = {
    {1, 511, 1},   {1, 8191, 1},  {8, 511, 1}, {8, 8191, 1}, {32, 511, 1},
    {32, 4095, 1}, {1, 8000, 50}, {1, 0, 512}, {1, 0, 2048}, {1, 0, 8192},
};
const int attention_loads_count = sizeof attention_loads / sizeof *attention_loads;

void attention_file(bool is_trial, int index, char *out, size_t bytes) {
  snprintf(out, bytes, "attention_%s_%d.cubin", is_trial ? "trial" : "bench", index);
}
