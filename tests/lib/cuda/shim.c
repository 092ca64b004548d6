// Launches: blocks one after another, the threads of a block as fibers, warps in a drawn order.
#include "tests/lib/cuda/shim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/cuda/state.h"

_Thread_local tl_shim *tl_shim_current;

static void run_thread(void *context) {
  tl_shim *shim = context;
  static const tl_arguments none;
  const tl_arguments *arguments = shim->grid.arguments ? shim->grid.arguments : &none;
  shim->grid.kernel(*arguments, shim->grid.step);
  tl_copies_check(shim);
  tl_shim_running(shim)->state = TL_ENDED;
  shim->live--;
}

void *tl_shim_need(void *memory) {
  if (memory) return memory;
  fputs("no memory for the CUDA stand-in\n", stderr);
  exit(1);
}

tl_shim *tl_shim_create(uint64_t seed) {
  tl_shim *shim = tl_shim_need(calloc(1, sizeof *shim));
  shim->random = seed * 2 + 1;
  shim->words = tl_shim_need(calloc((TL_SHIM_SHARED_MAX + 3) / 4, sizeof *shim->words));
  tl_shim_need(tl_fibers_init(&shim->fibers, run_thread, shim) ? shim : NULL);
  return shim;
}

void tl_shim_destroy(tl_shim *shim) {
  if (!shim) return;
  tl_fibers_finish(&shim->fibers);
  tl_shim_memory_clear(shim);
  free(shim->arrivals);
  free(shim->shared);
  free(shim->words);
  free(shim);
}

const char *tl_shim_fault(const tl_shim *shim) {
  return shim->fault;
}

int64_t tl_shim_resumes(const tl_shim *shim) {
  return shim->resumes;
}

// ---- faults

static void set_fault(tl_shim *shim, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void set_fault(tl_shim *shim, const char *format, ...) {
  va_list list;
  va_start(list, format);
  vsnprintf(shim->fault, sizeof shim->fault, format, list);
  va_end(list);
  shim->faulted = true;
}

_Noreturn void tl_shim_fail(tl_shim *shim, const tl_site *site, const char *format, ...) {
  char text[384];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  set_fault(shim, "%s:%d: %s: %s (block %d, thread %d)", site->file, site->line, site->operation,
            text, shim->block, shim->thread);
  for (;;)
    tl_fiber_pause(&shim->fibers); // for ever
}

// Nobody can run: what the others wait for.
static void set_deadlock(tl_shim *shim) {
  char lanes[160] = "";
  for (int w = 0; w < shim->grid.threads / TL_LANES; w++) {
    const tl_warp *warp = &shim->warps[w];
    if (!warp->arrived) continue;
    snprintf(lanes, sizeof lanes, "; %d lanes of warp %d at %s:%d: %s", warp->arrived, w,
             warp->site->file, warp->site->line, warp->site->operation);
    break;
  }
  set_fault(shim, "deadlock: %d live, %d at the barrier%s (block %d)", shim->live, shim->at_barrier,
            lanes, shim->block);
}

// ---- calls

tl_i32 tl_shim_thread(void) {
  return tl_shim_current->thread;
}

tl_i32 tl_shim_block(void) {
  return tl_shim_current->block;
}

tl_i32 tl_shim_blocks(void) {
  return tl_shim_current->grid.blocks;
}

void tl_shim_wait_for_launch(void) {
  tl_shim_running(tl_shim_current)->waited = true;
}

void tl_shim_barrier(const tl_site *site) {
  tl_shim *shim = tl_shim_current;
  if (shim->at_barrier && shim->barrier != site)
    tl_shim_fail(shim, site, "divergence: %d threads are at the barrier %s:%d", shim->at_barrier,
                 shim->barrier->file, shim->barrier->line);
  shim->barrier = site;
  shim->at_barrier++;
  tl_shim_running(shim)->state = TL_AT_BARRIER;
  tl_fiber_pause(&shim->fibers);
}

// ---- the order of things

static uint32_t draw(tl_shim *shim, uint32_t below) {
  shim->random = shim->random * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)((shim->random >> 32) * below >> 32);
}

// Runs every lane that can run, until it waits; upwards or downwards. False if there was none, or
// at a fault.
static bool run_lanes(tl_shim *shim, int warp) {
  bool any = false;
  int turn = draw(shim, 2) ? TL_LANES - 1 : 0;
  for (int lane = 0; lane < TL_LANES; lane++) {
    int i = warp * TL_LANES + (lane ^ turn);
    if (shim->threads[i].state != TL_READY) continue;
    shim->thread = i;
    shim->resumes++;
    tl_fiber_resume(&shim->fibers, i);
    if (shim->faulted) return false;
    any = true;
  }
  return any;
}

// Each warp once, as far as it can, or with a chance of 1 in 4 after each step not that far.
static bool run_warps(tl_shim *shim) {
  int order[TL_WARPS_MAX], count = shim->grid.threads / TL_LANES;
  bool any = false;
  for (int i = 0; i < count; i++) {
    int j = (int)draw(shim, (uint32_t)i + 1);
    order[i] = order[j];
    order[j] = i;
  }
  for (int i = 0; i < count && !shim->faulted; i++)
    while (run_lanes(shim, order[i])) {
      any = true;
      if (draw(shim, 4) == 0) break;
    }
  return any;
}

static bool release_barrier(tl_shim *shim) {
  if (!shim->live || shim->at_barrier != shim->live) return false;
  for (int i = 0; i < shim->grid.threads; i++)
    if (shim->threads[i].state == TL_AT_BARRIER) shim->threads[i].state = TL_READY;
  shim->at_barrier = 0;
  shim->epoch++;
  return true;
}

static bool run_block(tl_shim *shim, int block) {
  shim->block = block;
  shim->live = shim->grid.threads;
  shim->at_barrier = 0;
  shim->epoch++;
  if (shim->grid.shared_bytes) memset(shim->shared, TL_POISON, (size_t)shim->grid.shared_bytes);
  for (int i = 0; i < TL_WARPS_MAX; i++)
    shim->warps[i].arrived = 0, shim->warps[i].turn++;
  for (int i = 0; i < shim->grid.threads; i++) {
    tl_thread_data *thread = &shim->threads[i];
    thread->state = TL_READY;
    thread->waited = false;
    thread->groups = 0;
    thread->copies_begin = thread->copies_count = 0;
    tl_fiber_start(&shim->fibers, i);
  }
  while (shim->live && !shim->faulted) {
    bool any = run_warps(shim);
    if (!shim->faulted && !release_barrier(shim) && !any) set_deadlock(shim);
  }
  return !shim->faulted;
}

static uint32_t common_divisor(uint32_t a, uint32_t b) {
  return b ? common_divisor(b, a % b) : a;
}

// In steps that have no divisor in common with the number of blocks.
static bool run_blocks(tl_shim *shim) {
  uint32_t count = (uint32_t)shim->grid.blocks;
  uint32_t block = draw(shim, count), step = 1 + draw(shim, count);
  while (common_divisor(step, count) != 1)
    step++;
  for (uint32_t i = 0; i < count; i++) {
    if (!run_block(shim, (int)block)) return false;
    block = (uint32_t)(((uint64_t)block + step) % count);
  }
  return true;
}

bool tl_shim_launch(tl_shim *shim, const tl_shim_grid *grid) {
  shim->faulted = false;
  shim->fault[0] = 0;
  shim->grid = *grid;
  if (grid->blocks < 1 || grid->threads < TL_LANES || grid->threads > TL_SHIM_THREADS_MAX ||
      grid->threads % TL_LANES || grid->shared_bytes < 0 ||
      grid->shared_bytes > TL_SHIM_SHARED_MAX) {
    set_fault(shim, "grid: %d blocks of %d threads and %lld bytes of shared memory", grid->blocks,
              grid->threads, (long long)grid->shared_bytes);
    return false;
  }
  free(shim->shared);
  shim->shared = tl_shim_need(malloc((size_t)grid->shared_bytes + 1));
  free(shim->arrivals);
  shim->arrivals = tl_shim_need(calloc((size_t)grid->blocks, sizeof *shim->arrivals));
  shim->launch++;
  tl_shim *outer = tl_shim_current;
  tl_shim_current = shim;
  bool done = run_blocks(shim);
  tl_shim_current = outer;
  return done;
}
