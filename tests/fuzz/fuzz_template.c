// Fuzz target: chat templates, rendered with variables of every kind. A template that parses
// renders to the same valid text each time, or is refused with one sentence at a place in it; where
// the input says so, memory runs out while it is parsed, then while it is rendered.
#include "runtime/base/utf8.h"
#include "runtime/text/jinja/jinja.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/shortage.h"
#include "tests/lib/check.h"

enum { ARENA_BYTES = 64 << 20, STEPS_MAX = 1 << 18, NOW_STEP = 40000 };

// Those of make_templates.py, so that the templates of its cases do here what they do there, and a
// conversation.
// clang-format off
static const char variables_text[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \"be brief\"},"
    " {\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"hi\"},"
    " {\"type\": \"image\"}]},"
    " {\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"function\":"
    " {\"name\": \"f\", \"arguments\": {\"a\": 1, \"b\": [true, null, 2.5]}}}]}],"
    " \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}],"
    " \"add_generation_prompt\": true, \"bos_token\": \"<s>\","
    " \"s\": \"Hello, World\", \"t\": \"  pad\\u00a0\", \"e\": \"\", \"h\": \"<a href='x'>&</a>\","
    " \"u\": \"stra\\u00dfe \\u038c\\u03a3\\u039f\\u03a3 \\u01c6 \\u0130 \\ufb01\","
    " \"q\": \"it's \\\"q\\\" \\\\ \\n\\t\\u001b\\u200b\\u00e9\\ud83d\\ude00\","
    " \"n\": 7, \"z\": 0, \"neg\": -7, \"f\": 2.5, \"big\": 18446744073709551616, \"tiny\": 1e-07,"
    " \"huge\": 1e22, \"yes\": true, \"no\": false, \"nil\": null, \"l\": [3, 1, 2],"
    " \"m\": [\"b\", \"A\", \"c\", \"a\"], \"mixed\": [1, \"x\", null, 2.5, true], \"empty\": [],"
    " \"d\": {\"b\": 1, \"a\": {\"c\": [1, 2]}, \"items\": 5},"
    " \"k\": {\"B\": 2, \"a\": 1, \"C\": 3},"
    " \"nothing\": {}, \"rows\": [{\"name\": \"x\", \"n\": 2, \"on\": true},"
    " {\"name\": \"Y\", \"n\": 1, \"on\": false}, {\"name\": \"z\", \"n\": 3}],"
    " \"lines\": \"one\\ntwo\\r\\nthree\\n\\nfive\\n\", \"deep\": [[1, [2]], [3, [4, [5]]]],"
    " \"keys\": {\"0\": 0, \"1\": 1, \"2\": 2, \"3\": 3, \"4\": 4, \"5\": 5, \"6\": 6, \"7\": 7,"
    " \"8\": 8, \"9\": 9}}";
// clang-format on

static void check_fault(const tl_diag *diag, tl_status status) {
  CHECK(status != TL_INTERNAL);
  if (diag->count == 0) CHECK(status == TL_MEMORY);
  if (diag->count == 0) return;
  CHECK(diag->count == 1 && diag->entries[0].text[0]);
  const tl_span *span = &diag->entries[0].span;
  CHECK(span->source && span->offset <= span->source->text.length);
}

static tl_status render(const tl_jinja_template *template, const tl_source *source,
                        const tl_json *variables, int64_t now, tl_arena *arena, tl_str *out) {
  tl_diag diag = {0};
  tl_jinja_variables set = {source, variables};
  tl_jinja_input input = {.sets = &set, .sets_count = 1, .now = now, .steps_max = STEPS_MAX};
  *out = TL_STR("");
  tl_status status = tl_jinja_render(template, &input, arena, &diag, out);
  if (!tl_ok(status)) check_fault(&diag, status);
  if (tl_ok(status)) CHECK(diag.count == 0 && tl_utf8_is_valid(*out));
  return status;
}

// Read once, kept to the end.
static const tl_json *read_variables(const tl_source *source) {
  static const tl_json *variables;
  static tl_arena arena;
  tl_diag diag = {0};
  if (variables) return variables;
  tl_arena_init(&arena, ARENA_BYTES);
  CHECK(tl_ok(tl_json_parse(&arena, source, NULL, &variables, &diag)));
  return variables;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const tl_source variables_source = {"variables", TL_STR(variables_text)};
  tl_source source = {"fuzz", {(const char *)data, size}};
  const tl_jinja_template *template = NULL;
  const tl_json *variables = read_variables(&variables_source);
  int64_t now = (int64_t)size * NOW_STEP; // all hours and days
  size_t fail_after = tl_shortage_take(&source.text);
  tl_arena parsed, first_arena, again_arena;
  tl_diag diag = {0};
  tl_str first, again;
  tl_arena_init(&parsed, ARENA_BYTES);
  parsed.fail_after = fail_after;
  tl_status status = tl_jinja_parse(&parsed, &source, &template, &diag);
  tl_fuzz_accepted = tl_ok(status);
  if (tl_ok(status)) {
    tl_arena_init(&first_arena, ARENA_BYTES);
    tl_arena_init(&again_arena, ARENA_BYTES);
    if (fail_after != SIZE_MAX) first_arena.fail_after = again_arena.fail_after = parsed.fail_after;
    status = render(template, &variables_source, variables, now, &first_arena, &first);
    CHECK(render(template, &variables_source, variables, now, &again_arena, &again) == status);
    CHECK(tl_str_equal(first, again));
    tl_arena_finish(&first_arena);
    tl_arena_finish(&again_arena);
  } else {
    check_fault(&diag, status);
  }
  tl_arena_finish(&parsed);
  return 0;
}

// clang-format off
static const char *const pieces[] = {
    "{{ ", " }}", "{% ", " %}", "{%- ", " -%}", "{# ", " #}", "{% if ", "{% else %}",
    "{% endif %}", "{% elif ", "{% for ", " in messages", "{% endfor %}", "{% set ",
    "{% endset %}", "{% macro f(", "{% endmacro %}", "{% call f() %}", "{% endcall %}",
    "{% filter upper %}", "{% endfilter %}", "{% generation %}", "{% endgeneration %}",
    "{% break %}", "{% continue %}", "{% raw %}", "{% endraw %}", "{% with ", "{% endwith %}",
    "namespace(a=1)", " if ", " else ", " is ", " not ", " and ", " or ", " ~ ", " + ", " * ",
    " % ", " ** ", " // ", "|tojson", "|tojson(indent=2)", "|trim", "|length", "|join(', ')",
    "|sort", "|list", "|map(attribute='a')", "|map('upper')", "|selectattr('role', 'eq', 'user')",
    "|default('x', true)", "|replace('a', 'b')", "|indent(2, true)", "|dictsort", "|unique",
    "|first", "|last", "|reverse", "|batch(2)", "|int", "|round(1)", "|e", "|safe", "|title",
    "|items", ".items()", ".split(' ', 1)", ".rsplit()", ".strip('a')", ".get('a')",
    ".splitlines()", ".format(1)", ".partition('a')", ".find('o')", ".center(9)", "[0]", "[-1:]",
    "[::-1]", "(", ")", "[", "]", "{'a': 1}", "(1, 2)", "loop.index", "loop.previtem", "loop(",
    "caller()", "range(3)", "none", "true", "'%s' % ", "cycler(1, 2)", "joiner()", "dict(a=1)",
    "strftime_now('%d')", "raise_exception('x')", "messages", "tools", "missing", NULL};
// clang-format on

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  tl_shortage end = tl_shortage_keep(data, &size, &size_max, seed);
  return tl_shortage_put(&end, data, tl_fuzz_mutate_text(data, size, size_max, seed, pieces));
}
