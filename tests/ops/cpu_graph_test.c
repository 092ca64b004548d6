// Compiled graphs against the interpreter: each file of tests/ops/graphs is fused, compiled for
// every target this machine runs and every KV type, and run with random weights on a prompt in
// chunks and alone; all logits must agree with templates/ref, and a row must not depend on its
// chunk.
//
//   cpu_graph_test GRAPH.ir..      `# weights: bf16` in a file's first line loosens nothing: the
//                                  reference reads the same rounded weights
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "compiler/codegen/cpu_module.h"
#include "compiler/codegen/cpu_plan.h"
#include "compiler/codegen/cpu_target.h"
#include "compiler/passes/fuse.h"
#include "ir/interp.h"
#include "ir/text_parse.h"
#include "runtime/base/half.h"
#include "runtime/base/hash.h"
#include "runtime/base/pool.h"
#include "runtime/base/target.h"
#include "runtime/device/device.h"
#include "templates/cpu/panel.h"
#include "tests/lib/check.h"

enum { ROWS = 150, CHUNK = 64, PAGES = 4 };

typedef struct world {
  tl_arena arena;
  tl_diag diag;
  tl_op_table ops;
  tl_graph *graph;
  tl_plan_builder builder;
  tl_drafts plan;
  tl_plan_tables tables;
  tl_image image;
  char *weights;
  tl_pool *pool;
  int32_t ids[ROWS];
  float *expected; // [ROWS][outputs]
} world;

static void must(world *w, tl_status status) {
  if (tl_ok(status)) return;
  tl_diag_print(&w->diag, stderr);
  fprintf(stderr, "%s\n", tl_status_text(status));
  exit(1);
}

// Element `index` of the weight called `name`: small, of both signs; vectors lie near 1.
static float element(tl_str name, int64_t index, const tl_type *type) {
  uint64_t key[2] = {tl_hash64(name.data, name.length, 0), (uint64_t)index};
  double unit = (double)(tl_hash64(key, sizeof key, 1) >> 11) / (double)(1ull << 53) * 2 - 1;
  if (type->rank == 1) return (float)(1 + unit / 4);
  double fan = (double)type->dims[type->rank - 1].constant;
  return (float)(unit * 1.7 / sqrt(fan));
}

static float rounded(tl_format format, float x) {
  if (format == TL_FORMAT_BF16) return tl_bf16_to_f32(tl_f32_to_bf16(x));
  if (format == TL_FORMAT_F16) return tl_f16_to_f32(tl_f32_to_f16(x));
  return x;
}

// Weights are named by the tensor of their expression, which here is one tensor each.
static float value_at(const tl_weight *weight, const tl_type *type, int64_t index) {
  if (type->format != TL_FORMAT_Q8G32) {
    return rounded(type->format, element(weight->name, index, type));
  }
  int64_t group = index / 32 * 32;
  float largest = 0;
  for (int64_t i = 0; i < 32; i++)
    largest = fmaxf(largest, fabsf(element(weight->name, group + i, type)));
  float scale = rounded(TL_FORMAT_F16, largest / 127);
  return scale * rintf(element(weight->name, index, type) / scale);
}

static tl_status load(void *context, const tl_interp_request *request, float *out, tl_diag *diag) {
  const tl_type *type = &request->node->result->type;
  int64_t row = 1;
  (void)context, (void)diag;
  for (int i = 1; i < type->rank; i++)
    row *= type->dims[i].constant;
  for (int64_t i = request->begin * row; i < request->end * row; i++)
    *out++ = value_at(request->node->weight, type, i);
  return TL_OK;
}

static void pack_q8(char *panel, int64_t c, int64_t k, const tl_weight *weight, const tl_type *type,
                    int64_t index) {
  char *group = panel + k / 32 * (128 + 2048);
  float largest = 0;
  for (int64_t i = index / 32 * 32; i < index / 32 * 32 + 32; i++)
    largest = fmaxf(largest, fabsf(element(weight->name, i, type)));
  uint16_t scale = tl_f32_to_f16(largest / 127);
  ((uint16_t *)group)[c] = scale;
  ((int8_t *)group)[128 + k % 32 * 64 + c] =
      (int8_t)rintf(element(weight->name, index, type) / tl_f16_to_f32(scale));
}

static void pack_matrix(char *out, const tl_plan_weight *row, const tl_node *node) {
  const tl_type *type = &node->result->type;
  int64_t panels = (row->rows + 63) / 64;
  for (int64_t i = 0; i < row->rows * row->experts; i++) {
    int64_t n = i % row->rows, c = n % 64;
    char *panel = out + (i / row->rows * panels + n / 64) * row->stride;
    for (int64_t k = 0; k < row->columns; k++) {
      int64_t index = i * row->columns + k;
      float x = type->format == TL_FORMAT_Q8G32 ? 0 : value_at(node->weight, type, index);
      if (type->format == TL_FORMAT_BF16) {
        ((uint16_t *)panel)[(k / 2 * 64 + c) * 2 + k % 2] = tl_f32_to_bf16(x);
      } else if (type->format == TL_FORMAT_F16) {
        ((uint16_t *)panel)[k * 64 + c] = tl_f32_to_f16(x);
      } else if (type->format == TL_FORMAT_F32) {
        ((float *)panel)[k * 64 + c] = x;
      } else {
        pack_q8(panel, c, k, node->weight, type, index);
      }
    }
  }
}

static void pack(world *w) {
  w->weights = calloc(1, w->builder.weights_bytes + 64);
  CHECK(w->weights);
  for (uint32_t i = 0; i < w->tables.weights_count; i++) {
    const tl_plan_weight *row = &w->tables.weights[i];
    const tl_packed *packed = &w->builder.packed[i];
    const tl_node *node = packed->value->producer;
    char *out = w->weights + row->offset;
    if (row->layout == TL_PLAN_LAYOUT_PANEL64) {
      pack_matrix(out, row, node);
      continue;
    }
    for (int64_t n = 0; n < row->rows; n++) {
      float x = node->table ? node->table[n] : value_at(node->weight, &node->result->type, n);
      ((float *)out)[n] = x + (float)packed->offset;
    }
  }
}

static void interpret(world *w) {
  tl_interp *interp = NULL;
  tl_interp_options options = {.load = load};
  int32_t positions[ROWS], rows[ROWS];
  for (int32_t i = 0; i < ROWS; i++) {
    w->ids[i] = (i * 37 + 11) % (int32_t)w->tables.weights[0].rows;
    positions[i] = rows[i] = i;
  }
  tl_interp_input inputs[] = {{TL_STR("ids"), NULL, w->ids, ROWS},
                              {TL_STR("pos"), NULL, positions, ROWS},
                              {TL_STR("rows"), NULL, rows, ROWS}};
  must(w, tl_interp_create(&w->arena, w->graph, &options, &interp, &w->diag));
  tl_interp_call call = {{ROWS, 1, ROWS}, inputs, 3};
  must(w, tl_interp_run(interp, &call, &w->diag));
  const tl_ref_tensor *logits = tl_interp_output(interp, TL_STR("logits"));
  CHECK(logits);
  size_t bytes = (size_t)tl_ref_elements(logits) * sizeof(float);
  w->expected = malloc(bytes);
  CHECK(w->expected);
  memcpy(w->expected, logits->f, bytes);
  tl_interp_destroy(interp);
}

// One sequence whose pages are 0, 1, 2, ..; rows [begin, end) of it, all wanted.
static void fill_step(tl_device *device, const world *w, int32_t begin, int32_t end) {
  tl_step *step = device->vtable->step_block(device);
  int32_t count = end - begin, *ints = (int32_t *)(step + 1);
  *step = (tl_step){
      .rows_count = count, .sequences_count = 1, .wanted_count = count, .pages_max = PAGES};
  uint32_t at = sizeof *step, bytes = ROWS * sizeof(int32_t);
  step->ids = at;
  step->positions = at + bytes;
  step->wanted = at + 2 * bytes;
  for (int32_t i = 0; i < count; i++) {
    ints[i] = w->ids[begin + i];
    ints[ROWS + i] = begin + i;
    ints[2 * ROWS + i] = i;
    ints[3 * ROWS + i] = begin + i;
  }
  for (int g = 0; g < TL_GROUPS_MAX; g++) {
    step->slots[g] = at + 3 * bytes;
    step->pages[g] = at + 4 * bytes;
  }
  for (int32_t i = 0; i < PAGES; i++)
    ints[4 * ROWS + i] = i;
  step->work = at + 5 * bytes;
  tl_step_work *work = (tl_step_work *)((char *)step + step->work);
  for (int32_t i = 0; i < count; i += TL_ATTENTION_ROWS) {
    int32_t left = count - i < TL_ATTENTION_ROWS ? count - i : TL_ATTENTION_ROWS;
    work[step->work_count++] = (tl_step_work){0, i, left, begin + i};
  }
}

static tl_device *open_device(world *w, tl_plan_kv_type kv) {
  tl_device *device = NULL;
  tl_device_config config = {.tables = &w->tables,
                             .file = -1,
                             .file_name = "test",
                             .code = w->image.bytes,
                             .weights = w->weights,
                             .pool = w->pool,
                             .kv_type = kv,
                             .symbols_max = {1, ROWS, 1, ROWS, ROWS},
                             .step_bytes = 1 << 16};
  for (int g = 0; g < TL_GROUPS_MAX; g++)
    config.pages_count[g] = PAGES;
  must(w, tl_device_cpu.open(&config, &device, &w->diag));
  return device;
}

static void run_chunks(world *w, tl_device *device, int32_t chunk, float *out) {
  size_t width = w->tables.models->outputs;
  for (int32_t begin = 0; begin < ROWS; begin += chunk) {
    int32_t end = begin + chunk < ROWS ? begin + chunk : ROWS;
    fill_step(device, w, begin, end);
    must(w, device->vtable->run(device, 0, &w->diag));
    for (int32_t i = begin; i < end; i++) {
      memcpy(out + (size_t)i * width, device->vtable->output(device, (uint32_t)(i - begin)),
             width * sizeof *out);
    }
  }
}

// Largest difference in units of the expected numbers' standard deviation.
static double distance(const world *w, const float *found) {
  size_t count = (size_t)ROWS * w->tables.models->outputs;
  double sum = 0, squares = 0, worst = 0;
  for (size_t i = 0; i < count; i++) {
    sum += w->expected[i];
    squares += (double)w->expected[i] * w->expected[i];
  }
  double mean = sum / (double)count, deviation = sqrt(squares / (double)count - mean * mean);
  for (size_t i = 0; i < count; i++) {
    double far = fabs((double)found[i] - w->expected[i]);
    if (!(far <= worst)) worst = far;
  }
  return worst / deviation;
}

static void run_kv(world *w, const char *name, const char *target, tl_plan_kv_type kv) {
  size_t bytes = (size_t)ROWS * w->tables.models->outputs * sizeof(float);
  float *whole = malloc(bytes), *cut = malloc(bytes);
  CHECK(whole && cut);
  tl_device *device = open_device(w, kv);
  run_chunks(w, device, ROWS, whole);
  device->vtable->close(device);
  double far = distance(w, whole);
  bool bf16 = kv == TL_PLAN_KV_BF16;
  for (uint32_t i = 0; i < w->tables.weights_count; i++)
    bf16 |= strcmp(w->builder.strings + w->tables.weights[i].format, "bf16") == 0;
  double bound = bf16 ? 0.1 : 5e-5; // activations, or keys and values, of 8 bits
  printf("%s %s kv %s: %.2g (at most %g)\n", name, target, kv == TL_PLAN_KV_F32 ? "f32" : "bf16",
         far, bound);
  CHECK(far <= bound);
  static const int32_t chunks[] = {CHUNK, 7, 1};
  for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
    device = open_device(w, kv);
    run_chunks(w, device, chunks[i], cut);
    device->vtable->close(device);
    CHECK(memcmp(whole, cut, bytes) == 0);
  }
  free(whole);
  free(cut);
}

static void add_model(world *w, const tl_program *program) {
  tl_plan_model model = {
      .outputs = (uint32_t)program->output->columns, .kv_types = 3, .has_weights = 1};
  tl_plan_add_model(&w->builder, &model);
}

static void run_target(world *w, const char *name, const tl_program *program, int target) {
  const char *text = tl_target_of(target)->text;
  if (!tl_device_cpu.supports(text, 0)) {
    printf("skipped: %s on this machine\n", text);
    return;
  }
  tl_plan_builder_init(&w->builder, &w->arena);
  add_model(w, program);
  must(w, tl_drafts_build(program, 3, &tl_cpu_rules, &w->builder, &w->plan, &w->diag));
  must(w, tl_cpu_target_emit(&w->plan, target, 2, &w->builder, &w->image, &w->diag));
  must(w, tl_plan_builder_tables(&w->builder, &w->tables));
  pack(w);
  if (!w->expected) interpret(w);
  run_kv(w, name, text, TL_PLAN_KV_F32);
  run_kv(w, name, text, TL_PLAN_KV_BF16);
  free(w->weights);
}

static void run_file(const char *path) {
  static world w;
  static char text[1 << 16];
  memset(&w, 0, sizeof w);
  tl_arena_init(&w.arena, (size_t)1 << 30);
  FILE *file = fopen(path, "r");
  CHECK(file);
  size_t length = fread(text, 1, sizeof text, file);
  fclose(file);
  tl_source source = {path, {text, length}};
  tl_program *program = NULL;
  must(&w, tl_op_table_init(&w.ops, &w.diag));
  must(&w, tl_text_parse(&source, &w.ops, &w.arena, &w.graph, &w.diag));
  must(&w, tl_pass_fuse(w.graph, &program, &w.diag));
  tl_pool_config config = {.threads = 2};
  must(&w, tl_pool_create(&config, &w.arena, &w.pool, &w.diag));
  for (int target = 0; target < TL_TARGET_COUNT; target++) {
    if (tl_target_of(target)->device != TL_TARGET_DEVICE_CPU) continue;
    run_target(&w, path, program, target);
  }
  tl_pool_destroy(w.pool);
  free(w.expected);
  tl_arena_finish(&w.arena);
}

int main(int argc, char **argv) {
  tl_cpu_module_setup();
  for (int i = 1; i < argc; i++)
    run_file(argv[i]);
  return 0;
}
