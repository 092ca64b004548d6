// The last step for CPU targets: compiles the kernels of a plan for each target and adds its
// target, kernel, launch and program rows.
#ifndef TL_COMPILER_CODEGEN_CPU_TARGET_H
#define TL_COMPILER_CODEGEN_CPU_TARGET_H

#include "compiler/codegen/drafts.h"
#include "compiler/codegen/image.h"

enum { TL_CPU_JOBS_MAX = 64 };

// For row `target` of targets.def; `jobs` threads compile. The image is on the builder's arena and
// the same for any number of jobs. TL_INTERNAL if LLVM complains.
tl_status tl_cpu_target_emit(const tl_drafts *plan, int target, int jobs, tl_plan_builder *builder,
                             tl_image *out_image, tl_diag *diag) TL_CHECKED;

#endif
