// The stand-in for CUDA: a matrix product with everything in it for several orders of warps, every
// fault by a kernel that commits it, all bf16 numbers.
#include "tests/lib/cuda/shim.h"

#include <string.h>

#include "runtime/base/half.h"
#include "tests/lib/check.h"
#include "tests/lib/cuda/dialect.cuh"
#include "tests/unit/cuda_gemm.cuh"

static uint32_t draw(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

// ---- the matrix product

enum { M = 128, N = 192, K = 160 };

typedef struct product {
  _Alignas(16) uint16_t a[M * K], b[N * K];
  float c[M * N], wanted[M * N];
} product;

static void make_product(product *p) {
  uint32_t state = 1;
  for (int i = 0; i < M * K; i++)
    p->a[i] = tl_f32_to_bf16((float)(int)(draw(&state) % 2001) / 1000 - 1);
  for (int i = 0; i < N * K; i++)
    p->b[i] = tl_f32_to_bf16((float)(int)(draw(&state) % 2001) / 1000 - 1);
  for (int m = 0; m < M; m++)
    for (int n = 0; n < N; n++) {
      float sum = 0;
      for (int k = 0; k < K; k++)
        sum += tl_bf16_to_f32(p->a[m * K + k]) * tl_bf16_to_f32(p->b[n * K + k]);
      p->wanted[m * N + n] = sum;
    }
}

static bool run_gemm(tl_shim *shim, product *p, int wrong) {
  memset(p->c, 0xFF, sizeof p->c);
  tl_shim_memory_clear(shim);
  CHECK(tl_shim_memory(shim, p->a, sizeof p->a, TL_SHIM_READ, "a"));
  CHECK(tl_shim_memory(shim, p->b, sizeof p->b, TL_SHIM_READ, "b"));
  CHECK(tl_shim_memory(shim, p->c, sizeof p->c, TL_SHIM_WRITE, "c"));
  tl_arguments arguments = {
      .at = {{.p = p->a}, {.p = p->b}, {.p = p->c}, {.i = N}, {.i = K}, {.i = wrong}}};
  tl_shim_grid grid = {.kernel = gemm,
                       .arguments = &arguments,
                       .blocks = M / GEMM_TILE * (N / GEMM_TILE),
                       .threads = GEMM_THREADS,
                       .shared_bytes = 2 * GEMM_STAGE};
  return tl_shim_launch(shim, &grid);
}

static void expect(const tl_shim *shim, bool ended, const char *fault) {
  if (!ended && strstr(tl_shim_fault(shim), fault)) return;
  fprintf(stderr, "wanted the fault '%s', got '%s'\n", fault, tl_shim_fault(shim));
  exit(1);
}

static void test_gemm(void) {
  static product p;
  make_product(&p);
  for (uint64_t seed = 0; seed < 6; seed++) {
    tl_shim *shim = tl_shim_create(seed);
    if (!run_gemm(shim, &p, 0)) fprintf(stderr, "%s\n", tl_shim_fault(shim));
    CHECK(!tl_shim_fault(shim)[0] && memcmp(p.c, p.wanted, sizeof p.c) == 0);
    CHECK(run_gemm(shim, &p, 1)); // in order, but all of it wrong
    for (int i = 0; i < M * N; i++)
      CHECK(p.c[i] != p.c[i]);
    expect(shim, run_gemm(shim, &p, 2), "race: ");
    expect(shim, run_gemm(shim, &p, 3), "race: ");
    CHECK(run_gemm(shim, &p, 0) && memcmp(p.c, p.wanted, sizeof p.c) == 0);
    tl_shim_destroy(shim);
  }
}

// ---- faults: arguments are x (64 f32, read), y (64 f32), and a number

#define KERNEL(threads, name)                                                                      \
  TL_KERNEL(threads, 1)                                                                            \
  name(const tl_arguments arguments __attribute__((unused)),                                       \
       const void *step __attribute__((unused)))
#define WRONG(name) KERNEL(64, name)
#define X arguments.at[0].p
#define Y arguments.at[1].p

WRONG(in_order) {
  tl_i32 i = tl_thread();
  tl_shared_put_f32((tl_u32)i * 4, tl_load_f32(X, i));
  tl_barrier();
  tl_store_f32(Y, i, tl_shared_f32((tl_u32)(63 - i) * 4));
}

// Those who ended are not waited for.
WRONG(in_order_of_one_warp) {
  tl_i32 i = tl_thread();
  if (i >= 32) return;
  tl_shared_put_f32((tl_u32)i * 4, 7);
  tl_barrier();
  tl_store_f32(Y, i, tl_shared_f32((tl_u32)(31 - i) * 4));
}

WRONG(global_end) {
  tl_store_f32(Y, tl_thread(), tl_load_f32(X, tl_thread() + 1));
}

WRONG(global_begin) {
  tl_load_f32(X, tl_thread() - 1);
}

WRONG(global_unknown) {
  tl_load_f32(step, 0);
}

WRONG(global_misaligned) {
  tl_load_f32((char *)X + 2, 0);
}

WRONG(global_read_only) {
  tl_store_f32(X, tl_thread(), 1);
}

WRONG(global_write_only) {
  tl_load_f32(Y, tl_thread());
}

WRONG(stream_of_written) {
  tl_load_stream(arguments.at[2].p, 0);
}

WRONG(shared_end) {
  tl_shared_put_f32((tl_u32)tl_thread() * 4 + 4, 1);
}

WRONG(shared_misaligned) {
  tl_shared_u32(2);
}

WRONG(row_misaligned) {
  tl_u32 out[4];
  tl_matrices(out, (tl_u32)(tl_thread() % 8) * 8);
}

WRONG(copy_misaligned) {
  tl_copy_async(0, (char *)X + 4, 16);
}

WRONG(copy_end) {
  tl_copy_async(0, (char *)X + 256, 4);
}

WRONG(race_of_writers) {
  if (tl_thread() % 32 == 0) tl_shared_put_u32(0, 7);
}

WRONG(race_after_reading) {
  tl_i32 warp = tl_thread() / 32;
  if (tl_block()) return;
  if (warp == 0) tl_shared_u32(0);
  if (tl_thread() == 32) tl_shared_put_u32(0, 7);
}

WRONG(race_with_copy) {
  bool copies = tl_thread() == 0;
  if (copies) tl_copy_async(0, X, 16);
  tl_copy_commit();
  tl_barrier();
  if (copies) tl_copy_wait(0);
  if (tl_thread() / 32 == 1) tl_shared_u32(12);
}

WRONG(race_no_barrier) {
  tl_i32 i = tl_thread();
  tl_shared_put_f32((tl_u32)i * 4, tl_load_f32(X, i));
  tl_store_f32(Y, i, tl_shared_f32((tl_u32)(63 - i) * 4));
}

WRONG(lane_reads) {
  tl_shared_put_u32((tl_u32)tl_thread() * 4, 1);
  tl_shared_u32((tl_u32)(tl_thread() ^ 1) * 4);
}

WRONG(lane_writes) {
  tl_shared_u32((tl_u32)(tl_thread() / 32) * 4);
  tl_shared_put_u32((tl_u32)(tl_thread() / 32) * 4, 1);
}

WRONG(lane_copies) {
  tl_copy_async((tl_u32)(tl_thread() / 32) * 16, X, 16);
  tl_copy_commit();
  tl_copy_wait(0);
}

WRONG(barrier_of_half) {
  if (tl_thread() % 32 < 16) tl_barrier();
  tl_from_lane_xor(1, 1);
}

WRONG(collective_of_half) {
  if (tl_thread() % 32 < 16) return;
  tl_from_lane(1, 16);
}

WRONG(two_barriers) {
  if (tl_thread() < 32) {
    tl_barrier();
  } else {
    tl_barrier();
  }
}

WRONG(two_collectives) {
  if (tl_thread() % 2) {
    tl_from_lane_xor(1, 1);
  } else {
    tl_from_lane_xor(2, 1);
  }
}

WRONG(no_lane) {
  tl_from_lane(1, tl_thread() % 32 + 1);
}

WRONG(copy_left) {
  if (tl_thread() == 0) tl_copy_async(0, X, 16);
  tl_copy_wait(0); // no group: covers nothing
}

WRONG(copy_overtaken) {
  if (tl_thread() == 0) tl_copy_async(0, X, 16);
  if (tl_thread() == 0) tl_shared_put_f32(12, 1);
}

WRONG(copy_large) {
  tl_copy_async(0, X, 32);
}

WRONG(copy_many) {
  for (tl_u32 i = 0; i < 100; i++)
    tl_copy_async(0, X, 16);
}

WRONG(early_load) {
  if (tl_thread() < 40) tl_wait_for_launch();
  tl_load_f32(arguments.at[3].p, tl_thread());
}

WRONG(early_store) {
  tl_store_f32(arguments.at[3].p, tl_thread(), 1);
  tl_wait_for_launch();
}

WRONG(early_copy) {
  tl_copy_async(0, arguments.at[3].p, 16);
}

typedef struct wrong {
  tl_shim_kernel kernel;
  const char *fault;
} wrong;

static const wrong wrongs[] = {
    {global_end, "tl_load_f32: bounds: 4 bytes at offset 256 of x, which has 256 (block "},
    {global_begin, "tl_load_f32: bounds: 4 bytes at offset -4 of x"},
    {global_unknown, "tl_load_f32: bounds: "},
    {global_misaligned, "tl_load_f32: alignment: 4 bytes at offset 2 of x"},
    {global_read_only, "tl_store_f32: bounds: x may not be written"},
    {global_write_only, "tl_load_f32: bounds: y may not be read"},
    {stream_of_written, "tl_load_stream: bounds: z may be written"},
    {shared_end,
     "tl_shared_put_f32: bounds: 4 bytes at offset 256 of shared memory, which has 256"},
    {shared_misaligned, "tl_shared_u32: alignment: 4 bytes at offset 2 of shared memory"},
    {row_misaligned, "tl_matrices: alignment: 16 bytes at offset "},
    {copy_misaligned, "tl_copy_async: alignment: a copy's source"},
    {copy_end, "tl_copy_async: bounds: y may not be read"},
    {race_of_writers, "tl_shared_put_u32: race: warp"},
    {race_after_reading, "race: warp"},
    {race_with_copy, "race: warp"},
    {race_no_barrier, "race: warp"},
    {lane_reads, "race: a lane"},
    {lane_writes, "race: a lane"},
    {lane_copies, "tl_copy_async: race: a lane writes shared memory"},
    {barrier_of_half, "deadlock: 64 live, 32 at the barrier; 16 lanes of warp 0 at "},
    {collective_of_half, "deadlock: 32 live, 0 at the barrier; 16 lanes of warp 0 at "},
    {two_barriers, "tl_barrier: divergence: 32 threads are at the barrier "},
    {two_collectives, "tl_from_lane_xor: divergence: "},
    {no_lane, "tl_from_lane: bounds: there is no lane 32"},
    {copy_left, "tl_copy_async: copy: 1 under way when the thread ended"},
    {copy_overtaken, "tl_shared_put_f32: copy: one is under way to offset 12"},
    {copy_large, "tl_copy_async: copy: of 32 bytes"},
    {copy_many, "tl_copy_async: copy: more than 64 under way"},
    {early_load, "tl_load_f32: early: w comes from an earlier launch"},
    {early_store, "tl_store_f32: early: w"},
    {early_copy, "tl_copy_async: early: w"},
};

static void test_faults(void) {
  static struct {
    _Alignas(16) float x[64], y[64], z[64], w[64]; // neighbours: only ranges part them
  } m;
  for (int i = 0; i < 64; i++)
    m.x[i] = (float)i;
  for (uint64_t seed = 0; seed < 4; seed++) {
    tl_shim *shim = tl_shim_create(seed);
    CHECK(
        tl_shim_memory(shim, m.w, sizeof m.w, TL_SHIM_READ | TL_SHIM_WRITE | TL_SHIM_EARLIER, "w"));
    CHECK(tl_shim_memory(shim, m.y, sizeof m.y, TL_SHIM_WRITE, "y"));
    CHECK(tl_shim_memory(shim, m.x, sizeof m.x, TL_SHIM_READ, "x"));
    CHECK(tl_shim_memory(shim, m.z, sizeof m.z, TL_SHIM_READ | TL_SHIM_WRITE, "z"));
    CHECK(!tl_shim_memory(shim, m.x + 63, 4, TL_SHIM_READ, "overlap"));
    CHECK(!tl_shim_memory(shim, m.x, sizeof m.x + 4, TL_SHIM_READ, "overlap"));
    tl_arguments arguments = {.at = {{.p = m.x}, {.p = m.y}, {.p = m.z}, {.p = m.w}}};
    tl_shim_grid grid = {.arguments = &arguments, .step = &grid, .blocks = 3, .threads = 64};
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
      grid.kernel = wrongs[i].kernel;
      grid.shared_bytes = 256;
      expect(shim, tl_shim_launch(shim, &grid), wrongs[i].fault);
      CHECK(strncmp(tl_shim_fault(shim), "deadlock", 8) == 0 ||
            strstr(tl_shim_fault(shim), "cuda_shim_test.c:"));
      grid.kernel = in_order; // a fault leaves nothing behind
      CHECK(tl_shim_launch(shim, &grid) && !tl_shim_fault(shim)[0]);
      for (int j = 0; j < 64; j++)
        CHECK(m.y[j] == (float)(63 - j));
    }
    grid.kernel = in_order_of_one_warp;
    CHECK(tl_shim_launch(shim, &grid) && m.y[0] == 7 && m.y[31] == 7 && m.y[32] == 31);
    grid.threads = 40;
    expect(shim, tl_shim_launch(shim, &grid), "grid: 3 blocks of 40 threads");
    tl_shim_destroy(shim);
  }
}

// ---- blocks that exchange: 64 parts of each, their sums by the last to come

enum { BLOCKS = 5 };

typedef struct exchanged {
  float parts[BLOCKS * 64], sums[64];
  uint32_t came[64]; // blocks, as each thread counts them
  uint32_t counter;
} exchanged;

typedef enum mistake {
  NO_MISTAKE,
  WRITER_HAS_NO_BARRIER,
  WRITER_DOES_NOT_ARRIVE,
  READER_DOES_NOT_ARRIVE,
  READER_HAS_NO_BARRIER,
  NEIGHBOUR_HAS_NO_BARRIER,
  NOTHING_WRITTEN,
  COUNTER_LEFT,
  MISTAKES
} mistake;

// at: parts, sums, came, counter, a mistake
KERNEL(64, exchange) {
  tl_i64 i = tl_thread(), own = tl_block() * 64 + i, made = arguments.at[4].i;
  tl_u32 came = tl_load_u32(arguments.at[2].p, i);
  bool last = came + 1 == BLOCKS;
  tl_store_u32(arguments.at[2].p, i, last ? 0 : came + 1);
  if (made != NOTHING_WRITTEN) tl_store_f32(X, own, (float)own);
  if (made == NEIGHBOUR_HAS_NO_BARRIER) tl_load_f32(X, own ^ 1);
  if (made != WRITER_HAS_NO_BARRIER || last) tl_barrier();
  if (i == 0 && made != (last ? READER_DOES_NOT_ARRIVE : WRITER_DOES_NOT_ARRIVE)) {
    tl_u32 before = tl_arrive(arguments.at[3].p, 0, BLOCKS);
    if (made == NO_MISTAKE && (before == BLOCKS - 1) != last) tl_load_f32(X, -1);
  }
  if (made != READER_HAS_NO_BARRIER) tl_barrier();
  float sum = 0;
  for (tl_i64 block = 0; last && block < BLOCKS; block++)
    sum += tl_load_f32(X, block * 64 + (i + 1) % 64);
  if (last) tl_store_f32(Y, i, sum);
}

static bool run_exchange(tl_shim *shim, exchanged *m, mistake made) {
  int both = TL_SHIM_READ | TL_SHIM_WRITE;
  memset(m, 0, sizeof *m);
  m->counter = made == COUNTER_LEFT ? BLOCKS : 0;
  tl_shim_memory_clear(shim);
  CHECK(tl_shim_memory(shim, m->parts, sizeof m->parts, both | TL_SHIM_EXCHANGE, "parts"));
  CHECK(tl_shim_memory(shim, m->sums, sizeof m->sums, TL_SHIM_WRITE, "sums"));
  CHECK(tl_shim_memory(shim, m->came, sizeof m->came, both, "came"));
  CHECK(tl_shim_memory(shim, &m->counter, sizeof m->counter, both, "counter"));
  tl_arguments arguments = {
      .at = {{.p = m->parts}, {.p = m->sums}, {.p = m->came}, {.p = &m->counter}, {.i = made}}};
  tl_shim_grid grid = {
      .kernel = exchange, .arguments = &arguments, .blocks = BLOCKS, .threads = 64};
  return tl_shim_launch(shim, &grid) && (made || tl_shim_launch(shim, &grid));
}

static void test_exchange(void) {
  static exchanged m;
  static const char *const faults[MISTAKES] = {
      [WRITER_HAS_NO_BARRIER] = "did not arrive since",
      [WRITER_DOES_NOT_ARRIVE] = "did not arrive since",
      [READER_DOES_NOT_ARRIVE] = "the reader did not arrive",
      [READER_HAS_NO_BARRIER] = "exchange: ",
      [NEIGHBOUR_HAS_NO_BARRIER] = "exchange: ",
      [NOTHING_WRITTEN] = "was not written by this launch",
      [COUNTER_LEFT] = "tl_arrive: exchange: 5 of 5 blocks came already",
  };
  for (uint64_t seed = 0; seed < 8; seed++) {
    tl_shim *shim = tl_shim_create(seed);
    for (int made = NO_MISTAKE + 1; made < MISTAKES; made++)
      expect(shim, run_exchange(shim, &m, (mistake)made), faults[made]);
    CHECK(run_exchange(shim, &m, NO_MISTAKE) && m.counter == 0);
    for (int i = 0; i < 64; i++)
      CHECK(m.sums[i] == (float)(5 * ((i + 1) % 64) + 64 * 10));
    tl_shim_destroy(shim);
  }
}

// ---- clusters of two blocks

#define OTHER (1 - tl_block() % 2)

WRONG(cluster_in_order) {
  tl_i32 i = tl_thread();
  tl_cluster_begin();
  tl_cluster_wait();
  tl_cluster_put_f32(OTHER, (tl_u32)i * 4, tl_load_f32(X, i) + (float)tl_block());
  tl_cluster_arrive();
  tl_cluster_wait();
  tl_barrier();
  if (tl_block() == 2) tl_store_f32(Y, i, tl_shared_f32((tl_u32)(63 - i) * 4));
}

WRONG(cluster_early) {
  tl_cluster_put_f32(OTHER, (tl_u32)tl_thread() * 4, 1);
}

WRONG(cluster_race) {
  tl_cluster_begin();
  tl_cluster_wait();
  tl_cluster_put_f32(OTHER, (tl_u32)tl_thread() * 4, 1);
  tl_shared_f32((tl_u32)tl_thread() * 4);
  tl_cluster_arrive();
  tl_cluster_wait();
}

WRONG(cluster_race_of_writers) {
  tl_cluster_begin();
  tl_cluster_wait();
  tl_cluster_put_f32(0, (tl_u32)tl_thread() * 4, 1);
  tl_cluster_arrive();
  tl_cluster_wait();
}

WRONG(cluster_ended) {
  tl_cluster_begin();
  tl_cluster_wait();
  tl_barrier();
  if (tl_block() % 2) return;
  tl_cluster_put_f32(OTHER, (tl_u32)tl_thread() * 4, 1);
  tl_cluster_arrive();
  tl_cluster_wait();
  tl_cluster_put_f32(OTHER, (tl_u32)tl_thread() * 4, 1);
}

WRONG(cluster_no_block) {
  tl_cluster_begin();
  tl_cluster_wait();
  tl_cluster_put_f32(2, 0, 1);
}

WRONG(cluster_end) {
  tl_cluster_begin();
  tl_cluster_wait();
  tl_cluster_put_f32(OTHER, 256, 1);
}

WRONG(cluster_twice) {
  tl_cluster_begin();
  tl_cluster_arrive();
}

WRONG(cluster_unpaired) {
  tl_cluster_wait();
}

// Some of one block do not come.
WRONG(cluster_of_half) {
  if (tl_block() % 2 && tl_thread() < 32) tl_barrier();
  tl_cluster_begin();
  tl_cluster_wait();
}

static const wrong cluster_wrongs[] = {
    {cluster_early, "tl_cluster_put_f32: early: block "},
    {cluster_race, "race: shared memory at offset "},
    {cluster_race_of_writers, "tl_cluster_put_f32: race: shared memory at offset "},
    {cluster_ended, "tl_cluster_put_f32: bounds: block "},
    {cluster_no_block, "tl_cluster_put_f32: bounds: there is no block 2 in the cluster"},
    {cluster_end, "tl_cluster_put_f32: bounds: 4 bytes at offset 256"},
    {cluster_twice, "tl_cluster_arrive: pairing: arrived already"},
    {cluster_unpaired, "tl_cluster_wait: pairing: waits without"},
    {cluster_of_half, "deadlock: "},
};

static void test_clusters(void) {
  float x[64], y[64];
  for (int i = 0; i < 64; i++)
    x[i] = (float)i;
  for (uint64_t seed = 0; seed < 8; seed++) {
    tl_shim *shim = tl_shim_create(seed);
    CHECK(tl_shim_memory(shim, x, sizeof x, TL_SHIM_READ, "x"));
    CHECK(tl_shim_memory(shim, y, sizeof y, TL_SHIM_WRITE, "y"));
    tl_arguments arguments = {.at = {{.p = x}, {.p = y}}};
    tl_shim_grid grid = {
        .arguments = &arguments, .blocks = 6, .threads = 64, .cluster = 2, .shared_bytes = 256};
    for (size_t i = 0; i < sizeof cluster_wrongs / sizeof *cluster_wrongs; i++) {
      grid.kernel = cluster_wrongs[i].kernel;
      expect(shim, tl_shim_launch(shim, &grid), cluster_wrongs[i].fault);
      grid.kernel = cluster_in_order;
      CHECK(tl_shim_launch(shim, &grid) && !tl_shim_fault(shim)[0]);
      for (int j = 0; j < 64; j++)
        CHECK(y[j] == (float)(63 - j) + 3);
    }
    grid.blocks = 5;
    expect(shim, tl_shim_launch(shim, &grid), "grid: 5 blocks of 64 threads");
    tl_shim_destroy(shim);
  }
}

// ---- what is not wrong

// y (32, 8) u32: what each lane gets of matrices and of other lanes; x (32, 8) u16.
KERNEL(32, lanes) {
  tl_i32 lane = tl_thread();
  tl_u32 out[4], at = (tl_u32)(lane * 16);
  tl_wait_for_launch();
  tl_copy_async(at, (const char *)X + at, lane == 31 ? 6 : 16);
  tl_copy_commit();
  tl_copy_commit(); // an empty group counts
  tl_copy_wait(1);
  tl_barrier();
  tl_matrices_turned(out, at);
  for (int i = 0; i < 4; i++)
    tl_store_u32(Y, lane * 8 + i, out[i]);
  tl_matrices(out, at);
  tl_store_u32(Y, lane * 8 + 4, out[3]);
  tl_store_f32(Y, lane * 8 + 5, tl_from_lane_xor((float)lane, 5));
  tl_store_f32(Y, lane * 8 + 6, tl_from_lane((float)lane, (lane + 1) % 32));
  tl_store_u32(Y, lane * 8 + 7, tl_shared_u32(512));
  tl_allow_next_launch();
}

static void test_lanes(void) {
  _Alignas(16) uint16_t x[32 * 8];
  uint32_t y[32 * 8];
  for (int i = 0; i < 32 * 8; i++)
    x[i] = (uint16_t)(i + 1);
  tl_shim *shim = tl_shim_create(3);
  CHECK(tl_shim_memory(shim, x, sizeof x, TL_SHIM_READ | TL_SHIM_EARLIER, "x"));
  CHECK(tl_shim_memory(shim, y, sizeof y, TL_SHIM_WRITE, "y"));
  tl_arguments arguments = {.at = {{.p = x}, {.p = y}}};
  tl_shim_grid grid = {
      .kernel = lanes, .arguments = &arguments, .blocks = 1, .threads = 32, .shared_bytes = 516};
  CHECK(tl_shim_launch(shim, &grid));
  memset(x + 32 * 8 - 5, 0, 10); // not copied, but zero
  for (int lane = 0; lane < 32; lane++) {
    const uint32_t *got = y + (ptrdiff_t)lane * 8;
    int g = lane / 4, t = lane % 4 * 2;
    for (int i = 0; i < 4; i++)
      CHECK(got[i] == (x[i * 64 + t * 8 + g] | (uint32_t)x[i * 64 + t * 8 + 8 + g] << 16));
    CHECK(got[4] == (x[192 + g * 8 + t] | (uint32_t)x[192 + g * 8 + t + 1] << 16));
    CHECK(tl_f32_from_bits(got[5]) == (float)(lane ^ 5));
    CHECK(tl_f32_from_bits(got[6]) == (float)((lane + 1) % 32));
    CHECK(got[7] == 0xFFFFFFFF);
  }
  tl_shim_destroy(shim);
}

KERNEL(32, writes_late) {
  tl_wait_for_launch();
  if (tl_thread() == 0) tl_store_f32(Y, 7, 2);
}

KERNEL(32, reads_at_once) {
  tl_load_f32(Y, tl_thread() + (X ? 8 : 0));
}

static void test_kept(void) {
  static float x[40], y[40];
  tl_shim *shim = tl_shim_create(1);
  int flags = TL_SHIM_READ | TL_SHIM_WRITE | TL_SHIM_EARLIER | TL_SHIM_KEPT;
  CHECK(tl_shim_memory(shim, y, sizeof y, flags, "y"));
  tl_arguments first = {.at = {{.p = NULL}, {.p = y}}}, others = {.at = {{.p = x}, {.p = y}}};
  tl_shim_grid grid = {.kernel = reads_at_once, .arguments = &first, .blocks = 1, .threads = 32};
  tl_shim_count(shim, true);
  CHECK(tl_shim_launch(shim, &grid) && tl_shim_launch(shim, &grid));
  tl_shim_traffic counted = tl_shim_counted(shim);
  CHECK(counted.read == 256 && counted.unique == 128);
  grid.kernel = writes_late;
  CHECK(tl_shim_launch(shim, &grid));
  grid.kernel = reads_at_once;
  expect(shim, tl_shim_launch(shim, &grid), "tl_load_f32: early: y");
  grid.arguments = &others; // all but what was written
  CHECK(tl_shim_launch(shim, &grid));
  CHECK(tl_shim_memory(shim, y, sizeof y, flags, "y")); // a new step
  grid.arguments = &first;
  CHECK(tl_shim_launch(shim, &grid));
  tl_shim_destroy(shim);
}

// y[i]: x[i] as two bf16, each widened and rounded again; z[i]: x[i] as f32, rounded.
KERNEL(64, round_trip) {
  tl_i64 i = tl_block() * 64 + tl_thread();
  tl_u32 pair = tl_load_u32(X, i);
  tl_store_u32(Y, i, tl_pack_bf16(tl_bits_f32(pair << 16), tl_bits_f32(pair & 0xFFFF0000u)));
  tl_store_u32(arguments.at[2].p, i, tl_pack_bf16(tl_bits_f32(pair), tl_max(0, 1)));
}

static uint16_t one_nan(uint16_t half) {
  return (half & 0x7FFF) > 0x7F80 ? 0x7FFF : half;
}

static void test_bf16(void) {
  enum { PAIRS = 65536 };
  static uint32_t x[PAIRS], y[PAIRS], z[PAIRS];
  uint32_t state = 9;
  for (uint32_t i = 0; i < PAIRS; i++) // all numbers above; below ties, their neighbours and any
    x[i] = i << 16 | (i % 7 < 3 ? 0x7FFF + i % 7 : draw(&state) & 0xFFFF);
  tl_shim *shim = tl_shim_create(1);
  CHECK(tl_shim_memory(shim, x, sizeof x, TL_SHIM_READ, "x"));
  CHECK(tl_shim_memory(shim, y, sizeof y, TL_SHIM_WRITE, "y"));
  CHECK(tl_shim_memory(shim, z, sizeof z, TL_SHIM_WRITE, "z"));
  tl_arguments arguments = {.at = {{.p = x}, {.p = y}, {.p = z}}};
  tl_shim_grid grid = {
      .kernel = round_trip, .arguments = &arguments, .blocks = PAIRS / 64, .threads = 64};
  CHECK(tl_shim_launch(shim, &grid));
  for (uint32_t i = 0; i < PAIRS; i++) {
    CHECK(y[i] == (one_nan((uint16_t)x[i]) | (uint32_t)one_nan((uint16_t)(x[i] >> 16)) << 16));
    CHECK(z[i] == (one_nan(tl_f32_to_bf16(tl_f32_from_bits(x[i]))) | 0x3F800000u));
  }
  tl_shim_destroy(shim);
}

// y[i]: the i-th warp to come.
KERNEL(1024, queue) {
  if (tl_thread() % 32) return;
  tl_u32 count = tl_load_u32(Y, 32);
  tl_store_u32(Y, count, (tl_u32)tl_thread() / 32);
  tl_store_u32(Y, 32, count + 1);
}

static void test_order(void) {
  uint32_t y[3][33] = {{0}};
  for (int i = 0; i < 3; i++) {
    tl_shim *shim = tl_shim_create(i == 2 ? 0 : (uint64_t)i);
    CHECK(tl_shim_memory(shim, y[i], sizeof y[i], TL_SHIM_READ | TL_SHIM_WRITE, "y"));
    tl_arguments arguments = {.at = {[1] = {.p = y[i]}}};
    tl_shim_grid grid = {.kernel = queue, .arguments = &arguments, .blocks = 1, .threads = 1024};
    CHECK(tl_shim_launch(shim, &grid) && tl_shim_resumes(shim) == 1024);
    uint32_t seen = 0;
    for (int j = 0; j < 32; j++)
      seen |= 1u << y[i][j];
    CHECK(y[i][32] == 32 && seen == 0xFFFFFFFF);
    tl_shim_destroy(shim);
  }
  CHECK(memcmp(y[0], y[1], sizeof y[0]) != 0 && memcmp(y[0], y[2], sizeof y[0]) == 0);
}

// y[i]: what lane 31 - i wrote, if it came earlier; nothing makes sure of that.
KERNEL(32, neighbours) {
  tl_i32 lane = tl_thread();
  tl_store_u32(Y, 32 + lane, 5);
  tl_store_u32(Y, lane, tl_load_u32(Y, 32 + 31 - lane));
}

static void test_lane_order(void) {
  int first = 0, last = 0;
  for (uint64_t seed = 0; seed < 16; seed++) {
    uint32_t y[64] = {0};
    tl_shim *shim = tl_shim_create(seed);
    CHECK(tl_shim_memory(shim, y, sizeof y, TL_SHIM_READ | TL_SHIM_WRITE, "y"));
    tl_arguments arguments = {.at = {[1] = {.p = y}}};
    tl_shim_grid grid = {.kernel = neighbours, .arguments = &arguments, .blocks = 1, .threads = 32};
    CHECK(tl_shim_launch(shim, &grid) && y[0] + y[31] == 5);
    first += y[0] == 5;
    last += y[31] == 5;
    tl_shim_destroy(shim);
  }
  CHECK(first && last);
}

int main(void) {
  test_lanes();
  test_kept();
  test_bf16();
  test_order();
  test_lane_order();
  test_gemm();
  test_faults();
  test_exchange();
  test_clusters();
  return 0;
}
