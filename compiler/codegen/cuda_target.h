// The last step for CUDA targets: compiles the kernels of a plan for one architecture and adds its
// target, kernel, launch and program rows.
//
//   code   | module | source | 0 | module | source | 0 | ..     each module aligned to 64; sources
//                                                               only if they are kept
#ifndef TL_COMPILER_CODEGEN_CUDA_TARGET_H
#define TL_COMPILER_CODEGEN_CUDA_TARGET_H

#include "compiler/codegen/drafts.h"

enum { TL_CUDA_JOBS_MAX = 64 };

typedef struct tl_cuda_options {
  int target;      // row of targets.def
  int text_target; // the plan's target whose code is the text of this one's, -1 = none
  int jobs;        // processes that compile
  bool keeps_source;
} tl_cuda_options;

// The code is on the builder's arena and the same for any number of jobs. TL_UNSUPPORTED if there
// is no NVRTC, TL_INTERNAL if it complains.
tl_status tl_cuda_target_emit(const tl_drafts *drafts, const tl_cuda_options *options,
                              tl_plan_builder *builder, tl_str *out_code, tl_diag *diag) TL_CHECKED;

#endif
