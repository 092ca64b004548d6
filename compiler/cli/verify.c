// Implementation of verify.h: ids, the plan's logits from a tlmrt, then the interpreter chunk by
// chunk, each row compared as it comes.
//
//   ids -- tlmrt logits --> file of logits --+
//    |                                       +-- rows --> differences
//    +---- lower, interpret ---> chunk ------+
//    +---- --reference ---> its logits ------+
#include "compiler/cli/verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "compiler/build/build.h"
#include "compiler/cli/divergence.h"
#include "compiler/cli/tlmrt.h"
#include "compiler/load/safetensors.h"
#include "ir/interp.h"
#include "ir/weight_loader.h"
#include "runtime/base/file.h"

enum { COUNT_DEFAULT = 64, COUNT_MAX = 1 << 16, CHUNK = 64, FOLDER_BYTES = 256 };

static const char usage[] =
    "usage: tlmc verify MODEL_DIR PLAN [--reference FILE.safetensors] [--count N] [--arch FILE]\n"
    "  compares a plan's logits with those of the interpreter, on N (64) arbitrary ids;\n"
    "  --reference: on its tensor `ids` and against its `logits` too (also `ids.N`, `logits.N`)\n";

static const char preface[] =
    "This checks kernels and formats: the interpreter runs the same description of the\n"
    "architecture. Only logits made elsewhere (--reference) can tell whether that is right.\n";

typedef struct arguments {
  const char *model, *plan, *reference, *arch;
  int64_t count;
  bool help;
} arguments;

typedef struct verification {
  arguments args;
  tl_build build;
  tl_diag diag;
  tl_safetensors reference, result; // zeroed = none
  const tl_tensor *wanted;          // logits of the reference, or NULL
  const tl_tensor *found;           // logits of the plan
  int32_t *ids, *types, *order, *lengths;
  int64_t count, rows, columns;
  char folder[FOLDER_BYTES], ids_path[FOLDER_BYTES + 16], logits_path[FOLDER_BYTES + 24];
  tl_divergence plan_interp, reference_interp, reference_plan;
} verification;

static tl_status fail(verification *v, tl_status status, const char *what, const char *detail) {
  return tl_diag_error(&v->diag, status, (tl_span){0}, "%s%s", what, detail);
}

static tl_status take_option(verification *v, const char *name, const char *value) {
  if (!value) return fail(v, TL_USAGE, "a value is missing after ", name);
  if (strcmp(name, "--reference") == 0) {
    v->args.reference = value;
  } else if (strcmp(name, "--arch") == 0) {
    v->args.arch = value;
  } else if (strcmp(name, "--count") == 0) {
    if (tl_str_to_i64(tl_str_from(value), &v->args.count) && v->args.count > 0 &&
        v->args.count <= COUNT_MAX) {
      return TL_OK;
    }
    return fail(v, TL_USAGE, "--count takes a number from 1 to 65536, not ", value);
  } else {
    return fail(v, TL_USAGE, "there is no option ", name);
  }
  return TL_OK;
}

static tl_status take_arguments(verification *v, int argc, char **argv) {
  v->args.count = COUNT_DEFAULT;
  for (int i = 1; i < argc; i++) {
    char name[32];
    const char *equals = strchr(argv[i], '=');
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
      v->args.help = true;
    } else if (argv[i][0] == '-' && equals && equals - argv[i] < (int)sizeof name) {
      snprintf(name, sizeof name, "%.*s", (int)(equals - argv[i]), argv[i]);
      TL_TRY(take_option(v, name, equals + 1));
    } else if (argv[i][0] == '-') {
      TL_TRY(take_option(v, argv[i], i + 1 < argc ? argv[i + 1] : NULL));
      i++;
    } else if (v->args.plan) {
      return fail(v, TL_USAGE, "a model's folder and a plan are expected, unexpected: ", argv[i]);
    } else {
      *(v->args.model ? &v->args.plan : &v->args.model) = argv[i];
    }
  }
  if (v->args.help || v->args.plan) return TL_OK;
  return fail(v, TL_USAGE, "a model's folder and a plan are expected, see ",
              "`tlmc verify --help`");
}

// The tensor `NAME`, or the longest of `NAME.N`; `*out_suffix` is what follows the name.
static const tl_tensor *find_ids(const tl_safetensors *file, tl_str *out_suffix) {
  const tl_tensor *best = tl_safetensors_find(file, TL_STR("ids"));
  *out_suffix = TL_STR("");
  for (uint32_t i = 0; !best && i < file->tensors_count; i++) {
    const tl_tensor *tensor = &file->tensors[i];
    if (!tl_str_starts_with(tensor->name, TL_STR("ids."))) continue;
    if (best && tensor->elements_count <= best->elements_count) continue;
    best = tensor;
  }
  if (best) *out_suffix = tl_str_slice(best->name, 3, best->name.length);
  return best;
}

static tl_status read_ints(verification *v, const tl_tensor *tensor, int32_t *out) {
  for (int64_t i = 0; i < tensor->elements_count; i++) {
    int64_t value = 0;
    if (tensor->dtype == TL_DTYPE_I64) {
      memcpy(&value, tensor->data + 8 * i, 8);
    } else {
      int32_t narrow;
      memcpy(&narrow, tensor->data + 4 * i, 4);
      value = narrow;
    }
    if (value < 0 || value > INT32_MAX) {
      return tl_diag_error(&v->diag, TL_INPUT, tensor->span, "number %lld is %lld: not an id",
                           (long long)i, (long long)value);
    }
    out[i] = (int32_t)value;
  }
  return TL_OK;
}

static tl_status check_ints(verification *v, const tl_tensor *tensor, const char *name) {
  if (!tensor) return fail(v, TL_INPUT, "the reference has no tensor ", name);
  bool is_int = tensor->dtype == TL_DTYPE_I32 || tensor->dtype == TL_DTYPE_I64;
  if (is_int && tensor->elements_count > 0 && tensor->elements_count <= COUNT_MAX) return TL_OK;
  return tl_diag_error(&v->diag, TL_INPUT, tensor->span,
                       "tensor '%s' must hold 1 to %d numbers of type I32 or I64", name, COUNT_MAX);
}

static tl_status allocate_ids(verification *v, int64_t count) {
  tl_arena *arena = &v->build.arena;
  v->count = count;
  v->ids = tl_arena_array(arena, (size_t)count, sizeof *v->ids);
  v->types = tl_arena_array(arena, (size_t)count, sizeof *v->types);
  v->order = tl_arena_array(arena, (size_t)count, sizeof *v->order);
  v->lengths = tl_arena_array(arena, (size_t)count, sizeof *v->lengths);
  if (!v->ids || !v->types || !v->order || !v->lengths) return TL_MEMORY;
  for (int32_t i = 0; i < count; i++)
    v->order[i] = i, v->lengths[i] = (int32_t)count;
  return TL_OK;
}

static tl_status read_reference(verification *v) {
  tl_str suffix;
  TL_TRY(tl_safetensors_open(&v->build.arena, v->args.reference, &v->reference, &v->diag));
  const tl_tensor *ids = find_ids(&v->reference, &suffix);
  TL_TRY(check_ints(v, ids, "ids"));
  TL_TRY(allocate_ids(v, ids->elements_count));
  TL_TRY(read_ints(v, ids, v->ids));
  const tl_tensor *types = tl_safetensors_find(
      &v->reference, tl_arena_format(&v->build.arena, "types%.*s", TL_STR_ARG(suffix)));
  if (types) {
    TL_TRY(check_ints(v, types, "types"));
    if (types->elements_count != v->count) {
      return fail(v, TL_INPUT, "the reference has not as many types as ids", "");
    }
    TL_TRY(read_ints(v, types, v->types));
  }
  v->wanted = tl_safetensors_find(
      &v->reference, tl_arena_format(&v->build.arena, "logits%.*s", TL_STR_ARG(suffix)));
  return v->wanted ? TL_OK : fail(v, TL_INPUT, "the reference has no tensor ", "logits");
}

// Arbitrary ids, the same each time.
static tl_status make_ids(verification *v) {
  const tl_model *model = &v->build.model;
  uint64_t state = 0x9e3779b97f4a7c15u;
  TL_TRY(allocate_ids(v, v->args.count < model->context ? v->args.count : model->context));
  for (int64_t i = 0; i < v->count; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    v->ids[i] = (int32_t)((state >> 33) % (uint64_t)model->vocabulary);
  }
  return TL_OK;
}

static void write_list(FILE *file, const char *name, const int32_t *numbers, int64_t count) {
  fprintf(file, "\"%s\":[", name);
  for (int64_t i = 0; i < count; i++)
    fprintf(file, "%s%d", i ? "," : "", numbers[i]);
  fputs("]", file);
}

static tl_status write_ids(verification *v) {
  static const char placeholder[] = {'X', 'X', 'X', 'X', 'X', 'X', 0};
  const char *root = getenv("TMPDIR");
  snprintf(v->folder, sizeof v->folder, "%s/tlmc-verify-%s", root && *root ? root : "/tmp",
           placeholder);
  if (!mkdtemp(v->folder)) {
    v->folder[0] = 0;
    return tl_diag_error(&v->diag, TL_IO, (tl_span){0}, "no temporary folder: %m");
  }
  snprintf(v->ids_path, sizeof v->ids_path, "%s/ids.json", v->folder);
  snprintf(v->logits_path, sizeof v->logits_path, "%s/logits.safetensors", v->folder);
  FILE *file = fopen(v->ids_path, "w");
  if (!file) return tl_diag_error(&v->diag, TL_IO, (tl_span){0}, "%s: %m", v->ids_path);
  fputs("{", file);
  write_list(file, "ids", v->ids, v->count);
  if (v->build.model.types > 0) {
    fputs(",", file);
    write_list(file, "token_type_ids", v->types, v->count);
  }
  fputs("}\n", file);
  bool is_written = !ferror(file);
  is_written &= fclose(file) == 0;
  return is_written ? TL_OK : fail(v, TL_IO, "cannot be written: ", v->ids_path);
}

static tl_status check_logits(verification *v, const tl_tensor *tensor, const char *whose) {
  bool fits = tensor->rank == 2 && tensor->dims[0] == v->rows && tensor->dims[1] == v->columns;
  if (fits) return TL_OK;
  return tl_diag_error(&v->diag, TL_INPUT, tensor->span,
                       "logits of %s: [%lld, %lld] were expected; are they of this model?", whose,
                       (long long)v->rows, (long long)v->columns);
}

static tl_status run_plan(verification *v) {
  char *argv[] = {"tlmrt",     "logits", (char *)v->args.plan, "--ids",
                  v->ids_path, "--out",  v->logits_path,       NULL};
  TL_TRY(write_ids(v));
  TL_TRY(tl_tlmrt_run(argv, &v->diag));
  TL_TRY(tl_safetensors_open(&v->build.arena, v->logits_path, &v->result, &v->diag));
  v->found = tl_safetensors_find(&v->result, TL_STR("logits"));
  if (!v->found) return fail(v, TL_INTERNAL, "tlmrt gave no logits", "");
  return check_logits(v, v->found, "the plan");
}

// `rows` rows of the interpreter, the first of which is row `first`.
static tl_status compare_rows(verification *v, const float *rows, int64_t first, int64_t count) {
  float *found = tl_arena_array(&v->build.scratch, (size_t)v->columns, sizeof *found);
  float *wanted = tl_arena_array(&v->build.scratch, (size_t)v->columns, sizeof *wanted);
  if (!found || !wanted) return TL_MEMORY;
  for (int64_t r = first; r < first + count; r++, rows += v->columns) {
    TL_TRY(tl_tensor_read_f32(v->found, r * v->columns, v->columns, found, &v->diag));
    tl_divergence_add(&v->plan_interp, rows, found, v->columns);
    if (!v->wanted) continue;
    TL_TRY(tl_tensor_read_f32(v->wanted, r * v->columns, v->columns, wanted, &v->diag));
    tl_divergence_add(&v->reference_interp, wanted, rows, v->columns);
    tl_divergence_add(&v->reference_plan, wanted, found, v->columns);
  }
  tl_arena_reset(&v->build.scratch);
  return TL_OK;
}

static tl_status run_chunk(verification *v, tl_interp *interp, int64_t at, int64_t chunk) {
  bool each = v->rows > 1 || v->count == 1;
  bool is_last_row = v->build.model.task == TL_PLAN_TASK_SCORE_LAST;
  int64_t outputs = each ? chunk : 1;
  const int32_t *wanted_rows = v->order + (is_last_row ? chunk - 1 : 0);
  tl_interp_input inputs[] = {{.name = TL_STR("ids"), .i = v->ids + at, .count = chunk},
                              {.name = TL_STR("pos"), .i = v->order + at, .count = chunk},
                              {.name = TL_STR("rows"), .i = wanted_rows, .count = outputs},
                              {.count = 0},
                              {.count = 0}};
  int count = 3;
  if (v->build.model.types > 0) {
    inputs[count++] = (tl_interp_input){TL_STR("types"), NULL, v->types + at, chunk};
  }
  if (tl_graph_find(v->build.model.graph, TL_STR("lengths"))) {
    inputs[count++] = (tl_interp_input){TL_STR("lengths"), NULL, v->lengths, chunk};
  }
  tl_interp_call call = {{chunk, 1, outputs}, inputs, count};
  TL_TRY(tl_interp_run(interp, &call, &v->diag));
  const tl_ref_tensor *logits = tl_interp_output(interp, TL_STR("logits"));
  if (!logits) return fail(v, TL_INTERNAL, "the graph has no output ", "logits");
  return compare_rows(v, logits->f, each ? at : 0, outputs);
}

static tl_status run_interpreter(verification *v) {
  tl_weight_source source = tl_lower_source(v->build.checkpoint);
  tl_weight_loader loader;
  tl_interp *interp = NULL;
  tl_weight_loader_init(&loader, &source);
  tl_interp_options options = {.load = tl_weight_loader_load, .context = &loader};
  tl_status status =
      tl_interp_create(&v->build.arena, v->build.model.graph, &options, &interp, &v->diag);
  int64_t chunk = v->build.model.task == TL_PLAN_TASK_GENERATE ? CHUNK : v->count;
  for (int64_t at = 0; tl_ok(status) && at < v->count; at += chunk)
    status = run_chunk(v, interp, at, v->count - at < chunk ? v->count - at : chunk);
  tl_interp_destroy(interp);
  tl_weight_loader_finish(&loader);
  return status;
}

static void report(const char *title, const tl_divergence *d) {
  double deviation = tl_divergence_deviation(d);
  printf("%s\n  max |difference| %.3g", title, d->max_difference);
  if (deviation > 0) printf(" = %.2g standard deviations", d->max_difference / deviation);
  printf("\n  KL divergence    mean %.2g, largest %.2g nats\n", d->kl_sum / (double)d->rows,
         d->kl_max);
  if (d->first_divergent < 0) {
    printf("  best tokens      all %lld agree\n", (long long)d->rows);
    return;
  }
  printf("  best tokens      %lld of %lld agree; first other at row %lld: %lld instead of %lld, "
         "which is %.3g ahead\n",
         (long long)d->rows_agreed, (long long)d->rows, (long long)d->first_divergent,
         (long long)d->found_id, (long long)d->wanted_id, d->margin);
}

static tl_status verify(verification *v) {
  tl_build_options options = {.model = v->args.model, .arch = v->args.arch};
  TL_TRY(tl_build_lower(&v->build, &options, &v->diag));
  const tl_model *model = &v->build.model;
  TL_TRY(v->args.reference ? read_reference(v) : make_ids(v));
  bool each = model->task == TL_PLAN_TASK_GENERATE || model->task == TL_PLAN_TASK_SCORE_TOKENS;
  v->rows = each ? v->count : 1;
  v->columns = model->outputs;
  if (v->wanted) TL_TRY(check_logits(v, v->wanted, "the reference"));
  TL_TRY(run_plan(v));
  TL_TRY(run_interpreter(v));
  printf("%lld ids, %lld rows of %lld logits\n", (long long)v->count, (long long)v->rows,
         (long long)v->columns);
  report("plan against interpreter", &v->plan_interp);
  if (v->wanted) report("interpreter against reference", &v->reference_interp);
  if (v->wanted) report("plan against reference", &v->reference_plan);
  if (isfinite(v->plan_interp.max_difference)) return TL_OK;
  return fail(v, TL_INTERNAL, "the plan gives logits that are no numbers", "");
}

static void clean_up(verification *v) {
  tl_safetensors_close(&v->result);
  tl_safetensors_close(&v->reference);
  if (v->folder[0]) {
    unlink(v->ids_path);
    unlink(v->logits_path);
    rmdir(v->folder);
  }
  tl_build_finish(&v->build);
}

int tl_cli_verify(int argc, char **argv) {
  static verification v; // too large for the stack
  v.plan_interp = v.reference_interp = v.reference_plan = tl_divergence_none();
  tl_status status = take_arguments(&v, argc, argv);
  tl_build_init(&v.build);
  if (v.args.help) {
    fputs(usage, stdout);
  } else if (tl_ok(status)) {
    fputs(preface, stdout);
    fflush(stdout);
    status = verify(&v);
  }
  tl_diag_print(&v.diag, stderr);
  if (!tl_ok(status) && v.diag.count == 0) fprintf(stderr, "tlmc: %s\n", tl_status_text(status));
  clean_up(&v);
  return tl_status_exit_code(status);
}
