// Golden graphs of architectures: golden_test FOLDER. For each NAME.json, a config of two layers,
// the graph without checkpoint must be NAME.ir. TLMC_BLESS=1 rewrites.
//
// Also holds every graph to the laws: it verifies, and its text parses to an equal graph.
#include <dirent.h>

#include "compiler/lower/lower.h"
#include "ir/graph_equal.h"
#include "ir/text_parse.h"
#include "ir/text_print.h"
#include "ir/verify.h"
#include "tests/lib/check.h"

enum { FILES_MAX = 256, PATH_BYTES = 512, ARENA_BYTES = 256 << 20 };

static tl_arena arena, scratch;
static tl_op_table ops;
static tl_diag diag;

static void require(tl_status status, const char *path) {
  if (tl_ok(status)) return;
  fprintf(stderr, "%s: %s\n", path, tl_status_text(status));
  tl_diag_print(&diag, stderr);
  exit(1);
}

static tl_source read_source(const char *path) {
  tl_file file;
  require(tl_file_open(path, &file, &diag), path);
  tl_source source = {path, tl_arena_copy(&arena, file.bytes)};
  tl_file_close(&file);
  return source;
}

static tl_str lowered(const char *path) {
  tl_source source = read_source(path);
  const tl_json *config = NULL;
  tl_arch arch;
  tl_model model;
  tl_str name;
  require(tl_json_parse(&arena, &source, NULL, &config, &diag), path);
  CHECK(tl_json_to_string(tl_json_item(tl_json_get(config, TL_STR("architectures")), 0), &name));
  require(tl_arch_find(&arena, name, (tl_span){0}, &arch, &diag), path);
  tl_lower_input input = {
      .arena = &arena, .ops = &ops, .arch = &arch, .config_source = &source, .config = config};
  require(tl_lower(&input, &model, &diag), path);
  require(tl_graph_verify(model.graph, &scratch, &diag), path);
  tl_text_print_options plain = {0};
  tl_source printed = {"printed", tl_text_print(model.graph, &plain, &arena)};
  tl_graph *again = NULL;
  require(tl_text_parse(&printed, &ops, &arena, &again, &diag), path);
  CHECK(tl_graph_equal(model.graph, again));
  return printed.text;
}

static bool check_golden(const char *config_path, const char *golden_path) {
  tl_arena_reset(&arena);
  tl_str text = lowered(config_path);
  if (getenv("TLMC_BLESS")) {
    FILE *out = fopen(golden_path, "wb");
    CHECK(out && fwrite(text.data, 1, text.length, out) == text.length && fclose(out) == 0);
    return true;
  }
  if (tl_str_equal(text, read_source(golden_path).text)) return true;
  fprintf(stderr, "%s differs; TLMC_BLESS=1 rewrites it, then look at the change\n", golden_path);
  return false;
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  tl_arena_init(&arena, ARENA_BYTES);
  tl_arena_init(&scratch, ARENA_BYTES);
  CHECK(tl_ok(tl_op_table_init(&ops, &diag)));
  DIR *folder = opendir(argv[1]);
  CHECK(folder);
  int count = 0;
  bool is_right = true;
  for (struct dirent *entry; (entry = readdir(folder));) {
    char config_path[PATH_BYTES], golden_path[PATH_BYTES];
    tl_str name = tl_str_from(entry->d_name);
    if (!tl_str_ends_with(name, TL_STR(".json"))) continue;
    int stem = (int)name.length - 5;
    CHECK(count++ < FILES_MAX);
    CHECK(snprintf(config_path, PATH_BYTES, "%s/%s", argv[1], name.data) < PATH_BYTES);
    CHECK(snprintf(golden_path, PATH_BYTES, "%s/%.*s.ir", argv[1], stem, name.data) < PATH_BYTES);
    is_right &= check_golden(config_path, golden_path);
  }
  closedir(folder);
  CHECK(count > 0 && is_right);
  tl_arena_finish(&scratch);
  tl_arena_finish(&arena);
  return 0;
}
