// Graphs as GPUs run them, against the interpreter: each file of tests/ops/graphs that has no
// format of the CPUs' own, for both KV types, its prompt whole and in chunks; opened
// `deterministic`, a row must not depend on its chunk. A graph that is called like a kernel must
// have a launch of it.
//
//   LD_LIBRARY_PATH=build/tests/driver:build/tests/nvrtc cuda_graph_test cuda:sm_90a GRAPH.ir..
//
// TLMC_SHIM_GPU is the target's number.
#include <string.h>

#include "compiler/codegen/cuda_plan.h"
#include "compiler/codegen/cuda_target.h"
#include "runtime/base/target.h"
#include "tests/lib/check.h"
#include "tests/ops/graph_case.h"

// A step of few rows behind a full page has kernels of its own; the middle one goes on in a page.
enum { ROWS = 75, MIDDLE = 30, CHUNK = 5 };

static void run_kv(tl_graph_case *c, int target, const char *code, tl_plan_kv_type kv) {
  static const int32_t chunks[] = {ROWS, CHUNK, MIDDLE};
  tl_graph_run run = {.device = &tl_device_cuda,
                      .target = tl_target_of(target)->text,
                      .code = code,
                      .kv = kv,
                      .rows = ROWS,
                      .chunks = chunks};
  run.chunks_count = 3;
  tl_graph_case_check(c, &run);
  run.chunks_count = 2;
  run.exact = run.deterministic = true;
  tl_graph_case_check(c, &run);
}

// Whether a step of `rows` rows has a launch of a kernel that is called like the graph.
static bool has_own_launch(const tl_graph_case *c, const char *name, uint32_t rows) {
  for (size_t i = 0; i < c->drafts.launches_count; i++) {
    const tl_plan_launch *launch = &c->drafts.launches[i].row;
    const char *template = c->drafts.kernels[launch->kernel].template;
    bool runs = launch->guard_min <= rows && rows <= launch->guard_max;
    if (runs && strncmp(name, template, strlen(template)) == 0) return true;
  }
  return false;
}

static void run_graph(const char *path, int target) {
  static tl_graph_case c;
  tl_graph_case_load(&c, path);
  tl_graph_case_draft(&c, &tl_cuda_rules);
  const char *many = strstr(path, "latent_many");
  CHECK(!many || has_own_launch(&c, many, MIDDLE));
  tl_cuda_options options = {target, -1, 1, true};
  tl_str code;
  tl_graph_case_must(&c, tl_cuda_target_emit(&c.drafts, &options, &c.builder, &code, &c.diag));
  tl_graph_case_pack(&c);
  for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++)
    run_kv(&c, target, code.data, (tl_plan_kv_type)kv);
  tl_graph_case_finish(&c);
}

int main(int argc, char **argv) {
  CHECK(argc > 2);
  int target = tl_target_from_text(tl_str_from(argv[1]));
  CHECK(target < TL_TARGET_COUNT && tl_target_of(target)->device == TL_TARGET_DEVICE_CUDA);
  for (int i = 2; i < argc; i++)
    run_graph(argv[i], target);
  return 0;
}
