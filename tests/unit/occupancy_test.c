// Blocks that a multiprocessor holds, each bound by another limit.
#include "compiler/codegen/occupancy.h"

#include "runtime/base/target.h"
#include "tests/lib/check.h"

static void check(int target, uint32_t threads, uint32_t registers, uint32_t shared, int warps) {
  tl_plan_kernel kernel = {.threads = threads, .registers = registers, .shared_bytes = shared};
  tl_occupancy found = tl_occupancy_of(target, &kernel);
  if (found.warps != warps) fprintf(stderr, "%d warps, not %d\n", found.warps, warps);
  CHECK(found.warps == warps);
}

int main(void) {
  check(TL_TARGET_CUDA_SM_90A, 512, 98, 59392, 16); // registers: 13 * 256 a warp
  check(TL_TARGET_CUDA_SM_90A, 256, 38, 209472, 8); // shared memory: one block
  check(TL_TARGET_CUDA_SM_80, 256, 32, 0, 64);      // all warps
  check(TL_TARGET_CUDA_SM_86, 256, 32, 0, 48);
  check(TL_TARGET_CUDA_SM_86, 32, 16, 0, 16);      // blocks
  check(TL_TARGET_CUDA_SM_120, 128, 64, 50176, 8); // 49 KiB and 1 more, twice in 100
  check(TL_TARGET_CUDA_SM_120, 128, 64, 50177, 4);
  check(TL_TARGET_CUDA_COMPUTE_80, 256, 0, 0, 0); // nobody knows
  return 0;
}
