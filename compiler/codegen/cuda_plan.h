// What a program becomes for CUDA targets: see drafts.h.
#ifndef TL_COMPILER_CODEGEN_CUDA_PLAN_H
#define TL_COMPILER_CODEGEN_CUDA_PLAN_H

#include "compiler/codegen/drafts.h"

// Templates are those of templates/cuda, a block's threads and shared memory what their head
// comments say. Read only; any thread.
extern const tl_draft_rules tl_cuda_rules;

// The class of row `target` of targets.def: what its GPUs can do.
uint32_t tl_cuda_class(int target);

#endif
