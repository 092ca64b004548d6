// Attention's kernels on a GPU: the trials against double arithmetic, and how long loads of a real
// model take. Page pools are repeated in memory until no cache holds them.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/gpu/attention_list.h"
#include "tests/gpu/run.h"

enum { POOLS_MAX = 64, REPEATS = 24, ROUNDS = 3, CHECKED_MAX = 20000 };

static const size_t COLD_BYTES = 256u << 20;

typedef struct placed {
  tl_cuda_address at[TL_CUDA_ATTENTION_BUFFERS];
  tl_cuda_address step;
  int pools;
} placed;

static placed put_step(const gpu *g, const tl_cuda_attention *a, int pools) {
  placed p = {.pools = pools};
  for (int i = 0; i < TL_CUDA_ATTENTION_BUFFERS; i++) {
    const tl_cuda_attention_memory *m = &a->memory[i];
    int copies = i == TL_CUDA_ATTENTION_POOL ? pools : 1;
    p.at[i] = gpu_take(g, (m->bytes + 64) * (size_t)copies);
    for (int k = 0; k < copies && m->bytes; k++)
      gpu_put(g, p.at[i] + (size_t)k * m->bytes, m->at, m->bytes);
  }
  p.step = p.at[TL_CUDA_ATTENTION_STEP];
  return p;
}

static void release(const gpu *g, const placed *p) {
  for (int i = 0; i < TL_CUDA_ATTENTION_BUFFERS; i++)
    gpu_need(g, g->driver.memory_release(p->at[i]), "release");
}

static void launch(const gpu *g, const gpu_kernel *kernel, const tl_cuda_attention *a,
                   const placed *p, int pool) {
  void *at[TL_CUDA_ATTENTION_BUFFERS] = {0};
  tl_arguments arguments = tl_cuda_attention_arguments(a, at);
  tl_cuda_address pages =
      p->at[TL_CUDA_ATTENTION_POOL] + (size_t)pool * a->memory[TL_CUDA_ATTENTION_POOL].bytes;
  arguments.at[0].i = (tl_i64)p->at[TL_CUDA_ATTENTION_Q];
  arguments.at[1].i = (tl_i64)p->at[TL_CUDA_ATTENTION_OUT];
  arguments.at[2].i = (tl_i64)pages;
  arguments.at[7].i = (tl_i64)p->at[TL_CUDA_ATTENTION_SCRATCH];
  arguments.at[8].i = (tl_i64)p->at[TL_CUDA_ATTENTION_COUNTERS];
  gpu_launch(g, kernel, a->blocks, &arguments, p->step);
}

static void bring_back(const gpu *g, const tl_cuda_attention *a, const placed *p) {
  static const tl_cuda_attention_buffer written[] = {TL_CUDA_ATTENTION_OUT,
                                                     TL_CUDA_ATTENTION_COUNTERS};
  for (int i = 0; i < 2; i++) {
    const tl_cuda_attention_memory *m = &a->memory[written[i]];
    if (m->bytes) gpu_get(g, m->at, p->at[written[i]], m->bytes);
  }
}

// ---- trials

// Two launches on the same memory: counters must be as they were.
static int check_trial(const gpu *g, const gpu_kernel *kernel,
                       const tl_cuda_attention_trial *trial) {
  static tl_cuda_attention a[8];
  bool own_bits = trial->variant.way != TL_CUDA_ATTENTION_FEW || trial->variant.span > 0;
  int wrong = 0, count = tl_cuda_attention_steps_count;
  for (int i = 0; i < count; i++) {
    const tl_cuda_attention_company *c = &tl_cuda_attention_steps[i];
    tl_cuda_attention_init(&a[i], &trial->shape, &trial->variant, c->blocks, c->parts, c->count);
    placed p = put_step(g, &a[i], 1);
    for (int k = 0; k < 2; k++)
      launch(g, kernel, &a[i], &p, 0);
    gpu_wait(g, "attention");
    bring_back(g, &a[i], &p);
    wrong += tl_cuda_attention_check(&a[i]);
    for (int j = 0; j < i && own_bits; j++)
      wrong += tl_cuda_attention_common(&a[i], &a[j]) < 0;
    release(g, &p);
  }
  for (int i = 0; i < count; i++)
    tl_cuda_attention_finish(&a[i]);
  return wrong;
}

int gpu_check_attention(gpu *g, int first) {
  int bad = 0;
  for (int i = first; i < tl_cuda_attention_trials_count; i++) {
    const tl_cuda_attention_trial *trial = &tl_cuda_attention_trials[i];
    static tl_cuda_attention_kernel made;
    gpu_kernel kernel;
    char file[64];
    g->current = i;
    attention_file(true, i, file, sizeof file);
    tl_cuda_attention_kernel_make(&trial->shape, &trial->variant, &made);
    bool found = gpu_load(g, file, made.threads, made.shared_bytes, &kernel);
    int wrong = found ? check_trial(g, &kernel, trial) : 1;
    if (found) gpu_unload(g, &kernel);
    printf("attention %-16s key %-3d queries %d window %-3d %s: %d wrong%s\n", made.template,
           trial->shape.key, trial->shape.queries, trial->shape.window, wrong ? "BAD" : "good",
           wrong, found ? "" : ", no code");
    fflush(stdout);
    bad += wrong > 0;
  }
  return bad;
}

// ---- times

static double measure_us(const gpu *g, const gpu_kernel *kernel, const tl_cuda_attention *a,
                         const placed *p, void *begin, void *end) {
  double best = 1e30;
  for (int round = 0; round <= ROUNDS; round++) {
    float ms = 0;
    gpu_need(g, g->driver.event_record(begin, g->stream), "event");
    for (int i = 0; i < REPEATS; i++)
      launch(g, kernel, a, p, i % p->pools);
    gpu_need(g, g->driver.event_record(end, g->stream), "event");
    gpu_need(g, g->driver.event_wait(end), "attention");
    gpu_need(g, g->driver.event_elapsed(&ms, begin, end), "event");
    if (round > 0 && ms < best) best = ms;
  }
  return best * 1000 / REPEATS;
}

static bool is_share(const attention_bench *bench, const attention_load *load) {
  const tl_cuda_attention_variant *v = &bench->variant;
  bool few = load->rows <= v->rows_few || (load->rows <= v->rows_far && load->context >= v->far);
  return few == (v->way == TL_CUDA_ATTENTION_FEW);
}

static void bench_load(const gpu *g, const gpu_kernel *kernel, const attention_bench *bench,
                       const attention_load *load, void *const events[2]) {
  static tl_cuda_attention a;
  static tl_cuda_attention_part parts[TL_CUDA_ATTENTION_PARTS_MAX];
  const tl_cuda_attention_shape *s = &bench->shape;
  for (int i = 0; i < load->sequences; i++)
    parts[i] = (tl_cuda_attention_part){i, load->context, load->rows};
  tl_cuda_attention_init(&a, s, &bench->variant, 2 * g->multiprocessors, parts, load->sequences);
  size_t bytes = a.memory[TL_CUDA_ATTENTION_POOL].bytes;
  int pools = (int)(COLD_BYTES / bytes) + 1;
  placed p = put_step(g, &a, pools < POOLS_MAX ? pools : POOLS_MAX);
  double us = measure_us(g, kernel, &a, &p, events[0], events[1]);
  bring_back(g, &a, &p);
  bool is_small = load->sequences * load->rows * load->context < CHECKED_MAX && load->rows < 64;
  int wrong = is_small ? tl_cuda_attention_check(&a) : 0; // in double, on the CPU
  double seen = (double)load->rows * load->context + load->rows * (load->rows + 1.0) / 2;
  double flops = 2.0 * load->sequences * seen * s->kv_heads * s->queries * (s->key + s->value);
  printf("%-22s %2d x %4d rows at %4d: %9.1f us, %7.1f GB/s, %6.1f TFLOPS%s\n", bench->name,
         load->sequences, load->rows, load->context, us, (double)bytes / us / 1e3, flops / us / 1e6,
         wrong ? " WRONG" : "");
  fflush(stdout);
  release(g, &p);
  tl_cuda_attention_finish(&a);
}

int gpu_bench_attention(gpu *g, int first) {
  void *events[2];
  for (int i = 0; i < 2; i++)
    gpu_need(g, g->driver.event_create(&events[i], 0), "event");
  for (int i = first; i < attention_benches_count; i++) {
    const attention_bench *bench = &attention_benches[i];
    static tl_cuda_attention_kernel made;
    gpu_kernel kernel;
    char file[64];
    g->current = i;
    attention_file(false, i, file, sizeof file);
    tl_cuda_attention_kernel_make(&bench->shape, &bench->variant, &made);
    if (!gpu_load(g, file, made.threads, made.shared_bytes, &kernel)) continue;
    for (int k = 0; k < attention_loads_count; k++) {
      if (is_share(bench, &attention_loads[k]))
        bench_load(g, &kernel, bench, &attention_loads[k], events);
    }
    gpu_unload(g, &kernel);
  }
  return 0;
}
