// The null device: keeps pages and the step block like a real one, runs nothing, outputs zeros.
// What the engine's tests use, and what measures everything around the kernels.
#include <stdlib.h>

#include "runtime/device/device.h"
#include "runtime/device/memory.h"

typedef struct null_device {
  tl_device device;
  tl_device_config config;
  tl_memory step, output, groups[TL_GROUPS_MAX];
} null_device;

static bool supports(const char *target, int ordinal) {
  (void)target, (void)ordinal;
  return true;
}

static void null_close(tl_device *device) {
  null_device *d = (null_device *)device;
  if (!d) return;
  tl_memory_release(&d->step);
  tl_memory_release(&d->output);
  for (int i = 0; i < TL_GROUPS_MAX; i++)
    tl_memory_release(&d->groups[i]);
  free(d);
}

static tl_status null_open(const tl_device_config *config, tl_device **out_device, tl_diag *diag) {
  const tl_plan_tables *t = config->tables;
  null_device *d = calloc(1, sizeof *d);
  *out_device = NULL;
  if (!d) return TL_MEMORY;
  d->device.vtable = &tl_device_null;
  d->config = *config;
  tl_status status = tl_memory_reserve(config->step_bytes, "the step block", false, &d->step, diag);
  uint64_t outputs = config->symbols_max[TL_PLAN_SYMBOL_R] * t->models->outputs * sizeof(float);
  if (tl_ok(status)) status = tl_memory_reserve(outputs, "outputs", false, &d->output, diag);
  for (uint32_t g = 0; tl_ok(status) && g < t->groups_count; g++) {
    uint64_t bytes = config->pages_count[g] * t->groups[g].page_bytes[config->kv_type];
    status = tl_memory_reserve(bytes, "the KV cache", false, &d->groups[g], diag);
  }
  if (!tl_ok(status)) {
    null_close(&d->device);
    return status;
  }
  *out_device = &d->device;
  return TL_OK;
}

static tl_step *step_block(tl_device *device) {
  return (tl_step *)((null_device *)device)->step.bytes;
}

static tl_status run(tl_device *device, uint32_t program, tl_diag *diag) {
  (void)device, (void)program, (void)diag;
  return TL_OK;
}

static const float *output(tl_device *device, uint32_t row) {
  null_device *d = (null_device *)device;
  return (const float *)d->output.bytes + (size_t)row * d->config.tables->models->outputs;
}

static const tl_step_best *best(tl_device *device, uint32_t row,
                                const tl_step_candidate **out_list) {
  (void)device, (void)row, (void)out_list;
  return NULL;
}

static char *page_at(null_device *d, uint32_t group, int32_t page, size_t *out_bytes) {
  *out_bytes = d->config.tables->groups[group].page_bytes[d->config.kv_type];
  return d->groups[group].bytes + (size_t)page * *out_bytes;
}

static tl_status copy_pages(tl_device *device, uint32_t group, const int32_t (*pairs)[2],
                            uint32_t pairs_count) {
  for (uint32_t i = 0; i < pairs_count; i++) {
    size_t bytes;
    const char *from = page_at((null_device *)device, group, pairs[i][0], &bytes);
    memcpy(page_at((null_device *)device, group, pairs[i][1], &bytes), from, bytes);
  }
  return TL_OK;
}

static tl_status read_page(tl_device *device, uint32_t group, int32_t page, void *out_bytes) {
  size_t bytes;
  const char *from = page_at((null_device *)device, group, page, &bytes);
  memcpy(out_bytes, from, bytes);
  return TL_OK;
}

static tl_status write_page(tl_device *device, uint32_t group, int32_t page, const void *bytes) {
  size_t count;
  char *to = page_at((null_device *)device, group, page, &count);
  memcpy(to, bytes, count);
  return TL_OK;
}

static uint64_t memory_bytes(const tl_device *device) {
  const null_device *d = (const null_device *)device;
  uint64_t total = d->step.bytes_count + d->output.bytes_count;
  for (int i = 0; i < TL_GROUPS_MAX; i++)
    total += d->groups[i].bytes_count;
  return total;
}

const tl_device_vtable tl_device_null = {
    .name = "null",
    .attention_rows = TL_ATTENTION_ROWS,
    .supports = supports,
    .open = null_open,
    .close = null_close,
    .step_block = step_block,
    .run = run,
    .output = output,
    .best = best,
    .copy_pages = copy_pages,
    .read_page = read_page,
    .write_page = write_page,
    .memory_bytes = memory_bytes,
};
