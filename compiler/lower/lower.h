// From an architecture's description, a config and a checkpoint's tensors to a graph.
//
//   arch + config.json + tensors  ->  graph of the program `step`,
//                                     and what a plan says of the model
//
// Everything that could change the computation is accounted for: a config key nobody read, a tensor
// nobody used, a missing tensor and a wrong shape are errors that name it, with the closest match.
#ifndef TL_COMPILER_LOWER_LOWER_H
#define TL_COMPILER_LOWER_LOWER_H

#include "compiler/load/checkpoint.h"
#include "compiler/lower/arch.h"
#include "ir/weight_eval.h"

typedef struct tl_lower_input {
  tl_arena *arena;
  const tl_op_table *ops;
  const tl_arch *arch;
  const tl_source *config_source;
  const tl_json *config;
  const tl_checkpoint *checkpoint; // NULL = a skeleton: shapes come from the templates
} tl_lower_input;

typedef struct tl_model {
  tl_graph *graph;
  tl_plan_task task;
  int64_t vocabulary, outputs, context;
  int64_t types;        // token types, 0 = none
  const tl_json *stops; // the ids of the config that end a text, one or a list; NULL = not said
} tl_model;

tl_status tl_lower(const tl_lower_input *input, tl_model *out_model, tl_diag *diag) TL_CHECKED;

// A checkpoint's tensors for tl_weight_eval_bind; `checkpoint` must outlive the source.
tl_weight_source tl_lower_source(const tl_checkpoint *checkpoint);

#endif
