// The kernel that finds a row's likeliest ids on the CPU, behind the stand-in for its dialect,
// against a sort: rows of all kinds, ties, tails, what is no number, rows that ask for nothing,
// several orders of warps and blocks.
//
//   cuda_candidates_test ROOT COMPILER      sources are compiled with paths from ROOT
#include <dlfcn.h>
#include <math.h>
#include <string.h>

#include "runtime/base/plan.h"
#include "tests/lib/check.h"
#include "tests/lib/cuda_load.h"

enum { COLUMNS_MAX = 262144, ROWS = 7, ROWS_ASKED = 6, BLOCKS_MAX = 64, POISON = 0x7a };

// What the code generator would choose, or less, so that few columns make many blocks.
typedef struct sizes {
  int columns, threads, each, listed, kinds;
} sizes;

static const sizes all_sizes[] = {
    {1, 512, 16, 128, 14},   {515, 512, 16, 128, 14},  {515, 64, 4, 8, 14}, {8192, 512, 16, 128, 3},
    {8193, 512, 16, 128, 3}, {2000, 32, 4, 8, 14},     {256, 64, 4, 8, 14}, {257, 32, 8, 4, 14},
    {129, 32, 4, 2, 14},     {262144, 512, 16, 128, 1}};

static const float asked[ROWS] = {1, 0, 0.25f, -1, 40, 1e-6f, 1};

static _Alignas(64) float x[ROWS][COLUMNS_MAX];
static _Alignas(64) int32_t best[ROWS][TL_PLAN_BEST_BYTES / 4], counters[ROWS][16];
static _Alignas(64) tl_step_candidate list[ROWS][TL_STEP_CANDIDATES];
static _Alignas(64) char parts[ROWS * BLOCKS_MAX * (16 + TL_STEP_CANDIDATES * 8)];

static struct {
  tl_step step;
  float asked[ROWS];
} step;

static uint32_t state = 7;

static float noise(void) {
  state = state * 1664525u + 1013904223u;
  return (float)(state >> 8) / (float)(1 << 24);
}

// ---- rows

static float value_of(int kind, int column, int columns) {
  float u = noise();
  switch (kind) {
  case 0: return u * 24 - 8;
  case 1: return floorf(u * 3) - 1; // few values
  case 2: return u < 0.3f ? -INFINITY : 8 * u * u - 4;
  case 3: return -2; // one value
  case 4: return (float)column / (float)columns;
  case 5: return -(float)column;
  case 6: return u < 0.5f ? -0.0f : 0.0f;
  case 7: return (u - 0.5f) * 1e-39f; // below the normal numbers
  case 8: return (2 * u - 1) * 3e38f;
  case 9: return -INFINITY;
  case 10: return column == columns - 1 ? NAN : u;
  case 11: return column == 0 ? -NAN : u;
  case 12: return u < 0.6f ? -1e30f : column % 100 == 7 ? INFINITY : u;
  default: return column == columns / 2 ? 1 : u < 0.9f ? -INFINITY : -u;
  }
}

// Every row is another one; what follows its columns must not be looked at.
static void fill(const sizes *s, int kind) {
  int row_values = (s->columns + 63) / 64 * 64;
  float *values = &x[0][0];
  for (int row = 0; row < ROWS; row++)
    for (int i = 0; i < row_values; i++)
      *values++ = i < s->columns ? value_of(kind, i, s->columns) : NAN;
}

static const float *row_at(const sizes *s, int row) {
  return &x[0][0] + (size_t)row * (size_t)((s->columns + 63) / 64 * 64);
}

// ---- what must be found

typedef struct item {
  float value;
  int id;
} item;

static int compare(const void *a, const void *b) {
  const item *p = a, *q = b;
  if (p->value != q->value) return p->value > q->value ? -1 : 1;
  return p->id - q->id;
}

static int compare_ids(const void *a, const void *b) {
  return ((const item *)a)->id - ((const item *)b)->id;
}

// The choosable values, largest first; -1 if one is no number.
static int sort(const sizes *s, const float *row, item *out) {
  int count = 0;
  for (int i = 0; i < s->columns; i++) {
    if (isnan(row[i])) return -1;
    if (row[i] > -INFINITY) out[count++] = (item){row[i], i};
  }
  qsort(out, (size_t)count, sizeof *out, compare);
  return count;
}

static void check_list(const tl_step_candidate *found, item *items, int count) {
  qsort(items, (size_t)count, sizeof *items, compare_ids);
  for (int i = 0; i < count; i++)
    CHECK(found[i].value == items[i].value && found[i].id == items[i].id);
}

static void check_rest(float rest, const item *items, int from, int count, double t) {
  double sum = 0;
  if (count > 0 && isinf(items[0].value)) return;
  for (int i = from; i < count; i++)
    sum += exp(((double)items[i].value - (double)items[0].value) / t);
  CHECK(fabs((double)rest - sum) <= 1e-4 * sum + 1e-29);
}

static void check_row(const sizes *s, int row) {
  static item items[COLUMNS_MAX];
  tl_step_best found;
  memcpy(&found, best[row], sizeof found);
  const tl_step_candidate *own = &list[0][0] + (size_t)row * (size_t)s->listed;
  if (row >= ROWS_ASKED || asked[row] < 0) {
    CHECK(found.count == POISON * 0x01010101 && found.id == found.count);
    CHECK(own->id == found.count);
    return;
  }
  int count = sort(s, row_at(s, row), items), most = asked[row] > 0 ? s->listed : 1;
  int taken = count < most ? count : most;
  CHECK(found.count == taken);
  if (count < 0) return;
  CHECK(found.id == (asked[row] > 0 && most > 1 ? -1 : taken ? items[0].id : -1));
  if (asked[row] <= 0) CHECK(found.rest == 0);
  if (asked[row] > 0) check_rest(found.rest, items, taken, count, (double)asked[row]);
  check_list(own, items, taken);
}

// ---- a launch

static void set(tl_spec *spec, const char *name, int64_t value) {
  spec->constants[spec->constants_count++] = (tl_spec_constant){.name = name, .i = value};
}

static tl_spec spec_of(const sizes *s, int blocks) {
  int merged = 1;
  while (merged * s->threads < blocks * s->listed)
    merged *= 2;
  CHECK(blocks <= s->threads && blocks <= BLOCKS_MAX && s->listed % merged == 0);
  tl_spec spec = {.anchor = TL_ANCHOR_CANDIDATES};
  set(&spec, "T_THREADS", s->threads);
  set(&spec, "T_SYMBOL_R", 1);
  set(&spec, "T_WANTED", 0);
  set(&spec, "T_INPUT_BYTES", (s->columns + 63) / 64 * 256);
  set(&spec, "T_COLUMNS", s->columns);
  set(&spec, "T_EACH", s->each);
  set(&spec, "T_BLOCKS", blocks);
  set(&spec, "T_MERGED", merged);
  set(&spec, "T_LISTED", s->listed);
  set(&spec, "T_PARTS_BYTES", blocks * (16 + s->listed * 8));
  return spec;
}

static tl_shim *make_shim(uint64_t seed, const sizes *s, int blocks) {
  tl_shim *shim = tl_shim_create(seed);
  size_t lists = ROWS * (size_t)s->listed * sizeof list[0][0];
  size_t bytes = (size_t)((s->columns + 63) / 64 * 256) * ROWS;
  int both = TL_SHIM_READ | TL_SHIM_WRITE | TL_SHIM_EARLIER;
  CHECK(tl_shim_memory(shim, x, bytes, TL_SHIM_READ | TL_SHIM_EARLIER, "x"));
  CHECK(tl_shim_memory(shim, best, sizeof best, TL_SHIM_WRITE | TL_SHIM_EARLIER, "best"));
  CHECK(tl_shim_memory(shim, list, lists, both | TL_SHIM_EXCHANGE, "list"));
  CHECK(tl_shim_memory(shim, parts, (size_t)(ROWS * blocks * (16 + s->listed * 8)),
                       both | TL_SHIM_EXCHANGE, "parts"));
  CHECK(tl_shim_memory(shim, counters, sizeof counters, both, "counters"));
  CHECK(tl_shim_memory(shim, &step, sizeof step, TL_SHIM_READ, "step"));
  return shim;
}

static void run(const sizes *s, tl_shim_kernel kernel, int blocks, int kind) {
  tl_shim *shim = make_shim((uint64_t)kind + 1, s, blocks);
  tl_arguments arguments = {
      .at = {{.p = x}, {.p = best}, {.p = list}, {.p = parts}, {.p = counters}}};
  tl_shim_grid grid = {.kernel = kernel,
                       .arguments = &arguments,
                       .step = &step,
                       .blocks = ROWS * blocks,
                       .threads = s->threads,
                       .shared_bytes = s->threads / 32 * 12 + 16};
  fill(s, kind);
  memset(best, POISON, sizeof best);
  memset(list, POISON, sizeof list);
  if (!tl_shim_launch(shim, &grid)) {
    fprintf(stderr, "%d columns, kind %d: %s\n", s->columns, kind, tl_shim_fault(shim));
    CHECK(!"the kernel is at fault");
  }
  for (int row = 0; row < ROWS; row++) {
    check_row(s, row);
    CHECK(counters[row][0] == 0);
  }
  tl_shim_destroy(shim);
}

int main(int argc, char **argv) {
  CHECK(argc == 3);
  tl_cuda_place place = {argv[1], argv[2]};
  step.step = (tl_step){.rows_count = ROWS, .wanted_count = ROWS_ASKED, .asked = sizeof step.step};
  memcpy(step.asked, asked, sizeof asked);
  for (size_t i = 0; i < sizeof all_sizes / sizeof *all_sizes; i++) {
    const sizes *s = &all_sizes[i];
    int blocks = (s->columns + s->threads * s->each - 1) / (s->threads * s->each);
    void *module;
    tl_spec spec = spec_of(s, blocks);
    tl_shim_kernel kernel = tl_cuda_load(&place, &spec, "candidates", &module);
    for (int kind = 0; kind < s->kinds; kind++)
      run(s, kernel, blocks, kind);
    dlclose(module);
  }
  return 0;
}
