// A graph of tests/ops/graphs on any device: fused, compiled, given random weights and one prompt,
// compared with templates/ref.
//
//   tl_graph_case_load(&c, path);
//   tl_drafts_build(c.program, ..); .. emit code ..
//   tl_graph_case_pack(&c);
//   tl_graph_case_check(&c, &run);       for each KV type
//   tl_graph_case_finish(&c);
//
// A fault ends the process with status 1.
#ifndef TL_TESTS_OPS_GRAPH_CASE_H
#define TL_TESTS_OPS_GRAPH_CASE_H

#include "compiler/codegen/drafts.h"
#include "runtime/base/pool.h"
#include "runtime/device/device.h"

enum { TL_GRAPH_ROWS = 150 }; // at most

typedef struct tl_graph_case {
  const char *path;
  tl_source source;
  tl_arena arena;
  tl_diag diag;
  tl_op_table ops;
  tl_graph *graph;
  tl_program *program;
  tl_pool *pool;
  float *expected; // [TL_GRAPH_ROWS][outputs]
  int32_t ids[TL_GRAPH_ROWS];
  // Of the target at hand.
  tl_plan_builder builder;
  tl_drafts drafts;
  tl_plan_tables tables;
  char *weights;
} tl_graph_case;

// How the rows are cut, and what must hold.
typedef struct tl_graph_run {
  const tl_device_vtable *device;
  const char *target, *code; // code: the target's section
  tl_plan_kv_type kv;
  int32_t rows;          // of the prompt
  const int32_t *chunks; // rows of a step
  int chunks_count;
  bool exact;         // equal bits for all chunks
  bool deterministic; // how the device is opened
} tl_graph_run;

void tl_graph_case_load(tl_graph_case *c, const char *path);

// A model row and the drafts of `rules`, for both KV types.
void tl_graph_case_draft(tl_graph_case *c, const tl_draft_rules *rules);

// The tables, weights and, once, the expected numbers, when all code is in the builder.
void tl_graph_case_pack(tl_graph_case *c);

// Prints the largest difference and its bound.
void tl_graph_case_check(tl_graph_case *c, const tl_graph_run *run);

// One step of rows [begin, end) alone, whatever the state holds before them.
void tl_graph_case_step(tl_graph_case *c, const tl_graph_run *run, int32_t begin, int32_t end);

void tl_graph_case_must(tl_graph_case *c, tl_status status);

void tl_graph_case_finish(tl_graph_case *c);

#endif
