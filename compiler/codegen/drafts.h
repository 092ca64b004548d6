// From a program to a plan's tables, as far as no target changes it: formats of buffers, memory,
// states, launches with their arguments, and the kernels to compile. A target says which template a
// kernel takes, with which constants and arguments.
//
//   Requires: a fused program.  Ensures: launches of all targets of a device differ in their code
//   only, so weights, buffers and memory are shared.
#ifndef TL_COMPILER_CODEGEN_DRAFTS_H
#define TL_COMPILER_CODEGEN_DRAFTS_H

#include "compiler/codegen/plan_tables.h"
#include "compiler/codegen/spec.h"

// How the kernels of a launch list run, as the kernel table has it; GPUs only.
typedef struct tl_block {
  uint32_t threads, shared_bytes;
  uint32_t blocks; // see the kernel table
} tl_block;

// A kernel to compile. Equal texts are one kernel.
typedef struct tl_drafted {
  tl_spec *spec;
  tl_str text;          // of the spec
  const char *template; // of a device with several templates for an anchor
  uint32_t scratch_bytes;
  tl_block block;
  uint32_t classes; // of targets that a launch of it is for
  bool is_library;  // a library's: nothing is compiled
} tl_drafted;

// A launch, and the classes of targets that it is for: a bit mask whose bits the device names.
typedef struct tl_drafted_launch {
  tl_plan_launch row; // args are in the builder already
  uint32_t classes;
} tl_drafted_launch;

// What every target's program is made of: launches whose `kernel` is an index into `kernels`.
typedef struct tl_drafts {
  tl_drafted *kernels;
  size_t kernels_count, kernels_capacity;
  tl_drafted_launch *launches;
  size_t launches_count, launches_capacity;
  uint64_t arena_bytes[TL_PLAN_SYMBOL_COUNT];
  uint32_t output;           // row of the buffer table
  bool whole;                // a sequence must come whole in one step
  uint32_t best, candidates; // as the program's row has them
} tl_drafts;

typedef struct tl_drafter tl_drafter;

// A launch while its arguments and constants are collected.
typedef struct tl_draft {
  tl_drafter *drafter;
  const tl_kernel *kernel;
  tl_plan_kv_type kv;
  tl_spec *spec;
  tl_plan_launch launch;
  tl_drafted drafted; // its template, scratch, block and classes, at first all of them
  uint32_t classes;   // of the plan's targets
  bool is_way;        // one of several to compute the same for any rows: it gets a set
  int args_count;
  tl_diag *diag;
} tl_draft;

// What differs between devices.
typedef struct tl_draft_rules {
  tl_target_device device;
  int64_t unit_max; // columns that a matmul's tile can keep together, for tl_pass_fuse
  // Bytes of one head of a state in a page, keys and values.
  int64_t (*head_bytes)(int64_t key, int64_t value, int element_bytes);
  // Launches for `kernel`, those of no class included: a target's class and the step's size choose
  // one of them.
  int (*variants)(const tl_kernel *kernel);
  // Constants and arguments of launch `variant`; TL_UNSUPPORTED names what the device cannot do.
  tl_status (*fill)(tl_draft *draft, int variant);
  // The launch that finds the largest of each row of the kernel's input, and the buffers it stores
  // to, as the program's row has them; of no class if it cannot. NULL = the host does.
  tl_status (*fill_candidates)(tl_draft *draft, uint32_t *out_best, uint32_t *out_candidates);
  // Rows of bf16 values take 4 bytes a value all the same: the target chooses what lies in them.
  bool wide_bf16;
  // A store is told its rows' bytes by an argument behind the buffer, so that a kernel serves
  // outputs of all widths; the call's constant is 0.
  bool store_is_told;
} tl_draft_rules;

// What a plan is for.
typedef struct tl_draft_choice {
  uint32_t kv_types; // bit mask of tl_plan_kv_type
  uint32_t classes;  // of the device's targets
  // Of the other device that the plan is for, NULL = it is for one. Pages have room for either.
  const tl_draft_rules *other;
} tl_draft_choice;

// Adds weights, groups, states, buffers and arguments to `tables`; weights, groups and states that
// another device's drafts of the same graph brought there are shared. TL_UNSUPPORTED as `fill` says
// it.
tl_status tl_drafts_build(const tl_program *program, tl_draft_choice choice,
                          const tl_draft_rules *rules, tl_plan_builder *tables,
                          tl_drafts *out_drafts, tl_diag *diag) TL_CHECKED;

// Adds the target's row and, as far as they are for one of `classes`, its kernels (`kernels` has a
// row for each of `drafts`, of which name, target, scratch and block are filled in here), its
// launches and its program. TL_MEMORY if the arena is exhausted.
tl_status tl_drafts_add_target(const tl_drafts *drafts, uint32_t classes,
                               const tl_plan_target *target, tl_plan_kernel *kernels,
                               tl_plan_builder *tables) TL_CHECKED;

// ---- for the rules

static inline int64_t tl_round_up(int64_t value, int64_t to) {
  return (value + to - 1) / to * to;
}

// Format of a buffer's values: f32, or bf16 as weights or the KV type want it.
tl_format tl_draft_format(const tl_buffer *buffer, tl_plan_kv_type kv);

// Whether the kernel is another one for each KV type.
bool tl_draft_depends_on_kv(const tl_kernel *kernel);

// Bytes from row to row of a buffer.
int64_t tl_draft_row_bytes(const tl_draft *draft, const tl_buffer *buffer);

// 1 if the buffer holds bf16, 0 if f32; of a KV type's pages likewise. What templates are told.
int64_t tl_draft_is_bf16(const tl_draft *draft, const tl_buffer *buffer);

void tl_draft_constant(tl_draft *draft, const char *name, int64_t value);
void tl_draft_real(tl_draft *draft, const char *name, double value);

void tl_draft_arg(tl_draft *draft, tl_plan_arg_kind kind, uint32_t index, int64_t value);
void tl_draft_arg_weight(tl_draft *draft, const tl_value *value, double offset,
                         tl_plan_layout layout);
void tl_draft_arg_buffer(tl_draft *draft, const tl_buffer *buffer);

// Maps of a matrix, for boxes of so many rows.
void tl_draft_arg_weight_map(tl_draft *draft, const tl_value *value, int64_t box_rows);
void tl_draft_arg_buffer_map(tl_draft *draft, const tl_buffer *buffer, int64_t box_rows);

// Memory of a device's own, the same for all launches that ask for as much under this name: `bytes`
// for every unit of `symbol`, zero at first, kept from step to step. Gives its row of the buffer
// table.
uint32_t tl_draft_arg_own(tl_draft *draft, const char *name, tl_plan_symbol symbol, int64_t bytes);

// Memory of the kernel's launches alone, rows of `columns` values in f32; the same for all of them.
void tl_draft_arg_products(tl_draft *draft, int64_t columns);

// Number and row of a weight in the layout `rows`, added if it is new.
tl_plan_weight tl_draft_matrix(const tl_draft *draft, const tl_value *value, uint32_t *out_row);

// Whether the weight lies right behind the row before, in the plan too.
bool tl_draft_matrix_follows(const tl_draft *draft, uint32_t row);

// Three arguments: address, bytes from page to page, group.
void tl_draft_arg_state(tl_draft *draft, const tl_value *state);

// The calls of all statements, with their arguments; after the template's own.
void tl_draft_calls(tl_draft *draft);

// The same from each segment's statement number `first` on.
void tl_draft_calls_from(tl_draft *draft, int first);

// The grid: `items` for every `rows` of the kernel's rows.
void tl_draft_grid(tl_draft *draft, int64_t items, int64_t rows);

// What every device's attention is told: sizes and masks, then q, out, state, bytes of their rows.
// A block for each piece of work and key head.
void tl_draft_attention(tl_draft *draft);

// What every device's table of cosines and sines is told: frequencies, out.
void tl_draft_table(tl_draft *draft);

// The buffer that a kernel of one statement stores to.
const tl_buffer *tl_draft_only_store(const tl_kernel *kernel);

#endif
