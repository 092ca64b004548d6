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
  tl_wides_check(shim);
  shim->states[shim->thread] = TL_ENDED;
  tl_shim_block_of(shim)->live--;
}

void *tl_shim_need(void *memory) {
  if (memory) return memory;
  fputs("no memory for the CUDA stand-in\n", stderr);
  exit(1);
}

tl_shim *tl_shim_create(uint64_t seed) {
  tl_shim *shim = tl_shim_need(calloc(1, sizeof *shim));
  shim->random = seed * 2 + 1;
  tl_shim_need(tl_fibers_init(&shim->fibers, run_thread, shim) ? shim : NULL);
  return shim;
}

void tl_shim_destroy(tl_shim *shim) {
  if (!shim) return;
  tl_fibers_finish(&shim->fibers);
  tl_shim_memory_clear(shim);
  tl_shim_count(shim, false);
  free(shim->arrivals);
  for (int i = 0; i < TL_SHIM_CLUSTER_MAX; i++) {
    free(shim->blocks[i].shared);
    free(shim->blocks[i].words);
  }
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
            text, tl_shim_block(), tl_shim_thread());
  for (;;)
    tl_fiber_pause(&shim->fibers); // for ever
}

static int count_live(const tl_shim *shim) {
  int live = 0;
  for (int i = 0; i < shim->cluster; i++)
    live += shim->blocks[i].live;
  return live;
}

// Nobody can run: what the others wait for.
static void set_deadlock(tl_shim *shim) {
  char lanes[160] = "";
  for (int w = 0; w < shim->cluster * shim->grid.threads / TL_LANES; w++) {
    const tl_warp *warp = &shim->warps[w];
    if (!warp->arrived) continue;
    snprintf(lanes, sizeof lanes, "; %d lanes of warp %d at %s:%d: %s", warp->arrived, w,
             warp->site->file, warp->site->line, warp->site->operation);
    break;
  }
  int at_barrier = 0;
  for (int i = 0; i < shim->cluster; i++)
    at_barrier += shim->blocks[i].at_barrier;
  set_fault(shim, "deadlock: %d live, %d at the barrier%s (block %d)", count_live(shim), at_barrier,
            lanes, shim->first_block);
}

// ---- calls

tl_i32 tl_shim_thread(void) {
  return tl_shim_current->thread % tl_shim_current->grid.threads;
}

tl_i32 tl_shim_block(void) {
  return tl_shim_current->first_block + tl_shim_current->thread / tl_shim_current->grid.threads;
}

tl_i32 tl_shim_blocks(void) {
  return tl_shim_current->grid.blocks;
}

void tl_shim_wait_for_launch(void) {
  tl_shim_running(tl_shim_current)->waited = true;
}

void tl_shim_barrier(const tl_site *site) {
  tl_shim *shim = tl_shim_current;
  tl_block_data *block = tl_shim_block_of(shim);
  if (block->at_barrier && block->barrier != site)
    tl_shim_fail(shim, site, "divergence: %d threads are at the barrier %s:%d", block->at_barrier,
                 block->barrier->file, block->barrier->line);
  block->barrier = site;
  block->at_barrier++;
  tl_shim_wait(shim, TL_AT_BARRIER);
}

void tl_shim_cluster_arrive(const tl_site *site) {
  tl_shim *shim = tl_shim_current;
  tl_thread_data *thread = tl_shim_running(shim);
  if (thread->arrived) tl_shim_fail(shim, site, "pairing: arrived already");
  thread->arrived = true;
  thread->arrival = shim->epoch;
  shim->arrived++;
}

void tl_shim_cluster_wait(const tl_site *site) {
  tl_shim *shim = tl_shim_current;
  tl_thread_data *thread = tl_shim_running(shim);
  if (!thread->arrived) tl_shim_fail(shim, site, "pairing: waits without having arrived");
  while (thread->arrival == shim->epoch) {
    tl_shim_wait(shim, TL_AT_CLUSTER);
  }
  thread->arrived = false;
}

// ---- the order of things

uint32_t tl_shim_draw(tl_shim *shim, uint32_t below) {
  shim->random = shim->random * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)((shim->random >> 32) * below >> 32);
}

// Makes the next lane that can run the running one; false if there is none in this pass.
static bool choose_lane(tl_shim *shim, int warp) {
  while (shim->lanes_seen < TL_LANES) {
    int thread = warp * TL_LANES + (shim->lanes_seen++ ^ shim->turn);
    if (shim->states[thread] != TL_READY) continue;
    shim->thread = thread;
    shim->resumes++;
    return true;
  }
  return false;
}

void tl_shim_wait(tl_shim *shim, tl_thread_state state) {
  shim->states[shim->thread] = state;
  if (choose_lane(shim, shim->thread / TL_LANES))
    tl_fiber_pass(&shim->fibers, shim->thread);
  else
    tl_fiber_pause(&shim->fibers);
}

// Runs every lane that can run, until it waits; upwards or downwards. False if there was none, or
// at a fault.
static bool run_lanes(tl_shim *shim, int warp) {
  bool any = false;
  shim->turn = tl_shim_draw(shim, 2) ? TL_LANES - 1 : 0;
  shim->lanes_seen = 0;
  while (choose_lane(shim, warp)) {
    tl_fiber_resume(&shim->fibers, shim->thread);
    if (shim->faulted) return false;
    any = true;
  }
  return any;
}

// Each warp once, as far as it can, or with a chance of 1 in 4 after each step not that far.
static bool run_warps(tl_shim *shim) {
  int order[TL_WARPS_MAX], count = shim->cluster * shim->grid.threads / TL_LANES;
  bool any = false;
  for (int i = 0; i < count; i++) {
    int j = (int)tl_shim_draw(shim, (uint32_t)i + 1);
    order[i] = order[j];
    order[j] = i;
  }
  for (int i = 0; i < count && !shim->faulted; i++)
    while (run_lanes(shim, order[i])) {
      any = true;
      if (tl_shim_draw(shim, 4) == 0) break;
    }
  return any;
}

static void make_ready(tl_shim *shim, int first, int count, tl_thread_state state) {
  for (int i = first; i < first + count; i++)
    if (shim->states[i] == state) shim->states[i] = TL_READY;
}

static bool release_barrier(tl_shim *shim, int rank) {
  tl_block_data *block = &shim->blocks[rank];
  if (!block->live || block->at_barrier != block->live) return false;
  make_ready(shim, rank * shim->grid.threads, shim->grid.threads, TL_AT_BARRIER);
  block->at_barrier = 0;
  block->epoch++;
  return true;
}

// Threads that ended count as arrived.
static bool release_cluster(tl_shim *shim) {
  int live = count_live(shim), ended = 0;
  for (int i = 0; i < shim->cluster * shim->grid.threads; i++)
    ended += shim->states[i] == TL_ENDED && shim->threads[i].arrived;
  if (!live || shim->arrived - ended != live) return false;
  shim->epoch++;
  shim->arrived = 0;
  make_ready(shim, 0, shim->cluster * shim->grid.threads, TL_AT_CLUSTER);
  return true;
}

static bool release(tl_shim *shim) {
  bool any = release_cluster(shim);
  for (int i = 0; i < shim->cluster; i++)
    any |= release_barrier(shim, i);
  return any;
}

static void start_block(tl_shim *shim, int rank) {
  tl_block_data *block = &shim->blocks[rank];
  block->live = shim->grid.threads;
  block->at_barrier = 0;
  block->gates_count = 0;
  block->number = ++shim->numbers;
  block->epoch++;
  if (shim->grid.shared_bytes) memset(block->shared, TL_POISON, (size_t)shim->grid.shared_bytes);
  for (int i = rank * shim->grid.threads; i < (rank + 1) * shim->grid.threads; i++) {
    tl_thread_data *thread = &shim->threads[i];
    shim->states[i] = TL_READY;
    thread->waited = thread->fenced = thread->arrived = false;
    thread->groups = 0;
    thread->copies_begin = thread->copies_count = 0;
    thread->maps_count = thread->wides_count = 0;
    thread->wide_begun = false;
    for (int j = 0; j < TL_HIDDEN_MAX; j++)
      thread->hidden[j].d = NULL;
    tl_fiber_start(&shim->fibers, i);
  }
}

static bool run_cluster(tl_shim *shim, int first_block) {
  shim->first_block = first_block;
  shim->epoch_begun = ++shim->epoch;
  shim->arrived = 0;
  for (int i = 0; i < TL_WARPS_MAX; i++)
    shim->warps[i].arrived = 0;
  memset(shim->at_wide, 0, sizeof shim->at_wide);
  shim->boxes_count = 0;
  for (int i = 0; i < shim->cluster; i++)
    start_block(shim, i);
  while (count_live(shim) && !shim->faulted) {
    bool any = run_warps(shim);
    if (shim->faulted) break;
    any |= tl_boxes_arrive(shim, !any);
    if (!release(shim) && !any) set_deadlock(shim);
  }
  return !shim->faulted;
}

static uint32_t common_divisor(uint32_t a, uint32_t b) {
  return b ? common_divisor(b, a % b) : a;
}

// In steps that have no divisor in common with the number of blocks.
static bool run_blocks(tl_shim *shim) {
  uint32_t count = (uint32_t)(shim->grid.blocks / shim->cluster);
  uint32_t block = tl_shim_draw(shim, count), step = 1 + tl_shim_draw(shim, count);
  while (common_divisor(step, count) != 1)
    step++;
  for (uint32_t i = 0; i < count; i++) {
    if (!run_cluster(shim, (int)block * shim->cluster)) return false;
    block = (uint32_t)(((uint64_t)block + step) % count);
  }
  return true;
}

static bool is_possible(const tl_shim_grid *grid, int cluster) {
  return grid->blocks >= 1 && grid->threads >= TL_LANES && grid->threads <= TL_SHIM_THREADS_MAX &&
         grid->threads % TL_LANES == 0 && grid->shared_bytes >= 0 &&
         grid->shared_bytes <= TL_SHIM_SHARED_MAX && cluster >= 1 &&
         cluster <= TL_SHIM_CLUSTER_MAX && grid->blocks % cluster == 0 &&
         cluster * grid->threads <= TL_SHIM_TOGETHER_MAX;
}

static void make_blocks(tl_shim *shim) {
  for (int i = 0; i < shim->cluster; i++) {
    tl_block_data *block = &shim->blocks[i];
    free(block->shared);
    block->shared = tl_shim_need(malloc((size_t)shim->grid.shared_bytes + 1));
    if (!block->words)
      block->words = tl_shim_need(calloc((TL_SHIM_SHARED_MAX + 3) / 4, sizeof *block->words));
  }
}

bool tl_shim_launch(tl_shim *shim, const tl_shim_grid *grid) {
  shim->faulted = false;
  shim->fault[0] = 0;
  shim->grid = *grid;
  shim->cluster = grid->cluster ? grid->cluster : 1;
  if (!is_possible(grid, shim->cluster)) {
    set_fault(shim, "grid: %d blocks of %d threads and %lld bytes of shared memory", grid->blocks,
              grid->threads, (long long)grid->shared_bytes);
    return false;
  }
  make_blocks(shim);
  free(shim->arrivals);
  shim->arrivals = tl_shim_need(calloc((size_t)grid->blocks, sizeof *shim->arrivals));
  shim->launch++;
  tl_shim *outer = tl_shim_current;
  tl_shim_current = shim;
  bool done = run_blocks(shim);
  tl_shim_current = outer;
  return done;
}
