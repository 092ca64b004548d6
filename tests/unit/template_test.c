// Templates against jinja2's stored results, their limits, and the chat templates of a plan.
#include "runtime/base/file.h"
#include "runtime/text/chat.h"
#include "tests/lib/check.h"

enum { MEMORY = TL_CHAT_RENDER_BYTES_MAX };

static tl_diag diag;

// Renders `text`; the status of the first step that fails.
static tl_status render(tl_arena *arena, tl_str text, const tl_source *source,
                        const tl_json *variables, int64_t now, tl_str *out) {
  const tl_jinja_template *template = NULL;
  tl_source *template_source = tl_arena_alloc(arena, sizeof *template_source);
  *template_source = (tl_source){"template", text};
  diag = (tl_diag){0};
  TL_TRY(tl_jinja_parse(arena, template_source, &template, &diag));
  tl_jinja_variables set = {source, variables};
  tl_jinja_input input = {.sets = &set, .sets_count = variables != NULL, .now = now};
  return tl_jinja_render(template, &input, arena, &diag, out);
}

static void check_case(const tl_source *source, const tl_json *variables, const tl_json *item,
                       int64_t now) {
  tl_arena arena;
  tl_str text, expected, found = {0};
  tl_arena_init(&arena, MEMORY);
  CHECK(tl_json_to_string(tl_json_item(item, 0), &text));
  bool renders = tl_json_to_string(tl_json_item(item, 1), &expected);
  tl_status status = render(&arena, text, source, variables, now, &found);
  bool matches = tl_ok(status) == renders && (!renders || tl_str_equal(found, expected));
  if (!matches) {
    if (!renders) expected = TL_STR("a refusal");
    if (!tl_ok(status)) found = tl_str_from(diag.entries[0].text);
    fprintf(stderr, "template: %.*s\nexpected: %.*s\nfound:    %.*s\n", TL_STR_ARG(text),
            TL_STR_ARG(expected), TL_STR_ARG(found));
  }
  CHECK(matches);
  if (!renders) CHECK(diag.count > 0);
  tl_arena_finish(&arena);
}

static void test_stored(void) {
  tl_file file;
  tl_arena arena;
  const tl_json *root = NULL;
  int64_t now = 0;
  tl_arena_init(&arena, MEMORY);
  CHECK(tl_ok(tl_file_open(TL_SOURCE_DIR "/tests/fixtures/templates/cases.json", &file, &diag)));
  tl_source source = {"cases.json", file.bytes};
  CHECK(tl_ok(tl_json_parse(&arena, &source, NULL, &root, &diag)));
  CHECK(tl_json_to_int(tl_json_get(root, TL_STR("now")), &now));
  const tl_json *cases = tl_json_get(root, TL_STR("cases"));
  CHECK(tl_json_count(cases) > 5);
  for (size_t i = 0; i < tl_json_count(cases); i++) {
    const tl_json *one = tl_json_item(cases, i);
    const tl_json *templates = tl_json_get(one, TL_STR("templates"));
    CHECK(tl_json_count(templates) > 0);
    for (size_t j = 0; j < tl_json_count(templates); j++) {
      check_case(&source, tl_json_get(one, TL_STR("variables")), tl_json_item(templates, j), now);
    }
  }
  tl_file_close(&file);
  tl_arena_finish(&arena);
}

// What must end by a limit, with a sentence.
static void test_limits(void) {
  static const char *const hostile[] = {
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
      "{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
      "{{ 'aaaaaaaaaa' * 999999999 }}",
      "{{ [1] * 999999999 }}",
      "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(90) %}{% set ns.s = ns.s ~ ns.s %}"
      "{% endfor %}",
      "{% set ns = namespace(l=[1]) %}{% for i in range(90) %}{% set ns.l = ns.l + ns.l %}"
      "{% endfor %}",
      "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}"
      "{{ ns.x }}",
      "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}"
      "{{ ns.x == [ns.x] }}{{ ns.x | tojson }}",
      "{{ ('a' * 9999999) | replace('a', 'b' * 9999999) }}",
      "{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{{ s | length }}{% endfor %}",
      "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}",
      "{{ 'x'.center(99999999999) }}",
      "{{ '%999999999d' % 1 }}",
      "{{ 2 ** 9999999999 }}",
      "{{ 9223372036854775807 + 1 }}",
      "{{ 'a' | indent(9999999999) }}",
      "{{ {} | tojson(indent=9999999999) }}",
  };
  for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
    tl_arena arena;
    tl_str out;
    tl_arena_init(&arena, MEMORY);
    tl_status status = render(&arena, tl_str_from(hostile[i]), NULL, NULL, 0, &out);
    if (tl_ok(status)) fprintf(stderr, "not refused: %s\n", hostile[i]);
    CHECK(!tl_ok(status) && diag.count == 1);
    tl_arena_finish(&arena);
  }
}

// What a template raises is said in its words, or in ours where it has none.
static void test_raised(void) {
  static const char *const cases[][2] = {
      {"{{ raise_exception('roles must ' ~ 'alternate') }}", "roles must alternate"},
      {"{{ raise_exception('') }}", "raise_exception was called without a message"},
      {"{{ raise_exception('\\0') }}", "raise_exception was called without a message"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    tl_arena arena;
    tl_str out;
    tl_arena_init(&arena, MEMORY);
    CHECK(!tl_ok(render(&arena, tl_str_from(cases[i][0]), NULL, NULL, 0, &out)));
    if (diag.count) fprintf(stderr, "%s\n", diag.entries[0].text);
    CHECK(diag.count == 1 && strstr(diag.entries[0].text, cases[i][1]));
    tl_arena_finish(&arena);
  }
}

// A text of `count` times `part`, with a head and a tail.
static tl_str repeated(tl_arena *arena, const char *head, const char *part, size_t count,
                       const char *tail) {
  size_t length = strlen(part);
  char *text = tl_arena_alloc(arena, strlen(head) + count * length + strlen(tail) + 1);
  CHECK(text);
  char *at = text + snprintf(text, strlen(head) + 1, "%s", head);
  for (size_t i = 0; i < count; i++, at += length)
    memcpy(at, part, length);
  memcpy(at, tail, strlen(tail));
  return (tl_str){text, (size_t)(at - text) + strlen(tail)};
}

static void test_nesting(void) {
  static const char *const parts[][3] = {
      {"{{ ", "(", "1"},         {"{{ ", "[", "1"},       {"{{ ", "not ", "1 }}"},
      {"{{ ", "- ", "1 }}"},     {"{{ 1", " + 1", " }}"}, {"{{ 1", ".a", " }}"},
      {"{{ 1", " if 1", " }}"},  {"", "{% if 1 %}", ""},  {"{{ 1", "|string", " }}"},
      {"{{ 1", " and 1", " }}"}, {"{{ a", "[", " }}"},    {"{% set ", "(", ""},
  };
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    tl_arena arena;
    tl_str out;
    tl_arena_init(&arena, MEMORY);
    tl_str text = repeated(&arena, parts[i][0], parts[i][1], 5000, parts[i][2]);
    CHECK(!tl_ok(render(&arena, text, NULL, NULL, 0, &out)));
    CHECK(diag.count == 1);
    tl_arena_finish(&arena);
  }
}

// Every allocation that fails is TL_MEMORY and nothing else.
static void test_memory(void) {
  static const char text[] =
      "{% macro f(a, b='x') %}{{ a ~ b }}{% endmacro %}{% set ns = namespace(l=[], d={'a': 1}) %}"
      "{% for i in range(3) %}{% set ns.l = ns.l + [f(i)|upper] %}{{ loop.index }}{% endfor %}"
      "{{ ns.l|sort(reverse=true)|join(', ') }}{{ ns.d|tojson(indent=2) }}{{ 'a-b'.split('-') }}";
  tl_status status = TL_MEMORY;
  for (size_t limit = 0; status == TL_MEMORY; limit++) {
    tl_arena arena;
    tl_str out;
    CHECK(limit < 10000);
    tl_arena_init(&arena, MEMORY);
    const tl_jinja_template *template = NULL;
    tl_source source = {"template", TL_STR(text)};
    diag = (tl_diag){0};
    arena.fail_after = limit;
    status = tl_jinja_parse(&arena, &source, &template, &diag);
    tl_jinja_input input = {0};
    if (tl_ok(status)) status = tl_jinja_render(template, &input, &arena, &diag, &out);
    tl_arena_finish(&arena);
  }
  CHECK(tl_ok(status));
}

// ---- Chat templates of a plan

static const char section[] =
    "{\"templates\": ["
    "{\"name\": \"default\", \"text\": \"{{ bos_token }}{% for m in messages %}{{ m.role }}:"
    "{{ m.content }}{{ m.thinking }}{{ m.reasoning_content }};{% endfor %}{{ tools }}{{ x }}\"},"
    "{\"name\": \"tool_use\", \"text\": \"tools {{ tools | length }}\"},"
    "{\"name\": \"broken\", \"text\": \"ok\\n{{ nope(\"}],"
    "\"tokens\": {\"bos_token\": \"<s>\"}}";

static tl_status chat(const char *conversation, tl_str *out, tl_arena *arena) {
  tl_source source = {"conversation", tl_str_from(conversation)};
  tl_chat *opened = tl_arena_alloc(arena, sizeof *opened);
  CHECK(opened);
  diag = (tl_diag){0};
  CHECK(tl_ok(tl_chat_open(TL_STR(section), arena, &diag, opened)));
  return tl_chat_render(opened, &source, 0, arena, &diag, out);
}

static void check_chat(const char *conversation, const char *expected) {
  tl_arena arena;
  tl_str out = {0};
  tl_arena_init(&arena, MEMORY);
  CHECK(tl_ok(chat(conversation, &out, &arena)));
  if (!tl_str_is(out, expected)) fprintf(stderr, "%.*s\n", TL_STR_ARG(out));
  CHECK(tl_str_is(out, expected));
  tl_arena_finish(&arena);
}

static void check_refused(const char *conversation, tl_status expected, const char *sentence) {
  tl_arena arena;
  tl_str out;
  tl_arena_init(&arena, MEMORY);
  CHECK(chat(conversation, &out, &arena) == expected);
  if (!strstr(diag.entries[0].text, sentence)) fprintf(stderr, "%s\n", diag.entries[0].text);
  CHECK(strstr(diag.entries[0].text, sentence));
  tl_arena_finish(&arena);
}

static void test_chat(void) {
  check_chat("{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}", "<s>user:hi;None");
  check_chat("{\"messages\": [], \"bos_token\": \"!\", \"x\": [1], \"tools\": null}", "!None[1]");
  check_chat("{\"messages\": [], \"tools\": [{}]}", "tools 1");
  check_chat("{\"messages\": [], \"tools\": [{}], \"chat_template\": \"default\"}", "<s>[{}]");
  check_chat("{\"messages\": [{\"role\": \"a\", \"content\": \"b\", \"reasoning\": \"c\"}]}",
             "<s>a:bcc;None");
  check_chat(
      "{\"messages\": [{\"role\": \"a\", \"thinking\": \"t\", \"reasoning_content\": null}]}",
      "<s>a:tt;None");
  check_refused("{\"messages\": [], \"chat_template\": \"broken\"}", TL_UNSUPPORTED,
                "line 2, column 1");
  check_refused("{\"messages\": [], \"chat_template\": \"rag\"}", TL_INPUT, "'rag'");
  check_refused("{\"messages\": 1}", TL_INPUT, "a list");
  check_refused("{}", TL_INPUT, "'messages' is missing");
  check_refused("{\"messages\": [1]}", TL_INPUT, "an object");
  check_refused("[]", TL_INPUT, "an object with messages");
  check_refused("{\"messages\": [", TL_INPUT, "");
}

int main(void) {
  test_stored();
  test_limits();
  test_raised();
  test_nesting();
  test_memory();
  test_chat();
  return 0;
}
