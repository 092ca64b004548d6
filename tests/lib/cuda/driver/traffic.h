// What the stand-in for a driver offers beside a driver's functions: found by dlsym in the library
// that is loaded as libcuda.so.1.
#ifndef TL_TESTS_CUDA_DRIVER_TRAFFIC_H
#define TL_TESTS_CUDA_DRIVER_TRAFFIC_H

#include "tests/lib/cuda/shim.h"

// Counts what the kernels of the steps that follow load, from nothing on, or no more.
void tl_stand_in_count(bool counts);
tl_shim_traffic tl_stand_in_counted(void);

// Bytes that were copied to the host since the start.
uint64_t tl_stand_in_copied(void);

#endif
