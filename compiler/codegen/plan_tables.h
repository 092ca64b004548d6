// A plan's tables while they grow, and what is to be packed into its weights section.
//
//   Requires nothing; ensures that equal weights, texts and kernels are stored once and that rows
//   are in order of first use, so that the same model gives the same bytes.
#ifndef TL_COMPILER_CODEGEN_PLAN_TABLES_H
#define TL_COMPILER_CODEGEN_PLAN_TABLES_H

#include "compiler/program/program.h"
#include "runtime/base/target.h"

// A weight of the plan and where its numbers come from: row i of the weight table is packed[i].
typedef struct tl_packed {
  const tl_value *value; // a weight or a table of the graph
  double offset;         // added to each element of a vector
  uint32_t readers;      // bit mask of tl_target_device
  bool is_behind;        // somebody relies on it: it lies right behind the row before
} tl_packed;

typedef struct tl_plan_builder {
  tl_arena *arena;
#define X(name)                                                                                    \
  tl_plan_##name *name##s;                                                                         \
  size_t name##s_count, name##s_capacity;
  TL_PLAN_TABLE_MAP(X)
#undef X
  tl_packed *packed;
  size_t packed_capacity;
  char *strings;
  size_t strings_bytes, strings_capacity;
  uint32_t readers;       // devices that weights are looked up for now
  uint64_t weights_bytes; // of the weights section, once it is placed
  bool failed;            // the arena was exhausted; checked once, by tl_plan_builder_tables
} tl_plan_builder;

void tl_plan_builder_init(tl_plan_builder *builder, tl_arena *arena);

// Each adds a row and returns its number; after a failure they return 0 and the builder says so.
#define X(name) uint32_t tl_plan_add_##name(tl_plan_builder *builder, const tl_plan_##name *row);
TL_PLAN_TABLE_MAP(X)
#undef X

// Offset of `text` among the strings.
uint32_t tl_plan_text(tl_plan_builder *builder, tl_str text);

// From row to row of a matrix of `columns` in the layout `rows`.
int64_t tl_weight_row_bytes(tl_format format, int64_t columns);

// The weight table's row for `value` packed as `layout`, added if new; `readers` read it.
uint32_t tl_plan_weight_of(tl_plan_builder *builder, const tl_value *value, double offset,
                           tl_plan_layout layout);

// Whether matrix `row` will lie right behind the row before, which is then relied on.
bool tl_plan_weight_follows(tl_plan_builder *builder, uint32_t row);

// Gives weights their places, and the tables as the writer takes them. What a device reads lies in
// one piece:
//
//   | the CPU's layouts | what both read | the GPU's layouts |
//
// TL_MEMORY if anything failed before, TL_INTERNAL if a weight is not where somebody relies on it.
tl_status tl_plan_builder_tables(tl_plan_builder *builder, tl_plan_tables *out_tables) TL_CHECKED;

#endif
