// Implementation of opt.h: arguments, reading, printing.
#include "compiler/cli/opt.h"

#include <stdio.h>

#include "compiler/passes/pass.h"
#include "ir/text_parse.h"
#include "ir/text_print.h"

enum { PASSES_MAX = 32, READ_BYTES = 1 << 16 };
#define ARENA_BYTES ((size_t)4 << 30)

static const char usage[] =
    "usage: tlmc opt [--pass=NAME].. [--from=NAME] [--stop-after=NAME] [--dump-after=NAME|all]\n"
    "                [--loc] [FILE]\n"
    "Runs passes over a graph in text form and prints the result; FILE is stdin if absent or -.\n"
    "passes:\n";

typedef struct opt_args {
  int passes[PASSES_MAX]; // --pass
  int passes_count;
  int from, stop_after, dump_after;
  bool locations, help;
  const char *path; // NULL = stdin
} opt_args;

typedef struct opt_run {
  opt_args args;
  tl_arena arena, scratch;
  tl_op_table ops;
  tl_source source;
  tl_diag diag;
} opt_run;

static tl_status bad_usage(tl_diag *diag, const char *what, const char *argument) {
  return tl_diag_error(diag, TL_USAGE, (tl_span){0}, "%s '%s', see `tlmc opt --help`", what,
                       argument);
}

// Whether `argument` is `--name=value`; then *out_value is behind the `=`.
static bool option_of(const char *argument, const char *name, const char **out_value) {
  size_t length = strlen(name);
  if (strncmp(argument, name, length) != 0 || argument[length] != '=') return false;
  *out_value = argument + length + 1;
  return true;
}

static tl_status take_pass(const char *name, int *out_pass, tl_diag *diag) {
  *out_pass = tl_pass_by_name(tl_str_from(name));
  return *out_pass < 0 ? bad_usage(diag, "there is no pass", name) : TL_OK;
}

static tl_status take_dump(const char *name, int *out_pass, tl_diag *diag) {
  *out_pass = TL_PASS_ALL;
  return strcmp(name, "all") == 0 ? TL_OK : take_pass(name, out_pass, diag);
}

static tl_status take_argument(opt_args *args, const char *argument, tl_diag *diag) {
  const char *value;
  if (option_of(argument, "--from", &value)) return take_pass(value, &args->from, diag);
  if (option_of(argument, "--stop-after", &value)) return take_pass(value, &args->stop_after, diag);
  if (option_of(argument, "--dump-after", &value)) return take_dump(value, &args->dump_after, diag);
  if (option_of(argument, "--pass", &value)) {
    if (args->passes_count == PASSES_MAX) return bad_usage(diag, "too many passes at", argument);
    return take_pass(value, &args->passes[args->passes_count++], diag);
  }
  bool is_file = argument[0] != '-' || strcmp(argument, "-") == 0;
  if (strcmp(argument, "--loc") == 0) {
    args->locations = true;
  } else if (strcmp(argument, "--help") == 0) {
    args->help = true;
  } else if (is_file && !args->path) {
    args->path = argument;
  } else {
    return bad_usage(diag, is_file ? "a second file" : "unknown option", argument);
  }
  return TL_OK;
}

static tl_status take_arguments(opt_args *args, int argc, char **argv, tl_diag *diag) {
  args->from = args->stop_after = args->dump_after = TL_PASS_NONE;
  for (int i = 1; i < argc; i++)
    TL_TRY(take_argument(args, argv[i], diag));
  if (args->path && strcmp(args->path, "-") == 0) args->path = NULL;
  if (args->passes_count && (args->from >= 0 || args->stop_after >= 0)) {
    return bad_usage(diag, "--pass excludes --from and --stop-after:", "--pass");
  }
  return TL_OK;
}

static tl_status read_stream(opt_run *run, FILE *file) {
  char *data = NULL;
  size_t length = 0, capacity = 0, got;
  do {
    data = tl_arena_grow(&run->arena, data, &capacity, length + READ_BYTES, 1);
    if (!data || length > TL_TEXT_BYTES_MAX) {
      return tl_diag_error(&run->diag, TL_MEMORY, (tl_span){&run->source, 0, 0},
                           "the text is too large");
    }
    got = fread(data + length, 1, READ_BYTES, file);
    length += got;
  } while (!feof(file) && !ferror(file));
  if (ferror(file)) {
    return tl_diag_error(&run->diag, TL_IO, (tl_span){&run->source, 0, 0}, "cannot be read: %m");
  }
  run->source.text = (tl_str){data, length};
  return TL_OK;
}

static tl_status read_source(opt_run *run) {
  const char *path = run->args.path;
  run->source.name = path ? path : "<stdin>";
  FILE *file = path ? fopen(path, "rb") : stdin;
  if (!file) {
    return tl_diag_error(&run->diag, TL_IO, (tl_span){&run->source, 0, 0}, "cannot be opened: %m");
  }
  tl_status status = read_stream(run, file);
  if (path) fclose(file);
  return status;
}

static void print_dump(void *user, const tl_pass_info *pass, bool failed, tl_str text) {
  (void)user;
  fprintf(stderr, "# %s %s\n%.*s", failed ? "before" : "after", pass->name, TL_STR_ARG(text));
}

static tl_status run_passes(opt_run *run, tl_module *module) {
  const opt_args *args = &run->args;
  tl_pass_ctx ctx = {&run->arena, &run->scratch, &run->diag, TL_UNIT_MAX};
  tl_pipeline_options options = tl_pipeline_defaults();
  options.dump_after = args->dump_after;
  options.dump = print_dump;
  bool pipeline = args->from >= 0 || args->stop_after >= 0;
  if (pipeline) {
    options.first = args->from < 0 ? 0 : args->from;
    options.stop_after = args->stop_after;
    return tl_pipeline_run(&ctx, module, &options);
  }
  options.first = tl_pass_count(); // none: verifies
  TL_TRY(tl_pipeline_run(&ctx, module, &options));
  for (int i = 0; i < args->passes_count; i++) {
    options.first = options.stop_after = args->passes[i];
    TL_TRY(tl_pipeline_run(&ctx, module, &options));
  }
  return TL_OK;
}

static tl_status print_module(opt_run *run, const tl_module *module) {
  tl_text_print_options options = {.locations = run->args.locations};
  tl_str text = module->program ? tl_module_print(module, &run->arena)
                                : tl_text_print(module->graph, &options, &run->arena);
  if (!text.data) return tl_diag_error(&run->diag, TL_MEMORY, (tl_span){0}, "out of memory");
  bool written = fwrite(text.data, 1, text.length, stdout) == text.length && fflush(stdout) == 0;
  return written ? TL_OK
                 : tl_diag_error(&run->diag, TL_IO, (tl_span){0}, "stdout: cannot be written: %m");
}

static tl_status print_help(void) {
  fputs(usage, stdout);
  for (int i = 0; i < tl_pass_count(); i++)
    fprintf(stdout, "  %-12s %s\n", tl_pass_of(i)->name, tl_pass_of(i)->summary);
  return TL_OK;
}

static tl_status opt(opt_run *run, int argc, char **argv) {
  tl_module module = {0};
  TL_TRY(take_arguments(&run->args, argc, argv, &run->diag));
  if (run->args.help) return print_help();
  TL_TRY(tl_op_table_init(&run->ops, &run->diag));
  TL_TRY(read_source(run));
  TL_TRY(tl_text_parse(&run->source, &run->ops, &run->arena, &module.graph, &run->diag));
  TL_TRY(run_passes(run, &module));
  return print_module(run, &module);
}

int tl_cli_opt(int argc, char **argv) {
  opt_run run = {0};
  tl_arena_init(&run.arena, ARENA_BYTES);
  tl_arena_init(&run.scratch, ARENA_BYTES);
  tl_status status = opt(&run, argc, argv);
  tl_diag_print(&run.diag, stderr);
  tl_arena_finish(&run.arena);
  tl_arena_finish(&run.scratch);
  return tl_status_exit_code(status);
}
