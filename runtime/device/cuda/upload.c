// Weights pass through two pieces of pinned memory: while one is copied by the GPU, the other is
// filled from the plan by all threads.
#include <string.h>

#include "runtime/base/pool.h"
#include "runtime/device/cuda/state.h"
#include "runtime/device/random.h"

#define PIECE_BYTES ((uint64_t)16 << 20)
#define SLICE_BYTES ((uint64_t)256 << 10)

typedef struct stage {
  tl_cuda_device *device;
  char *host[2];
  void *events[2];
  uint64_t pieces; // so far
} stage;

static tl_status stage_init(stage *s, tl_cuda_device *device, tl_diag *diag) {
  const tl_cuda_driver *driver = &device->driver;
  *s = (stage){.device = device};
  for (int i = 0; i < 2; i++) {
    tl_cuda_result result = driver->host_take((void **)&s->host[i], PIECE_BYTES, 0);
    TL_TRY(tl_cuda_check(driver, result, "reserve memory that weights pass through", diag));
    TL_TRY(tl_cuda_check(driver, driver->event_create(&s->events[i], 0), "make an event", diag));
  }
  return TL_OK;
}

static void stage_finish(stage *s) {
  const tl_cuda_driver *driver = &s->device->driver;
  driver->stream_wait(s->device->stream);
  for (int i = 0; i < 2; i++) {
    if (s->host[i]) driver->host_release(s->host[i]);
    if (s->events[i]) driver->event_destroy(s->events[i]);
  }
}

// The half that is free, once the GPU has read what was in it.
static tl_status take_half(stage *s, int *out_half, tl_diag *diag) {
  const tl_cuda_driver *driver = &s->device->driver;
  *out_half = (int)(s->pieces % 2);
  if (s->pieces++ < 2) return TL_OK;
  return tl_cuda_check(driver, driver->event_wait(s->events[*out_half]), "copy weights", diag);
}

static tl_status send(stage *s, int half, uint64_t offset, uint64_t bytes, tl_diag *diag) {
  const tl_cuda_device *d = s->device;
  tl_cuda_result result =
      d->driver.copy_in(d->weights + offset, s->host[half], (size_t)bytes, d->stream);
  if (result == 0) result = d->driver.event_record(s->events[half], d->stream);
  return tl_cuda_check(&d->driver, result, "copy weights", diag);
}

typedef struct copy {
  tl_pool *pool;
  char *to;
  const char *from;
  uint64_t bytes;
} copy;

static void copy_thread(void *context, int thread) {
  const copy *c = context;
  int64_t begin, end;
  (void)thread;
  while (
      tl_pool_take(c->pool, (int64_t)((c->bytes + SLICE_BYTES - 1) / SLICE_BYTES), &begin, &end)) {
    uint64_t from = (uint64_t)begin * SLICE_BYTES, to = (uint64_t)end * SLICE_BYTES;
    if (to > c->bytes) to = c->bytes;
    memcpy(c->to + from, c->from + from, to - from);
  }
}

static tl_status upload_plan(stage *s, const tl_plan_range *range, tl_diag *diag) {
  const tl_device_config *config = &s->device->config;
  uint64_t bytes = range->bytes;
  for (uint64_t at = 0; at < bytes; at += PIECE_BYTES) {
    int half;
    uint64_t count = bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;
    TL_TRY(take_half(s, &half, diag));
    copy c = {config->pool, s->host[half], config->weights + range->offset + at, count};
    tl_pool_run(config->pool, copy_thread, &c);
    TL_TRY(send(s, half, at, count, diag));
  }
  return TL_OK;
}

static tl_status upload_random(stage *s, uint32_t weight, tl_diag *diag) {
  const tl_device_config *config = &s->device->config;
  const tl_plan_weight *row = &config->tables->weights[weight];
  uint64_t piece = tl_random_piece_bytes(row);
  uint64_t step = piece > PIECE_BYTES ? row->bytes : PIECE_BYTES / piece * piece;
  for (uint64_t at = 0; at < row->bytes; at += step) {
    int half;
    uint64_t end = row->bytes - at < step ? row->bytes : at + step;
    TL_TRY(take_half(s, &half, diag));
    tl_random_range range = {weight, at, end};
    tl_random_fill(config->tables, &range, s->host[half], config->random_seed, config->pool);
    TL_TRY(send(s, half, row->offset - s->device->range.offset + at, end - at, diag));
  }
  return TL_OK;
}

static tl_status upload(stage *s, tl_diag *diag) {
  const tl_device_config *config = &s->device->config;
  const tl_plan_range *range = &s->device->range;
  if (config->weights) return upload_plan(s, range, diag);
  for (uint32_t i = 0; i < config->tables->weights_count; i++) {
    if (tl_plan_range_holds(range, &config->tables->weights[i])) TL_TRY(upload_random(s, i, diag));
  }
  return TL_OK;
}

tl_status tl_cuda_upload(tl_cuda_device *device, tl_diag *diag) {
  stage s;
  tl_status status = stage_init(&s, device, diag);
  if (tl_ok(status)) status = upload(&s, diag);
  stage_finish(&s);
  device->is_filled = tl_ok(status);
  return status;
}
