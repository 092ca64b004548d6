// Implementation of graph_case.h: weights from a hash, the interpreter's answer, steps, distances.
#include "tests/ops/graph_case.h"

#include <math.h>
#include <stdlib.h>

#include "compiler/codegen/pack.h"
#include "compiler/passes/fuse.h"
#include "ir/interp.h"
#include "ir/text_parse.h"
#include "runtime/base/half.h"
#include "runtime/base/hash.h"
#include "tests/lib/check.h"

enum { ROWS = TL_GRAPH_ROWS, PAGES = 16, TEXT_BYTES = 1 << 16 };

void tl_graph_case_must(tl_graph_case *c, tl_status status) {
  if (tl_ok(status)) return;
  tl_diag_print(&c->diag, stderr);
  fprintf(stderr, "%s: %s\n", c->path, tl_status_text(status));
  exit(1);
}

// ---- weights

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

static tl_status load_rows(void *context, const tl_interp_request *request, float *out,
                           tl_diag *diag) {
  const tl_type *type = &request->node->result->type;
  int64_t row = 1;
  (void)context, (void)diag;
  for (int i = 1; i < type->rank; i++)
    row *= type->dims[i].constant;
  for (int64_t i = request->begin * row; i < request->end * row; i++)
    *out++ = value_at(request->node->weight, type, i);
  return TL_OK;
}

// The same numbers as a checkpoint would hold them, in f32: packing rounds them.
static bool find_tensor(void *context, tl_str name, tl_weight_tensor *out_tensor) {
  const tl_graph_case *c = context;
  for (size_t i = 0; i < c->tables.weights_count; i++) {
    const tl_value *value = c->builder.packed[i].value;
    const tl_weight *weight = value->producer->weight;
    if (!weight || !tl_str_equal(weight->name, name)) continue;
    *out_tensor = (tl_weight_tensor){
        .format = TL_FORMAT_F32, .rank = value->type.rank, .handle = value->producer};
    for (int d = 0; d < value->type.rank; d++)
      out_tensor->dims[d] = value->type.dims[d].constant;
    return true;
  }
  return false;
}

static tl_status read_tensor(void *context, const tl_weight_tensor *tensor, int64_t offset,
                             int64_t count, void *out, tl_diag *diag) {
  const tl_node *node = tensor->handle;
  int64_t size = sizeof(float);
  (void)context, (void)diag;
  for (int64_t i = 0; i < count / size; i++) {
    float x = element(node->weight->name, offset / size + i, &node->result->type);
    memcpy((char *)out + i * size, &x, sizeof x);
  }
  return TL_OK;
}

static void pack(tl_graph_case *c) {
  tl_weight_source source = {c, find_tensor, read_tensor};
  tl_packer *packer = NULL;
  uint64_t bytes = c->builder.weights_bytes;
  free(c->weights);
  c->weights = calloc(1, bytes + 64);
  CHECK(c->weights);
  tl_graph_case_must(c, tl_packer_create(&c->arena, &c->builder, &source, &packer, &c->diag));
  tl_graph_case_must(c, tl_packer_fill(packer, 0, bytes, c->weights, &c->arena, &c->diag));
}

// ---- the reference

static int32_t vocabulary_of(const tl_graph *graph) {
  for (size_t i = 0; i < graph->nodes_count; i++) {
    const tl_node *node = graph->nodes[i];
    bool embeds = node->kind == TL_NODE_OP && node->op->id == TL_OP_embed;
    if (embeds) return (int32_t)node->operands[1]->type.dims[0].constant;
  }
  return 1;
}

static void interpret(tl_graph_case *c) {
  tl_interp *interp = NULL;
  tl_interp_options options = {.load = load_rows};
  int32_t positions[ROWS], rows[ROWS], vocabulary = vocabulary_of(c->graph);
  for (int32_t i = 0; i < ROWS; i++) {
    c->ids[i] = (i * 37 + 11) % vocabulary;
    positions[i] = rows[i] = i;
  }
  tl_interp_input inputs[] = {{TL_STR("ids"), NULL, c->ids, ROWS},
                              {TL_STR("pos"), NULL, positions, ROWS},
                              {TL_STR("rows"), NULL, rows, ROWS}};
  tl_graph_case_must(c, tl_interp_create(&c->arena, c->graph, &options, &interp, &c->diag));
  tl_interp_call call = {{ROWS, 1, ROWS}, inputs, 3};
  tl_graph_case_must(c, tl_interp_run(interp, &call, &c->diag));
  const tl_ref_tensor *logits = tl_interp_output(interp, TL_STR("logits"));
  CHECK(logits);
  size_t bytes = (size_t)tl_ref_elements(logits) * sizeof(float);
  c->expected = malloc(bytes);
  CHECK(c->expected);
  memcpy(c->expected, logits->f, bytes);
  tl_interp_destroy(interp);
}

// ---- steps

// One sequence whose pages are 0, 1, 2, ..; rows [begin, end) of it, all wanted.
static void fill_step(tl_device *device, const tl_graph_case *c, int32_t begin, int32_t end) {
  tl_step *step = device->vtable->step_block(device);
  int32_t count = end - begin, *ints = (int32_t *)(step + 1);
  *step = (tl_step){
      .rows_count = count, .sequences_count = 1, .wanted_count = count, .pages_max = PAGES};
  uint32_t at = sizeof *step, bytes = ROWS * sizeof(int32_t);
  step->ids = at;
  step->positions = at + bytes;
  step->wanted = at + 2 * bytes;
  step->asked = at + 5 * bytes;
  for (int32_t i = 0; i < count; i++) {
    ints[i] = c->ids[(begin + i) % ROWS];
    ints[ROWS + i] = begin + i;
    ints[2 * ROWS + i] = i;
    ints[3 * ROWS + i] = begin + i;
    ints[5 * ROWS + i] = 0; // the largest output
  }
  for (int g = 0; g < TL_GROUPS_MAX; g++) {
    step->slots[g] = at + 3 * bytes;
    step->pages[g] = at + 4 * bytes;
  }
  for (int32_t i = 0; i < PAGES; i++)
    ints[4 * ROWS + i] = i;
  step->sequences = at + 6 * bytes;
  step->work = step->sequences + sizeof(tl_step_sequence);
  *(tl_step_sequence *)((char *)step + step->sequences) =
      (tl_step_sequence){.rows_count = count, .first_position = begin};
  tl_step_work *work = (tl_step_work *)((char *)step + step->work);
  int32_t rows = device->vtable->attention_rows;
  for (int32_t i = 0; i < count; i += rows)
    work[step->work_count++] = (tl_step_work){0, i, count - i < rows ? count - i : rows, begin + i};
}

static tl_device *open_device(tl_graph_case *c, const tl_graph_run *run) {
  tl_device *device = NULL;
  tl_device_config config = {.tables = &c->tables,
                             .file = -1,
                             .file_name = "test",
                             .code = run->code,
                             .weights = c->weights,
                             .pool = c->pool,
                             .kv_type = run->kv,
                             .symbols_max = {1, ROWS, 1, ROWS, ROWS},
                             .step_bytes = 1 << 16,
                             .deterministic = run->deterministic};
  for (int g = 0; g < TL_GROUPS_MAX; g++)
    config.pages_count[g] = PAGES;
  tl_graph_case_must(c, run->device->open(&config, &device, &c->diag));
  return device;
}

// What the device finds, if it looks, is the first of the largest.
static void check_best(tl_device *device, uint32_t row, const float *outputs, size_t width) {
  const tl_step_candidate *list;
  const tl_step_best *best = device->vtable->best(device, row, &list);
  size_t largest = 0;
  for (size_t i = 1; i < width; i++)
    if (outputs[i] > outputs[largest]) largest = i;
  CHECK(!best || (best->count == 1 && best->id == (int32_t)largest));
}

static void run_chunks(tl_graph_case *c, const tl_graph_run *run, int32_t chunk, float *out) {
  size_t width = c->tables.models->outputs;
  tl_device *device = open_device(c, run);
  for (int32_t begin = 0; begin < run->rows; begin += chunk) {
    int32_t end = begin + chunk < run->rows ? begin + chunk : run->rows;
    fill_step(device, c, begin, end);
    tl_graph_case_must(c, device->vtable->run(device, 0, &c->diag));
    for (int32_t i = begin; i < end; i++) {
      memcpy(out + (size_t)i * width, device->vtable->output(device, (uint32_t)(i - begin)),
             width * sizeof *out);
      check_best(device, (uint32_t)(i - begin), out + (size_t)i * width, width);
    }
  }
  device->vtable->close(device);
}

void tl_graph_case_step(tl_graph_case *c, const tl_graph_run *run, int32_t begin, int32_t end) {
  tl_device *device = open_device(c, run);
  fill_step(device, c, begin, end);
  tl_graph_case_must(c, device->vtable->run(device, 0, &c->diag));
  device->vtable->close(device);
}

// Largest difference in units of the expected numbers' standard deviation.
static double distance(const tl_graph_case *c, int32_t rows, const float *found) {
  size_t count = (size_t)rows * c->tables.models->outputs;
  double sum = 0, squares = 0, worst = 0;
  for (size_t i = 0; i < count; i++) {
    sum += c->expected[i];
    squares += (double)c->expected[i] * c->expected[i];
  }
  double mean = sum / (double)count, deviation = sqrt(squares / (double)count - mean * mean);
  for (size_t i = 0; i < count; i++) {
    double far = fabs((double)found[i] - c->expected[i]);
    if (!(far <= worst)) worst = far;
  }
  return worst / deviation;
}

// Activations, or keys and values, of 8 bits. A CPU that multiplies bf16 takes queries and
// softmax's weights so too where the cache is bf16, even if no weight is: a quarter more, as
// tests/oracle/rounding.py has it.
static double bound_of(const tl_graph_case *c, const tl_graph_run *run) {
  bool bf16 = run->kv == TL_PLAN_KV_BF16;
  for (uint32_t i = 0; i < c->tables.weights_count; i++)
    bf16 |= strcmp(c->builder.strings + c->tables.weights[i].format, "bf16") == 0;
  bool rounds = strstr(run->target, "bf16") || strstr(run->target, "amx");
  return !bf16 ? 5e-5 : rounds && run->kv == TL_PLAN_KV_BF16 ? 0.12 : 0.1;
}

void tl_graph_case_check(tl_graph_case *c, const tl_graph_run *run) {
  size_t bytes = (size_t)run->rows * c->tables.models->outputs * sizeof(float);
  float *first = calloc(1, bytes), *other = calloc(1, bytes);
  CHECK(first && other);
  run_chunks(c, run, run->chunks[0], first);
  double far = distance(c, run->rows, first), bound = bound_of(c, run);
  for (int i = 1; i < run->chunks_count; i++) {
    run_chunks(c, run, run->chunks[i], other);
    if (run->exact) CHECK(memcmp(first, other, bytes) == 0);
    double also = distance(c, run->rows, other);
    if (!(also <= far)) far = also;
  }
  printf("%s %s kv %s%s: %.2g (at most %g)\n", c->path, run->target,
         run->kv == TL_PLAN_KV_F32 ? "f32" : "bf16", run->deterministic ? ", deterministic" : "",
         far, bound);
  CHECK(far <= bound);
  free(first);
  free(other);
}

// ---- the case

void tl_graph_case_load(tl_graph_case *c, const char *path) {
  static char text[TEXT_BYTES];
  memset(c, 0, sizeof *c);
  c->path = path;
  tl_arena_init(&c->arena, (size_t)1 << 30);
  FILE *file = fopen(path, "r");
  CHECK(file);
  size_t length = fread(text, 1, sizeof text, file);
  CHECK(length < sizeof text);
  fclose(file);
  c->source = (tl_source){path, {text, length}};
  tl_graph_case_must(c, tl_op_table_init(&c->ops, &c->diag));
  tl_graph_case_must(c, tl_text_parse(&c->source, &c->ops, &c->arena, &c->graph, &c->diag));
  tl_pool_config config = {.threads = 2};
  tl_graph_case_must(c, tl_pool_create(&config, &c->arena, &c->pool, &c->diag));
}

void tl_graph_case_draft(tl_graph_case *c, const tl_draft_rules *rules) {
  tl_graph_case_must(c, tl_pass_fuse(c->graph, rules->unit_max, &c->program, &c->diag));
  tl_plan_builder_init(&c->builder, &c->arena);
  tl_plan_model model = {
      .outputs = (uint32_t)c->program->output->columns, .kv_types = 3, .has_weights = 1};
  tl_draft_choice choice = {model.kv_types, UINT32_MAX, NULL};
  tl_plan_add_model(&c->builder, &model);
  tl_graph_case_must(c,
                     tl_drafts_build(c->program, choice, rules, &c->builder, &c->drafts, &c->diag));
}

void tl_graph_case_pack(tl_graph_case *c) {
  tl_graph_case_must(c, tl_plan_builder_tables(&c->builder, &c->tables));
  pack(c);
  if (!c->expected) interpret(c);
}

void tl_graph_case_finish(tl_graph_case *c) {
  tl_pool_destroy(c->pool);
  free(c->weights);
  free(c->expected);
  tl_arena_finish(&c->arena);
}
