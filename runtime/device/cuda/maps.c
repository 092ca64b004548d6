// Maps of matrices that kernels load by boxes: one for each argument that asks for one.
#include <stdlib.h>

#include "runtime/device/cuda/state.h"
#include "runtime/plan/plan.h"

enum { BOX_COLUMNS = 64 }; // 128 bytes of bf16

// Rows of bf16 in the GPU's memory.
typedef struct matrix {
  tl_cuda_address at;
  uint64_t rows, columns, row_bytes;
} matrix;

static bool is_map(const tl_plan_arg *arg) {
  return arg->kind == TL_PLAN_ARG_WEIGHT_MAP || arg->kind == TL_PLAN_ARG_BUFFER_MAP;
}

static matrix matrix_of(const tl_cuda_device *d, const tl_plan_arg *arg) {
  const tl_plan_tables *t = d->config.tables;
  if (arg->kind == TL_PLAN_ARG_WEIGHT_MAP) {
    const tl_plan_weight *w = &t->weights[arg->index];
    uint64_t rows = ((uint64_t)w->rows + 63) / 64 * 64 * (uint64_t)w->experts;
    return (matrix){tl_cuda_weight_at(d, w), rows, (uint64_t)w->stride / 2, (uint64_t)w->stride};
  }
  const tl_plan_buffer *b = &t->buffers[arg->index];
  return (matrix){tl_cuda_buffer_at(d, b), d->config.symbols_max[b->symbol], b->row_bytes / 2,
                  b->row_bytes};
}

static tl_status make_map(const tl_cuda_device *d, const tl_plan_arg *arg, tl_cuda_map *out,
                          tl_diag *diag) {
  matrix m = matrix_of(d, arg);
  uint64_t counts[2] = {m.columns, m.rows}, strides[1] = {m.row_bytes};
  uint32_t box[2] = {BOX_COLUMNS, (uint32_t)arg->value}, steps[2] = {1, 1};
  tl_cuda_result result = d->driver.map_make(out, TL_CUDA_MAP_BF16, 2, m.at, counts, strides, box,
                                             steps, TL_CUDA_MAP_PLAIN, TL_CUDA_MAP_SWIZZLE_128,
                                             TL_CUDA_MAP_PROMOTE_256, TL_CUDA_MAP_PLAIN);
  return tl_cuda_check(&d->driver, result, "make a map of a matrix", diag);
}

// Calls for every argument that is a map: makes number `*count` if `maps` is given.
static tl_status walk(tl_cuda_device *d, tl_cuda_map *maps, uint64_t *count, tl_diag *diag) {
  const tl_plan_tables *t = d->config.tables;
  *count = 0;
  for (uint32_t i = 0; i < t->launchs_count; i++) {
    const tl_plan_launch *row = &t->launchs[i];
    if (t->kernels[row->kernel].target != d->config.target) continue;
    for (uint32_t a = 0; a < row->args_count; a++) {
      const tl_plan_arg *arg = &t->args[row->first_arg + a];
      if (!is_map(arg)) continue;
      if (maps) TL_TRY(make_map(d, arg, &maps[*count], diag));
      d->arguments[i].at[a].i = (int64_t)(d->maps + *count * sizeof *maps);
      ++*count;
    }
  }
  return TL_OK;
}

static tl_status upload(tl_cuda_device *d, tl_cuda_map *maps, uint64_t count, tl_diag *diag) {
  const tl_cuda_driver *driver = &d->driver;
  TL_TRY(walk(d, maps, &count, diag));
  tl_cuda_result result = driver->copy_in(d->maps, maps, count * sizeof *maps, d->stream);
  if (result == 0) result = driver->stream_wait(d->stream);
  return tl_cuda_check(driver, result, "copy maps", diag);
}

tl_status tl_cuda_make_maps(tl_cuda_device *d, tl_diag *diag) {
  uint64_t count;
  TL_TRY(walk(d, NULL, &count, diag));
  if (count == 0) return TL_OK;
  TL_TRY(tl_cuda_check(&d->driver, d->driver.memory_take(&d->maps, count * sizeof(tl_cuda_map)),
                       "reserve memory", diag));
  tl_cuda_map *maps = aligned_alloc(_Alignof(tl_cuda_map), count * sizeof *maps);
  if (!maps) return TL_MEMORY;
  tl_status status = upload(d, maps, count, diag);
  free(maps);
  return status;
}
