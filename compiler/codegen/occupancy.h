// How many of a kernel's blocks a multiprocessor holds at once. Limits as the CUDA programming
// guide's table of compute capabilities has them.
#ifndef TL_COMPILER_CODEGEN_OCCUPANCY_H
#define TL_COMPILER_CODEGEN_OCCUPANCY_H

#include "runtime/base/plan.h"

typedef struct tl_occupancy {
  int warps, warps_max; // of a multiprocessor; both 0 if that is not known, as of compute_XY
} tl_occupancy;

// For row `target` of targets.def.
tl_occupancy tl_occupancy_of(int target, const tl_plan_kernel *kernel);

#endif
