// Lowering of small architectures without a checkpoint: the language, and every fault with its
// place and notes.
#include "compiler/lower/lower.h"
#include "ir/text_print.h"
#include "ir/verify.h"
#include "tests/lib/check.h"

enum { ARENA_BYTES = 256 << 20 }; // what is nearly too long fits, with the address sanitizer's gaps

static const char config_default[] =
    "{\"architectures\": [\"Tiny\"], \"layers\": 2, \"width\": 8, \"vocab\": 16, \"ctx\": 32, "
    "\"dtype\": \"float16\", \"sub\": {\"a\": 1}, \"kinds\": [{\"k\": 4}, {\"k\": 8}]}";

// Everything but the graph.
static const char head[] =
    "architectures: [Tiny]\n"
    "task: generate\n"
    "params:\n"
    "  layers: config.layers\n"
    "  width: config.width\n"
    "  vocabulary: config.vocab\n"
    "  context: config.ctx\n"
    "  j: 1\n"
    "layer_params:\n"
    "  inner: config.kinds[i].k\n"
    "tables:\n"
    "  ramp: {length: width // 2, let: {b: a + a, a: j + 0.5}, value: b * width}\n"
    "weights:\n"
    "  embed: {from: embed.weight, shape: [vocabulary, width]}\n"
    "  head: {from: head.weight, shape: [vocabulary, width], tied: {to: embed, when: true}}\n"
    "  up: {from: \"l.{i}.up\", shape: [inner, width]}\n"
    "  down: {from: \"transpose(tensor(\\\"l.{i}.down\\\"))\", shape: [width, inner]}\n"
    "  gone: {from: gone, shape: [width], when: false}\n"
    "ignore: {config: [architectures, dtype, sub]}\n"
    "blocks:\n"
    "  two: |\n"
    "    %u = linear %x, @up\n"
    "    %d = linear %u, @$w\n"
    "graph: |\n";

static const char body[] = "  input %ids : i32[T]\n"
                           "  %h = embed %ids, @embed  # comment\n"
                           "  for i in 0..layers {\n"
                           "    use two as mlp(x=%h, w='down')\n"
                           "    when inner > 4 {\n"
                           "      %n = scale %mlp.d {by=${inner / 16}}\n"
                           "    } else {\n"
                           "      %n = act %mlp.d {kind=${'silu' if i == 0 else 'relu'}}\n"
                           "    }\n"
                           "    %h = add %h, %n\n"
                           "  }\n"
                           "  %y = linear %h, @head, @gone\n"
                           "  output logits = %y\n";

static const char golden[] = "graph @step(T, S, R) {\n"
                             "  input %ids : i32[T]\n"
                             "  weight %embed : f16[16,8] = tensor(\"embed.weight\")\n"
                             "  %h = embed %ids, %embed : f32[T,8]\n"
                             "  weight %l0.up : f16[4,8] = tensor(\"l.0.up\")\n"
                             "  %l0.mlp.u = linear %h, %l0.up : f32[T,4]\n"
                             "  weight %l0.down : f16[8,4] = transpose(tensor(\"l.0.down\"))\n"
                             "  %l0.mlp.d = linear %l0.mlp.u, %l0.down : f32[T,8]\n"
                             "  %l0.n = act %l0.mlp.d {kind=silu} : f32[T,8]\n"
                             "  %l0.h = add %h, %l0.n : f32[T,8]\n"
                             "  weight %l1.up : f16[8,8] = tensor(\"l.1.up\")\n"
                             "  %l1.mlp.u = linear %l0.h, %l1.up : f32[T,8]\n"
                             "  weight %l1.down : f16[8,8] = transpose(tensor(\"l.1.down\"))\n"
                             "  %l1.mlp.d = linear %l1.mlp.u, %l1.down : f32[T,8]\n"
                             "  %l1.n = scale %l1.mlp.d {by=0.5} : f32[T,8]\n"
                             "  %l1.h = add %l0.h, %l1.n : f32[T,8]\n"
                             "  %y = linear %l1.h, %embed : f32[T,16]\n"
                             "  output logits = %y\n"
                             "}\n";

static tl_arena arena, scratch;
static tl_op_table ops;
static tl_diag diag;
static tl_source arch_source, config_source;
static tl_arch arch;
static tl_model model;

static tl_status lower(const char *arch_text, const char *config_text) {
  const tl_json *config = NULL;
  diag.count = 0;
  arch_source = (tl_source){"arch.yaml", tl_str_from(arch_text)};
  config_source = (tl_source){"config.json", tl_str_from(config_text)};
  TL_TRY(tl_json_parse(&arena, &config_source, NULL, &config, &diag));
  TL_TRY(tl_arch_load(&arena, &arch_source, &arch, &diag));
  tl_lower_input input = {.arena = &arena,
                          .ops = &ops,
                          .arch = &arch,
                          .config_source = &config_source,
                          .config = config};
  return tl_lower(&input, &model, &diag);
}

static const char *with(const char *graph) {
  tl_arena_reset(&arena);
  return tl_arena_format(&arena, "%s%s", head, graph).data;
}

// The text of `arch` with `from` replaced by `to`.
static const char *replaced(const char *text, const char *from, const char *to) {
  const char *at = strstr(text, from);
  CHECK(at);
  return tl_arena_format(&arena, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)).data;
}

static bool mentions(const char *message) {
  const tl_diag_entry *entry = &diag.entries[0];
  bool found = strstr(entry->text, message) != NULL;
  for (int i = 0; i < entry->notes_count; i++)
    found |= strstr(entry->notes[i], message) != NULL;
  return found;
}

// Lowering fails; the first error mentions `message` and points at `place`.
static void fails(const char *arch_text, const char *config, const char *message,
                  const char *place) {
  tl_status status = lower(arch_text, config);
  CHECK(!tl_ok(status) && diag.count > 0);
  tl_span span = diag.entries[0].span;
  tl_str shown = span.source ? tl_str_slice(span.source->text, span.offset, SIZE_MAX) : TL_STR("");
  if (mentions(message) && tl_str_starts_with(shown, tl_str_from(place))) return;
  tl_diag_print(&diag, stderr);
  CHECK(!"the message or its place");
}

static void fails_graph(const char *graph, const char *message, const char *place) {
  fails(with(graph), config_default, message, place);
}

static void fails_config(const char *config, const char *message, const char *place) {
  fails(with(body), config, message, place);
}

static void language(void) {
  CHECK(tl_ok(lower(with(body), config_default)));
  CHECK(tl_ok(tl_graph_verify(model.graph, &scratch, &diag)));
  CHECK(model.vocabulary == 16 && model.outputs == 16 && model.context == 32 && model.types == 0);
  tl_text_print_options plain = {0};
  tl_str text = tl_text_print(model.graph, &plain, &arena);
  if (tl_str_is(text, golden)) return;
  fprintf(stderr, "%.*s", TL_STR_ARG(text));
  CHECK(!"the golden");
}

// Definitions see the index, parameters do not; `j` is the index there and 1 elsewhere.
static void tables(void) {
  static const char graph[] = "  input %x : f32[T,1,8]\n"
                              "  input %p : i32[T]\n"
                              "  %y = rope %x, %p, @ramp {factor=$j}\n"
                              "  for i in 0..1 {\n  when inner < 0 {\n  }\n  }\n"
                              "  output logits = %y\n";
  CHECK(tl_ok(lower(with(graph), config_default)));
  const tl_value *table = tl_graph_find(model.graph, TL_STR("ramp"));
  CHECK(table && table->type.dims[0].constant == 4);
  for (int i = 0; i < 4; i++)
    CHECK(table->producer->table[i] == (float)((i + 0.5) * 2 * 8));
}

static void graph_faults(void) {
  fails_graph("  %y = lineer %x\n", "closest op is 'linear'", "lineer");
  fails_graph("  for i in 0..2 {\n", "not closed", "for i in");
  fails_graph("  for i in 0..2\n", "'{' is missing", "for i in");
  fails_graph("  for i in 2 {\n  }\n", "FIRST..END", "for i in");
  fails_graph("  for i in 0..9999 {\n  }\n", "a loop from 0 to 9999", "for i in");
  fails_graph("  for i in 0..2 {\n  } else {\n  }\n", "'else' without 'when'", "} else");
  fails_graph("  when nonsense {\n  }\n", "no parameter", "nonsense");
  fails_graph("  when 1 + {\n  }\n", "a value was expected", "");
  fails_graph("  use three\n", "no block", "use three");
  fails_graph("  use two mlp\n", "expected: use BLOCK", "use two mlp");
  fails_graph("  use two as mlp(x=%nope, w='up')\n", "not defined above", "%nope");
  fails_graph("  use two as mlp(%nope)\n", "an argument is", "%nope");
  fails_graph("  input %i : i32[T]\n  %h = embed %i, @embd\n", "the closest is '@embed'", "@embd");
  fails_graph("  input %i : i32[T]\n  %h = embed %i, @embed\n  %h = embed %i, @embed\n",
              "defined twice", "%h");
  fails_graph("  input %i : i32[$nope]\n", "no parameter", "nope");
  fails_graph("  input %i : i32[${config.absent}]\n", "this is missing", "${config.absent}");
  fails_graph("  input %i : i32[T]\n  for i in 0..2 {\n    %h = embed %i, @up\n"
              "    %n = scale %h {by=x}\n  }\n",
              "while lowering layer 0 of 2", "x}");
  fails_graph("  input %x : f32[T,8]\n  for i in 0..2 {\n    use two as m(x=%x, w='nope')\n  }\n",
              "used by arch.yaml:", "@$w");
  fails_graph("  input %i : i32[T]\n  %h = embed %i, @up\n", "no parameter", "i}");
}

static void arch_faults(void) {
  const char *all = with(body);
  fails(replaced(all, "task: generate", "task: dream"), config_default, "must be generate",
        "dream");
  fails(replaced(with(body), "layers: config.layers", "layers: layers + 1"), config_default,
        "defined by itself", "layers: layers");
  fails(replaced(with(body), "width: config.width", "width: inner"), config_default, "no parameter",
        "inner");
  fails(replaced(with(body), "to: embed", "to: head"), config_default, "not tied itself", "head");
  fails(replaced(with(body), "shape: [inner, width]", "shape: [inner - 4, width]"), config_default,
        "this dim is 0", "inner - 4");
  fails(replaced(with(body), "shape: [inner, width]", "shape: inner"), config_default,
        "a list of expressions", "inner");
}

static void config_faults(void) {
  fails_config("{\"layers\": 2, \"width\": 8, \"vocab\": 16, \"ctx\": 32, \"kinds\": "
               "[{\"k\": 4}, {\"k\": 8}], \"widht\": 3}",
               "closest key that is known is 'width'", "\"widht\"");
  fails_config("{\"layers\": 2, \"width\": 8, \"vocab\": 16, \"ctx\": 32, \"kinds\": "
               "[{\"k\": 4, \"z\": 1}, {\"k\": 8}]}",
               "'kinds.z' is not known", "\"z\"");
  fails_config("{\"layers\": 2, \"width\": 8, \"vocab\": \"16\", \"ctx\": 32, \"kinds\": []}",
               "expected an integer", "\"16\"");
  fails_config("{\"layers\": 2, \"width\": 8, \"ctx\": 32}", "config.vocab is missing", "{");
  fails_config("{\"layers\": 2, \"width\": 8, \"vocab\": -1, \"ctx\": 32}",
               "expected 'vocabulary' from 1 to 2147483647", "-1");
  fails_config("{\"layers\": 99999, \"width\": 8, \"vocab\": 1, \"ctx\": 32}",
               "expected 'layers' from 1 to 4096", "99999");
  fails_config("{\"layers\": 2, \"width\": 8, \"vocab\": 16, \"ctx\": 32, \"kinds\": "
               "[{\"k\": -4}, {\"k\": 8}]}",
               "must be positive", "-4");
  fails_config("{\"layers\": 2, \"width\": 8, \"vocab\": 16, \"ctx\": 32, \"kinds\": "
               "[{\"k\": \"a\"}, {\"k\": 8}]}",
               "expected", "\"a\"");
  fails_config("{\"layers\": 2, \"width\": 8, \"vocab\": 16, \"ctx\": 32, \"kinds\": [{\"k\": 4}]}",
               "no such item", "[{");
  fails_config("{\"layers\": 2, \"width\": 1e300, \"vocab\": 16, \"ctx\": 32, \"kinds\": "
               "[{\"k\": 4}, {\"k\": 8}]}",
               "", "");
  fails_config("{\"layers\": 2, \"width\": 8, \"vocab\": 16, \"ctx\": 32, \"dtype\": \"int8\"}",
               "type is not supported", "\"int8\"");
}

static void refusals(void) {
  static const char list[] =
      "refuse:\n"
      "  - {for: i, when: \"config.kinds[i].k > limit\", say: \"{i} is large\"}\n"
      "params:\n"
      "  limit: 4\n";
  const char *text = replaced(with(body), "params:\n", list);
  fails(text, config_default, "1 is large", "8}");
}

// Blocks that use each other forever, and loops in loops, end at a limit.
static void limits(void) {
  fails(replaced(with("  use two\n"), "    %u = linear %x, @up\n", "    use two\n    use two\n"),
        config_default, "nested deeper", "");
  fails_graph("  for a in 0..4096 {\n  for b in 0..4096 {\n    when false {\n    }\n  }\n  }\n",
              "longer than", "");
  fails_graph("  for a in 0..4096 {\n  for b in 0..4096 {\n  for c in 0..4096 {\n  }\n  }\n  }\n",
              "longer than", "");
  // Lines that are passed over count as well.
  enum { COUNT = 2000, BYTES = 8 };
  static char passed[COUNT * BYTES + 1], text[sizeof passed + 256]; // the arena is reset
  for (size_t i = 0; i < COUNT; i++)
    memcpy(passed + i * BYTES, "      #\n", BYTES);
  snprintf(text, sizeof text,
           "  for a in 0..4096 {\n  for b in 0..4096 {\n    when false {\n%s    }\n  }\n  }\n",
           passed);
  fails_graph(text, "longer than", "");
}

// Every allocation may fail: never a crash.
static void out_of_memory(void) {
  tl_arena_reset(&arena);
  const char *text = with(body);
  tl_arena keep = arena;
  arena = (tl_arena){0};
  tl_arena_init(&arena, ARENA_BYTES);
  for (size_t n = 0;; n += 1 + n / 16) {
    tl_arena_reset(&arena);
    arena.fail_after = n;
    tl_status status = lower(text, config_default);
    bool is_done = arena.fail_after > 0;
    arena.fail_after = SIZE_MAX;
    if (tl_ok(status) || is_done) break;
  }
  CHECK(tl_ok(lower(text, config_default)));
  tl_arena_finish(&keep);
}

int main(void) {
  tl_arena_init(&arena, ARENA_BYTES);
  tl_arena_init(&scratch, ARENA_BYTES);
  CHECK(tl_ok(tl_op_table_init(&ops, &diag)));
  language();
  tables();
  graph_faults();
  config_faults();
  refusals();
  limits();
  out_of_memory();
  arch_faults();
  tl_arena_finish(&scratch);
  tl_arena_finish(&arena);
  return 0;
}
