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

bool tl_target_runs_here(int target) {
#if defined(__x86_64__)
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
            __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi2");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512cd");
  switch (target) {
  case TL_TARGET_CPU_V3: return v3;
  case TL_TARGET_CPU_V4: return v4;
  case TL_TARGET_CPU_V4_BF16:
    return v4 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
  default: return false;
  }
#else
  (void)target;
  return false;
#endif
}
