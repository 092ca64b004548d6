// Runs the golden files of a folder: golden_test FOLDER. TLMC_BLESS=1 rewrites them.
//
//   # RUN: verify                 parse | verify | opt --pass=NAME
//   graph @g() {
//     %a = foo %b                 # error: 8..10: unknown op 'foo'
//   }
//   # ----
//   graph ..                      the printed result, if it differs from the input
//
// A file is right if writing it anew, with the errors and the result of this build, gives the same
// bytes. Each success is also held to the laws of the text form: what was printed parses, is equal
// and prints to the same bytes.
#include <dirent.h>

#include "compiler/passes/pass.h"
#include "ir/graph_equal.h"
#include "ir/text_parse.h"
#include "ir/text_print.h"
#include "ir/verify.h"
#include "tests/lib/check.h"

enum { FILES_MAX = 512, NAME_BYTES = 256, FILE_BYTES_MAX = 1 << 20, ARENA_BYTES = 64 << 20 };

static const char error_mark[] = "  # error: ";
static const char result_mark[] = "# ----\n";

typedef struct golden {
  char path[2 * NAME_BYTES];
  tl_arena arena, scratch;
  tl_op_table ops;
  tl_diag diag;
  tl_str file;      // as found
  tl_str input;     // without error marks and result
  tl_source source; // of the input
  tl_str run;       // behind `# RUN: `
} golden;

static void append(tl_arena *arena, tl_str *text, tl_str more) {
  *text = tl_arena_format(arena, "%.*s%.*s", TL_STR_ARG(*text), TL_STR_ARG(more));
  CHECK(text->data);
}

static tl_str next_line(tl_str *rest) {
  const char *end = memchr(rest->data, '\n', rest->length);
  size_t length = end ? (size_t)(end - rest->data) + 1 : rest->length;
  tl_str line = tl_str_slice(*rest, 0, length);
  *rest = tl_str_slice(*rest, length, rest->length);
  return line;
}

static tl_str read_file(tl_arena *arena, const char *path) {
  FILE *file = fopen(path, "rb");
  CHECK(file);
  char *data = tl_arena_alloc(arena, FILE_BYTES_MAX);
  CHECK(data);
  size_t length = fread(data, 1, FILE_BYTES_MAX, file);
  CHECK(length < FILE_BYTES_MAX && fclose(file) == 0);
  return (tl_str){data, length};
}

static void read_golden(golden *g) {
  g->file = read_file(&g->arena, g->path);
  tl_str rest = g->file;
  while (rest.length) {
    tl_str line = next_line(&rest);
    if (tl_str_is(line, result_mark)) break;
    const char *mark = memmem(line.data, line.length, error_mark, sizeof error_mark - 1);
    append(&g->arena, &g->input, mark ? tl_str_slice(line, 0, (size_t)(mark - line.data)) : line);
    if (mark) append(&g->arena, &g->input, TL_STR("\n"));
  }
  g->source = (tl_source){g->path, g->input};
  rest = g->input;
  tl_str first = next_line(&rest);
  CHECK(tl_str_starts_with(first, TL_STR("# RUN: ")));
  g->run = tl_str_trim(tl_str_slice(first, 7, first.length));
}

static void check_laws(golden *g, const tl_graph *graph, tl_str text) {
  tl_source source = {"printed", text};
  tl_graph *again;
  CHECK(tl_ok(tl_text_parse(&source, &g->ops, &g->arena, &again, &g->diag)));
  CHECK(tl_graph_equal(graph, again));
  CHECK(tl_str_equal(tl_text_print(again, NULL, &g->arena), text));
}

// The printed result, empty if there were errors.
static tl_str run(golden *g) {
  tl_graph *graph;
  tl_status status = tl_text_parse(&g->source, &g->ops, &g->arena, &graph, &g->diag);
  CHECK(tl_ok(status) == (graph != NULL) && tl_ok(status) == (g->diag.count == 0));
  if (!graph) return TL_STR("");
  tl_str pass = {0};
  if (tl_str_starts_with(g->run, TL_STR("opt --pass="))) {
    pass = tl_str_slice(g->run, 11, g->run.length);
    int index = tl_pass_by_name(pass);
    CHECK(index >= 0);
    tl_pass_ctx ctx = {&g->arena, &g->scratch, &g->diag, TL_UNIT_MAX};
    tl_module module = {.graph = graph};
    tl_pipeline_options options = tl_pipeline_defaults();
    options.first = options.stop_after = index;
    status = tl_pipeline_run(&ctx, &module, &options);
    if (tl_ok(status) && module.program) return tl_module_print(&module, &g->arena);
  } else if (tl_str_is(g->run, "verify")) {
    status = tl_graph_verify(graph, &g->scratch, &g->diag);
  } else {
    CHECK(tl_str_is(g->run, "parse"));
  }
  CHECK(tl_ok(status) == (g->diag.count == 0));
  tl_str text = tl_text_print(graph, NULL, &g->arena);
  CHECK(text.data);
  check_laws(g, graph, text);
  return tl_ok(status) ? text : TL_STR("");
}

// The errors of line `number` as comments.
static tl_str errors_of(golden *g, int number, int lines_count) {
  tl_str text = {0};
  for (int i = 0; i < g->diag.count; i++) {
    const tl_diag_entry *entry = &g->diag.entries[i];
    int line = lines_count, column = 1;
    if (entry->span.source) {
      CHECK(entry->span.source == &g->source);
      CHECK(entry->span.offset + entry->span.length <= g->input.length);
      tl_diag_locate(g->input, entry->span.offset, &line, &column);
    }
    if (line > lines_count) line = lines_count;
    if (line != number) continue;
    tl_str place = entry->span.length < 2 ? tl_arena_format(&g->arena, "%d", column)
                                          : tl_arena_format(&g->arena, "%d..%d", column,
                                                            column + (int)entry->span.length - 1);
    append(&g->arena, &text,
           tl_arena_format(&g->arena, "%s%.*s: %s", error_mark, TL_STR_ARG(place), entry->text));
    for (int n = 0; n < entry->notes_count; n++)
      append(&g->arena, &text, tl_arena_format(&g->arena, " # note: %s", entry->notes[n]));
  }
  return text;
}

// `text` without comments: what canonical input is compared with.
static tl_str without_comments(golden *g, tl_str text) {
  tl_str plain = {0}, rest = text;
  while (rest.length) {
    tl_str line = next_line(&rest);
    bool comment = tl_str_starts_with(tl_str_trim(line), TL_STR("#"));
    if (!comment) append(&g->arena, &plain, line);
  }
  return plain;
}

static tl_str write_golden(golden *g, tl_str result) {
  tl_str text = {0}, rest = g->input;
  int number = 0, lines_count = 0;
  while (rest.length) {
    next_line(&rest);
    lines_count++;
  }
  for (rest = g->input; rest.length;) {
    tl_str line = next_line(&rest), errors = errors_of(g, ++number, lines_count);
    bool ended = tl_str_ends_with(line, TL_STR("\n"));
    append(&g->arena, &text, tl_str_slice(line, 0, line.length - ended));
    append(&g->arena, &text, errors);
    append(&g->arena, &text, TL_STR("\n"));
  }
  if (result.length == 0 || tl_str_equal(without_comments(g, g->input), result)) return text;
  append(&g->arena, &text, tl_str_from(result_mark));
  append(&g->arena, &text, result);
  return text;
}

static bool check_file(const char *path) {
  static golden g;
  g = (golden){0};
  snprintf(g.path, sizeof g.path, "%s", path);
  tl_arena_init(&g.arena, ARENA_BYTES);
  tl_arena_init(&g.scratch, ARENA_BYTES);
  CHECK(tl_ok(tl_op_table_init(&g.ops, &g.diag)));
  read_golden(&g);
  tl_str wanted = write_golden(&g, run(&g));
  bool same = tl_str_equal(wanted, g.file);
  if (!same && getenv("TLMC_BLESS")) {
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(wanted.data, 1, wanted.length, file) == wanted.length);
    CHECK(fclose(file) == 0);
    same = true;
  }
  if (!same) {
    fprintf(stderr, "%s: differs, expected (TLMC_BLESS=1 rewrites):\n%.*s", path,
            TL_STR_ARG(wanted));
  }
  tl_arena_finish(&g.arena);
  tl_arena_finish(&g.scratch);
  return same;
}

static int order_names(const void *a, const void *b) {
  return strcmp(a, b);
}

int main(int argc, char **argv) {
  static char names[FILES_MAX][NAME_BYTES];
  CHECK(argc == 2);
  DIR *folder = opendir(argv[1]);
  CHECK(folder);
  size_t count = 0;
  int failed = 0;
  for (const struct dirent *entry; (entry = readdir(folder));) {
    if (!tl_str_ends_with(tl_str_from(entry->d_name), TL_STR(".ir"))) continue;
    CHECK(count < FILES_MAX);
    snprintf(names[count++], NAME_BYTES, "%s", entry->d_name);
  }
  closedir(folder);
  qsort(names, count, sizeof *names, order_names);
  for (size_t i = 0; i < count; i++) {
    char path[2 * NAME_BYTES];
    snprintf(path, sizeof path, "%s/%s", argv[1], names[i]);
    failed += !check_file(path);
  }
  CHECK(count > 0);
  fprintf(stderr, "%zu goldens, %d differ\n", count, failed);
  return failed != 0;
}
