// How a compiled kernel is called. Shared by the templates, the code generator and the devices.
//
// A CPU kernel works on items [begin, end) of its grid; which thread gets which items never changes
// a result. Arguments are resolved when a plan is opened and then stay as they are. `scratch` is
// the calling thread's own memory, at least as large as the kernel's row of the plan says, aligned
// to 64. Kernels call nothing, keep no state and never fail.
#ifndef TL_BASE_KERNEL_H
#define TL_BASE_KERNEL_H

#include "runtime/base/step.h"

// A kernel of a GPU gets its arguments by value, so many at most.
enum { TL_CUDA_ARGUMENTS_MAX = 48 };

typedef union tl_arg {
  const void *in; // a weight or a buffer
  void *out;      // a buffer or a state
  int64_t i;
} tl_arg;

typedef void tl_cpu_kernel(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                           int64_t end);

#endif
