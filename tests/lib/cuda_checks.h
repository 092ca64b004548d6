// Every kernel case on made-up data, compared with plain double arithmetic: rows in several blocks,
// pages that are not in order, sizes that are no multiples of anything. Where kernels run is the
// caller's: the stand-in or a GPU.
#ifndef TL_TESTS_LIB_CUDA_CHECKS_H
#define TL_TESTS_LIB_CUDA_CHECKS_H

#include <stddef.h>

#include "templates/cuda/types.cuh"
#include "tests/lib/cuda_cases.h"

enum { TL_CUDA_READ = 1, TL_CUDA_WRITE = 2, TL_CUDA_EARLIER = 4 }; // as the stand-in's
enum { TL_CUDA_RANGES_MAX = 24, TL_CUDA_MAPS_MAX = 4 };

// Memory that a kernel uses.
typedef struct tl_cuda_range {
  void *at;
  size_t bytes;
  int flags;
  const char *name;
} tl_cuda_range;

// A matrix of bf16 in a range, for kernels that load it by boxes of 64 columns.
typedef struct tl_cuda_boxes {
  int argument; // which wants the address of the map
  void *at;     // the range
  int64_t columns, rows, row_bytes, box_rows;
} tl_cuda_boxes;

typedef struct tl_cuda_trial {
  const char *name; // of the sizes
  const tl_cuda_sizes *sizes;
  int rows; // of the step
  tl_cuda_variant variant;
} tl_cuda_trial;

typedef struct tl_cuda_run {
  const tl_cuda_trial *trial;
  tl_cuda_case which;
  const tl_cuda_kernel *kernel;
  tl_arguments arguments;
  unsigned pointers; // bit i: arguments.at[i] is the begin of a range
  const void *step;  // in a range too
  tl_cuda_range ranges[TL_CUDA_RANGES_MAX];
  int ranges_count;
  tl_cuda_boxes maps[TL_CUDA_MAPS_MAX];
  int maps_count;
  int blocks;
} tl_cuda_run;

typedef struct tl_cuda_launcher {
  bool (*launch)(void *context, const tl_cuda_run *run); // false ends the program
  void *context;
} tl_cuda_launcher;

extern const tl_cuda_trial tl_cuda_trials[];
extern const int tl_cuda_trials_count;

// Whether the check runs this case: what has no variants is run once for its sizes, and not every
// template can make every matmul.
bool tl_cuda_trial_has(const tl_cuda_trial *trial, tl_cuda_case which);

// Returns how many values are wrong; the first of them are printed. Not reentrant.
int tl_cuda_trial_run(const tl_cuda_trial *trial, const tl_cuda_launcher *launcher);

#endif
