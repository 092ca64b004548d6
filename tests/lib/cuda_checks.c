// Every case: what it is given, what is expected.
#include "tests/lib/cuda_checks.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/half.h"
#include "runtime/base/step.h"
#include "tests/lib/check.h"

enum {
  ROWS_MAX = 40,
  FIRST = 57, // first position of the step's one sequence: more than 7 rows lie on two pages
  R_MAX = 3,  // wanted rows
  PAGES = 6,  // of the pool
  VALUES_MAX = 1 << 18, // of a buffer
  WRONG_SHOWN = 3
};

static const int32_t pages[2] = {4, 1}, wanted[R_MAX] = {2, 3, 10}, wanted_first[1] = {0};

// A matrix in memory: rows of `stride` values, bf16 or f32, and the values that they hold.
typedef struct matrix {
  int rows, columns, stride; // rows that are in memory
  bool is_bf16;
  _Alignas(16) char bytes[VALUES_MAX * 4];
} matrix;

typedef struct fixture {
  const tl_cuda_trial *trial;
  const tl_cuda_sizes *sizes;
  const tl_cuda_launcher *launcher;
  int rows, wanted_count;
  const int32_t *wanted;
  tl_cuda_run run;
  tl_cuda_kernel kernel;
  int arguments_count;
  const matrix *x;    // of the matmul
  int products_count; // columns of products that are there
  int wrong;
  uint32_t state;
} fixture;

static float noise(fixture *f) {
  f->state = f->state * 1664525u + 1013904223u;
  return (float)(f->state >> 8) / (float)(1 << 23) - 1.0f;
}

static double at(const matrix *m, int row, int column) {
  size_t i = (size_t)row * (size_t)m->stride + (size_t)column;
  return m->is_bf16 ? tl_bf16_to_f32(((const uint16_t *)m->bytes)[i])
                    : ((const float *)m->bytes)[i];
}

static void put(matrix *m, int row, int column, float value) {
  size_t i = (size_t)row * (size_t)m->stride + (size_t)column;
  if (m->is_bf16) {
    ((uint16_t *)m->bytes)[i] = tl_f32_to_bf16(value);
  } else {
    ((float *)m->bytes)[i] = value;
  }
}

// Random values, zeros behind them; `positive` for sums of squares.
static void make(fixture *f, matrix *m, int rows, int columns, bool is_bf16, bool positive) {
  memset(m->bytes, 0, sizeof m->bytes);
  m->rows = rows;
  m->columns = columns;
  m->stride = (columns + 63) / 64 * 64;
  m->is_bf16 = is_bf16;
  CHECK(rows * m->stride <= VALUES_MAX);
  for (int r = 0; r < rows; r++) {
    for (int c = 0; c < columns; c++)
      put(m, r, c, positive ? noise(f) + 2 : noise(f));
    for (int c = columns; positive && c < m->stride; c++)
      put(m, r, c, 1000); // not to be read
  }
}

// Weights: rows up to 64s, columns up to 32s.
static void make_weights(fixture *f, matrix *m, int rows, int columns) {
  make(f, m, rows, columns, f->sizes->is_bf16, false);
  memset(m->bytes, 0, sizeof m->bytes);
  m->rows = (rows + 63) / 64 * 64;
  m->stride = (columns + 31) / 32 * 32;
  CHECK(m->rows * m->stride <= VALUES_MAX);
  for (int r = 0; r < rows; r++) {
    for (int c = 0; c < columns; c++)
      put(m, r, c, noise(f) / 4);
  }
}

static void pass_number(fixture *f, int64_t value) {
  f->run.arguments.at[f->arguments_count++].i = value;
}

static void add_range(fixture *f, void *at, size_t bytes, int flags, const char *name) {
  for (int i = 0; i < f->run.ranges_count; i++)
    CHECK(f->run.ranges[i].at != at);
  CHECK(f->run.ranges_count < TL_CUDA_RANGES_MAX);
  f->run.ranges[f->run.ranges_count++] = (tl_cuda_range){at, bytes, flags, name};
}

static void pass(fixture *f, matrix *m, int flags, const char *name) {
  size_t bytes = (size_t)m->rows * (size_t)m->stride * (m->is_bf16 ? 2 : 4);
  f->run.pointers |= 1u << f->arguments_count;
  f->run.arguments.at[f->arguments_count++].p = m->bytes;
  add_range(f, m->bytes, bytes, flags, name);
}

// What a store is given.
static void pass_stored(fixture *f, matrix *m, int flags, const char *name) {
  pass(f, m, flags, name);
  pass_number(f, m->stride * (m->is_bf16 ? 2 : 4));
}

// An earlier launch may still read what this one writes.
enum {
  WEIGHT = TL_CUDA_READ,
  INPUT = TL_CUDA_READ | TL_CUDA_EARLIER,
  OUTPUT = TL_CUDA_WRITE | TL_CUDA_EARLIER,
  BOTH = INPUT | OUTPUT
};

static bool is_of(const fixture *f, const char *template) {
  return strcmp(f->trial->variant.template, template) == 0;
}

static double product(const matrix *x, int row, const matrix *w, int column) {
  double sum = 0;
  for (int k = 0; k < x->columns; k++)
    sum += at(x, row, k) * at(w, column, k);
  return sum;
}

static int64_t constant_of(const fixture *f, const char *name) {
  for (int i = 0; i < f->kernel.spec.constants_count; i++) {
    const tl_spec_constant *constant = &f->kernel.spec.constants[i];
    if (strcmp(constant->name, name) == 0) return constant->i;
  }
  CHECK(false);
  return 0;
}

// In place of x its products with all weights, which are made as the weights come; in place of a
// weight where its products begin.
static void pass_product(fixture *f, matrix *m, bool is_weight) {
  static matrix products;
  if (is_weight) {
    pass_number(f, f->products_count);
    for (int r = 0; r < f->rows; r++) {
      for (int c = 0; c < m->rows; c++)
        put(&products, r, f->products_count + c, (float)product(f->x, r, m, c));
    }
    f->products_count += m->rows;
    CHECK(f->products_count <= products.columns);
    return;
  }
  make(f, &products, f->rows, (int)constant_of(f, "T_INPUT_BYTES") / 4, false, false);
  f->x = m;
  f->products_count = 0;
  pass(f, &products, INPUT, "products");
}

// Of x or a weight, which some kernels want by a map, or multiplied.
static void pass_factor(fixture *f, matrix *m, int flags, const char *name) {
  const tl_cuda_variant *v = &f->trial->variant;
  bool is_weight = !(flags & TL_CUDA_EARLIER);
  int argument = f->arguments_count;
  if (is_of(f, "matmul_rest")) {
    pass_product(f, m, is_weight);
    return;
  }
  pass(f, m, flags, name);
  if (!is_of(f, "matmul_wide")) return;
  f->run.pointers &= ~(1u << argument);
  CHECK(f->run.maps_count < TL_CUDA_MAPS_MAX);
  f->run.maps[f->run.maps_count++] = (tl_cuda_boxes){
      argument, m->bytes, m->stride, m->rows, (int64_t)m->stride * 2, is_weight ? 64 : v->rows};
}

// K, which a kernel that is for all depths is told.
static void pass_depth(fixture *f, int columns) {
  if (is_of(f, "matmul_wide")) pass_number(f, columns);
}

// ---- the step

typedef struct step_block {
  tl_step step;
  int32_t ids[ROWS_MAX], positions[ROWS_MAX], wanted[R_MAX], slots[ROWS_MAX], pages[2];
  tl_step_work work[ROWS_MAX / TL_ATTENTION_ROWS + 1];
} step_block;

static int works_of(const fixture *f) {
  return (f->rows + TL_ATTENTION_ROWS - 1) / TL_ATTENTION_ROWS;
}

static void make_step(fixture *f, step_block *b) {
  *b = (step_block){
      .step = {.rows_count = f->rows,
               .sequences_count = 1,
               .wanted_count = f->wanted_count,
               .work_count = works_of(f),
               .pages_max = 2,
               .ids = offsetof(step_block, ids),
               .positions = offsetof(step_block, positions),
               .wanted = offsetof(step_block, wanted),
               .work = offsetof(step_block, work),
               .slots = {offsetof(step_block, slots)},
               .pages = {offsetof(step_block, pages)}},
  };
  for (int i = 0; i < works_of(f); i++) {
    int first = i * TL_ATTENTION_ROWS, left = f->rows - first;
    b->work[i] = (tl_step_work){0, first, left < TL_ATTENTION_ROWS ? left : TL_ATTENTION_ROWS,
                                FIRST + first};
  }
  for (int i = 0; i < f->rows; i++) {
    b->ids[i] = (i * 37 + 5) % f->sizes->vocabulary;
    b->positions[i] = FIRST + i;
    b->slots[i] = pages[(FIRST + i) / 64] * 64 + (FIRST + i) % 64;
  }
  memcpy(b->wanted, f->wanted, (size_t)f->wanted_count * sizeof *f->wanted);
  memcpy(b->pages, pages, sizeof pages);
  add_range(f, b, sizeof *b, WEIGHT, "step");
}

// ---- a kernel

static void begin(fixture *f, tl_cuda_case which) {
  f->run = (tl_cuda_run){.trial = f->trial, .which = which, .kernel = &f->kernel};
  f->arguments_count = 0;
  tl_cuda_case_make(f->sizes, which, &f->trial->variant, &f->kernel);
}

// A few blocks more are launched than there is work for.
static void run(fixture *f, int blocks) {
  step_block step;
  make_step(f, &step);
  f->run.step = &step;
  f->run.blocks = (blocks + 3) * f->kernel.cluster;
  CHECK(f->launcher->launch(f->launcher->context, &f->run));
}

static int units_of(const fixture *f, int columns) {
  return ((columns + 63) / 64 + f->kernel.unit - 1) / f->kernel.unit;
}

static int blocks_of(const fixture *f, int units, int rows) {
  int block = f->trial->variant.rows;
  return units * ((rows + block - 1) / block);
}

// ---- what is expected

// `scale`: what the value was summed from is at most so large.
static void expect(fixture *f, const matrix *m, int row, int column, double value, double scale) {
  double bar = scale * 2e-6 + (m->is_bf16 ? fabs(value) / 256 : 0);
  double found = at(m, row, column);
  if (fabs(found - value) <= bar) return;
  if (f->wrong++ < WRONG_SHOWN)
    printf("[%d,%d] is %.9g, expected %.9g\n", row, column, found, value);
}

// 1 / rms of a row from its partial sums.
static double row_scale(const matrix *sums, int row, int count) {
  double total = 0;
  for (int i = 0; i < sums->columns; i++)
    total += at(sums, row, i);
  return 1 / sqrt(total / count + 1e-5);
}

// ---- the kernels

static matrix x, w, w2, w3, sums, table, out, out2, residual, before;

static double turned(const matrix *y, double scale, int row, const matrix *weights, int column) {
  int head = table.columns, pairs = head / 2, in = column % head, j = in % pairs;
  double a = scale * product(y, row, weights, column - in + j);
  double b = scale * product(y, row, weights, column - in + j + pairs);
  double c = at(&table, row, j), s = at(&table, row, j + pairs);
  return in < pairs ? a * c - b * s : b * c + a * s;
}

// The value of position `position` in its page; `part` 0 = keys, 1 = values.
static double in_page(const tl_cuda_sizes *s, const matrix *pool, int position, int head, int part,
                      int d) {
  int row = (s->head + 7) / 8 * 8, head_values = 2 * 64 * row;
  int64_t page = pages[position / 64];
  int64_t i = (page * s->kv_heads + head) * head_values + part * 64 * row + position % 64 * row + d;
  return pool->is_bf16 ? tl_bf16_to_f32(((const uint16_t *)pool->bytes)[i])
                       : ((const float *)pool->bytes)[i];
}

static int page_values(const tl_cuda_sizes *s) {
  return s->kv_heads * 2 * 64 * ((s->head + 7) / 8 * 8);
}

static void pass_state(fixture *f, matrix *pool, int flags, const char *name) {
  pass(f, pool, flags, name);
  pass_number(f, page_values(f->sizes) * (pool->is_bf16 ? 2 : 4));
  pass_number(f, 0); // its group
}

static void expect_page(fixture *f, int row, int c, int part, double value) {
  const tl_cuda_sizes *s = f->sizes;
  matrix one = {.stride = 64, .is_bf16 = s->is_bf16};
  put(&one, 0, 0, (float)in_page(s, &out2, FIRST + row, c / s->head, part, c % s->head));
  expect(f, &one, 0, 0, value, s->hidden);
}

// Pages of other sequences are left alone.
static void expect_kept(const fixture *f) {
  size_t bytes = (size_t)page_values(f->sizes) * (before.is_bf16 ? 2 : 4);
  for (size_t page = 0; page < PAGES; page++) {
    if (page == (size_t)pages[0] || page == (size_t)pages[1]) continue;
    CHECK(memcmp(out2.bytes + page * bytes, before.bytes + page * bytes, bytes) == 0);
  }
}

static void test_qkv(fixture *f) {
  const tl_cuda_sizes *s = f->sizes;
  int q = s->heads * s->head, kv = s->kv_heads * s->head;
  begin(f, TL_CUDA_QKV);
  int units[3] = {units_of(f, q), units_of(f, kv), units_of(f, kv)};
  make(f, &x, f->rows, s->hidden, s->is_bf16, false);
  make_weights(f, &w, q, s->hidden);
  make_weights(f, &w2, kv, s->hidden);
  make_weights(f, &w3, kv, s->hidden);
  make(f, &sums, f->rows, (s->hidden + 63) / 64, false, true);
  make(f, &table, f->rows, s->head, false, false);
  make(f, &out, f->rows, q, s->is_bf16, false);
  make(f, &out2, PAGES, page_values(s), s->is_bf16, false);
  before = out2;
  pass_factor(f, &x, INPUT, "x");
  for (int i = 0, total = 0; i < 3; i++)
    pass_number(f, total += units[i]);
  pass_number(f, q);
  pass_factor(f, &w, WEIGHT, "wq");
  pass_number(f, kv);
  pass_factor(f, &w2, WEIGHT, "wk");
  pass_number(f, kv);
  pass_factor(f, &w3, WEIGHT, "wv");
  pass_depth(f, s->hidden);
  pass(f, &sums, INPUT, "sums");
  pass(f, &table, INPUT, "table");
  pass_stored(f, &out, OUTPUT, "q");
  pass_state(f, &out2, OUTPUT, "pages");
  f->run.arguments.at[f->arguments_count] = f->run.arguments.at[f->arguments_count - 3];
  f->run.arguments.at[f->arguments_count + 1] = f->run.arguments.at[f->arguments_count - 2];
  f->run.arguments.at[f->arguments_count + 2] = f->run.arguments.at[f->arguments_count - 1];
  f->run.pointers |= 1u << f->arguments_count;
  run(f, blocks_of(f, units[0] + 2 * units[1], f->rows));
  for (int r = 0; r < f->rows; r++) {
    double by = row_scale(&sums, r, s->hidden);
    for (int c = 0; c < q; c++)
      expect(f, &out, r, c, turned(&x, by, r, &w, c), s->hidden);
    for (int c = 0; c < kv; c++) {
      expect_page(f, r, c, 0, turned(&x, by, r, &w2, c));
      expect_page(f, r, c, 1, by * product(&x, r, &w3, c));
    }
  }
  expect_kept(f);
}

static void test_glu(fixture *f) {
  const tl_cuda_sizes *s = f->sizes;
  begin(f, TL_CUDA_GLU);
  make(f, &x, f->rows, s->hidden, s->is_bf16, false);
  make_weights(f, &w, s->inner, s->hidden);
  make_weights(f, &w2, s->inner, s->hidden);
  make(f, &sums, f->rows, (s->hidden + 63) / 64, false, true);
  make(f, &table, 1, s->inner, false, false);
  make(f, &residual, 1, s->inner, false, false);
  make(f, &out, f->rows, s->inner, s->is_bf16, false);
  pass_factor(f, &x, INPUT, "x");
  pass_number(f, units_of(f, s->inner));
  pass_number(f, s->inner);
  pass_factor(f, &w, WEIGHT, "gate");
  pass_factor(f, &w2, WEIGHT, "up");
  pass_depth(f, s->hidden);
  pass(f, &sums, INPUT, "sums");
  pass(f, &table, WEIGHT, "gate bias");
  pass(f, &residual, WEIGHT, "up bias");
  pass_stored(f, &out, OUTPUT, "out");
  run(f, blocks_of(f, units_of(f, s->inner), f->rows));
  for (int r = 0; r < f->rows; r++) {
    double by = row_scale(&sums, r, s->hidden);
    for (int c = 0; c < s->inner; c++) {
      double gate = by * product(&x, r, &w, c) + at(&table, 0, c);
      double up = by * product(&x, r, &w2, c) + at(&residual, 0, c);
      expect(f, &out, r, c, gate / (1 + exp(-gate)) * up, s->hidden);
    }
  }
}

static void test_down(fixture *f) {
  const tl_cuda_sizes *s = f->sizes;
  begin(f, TL_CUDA_DOWN);
  make(f, &x, f->rows, s->inner, s->is_bf16, false);
  make_weights(f, &w, s->hidden, s->inner);
  make(f, &residual, f->rows, s->hidden, false, false);
  before = residual;
  make(f, &sums, f->rows, (s->hidden + 63) / 64, false, false);
  make(f, &table, 1, s->hidden, false, false); // gamma
  make(f, &out, f->rows, s->hidden, s->is_bf16, false);
  pass_factor(f, &x, INPUT, "x");
  pass_number(f, units_of(f, s->hidden));
  pass_number(f, s->hidden);
  pass_factor(f, &w, WEIGHT, "w");
  pass_depth(f, s->inner);
  pass_stored(f, &residual, BOTH, "residual");
  pass(f, &sums, OUTPUT, "sums");
  pass(f, &table, WEIGHT, "gamma");
  pass_stored(f, &out, OUTPUT, "out");
  run(f, blocks_of(f, units_of(f, s->hidden), f->rows));
  for (int r = 0; r < f->rows; r++) {
    double squares = 0;
    for (int c = 0; c < s->hidden; c++) {
      double y = at(&before, r, c) + product(&x, r, &w, c);
      expect(f, &residual, r, c, y, s->inner);
      expect(f, &out, r, c, y * at(&table, 0, c), s->inner);
      squares += y * y;
      if (c % 64 != 63 && c + 1 < s->hidden) continue;
      expect(f, &sums, r, c / 64, squares, squares * 8);
      squares = 0;
    }
  }
}

static void test_logits(fixture *f) {
  const tl_cuda_sizes *s = f->sizes;
  begin(f, TL_CUDA_LOGITS);
  make(f, &x, f->rows, s->hidden, s->is_bf16, false);
  make_weights(f, &w, s->vocabulary, s->hidden);
  make(f, &sums, f->rows, (s->hidden + 63) / 64, false, true);
  make(f, &out, R_MAX, s->vocabulary, false, false);
  pass_factor(f, &x, INPUT, "x");
  pass_number(f, units_of(f, s->vocabulary));
  pass_number(f, s->vocabulary);
  pass_factor(f, &w, WEIGHT, "head");
  pass(f, &sums, INPUT, "sums");
  pass_stored(f, &out, OUTPUT, "logits");
  run(f, blocks_of(f, units_of(f, s->vocabulary), f->wanted_count));
  for (int r = 0; r < f->wanted_count; r++) {
    double by = row_scale(&sums, f->wanted[r], s->hidden);
    for (int c = 0; c < s->vocabulary; c++) {
      double y = by * product(&x, f->wanted[r], &w, c);
      expect(f, &out, r, c, s->softcap != 0 ? s->softcap * tanh(y / s->softcap) : y, s->hidden);
    }
  }
}

// Of x in units: less its mean, times gamma, by its root mean square.
static double normalised(int row, int c, int unit) {
  int first = c / unit * unit;
  double mean = 0, squares = 0;
  for (int i = 0; i < unit; i++)
    mean += at(&x, row, first + i) / unit;
  for (int i = 0; i < unit; i++)
    squares += pow((at(&x, row, first + i) - mean) * at(&table, 0, i), 2);
  return (at(&x, row, c) - mean) * at(&table, 0, c - first) / sqrt(squares / unit + 1e-6);
}

static void test_nothing_wanted(fixture *f) {
  int wanted_count = f->wanted_count;
  begin(f, TL_CUDA_LOGITS);
  f->wanted_count = 0;
  make(f, &out, R_MAX, f->sizes->vocabulary, false, false);
  before = out;
  pass_factor(f, &x, INPUT, "x");
  pass_number(f, 1);
  pass_number(f, f->sizes->vocabulary);
  pass_factor(f, &w, WEIGHT, "head");
  run(f, 1);
  CHECK(memcmp(out.bytes, before.bytes, sizeof out.bytes) == 0);
  f->wanted_count = wanted_count;
}

static void test_rows(fixture *f) {
  const tl_cuda_sizes *s = f->sizes;
  begin(f, TL_CUDA_GATHER);
  make_weights(f, &w, s->vocabulary, s->hidden);
  make(f, &sums, f->rows, (s->hidden + 63) / 64, false, false);
  make(f, &out, f->rows, s->hidden, false, false);
  pass_number(f, s->vocabulary);
  pass(f, &w, WEIGHT, "w");
  pass(f, &sums, OUTPUT, "sums");
  pass_stored(f, &out, OUTPUT, "out");
  run(f, f->rows);
  begin(f, TL_CUDA_ROWS);
  make(f, &x, f->rows, s->hidden, false, false);
  make(f, &table, 1, s->hidden / 2, false, false);
  make(f, &w2, 1, s->hidden, false, false);
  make(f, &residual, f->rows, s->hidden, false, false);
  make(f, &out2, f->rows, s->hidden, false, false);
  pass(f, &x, INPUT, "x");
  pass_number(f, 0);
  pass_number(f, s->hidden);
  pass(f, &table, WEIGHT, "gamma");
  pass(f, &w2, WEIGHT, "beta");
  pass(f, &residual, INPUT, "factors");
  pass_stored(f, &out2, OUTPUT, "out");
  run(f, f->rows);
  for (int r = 0; r < f->rows; r++) {
    for (int c = 0; c < s->hidden; c++) {
      expect(f, &out, r, c, at(&w, (r * 37 + 5) % s->vocabulary, c), 0);
      double y = normalised(r, c, s->hidden / 2) + at(&w2, 0, c);
      expect(f, &out2, r, c, y / 2 * (1 + erf(y / 2 / sqrt(2))) / 2 * at(&residual, r, c), 4);
    }
  }
}

static void test_table(fixture *f) {
  int pairs = f->sizes->head / 2;
  begin(f, TL_CUDA_TABLE);
  make(f, &x, 1, pairs, false, true);
  make(f, &out, f->rows, 2 * pairs, false, false);
  pass(f, &x, WEIGHT, "frequencies");
  pass(f, &out, OUTPUT, "table");
  run(f, f->rows);
  for (int r = 0; r < f->rows; r++) {
    for (int j = 0; j < pairs; j++) {
      float angle = (float)(FIRST + r) * (float)at(&x, 0, j);
      expect(f, &out, r, j, 1.25 * cos(angle), 1);
      expect(f, &out, r, pairs + j, 1.25 * sin(angle), 1);
    }
  }
}

static double attended(const tl_cuda_sizes *s, int row, int head, int d) {
  int position = FIRST + row, kv = head / (s->heads / s->kv_heads);
  int first = s->window && position >= s->window ? position - s->window + 1 : 0;
  double total = 0, sum = 0;
  for (int p = first; p <= position; p++) {
    double score = 0;
    for (int i = 0; i < s->head; i++)
      score += at(&x, row, head * s->head + i) * in_page(s, &out2, p, kv, 0, i);
    score *= 0.125;
    if (s->softcap != 0) score = s->softcap * tanh(score / s->softcap);
    total += exp(score);
    sum += exp(score) * in_page(s, &out2, p, kv, 1, d);
  }
  return sum / total;
}

static void test_attention(fixture *f) {
  const tl_cuda_sizes *s = f->sizes;
  begin(f, TL_CUDA_ATTENTION);
  make(f, &x, f->rows, s->heads * s->head, s->is_bf16, false);
  make(f, &out, f->rows, x.stride, s->is_bf16, false);
  make(f, &out2, PAGES, page_values(s), s->is_bf16, false);
  pass(f, &x, INPUT, "q");
  pass(f, &out, OUTPUT, "out");
  pass_state(f, &out2, INPUT, "pages");
  pass_number(f, x.stride * (x.is_bf16 ? 2 : 4));
  pass_number(f, out.stride * (out.is_bf16 ? 2 : 4));
  run(f, s->kv_heads * works_of(f));
  for (int r = 0; r < f->rows; r++) {
    for (int c = 0; c < s->heads * s->head; c++) {
      // Weights are rounded to the pages' format.
      double bar = s->is_bf16 ? 1 / 256.0 / 2e-6 : 4;
      expect(f, &out, r, c, attended(s, r, c / s->head, c % s->head), bar);
    }
    for (int c = s->heads * s->head; c < out.stride; c++)
      expect(f, &out, r, c, 0, 0);
  }
}

// ---- all of them

static const tl_cuda_sizes small = {.hidden = 544,
                                    .inner = 160,
                                    .heads = 4,
                                    .kv_heads = 2,
                                    .head = 32,
                                    .vocabulary = 200,
                                    .is_bf16 = true};
static const tl_cuda_sizes wide = {.hidden = 96,
                                   .inner = 72,
                                   .heads = 2,
                                   .kv_heads = 1,
                                   .head = 128,
                                   .vocabulary = 70,
                                   .is_bf16 = true,
                                   .window = 20,
                                   .softcap = 5};
static const tl_cuda_sizes odd = {.hidden = 42,
                                  .inner = 105,
                                  .heads = 3,
                                  .kv_heads = 1,
                                  .head = 64,
                                  .vocabulary = 65,
                                  .is_bf16 = true};
static const tl_cuda_sizes plain = {
    .hidden = 72, .inner = 96, .heads = 3, .kv_heads = 1, .head = 32, .vocabulary = 100};

#define FEW(...) {.template = "matmul_few", .blocks = 1, __VA_ARGS__}
#define WIDE(...) {.template = "matmul_wide", .blocks = 1, __VA_ARGS__}
#define MANY(...) {.template = "matmul_many", .blocks = 1, __VA_ARGS__}
#define REST(...) {.template = "matmul_rest", .blocks = 4, .warps = 8, __VA_ARGS__}

const tl_cuda_trial tl_cuda_trials[] = {
    {"small", &small, 11, FEW(.rows = 8, .warps = 8, .ahead = 4, .stages = 3, .cluster = 1)},
    {"small", &small, 40, FEW(.rows = 32, .warps = 4, .ahead = 2, .stages = 2, .cluster = 4)},
    {"wide", &wide, 11, FEW(.rows = 16, .warps = 8, .ahead = 1, .stages = 3, .cluster = 2)},
    {"odd", &odd, 1, FEW(.rows = 8, .warps = 4, .ahead = 1, .stages = 2, .cluster = 8)},
    {"odd", &odd, 11, FEW(.rows = 8, .warps = 12, .ahead = 1, .stages = 3, .cluster = 1)},
    {"plain", &plain, 11, FEW(.rows = 8, .warps = 8, .ahead = 1, .stages = 2, .cluster = 2)},
    {"small", &small, 40, MANY(.rows = 64, .warps = 4, .stages = 3)},
    {"wide", &wide, 11, MANY(.rows = 128, .warps = 8, .stages = 2)},
    {"odd", &odd, 40, MANY(.rows = 64, .warps = 2, .stages = 4)},
    {"plain", &plain, 11, MANY(.rows = 64, .warps = 4, .stages = 2)},
    {"small", &small, 11, WIDE(.rows = 16, .warps = 4, .stages = 4, .cluster = 1)},
    {"small", &small, 40, WIDE(.width = 128, .rows = 32, .warps = 8, .stages = 3, .cluster = 2)},
    {"wide", &wide, 40, WIDE(.rows = 16, .warps = 8, .stages = 2, .cluster = 4)},
    {"wide", &wide, 11, WIDE(.width = 256, .rows = 128, .warps = 8, .stages = 2, .cluster = 1)},
    {"odd", &odd, 40, WIDE(.width = 128, .rows = 256, .warps = 8, .stages = 3, .cluster = 1)},
    {"odd", &odd, 40, WIDE(.width = 192, .rows = 64, .warps = 4, .stages = 2, .cluster = 2)},
    {"odd", &odd, 40, REST(.width = 256, .rows = 16)},
    {"small", &small, 11, REST(.width = 256, .rows = 16)},
    {"plain", &plain, 40, REST(.width = 64, .rows = 8)},
};
const int tl_cuda_trials_count = sizeof tl_cuda_trials / sizeof *tl_cuda_trials;

bool tl_cuda_trial_has(const tl_cuda_trial *trial, tl_cuda_case which) {
  const char *template = trial->variant.template;
  bool is_large = strcmp(template, "matmul_wide") == 0 || strcmp(template, "matmul_rest") == 0;
  if (is_large && which == TL_CUDA_LOGITS) return false; // not of wanted rows
  bool is_first = trial == tl_cuda_trials || trial[-1].sizes != trial->sizes;
  return is_first || which <= TL_CUDA_LOGITS;
}

int tl_cuda_trial_run(const tl_cuda_trial *trial, const tl_cuda_launcher *launcher) {
  static fixture f;
  bool is_one = trial->rows <= wanted[R_MAX - 1];
  f = (fixture){.trial = trial,
                .sizes = trial->sizes,
                .launcher = launcher,
                .rows = trial->rows,
                .wanted_count = is_one ? 1 : R_MAX,
                .wanted = is_one ? wanted_first : wanted,
                .state = 7};
  test_qkv(&f);
  test_glu(&f);
  test_down(&f);
  if (tl_cuda_trial_has(trial, TL_CUDA_LOGITS)) {
    test_logits(&f);
    test_nothing_wanted(&f);
  }
  if (!tl_cuda_trial_has(trial, TL_CUDA_ATTENTION)) return f.wrong;
  test_rows(&f);
  test_table(&f);
  test_attention(&f);
  return f.wrong;
}
