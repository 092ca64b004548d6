// A CUDA kernel's source as the code generator prints it, compiled for the CPU behind the stand-in
// and loaded into this program, which exports the stand-in's functions.
#ifndef TL_TESTS_LIB_CUDA_LOAD_H
#define TL_TESTS_LIB_CUDA_LOAD_H

#include "compiler/codegen/spec.h"
#include "tests/lib/cuda/shim.h"

// Where sources are compiled: paths from `root`, by `compiler`.
typedef struct tl_cuda_place {
  const char *root, *compiler;
} tl_cuda_place;

// Ends the program if the kernel cannot be compiled. `out_module` is for dlclose, which comes
// before the template is loaded again.
tl_shim_kernel tl_cuda_load(const tl_cuda_place *place, const tl_spec *spec, const char *template,
                            void **out_module);

#endif
