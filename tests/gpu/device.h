// A GPU for tests: whatever goes wrong is told and ends the process, since a kernel's fault spoils
// everything after it; `resume` then begins again behind what was at fault.
#ifndef TL_TESTS_GPU_DEVICE_H
#define TL_TESTS_GPU_DEVICE_H

#include "runtime/device/cuda/driver.h"
#include "templates/cuda/types.cuh"

typedef struct gpu {
  tl_cuda_driver driver;
  void *stream;
  const char *folder; // of the kernels' files
  char name[128];
  int multiprocessors;
  const char *mode;
  int current;   // what is run now, told by the caller
  bool overlaps; // launches begin before the one before has ended
} gpu;

typedef struct gpu_kernel {
  void *module, *function;
  unsigned threads, shared_bytes;
} gpu_kernel;

// Opens the first GPU and says its name.
void gpu_open(gpu *g, const char *folder, const char *mode);

// After a failure the process is started again as `<program> folder mode <current + 1>`.
void gpu_need(const gpu *g, tl_cuda_result result, const char *what);

tl_cuda_address gpu_take(const gpu *g, size_t bytes);
void gpu_put(const gpu *g, tl_cuda_address to, const void *from, size_t bytes);

// A matrix of bf16 (rows, columns) for kernels that load boxes of 64 columns and some rows.
typedef struct gpu_matrix {
  tl_cuda_address at;
  size_t columns, rows, row_bytes, box_rows;
} gpu_matrix;
tl_cuda_map gpu_map(const gpu *g, const gpu_matrix *matrix);

void gpu_get(const gpu *g, void *to, tl_cuda_address from, size_t bytes);
void gpu_wait(const gpu *g, const char *what);

// False if there is no such file.
bool gpu_load(const gpu *g, const char *file, int threads, int64_t shared_bytes,
              gpu_kernel *out_kernel);
void gpu_unload(const gpu *g, const gpu_kernel *kernel);

void gpu_launch(const gpu *g, const gpu_kernel *kernel, int blocks, const tl_arguments *arguments,
                tl_cuda_address step);

#endif
