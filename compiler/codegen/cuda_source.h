// A CUDA kernel's source: the constants of its spec as definitions, the template, and the generated
// epilogue. It includes by path, so that it compiles where those paths are found: NVRTC is given
// the embedded texts, a test on the CPU the files.
//
//   #define T_COLUMNS 576
//   #include "templates/cuda/matmul_few.cu"
//   TL_INLINE void tl_epilogue(..) { switch (segment) { case 0: tl_statement_store(..); .. } }
#ifndef TL_COMPILER_CODEGEN_CUDA_SOURCE_H
#define TL_COMPILER_CODEGEN_CUDA_SOURCE_H

#include "compiler/codegen/spec.h"

// `template` is the name of a file of templates/cuda without its ending. The text ends with a NUL;
// data is NULL if the arena is exhausted.
tl_str tl_cuda_source_print(const tl_spec *spec, const char *template, tl_arena *arena);

#endif
