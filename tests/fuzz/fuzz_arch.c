// Fuzz target: architecture files and configs. An input that begins with `{` is a config.json for
// the built-in architecture it names; any other is an architecture, lowered with a tiny model of an
// architecture that it names, those of even length with its checkpoint. One that ends in `#N` has
// memory for N allocations: few inputs would use up all memory, and at few places.
//
// Nothing may crash or hang, a failure comes with a diagnostic within one of the texts, and a
// lowered graph prints to a text that parses to an equal one.
#include <glob.h>

#include "compiler/lower/lower.h"
#include "ir/graph_equal.h"
#include "ir/text_parse.h"
#include "ir/text_print.h"
#include "ir/verify.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/shortage.h"
#include "tests/lib/check.h"

// Little memory: it also ends inputs that would take long.
enum { ARENA_BYTES = 8 << 20, KEPT_BYTES = 256 << 20, FIXTURES_MAX = 64, FOUND_MAX = 64 };

// What an architecture is lowered with.
typedef struct fixture {
  const tl_source *source;
  const tl_json *config;
  tl_str architecture;
  tl_checkpoint *checkpoint;
} fixture;

// A built-in architecture that a config named.
typedef struct found {
  tl_str name;
  tl_arch arch;
} found;

static fixture fixtures[FIXTURES_MAX];
static found all_found[FOUND_MAX];
static size_t fixtures_count, found_count;
static tl_op_table ops;
static tl_diag diag;
static tl_arena arena, kept;

static tl_status read_architecture(fixture *f) {
  const tl_json *list = tl_json_get(f->config, TL_STR("architectures"));
  if (tl_json_to_string(tl_json_item(list, 0), &f->architecture)) return TL_OK;
  return tl_json_expected(f->source, list, "architectures", "a list", &diag);
}

static void read_fixtures(void) {
  glob_t folders;
  tl_arena_init(&kept, KEPT_BYTES);
  CHECK(tl_ok(tl_op_table_init(&ops, &diag)));
  CHECK(glob(TL_SOURCE_DIR "/tests/fixtures/tiny/*", 0, NULL, &folders) == 0);
  for (; fixtures_count < folders.gl_pathc && fixtures_count < FIXTURES_MAX; fixtures_count++) {
    fixture *f = &fixtures[fixtures_count];
    const char *folder = folders.gl_pathv[fixtures_count];
    CHECK(tl_ok(tl_checkpoint_open(&kept, folder, NULL, &f->checkpoint, &diag)));
    f->source = f->checkpoint->config_source;
    f->config = f->checkpoint->config;
    CHECK(tl_ok(read_architecture(f)));
  }
  globfree(&folders);
}

static const fixture *fixture_for(tl_str arch) {
  for (size_t i = 0; i < fixtures_count; i++) {
    tl_str name = fixtures[i].architecture;
    if (memmem(arch.data, arch.length, name.data, name.length)) return &fixtures[i];
  }
  return &fixtures[0];
}

// Reads the description of an architecture once: it is the same for each config that names it.
static tl_status find(tl_str name, tl_span span, tl_arch *arch) {
  for (size_t i = 0; i < found_count; i++) {
    if (!tl_str_equal(all_found[i].name, name)) continue;
    *arch = all_found[i].arch;
    return TL_OK;
  }
  TL_TRY(tl_arch_find(&arena, name, span, arch, &diag));
  CHECK(found_count < FOUND_MAX);
  found *new = &all_found[found_count++];
  new->name = tl_arena_copy(&kept, name);
  CHECK(new->name.data);
  CHECK(tl_ok(tl_arch_find(&kept, new->name, span, &new->arch, &diag)));
  return TL_OK;
}

static tl_status lower(const tl_source *input, tl_model *model) {
  fixture with = {.source = input};
  tl_arch arch;
  if (tl_str_starts_with(input->text, TL_STR("{"))) {
    TL_TRY(tl_json_parse(&arena, input, NULL, &with.config, &diag));
    TL_TRY(read_architecture(&with));
    TL_TRY(find(with.architecture, (tl_span){input, 0, 0}, &arch));
  } else {
    with = *fixture_for(input->text);
    if (input->text.length % 2) with.checkpoint = NULL;
    TL_TRY(tl_arch_load(&arena, input, &arch, &diag));
  }
  tl_lower_input all = {.arena = &arena,
                        .ops = &ops,
                        .arch = &arch,
                        .config_source = with.source,
                        .config = with.config,
                        .checkpoint = with.checkpoint};
  return tl_lower(&all, model, &diag);
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

// With less memory it is the same fault, or that memory is short; what was read of a config may not
// be known either.
static void check_shortage(const tl_source *input, tl_status status) {
  tl_model model = {0};
  if (status == TL_MEMORY || status == TL_UNSUPPORTED) return;
  tl_arena_reset(&arena);
  arena.fail_after = SIZE_MAX;
  diag.count = 0;
  CHECK(lower(input, &model) == status);
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
  if (fixtures_count == 0) read_fixtures();
  tl_arena_init(&arena, ARENA_BYTES);
  tl_source input = {"input", {(const char *)data, size}};
  arena.fail_after = tl_shortage_take(&input.text);
  bool is_short = arena.fail_after != SIZE_MAX;
  tl_status status = lower(&input, &model);
  CHECK(tl_ok(status) ? diag.count == 0 : diag.count > 0 || status == TL_MEMORY);
  tl_fuzz_accepted = tl_ok(status);
  check_places();
  if (tl_ok(status)) check_graph(model.graph);
  if (is_short && !tl_ok(status)) check_shortage(&input, status);
  tl_arena_finish(&arena);
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  static const char *const keys[] = {"\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 2}",
                                     "{\"rope_type\": \"llama3\", \"factor\": 8}",
                                     "{\"rope_type\": \"linear\", \"factor\": 2.5}",
                                     "\"rope_parameters\": {\"rope_theta\": 1e4}",
                                     "\"attention_bias\": true",
                                     "\"quantization_config\": {\"quant_method\": \"fp8\"}",
                                     "[\"full_attention\", \"sliding_attention\"]",
                                     "\"gelu_pytorch_tanh\"",
                                     "\"LlamaForCausalLM\"",
                                     "\"sliding_window\": 8",
                                     NULL};
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
                                       "'\xC3\xA9'",
                                       "\xEF\xBB\xBF",
                                       "\t",
                                       "&a",
                                       "--- ",
                                       NULL};
  tl_shortage end = tl_shortage_keep(data, &size, &size_max, seed);
  size = size > 0 && data[0] == '{' ? tl_fuzz_mutate_json(data, size, size_max, seed, keys)
                                    : tl_fuzz_mutate_text(data, size, size_max, seed, pieces);
  return tl_shortage_put(&end, data, size);
}
