// Implementation of arch.h.
#include "compiler/cli/arch.h"

#include <stdio.h>

#include "compiler/build/build.h"
#include "ir/verify.h"
#include "runtime/base/file.h"

static const char usage[] = "usage: tlmc arch check FILE.yaml [--config CONFIG.json]\n"
                            "       tlmc arch list\n";

typedef struct arguments {
  const char *file, *config;
} arguments;

static tl_status bad(tl_diag *diag, const char *what, const char *argument) {
  return tl_diag_error(diag, TL_USAGE, (tl_span){0}, "%s '%s', see `tlmc arch --help`", what,
                       argument);
}

static tl_status take_arguments(arguments *args, int argc, char **argv, tl_diag *diag) {
  for (int i = 2; i < argc; i++) {
    bool is_option = argv[i][0] == '-';
    if (strncmp(argv[i], "--config=", 9) == 0) {
      args->config = argv[i] + 9;
    } else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
      args->config = argv[++i];
    } else if (is_option || args->file) {
      return bad(diag, is_option ? "no such option, or its value is missing:" : "a second file",
                 argv[i]);
    } else {
      args->file = argv[i];
    }
  }
  return args->file ? TL_OK : bad(diag, "a file is missing after", "check");
}

// The file by itself.
static tl_status check_file(tl_build *build, const char *path, tl_diag *diag) {
  tl_file file;
  TL_TRY(tl_file_open(path, &file, diag));
  tl_source *source = tl_arena_alloc(&build->arena, sizeof *source);
  tl_str text = tl_arena_copy(&build->arena, file.bytes);
  tl_file_close(&file);
  if (!source || !text.data) return TL_MEMORY;
  *source = (tl_source){path, text};
  return tl_arch_load(&build->arena, source, &build->arch, diag);
}

static void print_graph(const tl_graph *graph) {
  const int64_t ones[TL_SYMBOLS_MAX] = {1, 1, 1, 1};
  int64_t numbers = 0;
  size_t ops = 0, weights = 0, states = 0;
  for (size_t i = 0; i < graph->nodes_count; i++) {
    const tl_node *node = graph->nodes[i];
    ops += node->kind == TL_NODE_OP;
    states += node->kind == TL_NODE_STATE;
    if (node->kind != TL_NODE_WEIGHT) continue;
    weights++;
    numbers += tl_type_elements(&node->result->type, ones);
  }
  printf("ok: %zu ops, %zu weights of %.1f million numbers, %zu states\n", ops, weights,
         (double)numbers / 1e6, states);
}

static tl_status check(tl_build *build, const arguments *args, tl_diag *diag) {
  TL_TRY(check_file(build, args->file, diag));
  if (!args->config) {
    puts("ok: without --config only the form was checked");
    return TL_OK;
  }
  tl_build_options options = {.model = args->config, .arch = args->file, .skeleton = true};
  TL_TRY(tl_build_lower(build, &options, diag));
  TL_TRY(tl_graph_verify(build->model.graph, &build->scratch, diag));
  print_graph(build->model.graph);
  return TL_OK;
}

static tl_status list(tl_arena *arena, tl_diag *diag) {
  size_t count;
  const tl_arch_file *files = tl_arch_embedded(&count);
  for (size_t i = 0; i < count; i++) {
    const tl_yaml *root = NULL;
    const tl_source source = {files[i].name,
                              {files[i].text, (size_t)(files[i].text_end - files[i].text)}};
    TL_TRY(tl_yaml_parse(arena, &source, &root, diag));
    const tl_yaml *names = tl_yaml_get(root, "architectures"), *about = tl_yaml_get(root, "about");
    for (const tl_yaml *name = names ? names->first : NULL; name; name = name->next) {
      printf("%-32.*s %.*s (%s)\n", TL_STR_ARG(name->text),
             TL_STR_ARG(about ? about->text : TL_STR("")), files[i].name);
    }
  }
  return TL_OK;
}

static tl_status run(tl_build *build, int argc, char **argv, tl_diag *diag) {
  const char *what = argc > 1 ? argv[1] : "";
  arguments args = {0};
  if (strcmp(what, "list") == 0 && argc == 2) return list(&build->arena, diag);
  if (strcmp(what, "check") != 0) return bad(diag, "there is no command", what);
  TL_TRY(take_arguments(&args, argc, argv, diag));
  return check(build, &args, diag);
}

int tl_cli_arch(int argc, char **argv) {
  static tl_diag diag;
  tl_build build;
  if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
    fputs(usage, stdout);
    return 0;
  }
  tl_build_init(&build);
  tl_status status = run(&build, argc, argv, &diag);
  tl_diag_print(&diag, stderr);
  if (!tl_ok(status) && diag.count == 0) fprintf(stderr, "tlmc: %s\n", tl_status_text(status));
  tl_build_finish(&build);
  return tl_status_exit_code(status);
}
