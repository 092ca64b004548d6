// Compiled graphs against the interpreter: each file of tests/ops/graphs is compiled for every CPU
// level this machine runs and run with each KV type, its prompt whole, in chunks and a row at a
// time; all logits must agree with templates/ref, and a row must not depend on its chunk.
//
//   cpu_graph_test GRAPH.ir..
#include "compiler/codegen/cpu_module.h"
#include "compiler/codegen/cpu_plan.h"
#include "compiler/codegen/cpu_target.h"
#include "runtime/base/target.h"
#include "tests/lib/check.h"
#include "tests/ops/graph_case.h"

static void run_target(tl_graph_case *c, int target) {
  static const int32_t chunks[] = {TL_GRAPH_ROWS, 64, 7, 1};
  const char *text = tl_target_of(target)->text;
  tl_image image;
  if (!tl_device_cpu.supports(text, 0)) {
    printf("skipped: %s on this machine\n", text);
    return;
  }
  tl_graph_case_draft(c, &tl_cpu_rules);
  tl_graph_case_must(c, tl_cpu_target_emit(&c->drafts, target, 2, &c->builder, &image, &c->diag));
  tl_graph_case_pack(c);
  for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++) {
    tl_graph_run run = {.device = &tl_device_cpu,
                        .target = text,
                        .code = image.bytes,
                        .kv = (tl_plan_kv_type)kv,
                        .rows = TL_GRAPH_ROWS,
                        .chunks = chunks,
                        .chunks_count = sizeof chunks / sizeof *chunks,
                        .exact = true};
    tl_graph_case_check(c, &run);
  }
}

int main(int argc, char **argv) {
  tl_cpu_module_setup();
  for (int i = 1; i < argc; i++) {
    static tl_graph_case c;
    tl_graph_case_load(&c, argv[i]);
    for (int target = 0; target < TL_TARGET_COUNT; target++) {
      if (tl_target_of(target)->device == TL_TARGET_DEVICE_CPU) run_target(&c, target);
    }
    tl_graph_case_finish(&c);
  }
  return 0;
}
