// A tiny model, lowered and interpreted, against transformers' logits in float64.
//
//   interp_test tests/fixtures/tiny/NAME [ARCH.yaml]
//
// For both dialects of config.json and every sequence: whole and, for what scores every position,
// in chunks of 64. At every position max |difference| must be within 2e-5 standard deviations of
// the logits (of one position's few: of their root mean square).
#include <math.h>

#include "compiler/lower/lower.h"
#include "ir/verify.h"
#include "ir/weight_loader.h"
#include "tests/lib/check.h"

enum { CHUNK = 64, WHOLE = 1 << 20 };
#define BAR 2e-5
#define ARENA_BYTES ((size_t)1 << 30)

typedef struct model_test {
  const char *folder, *dialect;
  tl_arena arena, scratch;
  tl_op_table ops;
  tl_diag diag;
  tl_checkpoint *checkpoint;
  tl_safetensors expected;
  tl_source config_source, arch_source; // the latter's name is NULL for a built-in one
  tl_arch arch;
  tl_model model;
  double worst;
} model_test;

static model_test t;

static void require(tl_status status) {
  if (tl_ok(status)) return;
  fprintf(stderr, "%s, %s: %s\n", t.folder, t.dialect, tl_status_text(status));
  tl_diag_print(&t.diag, stderr);
  exit(1);
}

static tl_source read_source(const char *path) {
  tl_file file;
  require(tl_file_open(path, &file, &t.diag));
  tl_source source = {path, tl_arena_copy(&t.arena, file.bytes)};
  tl_file_close(&file);
  return source;
}

static void lower(void) {
  const tl_json *config = NULL;
  t.config_source = read_source(tl_arena_format(&t.arena, "%s/%s", t.folder, t.dialect).data);
  require(tl_json_parse(&t.arena, &t.config_source, NULL, &config, &t.diag));
  tl_str name;
  CHECK(tl_json_to_string(tl_json_item(tl_json_get(config, TL_STR("architectures")), 0), &name));
  if (t.arch_source.name) {
    require(tl_arch_load(&t.arena, &t.arch_source, &t.arch, &t.diag));
  } else {
    require(tl_arch_find(&t.arena, name, (tl_span){0}, &t.arch, &t.diag));
  }
  tl_lower_input input = {.arena = &t.arena,
                          .ops = &t.ops,
                          .arch = &t.arch,
                          .config_source = &t.config_source,
                          .config = config,
                          .checkpoint = t.checkpoint};
  require(tl_lower(&input, &t.model, &t.diag));
  require(tl_graph_verify(t.model.graph, &t.scratch, &t.diag));
}

static const tl_tensor *expected(const char *what, int64_t count) {
  tl_str name = tl_arena_format(&t.arena, "%s.%lld", what, (long long)count);
  return tl_safetensors_find(&t.expected, name);
}

static int32_t *read_ints(const tl_tensor *tensor) {
  int32_t *out = tl_arena_array(&t.arena, (size_t)tensor->elements_count, sizeof *out);
  CHECK(out && tensor->dtype == TL_DTYPE_I32);
  memcpy(out, tensor->data, tensor->bytes);
  return out;
}

static double deviation(const float *values, int64_t count, bool centered) {
  double mean = 0, sum = 0;
  for (int64_t i = 0; centered && i < count; i++)
    mean += values[i] / (double)count;
  for (int64_t i = 0; i < count; i++)
    sum += (values[i] - mean) * (values[i] - mean);
  return sqrt(sum / (double)count);
}

static void compare(const float *found, const float *wanted, int64_t count, double scale) {
  for (int64_t i = 0; i < count; i++) {
    double difference = fabs((double)found[i] - wanted[i]) / scale;
    CHECK(isfinite(difference));
    if (difference > t.worst) t.worst = difference;
  }
}

static bool scores_every_position(void) {
  return t.model.task == TL_PLAN_TASK_GENERATE || t.model.task == TL_PLAN_TASK_SCORE_TOKENS;
}

// One sequence of `length` ids in steps of at most `chunk`.
static void run(tl_interp *interp, int64_t length, int64_t chunk) {
  const tl_tensor *logits = expected("logits", length), *types = expected("types", length);
  bool every = scores_every_position();
  int32_t *ids = read_ints(expected("ids", length));
  int32_t *type_ids = types ? read_ints(types) : NULL;
  int32_t *order = tl_arena_array(&t.arena, (size_t)length, sizeof *order);
  int32_t *lengths = tl_arena_array(&t.arena, (size_t)length, sizeof *lengths);
  float *wanted = tl_arena_array(&t.arena, (size_t)logits->elements_count, sizeof *wanted);
  int64_t width = logits->dims[1];
  CHECK(order && lengths && wanted);
  for (int32_t i = 0; i < length; i++)
    order[i] = i, lengths[i] = (int32_t)length;
  require(tl_tensor_read_f32(logits, 0, logits->elements_count, wanted, &t.diag));
  double scale = deviation(wanted, logits->elements_count, every);
  tl_interp_truncate(interp, 0);
  for (int64_t at = 0; at < length; at += chunk) {
    int64_t rows = length - at < chunk ? length - at : chunk;
    int64_t outputs = every ? rows : 1;
    const int32_t *outputs_of = t.model.task == TL_PLAN_TASK_SCORE_LAST ? order + rows - 1 : order;
    tl_interp_input inputs[] = {{.name = TL_STR("ids"), .i = ids + at, .count = rows},
                                {.name = TL_STR("pos"), .i = order + at, .count = rows},
                                {.name = TL_STR("rows"), .i = outputs_of, .count = outputs},
                                {.count = 0},
                                {.count = 0}};
    int count = 3;
    if (types) inputs[count++] = (tl_interp_input){TL_STR("types"), NULL, type_ids, rows};
    if (tl_graph_find(t.model.graph, TL_STR("lengths"))) {
      inputs[count++] = (tl_interp_input){TL_STR("lengths"), NULL, lengths, rows};
    }
    tl_interp_call call = {{rows, 1, outputs}, inputs, count};
    require(tl_interp_run(interp, &call, &t.diag));
    const tl_ref_tensor *found = tl_interp_output(interp, TL_STR("logits"));
    CHECK(found);
    compare(found->f, wanted + at * width, outputs * width, scale);
  }
}

static void run_dialect(const char *dialect) {
  static const int64_t lengths[] = {17, 41, 120, 300};
  t.dialect = dialect;
  lower();
  tl_weight_source source = tl_lower_source(t.checkpoint);
  tl_weight_loader loader;
  tl_weight_loader_init(&loader, &source);
  tl_interp_options options = {.load = tl_weight_loader_load, .context = &loader};
  tl_interp *interp = NULL;
  require(tl_interp_create(&t.arena, t.model.graph, &options, &interp, &t.diag));
  int runs = 0;
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    if (!expected("logits", lengths[i])) continue;
    runs++;
    run(interp, lengths[i], WHOLE);
    if (scores_every_position()) run(interp, lengths[i], CHUNK);
  }
  CHECK(runs > 0);
  tl_interp_destroy(interp);
  tl_weight_loader_finish(&loader);
}

int main(int argc, char **argv) {
  CHECK(argc == 2 || argc == 3);
  t.folder = argv[1];
  tl_arena_init(&t.arena, ARENA_BYTES);
  if (argc == 3) t.arch_source = read_source(argv[2]);
  tl_arena_init(&t.scratch, ARENA_BYTES);
  require(tl_op_table_init(&t.ops, &t.diag));
  require(tl_checkpoint_open(&t.arena, t.folder, NULL, &t.checkpoint, &t.diag));
  const char *path = tl_arena_format(&t.arena, "%s/expected.safetensors", t.folder).data;
  require(tl_safetensors_open(&t.arena, path, &t.expected, &t.diag));
  run_dialect("config.json");
  run_dialect("config.hub.json");
  printf("%s: worst difference %.2e deviations (bar %.0e)\n", t.folder, t.worst, BAR);
  CHECK(t.worst <= BAR);
  tl_safetensors_close(&t.expected);
  tl_checkpoint_close(t.checkpoint);
  tl_arena_finish(&t.scratch);
  tl_arena_finish(&t.arena);
  return 0;
}
