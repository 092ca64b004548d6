// The toy model and its device.
#include "tests/lib/toy_session.h"

#include <math.h>
#include <unistd.h>

#include "tests/lib/kv_shadow.h"
#include "tests/lib/tiny_plan.h"

static tl_diag diag;

// ---------------------------------------------------------------------------------------------
// The model

static uint32_t mix(uint32_t hash, uint32_t value) {
  hash = (hash ^ value) * 0x9e3779b1u;
  return hash ^ hash >> 15;
}

void toy_logits(const int32_t *ids, int32_t count, float out_logits[TOY_VOCABULARY]) {
  uint32_t hash = 1;
  for (int32_t i = 0; i < count; i++)
    hash = mix(hash, (uint32_t)ids[i]);
  for (uint32_t i = 0; i < TOY_VOCABULARY; i++)
    out_logits[i] = (float)(mix(hash, i) >> 8) * 0x1p-21f;
  int32_t last = ids[count - 1];
  out_logits[TOY_STOP] = last == TOY_STOPS ? 100.0f : -100.0f;
  out_logits[TOY_STOPS] = out_logits[TOY_POISON] = -100.0f;
  for (int32_t i = 0; last == TOY_POISON && i < TOY_VOCABULARY; i++)
    out_logits[i] = NAN;
}

int32_t toy_next(const int32_t *ids, int32_t count) {
  float logits[TOY_VOCABULARY];
  int32_t best = 0;
  toy_logits(ids, count, logits);
  for (int32_t i = 1; i < TOY_VOCABULARY; i++)
    if (logits[i] > logits[best]) best = i;
  return best;
}

void toy_prompt(uint32_t seed, int32_t count, int32_t *out_ids) {
  for (int32_t i = 0; i < count; i++)
    out_ids[i] = (int32_t)(mix(mix(7, seed), (uint32_t)i) % (TOY_POISON - 1)) + 1;
}

// ---------------------------------------------------------------------------------------------
// The device

static const int32_t *table_of(const tl_step *step, uint32_t g, int32_t sequence) {
  return tl_step_ints(step, step->pages[g]) + (int64_t)sequence * step->pages_max;
}

static int32_t *cell(const toy_session *toy, uint32_t g, int32_t page, int32_t place) {
  CHECK(page >= 0 && page < toy->session->kv_config.groups[g].pages_count);
  return &toy->cells[g][(int64_t)page * TL_PAGE_TOKENS + place];
}

static void write_rows(toy_session *toy, const tl_step *step) {
  const tl_step_sequence *sequences =
      (const tl_step_sequence *)((const char *)step + step->sequences);
  int32_t row = 0;
  for (int32_t s = 0; s < step->sequences_count; s++) {
    CHECK(sequences[s].first_row == row && sequences[s].rows_count > 0);
    for (int32_t i = 0; i < sequences[s].rows_count; i++, row++) {
      int32_t position = sequences[s].first_position + i;
      CHECK(tl_step_ints(step, step->positions)[row] == position);
      for (uint32_t g = 0; g < 2; g++) {
        int32_t slot = tl_step_ints(step, step->slots[g])[row];
        int32_t page = table_of(step, g, s)[position / TL_PAGE_TOKENS];
        CHECK(slot == page * TL_PAGE_TOKENS + position % TL_PAGE_TOKENS);
        *cell(toy, g, page, position % TL_PAGE_TOKENS) = tl_step_ints(step, step->ids)[row];
      }
    }
  }
  CHECK(row == step->rows_count);
}

// All ids up to `position` as the full group has them; the window must agree.
static void read_back(const toy_session *toy, const tl_step *step, int32_t sequence,
                      int32_t position, int32_t *out_ids) {
  for (int32_t p = 0; p <= position; p++) {
    int32_t index = p / TL_PAGE_TOKENS, place = p % TL_PAGE_TOKENS;
    out_ids[p] = *cell(toy, 0, table_of(step, 0, sequence)[index], place);
    if (p <= position - TOY_WINDOW) continue;
    CHECK(*cell(toy, 1, table_of(step, 1, sequence)[index], place) == out_ids[p]);
  }
}

static void fill_output(toy_session *toy, const tl_step *step, int32_t output) {
  const tl_step_sequence *sequences =
      (const tl_step_sequence *)((const char *)step + step->sequences);
  int32_t ids[TOY_CONTEXT], row = tl_step_ints(step, step->wanted)[output], s = 0;
  while (row >= sequences[s].first_row + sequences[s].rows_count)
    s++;
  int32_t position = sequences[s].first_position + row - sequences[s].first_row;
  read_back(toy, step, s, position, ids);
  float *logits = toy->outputs + (size_t)output * TOY_VOCABULARY;
  toy_logits(ids, position + 1, logits);
  if (position + 1 < toy->script_count) logits[toy->script[position + 1]] = 100.0f;
}

static void toy_close(tl_device *device) {
  toy_session *toy = (toy_session *)device;
  toy->inner->vtable->close(toy->inner);
}

static tl_step *toy_step_block(tl_device *device) {
  toy_session *toy = (toy_session *)device;
  return toy->inner->vtable->step_block(toy->inner);
}

static tl_status toy_run(tl_device *device, uint32_t program, tl_diag *sink) {
  toy_session *toy = (toy_session *)device;
  const tl_step *step = toy->session->step;
  (void)program;
  if (toy->fails) return tl_diag_error(sink, TL_DEVICE, (tl_span){0}, "the toy broke");
  CHECK(step->rows_count <= toy->session->limits.chunk);
  CHECK(step->sequences_count <= toy->session->limits.batch);
  CHECK(step->wanted_count <= toy->session->limits.outputs);
  write_rows(toy, step);
  for (int32_t i = 0; i < step->wanted_count; i++)
    fill_output(toy, step, i);
  toy->steps++;
  toy->rows += step->rows_count;
  return TL_OK;
}

static const float *toy_output(tl_device *device, uint32_t row) {
  return ((toy_session *)device)->outputs + (size_t)row * TOY_VOCABULARY;
}

static tl_status toy_copy_pages(tl_device *device, uint32_t group, const int32_t (*pairs)[2],
                                uint32_t pairs_count) {
  const toy_session *toy = (const toy_session *)device;
  for (uint32_t i = 0; i < pairs_count; i++)
    memcpy(cell(toy, group, pairs[i][1], 0), cell(toy, group, pairs[i][0], 0),
           TL_PAGE_TOKENS * sizeof(int32_t));
  return TL_OK;
}

static uint64_t toy_memory_bytes(const tl_device *device) {
  const toy_session *toy = (const toy_session *)device;
  return toy->inner->vtable->memory_bytes(toy->inner);
}

// Unknown, so that the sampler of the host is tested.
static const tl_step_best *toy_best(tl_device *device, uint32_t row,
                                    const tl_step_candidate **out_list) {
  (void)device, (void)row, (void)out_list;
  return NULL;
}

static const tl_device_vtable toy_vtable = {
    .name = "toy",
    .close = toy_close,
    .step_block = toy_step_block,
    .run = toy_run,
    .attention_rows = TL_ATTENTION_ROWS,
    .output = toy_output,
    .best = toy_best,
    .copy_pages = toy_copy_pages,
    .memory_bytes = toy_memory_bytes,
};

// ---------------------------------------------------------------------------------------------
// Plans and sessions

static void must(tl_status status) {
  if (!tl_ok(status)) tl_diag_print(&diag, stderr);
  CHECK(tl_ok(status));
}

static void must_open(tlmc_status status, const tlmc_error *error) {
  if (status != TLMC_OK) fprintf(stderr, "%s\n", error->text);
  CHECK(status == TLMC_OK);
}

void toy_plan_open(toy_plan *plan, tl_str tokenizer, tl_plan_task task) {
  static tl_tiny_plan tiny;
  tl_plan_buffer buffers[8];
  tl_plan_program programs[4];
  tlmc_error error;
  tl_arena arena;
  tl_tiny_plan_init(&tiny, 1, true);
  CHECK(tiny.tables.buffers_count <= 8 && tiny.tables.programs_count <= 4);
  memcpy(buffers, tiny.tables.buffers, tiny.tables.buffers_count * sizeof *buffers);
  memcpy(programs, tiny.tables.programs, tiny.tables.programs_count * sizeof *programs);
  for (uint32_t p = 0; p < tiny.tables.programs_count; p++) {
    tl_plan_buffer *output = &buffers[programs[p].output];
    output->columns = TOY_VOCABULARY;
    output->row_bytes = TOY_VOCABULARY * sizeof(float);
    programs[p].arena_bytes[TL_PLAN_SYMBOL_R] = output->row_bytes;
  }
  tiny.tables.buffers = buffers;
  tiny.tables.programs = programs;
  tiny.model.vocabulary = tiny.model.outputs = TOY_VOCABULARY;
  tiny.model.context = TOY_CONTEXT;
  tiny.model.task = task;
  tiny.parts.tokenizer = tokenizer;
  tiny.parts.meta = TL_STR("{\"model\": \"toy\", \"stop_ids\": [0]}");
  CHECK(TOY_STOP == 0);
  snprintf(plan->path, sizeof plan->path, "/tmp/tlmc-toy-%ld.plan", (long)getpid());
  tl_arena_init(&arena, (size_t)64 << 20);
  must(tl_plan_write(&tiny.parts, plan->path, 1, &arena, &diag));
  tl_arena_finish(&arena);
  must_open(tlmc_plan_open(plan->path, NULL, &plan->plan, &error), &error);
}

void toy_plan_close(toy_plan *plan) {
  tlmc_plan_close(plan->plan);
  CHECK(unlink(plan->path) == 0);
}

void toy_session_open(toy_session *toy, const toy_plan *plan, tlmc_session_options options) {
  tlmc_error error;
  *toy = (toy_session){.device = {&toy_vtable}};
  options.size = sizeof options;
  options.device = "null";
  options.threads = 1;
  must_open(tlmc_session_open(plan->plan, &options, &toy->session, &error), &error);
  toy->inner = toy->session->device;
  toy->session->device = &toy->device;
  for (int32_t g = 0; g < toy->session->kv_config.groups_count; g++)
    toy->cells[g] = calloc((size_t)toy->session->kv_config.groups[g].pages_count,
                           TL_PAGE_TOKENS * sizeof(int32_t));
  toy->outputs = calloc((size_t)toy->session->limits.outputs, TOY_VOCABULARY * sizeof(float));
}

void toy_session_close(toy_session *toy, bool is_empty) {
  tl_kv *kv = toy->session->kv;
  kv_verify(kv);
  tl_kv_forget(kv);
  for (int32_t g = 0; is_empty && g < kv->config.groups_count; g++)
    CHECK(kv->groups[g].free_count == kv->config.groups[g].pages_count);
  tlmc_session_close(toy->session);
  for (int32_t g = 0; g < TL_GROUPS_MAX; g++)
    free(toy->cells[g]);
  free(toy->outputs);
}
