// What the program on a machine with a GPU does.
#ifndef TL_TESTS_GPU_RUN_H
#define TL_TESTS_GPU_RUN_H

#include "tests/gpu/device.h"

// Every check from number `first` on; returns how many are bad.
int gpu_check_all(gpu *g, int first);

// Times variants from number `first` on, each with a look at its results.
int gpu_bench_all(gpu *g, int first);

// Times layers: the four matmuls one after the other, as one graph.
int gpu_bench_layers(gpu *g, int first);

// What other figures are shares of, in lines of words that table.c reads: the card's name, how fast
// its memory is read and copied, and the fastest of our matmuls for many rows.
int gpu_measure_rates(gpu *g, int first);

// Attention: every trial, and times; from number `first` on.
int gpu_check_attention(gpu *g, int first);
int gpu_bench_attention(gpu *g, int first);

#endif
