// Launch lists as graphs, one for each range of rows: within it the grid is what the most rows
// need, and blocks without work end at once.
#include "runtime/device/cuda/state.h"

enum { PARTS = 8 }; // of a power of two, where rows behind the last cost time

// Bounds of the symbols in a step of `rows` rows.
typedef struct bounds {
  uint64_t of[TL_PLAN_SYMBOL_COUNT];
} bounds;

static uint64_t least(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

static bounds bounds_of(const tl_device_config *config, uint64_t rows) {
  bounds b = {{0}};
  b.of[TL_PLAN_SYMBOL_ONE] = 1;
  b.of[TL_PLAN_SYMBOL_T] = rows;
  b.of[TL_PLAN_SYMBOL_S] = least(config->symbols_max[TL_PLAN_SYMBOL_S], rows);
  b.of[TL_PLAN_SYMBOL_R] = least(config->symbols_max[TL_PLAN_SYMBOL_R], rows);
  uint64_t work = rows / TL_CUDA_ATTENTION_ROWS + b.of[TL_PLAN_SYMBOL_S];
  b.of[TL_PLAN_SYMBOL_A] = least(least(config->symbols_max[TL_PLAN_SYMBOL_A], rows), work);
  return b;
}

static bool is_within_guard(const tl_cuda_steps *steps, const tl_plan_launch *row) {
  bool is_made = row->guard_library == 0 || (row->guard_library == 2) == steps->has_library;
  return is_made && row->guard_min <= steps->rows && steps->rows <= row->guard_max;
}

bool tl_cuda_runs(const tl_cuda_device *d, const tl_cuda_steps *steps, const tl_plan_launch *row) {
  const tl_device_config *config = &d->config;
  bool is_chosen = row->guard_exact == 0 || (row->guard_exact == 2) == config->deterministic;
  if (!is_chosen || !(row->guard_kv & 1u << config->kv_type)) return false;
  if (steps->only) return tl_tuning_has(steps->only, row);
  const tl_tuning *tuning = steps->by_guards ? NULL : d->tuning;
  const tl_tuning_way *way = tl_tuning_find(tuning, steps->program, row->set, steps->rows);
  if (way && (way->guard_library != 2 || steps->has_library)) return tl_tuning_has(way, row);
  return is_within_guard(steps, row);
}

static tl_status launch(tl_cuda_device *d, uint32_t index, const bounds *b, bool overlaps,
                        tl_diag *diag) {
  const tl_plan_tables *t = d->config.tables;
  const tl_plan_launch *row = &t->launchs[index];
  const tl_plan_kernel *kernel = &t->kernels[row->kernel];
  uint64_t symbol = b->of[row->grid_symbol];
  uint64_t blocks = row->grid_items * ((symbol + row->grid_rows - 1) / row->grid_rows);
  tl_cuda_launch_attribute attribute = {.id = TL_CUDA_OVERLAPS, .value = 1};
  tl_cuda_launch l = {.grid = {(unsigned)blocks, 1, 1},
                      .block = {kernel->threads, 1, 1},
                      .shared_bytes = kernel->shared_bytes,
                      .stream = d->stream,
                      .attributes = &attribute,
                      .attributes_count = overlaps};
  void *parameters[] = {&d->arguments[index], &d->step};
  if (blocks == 0) return TL_OK;
  tl_cuda_result result = d->driver.launch(&l, d->kernels[row->kernel].function, parameters, NULL);
  return tl_cuda_check(&d->driver, result, "launch a kernel", diag);
}

// A kernel may begin before the launch before it has ended only if that is a kernel too: a library
// tells nobody when the next may begin.
static tl_status launch_all(tl_cuda_device *d, const tl_cuda_steps *steps, tl_diag *diag) {
  const tl_plan_program *p = &d->config.tables->programs[steps->program];
  bounds b = bounds_of(&d->config, steps->rows);
  bool overlaps = false;
  for (uint32_t i = 0; i < p->launches_count; i++) {
    uint32_t index = p->first_launch + i;
    const tl_plan_launch *row = &d->config.tables->launchs[index];
    if (!tl_cuda_runs(d, steps, row)) continue;
    overlaps = overlaps && row->kind == TL_PLAN_LAUNCH_KERNEL;
    TL_TRY(row->kind == TL_PLAN_LAUNCH_PRODUCT ? tl_cuda_product_launch(d, row, steps->rows, diag)
                                               : launch(d, index, &b, overlaps, diag));
    overlaps = row->kind == TL_PLAN_LAUNCH_KERNEL;
  }
  return TL_OK;
}

tl_status tl_cuda_graph_make(tl_cuda_device *d, const tl_cuda_steps *steps, void **out_exec,
                             tl_diag *diag) {
  const tl_cuda_driver *driver = &d->driver;
  void *graph = NULL;
  TL_TRY(tl_cuda_check(driver, driver->capture_begin(d->stream, TL_CUDA_CAPTURE_THREAD_LOCAL),
                       "begin a graph", diag));
  tl_status status = launch_all(d, steps, diag);
  tl_cuda_result ended = driver->capture_end(d->stream, &graph);
  if (tl_ok(status)) status = tl_cuda_check(driver, ended, "end a graph", diag);
  if (tl_ok(status)) {
    status = tl_cuda_check(driver, driver->graph_make(out_exec, graph, 0), "make a graph", diag);
  }
  if (graph) driver->graph_destroy(graph);
  return status;
}

static tl_status capture(tl_cuda_device *d, uint32_t program, uint32_t rows, tl_diag *diag) {
  if (d->graphs_count == TL_CUDA_GRAPHS_MAX) {
    return tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0}, "a plan of too many programs");
  }
  tl_cuda_steps steps = {.program = program, .rows = rows};
  tl_cuda_graph *own = &d->graphs[d->graphs_count];
  *own = (tl_cuda_graph){.program = program, .rows = rows};
  TL_TRY(tl_cuda_products_prepare(d, &steps, &steps.has_library));
  TL_TRY(tl_cuda_graph_make(d, &steps, &own->exec, diag));
  d->graphs_count++;
  return TL_OK;
}

// A library computes all rows of the range: then it is a part of `below` only.
static uint32_t range_rows(const tl_cuda_device *d, uint32_t program, uint32_t below) {
  const tl_plan_program *p = &d->config.tables->programs[program];
  tl_cuda_steps first = {.program = program, .rows = below + 1, .has_library = true};
  uint32_t part = 1;
  for (uint32_t i = 0; d->blas.handle && i < p->launches_count; i++) {
    const tl_plan_launch *row = &d->config.tables->launchs[p->first_launch + i];
    if (row->kind != TL_PLAN_LAUNCH_PRODUCT || !tl_cuda_runs(d, &first, row)) continue;
    while (2 * PARTS * part <= below)
      part *= 2;
    return part;
  }
  return below == 0 ? 1 : below;
}

// The most rows of the range that begins after `below`: twice as many, no further than a guard or
// where a tuning goes on to another way.
static uint32_t next_bound(const tl_cuda_device *d, uint32_t program, uint32_t below) {
  const tl_plan_program *p = &d->config.tables->programs[program];
  uint32_t most = (uint32_t)d->config.symbols_max[TL_PLAN_SYMBOL_T];
  uint32_t bound = below + range_rows(d, program, below);
  for (uint32_t i = 0; i < p->launches_count; i++) {
    const tl_plan_launch *row = &d->config.tables->launchs[p->first_launch + i];
    if (row->guard_max > below && row->guard_max < bound) bound = row->guard_max;
    if (row->guard_min > below + 1 && row->guard_min <= bound) bound = row->guard_min - 1;
  }
  for (uint32_t i = 0; d->tuning && i < d->tuning->ways_count; i++) {
    const tl_tuning_way *way = &d->tuning->ways[i];
    if (way->program == program && way->rows > below && way->rows < bound) bound = way->rows;
  }
  return bound < most ? bound : most;
}

tl_status tl_cuda_capture(tl_cuda_device *d, tl_diag *diag) {
  const tl_plan_tables *t = d->config.tables;
  uint32_t most = (uint32_t)d->config.symbols_max[TL_PLAN_SYMBOL_T];
  for (uint32_t p = 0; p < t->programs_count; p++) {
    if (t->programs[p].target != d->config.target) continue;
    for (uint32_t rows = 0; rows < most;) {
      rows = next_bound(d, p, rows);
      TL_TRY(capture(d, p, rows, diag));
    }
  }
  return TL_OK;
}

const tl_cuda_graph *tl_cuda_graph_for(const tl_cuda_device *d, uint32_t program, uint32_t rows) {
  for (uint32_t i = 0; i < d->graphs_count; i++) {
    if (d->graphs[i].program == program && rows <= d->graphs[i].rows) return &d->graphs[i];
  }
  return NULL;
}
