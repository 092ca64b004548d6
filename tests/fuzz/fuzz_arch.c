// Fuzz target: architecture files and configs. An input that begins with `{` is a config.json for
// the built-in architecture it names; any other is an architecture, lowered with llama_long.json.
//
// Nothing may crash or hang, a failure comes with a diagnostic within one of the texts, and a
// lowered graph prints to a text that parses to an equal one.
#include "compiler/lower/lower.h"
#include "ir/graph_equal.h"
#include "ir/text_parse.h"
#include "ir/text_print.h"
#include "ir/verify.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"
#include "tests/lib/check.h"

enum { ARENA_BYTES = 512 << 20 };

static tl_op_table ops;
static tl_diag diag;
static tl_arena arena;

static tl_source read_source(const char *path) {
  tl_file file;
  CHECK(tl_ok(tl_file_open(path, &file, &diag)));
  tl_source source = {path, tl_arena_copy(&arena, file.bytes)};
  tl_file_close(&file);
  CHECK(source.text.data);
  return source;
}

static tl_status lower(const tl_source *input, const tl_source *config_source, tl_model *model) {
  const tl_json *config = NULL;
  tl_arch arch;
  tl_str name;
  TL_TRY(tl_json_parse(&arena, config_source, NULL, &config, &diag));
  const tl_json *list = tl_json_get(config, TL_STR("architectures"));
  if (!tl_json_to_string(tl_json_item(list, 0), &name)) {
    return tl_json_expected(config_source, list, "architectures", "a list", &diag);
  }
  if (input == config_source) {
    TL_TRY(tl_arch_find(&arena, name, (tl_span){config_source, 0, 0}, &arch, &diag));
  } else {
    TL_TRY(tl_arch_load(&arena, input, &arch, &diag));
  }
  tl_lower_input with = {.arena = &arena,
                         .ops = &ops,
                         .arch = &arch,
                         .config_source = config_source,
                         .config = config};
  return tl_lower(&with, model, &diag);
}

static void check_graph(const tl_graph *graph) {
  tl_graph *again = NULL;
  tl_source printed = {"printed", tl_text_print(graph, NULL, &arena)};
  if (!printed.text.data) return; // the arena is full
  tl_status status = tl_text_parse(&printed, &ops, &arena, &again, &diag);
  CHECK(tl_ok(status) || status == TL_MEMORY);
  if (tl_ok(status)) CHECK(tl_graph_equal(graph, again));
  status = tl_graph_verify(graph, &arena, &diag);
  CHECK(status == TL_OK || status == TL_INPUT || status == TL_MEMORY);
}

static void check_places(void) {
  for (int i = 0; i < diag.count; i++) {
    const tl_span *span = &diag.entries[i].span;
    if (!span->source) continue;
    CHECK(span->offset <= span->source->text.length);
    CHECK(span->length <= span->source->text.length - span->offset);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tl_model model = {0};
  diag.count = 0;
  tl_arena_init(&arena, ARENA_BYTES);
  CHECK(tl_ok(tl_op_table_init(&ops, &diag)));
  tl_source input = {"input", {(const char *)data, size}};
  tl_source other = read_source(TL_SOURCE_DIR "/tests/archs/golden/llama_long.json");
  bool is_config = size > 0 && data[0] == '{';
  tl_status status = lower(&input, is_config ? &input : &other, &model);
  CHECK(tl_ok(status) ? diag.count == 0 : diag.count > 0 || status == TL_MEMORY);
  check_places();
  if (tl_ok(status)) check_graph(model.graph);
  tl_arena_finish(&arena);
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  static const char *const pieces[] = {"config.",
                                       " ?? ",
                                       " if ",
                                       " else ",
                                       "(",
                                       ")",
                                       "[",
                                       "]",
                                       "{",
                                       "}",
                                       "${",
                                       "%x",
                                       "@embed",
                                       "for i in 0..layers {",
                                       "when ",
                                       "use ",
                                       "use gated as x(",
                                       "- ",
                                       ": ",
                                       "|",
                                       "0",
                                       "-1",
                                       "1e300",
                                       "9223372036854775807",
                                       "null",
                                       "true",
                                       "\"\"",
                                       "rope_scaling",
                                       "layers",
                                       "i",
                                       "{i}",
                                       "{e}",
                                       "stack(",
                                       "tensor(\"",
                                       "4095",
                                       NULL};
  return tl_fuzz_mutate(data, size, size_max, seed, pieces);
}
