// IR text beyond what goldens can hold: limits, hooks, placeholders, memory that runs out.
#include <math.h>

#include "ir/graph_equal.h"
#include "ir/text_parse.h"
#include "ir/text_print.h"
#include "ir/verify.h"
#include "tests/lib/check.h"

enum { ARENA_BYTES = 64 << 20, CHAIN_LENGTH = 20000 };

static tl_op_table ops;
static tl_arena arena;
static tl_diag diag;

static tl_graph *parse(tl_str text) {
  static tl_source source; // outlives the graph, as its contract asks
  source = (tl_source){"test.ir", text};
  diag = (tl_diag){0};
  tl_graph *graph;
  tl_status status = tl_text_parse(&source, &ops, &arena, &graph, &diag);
  CHECK(tl_ok(status) == (graph != NULL) && tl_ok(status) == (diag.count == 0));
  return graph;
}

static tl_str repeated(char c, size_t count) {
  char *data = tl_arena_alloc(&arena, count + 1);
  CHECK(data);
  return (tl_str){memset(data, c, count), count};
}

static void test_numbers(void) {
  static const struct {
    double value;
    bool single;
    const char *text;
  } cases[] = {
      {0, false, "0"},
      {-0.0, false, "-0"},
      {30, false, "30"},
      {1e6, false, "1000000"},
      {1e-6, false, "1e-06"},
      {0.1, false, "0.1"},
      {0.1f, true, "0.1"},
      {16777216, true, "16777216"},
      {1e22, false, "1e+22"},
      {1.0 / 3, false, "0.3333333333333333"},
      {1.0f / 3, true, "0.33333334"},
  };
  char text[TL_NUMBER_TEXT_MAX];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t length = tl_number_print(cases[i].value, cases[i].single, text);
    CHECK(tl_str_is((tl_str){text, length}, cases[i].text));
  }
  uint64_t random = 1;
  for (int i = 0; i < 20000; i++) { // any double reads back, bit for bit
    random = random * 6364136223846793005u + 1442695040888963407u;
    uint64_t bits = random ^ random >> 29;
    double value, read;
    memcpy(&value, &bits, sizeof value);
    if (!isfinite(value)) continue;
    size_t length = tl_number_print(value, false, text);
    CHECK(tl_str_to_f64((tl_str){text, length}, &read));
    CHECK(memcmp(&read, &value, sizeof read) == 0);
  }
}

static void test_limits(void) {
  tl_str line = tl_arena_format(&arena, "graph @g() {\n#%.*s\n}\n",
                                TL_STR_ARG(repeated('x', TL_TEXT_LINE_MAX)));
  CHECK(!parse(line) && strstr(diag.entries[0].text, "limit 1048576"));
  CHECK(!parse(repeated('\n', 3)));
  CHECK(!parse(TL_STR("")));
  // Faults past the sink's room are counted, and a text with too many is given up.
  tl_str text = TL_STR("graph @g() {\n"), fault = TL_STR("?\n");
  char *data = tl_arena_alloc(&arena, 2 * CHAIN_LENGTH + text.length);
  CHECK(data);
  memcpy(data, text.data, text.length);
  for (size_t i = 0; i < CHAIN_LENGTH; i++)
    memcpy(data + text.length + 2 * i, fault.data, 2);
  CHECK(!parse((tl_str){data, 2 * CHAIN_LENGTH + text.length}));
  CHECK(diag.count == TL_DIAG_MAX && diag.count + diag.dropped == TL_TEXT_FAULTS_MAX);
}

// A long chain: linear time, and the text of each line is found where it was written.
static void test_chain(void) {
  size_t used = 0, room = 64 * CHAIN_LENGTH;
  char *data = tl_arena_alloc(&arena, room);
  CHECK(data);
  used += (size_t)snprintf(data, room, "graph @g(T) {\n  input %%v0 : f32[T,8]\n");
  for (int i = 1; i <= CHAIN_LENGTH; i++)
    used += (size_t)snprintf(data + used, room - used, "  %%v%d = softmax %%v%d : f32[T,8]\n", i,
                             i - 1);
  used += (size_t)snprintf(data + used, room - used, "  output o = %%v%d\n}\n", CHAIN_LENGTH);
  tl_str text = {data, used};
  tl_graph *graph = parse(text);
  CHECK(graph && graph->nodes_count == CHAIN_LENGTH + 2);
  CHECK(tl_str_equal(tl_text_print(graph, NULL, &arena), text));
  CHECK(tl_ok(tl_graph_verify(graph, &arena, &diag)));
  const tl_node *node = graph->nodes[CHAIN_LENGTH];
  int line, column;
  tl_diag_locate(text, node->span.offset, &line, &column);
  CHECK(line == CHAIN_LENGTH + 2 && column == 3);
}

static void test_locations(void) {
  tl_graph *graph = parse(TL_STR("graph @g(T) {\n\n input %x:f32[T]\n   output o = %x\n}"));
  CHECK(graph);
  tl_text_print_options options = {.locations = true};
  CHECK(tl_str_is(tl_text_print(graph, &options, &arena), "graph @g(T) {\n"
                                                          "  input %x : f32[T]  # test.ir:3:2\n"
                                                          "  output o = %x  # test.ir:4:4\n}\n"));
}

// A hook as the architecture loader's: `@norm` adds a weight, `@bias` is absent, others fail.
static tl_status resolve(void *user, tl_graph *graph, tl_str name, tl_span span,
                         tl_value **out_value, tl_diag *sink) {
  CHECK(user == &diag);
  if (tl_str_is(name, "bias")) return TL_OK;
  if (!tl_str_is(name, "norm")) {
    return tl_diag_error(sink, TL_UNSUPPORTED, span, "no weight '%.*s'", TL_STR_ARG(name));
  }
  *out_value = tl_graph_find(graph, TL_STR("l0.norm"));
  if (*out_value) return TL_OK;
  tl_node node = {.kind = TL_NODE_WEIGHT, .span = span};
  tl_node *added;
  tl_type type = {.format = TL_FORMAT_F32, .rank = 1, .dims = {tl_dim_of(8)}};
  node.weight = tl_weight_create(graph->arena, TL_WEIGHT_TENSOR);
  CHECK(node.weight);
  node.weight->name = TL_STR("norm.weight");
  TL_TRY(tl_graph_add(graph, &node, TL_STR("l0.norm"), &type, &added, sink));
  *out_value = added->result;
  return TL_OK;
}

static tl_source yaml = {"x.yaml", {"                                          ", 42}};

static tl_span place(void *user, size_t offset, size_t length) {
  (void)user;
  return (tl_span){&yaml, 10 + offset, length};
}

static void test_hooks(void) {
  tl_symbols symbols = {.names = {TL_STR("T")}, .count = 1};
  tl_graph *graph = tl_graph_create(&arena, &ops, TL_STR("step"), &symbols);
  tl_text_hooks hooks = {&diag, resolve, place};
  diag = (tl_diag){0};
  CHECK(graph && tl_ok(tl_text_parse_line(graph, TL_STR("input %x : f32[T,8]"), &hooks, &diag)));
  CHECK(tl_ok(tl_text_parse_line(graph, TL_STR("  # nothing"), &hooks, &diag)));
  CHECK(tl_ok(tl_text_parse_line(graph, TL_STR("%y = layernorm %x, @norm, @bias"), &hooks, &diag)));
  CHECK(tl_ok(tl_text_parse_line(graph, TL_STR("%z = rmsnorm %y, @norm"), &hooks, &diag)));
  CHECK(tl_ok(tl_text_parse_line(graph, TL_STR("output o = %z"), NULL, &diag)));
  CHECK(tl_ok(tl_graph_verify(graph, &arena, &diag)));
  CHECK(tl_str_is(tl_text_print(graph, NULL, &arena),
                  "graph @step(T) {\n"
                  "  input %x : f32[T,8]\n"
                  "  weight %l0.norm : f32[8] = tensor(\"norm.weight\")\n"
                  "  %y = layernorm %x, %l0.norm : f32[T,8]\n"
                  "  %z = rmsnorm %y, %l0.norm : f32[T,8]\n"
                  "  output o = %z\n}\n"));
  CHECK(graph->nodes[1]->span.offset == 10 + 19 && graph->nodes[1]->span.length == 5);
  tl_status status = tl_text_parse_line(graph, TL_STR("%u = rmsnorm %x, @gone"), &hooks, &diag);
  CHECK(status == TL_UNSUPPORTED && diag.count == 1 && diag.entries[0].span.offset == 10 + 17);
  // The line's name is known from now on, and using it is no fault of its own.
  CHECK(!tl_ok(tl_text_parse_line(graph, TL_STR("%v = rmsnorm %u"), &hooks, &diag)));
  CHECK(diag.count == 1);
}

static void test_weight(void) {
  tl_weight *weight;
  diag = (tl_diag){0};
  CHECK(tl_ok(tl_text_parse_weight(&arena, TL_STR("stack(4, tensor(\"{e}\")) # all"), NULL, &weight,
                                   &diag)));
  CHECK(weight->kind == TL_WEIGHT_STACK && weight->count == 4 && weight->parts_count == 1);
  CHECK(!tl_ok(tl_text_parse_weight(&arena, TL_STR(""), NULL, &weight, &diag)));
}

static const char block[] = "graph @g(T, R) {\n"
                            "  input %x : f32[T,8]\n"
                            "  input %rows : i32[R]\n"
                            "  weight %w : bf16[4,8] = concat(tensor(\"a\"), tensor(\"b\"))\n"
                            "  table %f : f32[2] = [1, 0.5]\n"
                            "  state %s : full {heads=1, key=4, value=4}\n"
                            "  %y = linear %x, %w : f32[T,4]\n"
                            "  %h = split_heads %y {heads=1} : f32[T,1,4]\n"
                            "  %a = attention %h, %h, %h, %s {scale=0.5} : f32[T,1,4]\n"
                            "  %m = merge_heads %a : f32[T,4]\n"
                            "  %r = select_rows %m, %rows : f32[R,4]\n"
                            "  output o = %r\n"
                            "  output f = %f\n"
                            "}\n";

// Whatever allocation fails, the parser says so and the printer and the verifier do too.
static void test_memory(void) {
  tl_source source = {"block", TL_STR(block)};
  tl_arena small;
  bool parsed = false;
  for (size_t allowed = 0; allowed < 1000 && !parsed; allowed++) {
    tl_graph *graph;
    diag = (tl_diag){0};
    tl_arena_init(&small, ARENA_BYTES);
    small.fail_after = allowed;
    tl_status status = tl_text_parse(&source, &ops, &small, &graph, &diag);
    parsed = tl_ok(status);
    CHECK(parsed || (status == TL_MEMORY && diag.count > 0));
    if (parsed) {
      small.fail_after = 0;
      CHECK(!tl_text_print(graph, NULL, &small).data);
      CHECK(tl_graph_verify(graph, &small, &diag) == TL_MEMORY);
    }
    tl_arena_finish(&small);
  }
  CHECK(parsed);
}

static void test_equal(void) {
  tl_graph *a = parse(TL_STR(block)), *same = parse(TL_STR(block));
  CHECK(a && same && tl_graph_equal(a, same));
  static const char *const changes[][2] = {
      {"@g", "@h"},
      {"T, R", "R, T"},
      {"f32[T,8]", "f32[T,9]"},
      {"\"a\"", "\"c\""},
      {"0.5]", "0.25]"},
      {"value=4", "value=5"},
      {"scale=0.5", "scale=1"},
      {"output f", "output g"},
      {"%rows", "%rowz"},
      {"full", "cross"},
      {"bf16", "f16"},
  };
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    const char *from = strstr(block, changes[i][0]);
    size_t at = (size_t)(from - block);
    tl_str text = tl_arena_format(&arena, "%.*s%s%s", (int)at, block, changes[i][1],
                                  from + strlen(changes[i][0]));
    // Where one place of several changes, the text may not parse; then there is nothing to compare.
    tl_graph *other = parse(text);
    CHECK(!other || !tl_graph_equal(a, other));
  }
}

int main(void) {
  tl_arena_init(&arena, ARENA_BYTES);
  CHECK(tl_ok(tl_op_table_init(&ops, &diag)));
  test_numbers();
  test_limits();
  test_chain();
  test_locations();
  test_hooks();
  test_weight();
  test_memory();
  test_equal();
  tl_arena_finish(&arena);
  return 0;
}
