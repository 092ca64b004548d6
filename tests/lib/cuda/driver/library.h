// What the stand-in for a driver does for stand-ins of libraries that launch work by it.
#ifndef TL_TESTS_LIB_CUDA_DRIVER_LIBRARY_H
#define TL_TESTS_LIB_CUDA_DRIVER_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/device/cuda/driver.h"

// Work of a library; false = it failed.
typedef bool tl_stand_in_work(const void *context);

// True if one piece of device memory holds all of it.
bool tl_stand_in_holds(tl_cuda_address at, size_t bytes);

// True while what is launched on `stream` becomes a graph.
bool tl_stand_in_captures(const void *stream);

// Runs `work` now, or, if `stream` is being captured, in every run of the graph: with a copy of
// `context`. Kernels behind it in a graph may not begin before it has ended.
tl_cuda_result tl_stand_in_launch(void *stream, tl_stand_in_work *work, const void *context,
                                  size_t bytes);

#endif
