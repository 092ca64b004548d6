// The table of targets.
#include "runtime/base/target.h"

const tl_target_info *tl_target_of(int target) {
  static const tl_target_info infos[TL_TARGET_COUNT] = {
#define TARGET(name, text, device, rank, llvm_cpu, features, summary)                              \
  {text, TL_TARGET_DEVICE_##device, rank, llvm_cpu, features, summary},
#include "runtime/base/targets.def"
#undef TARGET
  };
  return &infos[target];
}

int tl_target_from_text(tl_str text) {
  int target = 0;
  while (target < TL_TARGET_COUNT && !tl_str_is(text, tl_target_of(target)->text))
    target++;
  return target;
}
