// What a program becomes for CUDA targets: see drafts.h.
#ifndef TL_COMPILER_CODEGEN_CUDA_PLAN_H
#define TL_COMPILER_CODEGEN_CUDA_PLAN_H

#include "compiler/codegen/drafts.h"

// All GPUs have the same launches. Templates are those of templates/cuda, a block's threads and
// shared memory what their head comments say. Read only; any thread.
extern const tl_draft_rules tl_cuda_rules;

#endif
