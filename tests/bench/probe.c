// What the machine gives right now: read bandwidth of two threads and their bf16 peak, as one JSON
// line.
//
// Virtual machines share their memory links and clocks with neighbours, and figures move by half
// within minutes. A benchmark number means something only beside a probe taken next to it.
//
//     cc -O2 -pthread tests/bench/probe.c -o probe && ./probe
//     {"threads": 2, "read_gb_s": 84.6, "read_gb_s_max": 85.9, "f32_gflop_s": 553, "bf16_gflop_s":
//     1118}
//
// bf16_gflop_s is null where the CPU has no AVX512-BF16; threads is 1 where only one CPU may be
// used.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define THREADS_MAX 2
#define BUFFER_BYTES ((size_t)1 << 30)
#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define REPEATS 5
#define STREAMS 8 // One stream a thread does not reach the limit on every CPU, eight do.
#define BURST_BYTES 256
#define PEAK_LOOPS 12000000L
#define OPS_PER_LOOP 16
#define BF16_OP_FLOPS 64 // 16 lanes, two products and two sums each
#define F32_OP_FLOPS 32

typedef uint64_t line __attribute__((vector_size(64), aligned(64)));

typedef struct worker {
  pthread_t thread;
  pthread_barrier_t *start;
  int cpu;
  const char *bytes; // this worker's part of the buffer
  size_t bytes_count;
  double begin_s, end_s;
  line sum; // Keeps the reads alive.
} worker;

static double now_s(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void start_together(worker *self) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(self->cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
  pthread_barrier_wait(self->start);
  self->begin_s = now_s();
}

static void *read_main(void *argument) {
  worker *self = argument;
  start_together(self);
  line sums[BURST_BYTES / sizeof(line)] = {0};
  size_t stream_bytes = self->bytes_count / STREAMS;
  for (size_t at = 0; at < stream_bytes; at += BURST_BYTES) {
    for (size_t stream = 0; stream < STREAMS; stream++) {
      const line *burst = (const line *)(self->bytes + stream * stream_bytes + at);
      for (size_t i = 0; i < BURST_BYTES / sizeof(line); i++)
        sums[i] ^= burst[i];
    }
  }
  self->sum = sums[0] ^ sums[1] ^ sums[2] ^ sums[3];
  self->end_s = now_s();
  return NULL;
}

#if defined(__x86_64__)
// Assembly, because compilers spill accumulators of such loops: 16 independent chains hide the
// latency.
#define OP(name, n) name " %%zmm16, %%zmm17, %%zmm" #n "\n\t"
// clang-format off
#define OPS(name)                                                                                  \
  OP(name, 0) OP(name, 1) OP(name, 2) OP(name, 3) OP(name, 4) OP(name, 5) OP(name, 6) OP(name, 7)  \
  OP(name, 8) OP(name, 9) OP(name, 10) OP(name, 11) OP(name, 12) OP(name, 13) OP(name, 14)         \
  OP(name, 15)
// clang-format on
#define PEAK_MAIN(function, name)                                                                  \
  static void *function(void *argument) {                                                          \
    worker *self = argument;                                                                       \
    long loops = PEAK_LOOPS;                                                                       \
    start_together(self);                                                                          \
    __asm__ volatile("vpxord %%zmm16, %%zmm16, %%zmm16\n\t"                                        \
                     "vpxord %%zmm17, %%zmm17, %%zmm17\n\t"                                        \
                     "1:\n\t" OPS(name) "dec %0\n\t"                                               \
                                        "jnz 1b\n\t"                                               \
                                        "vzeroupper"                                               \
                     : "+r"(loops)                                                                 \
                     :                                                                             \
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",     \
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc");        \
    self->end_s = now_s();                                                                         \
    return NULL;                                                                                   \
  }
PEAK_MAIN(bf16_main, "vdpbf16ps")
PEAK_MAIN(f32_main, "vfmadd231ps")

static bool has_f32(void) {
  return __builtin_cpu_supports("avx512f");
}

static bool has_bf16(void) {
  return __builtin_cpu_supports("avx512bf16");
}
#else
static void *bf16_main(void *argument) {
  return argument;
}

static void *f32_main(void *argument) {
  return argument;
}

static bool has_f32(void) {
  return false;
}

static bool has_bf16(void) {
  return false;
}
#endif

// Runs all workers at once; the seconds from the first one's start to the last one's end, or < 0.
static double together_s(worker *workers, int count, void *(*body)(void *)) {
  pthread_barrier_t start;
  if (pthread_barrier_init(&start, NULL, (unsigned)count) != 0) return -1;
  for (int i = 0; i < count; i++) {
    workers[i].start = &start;
    if (pthread_create(&workers[i].thread, NULL, body, &workers[i]) != 0) {
      fprintf(stderr, "probe: a thread cannot be started\n");
      exit(1); // Those started wait at the barrier for ever.
    }
  }
  for (int i = 0; i < count; i++)
    pthread_join(workers[i].thread, NULL);
  pthread_barrier_destroy(&start);
  double begin_s = workers[0].begin_s, end_s = workers[0].end_s;
  for (int i = 1; i < count; i++) {
    if (workers[i].begin_s < begin_s) begin_s = workers[i].begin_s;
    if (workers[i].end_s > end_s) end_s = workers[i].end_s;
  }
  return end_s - begin_s;
}

static int by_value(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

// The CPUs this process may use, at most THREADS_MAX of them.
static int usable_cpus(int cpus[THREADS_MAX]) {
  cpu_set_t set;
  int count = 0;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
  for (int cpu = 0; cpu < CPU_SETSIZE && count < THREADS_MAX; cpu++) {
    if (CPU_ISSET(cpu, &set)) cpus[count++] = cpu;
  }
  return count;
}

static const char *touched_buffer(void) {
  char *map = mmap(NULL, BUFFER_BYTES + HUGE_PAGE_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) return NULL;
  char *bytes = map + (-(uintptr_t)map & (HUGE_PAGE_BYTES - 1));
  madvise(bytes, BUFFER_BYTES, MADV_HUGEPAGE); // Without huge pages the figure is lower, not wrong.
  memset(bytes, 1, BUFFER_BYTES);
  return bytes;
}

static double peak_gflop_s(worker *workers, int count, void *(*body)(void *), int op_flops) {
  double flops = (double)PEAK_LOOPS * OPS_PER_LOOP * op_flops * count;
  return 1e-9 * flops / together_s(workers, count, body);
}

static void print_peak(const char *name, double gflop_s) {
  if (gflop_s > 0) {
    printf("\"%s\": %.0f", name, gflop_s);
  } else {
    printf("\"%s\": null", name);
  }
}

int main(void) {
  int cpus[THREADS_MAX];
  int count = usable_cpus(cpus);
  const char *bytes = touched_buffer();
  if (count == 0 || bytes == NULL) {
    fprintf(stderr, "probe: needs a CPU and 1 GiB of free memory\n");
    return 1;
  }
  worker workers[THREADS_MAX] = {0};
  for (int i = 0; i < count; i++) {
    workers[i].cpu = cpus[i];
    workers[i].bytes_count = BUFFER_BYTES / (size_t)count;
    workers[i].bytes = bytes + (size_t)i * workers[i].bytes_count;
  }
  double read_gb_s[REPEATS];
  for (int i = 0; i < REPEATS; i++) {
    read_gb_s[i] = 1e-9 * (double)BUFFER_BYTES / together_s(workers, count, read_main);
  }
  qsort(read_gb_s, REPEATS, sizeof read_gb_s[0], by_value);
  printf("{\"threads\": %d, \"read_gb_s\": %.1f, \"read_gb_s_max\": %.1f, ", count,
         read_gb_s[REPEATS / 2], read_gb_s[REPEATS - 1]);
  print_peak("f32_gflop_s", has_f32() ? peak_gflop_s(workers, count, f32_main, F32_OP_FLOPS) : 0);
  printf(", ");
  print_peak("bf16_gflop_s",
             has_bf16() ? peak_gflop_s(workers, count, bf16_main, BF16_OP_FLOPS) : 0);
  printf("}\n");
  return 0;
}
