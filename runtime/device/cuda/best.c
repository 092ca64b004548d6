// What the GPU finds of wanted rows, and its way to the host: a step copies 64 bytes of each row,
// and lists only if a row asked for one.
#include "runtime/device/cuda/state.h"

enum { LIST_BYTES = TL_STEP_CANDIDATES * sizeof(tl_step_candidate) };

tl_status tl_cuda_best_take(tl_cuda_device *d, tl_diag *diag) {
  uint64_t rows = d->config.symbols_max[TL_PLAN_SYMBOL_R];
  tl_cuda_result result = d->driver.host_take((void **)&d->host_best, TL_PLAN_BEST_BYTES * rows, 0);
  if (result == 0) result = d->driver.host_take((void **)&d->host_lists, LIST_BYTES * rows, 0);
  return tl_cuda_check(&d->driver, result, "reserve pinned memory", diag);
}

void tl_cuda_best_release(tl_cuda_device *d) {
  if (d->host_best) d->driver.host_release(d->host_best);
  if (d->host_lists) d->driver.host_release(d->host_lists);
}

static tl_cuda_address at(const tl_cuda_device *d, uint32_t buffer) {
  return tl_cuda_buffer_at(d, &d->config.tables->buffers[buffer - 1]);
}

tl_cuda_result tl_cuda_best_copy(const tl_cuda_device *d) {
  const tl_cuda_driver *driver = &d->driver;
  const tl_step *step = d->host_step;
  const float *asked = (const float *)((const char *)step + step->asked);
  size_t rows = (size_t)step->wanted_count;
  bool any = false, lists = false;
  for (size_t i = 0; i < rows; i++) {
    any |= asked[i] >= 0;
    lists |= asked[i] > 0;
  }
  if (!d->program->best || !any) return 0;
  tl_cuda_result result =
      driver->copy_out(d->host_best, at(d, d->program->best), rows * TL_PLAN_BEST_BYTES, d->stream);
  if (result == 0 && lists) {
    result = driver->copy_out(d->host_lists, at(d, d->program->candidates), rows * LIST_BYTES,
                              d->stream);
  }
  return result;
}

const tl_step_best *tl_cuda_best(tl_device *device, uint32_t row,
                                 const tl_step_candidate **out_list) {
  const tl_cuda_device *d = (const tl_cuda_device *)device;
  *out_list = d->host_lists + (size_t)row * TL_STEP_CANDIDATES;
  const char *best = d->host_best + (size_t)row * TL_PLAN_BEST_BYTES;
  return d->program->best ? (const tl_step_best *)best : NULL;
}
