// A pool of threads that run one function together, with barriers inside.
//
//   static void step(void *context, int thread) {
//     struct work *work = context;
//     for (int i = 0; i < work->launches_count; i++) {
//       int64_t begin, end;
//       while (tl_pool_take(work->pool, work->launches[i].items_count, &begin, &end))
//         launch(&work->launches[i], thread, begin, end);
//       tl_pool_barrier(work->pool);
//     }
//   }
//   tl_pool_run(pool, step, &work);
//
// Invariant: between start and end of a run no thread allocates or takes a lock; a thread without
// work spins for 50 us and then sleeps until there is some. The calling thread is thread 0. Items
// are dealt in pieces that shrink as they run out: a thread reads neighbouring items one after the
// other, and one that loses its core costs the piece it holds. A pool may be shared: runs of
// different callers take turns.
#ifndef TL_BASE_POOL_H
#define TL_BASE_POOL_H

#include "runtime/base/arena.h"
#include "runtime/base/diag.h"

enum { TL_POOL_THREADS_MAX = 256 };

typedef struct tl_pool tl_pool;

typedef struct tl_pool_config {
  int threads; // with the caller's; 0 = tl_processors_allowed
  bool pin;    // each worker stays on one processor of the affinity mask; the caller's thread is
               // never moved
} tl_pool_config;

// Called once per thread of a run; `thread` is 0 .. tl_pool_threads - 1, 0 is the caller's.
typedef void tl_pool_function(void *context, int thread);

// Starts the workers. The pool lies in `session`, which must outlive it. Workers block all signals.
// TL_USAGE if `threads` is outside 0..TL_POOL_THREADS_MAX, TL_MEMORY, TL_IO if the system refuses
// threads (then none is left).
TL_CHECKED tl_status tl_pool_create(const tl_pool_config *config, tl_arena *session,
                                    tl_pool **out_pool, tl_diag *diag);

// Ends the workers; no run may be under way. Accepts NULL. The memory stays in the arena.
void tl_pool_destroy(tl_pool *pool);

// Threads of a run.
int tl_pool_threads(const tl_pool *pool);

// Runs `function` on all threads and returns when all have returned; what they wrote is then seen
// by the caller, and what the caller wrote before is seen by them. Waits while another thread's run
// is under way. Must not be called from inside a run.
void tl_pool_run(tl_pool *pool, tl_pool_function *function, void *context);

// Inside a run: waits until all threads have arrived; what was written before by any is seen after
// by all. Starts a new deal: the next tl_pool_take begins at item 0. All threads must make the same
// calls of it.
void tl_pool_barrier(tl_pool *pool);

// Inside a run: the next items [*out_begin, *out_end) of `items_count`, at least one and at most a
// quarter of a thread's share of what is left; false when all are taken. All threads must pass the
// same `items_count`, and one deal serves one list of items.
bool tl_pool_take(tl_pool *pool, int64_t items_count, int64_t *out_begin, int64_t *out_end);

#endif
