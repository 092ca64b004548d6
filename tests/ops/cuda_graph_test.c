// Graphs as GPUs run them, against the interpreter: each file of tests/ops/graphs that has no
// format of the CPUs' own, for both KV types, its prompt whole and in
// chunks; opened `deterministic`, a row must not depend on its chunk.
//
//   LD_LIBRARY_PATH=build/tests/driver:build/tests/nvrtc cuda_graph_test cuda:sm_90a GRAPH.ir..
//
// TLMC_SHIM_GPU is the target's number.
#include "compiler/codegen/cuda_plan.h"
#include "compiler/codegen/cuda_target.h"
#include "runtime/base/target.h"
#include "tests/lib/check.h"
#include "tests/ops/graph_case.h"

enum { ROWS = 75, CHUNK = 5 }; // a step of few rows behind a full page has kernels of its own

static void run_kv(tl_graph_case *c, int target, const char *code, tl_plan_kv_type kv) {
  static const int32_t chunks[] = {ROWS, CHUNK};
  tl_graph_run run = {.device = &tl_device_cuda,
                      .target = tl_target_of(target)->text,
                      .code = code,
                      .kv = kv,
                      .rows = ROWS,
                      .chunks = chunks,
                      .chunks_count = 2};
  tl_graph_case_check(c, &run);
  run.exact = run.deterministic = true;
  tl_graph_case_check(c, &run);
}

static void run_graph(const char *path, int target) {
  static tl_graph_case c;
  tl_graph_case_load(&c, path);
  tl_graph_case_draft(&c, &tl_cuda_rules);
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
