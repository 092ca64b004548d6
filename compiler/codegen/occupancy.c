// Implementation of occupancy.h.
#include "compiler/codegen/occupancy.h"

#include <string.h>

#include "runtime/base/target.h"

enum {
  LANES = 32,
  REGISTERS = 65536,        // of a multiprocessor
  REGISTERS_UNIT = 256,     // that a warp gets a multiple of
  BLOCK_SHARED_BYTES = 1024 // that every block takes beside its own
};

typedef struct limits {
  const char *machine;
  int warps, blocks, shared_kib;
} limits;

static const limits machines[] = {
    {"sm_80", 64, 32, 164},  {"sm_86", 48, 16, 100},  {"sm_87", 48, 16, 164},
    {"sm_89", 48, 24, 100},  {"sm_90", 64, 32, 228},  {"sm_90a", 64, 32, 228},
    {"sm_100", 64, 32, 228}, {"sm_103", 64, 32, 228}, {"sm_110", 48, 24, 228},
    {"sm_120", 48, 24, 100}, {"sm_121", 48, 24, 100},
};

static int least(int a, int b) {
  return a < b ? a : b;
}

tl_occupancy tl_occupancy_of(int target, const tl_plan_kernel *kernel) {
  const limits *m = NULL;
  for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
    if (strcmp(machines[i].machine, tl_target_of(target)->machine) == 0) m = &machines[i];
  }
  if (!m || kernel->threads == 0) return (tl_occupancy){0};
  int warps = (int)(kernel->threads + LANES - 1) / LANES;
  int registers = (int)kernel->registers * LANES;
  registers = (registers + REGISTERS_UNIT - 1) / REGISTERS_UNIT * REGISTERS_UNIT;
  int blocks = least(m->blocks, m->warps / warps);
  blocks = least(blocks, m->shared_kib * 1024 / ((int)kernel->shared_bytes + BLOCK_SHARED_BYTES));
  if (registers > 0) blocks = least(blocks, REGISTERS / registers / warps);
  return (tl_occupancy){blocks * warps, m->warps};
}
