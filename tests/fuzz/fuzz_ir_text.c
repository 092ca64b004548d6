// Fuzz target: IR text. What parses must print, parse again equal and print to the same bytes;
// nothing may crash, and a failure must come with a diagnostic. Graphs that verify also go through
// the cost model and the passes, which must leave them verifying.
#include "compiler/passes/pass.h"
#include "ir/cost.h"
#include "ir/graph_equal.h"
#include "ir/text_parse.h"
#include "ir/text_print.h"
#include "ir/verify.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"
#include "tests/lib/check.h"

enum { ARENA_BYTES = 256 << 20 };

static void check_round_trip(const tl_op_table *ops, const tl_graph *graph, tl_arena *arena) {
  tl_diag diag = {0};
  tl_graph *again;
  tl_str text = tl_text_print(graph, NULL, arena);
  CHECK(text.data);
  tl_source source = {"printed", text};
  CHECK(tl_ok(tl_text_parse(&source, ops, arena, &again, &diag)));
  CHECK(tl_graph_equal(graph, again));
  CHECK(tl_str_equal(tl_text_print(again, NULL, arena), text));
}

static void check_passes(tl_graph *graph, tl_arena *arena, tl_arena *scratch) {
  tl_diag diag = {0};
  tl_pass_ctx ctx = {arena, scratch, &diag, TL_UNIT_MAX};
  tl_module module = {.graph = graph};
  tl_pipeline_options options = tl_pipeline_defaults();
  options.first = options.stop_after = tl_pass_by_name(TL_STR("simplify"));
  CHECK(tl_ok(tl_pipeline_run(&ctx, &module, &options)));
  options.first = options.stop_after = tl_pass_by_name(TL_STR("fuse"));
  tl_status status = tl_pipeline_run(&ctx, &module, &options);
  if (status == TL_INTERNAL) tl_diag_print(&diag, stderr);
  CHECK(status != TL_INTERNAL && tl_ok(status) == (diag.count == 0));
  if (tl_ok(status)) CHECK(tl_module_print(&module, arena).data);
  tl_cost_point point = {{7, 3, 2, 1}, 3, 100, TL_FORMAT_BF16};
  tl_cost cost = tl_graph_cost(graph, &point);
  CHECK(cost.flops >= 0 && cost.weight_bytes >= 0 && cost.activation_bytes >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static tl_op_table ops;
  tl_diag diag = {0};
  tl_arena arena, scratch;
  tl_arena_init(&arena, ARENA_BYTES);
  tl_arena_init(&scratch, ARENA_BYTES);
  tl_source source = {"fuzz", {(const char *)data, size}};
  tl_graph *graph;
  CHECK(tl_ok(tl_op_table_init(&ops, &diag)));
  tl_status status = tl_text_parse(&source, &ops, &arena, &graph, &diag);
  CHECK(tl_ok(status) == (graph != NULL) && tl_ok(status) == (diag.count == 0));
  tl_fuzz_accepted = tl_ok(status);
  for (int i = 0; i < diag.count; i++) {
    const tl_span *span = &diag.entries[i].span;
    CHECK(span->source == &source && span->offset + span->length <= size);
  }
  if (graph) {
    check_round_trip(&ops, graph, &arena);
    status = tl_graph_verify(graph, &scratch, &diag);
    CHECK(tl_ok(status) == (diag.count == 0));
    if (tl_ok(status)) check_passes(graph, &arena, &scratch);
  }
  tl_arena_finish(&arena);
  tl_arena_finish(&scratch);
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  static const char *const pieces[] = {
      " = ",    ", ",        " {",        "}",      " : ",     "f32[T,8]", "i32[R]", "bf16",
      "q4g32",  "[",         "]",         "%x",     "input ",  "output ",  "state ", "weight ",
      "full",   "window",    "tensor(\"", "stack(", "concat(", "slice",    "T",      "2*T+1",
      "graph ", "{scale=1}", "\"",        "#",      "\n",      "\xC3\xA9", NULL};
  return tl_fuzz_mutate_text(data, size, size_max, seed, pieces);
}
