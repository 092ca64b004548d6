// The CUDA kernels' sources as the code generator prints them, run on the CPU behind the stand-in
// for their dialect: several orders of warps.
//
//   cuda_kernels_test ROOT COMPILER      sources are compiled with paths from ROOT
#include <dlfcn.h>

#include "tests/lib/check.h"
#include "tests/lib/cuda/map.h"
#include "tests/lib/cuda/shim.h"
#include "tests/lib/cuda_checks.h"
#include "tests/lib/cuda_load.h"

typedef struct place {
  tl_cuda_place compiled;
  tl_shim *shim;
} place;

static void make_map(const place *p, const tl_cuda_boxes *map, void *out) {
  CHECK(tl_shim_map_make(out, map->at, map->columns, map->rows, map->row_bytes, map->box_rows));
  CHECK(tl_shim_memory(p->shim, out, TL_MAP_BYTES, TL_SHIM_READ, "a map"));
}

static bool launch(void *context, const tl_cuda_run *run) {
  place *p = context;
  static _Alignas(TL_MAP_ALIGN) char maps[TL_CUDA_MAPS_MAX][TL_MAP_BYTES];
  tl_arguments arguments = run->arguments;
  void *module;
  for (int i = 0; i < run->ranges_count; i++) {
    const tl_cuda_range *range = &run->ranges[i];
    CHECK(tl_shim_memory(p->shim, range->at, range->bytes, range->flags, range->name));
  }
  for (int i = 0; i < run->maps_count; i++) {
    make_map(p, &run->maps[i], maps[i]);
    arguments.at[run->maps[i].argument].p = maps[i];
  }
  tl_shim_grid grid = {
      .kernel = tl_cuda_load(&p->compiled, &run->kernel->spec, run->kernel->template, &module),
      .arguments = &arguments,
      .step = run->step,
      .blocks = run->blocks,
      .threads = run->kernel->threads,
      .cluster = run->kernel->cluster,
      .shared_bytes = run->kernel->shared_bytes};
  bool done = tl_shim_launch(p->shim, &grid);
  if (!done) fprintf(stderr, "%s\n", tl_shim_fault(p->shim));
  dlclose(module);
  tl_shim_memory_clear(p->shim);
  return done;
}

int main(int argc, char **argv) {
  CHECK(argc == 3);
  for (int i = 0; i < tl_cuda_trials_count; i++) {
    place p = {{argv[1], argv[2]}, tl_shim_create((uint64_t)i + 1)};
    tl_cuda_launcher launcher = {launch, &p};
    CHECK(tl_cuda_trial_run(&tl_cuda_trials[i], &launcher) == 0);
    tl_shim_destroy(p.shim);
  }
  return 0;
}
