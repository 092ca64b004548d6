// What attention's kernels are tried on: shapes with a variant each, and steps for all of them.
#include "tests/lib/cuda_attention.h"

// Rows of one sequence, of others, and these in pieces: steps whose common rows are the same.
const tl_cuda_attention_company tl_cuda_attention_steps[] = {
    {1, 5, {{0, 130, 70}}},
    {4, 40, {{1, 0, 1}, {0, 130, 33}, {2, 319, 2}, {3, 64, 1}}},
    {3, 7, {{0, 163, 37}, {2, 320, 1}, {4, 5, 3}}},
    {4, 64, {{2, 320, 1}, {0, 150, 1}, {5, 519, 1}, {1, 0, 17}}},
    {1, 3, {{0, 199, 1}}},
};
const int tl_cuda_attention_steps_count =
    sizeof tl_cuda_attention_steps / sizeof *tl_cuda_attention_steps;

#define PLAIN {TL_CUDA_ATTENTION_PLAIN, 256, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
#define FEW(threads, stages, span)                                                                 \
  {TL_CUDA_ATTENTION_FEW, threads, 64, 70, 0, 0, stages, span, 0, 0, 0, 0}
#define MANY(tiles, positions, wide)                                                               \
  {TL_CUDA_ATTENTION_MANY, 128, 64, 0, 0, 0, 0, 0, tiles, positions, wide, 0}
#define LATENT(threads, vectors, positions, stages, tiles, span)                                   \
  {TL_CUDA_ATTENTION_LATENT, threads, 64, 1 << 30, 0, 0, stages, span, tiles, positions, 0, vectors}

const tl_cuda_attention_trial tl_cuda_attention_trials[] = {
    {{48, 48, 1, 3, 0, 0, 0, true, true, 0, false}, PLAIN},
    {{64, 64, 2, 1, 70, 0, 0, false, false, 0, false}, PLAIN},
    {{64, 64, 2, 4, 0, 0, 0, true, true, 0, false}, FEW(128, 3, 1)},
    {{128, 128, 1, 3, 100, 0, 0, true, false, 0, false}, FEW(128, 2, 2)},
    {{96, 96, 2, 1, 0, 128, 0, true, false, 0, false}, FEW(128, 2, 1)},
    {{256, 256, 1, 7, 0, 0, 20, true, true, 0, false}, FEW(64, 2, 0)},
    {{80, 64, 1, 8, 0, 0, 0, true, false, 0, false}, FEW(128, 3, 0)},
    {{64, 64, 2, 4, 0, 0, 0, true, true, 0, false}, MANY(2, 64, 64)},
    {{128, 128, 1, 3, 100, 0, 9, true, false, 0, false}, MANY(2, 64, 32)},
    {{96, 96, 2, 1, 0, 128, 0, true, false, 0, false}, MANY(2, 64, 32)},
    {{256, 256, 1, 7, 0, 0, 20, true, true, 0, false}, MANY(1, 32, 32)},
    {{80, 64, 1, 8, 0, 0, 0, true, false, 0, false}, MANY(1, 32, 16)},
    {{20, 20, 1, 2, 0, 0, 0, true, true, 0, true}, PLAIN},
    {{64, 64, 1, 4, 0, 0, 0, true, true, 0, true}, FEW(128, 3, 0)},
    {{64, 64, 1, 4, 0, 0, 0, true, true, 0, true}, MANY(2, 64, 64)},
    {{28, 24, 1, 5, 0, 0, 0, false, false, 4, false}, PLAIN},
    {{320, 256, 1, 5, 0, 0, 0, true, true, 64, false}, LATENT(256, 64, 64, 2, 2, 0)},
    {{192, 128, 1, 20, 0, 0, 0, true, true, 64, false}, LATENT(128, 32, 16, 3, 1, 1)},
};
const int tl_cuda_attention_trials_count =
    sizeof tl_cuda_attention_trials / sizeof *tl_cuda_attention_trials;
