// The CPU device: a plan's code called on all threads of a pool, launch after launch.
//
// A step: every thread walks the same list of launches, takes items of each from a shared counter
// and meets the others at a barrier. Which thread computes what never changes a result.
#include <stdlib.h>

#include "runtime/base/kernel.h"
#include "runtime/base/pool.h"
#include "runtime/base/target.h"
#include "runtime/device/device.h"
#include "runtime/device/memory.h"
#include "runtime/device/random.h"
#include "runtime/plan/code.h"
#include "runtime/plan/range.h"

enum { ALIGN = 4096 };

typedef struct launch {
  tl_cpu_kernel *entry;
  const tl_arg *args;
  const tl_plan_launch *row;
} launch;

typedef struct cpu_device {
  tl_device device;
  tl_device_config config;
  tl_plan_range range; // of the weights section that the target reads
  const char *weights; // the first byte of it
  tl_code code;
  bool is_filled; // `random` is
  tl_memory step, scratch, random, arenas[TL_PLAN_SYMBOL_COUNT], groups[TL_GROUPS_MAX];
  uint64_t scratch_bytes;         // per thread
  launch *launches;               // of all programs, by row of the launch table
  tl_arg *args;                   // by row of the arg table, the target's own
  const tl_plan_program *program; // of the run under way
} cpu_device;

static bool supports(const char *target, int ordinal) {
  (void)ordinal;
  return tl_target_runs_here(tl_target_from_text(tl_str_from(target)));
}

static void cpu_close(tl_device *device) {
  cpu_device *d = (cpu_device *)device;
  if (!d) return;
  tl_code_unmap(&d->code);
  tl_memory_release(&d->step);
  tl_memory_release(&d->scratch);
  tl_memory_release(&d->random);
  for (int i = 0; i < TL_PLAN_SYMBOL_COUNT; i++)
    tl_memory_release(&d->arenas[i]);
  for (int i = 0; i < TL_GROUPS_MAX; i++)
    tl_memory_release(&d->groups[i]);
  free(d->launches);
  free(d->args);
  free(d);
}

// Arenas are as large as the hungriest program of the target needs.
static tl_status reserve_arenas(cpu_device *d, tl_diag *diag) {
  const tl_plan_tables *t = d->config.tables;
  for (int s = 0; s < TL_PLAN_SYMBOL_COUNT; s++) {
    uint64_t unit = 0;
    for (uint32_t p = 0; p < t->programs_count; p++) {
      bool own = t->programs[p].target == d->config.target;
      if (own && t->programs[p].arena_bytes[s] > unit) unit = t->programs[p].arena_bytes[s];
    }
    TL_TRY(tl_memory_reserve(unit * d->config.symbols_max[s], "activations", d->config.prefault,
                             &d->arenas[s], diag));
  }
  return TL_OK;
}

static tl_status reserve(cpu_device *d, tl_diag *diag) {
  const tl_device_config *c = &d->config;
  bool now = c->prefault;
  TL_TRY(reserve_arenas(d, diag));
  TL_TRY(tl_memory_reserve(c->step_bytes, "the step block", now, &d->step, diag));
  d->scratch_bytes = (c->tables->targets[c->target].scratch_bytes + ALIGN - 1) / ALIGN * ALIGN;
  TL_TRY(tl_memory_reserve(d->scratch_bytes * (uint64_t)tl_pool_threads(c->pool), "scratch", now,
                           &d->scratch, diag));
  for (uint32_t g = 0; g < c->tables->groups_count; g++) {
    uint64_t bytes = c->pages_count[g] * c->tables->groups[g].page_bytes[c->kv_type];
    TL_TRY(tl_memory_reserve(bytes, "the KV cache", now, &d->groups[g], diag));
  }
  return TL_OK;
}

// Weights of a skeleton, made before the first run: who only asks what would be needed need not
// have that memory.
static void fill_random(cpu_device *d) {
  if (!d->random.bytes || d->is_filled) return;
  const tl_plan_tables *t = d->config.tables;
  for (uint32_t i = 0; i < t->weights_count; i++) {
    const tl_plan_weight *row = &t->weights[i];
    if (!tl_plan_range_holds(&d->range, row)) continue;
    tl_random_range all = {i, 0, row->bytes};
    tl_random_fill(t, &all, d->random.bytes + (row->offset - d->range.offset),
                   d->config.random_seed, d->config.pool);
  }
  d->is_filled = true;
}

static tl_status find_weights(cpu_device *d, tl_diag *diag) {
  d->range = tl_plan_target_weights(d->config.tables, d->config.target);
  if (d->config.weights) {
    d->weights = d->config.weights + d->range.offset;
    return TL_OK;
  }
  TL_TRY(tl_memory_reserve(d->range.bytes, "random weights", false, &d->random, diag));
  d->weights = d->random.bytes;
  if (d->config.prefault) fill_random(d);
  return TL_OK;
}

static tl_arg resolve(const cpu_device *d, const tl_plan_arg *row) {
  const tl_plan_tables *t = d->config.tables;
  const tl_plan_buffer *buffer = &t->buffers[row->index];
  const tl_plan_state *state = &t->states[row->index];
  switch (row->kind) {
  case TL_PLAN_ARG_WEIGHT:
    return (tl_arg){.in = d->weights + (t->weights[row->index].offset - d->range.offset)};
  case TL_PLAN_ARG_BUFFER:
    return (tl_arg){.out = d->arenas[buffer->symbol].bytes +
                           buffer->offset * d->config.symbols_max[buffer->symbol]};
  case TL_PLAN_ARG_STATE:
    return (tl_arg){.out = d->groups[state->group].bytes + state->offset[d->config.kv_type]};
  case TL_PLAN_ARG_PAGE_BYTES:
    return (tl_arg){.i = (int64_t)t->groups[state->group].page_bytes[d->config.kv_type]};
  case TL_PLAN_ARG_GROUP: return (tl_arg){.i = state->group};
  default: return (tl_arg){.i = row->value};
  }
}

static tl_status resolve_launches(cpu_device *d) {
  const tl_plan_tables *t = d->config.tables;
  d->launches = calloc(t->launchs_count + 1u, sizeof *d->launches);
  d->args = calloc(t->args_count + 1u, sizeof *d->args);
  if (!d->launches || !d->args) return TL_MEMORY;
  for (uint32_t i = 0; i < t->launchs_count; i++) {
    const tl_plan_launch *row = &t->launchs[i];
    const tl_plan_kernel *kernel = &t->kernels[row->kernel];
    if (kernel->target != d->config.target) continue;
    const void *entry = d->code.bytes + kernel->offset;
    d->launches[i] = (launch){.args = d->args + row->first_arg, .row = row};
    memcpy(&d->launches[i].entry, &entry, sizeof entry);
    for (uint32_t a = row->first_arg; a < row->first_arg + row->args_count; a++)
      d->args[a] = resolve(d, &t->args[a]);
  }
  return TL_OK;
}

static tl_status map_code(cpu_device *d, tl_diag *diag) {
  const tl_device_config *c = &d->config;
  const tl_plan_target *target = &c->tables->targets[c->target];
  tl_code_source source = {.file = c->file,
                           .name = c->file_name,
                           .offset = c->code_offset,
                           .bytes = c->code,
                           .bytes_count = target->code_bytes,
                           .text_bytes = target->text_bytes};
  return tl_code_map(&source, TL_CODE_FILE, &d->code, diag);
}

static tl_status cpu_open(const tl_device_config *config, tl_device **out_device, tl_diag *diag) {
  cpu_device *d = calloc(1, sizeof *d);
  *out_device = NULL;
  if (!d) return TL_MEMORY;
  d->device.vtable = &tl_device_cpu;
  d->config = *config;
  tl_status status = map_code(d, diag);
  if (tl_ok(status)) status = reserve(d, diag);
  if (tl_ok(status)) status = find_weights(d, diag);
  if (tl_ok(status)) status = resolve_launches(d);
  if (!tl_ok(status)) {
    cpu_close(&d->device);
    return status;
  }
  *out_device = &d->device;
  return TL_OK;
}

static tl_step *step_block(tl_device *device) {
  return (tl_step *)((cpu_device *)device)->step.bytes;
}

static int64_t symbol_value(const tl_step *step, uint32_t symbol) {
  switch (symbol) {
  case TL_PLAN_SYMBOL_T: return step->rows_count;
  case TL_PLAN_SYMBOL_S: return step->sequences_count;
  case TL_PLAN_SYMBOL_R: return step->wanted_count;
  case TL_PLAN_SYMBOL_A: return step->work_count;
  default: return 1;
  }
}

// Items of a launch in this step; 0 if its guard does not hold.
static int64_t items_of(const cpu_device *d, const tl_plan_launch *row, const tl_step *step) {
  uint32_t rows = (uint32_t)step->rows_count;
  if (!(row->guard_kv & 1u << d->config.kv_type) || row->guard_library == 2) return 0;
  if (rows < row->guard_min || rows > row->guard_max) return 0;
  int64_t symbol = symbol_value(step, row->grid_symbol);
  return row->grid_items * ((symbol + row->grid_rows - 1) / row->grid_rows);
}

static void run_thread(void *context, int thread) {
  cpu_device *d = context;
  const tl_step *step = (const tl_step *)d->step.bytes;
  char *scratch = d->scratch.bytes + d->scratch_bytes * (uint64_t)thread;
  for (uint32_t i = 0; i < d->program->launches_count; i++) {
    const launch *l = &d->launches[d->program->first_launch + i];
    int64_t items = items_of(d, l->row, step), begin, end;
    if (items == 0) continue;
    while (tl_pool_take(d->config.pool, items, &begin, &end))
      l->entry(l->args, step, scratch, begin, end);
    tl_pool_barrier(d->config.pool);
  }
}

static tl_status run(tl_device *device, uint32_t program, tl_diag *diag) {
  cpu_device *d = (cpu_device *)device;
  (void)diag;
  d->program = &d->config.tables->programs[program];
  fill_random(d);
  tl_pool_run(d->config.pool, run_thread, d);
  return TL_OK;
}

static const float *output(tl_device *device, uint32_t row) {
  const cpu_device *d = (const cpu_device *)device;
  const tl_plan_buffer *buffer = &d->config.tables->buffers[d->program->output];
  const char *base =
      d->arenas[buffer->symbol].bytes + buffer->offset * d->config.symbols_max[buffer->symbol];
  return (const float *)(base + row * buffer->row_bytes);
}

static const tl_step_best *best(tl_device *device, uint32_t row,
                                const tl_step_candidate **out_list) {
  (void)device, (void)row, (void)out_list;
  return NULL;
}

static char *page_at(const cpu_device *d, uint32_t group, int32_t page, size_t *out_bytes) {
  *out_bytes = d->config.tables->groups[group].page_bytes[d->config.kv_type];
  return d->groups[group].bytes + (size_t)page * *out_bytes;
}

static tl_status copy_pages(tl_device *device, uint32_t group, const int32_t (*pairs)[2],
                            uint32_t pairs_count) {
  const cpu_device *d = (const cpu_device *)device;
  for (uint32_t i = 0; i < pairs_count; i++) {
    size_t bytes;
    const char *from = page_at(d, group, pairs[i][0], &bytes);
    memcpy(page_at(d, group, pairs[i][1], &bytes), from, bytes);
  }
  return TL_OK;
}

static tl_status read_page(tl_device *device, uint32_t group, int32_t page, void *out_bytes) {
  size_t bytes;
  const char *from = page_at((cpu_device *)device, group, page, &bytes);
  memcpy(out_bytes, from, bytes);
  return TL_OK;
}

static tl_status write_page(tl_device *device, uint32_t group, int32_t page, const void *bytes) {
  size_t count;
  char *to = page_at((cpu_device *)device, group, page, &count);
  memcpy(to, bytes, count);
  return TL_OK;
}

static uint64_t memory_bytes(const tl_device *device) {
  const cpu_device *d = (const cpu_device *)device;
  uint64_t total = d->step.bytes_count + d->scratch.bytes_count;
  for (int i = 0; i < TL_PLAN_SYMBOL_COUNT; i++)
    total += d->arenas[i].bytes_count;
  for (int i = 0; i < TL_GROUPS_MAX; i++)
    total += d->groups[i].bytes_count;
  return total;
}

const tl_device_vtable tl_device_cpu = {
    .name = "cpu",
    .attention_rows = TL_ATTENTION_ROWS,
    .supports = supports,
    .open = cpu_open,
    .close = cpu_close,
    .step_block = step_block,
    .run = run,
    .output = output,
    .best = best,
    .copy_pages = copy_pages,
    .read_page = read_page,
    .write_page = write_page,
    .memory_bytes = memory_bytes,
};
