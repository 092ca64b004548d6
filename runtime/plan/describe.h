// What a plan is, for `info`: a page of text with the programs line by line, or JSON for scripts.
//
//   program @step : cpu:x86-64-v3, 153 launches {
//     launches at T = 1 with kv bf16: layers 0-29: 5 each, outside of layers: 3
//     launch @l0.attention : kv bf16, layer 0, grid A: 3 * ceil(A / 1)
//       code 4096 attention T_KEY=64 ..
//       args buffer %l0.q, buffer %l0.o, state %l0.kv, page_bytes %l0.kv, group 0, int 64
//       kernel @l0.attention : attention %l0.q { .. }
//
// JSON has the members file, meta (the meta section), model, targets, sections, memory, programs.
#ifndef TL_PLAN_DESCRIBE_H
#define TL_PLAN_DESCRIBE_H

#include "runtime/base/arena.h"
#include "runtime/plan/plan.h"

enum { TL_PLAN_DESCRIBE_ROWS = 512 }; // T of the activations that are told

// Both write the description of `plan` to `arena`; it ends with a line end. A plan without header
// (tables alone, name set) has no sections. TL_MEMORY if the arena is full. Any thread.
tl_status tl_plan_describe_text(const tl_plan *plan, tl_arena *arena, tl_str *out_text) TL_CHECKED;
tl_status tl_plan_describe_json(const tl_plan *plan, tl_arena *arena, tl_str *out_text) TL_CHECKED;

// Layers that follow each other and have equally many launches.
typedef struct tl_plan_layers {
  uint32_t first, last; // both included
  uint32_t launches_count;
} tl_plan_layers;

// The layers at launch `*at` of `program` (0 at first), counting the launches that run for one row
// with `kv_type`; moves `*at` behind them. False at the end.
bool tl_plan_next_layers(const tl_plan_tables *tables, const tl_plan_program *program,
                         tl_plan_kv_type kv_type, uint32_t *at, tl_plan_layers *out_layers);

// Launches for one row with `kv_type` that belong to no layer.
uint32_t tl_plan_outside_launches(const tl_plan_tables *tables, const tl_plan_program *program,
                                  tl_plan_kv_type kv_type);

// Bytes of all arenas of `program` for one step of `rows` rows of one sequence, one of them wanted.
uint64_t tl_plan_activation_bytes(const tl_plan_program *program, uint64_t rows);

// Bytes of all groups' pages per position.
uint64_t tl_plan_kv_bytes(const tl_plan_tables *tables, tl_plan_kv_type kv_type);

// Bytes of weights, gaps between them included.
uint64_t tl_plan_weights_bytes(const tl_plan_tables *tables);

#endif
