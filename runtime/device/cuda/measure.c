// Measures the ways of a program's sets: all launches of a way, of all layers, as one graph, so
// that their weights do not stay in the cache. What guards say is kept unless another way is faster
// by more than noise, twice.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/device/cuda/state.h"
#include "runtime/plan/plan.h"

enum { WAYS_MAX = 64, SAMPLES = 7, RUNS_MAX = 32, WAY_BYTES = 64 };

#define SAMPLE_MS 1.0f // graphs are run until a sample took about as long
#define GAIN_MIN 0.03
#define HOPELESS 2
#define COLD_MS 20.0f

typedef struct way {
  tl_tuning_way as; // with the job's rows
  const tl_plan_launch *first;
  double us; // INFINITY = it cannot be computed in this way
} way;

typedef struct set {
  tl_cuda_device *device;
  const tl_device_tune *job;
  uint32_t number, launches; // of the usual way
  way ways[WAYS_MAX];        // the usual one first
  int ways_count;
} set;

// ---- what there is

static const tl_plan_program *program_of(const set *s) {
  return &s->device->config.tables->programs[s->job->program];
}

static tl_tuning_way way_of(const set *s, const tl_plan_launch *row) {
  return (tl_tuning_way){s->job->program, row->set,       s->job->rows,
                         row->guard_min,  row->guard_max, row->guard_library};
}

// Whether the way is there already, or another with the same kernel: its launch has two guards.
static bool has_way(const set *s, const tl_plan_launch *row) {
  for (int i = 0; i < s->ways_count; i++) {
    const tl_plan_launch *first = s->ways[i].first;
    bool is_kernel = row->kind == TL_PLAN_LAUNCH_KERNEL && first->kind == row->kind;
    bool is_twin = is_kernel && row->guard_library != 2 && first->kernel == row->kernel &&
                   first->grid_items == row->grid_items;
    if (is_twin || tl_tuning_has(&s->ways[i].as, row)) return true;
  }
  return false;
}

static void add_way(set *s, const tl_plan_launch *row) {
  if (s->ways_count == WAYS_MAX || has_way(s, row)) return;
  s->ways[s->ways_count++] = (way){.as = way_of(s, row), .first = row};
}

// Fills in the ways. None if nothing of the set runs with the session's KV type.
static tl_status find_ways(set *s) {
  tl_cuda_device *d = s->device;
  const tl_plan_program *p = program_of(s);
  const tl_plan_launch *rows = &d->config.tables->launchs[p->first_launch];
  tl_cuda_steps steps = {.program = s->job->program, .rows = s->job->rows, .by_guards = true};
  uint32_t name = UINT32_MAX;
  tl_status status = tl_cuda_products_prepare(d, &steps, &steps.has_library);
  for (uint32_t i = 0; tl_ok(status) && i < p->launches_count; i++) {
    if (rows[i].set != s->number || !tl_cuda_runs(d, &steps, &rows[i])) continue;
    if (s->ways_count == 0) add_way(s, &rows[i]);
    s->launches += rows[i].name != name; // a product and what is left have one name
    name = rows[i].name;
  }
  for (uint32_t i = 0; s->ways_count > 0 && i < p->launches_count; i++) {
    if (rows[i].set == s->number && rows[i].guard_kv & 1u << d->config.kv_type) {
      add_way(s, &rows[i]);
    }
  }
  return status;
}

// ---- time

typedef struct clock {
  void *begin, *end; // events
} clock;

static tl_cuda_result sample(const tl_cuda_device *d, const clock *c, void *graph, int runs,
                             float *out_ms) {
  const tl_cuda_driver *driver = &d->driver;
  float ms = 0;
  tl_cuda_result result = driver->event_record(c->begin, d->stream);
  for (int i = 0; result == 0 && i < runs; i++)
    result = driver->graph_launch(graph, d->stream);
  if (result == 0) result = driver->event_record(c->end, d->stream);
  if (result == 0) result = driver->event_wait(c->end);
  if (result == 0) result = driver->event_elapsed(&ms, c->begin, c->end);
  *out_ms = ms / (float)runs;
  return result;
}

static int order(const void *a, const void *b) {
  float left, right;
  memcpy(&left, a, sizeof left);
  memcpy(&right, b, sizeof right);
  return (left > right) - (left < right);
}

// Whether a run is so slow that there is no need to know how slow; the first run of a graph may
// have taken COLD_MS more.
static bool is_hopeless(float ms, float cold_ms, double best_us) {
  return ((double)ms - (double)cold_ms) * 1e3 > HOPELESS * best_us;
}

// The median of some samples, behind one that warms up and one that tells how long they take.
static tl_cuda_result take_time(const tl_cuda_device *d, const clock *c, void *graph,
                                double best_us, double *out_us) {
  float ms[SAMPLES] = {0}, one = 0;
  tl_cuda_result result = sample(d, c, graph, 1, &one);
  bool is_measured = !is_hopeless(one, COLD_MS, best_us);
  if (result == 0 && is_measured) result = sample(d, c, graph, 1, &one);
  is_measured = is_measured && !is_hopeless(one, 0, best_us);
  int runs = one * RUNS_MAX > SAMPLE_MS ? 1 + (int)(SAMPLE_MS / one) : RUNS_MAX;
  for (int i = 0; is_measured && result == 0 && i < SAMPLES; i++)
    result = sample(d, c, graph, runs, &ms[i]);
  if (result == 0 && is_measured) qsort(ms, SAMPLES, sizeof *ms, order);
  *out_us = (double)(is_measured ? ms[SAMPLES / 2] : one) * 1e3;
  return result;
}

// `best_us`: of the fastest so far.
static tl_status measure(set *s, way *w, double best_us, tl_diag *diag) {
  tl_cuda_device *d = s->device;
  const tl_cuda_driver *driver = &d->driver;
  tl_cuda_steps steps = {.program = s->job->program, .rows = s->job->rows, .only = &w->as};
  clock c = {0};
  void *graph = NULL;
  w->us = (double)INFINITY;
  if (w->as.guard_library == 2) {
    TL_TRY(tl_cuda_products_prepare(d, &steps, &steps.has_library));
    if (!steps.has_library) return TL_OK;
  }
  TL_TRY(tl_cuda_graph_make(d, &steps, &graph, diag));
  tl_cuda_result result = driver->event_create(&c.begin, 0);
  if (result == 0) result = driver->event_create(&c.end, 0);
  if (result == 0) result = take_time(d, &c, graph, best_us, &w->us);
  if (c.begin) driver->event_destroy(c.begin);
  if (c.end) driver->event_destroy(c.end);
  driver->graph_end(graph);
  return tl_cuda_check(driver, result, "measure a kernel", diag);
}

// ---- choice

static const char *text_of(const set *s, const way *w, char text[WAY_BYTES]) {
  const tl_plan_tables *t = s->device->config.tables;
  const char *name = tl_plan_string(t, t->kernels[w->first->kernel].name);
  int length = (int)strcspn(name, ": ");
  if (w->as.guard_max == UINT32_MAX) {
    snprintf(text, WAY_BYTES, "%.*s %u..", length, name, w->as.guard_min);
  } else {
    snprintf(text, WAY_BYTES, "%.*s %u..%u", length, name, w->as.guard_min, w->as.guard_max);
  }
  return text;
}

static bool is_faster(const way *w, const way *than) {
  return w->us < than->us * (1 - GAIN_MIN);
}

// The way to take.
static tl_status choose(set *s, way **out_way, tl_diag *diag) {
  way *usual = &s->ways[0], *best = usual;
  for (int i = 0; i < s->ways_count; i++) {
    TL_TRY(measure(s, &s->ways[i], i == 0 ? (double)INFINITY : best->us, diag));
    if (s->ways[i].us < best->us) best = &s->ways[i];
  }
  *out_way = usual;
  if (!is_faster(best, usual)) return TL_OK;
  TL_TRY(measure(s, usual, (double)INFINITY, diag));
  TL_TRY(measure(s, best, (double)INFINITY, diag));
  if (is_faster(best, usual)) *out_way = best;
  return TL_OK;
}

static tl_status tune_set(set *s, tl_diag *diag) {
  char usual[WAY_BYTES], fastest[WAY_BYTES];
  const tl_plan_tables *t = s->device->config.tables;
  way *chosen;
  TL_TRY(find_ways(s));
  if (s->ways_count < 2) return TL_OK;
  TL_TRY(choose(s, &chosen, diag));
  if (!tl_tuning_add(s->job->tuning, &chosen->as)) {
    return tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0}, "a plan of too many kinds of matmuls");
  }
  tl_device_tuned tuned = {.name = tl_plan_string(t, s->ways[0].first->name),
                           .launches = s->launches,
                           .rows = s->job->rows,
                           .usual = text_of(s, &s->ways[0], usual),
                           .fastest = text_of(s, chosen, fastest),
                           .usual_us = s->ways[0].us,
                           .fastest_us = chosen->us};
  return s->job->report(s->job->user, &tuned) ? TL_OK : TL_CANCELLED;
}

tl_status tl_cuda_measure(tl_cuda_device *d, const tl_device_tune *job, tl_diag *diag) {
  const tl_plan_program *p = &d->config.tables->programs[job->program];
  uint32_t sets = 0;
  for (uint32_t i = 0; i < p->launches_count; i++) {
    const tl_plan_launch *row = &d->config.tables->launchs[p->first_launch + i];
    if (row->set > sets) sets = row->set;
  }
  if (d->config.deterministic || !d->config.plan_digest) {
    return tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0},
                         "a session that is deterministic, or of a plan without a file, has "
                         "nothing to tune");
  }
  memcpy(job->tuning->plan, d->config.plan_digest, sizeof job->tuning->plan);
  memcpy(job->tuning->device, d->identity, sizeof d->identity);
  tl_cuda_products_load(d);
  for (uint32_t number = 1; number <= sets; number++) {
    set s = {.device = d, .job = job, .number = number};
    TL_TRY(tune_set(&s, diag));
  }
  return TL_OK;
}
