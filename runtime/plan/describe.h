// What a plan is, for `info`: a page of text with the programs line by line, or JSON for scripts.
//
//   model : generate {outputs=512, vocabulary=512, context=2048, types=0}
//   kv types : f32, bf16; bf16 by default
//   target cpu:x86-64-v3 {code=65636, text=64, scratch=4096}
//   weight %l0.up : bf16[4,1000,256] panel64 {at=1048576, stride=32768}
//   group 0 : full {span=0, f32=65536, bf16=32768}         bytes of a page
//   state %l0.kv : group 0 {heads=2, key=64, value=64, f32=0, bf16=0}
//   buffer %l0.q : f32[T,100] {at=512, row=512}            %l0.q~1 would be another of that name
//   kernel 0 : cpu:x86-64-v3 {at=0, scratch=1024} attention T_KEY=64 ..
//   program @step : cpu:x86-64-v3, 153 launches {
//     launches at T = 1 with kv bf16: layers 0-29: 5 each, outside of layers: 3
//     output %logits
//     arenas {1=0, T=576, S=0, R=512, A=0}
//     launch @l0.attention : kv bf16, layer 0, grid 3 * ceil(A / 1)
//       code 0 {flops=0}
//       args buffer %l0.q, buffer %l0.o, state %l0.kv, page_bytes %l0.kv, group %l0.kv, int 64
//       |   kernel @l0.attention : attention %l0.q { .. }
//     launch @l0.o : kv bf16, T >= 257, by default, with a library, set 2, grid 1 * ceil(T / 1)
//       product 9 {flops=33554432}                           arguments: TL_PLAN_PRODUCT_MAP
//
// Lines that begin with section, memory or launches repeat for people what the others say.
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
