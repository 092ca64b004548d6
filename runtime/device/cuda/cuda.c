// The CUDA device: all memory is taken and all launches are captured when it is opened; a step is
// an upload of the step block, a graph, and a copy of what was found of the wanted rows.
#include "runtime/base/target.h"
#include "runtime/device/cuda/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/plan/plan.h"

enum {
  ALIGN = 256,
  NAME_BYTES = 128,
  SHARED_BYTES_DEFAULT = 48 << 10,
  BLOCK_BYTES = 1024 /* a block's own */
};

static bool capability(const tl_cuda_driver *driver, int ordinal, int *out_major, int *out_minor) {
  int gpu;
  return driver->device_get(&gpu, ordinal) == 0 &&
         driver->device_attribute(out_major, TL_CUDA_CAPABILITY_MAJOR, gpu) == 0 &&
         driver->device_attribute(out_minor, TL_CUDA_CAPABILITY_MINOR, gpu) == 0;
}

// The same of a machine whose driver is not open yet.
static bool find_capability(int ordinal, int *out_major, int *out_minor) {
  tl_cuda_driver driver;
  tl_diag diag = {0};
  if (!tl_ok(tl_cuda_driver_open(&driver, &diag))) return false;
  bool found = capability(&driver, ordinal, out_major, out_minor);
  tl_cuda_driver_close(&driver);
  return found;
}

static bool is_there(int ordinal) {
  int major, minor;
  return find_capability(ordinal, &major, &minor);
}

static bool supports(const char *target, int ordinal) {
  int row = tl_target_from_text(tl_str_from(target)), major, minor;
  if (row == TL_TARGET_COUNT || tl_target_of(row)->device != TL_TARGET_DEVICE_CUDA) return false;
  return !find_capability(ordinal, &major, &minor) || tl_target_runs_on(row, major, minor);
}

// ---- closing

static void release(const tl_cuda_device *d, tl_cuda_address at) {
  if (at) d->driver.memory_release(at);
}

static void release_memory(tl_cuda_device *d) {
  release(d, d->weights);
  release(d, d->step);
  release(d, d->maps);
  release(d, d->workspace);
  for (int i = 0; i < TL_PLAN_SYMBOL_COUNT; i++)
    release(d, d->arenas[i]);
  for (int i = 0; i < TL_GROUPS_MAX; i++)
    release(d, d->groups[i]);
  if (d->host_step) d->driver.host_release(d->host_step);
  if (d->host_outputs) d->driver.host_release(d->host_outputs);
  tl_cuda_best_release(d);
}

static void release_code(tl_cuda_device *d) {
  for (uint32_t i = 0; i < d->graphs_count; i++)
    d->driver.graph_end(d->graphs[i].exec);
  for (uint32_t i = 0; d->kernels && i < d->config.tables->kernels_count; i++) {
    if (d->kernels[i].module) d->driver.module_unload(d->kernels[i].module);
  }
}

static void cuda_close(tl_device *device) {
  tl_cuda_device *d = (tl_cuda_device *)device;
  if (!d) return;
  if (d->context) {
    d->driver.context_push(d->context);
    if (d->stream) d->driver.stream_wait(d->stream);
    release_code(d);
    tl_blas_close(&d->blas);
    release_memory(d);
    if (d->stream) d->driver.stream_destroy(d->stream);
    d->driver.context_pop(&d->context);
    d->driver.context_release(d->gpu);
  }
  tl_cuda_driver_close(&d->driver);
  free(d->kernels);
  free(d->arguments);
  free(d->ways);
  free(d->tuning);
  free(d);
}

// ---- opening

static tl_status find_gpu(tl_cuda_device *d, tl_diag *diag) {
  const tl_cuda_driver *driver = &d->driver;
  char name[NAME_BYTES] = "";
  const char *target =
      tl_plan_string(d->config.tables, d->config.tables->targets[d->config.target].name);
  int count = 0, major = 0, minor = 0;
  driver->device_count(&count);
  if (driver->device_get(&d->gpu, d->config.ordinal) != 0 ||
      !capability(driver, d->config.ordinal, &major, &minor)) {
    return tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0},
                         "there is no GPU cuda:%d: the driver has %d", d->config.ordinal, count);
  }
  if (!tl_target_runs_on(tl_target_from_text(tl_str_from(target)), major, minor)) {
    driver->device_name(name, sizeof name, d->gpu);
    return tl_diag_error(
        diag, TL_UNSUPPORTED, (tl_span){0},
        "code for %s does not run on %s: build the plan with --target cuda:sm_%d%d", target, name,
        major, minor);
  }
  TL_TRY(tl_cuda_check(driver, driver->context_retain(&d->context, d->gpu), "open the GPU", diag));
  TL_TRY(tl_cuda_check(driver, driver->context_push(d->context), "use the GPU", diag));
  d->has_context = true;
  return tl_cuda_check(driver, driver->stream_create(&d->stream, 1), "make a stream", diag);
}

// Every piece of device memory with its bytes, in the order of taking.
typedef struct piece {
  tl_cuda_address *at;
  uint64_t bytes;
} piece;

enum { PIECES_MAX = 3 + TL_PLAN_SYMBOL_COUNT + TL_GROUPS_MAX };

static uint64_t arena_bytes(const tl_cuda_device *d, int symbol) {
  const tl_plan_tables *t = d->config.tables;
  uint64_t unit = 0;
  for (uint32_t p = 0; p < t->programs_count; p++) {
    bool own = t->programs[p].target == d->config.target;
    if (own && t->programs[p].arena_bytes[symbol] > unit) unit = t->programs[p].arena_bytes[symbol];
  }
  return unit * d->config.symbols_max[symbol];
}

static int list_pieces(tl_cuda_device *d, piece pieces[PIECES_MAX], uint64_t *out_kv_bytes) {
  const tl_device_config *c = &d->config;
  int count = 0;
  *out_kv_bytes = 0;
  pieces[count++] = (piece){&d->weights, d->range.bytes};
  pieces[count++] = (piece){&d->step, c->step_bytes};
  pieces[count++] = (piece){&d->workspace, d->blas.handle ? TL_CUDA_WORKSPACE_BYTES : 0};
  for (int s = 0; s < TL_PLAN_SYMBOL_COUNT; s++)
    pieces[count++] = (piece){&d->arenas[s], arena_bytes(d, s)};
  for (uint32_t g = 0; g < c->tables->groups_count; g++) {
    uint64_t bytes = c->pages_count[g] * c->tables->groups[g].page_bytes[c->kv_type];
    pieces[count++] = (piece){&d->groups[g], bytes};
    *out_kv_bytes += bytes;
  }
  return count;
}

static tl_status refuse_size(uint64_t needed, uint64_t kv_bytes, size_t available, tl_diag *diag) {
  double mib = 1 << 20;
  uint64_t rest = needed - kv_bytes;
  if (rest >= available) {
    return tl_diag_error(diag, TL_MEMORY, (tl_span){0},
                         "the GPU has %.0f MiB free; weights and activations alone need %.0f MiB",
                         (double)available / mib, (double)rest / mib);
  }
  return tl_diag_error(diag, TL_MEMORY, (tl_span){0},
                       "the GPU has %.0f MiB free; %.0f MiB are needed, %.0f of them for the KV "
                       "cache: a --kv-memory of at most %.0f MiB fits, or a shorter --ctx",
                       (double)available / mib, (double)needed / mib, (double)kv_bytes / mib,
                       (double)(available - rest) / mib * 0.95);
}

static tl_status take_memory(tl_cuda_device *d, tl_diag *diag) {
  const tl_cuda_driver *driver = &d->driver;
  piece pieces[PIECES_MAX];
  uint64_t kv_bytes, needed = 0;
  size_t available = 0, total = 0;
  int count = list_pieces(d, pieces, &kv_bytes);
  for (int i = 0; i < count; i++)
    needed += pieces[i].bytes;
  TL_TRY(tl_cuda_check(driver, driver->memory_info(&available, &total), "tell its memory", diag));
  if (needed > available) return refuse_size(needed, kv_bytes, available, diag);
  for (int i = 0; i < count; i++) {
    if (pieces[i].bytes == 0) continue;
    TL_TRY(tl_cuda_check(driver, driver->memory_take(pieces[i].at, pieces[i].bytes + ALIGN),
                         "reserve memory", diag));
    TL_TRY(tl_cuda_check(driver, driver->fill(*pieces[i].at, 0, pieces[i].bytes, d->stream),
                         "clear memory", diag));
  }
  d->bytes = needed - pieces[0].bytes;
  return TL_OK;
}

tl_cuda_address tl_cuda_buffer_at(const tl_cuda_device *d, const tl_plan_buffer *buffer) {
  return d->arenas[buffer->symbol] + buffer->offset * d->config.symbols_max[buffer->symbol];
}

static const tl_plan_buffer *output_of(const tl_cuda_device *d, const tl_plan_program *program) {
  return &d->config.tables->buffers[program->output];
}

static tl_status take_host_memory(tl_cuda_device *d, tl_diag *diag) {
  const tl_cuda_driver *driver = &d->driver;
  const tl_plan_tables *t = d->config.tables;
  uint64_t row_bytes = 0;
  for (uint32_t p = 0; p < t->programs_count; p++) {
    uint64_t own = output_of(d, &t->programs[p])->row_bytes;
    if (own > row_bytes) row_bytes = own;
  }
  uint64_t rows = d->config.symbols_max[TL_PLAN_SYMBOL_R];
  tl_cuda_result result = driver->host_take((void **)&d->host_step, d->config.step_bytes, 0);
  if (result == 0) result = driver->host_take((void **)&d->host_outputs, row_bytes * rows, 0);
  TL_TRY(tl_cuda_check(driver, result, "reserve pinned memory", diag));
  memset(d->host_step, 0, d->config.step_bytes);
  return tl_cuda_best_take(d, diag);
}

static tl_status load_kernel(tl_cuda_device *d, uint32_t index, tl_diag *diag) {
  const tl_cuda_driver *driver = &d->driver;
  const tl_plan_kernel *row = &d->config.tables->kernels[index];
  tl_cuda_kernel *kernel = &d->kernels[index];
  tl_cuda_result result = driver->module_load(&kernel->module, d->config.code + row->offset);
  if (result == 0) {
    result = driver->module_function(&kernel->function, kernel->module, "tl_kernel_entry");
  }
  int all = 0;
  if (result == 0 && row->blocks) {
    result = driver->device_attribute(&all, TL_CUDA_SHARED_BYTES_ALL, d->gpu);
    uint64_t percent = 100ull * row->blocks * (row->shared_bytes + BLOCK_BYTES) / (all ? all : 1);
    if (result == 0 && percent < 100) {
      result = driver->function_set(kernel->function, TL_CUDA_SHARED_PERCENT, (int)percent + 1);
    }
  }
  if (result == 0 && row->shared_bytes > SHARED_BYTES_DEFAULT) {
    result = driver->function_set(kernel->function, TL_CUDA_DYNAMIC_SHARED_BYTES,
                                  (int)row->shared_bytes);
  }
  return tl_cuda_check(driver, result, "load a kernel", diag);
}

static tl_status load_kernels(tl_cuda_device *d, tl_diag *diag) {
  const tl_plan_tables *t = d->config.tables;
  d->kernels = calloc(t->kernels_count + 1u, sizeof *d->kernels);
  if (!d->kernels) return TL_MEMORY;
  for (uint32_t i = 0; i < t->kernels_count; i++) {
    bool is_own = t->kernels[i].target == d->config.target && t->kernels[i].module_bytes;
    if (is_own) TL_TRY(load_kernel(d, i, diag));
  }
  return TL_OK;
}

static void *pointer(tl_cuda_address base, uint64_t offset) {
  return (void *)(uintptr_t)(base + offset); // NOLINT(performance-no-int-to-ptr)
}

static tl_arg resolve(const tl_cuda_device *d, const tl_plan_arg *row) {
  const tl_plan_tables *t = d->config.tables;
  const tl_plan_buffer *buffer = &t->buffers[row->index];
  const tl_plan_state *state = &t->states[row->index];
  tl_plan_kv_type kv = d->config.kv_type;
  switch (row->kind) {
  case TL_PLAN_ARG_WEIGHT:
    return (tl_arg){.out = pointer(tl_cuda_weight_at(d, &t->weights[row->index]), 0)};
  case TL_PLAN_ARG_BUFFER:
    return (tl_arg){.out = pointer(d->arenas[buffer->symbol],
                                   buffer->offset * d->config.symbols_max[buffer->symbol])};
  case TL_PLAN_ARG_STATE:
    return (tl_arg){.out = pointer(d->groups[state->group], state->offset[kv])};
  case TL_PLAN_ARG_PAGE_BYTES:
    return (tl_arg){.i = (int64_t)t->groups[state->group].page_bytes[kv]};
  case TL_PLAN_ARG_GROUP: return (tl_arg){.i = state->group};
  default: return (tl_arg){.i = row->value};
  }
}

static tl_status resolve_launches(tl_cuda_device *d, tl_diag *diag) {
  const tl_plan_tables *t = d->config.tables;
  d->arguments = calloc(t->launchs_count + 1u, sizeof *d->arguments);
  if (!d->arguments) return TL_MEMORY;
  for (uint32_t i = 0; i < t->launchs_count; i++) {
    const tl_plan_launch *row = &t->launchs[i];
    if (t->kernels[row->kernel].target != d->config.target || row->kind == TL_PLAN_LAUNCH_PRODUCT) {
      continue;
    }
    if (row->args_count > TL_CUDA_ARGUMENTS_MAX || t->kernels[row->kernel].module_bytes == 0) {
      return tl_diag_error(diag, TL_INPUT, (tl_span){0},
                           "%s is damaged: launch %u is none of a GPU", d->config.file_name, i);
    }
    for (uint32_t a = 0; a < row->args_count; a++)
      d->arguments[i].at[a] = resolve(d, &t->args[row->first_arg + a]);
  }
  return TL_OK;
}

static tl_status set_up(tl_cuda_device *d, tl_diag *diag) {
  TL_TRY(tl_cuda_driver_open(&d->driver, diag));
  TL_TRY(find_gpu(d, diag));
  tl_cuda_tuning_open(d);
  tl_cuda_products_open(d);
  TL_TRY(take_memory(d, diag));
  TL_TRY(take_host_memory(d, diag));
  TL_TRY(load_kernels(d, diag));
  TL_TRY(resolve_launches(d, diag));
  TL_TRY(tl_cuda_make_maps(d, diag));
  TL_TRY(tl_cuda_capture(d, diag));
  if (d->config.weights || d->config.prefault) TL_TRY(tl_cuda_upload(d, diag));
  return TL_OK;
}

static void leave(tl_cuda_device *d) {
  void *popped;
  if (d->has_context) d->driver.context_pop(&popped);
  d->has_context = false;
}

static tl_status cuda_open(const tl_device_config *config, tl_device **out_device, tl_diag *diag) {
  tl_cuda_device *d = calloc(1, sizeof *d);
  *out_device = NULL;
  if (!d) return TL_MEMORY;
  d->device.vtable = &tl_device_cuda;
  d->config = *config;
  d->range = tl_plan_target_weights(config->tables, config->target);
  tl_status status = set_up(d, diag);
  leave(d);
  if (!tl_ok(status)) {
    cuda_close(&d->device);
    return status;
  }
  *out_device = &d->device;
  return TL_OK;
}

// ---- running

static tl_status enter(tl_cuda_device *d, tl_diag *diag) {
  TL_TRY(tl_cuda_check(&d->driver, d->driver.context_push(d->context), "use the GPU", diag));
  d->has_context = true;
  return TL_OK;
}

static tl_step *step_block(tl_device *device) {
  return ((tl_cuda_device *)device)->host_step;
}

static tl_status run_step(tl_cuda_device *d, uint32_t program, tl_diag *diag) {
  const tl_cuda_driver *driver = &d->driver;
  const tl_step *step = d->host_step;
  if (!d->is_filled) TL_TRY(tl_cuda_upload(d, diag)); // who only asks for sizes needs no weights
  const tl_cuda_graph *graph = tl_cuda_graph_for(d, program, (uint32_t)step->rows_count);
  if (!graph) return TL_INTERNAL;
  d->program = &d->config.tables->programs[program];
  tl_cuda_result result = driver->copy_in(d->step, step, d->config.step_bytes, d->stream);
  if (result == 0) result = driver->graph_launch(graph->exec, d->stream);
  if (result == 0) result = tl_cuda_best_copy(d);
  if (result == 0) result = driver->stream_wait(d->stream);
  return tl_cuda_check(driver, result, "run a step", diag);
}

static tl_status run(tl_device *device, uint32_t program, tl_diag *diag) {
  tl_cuda_device *d = (tl_cuda_device *)device;
  TL_TRY(enter(d, diag));
  tl_status status = run_step(d, program, diag);
  leave(d);
  return status;
}

// Rows that somebody asks for cross the bus, each once.
static const float *output(tl_device *device, uint32_t row) {
  tl_cuda_device *d = (tl_cuda_device *)device;
  const tl_plan_buffer *output = output_of(d, d->program);
  uint64_t offset = row * output->row_bytes;
  if (!tl_ok(enter(d, NULL))) return NULL;
  tl_cuda_result result =
      d->driver.copy_out(d->host_outputs + offset, tl_cuda_buffer_at(d, output) + offset,
                         output->row_bytes, d->stream);
  if (result == 0) result = d->driver.stream_wait(d->stream);
  leave(d);
  return result == 0 ? (const float *)(d->host_outputs + offset) : NULL;
}

static tl_cuda_address page_at(const tl_cuda_device *d, uint32_t group, int32_t page,
                               size_t *out_bytes) {
  *out_bytes = d->config.tables->groups[group].page_bytes[d->config.kv_type];
  return d->groups[group] + (uint64_t)page * *out_bytes;
}

static tl_status copy_pages(tl_device *device, uint32_t group, const int32_t (*pairs)[2],
                            uint32_t pairs_count) {
  tl_cuda_device *d = (tl_cuda_device *)device;
  tl_cuda_result result = 0;
  TL_TRY(enter(d, NULL));
  for (uint32_t i = 0; result == 0 && i < pairs_count; i++) {
    size_t bytes;
    tl_cuda_address from = page_at(d, group, pairs[i][0], &bytes);
    result = d->driver.copy_inside(page_at(d, group, pairs[i][1], &bytes), from, bytes, d->stream);
  }
  leave(d);
  return result == 0 ? TL_OK : TL_IO;
}

static tl_status read_page(tl_device *device, uint32_t group, int32_t page, void *out_bytes) {
  tl_cuda_device *d = (tl_cuda_device *)device;
  size_t bytes;
  tl_cuda_address from = page_at(d, group, page, &bytes);
  TL_TRY(enter(d, NULL));
  tl_cuda_result result = d->driver.copy_out(out_bytes, from, bytes, d->stream);
  if (result == 0) result = d->driver.stream_wait(d->stream);
  leave(d);
  return result == 0 ? TL_OK : TL_IO;
}

static tl_status write_page(tl_device *device, uint32_t group, int32_t page, const void *bytes) {
  tl_cuda_device *d = (tl_cuda_device *)device;
  size_t count;
  tl_cuda_address to = page_at(d, group, page, &count);
  TL_TRY(enter(d, NULL));
  tl_cuda_result result = d->driver.copy_in(to, bytes, count, d->stream);
  if (result == 0) result = d->driver.stream_wait(d->stream);
  leave(d);
  return result == 0 ? TL_OK : TL_IO;
}

static uint64_t memory_bytes(const tl_device *device) {
  return ((const tl_cuda_device *)device)->bytes;
}

static const char *library(const tl_device *device) {
  const tl_cuda_device *d = (const tl_cuda_device *)device;
  return d->ways_count ? d->blas.name : NULL;
}

static tl_status tune(tl_device *device, const tl_device_tune *job, tl_diag *diag) {
  tl_cuda_device *d = (tl_cuda_device *)device;
  TL_TRY(enter(d, diag));
  tl_status status = tl_cuda_measure(d, job, diag);
  leave(d);
  return status;
}

static bool is_tuned(const tl_device *device) {
  return ((const tl_cuda_device *)device)->tuning != NULL;
}

static const char *note(const tl_device *device) {
  const tl_cuda_device *d = (const tl_cuda_device *)device;
  return *d->note ? d->note : NULL;
}

const tl_device_vtable tl_device_cuda = {
    .name = "cuda",
    .attention_rows = TL_CUDA_ATTENTION_ROWS,
    .is_there = is_there,
    .supports = supports,
    .open = cuda_open,
    .close = cuda_close,
    .step_block = step_block,
    .run = run,
    .output = output,
    .best = tl_cuda_best,
    .copy_pages = copy_pages,
    .read_page = read_page,
    .write_page = write_page,
    .memory_bytes = memory_bytes,
    .tune = tune,
    .is_tuned = is_tuned,
    .library = library,
    .note = note,
};
