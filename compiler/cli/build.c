// Arguments of `tlmc build` and `tlmc dump`.
#include "compiler/cli/build.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "compiler/build/build.h"
#include "compiler/build/meta.h"
#include "compiler/codegen/occupancy.h"
#include "ir/text_print.h"
#include "runtime/base/plan_texts.h"
#include "runtime/base/processors.h"

enum { JOBS_MAX = 64 };

static const char usage[] =
    "usage: tlmc build MODEL_DIR [-o PLAN] [--target T[,T..]] [--weights auto|f32|bf16|f16|int8]\n"
    "                  [--kv bf16,f32] [--arch FILE.yaml] [--jobs N] [--keep-source] [--no-ptx]\n"
    "                  [--stop-after=PASS] [--dump-after=PASS|all]\n"
    "       tlmc build --skeleton CONFIG.json ..     a plan without weights\n"
    "       tlmc dump MODEL_DIR|--skeleton CONFIG.json ..     the graph, as text\n"
    "       tlmc dump .. --kernels [--target T[,T..]]     the kernels, with what they take of a "
    "GPU\n"
    "targets: cpu (all x86 levels), cpu:native";

typedef struct arguments {
  tl_build_options options;
  bool help, no_ptx, kernels;
} arguments;

static tl_status bad(tl_diag *diag, const char *what, const char *argument) {
  return tl_diag_error(diag, TL_USAGE, (tl_span){0}, "%s '%s', see `tlmc build --help`", what,
                       argument);
}

static tl_status take_native(tl_build_options *options, tl_diag *diag) {
  int best = -1;
  for (int i = 0; i < TL_TARGET_COUNT; i++) {
    if (tl_target_runs_here(i) && (best < 0 || tl_target_of(i)->rank > tl_target_of(best)->rank))
      best = i;
  }
  if (best < 0) return bad(diag, "no target runs on this machine:", "cpu:native");
  options->targets[best] = true;
  return TL_OK;
}

static tl_status take_target(tl_build_options *options, tl_str text, tl_diag *diag) {
  if (tl_str_is(text, "cpu:native")) return take_native(options, diag);
  if (tl_str_is(text, "cpu")) {
    for (int i = 0; i < TL_TARGET_COUNT; i++)
      options->targets[i] |= tl_target_of(i)->device == TL_TARGET_DEVICE_CPU;
    return TL_OK;
  }
  int target = tl_target_from_text(text);
  if (target == TL_TARGET_COUNT) {
    return tl_diag_error(
        diag, tl_str_starts_with(text, TL_STR("cuda:")) ? TL_UNSUPPORTED : TL_USAGE, (tl_span){0},
        "target '%.*s' is not one of this version: see `tlmc build --help`", TL_STR_ARG(text));
  }
  options->targets[target] = true;
  return TL_OK;
}

// Calls `take` for each part of a comma-separated list.
typedef tl_status take_part(tl_build_options *options, tl_str text, tl_diag *diag);

static tl_status take_list(tl_build_options *options, const char *list, take_part *take,
                           tl_diag *diag) {
  tl_str rest = tl_str_from(list);
  for (;;) {
    size_t end = 0;
    while (end < rest.length && rest.data[end] != ',')
      end++;
    TL_TRY(take(options, tl_str_slice(rest, 0, end), diag));
    if (end == rest.length) return TL_OK;
    rest = tl_str_slice(rest, end + 1, rest.length);
  }
}

static tl_status take_kv(tl_build_options *options, tl_str text, tl_diag *diag) {
  int kv = tl_plan_kv_from_text(text);
  if (kv < TL_PLAN_KV_COUNT) {
    options->kv_types |= 1u << kv;
    return TL_OK;
  }
  return tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0},
                       "a KV cache of '%.*s' is not supported (f32 and bf16 are)",
                       TL_STR_ARG(text));
}

static tl_status take_weights(tl_build_options *options, const char *text, tl_diag *diag) {
  static const char *const texts[] = {"auto", "f32", "bf16", "f16", "int8"};
  for (int i = 0; i < (int)(sizeof texts / sizeof *texts); i++) {
    if (strcmp(text, texts[i]) != 0) continue;
    options->weights = (tl_weights_choice)i;
    return TL_OK;
  }
  return tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0},
                       "weights of '%s' are not supported yet (auto, f32, bf16, f16, int8 are)",
                       text);
}

static tl_status take_jobs(tl_build_options *options, const char *text, tl_diag *diag) {
  int64_t jobs = 0;
  if (!tl_str_to_i64(tl_str_from(text), &jobs) || jobs < 1 || jobs > JOBS_MAX) {
    return bad(diag, "--jobs takes a number from 1 to 64, not", text);
  }
  options->jobs = (int)jobs;
  return TL_OK;
}

static tl_status take_pass(const char *text, int *out_pass, bool all, tl_diag *diag) {
  *out_pass = all && strcmp(text, "all") == 0 ? TL_PASS_ALL : tl_pass_by_name(tl_str_from(text));
  return *out_pass == TL_PASS_NONE ? bad(diag, "there is no pass", text) : TL_OK;
}

// Options with a value, as `--name value` or `--name=value`.
static tl_status take_option(arguments *args, const char *name, const char *value, tl_diag *diag) {
  tl_build_options *o = &args->options;
  if (strcmp(name, "-o") == 0) {
    o->output = value;
    return TL_OK;
  }
  if (strcmp(name, "--arch") == 0) {
    o->arch = value;
    return TL_OK;
  }
  if (strcmp(name, "--target") == 0) return take_list(o, value, take_target, diag);
  if (strcmp(name, "--kv") == 0) return take_list(o, value, take_kv, diag);
  if (strcmp(name, "--weights") == 0) return take_weights(o, value, diag);
  if (strcmp(name, "--jobs") == 0) return take_jobs(o, value, diag);
  if (strcmp(name, "--stop-after") == 0) {
    return take_pass(value, &o->pipeline.stop_after, false, diag);
  }
  if (strcmp(name, "--dump-after") == 0) {
    return take_pass(value, &o->pipeline.dump_after, true, diag);
  }
  return bad(diag, "there is no option", name);
}

static tl_status take_positional(tl_build_options *options, const char *text, tl_diag *diag) {
  if (options->model) return bad(diag, "one model at a time; unexpected", text);
  options->model = text;
  return TL_OK;
}

static tl_status parse(int argc, char **argv, arguments *args, tl_diag *diag) {
  args->options = (tl_build_options){.pipeline = tl_pipeline_defaults()};
  for (int i = 1; i < argc; i++) {
    char name[64];
    const char *equals = strchr(argv[i], '=');
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
      args->help = true;
    } else if (strcmp(argv[i], "--skeleton") == 0) {
      args->options.skeleton = true;
    } else if (strcmp(argv[i], "--keep-source") == 0) {
      args->options.keeps_source = true; // of CPU kernels there is none: they come from bitcode
    } else if (strcmp(argv[i], "--kernels") == 0) {
      args->kernels = true;
    } else if (strcmp(argv[i], "--no-ptx") == 0) {
      args->no_ptx = true;
    } else if (argv[i][0] != '-') {
      TL_TRY(take_positional(&args->options, argv[i], diag));
    } else if (equals && equals - argv[i] < (int)sizeof name) {
      snprintf(name, sizeof name, "%.*s", (int)(equals - argv[i]), argv[i]);
      TL_TRY(take_option(args, name, equals + 1, diag));
    } else if (i + 1 < argc) {
      TL_TRY(take_option(args, argv[i], argv[i + 1], diag));
      i++;
    } else {
      return bad(diag, "a value is missing after", argv[i]);
    }
  }
  if (!args->options.model && !args->help) return bad(diag, "no model was given", "");
  return TL_OK;
}

// The way forward to GPUs that nobody has made yet: text for the oldest of the generations that are
// named, for the first of all if only `a` ones are.
static void add_text(tl_build_options *options) {
  const char *oldest = NULL;
  for (int i = 0; i < TL_TARGET_COUNT; i++) {
    const tl_target_info *info = tl_target_of(i);
    if (!options->targets[i] || info->device != TL_TARGET_DEVICE_CUDA) continue;
    if (strncmp(info->machine, "sm_", 3) != 0) return; // a text is named
    bool is_generic = info->machine[strlen(info->machine) - 1] != 'a';
    if (!oldest) oldest = "80";
    if (is_generic) {
      oldest = info->machine + 3;
      break;
    }
  }
  for (int i = 0; oldest && i < TL_TARGET_COUNT; i++) {
    const char *machine = tl_target_of(i)->machine;
    if (strncmp(machine, "compute_", 8) == 0 && strcmp(machine + 8, oldest) == 0) {
      options->targets[i] = true;
    }
  }
}

static void complete(arguments *args, char *output, size_t bytes) {
  tl_build_options *options = &args->options;
  bool any = false;
  for (int i = 0; i < TL_TARGET_COUNT; i++)
    any |= options->targets[i];
  for (int i = 0; !any && i < TL_TARGET_COUNT; i++)
    options->targets[i] = tl_target_of(i)->device == TL_TARGET_DEVICE_CPU;
  if (!args->no_ptx) add_text(options);
  if (!options->jobs) options->jobs = tl_processors_allowed(JOBS_MAX);
  if (options->output) return;
  // models/smol/ -> smol.plan, config.json -> config.plan
  char room[PATH_MAX];
  tl_str name = tl_build_model_name(options->model, room);
  if (options->skeleton && tl_str_ends_with(name, TL_STR(".json"))) name.length -= 5;
  snprintf(output, bytes, "%.*s.plan", TL_STR_ARG(name));
  options->output = output;
}

static void say(void *user, const char *line) {
  (void)user;
  fprintf(stderr, "tlmc: %s\n", line);
}

static void dump(void *user, const tl_pass_info *pass, bool failed, tl_str text) {
  (void)user;
  printf("# %s %s\n%.*s", failed ? "before the failed pass" : "after", pass->name,
         TL_STR_ARG(text));
}

static int end(tl_status status, const tl_diag *diag) {
  tl_diag_print(diag, stderr);
  if (!tl_ok(status) && diag->count == 0) fprintf(stderr, "tlmc: %s\n", tl_status_text(status));
  return tl_status_exit_code(status);
}

// Diagnostics point into what the build has read: they are printed before that ends.
static int build_and_report(const tl_build_options *options, tl_diag *diag) {
  tl_build build;
  struct stat written;
  tl_build_init(&build);
  tl_status status = tl_build_run(&build, options, diag);
  if (tl_ok(status) && tl_build_program(&build) && stat(options->output, &written) == 0) {
    fprintf(stderr, "%s: %.1f MB\n", options->output, (double)written.st_size / 1e6);
  }
  int code = end(status, diag);
  tl_build_finish(&build);
  return code;
}

int tl_cli_build(int argc, char **argv) {
  static tl_diag diag;
  arguments args = {0};
  char output[4096];
  tl_status status = parse(argc, argv, &args, &diag);
  if (args.help) {
    puts(usage);
    for (int i = 0; i < TL_TARGET_COUNT; i++)
      printf("         %-22s %s\n", tl_target_of(i)->text, tl_target_of(i)->summary);
    return 0;
  }
  if (!tl_ok(status)) return end(status, &diag);
  complete(&args, output, sizeof output);
  args.options.say = say;
  args.options.pipeline.dump = dump;
  return build_and_report(&args.options, &diag);
}

static uint32_t launches_of(const tl_plan_tables *t, uint32_t kernel) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < t->launchs_count; i++)
    count += t->launchs[i].kernel == kernel;
  return count;
}

// A line a kernel: registers of a thread and shared memory of a block as the assembler says them,
// warps that a multiprocessor holds at once.
static void print_kernels(const tl_plan_tables *t) {
  printf("%-22s %8s %7s %9s %7s %8s %7s  %s\n", "target", "launches", "threads", "registers",
         "shared", "warps", "module", "kernel");
  for (uint32_t i = 0; i < t->kernels_count; i++) {
    const tl_plan_kernel *k = &t->kernels[i];
    const char *target = t->strings + t->targets[k->target].name;
    tl_occupancy o = tl_occupancy_of(tl_target_from_text(tl_str_from(target)), k);
    printf("%-22s %8u %7u %9u %7u %4d/%-3d %7u  %s\n", target, launches_of(t, i), k->threads,
           k->registers, k->shared_bytes, o.warps, o.warps_max, k->module_bytes,
           t->strings + k->name);
  }
}

static tl_status dump_kernels(tl_build *build, const tl_build_options *options, tl_diag *diag) {
  tl_plan_tables tables;
  TL_TRY(tl_build_compile(build, options, &tables, diag));
  print_kernels(&tables);
  return TL_OK;
}

static tl_status dump_graph(tl_build *build, const tl_build_options *options, tl_diag *diag) {
  TL_TRY(tl_build_lower(build, options, diag));
  tl_text_print_options plain = {0};
  tl_str text = tl_text_print(build->model.graph, &plain, &build->arena);
  fwrite(text.data, 1, text.length, stdout);
  return TL_OK;
}

int tl_cli_dump(int argc, char **argv) {
  static tl_diag diag;
  arguments args = {0};
  tl_build build;
  char output[4096];
  tl_status status = parse(argc, argv, &args, &diag);
  if (args.help) {
    puts(usage);
    return 0;
  }
  if (!tl_ok(status)) return end(status, &diag);
  complete(&args, output, sizeof output);
  tl_build_init(&build);
  status = args.kernels ? dump_kernels(&build, &args.options, &diag)
                        : dump_graph(&build, &args.options, &diag);
  int code = end(status, &diag);
  tl_build_finish(&build);
  return code;
}
