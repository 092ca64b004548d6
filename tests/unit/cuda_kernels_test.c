// The CUDA kernels' sources as the code generator prints them, run on the CPU behind the stand-in
// for their dialect and compared with plain double arithmetic: rows in several blocks, pages that
// are not in order, several orders of warps.
//
//   cuda_kernels_test ROOT COMPILER      sources are compiled with paths from ROOT
#include <dlfcn.h>
#include <math.h>
#include <unistd.h>

#include "compiler/codegen/cuda_source.h"
#include "runtime/base/half.h"
#include "runtime/base/step.h"
#include "tests/lib/check.h"
#include "tests/lib/cuda/shim.h"
#include "tests/lib/cuda_cases.h"

enum {
  T = 11,                  // rows of the step, of one sequence
  FIRST = 57,              // its first position: the rows lie on two pages
  R = 3,                   // wanted rows
  PAGES = 6,               // of the pool
  VALUES_MAX = 1 << 18,    // of a buffer
  SHARED_BYTES = 96 << 10, // of a block
  ARENA_BYTES = 1 << 26
};

static const int32_t pages[2] = {4, 1}, wanted[R] = {2, 3, 10};

// A matrix in memory: rows of `stride` values, bf16 or f32, and the values that they hold.
typedef struct matrix {
  int rows, columns, stride; // rows that are in memory
  bool is_bf16;
  _Alignas(16) char bytes[VALUES_MAX * 4];
} matrix;

typedef struct fixture {
  const char *root, *compiler;
  const tl_cuda_sizes *sizes;
  tl_shim *shim;
  int wanted_count;
  tl_arguments arguments;
  int arguments_count;
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
  f->arguments.at[f->arguments_count++].i = value;
}

static void pass(fixture *f, matrix *m, int flags, const char *name) {
  size_t bytes = (size_t)m->rows * (size_t)m->stride * (m->is_bf16 ? 2 : 4);
  f->arguments.at[f->arguments_count++].p = m->bytes;
  CHECK(tl_shim_memory(f->shim, m->bytes, bytes, flags, name));
}

// An earlier launch may still read what this one writes.
enum {
  INPUT = TL_SHIM_READ | TL_SHIM_EARLIER,
  OUTPUT = TL_SHIM_WRITE | TL_SHIM_EARLIER,
  BOTH = INPUT | OUTPUT
};

// ---- the step

typedef struct step_block {
  tl_step step;
  int32_t ids[T], positions[T], wanted[R], slots[T], pages[2];
  tl_step_work work;
} step_block;

static void make_step(fixture *f, step_block *b) {
  *b = (step_block){.step = {.rows_count = T,
                             .sequences_count = 1,
                             .wanted_count = f->wanted_count,
                             .work_count = 1,
                             .pages_max = 2,
                             .ids = offsetof(step_block, ids),
                             .positions = offsetof(step_block, positions),
                             .wanted = offsetof(step_block, wanted),
                             .work = offsetof(step_block, work),
                             .slots = {offsetof(step_block, slots)},
                             .pages = {offsetof(step_block, pages)}},
                    .work = {0, 0, T, FIRST}};
  for (int i = 0; i < T; i++) {
    b->ids[i] = (i * 37 + 5) % f->sizes->vocabulary;
    b->positions[i] = FIRST + i;
    b->slots[i] = pages[(FIRST + i) / 64] * 64 + (FIRST + i) % 64;
  }
  memcpy(b->wanted, wanted, sizeof wanted);
  memcpy(b->pages, pages, sizeof pages);
  CHECK(tl_shim_memory(f->shim, b, sizeof *b, TL_SHIM_READ, "step"));
}

// ---- a kernel

static tl_shim_kernel load(const fixture *f, const char *path, void **out_module) {
  char command[1024];
  snprintf(command, sizeof command,
           "'%s' -std=gnu11 -O1 -w -shared -fPIC -ffp-contract=off -I '%s' -include "
           "tests/lib/cuda/dialect.cuh -x c %s.cu -o %s.so",
           f->compiler, f->root, path, path);
  CHECK(system(command) == 0); // NOLINT(cert-env33-c)
  snprintf(command, sizeof command, "%s.so", path);
  *out_module = dlopen(command, RTLD_NOW | RTLD_LOCAL);
  if (!*out_module) fprintf(stderr, "%s\n", dlerror());
  CHECK(*out_module != NULL);
  void *address = dlsym(*out_module, "tl_kernel_entry");
  tl_shim_kernel kernel;
  memcpy(&kernel, &address, sizeof kernel);
  CHECK(kernel != NULL);
  return kernel;
}

// A few blocks more are launched than there is work for.
static void run(fixture *f, tl_cuda_case which, int rows, int blocks) {
  char path[64], file[72];
  tl_arena arena;
  tl_spec spec;
  step_block step;
  tl_arena_init(&arena, ARENA_BYTES);
  const char *template = tl_cuda_case_spec(f->sizes, which, rows, &spec);
  tl_str source = tl_cuda_source_print(&spec, template, &arena);
  snprintf(path, sizeof path, "./cuda_kernel_%ld", (long)getpid());
  snprintf(file, sizeof file, "%s.cu", path);
  FILE *out = fopen(file, "w");
  CHECK(out && fwrite(source.data, 1, source.length, out) == source.length);
  CHECK(fclose(out) == 0);
  void *module;
  make_step(f, &step);
  tl_shim_grid grid = {.kernel = load(f, path, &module),
                       .arguments = &f->arguments,
                       .step = &step,
                       .blocks = blocks + 3,
                       .threads = tl_cuda_threads(&spec),
                       .shared_bytes = SHARED_BYTES};
  if (!tl_shim_launch(f->shim, &grid)) {
    fprintf(stderr, "%s\n", tl_shim_fault(f->shim));
    CHECK(!"a kernel is at fault");
  }
  dlclose(module);
  CHECK(unlink(file) == 0);
  snprintf(file, sizeof file, "%s.so", path);
  CHECK(unlink(file) == 0);
  tl_arena_finish(&arena);
  f->arguments_count = 0;
  tl_shim_memory_clear(f->shim);
}

// ---- what is expected

// `scale`: what the value was summed from is at most so large.
static void expect(const matrix *m, int row, int column, double value, double scale) {
  double bar = scale * 2e-6 + (m->is_bf16 ? fabs(value) / 256 : 0);
  double found = at(m, row, column);
  if (!(fabs(found - value) <= bar))
    fprintf(stderr, "[%d,%d] is %.9g, expected %.9g\n", row, column, found, value);
  CHECK(fabs(found - value) <= bar);
}

static double product(const matrix *x, int row, const matrix *w, int column) {
  double sum = 0;
  for (int k = 0; k < x->columns; k++)
    sum += at(x, row, k) * at(w, column, k);
  return sum;
}

// 1 / rms of a row from its partial sums.
static double row_scale(const matrix *sums, int row, int count) {
  double total = 0;
  for (int i = 0; i < sums->columns; i++)
    total += at(sums, row, i);
  return 1 / sqrt(total / count + 1e-5);
}

static int blocks_of(int columns, int rows, int rows_of_block) {
  return (columns + 63) / 64 * ((rows + rows_of_block - 1) / rows_of_block);
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

static void expect_page(const fixture *f, int row, int c, int part, double value) {
  const tl_cuda_sizes *s = f->sizes;
  matrix one = {.stride = 64, .is_bf16 = s->is_bf16};
  put(&one, 0, 0, (float)in_page(s, &out2, FIRST + row, c / s->head, part, c % s->head));
  expect(&one, 0, 0, value, s->hidden);
}

// Pages of other sequences are left alone.
static void expect_kept(const fixture *f) {
  size_t bytes = (size_t)page_values(f->sizes) * (before.is_bf16 ? 2 : 4);
  for (size_t page = 0; page < PAGES; page++) {
    if (page == (size_t)pages[0] || page == (size_t)pages[1]) continue;
    CHECK(memcmp(out2.bytes + page * bytes, before.bytes + page * bytes, bytes) == 0);
  }
}

static void test_qkv(fixture *f, int rows) {
  const tl_cuda_sizes *s = f->sizes;
  int q = s->heads * s->head, kv = s->kv_heads * s->head, unit = (s->head + 63) / 64;
  int units[3] = {((q + 63) / 64 + unit - 1) / unit, ((kv + 63) / 64 + unit - 1) / unit, 0};
  units[2] = units[1];
  make(f, &x, T, s->hidden, s->is_bf16, false);
  make_weights(f, &w, q, s->hidden);
  make_weights(f, &w2, kv, s->hidden);
  make_weights(f, &w3, kv, s->hidden);
  make(f, &sums, T, (s->hidden + 63) / 64, false, true);
  make(f, &table, T, s->head, false, false);
  make(f, &out, T, q, s->is_bf16, false);
  make(f, &out2, PAGES, page_values(s), s->is_bf16, false);
  before = out2;
  pass(f, &x, INPUT, "x");
  for (int i = 0, total = 0; i < 3; i++)
    pass_number(f, total += units[i]);
  pass_number(f, q);
  pass(f, &w, TL_SHIM_READ, "wq");
  pass_number(f, kv);
  pass(f, &w2, TL_SHIM_READ, "wk");
  pass_number(f, kv);
  pass(f, &w3, TL_SHIM_READ, "wv");
  pass(f, &sums, INPUT, "sums");
  pass(f, &table, INPUT, "table");
  pass(f, &out, OUTPUT, "q");
  pass_state(f, &out2, OUTPUT, "pages");
  f->arguments.at[f->arguments_count] = f->arguments.at[f->arguments_count - 3];
  f->arguments.at[f->arguments_count + 1] = f->arguments.at[f->arguments_count - 2];
  f->arguments.at[f->arguments_count + 2] = f->arguments.at[f->arguments_count - 1];
  run(f, TL_CUDA_QKV, rows, (units[0] + 2 * units[1]) * ((T + rows - 1) / rows));
  for (int r = 0; r < T; r++) {
    double by = row_scale(&sums, r, s->hidden);
    for (int c = 0; c < q; c++)
      expect(&out, r, c, turned(&x, by, r, &w, c), s->hidden);
    for (int c = 0; c < kv; c++) {
      expect_page(f, r, c, 0, turned(&x, by, r, &w2, c));
      expect_page(f, r, c, 1, by * product(&x, r, &w3, c));
    }
  }
  expect_kept(f);
}

static void test_glu(fixture *f, int rows) {
  const tl_cuda_sizes *s = f->sizes;
  make(f, &x, T, s->hidden, s->is_bf16, false);
  make_weights(f, &w, s->inner, s->hidden);
  make_weights(f, &w2, s->inner, s->hidden);
  make(f, &sums, T, (s->hidden + 63) / 64, false, true);
  make(f, &table, 1, s->inner, false, false);
  make(f, &residual, 1, s->inner, false, false);
  make(f, &out, T, s->inner, s->is_bf16, false);
  pass(f, &x, INPUT, "x");
  pass_number(f, (s->inner + 63) / 64);
  pass_number(f, s->inner);
  pass(f, &w, TL_SHIM_READ, "gate");
  pass(f, &w2, TL_SHIM_READ, "up");
  pass(f, &sums, INPUT, "sums");
  pass(f, &table, TL_SHIM_READ, "gate bias");
  pass(f, &residual, TL_SHIM_READ, "up bias");
  pass(f, &out, OUTPUT, "out");
  run(f, TL_CUDA_GLU, rows, blocks_of(s->inner, T, rows));
  for (int r = 0; r < T; r++) {
    double by = row_scale(&sums, r, s->hidden);
    for (int c = 0; c < s->inner; c++) {
      double gate = by * product(&x, r, &w, c) + at(&table, 0, c);
      double up = by * product(&x, r, &w2, c) + at(&residual, 0, c);
      expect(&out, r, c, gate / (1 + exp(-gate)) * up, s->hidden);
    }
  }
}

static void test_down(fixture *f, int rows) {
  const tl_cuda_sizes *s = f->sizes;
  make(f, &x, T, s->inner, s->is_bf16, false);
  make_weights(f, &w, s->hidden, s->inner);
  make(f, &residual, T, s->hidden, false, false);
  before = residual;
  make(f, &sums, T, (s->hidden + 63) / 64, false, false);
  make(f, &table, 1, s->hidden, false, false); // gamma
  make(f, &out, T, s->hidden, s->is_bf16, false);
  pass(f, &x, INPUT, "x");
  pass_number(f, (s->hidden + 63) / 64);
  pass_number(f, s->hidden);
  pass(f, &w, TL_SHIM_READ, "w");
  pass(f, &residual, BOTH, "residual");
  pass(f, &sums, OUTPUT, "sums");
  pass(f, &table, TL_SHIM_READ, "gamma");
  pass(f, &out, OUTPUT, "out");
  run(f, TL_CUDA_DOWN, rows, blocks_of(s->hidden, T, rows));
  for (int r = 0; r < T; r++) {
    double squares = 0;
    for (int c = 0; c < s->hidden; c++) {
      double y = at(&before, r, c) + product(&x, r, &w, c);
      expect(&residual, r, c, y, s->inner);
      expect(&out, r, c, y * at(&table, 0, c), s->inner);
      squares += y * y;
      if (c % 64 != 63 && c + 1 < s->hidden) continue;
      expect(&sums, r, c / 64, squares, squares * 8);
      squares = 0;
    }
  }
}

static void test_logits(fixture *f, int rows) {
  const tl_cuda_sizes *s = f->sizes;
  make(f, &x, T, s->hidden, s->is_bf16, false);
  make_weights(f, &w, s->vocabulary, s->hidden);
  make(f, &sums, T, (s->hidden + 63) / 64, false, true);
  make(f, &out, R, s->vocabulary, false, false);
  pass(f, &x, INPUT, "x");
  pass_number(f, (s->vocabulary + 63) / 64);
  pass_number(f, s->vocabulary);
  pass(f, &w, TL_SHIM_READ, "head");
  pass(f, &sums, INPUT, "sums");
  pass(f, &out, OUTPUT, "logits");
  run(f, TL_CUDA_LOGITS, rows, blocks_of(s->vocabulary, R, rows));
  for (int r = 0; r < R; r++) {
    double by = row_scale(&sums, wanted[r], s->hidden);
    for (int c = 0; c < s->vocabulary; c++) {
      double y = by * product(&x, wanted[r], &w, c);
      expect(&out, r, c, s->softcap != 0 ? s->softcap * tanh(y / s->softcap) : y, s->hidden);
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
  f->wanted_count = 0;
  make(f, &out, R, f->sizes->vocabulary, false, false);
  before = out;
  pass(f, &x, INPUT, "x");
  pass_number(f, 1);
  run(f, TL_CUDA_LOGITS, 8, 1);
  CHECK(memcmp(out.bytes, before.bytes, sizeof out.bytes) == 0);
  f->wanted_count = R;
}

static void test_rows(fixture *f) {
  const tl_cuda_sizes *s = f->sizes;
  make_weights(f, &w, s->vocabulary, s->hidden);
  make(f, &sums, T, (s->hidden + 63) / 64, false, false);
  make(f, &out, T, s->hidden, false, false);
  pass_number(f, s->vocabulary);
  pass(f, &w, TL_SHIM_READ, "w");
  pass(f, &sums, OUTPUT, "sums");
  pass(f, &out, OUTPUT, "out");
  run(f, TL_CUDA_GATHER, 8, T);
  make(f, &x, T, s->hidden, false, false);
  make(f, &table, 1, s->hidden / 2, false, false);
  make(f, &w2, 1, s->hidden, false, false);
  make(f, &residual, T, s->hidden, false, false);
  make(f, &out2, T, s->hidden, false, false);
  pass(f, &x, INPUT, "x");
  pass(f, &table, TL_SHIM_READ, "gamma");
  pass(f, &w2, TL_SHIM_READ, "beta");
  pass(f, &residual, INPUT, "factors");
  pass(f, &out2, OUTPUT, "out");
  run(f, TL_CUDA_ROWS, 8, T);
  for (int r = 0; r < T; r++) {
    for (int c = 0; c < s->hidden; c++) {
      expect(&out, r, c, at(&w, (r * 37 + 5) % s->vocabulary, c), 0);
      double y = normalised(r, c, s->hidden / 2) + at(&w2, 0, c);
      expect(&out2, r, c, y / 2 * (1 + erf(y / 2 / sqrt(2))) / 2 * at(&residual, r, c), 4);
    }
  }
}

static void test_table(fixture *f) {
  int pairs = f->sizes->head / 2;
  make(f, &x, 1, pairs, false, true);
  make(f, &out, T, 2 * pairs, false, false);
  pass(f, &x, TL_SHIM_READ, "frequencies");
  pass(f, &out, OUTPUT, "table");
  run(f, TL_CUDA_TABLE, 8, T);
  for (int r = 0; r < T; r++) {
    for (int j = 0; j < pairs; j++) {
      float angle = (float)(FIRST + r) * (float)at(&x, 0, j);
      expect(&out, r, j, 1.25 * cos(angle), 1);
      expect(&out, r, pairs + j, 1.25 * sin(angle), 1);
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
  make(f, &x, T, s->heads * s->head, s->is_bf16, false);
  make(f, &out, T, x.stride, s->is_bf16, false);
  make(f, &out2, PAGES, page_values(s), s->is_bf16, false);
  pass(f, &x, INPUT, "q");
  pass(f, &out, OUTPUT, "out");
  pass_state(f, &out2, INPUT, "pages");
  pass_number(f, x.stride * (x.is_bf16 ? 2 : 4));
  pass_number(f, out.stride * (out.is_bf16 ? 2 : 4));
  run(f, TL_CUDA_ATTENTION, 8, s->kv_heads);
  for (int r = 0; r < T; r++) {
    for (int c = 0; c < s->heads * s->head; c++) {
      // Weights are rounded to the pages' format.
      double bar = s->is_bf16 ? 1 / 256.0 / 2e-6 : 4;
      expect(&out, r, c, attended(s, r, c / s->head, c % s->head), bar);
    }
    for (int c = s->heads * s->head; c < out.stride; c++)
      expect(&out, r, c, 0, 0);
  }
}

int main(int argc, char **argv) {
  static const tl_cuda_sizes models[] = {
      {.hidden = 544,
       .inner = 160,
       .heads = 4,
       .kv_heads = 2,
       .head = 32,
       .vocabulary = 200,
       .is_bf16 = true},
      {.hidden = 96,
       .inner = 72,
       .heads = 2,
       .kv_heads = 1,
       .head = 128,
       .vocabulary = 70,
       .is_bf16 = true,
       .window = 20,
       .softcap = 5},
      {.hidden = 72, .inner = 96, .heads = 3, .kv_heads = 1, .head = 32, .vocabulary = 100},
  };
  CHECK(argc == 3);
  for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
    fixture f = {argv[1], argv[2], &models[m], tl_shim_create(m + 1), R, {{{0}}}, 0, 7};
    int rows = m == 0 ? 8 : 16;
    test_qkv(&f, rows);
    test_glu(&f, rows);
    test_down(&f, rows);
    test_logits(&f, rows);
    test_nothing_wanted(&f);
    test_rows(&f);
    test_table(&f);
    test_attention(&f);
    tl_shim_destroy(f.shim);
  }
  return 0;
}
