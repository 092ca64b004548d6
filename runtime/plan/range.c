// Implementation of range.h.
#include "runtime/plan/range.h"

static bool is_weight(const tl_plan_arg *arg) {
  return arg->kind == TL_PLAN_ARG_WEIGHT || arg->kind == TL_PLAN_ARG_WEIGHT_MAP;
}

tl_plan_range tl_plan_target_weights(const tl_plan_tables *tables, uint32_t target) {
  uint64_t begin = UINT64_MAX, end = 0;
  for (uint32_t i = 0; i < tables->launchs_count; i++) {
    const tl_plan_launch *launch = &tables->launchs[i];
    if (tables->kernels[launch->kernel].target != target) continue;
    for (uint32_t a = 0; a < launch->args_count; a++) {
      const tl_plan_arg *arg = &tables->args[launch->first_arg + a];
      if (!is_weight(arg)) continue;
      const tl_plan_weight *weight = &tables->weights[arg->index];
      if (weight->offset < begin) begin = weight->offset;
      if (weight->offset + weight->bytes > end) end = weight->offset + weight->bytes;
    }
  }
  if (begin > end) return (tl_plan_range){0, 0};
  begin -= begin % TL_PLAN_PAGE_BYTES;
  return (tl_plan_range){begin, end - begin};
}
