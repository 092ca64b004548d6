// Attention's CUDA kernels on the CPU, behind the stand-in for their dialect: contexts over several
// pages and spans, windows and chunks that cross them, sequences of many lengths in a step; a row's
// bits do not depend on its company where that is promised.
//
//   cuda_attention_test ROOT COMPILER [TEMPLATE]      sources are compiled with paths from ROOT
#include <dlfcn.h>
#include <string.h>

#include "tests/lib/check.h"
#include "tests/lib/cuda/shim.h"
#include "tests/lib/cuda_attention.h"
#include "tests/lib/cuda_load.h"

enum { STEPS_MAX = 8 };

typedef struct place {
  tl_cuda_place compiled;
  void *module;
  tl_shim_kernel kernel;
  int threads;
  int64_t shared_bytes;
} place;

static void load(place *p, const tl_cuda_attention_kernel *kernel) {
  p->kernel = tl_cuda_load(&p->compiled, &kernel->spec, kernel->template, &p->module);
  p->threads = kernel->threads;
  p->shared_bytes = kernel->shared_bytes;
}

static void give_memory(tl_shim *shim, const tl_cuda_attention *a) {
  static const char *const names[] = {"q", "out", "pages", "parts", "counters", "step"};
  static const int flags[] = {TL_SHIM_READ | TL_SHIM_EARLIER,
                              TL_SHIM_WRITE | TL_SHIM_EARLIER,
                              0,
                              TL_SHIM_READ | TL_SHIM_WRITE | TL_SHIM_EARLIER | TL_SHIM_EXCHANGE,
                              TL_SHIM_READ | TL_SHIM_WRITE | TL_SHIM_EARLIER,
                              TL_SHIM_READ};
  for (int i = 0; i < TL_CUDA_ATTENTION_BUFFERS; i++) {
    const tl_cuda_attention_memory *m = &a->memory[i];
    if (i != TL_CUDA_ATTENTION_POOL && m->bytes)
      CHECK(tl_shim_memory(shim, m->at, m->bytes, flags[i], names[i]));
  }
  // What an earlier step wrote may be read before the launch before has ended.
  const char *pool = a->memory[TL_CUDA_ATTENTION_POOL].at;
  for (int page = 0; page < a->pages_count; page++) {
    int early = tl_cuda_attention_page_is_new(a, page) || a->variant.way != TL_CUDA_ATTENTION_FEW;
    CHECK(tl_shim_memory(shim, pool + page * a->page_bytes, (size_t)a->page_bytes,
                         TL_SHIM_READ | (early ? TL_SHIM_EARLIER : 0), "page"));
  }
}

// Twice, with what the first left in memory.
static void run(const place *p, const tl_cuda_attention *a, uint64_t seed) {
  tl_shim *shim = tl_shim_create(seed);
  void *at[TL_CUDA_ATTENTION_BUFFERS];
  for (int i = 0; i < TL_CUDA_ATTENTION_BUFFERS; i++)
    at[i] = a->memory[i].at;
  tl_arguments arguments = tl_cuda_attention_arguments(a, at);
  tl_shim_grid grid = {.kernel = p->kernel,
                       .arguments = &arguments,
                       .step = at[TL_CUDA_ATTENTION_STEP],
                       .blocks = a->blocks,
                       .threads = p->threads,
                       .shared_bytes = p->shared_bytes};
  give_memory(shim, a);
  for (int i = 0; i < 2; i++) {
    memset(at[TL_CUDA_ATTENTION_OUT], 0xFF, a->memory[TL_CUDA_ATTENTION_OUT].bytes);
    if (!tl_shim_launch(shim, &grid)) {
      fprintf(stderr, "%s\n", tl_shim_fault(shim));
      CHECK(!"a kernel is at fault");
    }
  }
  tl_shim_destroy(shim);
}

static void test(const char *const *argv, const tl_cuda_attention_shape *shape,
                 const tl_cuda_attention_variant *variant, uint64_t seed) {
  static tl_cuda_attention_kernel kernel;
  static tl_cuda_attention a[STEPS_MAX];
  place p = {.compiled = {argv[1], argv[2]}};
  CHECK(tl_cuda_attention_steps_count <= STEPS_MAX);
  tl_cuda_attention_kernel_make(shape, variant, &kernel);
  load(&p, &kernel);
  bool is_dealt = variant->way == TL_CUDA_ATTENTION_FEW || variant->way == TL_CUDA_ATTENTION_LATENT;
  bool own_bits = !shape->full && (!is_dealt || variant->span > 0);
  int common = 0;
  for (int i = 0; i < tl_cuda_attention_steps_count; i++) {
    tl_cuda_attention_init(&a[i], shape, variant, tl_cuda_attention_steps[i].blocks,
                           tl_cuda_attention_steps[i].parts, tl_cuda_attention_steps[i].count);
    run(&p, &a[i], seed * STEPS_MAX + (uint64_t)i);
    CHECK(tl_cuda_attention_check(&a[i]) == 0);
    for (int j = 0; j < i && own_bits; j++) {
      int same = tl_cuda_attention_common(&a[i], &a[j]);
      CHECK(same >= 0);
      common += same;
    }
  }
  CHECK(!own_bits || common > 70);
  for (int i = 0; i < tl_cuda_attention_steps_count; i++)
    tl_cuda_attention_finish(&a[i]);
  dlclose(p.module); // NOLINT(*.NonNullParamChecker): load opened it
}

// More pieces than a warp has lanes.
static void test_many_sequences(const char *const *argv, int span) {
  static const tl_cuda_attention_shape shape = {64, 64, 1, 4, 0, 0, 0, true, true, 0, false};
  static const tl_cuda_attention_variant variant = {
      .way = TL_CUDA_ATTENTION_FEW, .threads = 64, .piece = 64, .rows_few = 70, .stages = 2};
  tl_cuda_attention_part parts[33];
  static tl_cuda_attention_kernel kernel;
  static tl_cuda_attention a;
  for (int i = 0; i < 33; i++)
    parts[i] = (tl_cuda_attention_part){i, i * 37 % 150, 1 + i % 5};
  place p = {.compiled = {argv[1], argv[2]}};
  tl_cuda_attention_variant own = variant;
  own.span = span;
  tl_cuda_attention_kernel_make(&shape, &own, &kernel);
  load(&p, &kernel);
  for (int count = 32; count <= 33; count++) {
    tl_cuda_attention_init(&a, &shape, &own, 30, parts, count);
    run(&p, &a, (uint64_t)span);
    CHECK(tl_cuda_attention_check(&a) == 0);
    tl_cuda_attention_finish(&a);
  }
  dlclose(p.module);
}

// ---- steps with many rows of some sequences and few of others: two launches

static bool is_poison(const char *row, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) {
    if (row[i] != (char)0xFF) return false;
  }
  return true;
}

// Each row is written by one of the two; `to` gets those of `from`.
static void join(const tl_cuda_attention *to, const tl_cuda_attention *from) {
  size_t bytes = to->memory[TL_CUDA_ATTENTION_OUT].bytes / (size_t)to->rows_count;
  for (int row = 0; row < to->rows_count; row++) {
    char *own = (char *)to->memory[TL_CUDA_ATTENTION_OUT].at + (size_t)row * bytes;
    const char *other = (char *)from->memory[TL_CUDA_ATTENTION_OUT].at + (size_t)row * bytes;
    CHECK(is_poison(own, bytes) != is_poison(other, bytes));
    if (is_poison(own, bytes)) memcpy(own, other, bytes);
  }
}

static void test_shared_step(const char *const *argv) {
  static const tl_cuda_attention_shape shape = {64, 64, 1, 4, 0, 0, 0, true, true, 0, false};
  static const tl_cuda_attention_part parts[] = {{0, 100, 16}, {1, 70, 1},   {2, 3, 81},
                                                 {3, 149, 17}, {4, 150, 64}, {5, 150, 65}};
  static tl_cuda_attention_kernel kernel;
  static tl_cuda_attention a[2];
  for (int i = 0; i < 2; i++) {
    tl_cuda_attention_variant variant = tl_cuda_attention_variant_for(
        &shape, i ? TL_CUDA_ATTENTION_MANY : TL_CUDA_ATTENTION_FEW, 228 << 10);
    CHECK(variant.rows_few == 16 && variant.rows_far == 64);
    variant.far = 150;
    place p = {.compiled = {argv[1], argv[2]}};
    tl_cuda_attention_kernel_make(&shape, &variant, &kernel);
    load(&p, &kernel);
    tl_cuda_attention_init(&a[i], &shape, &variant, 20, parts, 6);
    run(&p, &a[i], 1);
    dlclose(p.module);
  }
  join(&a[0], &a[1]);
  CHECK(tl_cuda_attention_check(&a[0]) == 0);
  for (int i = 0; i < 2; i++)
    tl_cuda_attention_finish(&a[i]);
}

// Latent rows: sequences of more than 16 rows and at most 144 positions are other kernels', if
// those before them leave room.
static void test_left_out(const char *const *argv, const tl_cuda_attention_trial *trial,
                          const tl_cuda_attention_part *parts, const bool *is_left_out, int count) {
  static tl_cuda_attention_kernel kernel;
  static tl_cuda_attention a[2];
  tl_cuda_attention_variant variant = trial->variant;
  place p = {.compiled = {argv[1], argv[2]}};
  tl_cuda_attention_kernel_make(&trial->shape, &variant, &kernel);
  load(&p, &kernel);
  for (int i = 0; i < 2; i++) {
    variant.rows_few = i ? 16 : 1 << 30;
    variant.far = 144;
    tl_cuda_attention_init(&a[i], &trial->shape, &variant, 20, parts, count);
    run(&p, &a[i], 1);
  }
  CHECK(tl_cuda_attention_check(&a[0]) == 0);
  char *own = a[1].memory[TL_CUDA_ATTENTION_OUT].at;
  const char *whole = a[0].memory[TL_CUDA_ATTENTION_OUT].at;
  size_t bytes = a[1].memory[TL_CUDA_ATTENTION_OUT].bytes / (size_t)a[1].rows_count;
  for (int i = 0; i < count; i++) {
    for (int r = 0; r < parts[i].rows; r++, own += bytes, whole += bytes) {
      CHECK(is_poison(own, bytes) == is_left_out[i]);
      if (is_left_out[i]) memcpy(own, whole, bytes);
    }
  }
  CHECK(tl_cuda_attention_check(&a[1]) == 0);
  for (int i = 0; i < 2; i++)
    tl_cuda_attention_finish(&a[i]);
  dlclose(p.module);
}

static void test_all_left_out(const char *const *argv, const tl_cuda_attention_trial *trial) {
  static const tl_cuda_attention_part parts[] = {{0, 100, 16}, {1, 70, 17}, {2, 128, 17},
                                                 {3, 3, 38},   {4, 0, 17},  {5, 0, 1}};
  static const bool is_left_out[] = {false, true, false, true, false, false};
  test_left_out(argv, trial, parts, is_left_out, 6);
  // Want of room right behind the first, and behind as many as a warp has lanes.
  static const tl_cuda_attention_part two[] = {{0, 70, 17}, {1, 43, 17}};
  static const bool is_first_left_out[] = {true, false}, is_last_but_one[33] = {[31] = true};
  test_left_out(argv, trial, two, is_first_left_out, 2);
  tl_cuda_attention_part many[33];
  for (int i = 0; i < 33; i++)
    many[i] = i < 31 ? (tl_cuda_attention_part){i, i, 1}
                     : (tl_cuda_attention_part){i, two[i - 31].first_position, two[i - 31].rows};
  test_left_out(argv, trial, many, is_last_but_one, 33);
}

int main(int argc, char **argv) {
  static tl_cuda_attention_kernel kernel;
  CHECK(argc == 3 || argc == 4);
  for (int i = 0; i < tl_cuda_attention_trials_count; i++) {
    const tl_cuda_attention_trial *trial = &tl_cuda_attention_trials[i];
    tl_cuda_attention_kernel_make(&trial->shape, &trial->variant, &kernel);
    if (argc == 3 || strcmp(argv[3], kernel.template) == 0)
      test((const char *const *)argv, &trial->shape, &trial->variant, (uint64_t)i);
    if (trial->shape.turned && (argc == 3 || strcmp(argv[3], kernel.template) == 0))
      test_all_left_out((const char *const *)argv, trial);
  }
  for (int span = 0; span < 2; span++)
    test_many_sequences((const char *const *)argv, span);
  test_shared_step((const char *const *)argv);
  return 0;
}
