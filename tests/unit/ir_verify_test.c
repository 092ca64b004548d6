// Graphs that no text can express, as a faulty pass would leave them; cost; sweeping.
#include <math.h>

#include "ir/cost.h"
#include "ir/text_parse.h"
#include "ir/text_print.h"
#include "ir/verify.h"
#include "tests/lib/check.h"

enum { ARENA_BYTES = 16 << 20 };

static tl_op_table ops;
static tl_arena arena;
static tl_diag diag;

static const char block[] = "graph @g(T, R) {\n"
                            "  input %ids : i32[T]\n"
                            "  weight %e : bf16[100,8] = tensor(\"e\")\n"
                            "  weight %w : bf16[8,8] = tensor(\"w\")\n"
                            "  table %f : f32[8] = [1, 2, 3, 4, 5, 6, 7, 8]\n"
                            "  state %s : window {heads=1, key=8, value=8, span=16}\n"
                            "  %x = embed %ids, %e : f32[T,8]\n"
                            "  %n = rmsnorm %x, %f : f32[T,8]\n"
                            "  %y = linear %n, %w : f32[T,8]\n"
                            "  %h = split_heads %y {heads=1} : f32[T,1,8]\n"
                            "  %a = attention %h, %h, %h, %s {scale=0.5, window=16} : f32[T,1,8]\n"
                            "  %m = merge_heads %a : f32[T,8]\n"
                            "  output o = %m\n"
                            "}\n";

static tl_graph *parse(const char *text) {
  tl_source *source = tl_arena_alloc(&arena, sizeof *source);
  tl_graph *graph;
  CHECK(source);
  *source = (tl_source){"test.ir", tl_str_from(text)};
  diag = (tl_diag){0};
  CHECK(tl_ok(tl_text_parse(source, &ops, &arena, &graph, &diag)));
  CHECK(tl_ok(tl_graph_verify(graph, &arena, &diag)));
  return graph;
}

static tl_node *node_of(const tl_graph *graph, const char *name) {
  tl_value *value = tl_graph_find(graph, tl_str_from(name));
  CHECK(value);
  return value->producer;
}

// Verifies `graph` and expects the first fault to say `what`.
static void expect(const tl_graph *graph, const char *what) {
  diag = (tl_diag){0};
  CHECK(tl_graph_verify(graph, &arena, &diag) == TL_INPUT && diag.count > 0);
  bool found = false;
  for (int i = 0; i < diag.count; i++)
    found |= strstr(diag.entries[i].text, what) != NULL;
  if (!found) tl_diag_print(&diag, stderr);
  CHECK(found);
}

static void test_values(void) {
  tl_graph *g = parse(block);
  tl_node *kept = g->nodes[6];
  g->nodes[6] = g->nodes[7];
  g->nodes[7] = kept;
  expect(g, "not defined above");
  g = parse(block);
  node_of(g, "n")->operands[0] = tl_graph_find(g, TL_STR("n"));
  expect(g, "not defined above");
  g = parse(block);
  node_of(g, "n")->result->name = TL_STR("a b");
  expect(g, "no name");
  g = parse(block);
  node_of(g, "n")->result->producer = g->nodes[0];
  expect(g, "not the graph's value");
  g = parse(block);
  node_of(g, "n")->result->uses_count++;
  expect(g, "must sweep");
  g = parse(block);
  node_of(g, "n")->result = NULL;
  expect(g, "malformed");
  g = parse(block);
  g->nodes[11]->operands[0] = NULL;
  expect(g, "output 'o' is not defined above");
  g = parse(block);
  g->nodes[11]->output_name = TL_STR("");
  expect(g, "no name of an output");
}

static void test_types(void) {
  tl_graph *g = parse(block);
  node_of(g, "n")->result->type.dims[1] = tl_dim_of(9);
  expect(g, "declared f32[T,9] but rmsnorm gives f32[T,8]");
  g = parse(block);
  node_of(g, "ids")->result->type.dims[0].coefs[3] = 1;
  expect(g, "undeclared symbol");
  g = parse(block);
  node_of(g, "n")->result->type.rank = TL_RANK_MAX + 1;
  expect(g, "has no type");
  g = parse(block);
  node_of(g, "ids")->result->type.dims[0].constant = -1;
  expect(g, "negative");
}

static void test_ops(void) {
  tl_graph *g = parse(block);
  node_of(g, "n")->operands[0] = NULL;
  expect(g, "rmsnorm needs the operand 'x'");
  g = parse(block);
  node_of(g, "n")->operands[2] = tl_graph_find(g, TL_STR("x"));
  expect(g, "operand too many");
  g = parse(block);
  node_of(g, "n")->attrs[0].f = NAN;
  expect(g, "not finite");
  g = parse(block);
  node_of(g, "a")->attrs[1].i = 2;
  expect(g, "none of its choices");
  g = parse(block);
  node_of(g, "n")->operands[0] = tl_graph_find(g, TL_STR("s"));
  expect(g, "is a state");
}

static void test_leaves(void) {
  tl_graph *g = parse(block);
  node_of(g, "w")->weight = NULL;
  expect(g, "no expression");
  g = parse(block);
  node_of(g, "w")->weight->kind = TL_WEIGHT_TRANSPOSE;
  expect(g, "lacks an argument");
  g = parse(block);
  node_of(g, "w")->weight->parts[0] = node_of(g, "w")->weight; // a cycle
  node_of(g, "w")->weight->parts_count = 1;
  node_of(g, "w")->weight->kind = TL_WEIGHT_TRANSPOSE;
  expect(g, "nested too deep");
  g = parse(block);
  float numbers[8] = {1, 2, INFINITY};
  node_of(g, "f")->table = numbers;
  expect(g, "number 2 of the table is not finite");
  g = parse(block);
  node_of(g, "s")->state.kind = TL_STATE_COUNT;
  expect(g, "unknown kind of state");
}

static void test_sweep(void) {
  tl_graph *g = parse(block);
  node_of(g, "m")->operands[0] = tl_graph_find(g, TL_STR("h"));
  tl_graph_sweep(g);
  diag = (tl_diag){0};
  CHECK(tl_ok(tl_graph_verify(g, &arena, &diag)));
  CHECK(g->nodes_count == 10 && !tl_graph_find(g, TL_STR("a")) && !tl_graph_find(g, TL_STR("s")));
  CHECK(tl_graph_find(g, TL_STR("h"))->uses_count == 1);
}

static void test_cost(void) {
  tl_graph *g = parse(block);
  tl_cost_point point = {
      .symbols = {2, 1}, .sequences = 2, .context = 10, .cache_format = TL_FORMAT_BF16};
  tl_cost cost = tl_node_cost(g, node_of(g, "y"), &point);
  CHECK(cost.flops == 2 * 2 * 8 * 8 && cost.weight_bytes == 8 * 8 * 2);
  CHECK(cost.activation_bytes == 2 * (2 * 8 * 4));
  cost = tl_node_cost(g, node_of(g, "x"), &point);
  CHECK(cost.weight_bytes == 2 * 8 * 2); // two rows of a hundred
  cost = tl_node_cost(g, node_of(g, "a"), &point);
  CHECK(cost.flops == 4 * 2 * 8 * 10);
  CHECK(cost.state_bytes == (2 * 10 + 2) * (8 + 8) * 2);
  point.context = 1000; // but the window shows 16
  cost = tl_node_cost(g, node_of(g, "a"), &point);
  CHECK(cost.flops == 4 * 2 * 8 * 16 && cost.state_bytes == (2 * 16 + 2) * (8 + 8) * 2);
  tl_cost total = tl_graph_cost(g, &point);
  CHECK(total.flops > cost.flops && total.state_bytes == cost.state_bytes);
  CHECK(tl_node_cost(g, node_of(g, "w"), &point).flops == 0);
  point.symbols[0] = (int64_t)1 << 40;
  total = tl_graph_cost(g, &point);
  CHECK(total.flops > 0 && total.activation_bytes > 0);
}

int main(void) {
  tl_arena_init(&arena, ARENA_BYTES);
  CHECK(tl_ok(tl_op_table_init(&ops, &diag)));
  test_values();
  test_types();
  test_ops();
  test_leaves();
  test_sweep();
  test_cost();
  tl_arena_finish(&arena);
  return 0;
}
