// The thread pool: every item once, barriers that order, shared pools, more threads than cores; and
// the processors a pool may use.
#include "runtime/base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/processors.h"
#include "tests/lib/check.h"

enum { ITEMS = 257, ROUNDS = 40 };

typedef struct deal {
  tl_pool *pool;
  atomic_int taken[ROUNDS][ITEMS];
  int sums[ROUNDS]; // plain memory: written by one thread, read by all after a barrier
  atomic_int entered;
} deal;

static void deal_items(void *context, int thread) {
  deal *d = context;
  atomic_fetch_add(&d->entered, 1);
  for (int round = 0; round < ROUNDS; round++) {
    int64_t begin, end;
    while (tl_pool_take(d->pool, ITEMS, &begin, &end)) {
      CHECK(begin >= 0 && begin < end && end <= ITEMS);
      CHECK(end - begin == 1 || (end - begin) * 4 * tl_pool_threads(d->pool) <= ITEMS - begin);
      for (int64_t i = begin; i < end; i++)
        atomic_fetch_add(&d->taken[round][i], 1);
    }
    tl_pool_barrier(d->pool);
    if (thread == round % tl_pool_threads(d->pool))
      d->sums[round] = round + (round ? d->sums[round - 1] : 0);
    tl_pool_barrier(d->pool);
    CHECK(d->sums[round] == round * (round + 1) / 2);
  }
}

static void test_deal(tl_pool *pool) {
  static deal d;
  for (int run = 0; run < 20; run++) {
    memset(&d, 0, sizeof d);
    d.pool = pool;
    tl_pool_run(pool, deal_items, &d);
    CHECK(atomic_load(&d.entered) == tl_pool_threads(pool));
    for (int round = 0; round < ROUNDS; round++)
      for (int i = 0; i < ITEMS; i++)
        CHECK(atomic_load(&d.taken[round][i]) == 1);
    if (run % 5 == 4) usleep(300); // long enough for the workers to fall asleep
  }
}

typedef struct sharer {
  tl_pool *pool;
  int *count; // changed inside runs by thread 0 alone: runs must not overlap
} sharer;

static void add_one(void *context, int thread) {
  sharer *s = context;
  if (thread == 0) ++*s->count;
}

static void *share(void *argument) {
  sharer *s = argument;
  for (int i = 0; i < 500; i++)
    tl_pool_run(s->pool, add_one, s);
  return NULL;
}

static void test_shared(tl_pool *pool) {
  int count = 0;
  sharer s = {pool, &count};
  pthread_t threads[3];
  for (int i = 0; i < 3; i++)
    CHECK(pthread_create(&threads[i], NULL, share, &s) == 0);
  for (int i = 0; i < 3; i++)
    pthread_join(threads[i], NULL);
  CHECK(count == 1500);
}

static void test_create(void) {
  static tl_diag diag;
  tl_arena arena;
  tl_arena_init(&arena, 1 << 20);
  tl_pool *pool = (tl_pool *)&arena;
  CHECK(tl_pool_create(&(tl_pool_config){.threads = -1}, &arena, &pool, &diag) == TL_USAGE);
  CHECK(!pool && diag.count == 1);
  CHECK(tl_pool_create(&(tl_pool_config){.threads = 257}, &arena, &pool, NULL) == TL_USAGE);
  arena.fail_after = 0;
  CHECK(tl_pool_create(&(tl_pool_config){.threads = 2}, &arena, &pool, NULL) == TL_MEMORY);
  arena.fail_after = SIZE_MAX;
  CHECK(tl_pool_create(&(tl_pool_config){.threads = 0}, &arena, &pool, NULL) == TL_OK);
  CHECK(tl_pool_threads(pool) == tl_processors_allowed(TL_POOL_THREADS_MAX));
  tl_pool_destroy(pool);
  tl_pool_destroy(NULL);
  tl_arena_finish(&arena);
}

static void test_threads(void) {
  for (int threads = 1; threads <= 8; threads += threads < 4 ? 1 : 4) {
    tl_arena arena;
    tl_arena_init(&arena, 1 << 20);
    tl_pool *pool;
    tl_pool_config config = {.threads = threads, .pin = threads == 2};
    CHECK(tl_pool_create(&config, &arena, &pool, NULL) == TL_OK);
    CHECK(tl_pool_threads(pool) == threads);
    test_deal(pool);
    test_shared(pool);
    tl_pool_destroy(pool);
    tl_arena_finish(&arena);
  }
}

static void put(const char *root, const char *path, const char *text) {
  char whole[512];
  snprintf(whole, sizeof whole, "%s/%s", root, path);
  for (char *p = whole + strlen(root) + 1; *p; p++)
    if (*p == '/') {
      *p = 0;
      mkdir(whole, 0700);
      *p = '/';
    }
  FILE *file = fopen(whole, "w");
  CHECK(file);
  fputs(text, file);
  fclose(file);
}

static void test_quota(void) {
  char root[] = "/tmp/tlmc-quota-??????";
  memset(strchr(root, '?'), 'X', 6);
  CHECK(mkdtemp(root));
  CHECK(tl_processors_quota(root) == 0);
  put(root, "proc/self/cgroup", "12:memory:/x\n4:cpu,cpuacct:/a/b\n0::/c/d\n");
  CHECK(tl_processors_quota(root) == 0);
  put(root, "sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "-1\n");
  put(root, "sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us", "100000\n");
  CHECK(tl_processors_quota(root) == 0);
  put(root, "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "650000\n");
  put(root, "sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
  CHECK(tl_processors_quota(root) == 7);
  put(root, "sys/fs/cgroup/c/d/cpu.max", "max 100000\n");
  CHECK(tl_processors_quota(root) == 7);
  put(root, "sys/fs/cgroup/c/cpu.max", "250000 100000\n");
  CHECK(tl_processors_quota(root) == 3);
  put(root, "sys/fs/cgroup/unified/cpu.max", "1000 100000\n");
  CHECK(tl_processors_quota(root) == 1);
  put(root, "sys/fs/cgroup/unified/cpu.max", "9223372036854775807 1\n");
  put(root, "proc/self/cgroup", "::::\n\n0::relative\nx");
  CHECK(tl_processors_quota(root) == INT32_MAX);
  char command[600];
  snprintf(command, sizeof command, "rm -r '%s'", root);
  CHECK(system(command) == 0);
  int numbers[4];
  CHECK(tl_processors_list(numbers, 4) >= 1 && numbers[0] >= 0);
}

int main(void) {
  alarm(120); // a lost wake-up ends the test instead of hanging it
  test_quota();
  test_create();
  test_threads();
  return 0;
}
