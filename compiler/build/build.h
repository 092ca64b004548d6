// A build: a model's folder in, a plan file out.
//
//   load -> lower -> formats -> passes -> code for each target -> weights packed while written
#ifndef TL_COMPILER_BUILD_BUILD_H
#define TL_COMPILER_BUILD_BUILD_H

#include "compiler/lower/lower.h"
#include "compiler/passes/formats.h"
#include "compiler/passes/pass.h"
#include "runtime/base/target.h"

#define TL_COMPILER_VERSION "0.1.0"

typedef struct tl_build_options {
  const char *model;  // folder, or the config file of a skeleton
  const char *output; // plan file
  const char *arch;   // architecture file, NULL = by the config's architectures
  bool skeleton;      // no weights
  bool targets[TL_TARGET_COUNT];
  tl_weights_choice weights;
  uint32_t kv_types; // bit mask of tl_plan_kv_type, 0 = all
  int jobs;
  bool keeps_source; // kernels' texts go into the plan beside their code
  tl_pipeline_options pipeline;
  void (*say)(void *user, const char *line); // what a person should know; may be NULL
  void *user;
} tl_build_options;

// What is made on the way; everything is on `arena`.
typedef struct tl_build {
  tl_arena arena, scratch;
  tl_op_table ops;
  tl_arch arch;
  tl_checkpoint *checkpoint; // NULL for a skeleton
  const tl_source *config_source;
  const tl_json *config;
  tl_model model;
  tl_module modules[TL_TARGET_DEVICE_COUNT]; // of the devices that the plan is for
} tl_build;

void tl_build_init(tl_build *build);
void tl_build_finish(tl_build *build);

// Reads the model and lowers it: the graph is in build->model.
tl_status tl_build_lower(tl_build *build, const tl_build_options *options,
                         tl_diag *diag) TL_CHECKED;

// The passes on the lowered graph, once for each device: their programs are in build->modules.
tl_status tl_build_fuse(tl_build *build, const tl_build_options *options, tl_diag *diag) TL_CHECKED;

// The program of one of the devices; NULL = the passes stopped before there was one.
const tl_program *tl_build_program(const tl_build *build);

// Lowers, fuses and compiles; the tables are those of the plan that would be written. On the
// build's arena.
tl_status tl_build_compile(tl_build *build, const tl_build_options *options,
                           tl_plan_tables *out_tables, tl_diag *diag) TL_CHECKED;

// All of it. The plan appears whole, or not at all.
tl_status tl_build_run(tl_build *build, const tl_build_options *options, tl_diag *diag) TL_CHECKED;

#endif
