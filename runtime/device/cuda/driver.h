// NVIDIA's driver as a library, loaded when a plan is opened on a GPU: the runtime runs without it
// elsewhere. The functions are the driver API's, by their own names and with its meaning; handles
// are pointers, addresses on the device are numbers.
#ifndef TL_DEVICE_CUDA_DRIVER_H
#define TL_DEVICE_CUDA_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/diag.h"

typedef uint64_t tl_cuda_address;

// What the functions give back; 0 is success.
typedef int tl_cuda_result;

enum {
  TL_CUDA_OUT_OF_MEMORY = 2,
  // of a device
  TL_CUDA_MULTIPROCESSORS = 16,
  TL_CUDA_SHARED_BYTES_ALL = 81, // of a multiprocessor
  TL_CUDA_CAPABILITY_MAJOR = 75,
  TL_CUDA_CAPABILITY_MINOR = 76,
  TL_CUDA_SHARED_BYTES_MAX = 97, // of a block that asks for them
  // of a function
  TL_CUDA_DYNAMIC_SHARED_BYTES = 8,
  TL_CUDA_SHARED_PERCENT = 9, // of a multiprocessor's memory, the rest is cache
  // of a launch
  TL_CUDA_OVERLAPS = 6, // begins before the launch before it has ended; its kernel waits
  // of a tensor map
  TL_CUDA_MAP_BF16 = 9,
  TL_CUDA_MAP_PLAIN = 0,       // no interleaving, zeros outside of the matrix
  TL_CUDA_MAP_SWIZZLE_128 = 3, // lines of 128 bytes
  TL_CUDA_MAP_PROMOTE_256 = 3, // what is read of memory at once
  // of a capture
  TL_CUDA_CAPTURE_THREAD_LOCAL = 1
};

// Where kernels find a matrix that they load by boxes: in the GPU's memory too, aligned as here.
typedef struct tl_cuda_map {
  _Alignas(64) unsigned char bytes[128];
} tl_cuda_map;

typedef struct tl_cuda_launch_attribute {
  int id;
  int reserved;
  union {
    int value;
    char bytes[64];
  };
} tl_cuda_launch_attribute;

typedef struct tl_cuda_launch {
  unsigned grid[3], block[3];
  unsigned shared_bytes;
  void *stream;
  tl_cuda_launch_attribute *attributes;
  unsigned attributes_count;
} tl_cuda_launch;

// X(field, symbol, parameters)
#define TL_CUDA_FUNCTION_MAP(X)                                                                    \
  X(init, cuInit, (unsigned flags))                                                                \
  X(version, cuDriverGetVersion, (int *out))                                                       \
  X(error_name, cuGetErrorName, (tl_cuda_result result, const char **out))                         \
  X(device_count, cuDeviceGetCount, (int *out))                                                    \
  X(device_get, cuDeviceGet, (int *out, int ordinal))                                              \
  X(device_name, cuDeviceGetName, (char *out, int bytes, int device))                              \
  X(device_attribute, cuDeviceGetAttribute, (int *out, int attribute, int device))                 \
  X(context_retain, cuDevicePrimaryCtxRetain, (void **out, int device))                            \
  X(context_release, cuDevicePrimaryCtxRelease_v2, (int device))                                   \
  X(context_push, cuCtxPushCurrent_v2, (void *context))                                            \
  X(context_pop, cuCtxPopCurrent_v2, (void **out))                                                 \
  X(memory_info, cuMemGetInfo_v2, (size_t *out_free, size_t *out_total))                           \
  X(memory_take, cuMemAlloc_v2, (tl_cuda_address * out, size_t bytes))                             \
  X(memory_release, cuMemFree_v2, (tl_cuda_address at))                                            \
  X(host_take, cuMemHostAlloc, (void **out, size_t bytes, unsigned flags))                         \
  X(host_release, cuMemFreeHost, (void *at))                                                       \
  X(copy_in, cuMemcpyHtoDAsync_v2,                                                                 \
    (tl_cuda_address to, const void *from, size_t bytes, void *stream))                            \
  X(copy_out, cuMemcpyDtoHAsync_v2, (void *to, tl_cuda_address from, size_t bytes, void *stream))  \
  X(copy_inside, cuMemcpyDtoDAsync_v2,                                                             \
    (tl_cuda_address to, tl_cuda_address from, size_t bytes, void *stream))                        \
  X(fill, cuMemsetD8Async, (tl_cuda_address at, unsigned char value, size_t bytes, void *stream))  \
  X(stream_create, cuStreamCreate, (void **out, unsigned flags))                                   \
  X(stream_destroy, cuStreamDestroy_v2, (void *stream))                                            \
  X(stream_wait, cuStreamSynchronize, (void *stream))                                              \
  X(event_create, cuEventCreate, (void **out, unsigned flags))                                     \
  X(event_destroy, cuEventDestroy_v2, (void *event))                                               \
  X(event_record, cuEventRecord, (void *event, void *stream))                                      \
  X(event_wait, cuEventSynchronize, (void *event))                                                 \
  X(event_elapsed, cuEventElapsedTime, (float *out_ms, void *begin, void *end))                    \
  X(capture_begin, cuStreamBeginCapture_v2, (void *stream, int mode))                              \
  X(capture_end, cuStreamEndCapture, (void *stream, void **out_graph))                             \
  X(graph_make, cuGraphInstantiateWithFlags, (void **out, void *graph, unsigned long long flags))  \
  X(graph_launch, cuGraphLaunch, (void *graph, void *stream))                                      \
  X(graph_destroy, cuGraphDestroy, (void *graph))                                                  \
  X(graph_end, cuGraphExecDestroy, (void *graph))                                                  \
  X(module_load, cuModuleLoadData, (void **out, const void *image))                                \
  X(module_unload, cuModuleUnload, (void *module))                                                 \
  X(module_function, cuModuleGetFunction, (void **out, void *module, const char *name))            \
  X(function_set, cuFuncSetAttribute, (void *function, int attribute, int value))                  \
  X(map_make, cuTensorMapEncodeTiled,                                                              \
    (tl_cuda_map * out, int format, uint32_t rank, tl_cuda_address at, const uint64_t *counts,     \
     const uint64_t *strides, const uint32_t *box, const uint32_t *steps, int interleave,          \
     int swizzle, int promotion, int fill))                                                        \
  X(launch, cuLaunchKernelEx,                                                                      \
    (const tl_cuda_launch *launch, void *function, void **parameters, void **extra))

typedef struct tl_cuda_driver {
  void *library;
// NOLINTNEXTLINE(bugprone-macro-parentheses)
#define X(field, symbol, parameters) tl_cuda_result(*field) parameters;
  TL_CUDA_FUNCTION_MAP(X)
#undef X
} tl_cuda_driver;

// Loads and starts libcuda.so.1. TL_UNSUPPORTED in one sentence if there is none, if it is too old
// or if it finds no GPU. Any thread.
tl_status tl_cuda_driver_open(tl_cuda_driver *out_driver, tl_diag *diag) TL_CHECKED;

// Accepts a zeroed driver.
void tl_cuda_driver_close(tl_cuda_driver *driver);

// TL_OK, or TL_IO (TL_MEMORY for want of it) with what was tried and the driver's name for what
// went wrong.
tl_status tl_cuda_check(const tl_cuda_driver *driver, tl_cuda_result result, const char *what,
                        tl_diag *diag);

#endif
