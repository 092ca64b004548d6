// The table of targets.
#include "runtime/base/target.h"

#if defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

const tl_target_info *tl_target_of(int target) {
  static const tl_target_info infos[TL_TARGET_COUNT] = {
#define TARGET(name, text, device, rank, machine, features, summary)                               \
  {text, TL_TARGET_DEVICE_##device, rank, machine, features, summary},
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

#if defined(__x86_64__)
// Linux gives the tile registers to processes that ask for them; asking again is harmless.
static bool has_tiles(void) {
  enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 }; // of arch_prctl
  return __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") &&
         syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}
#endif

bool tl_target_runs_here(int target) {
#if defined(__x86_64__)
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
            __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi2");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512cd");
  bool bf16 = v4 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
  switch (target) {
  case TL_TARGET_CPU_V3: return v3;
  case TL_TARGET_CPU_V4: return v4;
  case TL_TARGET_CPU_V4_BF16: return bf16;
  case TL_TARGET_CPU_V4_AMX: return bf16 && has_tiles();
  default: return false;
  }
#else
  (void)target;
  return false;
#endif
}

// `sm_90a`: the number after the underscore, tens and ones.
static int number_in(const char *machine) {
  int number = 0;
  for (const char *c = machine; *c && *c != 'a'; c++)
    number = *c >= '0' && *c <= '9' ? number * 10 + *c - '0' : 0;
  return number;
}

bool tl_target_runs_on(int target, int major, int minor) {
  const tl_target_info *info = tl_target_of(target);
  tl_str machine = tl_str_from(info->machine);
  int own = number_in(info->machine), other = major * 10 + minor;
  if (info->device != TL_TARGET_DEVICE_CUDA) return false;
  if (tl_str_starts_with(machine, TL_STR("compute_"))) return other >= own;
  if (tl_str_ends_with(machine, TL_STR("a"))) return other == own;
  return other / 10 == own / 10 && other >= own;
}
