// Graphs as GPUs run them, against the interpreter: each file of tests/ops/graphs that has no
// format of the CPUs' own, for both KV types, its prompt whole and in
// chunks; opened `deterministic`, a row must not depend on its chunk.
//
//   LD_LIBRARY_PATH=build/tests/driver cuda_graph_test cuda:sm_90a GRAPH.ir..
//
// Kernels go to the stand-in for a driver as the sources that a plan would keep, so no NVRTC is
// needed. TLMC_SHIM_GPU is the target's number.
#include "compiler/codegen/cuda_plan.h"
#include "compiler/codegen/cuda_source.h"
#include "runtime/base/target.h"
#include "tests/lib/check.h"
#include "tests/ops/graph_case.h"

enum { ROWS = 90, CHUNK = 33 };

// A module's place, with no code for a GPU in it; its source follows.
static const char no_code[] = "";

// The code section: of each kernel of the target, a module and its source.
static const char *emit(tl_graph_case *c, int target) {
  uint32_t class = tl_cuda_class(target);
  size_t count = c->drafts.kernels_count, bytes = 0;
  tl_plan_kernel *kernels = tl_arena_array(&c->arena, count, sizeof *kernels);
  tl_str *sources = tl_arena_array(&c->arena, count, sizeof *sources);
  CHECK(kernels && sources);
  for (size_t i = 0; i < count; i++) {
    const tl_drafted *drafted = &c->drafts.kernels[i];
    if (!(drafted->classes & class)) continue;
    sources[i] = tl_cuda_source_print(drafted->spec, drafted->template, &c->arena);
    CHECK(sources[i].data);
    kernels[i] = (tl_plan_kernel){.offset = (uint32_t)bytes,
                                  .module_bytes = sizeof no_code,
                                  .source_bytes = (uint32_t)sources[i].length + 1};
    bytes += sizeof no_code + sources[i].length + 1;
  }
  char *code = tl_arena_alloc(&c->arena, bytes);
  CHECK(code);
  for (size_t i = 0; i < count; i++) {
    if (!sources[i].data) continue;
    memcpy(code + kernels[i].offset, no_code, sizeof no_code);
    memcpy(code + kernels[i].offset + sizeof no_code, sources[i].data, sources[i].length + 1);
  }
  tl_str name = tl_str_from(tl_target_of(target)->text);
  tl_plan_target row = {.name = tl_plan_text(&c->builder, name),
                        .code_bytes = (uint32_t)bytes,
                        .text_bytes = (uint32_t)bytes};
  tl_graph_case_must(c, tl_drafts_add_target(&c->drafts, class, &row, kernels, &c->builder));
  return code;
}

static void run_kv(tl_graph_case *c, int target, const char *code, tl_plan_kv_type kv) {
  static const int32_t chunks[] = {ROWS, CHUNK};
  tl_graph_run run = {.device = &tl_device_cuda,
                      .target = tl_target_of(target)->text,
                      .code = code,
                      .kv = kv,
                      .rows = ROWS,
                      .chunks = chunks,
                      .chunks_count = kv == TL_PLAN_KV_F32 ? 2 : 1};
  tl_graph_case_check(c, &run);
  run.exact = run.deterministic = true;
  if (run.chunks_count > 1) tl_graph_case_check(c, &run);
}

static void run_graph(const char *path, int target) {
  static tl_graph_case c;
  tl_graph_case_load(&c, path);
  tl_graph_case_draft(&c, &tl_cuda_rules);
  const char *code = emit(&c, target);
  tl_graph_case_pack(&c);
  for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++)
    run_kv(&c, target, code, (tl_plan_kv_type)kv);
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
