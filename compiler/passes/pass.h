// Passes and the pipeline that runs them.
//
//   tl_pass_ctx ctx = {arena, scratch, diag, TL_UNIT_MAX};
//   tl_module module = {.graph = graph};
//   tl_pipeline_options options = tl_pipeline_defaults();
//   tl_pipeline_run(&ctx, &module, &options);
//
// Before the first pass and after each one the module is verified against its stage, in release
// builds too: a pass that breaks an invariant is an internal error that names the pass. Passes are
// deterministic: no pointers, hash order or time reaches their result. One module, one thread.
#ifndef TL_COMPILER_PASSES_PASS_H
#define TL_COMPILER_PASSES_PASS_H

#include "compiler/program/program.h"

typedef enum tl_stage {
  TL_STAGE_GRAPH, // module.graph verifies, no program
  TL_STAGE_FUSED  // module.program is set
} tl_stage;

typedef struct tl_pass_info {
  const char *name;
  tl_stage stage_in, stage_out;
  const char *summary;
} tl_pass_info;

typedef struct tl_pass_ctx {
  tl_arena *arena;   // lives as long as the module
  tl_arena *scratch; // reset before each pass and each verification
  tl_diag *diag;
  int64_t unit_max; // of fuse.h
} tl_pass_ctx;

// What passes work on.
typedef struct tl_module {
  tl_graph *graph;
  tl_program *program; // NULL until fused
} tl_module;

int tl_pass_count(void);

// Row of passes.def; `index` in [0, tl_pass_count()).
const tl_pass_info *tl_pass_of(int index);

// -1 if no pass has that name.
int tl_pass_by_name(tl_str name);

enum { TL_PASS_NONE = -1, TL_PASS_ALL = -2 };

typedef struct tl_pipeline_options {
  int first;      // pass to start with
  int stop_after; // pass to end with, TL_PASS_NONE = the last
  int dump_after; // pass, TL_PASS_ALL or TL_PASS_NONE

  // Gets the module's text after the passes that `dump_after` names and, where a pass fails with
  // TL_INTERNAL, the text from before it with `failed` set. May be NULL.
  void (*dump)(void *user, const tl_pass_info *pass, bool failed, tl_str text);
  void *user;
} tl_pipeline_options;

// All passes, no dumps.
tl_pipeline_options tl_pipeline_defaults(void);

// Runs the passes from `first` to `stop_after`. A pass's own status if it fails; TL_INPUT if the
// module given does not verify; TL_USAGE if its stage is not what the first pass takes; TL_INTERNAL
// if a pass leaves it broken. The module of a failed run is not to be used.
tl_status tl_pipeline_run(tl_pass_ctx *ctx, tl_module *module,
                          const tl_pipeline_options *options) TL_CHECKED;

// The text of the program if there is one, else of the graph; data is NULL if `arena` is exhausted.
tl_str tl_module_print(const tl_module *module, tl_arena *arena);

#endif
