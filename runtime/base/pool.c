// Every wait is the same: spin on a word until it changes, then sleep on it by futex.
//
//   caller   epoch++ ......... function(0) ... barrier
//   worker   sees epoch ...... function(i) ... barrier, waits for epoch
//
// Sleeping and waking pair up like Dekker's algorithm: the sleeper announces itself and then looks
// at the word, the waker changes the word and then looks for sleepers, all sequentially consistent,
// so one of the two sees the other. The kernel looks at the word once more before it sleeps.
#include "runtime/base/pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/processors.h"

enum {
  LINE_BYTES = 64,
  SPIN_NS = 50 * 1000,        // before a thread sleeps
  SPIN_CROWDED_NS = 2 * 1000, // the same with more threads than processors
  SPIN_BATCH = 32,            // pauses between two looks at the clock
  STACK_BYTES = 1 << 20,
  PIECES_OF_SHARE = 4, // of a thread's share of the items left, a piece is one
};

// A word that threads wait on, alone in its cache line.
typedef struct gate {
  _Alignas(LINE_BYTES) atomic_uint value;
  atomic_uint sleepers;
} gate;

typedef struct worker {
  pthread_t thread;
  tl_pool *pool;
  int index;
} worker;

struct tl_pool {
  gate epoch;      // runs started, and the end of the pool
  gate generation; // barriers passed
  gate turn;       // 0 = free, 1 = a caller has the pool
  _Alignas(LINE_BYTES) atomic_int arrived;
  _Alignas(LINE_BYTES) _Atomic int64_t next_item;
  _Alignas(LINE_BYTES) tl_pool_function *function;
  void *context;
  int threads;
  bool ending;
  int64_t spin_ns;
  worker workers[TL_POOL_THREADS_MAX]; // [0] is unused: the caller
};

static void pause_core(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void futex(atomic_uint *word, int operation, unsigned value) {
  syscall(SYS_futex, (unsigned *)word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

// Returns once `g` no longer holds `old`.
static void gate_wait(gate *g, unsigned old, int64_t spin_ns) {
  int64_t end_ns = 0;
  for (;;) {
    for (int i = 0; i < SPIN_BATCH; i++) {
      if (atomic_load_explicit(&g->value, memory_order_acquire) != old) return;
      pause_core();
    }
    int64_t time_ns = now_ns();
    if (end_ns == 0)
      end_ns = time_ns + spin_ns;
    else if (time_ns >= end_ns)
      break;
  }
  atomic_fetch_add(&g->sleepers, 1);
  while (atomic_load(&g->value) == old)
    futex(&g->value, FUTEX_WAIT, old);
  atomic_fetch_sub(&g->sleepers, 1);
}

static void gate_set(gate *g, unsigned value) {
  atomic_store(&g->value, value);
  if (atomic_load(&g->sleepers) != 0) futex(&g->value, FUTEX_WAKE, INT32_MAX);
}

static void turn_take(tl_pool *pool) {
  unsigned expected = 0;
  while (!atomic_compare_exchange_strong(&pool->turn.value, &expected, 1)) {
    gate_wait(&pool->turn, 1, pool->spin_ns);
    expected = 0;
  }
}

static void *worker_main(void *argument) {
  worker *self = argument;
  tl_pool *pool = self->pool;
  unsigned seen = 0;
  for (;;) {
    gate_wait(&pool->epoch, seen, pool->spin_ns);
    seen++;
    if (pool->ending) return NULL;
    pool->function(pool->context, self->index);
    tl_pool_barrier(pool);
  }
}

static bool worker_start(worker *w, const int *processors, int processors_count, bool pin) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  bool started = pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0;
  if (started && pin) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)processors[w->index % processors_count], &set);
    started = pthread_attr_setaffinity_np(&attributes, sizeof set, &set) == 0;
  }
  if (started) started = pthread_create(&w->thread, &attributes, worker_main, w) == 0;
  pthread_attr_destroy(&attributes);
  return started;
}

// Starts workers until one is refused; returns the threads there are, the caller's included.
static int start_workers(tl_pool *pool, int threads, const tl_pool_config *config) {
  int processors[TL_PROCESSORS_MAX];
  int processors_count = tl_processors_list(processors, TL_PROCESSORS_MAX);
  pool->spin_ns = threads > processors_count ? SPIN_CROWDED_NS : SPIN_NS;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int started = 1;
  for (; started < threads; started++) {
    pool->workers[started] = (worker){.pool = pool, .index = started};
    if (!worker_start(&pool->workers[started], processors, processors_count, config->pin)) break;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return started;
}

tl_status tl_pool_create(const tl_pool_config *config, tl_arena *session, tl_pool **out_pool,
                         tl_diag *diag) {
  *out_pool = NULL;
  if (config->threads < 0 || config->threads > TL_POOL_THREADS_MAX)
    return tl_diag_error(diag, TL_USAGE, (tl_span){0}, "%d threads asked for, expected 0 to %d",
                         config->threads, TL_POOL_THREADS_MAX);
  int threads = config->threads ? config->threads : tl_processors_allowed(TL_POOL_THREADS_MAX);
  char *memory = tl_arena_alloc(session, sizeof(tl_pool) + LINE_BYTES);
  if (!memory)
    return tl_diag_error(diag, TL_MEMORY, (tl_span){0}, "no memory for a pool of %d threads",
                         threads);
  tl_pool *pool = (tl_pool *)(memory + (-(uintptr_t)memory & (LINE_BYTES - 1)));
  pool->threads = start_workers(pool, threads, config);
  if (pool->threads < threads) {
    tl_diag_error(diag, TL_IO, (tl_span){0}, "the system refused thread %d of %d; ask for fewer",
                  pool->threads + 1, threads);
    tl_pool_destroy(pool);
    return TL_IO;
  }
  *out_pool = pool;
  return TL_OK;
}

void tl_pool_destroy(tl_pool *pool) {
  if (!pool) return;
  pool->ending = true;
  gate_set(&pool->epoch, atomic_load(&pool->epoch.value) + 1);
  for (int i = 1; i < pool->threads; i++)
    pthread_join(pool->workers[i].thread, NULL);
  pool->threads = 1;
}

int tl_pool_threads(const tl_pool *pool) {
  return pool->threads;
}

void tl_pool_run(tl_pool *pool, tl_pool_function *function, void *context) {
  turn_take(pool);
  pool->function = function;
  pool->context = context;
  atomic_store_explicit(&pool->next_item, 0, memory_order_relaxed);
  if (pool->threads > 1) gate_set(&pool->epoch, atomic_load(&pool->epoch.value) + 1);
  function(context, 0);
  tl_pool_barrier(pool);
  gate_set(&pool->turn, 0);
}

void tl_pool_barrier(tl_pool *pool) {
  // Nobody can pass this barrier before this thread arrives, so the generation is stable here.
  unsigned generation = atomic_load_explicit(&pool->generation.value, memory_order_relaxed);
  int arrived = atomic_fetch_add_explicit(&pool->arrived, 1, memory_order_acq_rel) + 1;
  if (arrived < pool->threads) {
    gate_wait(&pool->generation, generation, pool->spin_ns);
    return;
  }
  atomic_store_explicit(&pool->arrived, 0, memory_order_relaxed);
  atomic_store_explicit(&pool->next_item, 0, memory_order_relaxed);
  gate_set(&pool->generation, generation + 1);
}

bool tl_pool_take(tl_pool *pool, int64_t items_count, int64_t *out_begin, int64_t *out_end) {
  int64_t begin = atomic_load_explicit(&pool->next_item, memory_order_relaxed), piece;
  do {
    if (begin >= items_count) return false;
    piece = (items_count - begin) / ((int64_t)PIECES_OF_SHARE * pool->threads);
    if (piece == 0) piece = 1;
  } while (!atomic_compare_exchange_weak_explicit(&pool->next_item, &begin, begin + piece,
                                                  memory_order_relaxed, memory_order_relaxed));
  *out_begin = begin;
  *out_end = begin + piece;
  return true;
}
