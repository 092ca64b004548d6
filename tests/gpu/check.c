// The kernels' checks on a GPU: what a kernel uses lies between guards, which stay as they were.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/gpu/bench_list.h"
#include "tests/gpu/device.h"
#include "tests/gpu/run.h"
#include "tests/lib/cuda_checks.h"

enum { GUARD_BYTES = 4096, GUARD = 0xA5, PLACES_MAX = TL_CUDA_RANGES_MAX };

typedef struct checking {
  const gpu *g;
  int missing, broken;
} checking;

static bool is_guard(const unsigned char *bytes) {
  for (int i = 0; i < GUARD_BYTES; i++)
    if (bytes[i] != GUARD) return false;
  return true;
}

static tl_cuda_address put_range(const gpu *g, const tl_cuda_range *range) {
  tl_cuda_address at = gpu_take(g, range->bytes + 2 * GUARD_BYTES);
  gpu_need(g, g->driver.fill(at, GUARD, range->bytes + 2 * GUARD_BYTES, g->stream), "fill");
  gpu_put(g, at + GUARD_BYTES, range->at, range->bytes);
  return at + GUARD_BYTES;
}

// Brings back what was written, and gives up the memory.
static void get_range(checking *c, const tl_cuda_range *range, tl_cuda_address at) {
  unsigned char *all = malloc(range->bytes + 2 * GUARD_BYTES);
  if (!all) exit(1);
  gpu_get(c->g, all, at - GUARD_BYTES, range->bytes + 2 * GUARD_BYTES);
  bool is_kept = is_guard(all) && is_guard(all + GUARD_BYTES + range->bytes);
  if (!(range->flags & TL_CUDA_WRITE))
    is_kept = is_kept && memcmp(range->at, all + GUARD_BYTES, range->bytes) == 0;
  if (!is_kept) printf("  memory around %s was written\n", range->name);
  c->broken += !is_kept;
  memcpy(range->at, all + GUARD_BYTES, range->bytes);
  free(all);
  gpu_need(c->g, c->g->driver.memory_release(at - GUARD_BYTES), "release");
}

// Puts the maps of a launch behind each other.
static tl_cuda_address put_maps(const gpu *g, const tl_cuda_run *run,
                                const tl_cuda_address places[PLACES_MAX], tl_arguments *arguments) {
  tl_cuda_map maps[TL_CUDA_MAPS_MAX];
  tl_cuda_address at = gpu_take(g, sizeof maps);
  for (int i = 0; i < run->maps_count; i++) {
    const tl_cuda_boxes *boxes = &run->maps[i];
    gpu_matrix matrix = {0, (size_t)boxes->columns, (size_t)boxes->rows, (size_t)boxes->row_bytes,
                         (size_t)boxes->box_rows};
    for (int r = 0; r < run->ranges_count; r++)
      if (run->ranges[r].at == boxes->at) matrix.at = places[r];
    maps[i] = gpu_map(g, &matrix);
    arguments->at[boxes->argument].i = (tl_i64)at + i * (tl_i64)sizeof *maps;
  }
  gpu_put(g, at, maps, sizeof maps);
  return at;
}

static bool launch(void *context, const tl_cuda_run *run) {
  checking *c = context;
  const gpu *g = c->g;
  tl_cuda_address places[PLACES_MAX], step = 0;
  tl_arguments arguments = run->arguments;
  gpu_kernel kernel;
  char file[64];
  bench_check_file((int)(run->trial - tl_cuda_trials), (int)run->which, file, sizeof file);
  if (!gpu_load(g, file, run->kernel->threads, run->kernel->shared_bytes, &kernel)) {
    printf("  no %s\n", file);
    c->missing++;
    return true;
  }
  for (int i = 0; i < run->ranges_count; i++) {
    places[i] = put_range(g, &run->ranges[i]);
    if (run->ranges[i].at == run->step) step = places[i];
    for (int k = 0; k < 32; k++) {
      if (run->pointers >> k & 1 && run->arguments.at[k].p == run->ranges[i].at)
        arguments.at[k].i = (tl_i64)places[i];
    }
  }
  tl_cuda_address maps = put_maps(g, run, places, &arguments);
  gpu_launch(g, &kernel, run->blocks, &arguments, step);
  gpu_wait(g, file);
  for (int i = 0; i < run->ranges_count; i++)
    get_range(c, &run->ranges[i], places[i]);
  gpu_need(g, g->driver.memory_release(maps), "release");
  gpu_unload(g, &kernel);
  return true;
}

int gpu_check_all(gpu *g, int first) {
  int bad = 0;
  for (int i = first; i < tl_cuda_trials_count; i++) {
    char name[96];
    checking c = {g, 0, 0};
    tl_cuda_launcher launcher = {launch, &c};
    g->current = i;
    int wrong = tl_cuda_trial_run(&tl_cuda_trials[i], &launcher);
    bench_variant_name(&tl_cuda_trials[i].variant, name, sizeof name);
    printf("check %-8s T=%-3d %-28s %s: %d wrong, %d missing, %d broken\n", tl_cuda_trials[i].name,
           tl_cuda_trials[i].rows, name, wrong + c.missing + c.broken ? "BAD" : "good", wrong,
           c.missing, c.broken);
    fflush(stdout);
    bad += wrong + c.missing + c.broken > 0;
  }
  return bad;
}
