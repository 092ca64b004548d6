// From a program to a plan's tables for CPU targets: formats of buffers, memory, launches with
// their arguments, and the kernels to compile.
//
//   Requires: a fused program.  Ensures: launches of all CPU targets differ in their code only, so
//   weights, buffers and memory are shared.
#ifndef TL_COMPILER_CODEGEN_CPU_PLAN_H
#define TL_COMPILER_CODEGEN_CPU_PLAN_H

#include "compiler/codegen/cpu_module.h"
#include "compiler/codegen/plan_tables.h"

// What every target's program is made of: launches whose `kernel` is an index into `specs`.
typedef struct tl_cpu_plan {
  tl_spec **specs;
  tl_str *texts; // of the specs
  uint32_t *scratch_bytes;
  size_t specs_count, specs_capacity, texts_capacity, scratch_capacity;
  tl_plan_launch *launches; // args are in the builder already
  size_t launches_count, launches_capacity;
  uint64_t arena_bytes[TL_PLAN_SYMBOL_COUNT];
  uint32_t output; // row of the buffer table
} tl_cpu_plan;

// Adds weights, groups, states, buffers and arguments to `tables`. `kv_types` is a bit mask of
// tl_plan_kv_type. TL_UNSUPPORTED names what the target cannot do.
tl_status tl_cpu_plan_build(const tl_program *program, uint32_t kv_types, tl_plan_builder *tables,
                            tl_cpu_plan *out_plan, tl_diag *diag) TL_CHECKED;

#endif
