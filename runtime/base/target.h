// The targets, decoded from targets.def. Read only; any thread.
#ifndef TL_BASE_TARGET_H
#define TL_BASE_TARGET_H

#include "runtime/base/str.h"

typedef enum tl_target_device {
  TL_TARGET_DEVICE_CPU,
  TL_TARGET_DEVICE_CUDA,
  TL_TARGET_DEVICE_COUNT
} tl_target_device;

typedef enum tl_target {
#define TARGET(name, ...) TL_TARGET_##name,
#include "runtime/base/targets.def"
#undef TARGET
  TL_TARGET_COUNT
} tl_target;

typedef struct tl_target_info {
  const char *text; // `cpu:x86-64-v3`, `cuda:sm_90a`
  tl_target_device device;
  int rank;
  const char *machine, *features;
  const char *summary;
} tl_target_info;

// `target` must be below TL_TARGET_COUNT.
const tl_target_info *tl_target_of(int target);

// TL_TARGET_COUNT if no target is called `text`.
int tl_target_from_text(tl_str text);

// Whether code for a CUDA target runs on a GPU of compute capability `major`.`minor`.
bool tl_target_runs_on(int target, int major, int minor);

// Whether this machine's processor has what a CPU target's code needs; false for other devices.
bool tl_target_runs_here(int target);

#endif
