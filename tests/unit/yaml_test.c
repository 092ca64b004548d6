// The YAML tree: values, places, and everything that is refused.
#include "compiler/load/yaml_tree.h"
#include "tests/lib/check.h"

static tl_arena arena;
static tl_diag diag;
static tl_source source;

static tl_status parse(const char *text, const tl_yaml **out) {
  tl_arena_reset(&arena);
  diag.count = 0;
  source = (tl_source){"test.yaml", tl_str_from(text)};
  return tl_yaml_parse(&arena, &source, out, &diag);
}

static const tl_yaml *parsed(const char *text) {
  const tl_yaml *root = NULL;
  tl_status status = parse(text, &root);
  tl_diag_print(&diag, stderr);
  CHECK(tl_ok(status) && root);
  return root;
}

static void fails(const char *text, const char *message, int line) {
  const tl_yaml *root = NULL;
  int found_line, column;
  CHECK(!tl_ok(parse(text, &root)));
  CHECK(diag.count == 1);
  tl_diag_locate(source.text, diag.entries[0].span.offset, &found_line, &column);
  if (!strstr(diag.entries[0].text, message) || found_line != line) {
    fprintf(stderr, "line %d: %s\n", found_line, diag.entries[0].text);
    CHECK(!"the message");
  }
}

// The place of `length` bytes from `offset` of a scalar must be these bytes of the source.
static void check_place(const tl_yaml *scalar, size_t offset, size_t length) {
  tl_span span = tl_yaml_place(scalar, offset, length);
  CHECK(tl_str_equal(tl_str_slice(source.text, span.offset, span.offset + span.length),
                     tl_str_slice(scalar->text, offset, offset + length)));
}

static void values(void) {
  const tl_yaml *root = parsed("a: config.x ?? 3  # comment\n"
                               "list: [one, 'two, 2', \"x\\ty\"]\n"
                               "sub:\n"
                               "  - k: v\n"
                               "  - {k: w, l: [1]}\n");
  CHECK(root->kind == TL_YAML_MAPPING && root->count == 3);
  CHECK(tl_str_is(tl_yaml_get(root, "a")->text, "config.x ?? 3"));
  const tl_yaml *list = tl_yaml_get(root, "list");
  CHECK(list->kind == TL_YAML_SEQUENCE && list->count == 3 && !list->first->is_quoted);
  CHECK(tl_str_is(list->first->next->text, "two, 2") && list->first->next->is_quoted);
  CHECK(tl_str_is(list->last->text, "x\ty"));
  const tl_yaml *sub = tl_yaml_get(root, "sub");
  CHECK(tl_str_is(tl_yaml_get(sub->last, "k")->text, "w"));
  CHECK(!tl_yaml_get(root, "absent") && !tl_yaml_get(NULL, "k") && !tl_yaml_get(list, "k"));
}

static void places(void) {
  const tl_yaml *root = parsed("\xc3\xa9: \xe2\x82\xac uro # \xc3\xa9\n"
                               "plain: a + b\n"
                               "quoted: 'c + d'\n"
                               "graph: |\n"
                               "\n"
                               "  first line\n"
                               "    indented\n"
                               "\n"
                               "  last\n"
                               "after: x\n");
  const tl_yaml *graph = tl_yaml_get(root, "graph");
  CHECK(graph->is_literal);
  CHECK(tl_str_is(graph->text, "\nfirst line\n  indented\n\nlast\n"));
  for (size_t i = 0; i < graph->text.length; i++) {
    if (graph->text.data[i] != '\n') check_place(graph, i, 1);
  }
  check_place(root->first, 0, 3);
  check_place(tl_yaml_get(root, "plain"), 4, 1);
  check_place(tl_yaml_get(root, "quoted"), 4, 1);
  check_place(tl_yaml_get(root, "after"), 0, 1);
  // A place never leaves its scalar.
  tl_span span = tl_yaml_place(tl_yaml_get(root, "plain"), 3, 500);
  CHECK(span.length == 2);
}

static void line_ends(void) {
  const tl_yaml *root = parsed("\xef\xbb\xbf"
                               "graph: |\r\n  one\r\n  two\r\nlast: y\r\n");
  const tl_yaml *graph = tl_yaml_get(root, "graph");
  CHECK(tl_str_is(graph->text, "one\ntwo\n"));
  check_place(graph, 4, 3);
  check_place(tl_yaml_get(root, "last"), 0, 1);
}

static void refusals(void) {
  fails("", "empty", 1);
  fails("a: &x 1\n", "anchors", 1);
  fails("a: 1\nb: *x\n", "aliases", 2);
  fails("a: !!int 1\n", "tags", 1);
  fails("&k a: 1\n", "anchors", 1);
  fails("a: &m {b: 1}\n", "anchors", 1);
  fails("a: 1\na: 2\n", "twice", 2);
  fails("a: 1\n---\nb: 2\n", "one document", 2);
  fails("a: >\n  folded\n", "folded", 1);
  fails("[a, b]: 1\n", "key", 1);
  fails("a: [1, 2\n", "", 2);
  fails("a: 'x\n", "", 2);
  fails("a:\n\t- b\n", "", 2);
  fails("a: \xff\n", "", 1);
}

static void limits(void) {
  char deep[256] = {0};
  memset(deep, '[', TL_YAML_DEPTH_MAX + 2);
  const tl_yaml *root = NULL;
  CHECK(parse(deep, &root) == TL_INPUT);
  static char keys[TL_YAML_MEMBERS_MAX * 12];
  size_t length = 0;
  for (int i = 0; i <= TL_YAML_MEMBERS_MAX; i++)
    length += (size_t)snprintf(keys + length, sizeof keys - length, "k%d: v\n", i);
  CHECK(parse(keys, &root) == TL_MEMORY);
}

// Every allocation may fail: never a crash.
static void out_of_memory(void) {
  const tl_yaml *root = NULL;
  source = (tl_source){"test.yaml", TL_STR("a: [b, {c: d}]\ne: |\n  f\n")};
  for (size_t n = 0;; n++) {
    tl_arena_reset(&arena);
    diag.count = 0;
    arena.fail_after = n;
    tl_status status = tl_yaml_parse(&arena, &source, &root, &diag);
    arena.fail_after = SIZE_MAX;
    if (tl_ok(status)) break;
    CHECK(status == TL_MEMORY);
  }
}

int main(void) {
  tl_arena_init(&arena, 64 << 20);
  values();
  places();
  line_ends();
  refusals();
  limits();
  out_of_memory();
  tl_arena_finish(&arena);
  return 0;
}
