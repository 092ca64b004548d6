// The CUDA templates' texts, embedded when tlmc is built: every file of templates/cuda and what
// they include, by the path that they include it by. Read only; any thread.
#ifndef TL_COMPILER_CODEGEN_CUDA_TEXTS_H
#define TL_COMPILER_CODEGEN_CUDA_TEXTS_H

#include <stddef.h>

typedef struct tl_cuda_text {
  const char *path; // from the root of the sources
  const char *text; // ends with a NUL
} tl_cuda_text;

const tl_cuda_text *tl_cuda_texts(size_t *out_count);

#endif
