// Kernels of routed experts and of matrices per head on the CPU, behind the stand-in for their
// dialect, one launch after the other on the same memory: choice, groups, both matmuls, the sum of
// each row's experts. Odd sizes, experts without rows, pieces of several blocks, ties.
//
//   cuda_experts_test ROOT COMPILER      sources are compiled with paths from ROOT
#include <dlfcn.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "runtime/base/half.h"
#include "runtime/base/step.h"
#include "templates/cuda/page.cuh"
#include "tests/lib/check.h"
#include "tests/lib/cuda_load.h"

enum { VALUES_MAX = 1 << 18, THREADS = 128, ROWS_MAX = 40, STAGES = 3, AHEAD = 2 };
enum { NOT_WRITTEN = -1 };

// An earlier launch may still read what this one writes.
enum {
  WEIGHT = TL_SHIM_READ,
  INPUT = TL_SHIM_READ | TL_SHIM_EARLIER,
  OUTPUT = TL_SHIM_WRITE | TL_SHIM_EARLIER,
  BOTH = INPUT | OUTPUT
};

// Rows of `stride` values, a multiple of 64; of weights `columns` of several matrices.
typedef struct matrix {
  int rows, columns, stride;
  bool is_bf16;
  _Alignas(64) char bytes[VALUES_MAX * 4];
} matrix;

typedef struct sizes {
  int experts, chosen, rows, hidden, inner;
  int groups, kept, best;
  bool is_bf16, is_biased;
  int block; // rows of a piece; more than 32 are matmul_many's
} sizes;

typedef struct fixture {
  tl_cuda_place place;
  const sizes *sizes;
  tl_shim *shim;
  tl_spec spec;
  tl_arguments arguments;
  int arguments_count;
  uint32_t state;
} fixture;

static struct {
  tl_step step;
  int32_t positions[ROWS_MAX], slots[ROWS_MAX];
  tl_step_sequence sequences[2];
} step;

static matrix scores, bias, ids, chosen, groups, x, gate, up, down, inner, sorted, out, heads, page;

static float noise(fixture *f) {
  f->state = f->state * 1664525u + 1013904223u;
  return (float)(f->state >> 8) / (float)(1 << 23) - 1.0f;
}

static double at(const matrix *m, int64_t row, int column) {
  int64_t i = row * m->stride + column;
  return m->is_bf16 ? tl_bf16_to_f32(((const uint16_t *)m->bytes)[i])
                    : ((const float *)m->bytes)[i];
}

static int32_t int_at(const matrix *m, int64_t index) {
  return ((const int32_t *)m->bytes)[index];
}

// Noise where there are values, zeros behind them.
static void make(fixture *f, matrix *m, int rows, int columns, int up_to, bool is_bf16) {
  *m = (matrix){rows, columns, (columns + up_to - 1) / up_to * up_to, is_bf16, {0}};
  CHECK((int64_t)rows * m->stride <= VALUES_MAX);
  for (int64_t i = 0; i < (int64_t)rows * m->stride; i++) {
    float value = i % m->stride < columns ? noise(f) : 0;
    if (is_bf16) {
      ((uint16_t *)m->bytes)[i] = tl_f32_to_bf16(value);
    } else {
      ((float *)m->bytes)[i] = value;
    }
  }
}

// A stack of matrices, each of rows up to 64s.
static void make_stack(fixture *f, matrix *m, int count, int rows, int columns) {
  int each = (rows + 63) / 64 * 64;
  make(f, m, count * each, columns, 32, f->sizes->is_bf16);
  size_t row_bytes = (size_t)m->stride * (m->is_bf16 ? 2 : 4);
  for (int i = 0; i < count; i++)
    memset(m->bytes + (size_t)(i * each + rows) * row_bytes, 0, (size_t)(each - rows) * row_bytes);
}

static int64_t row_bytes(const matrix *m) {
  return (int64_t)m->stride * (m->is_bf16 ? 2 : 4);
}

// ---- a launch

static void begin(fixture *f, tl_anchor anchor) {
  f->spec = (tl_spec){.anchor = anchor};
  f->arguments = (tl_arguments){.at = {{.i = 0}}};
  f->arguments_count = 0;
}

static void constant(fixture *f, const char *name, int64_t value) {
  CHECK(f->spec.constants_count < TL_SPEC_CONSTANTS_MAX);
  f->spec.constants[f->spec.constants_count++] = (tl_spec_constant){.name = name, .i = value};
}

static void pass_number(fixture *f, int64_t value) {
  f->arguments.at[f->arguments_count++].i = value;
}

static void pass(fixture *f, matrix *m, int flags, const char *name) {
  size_t bytes = (size_t)(m->rows * row_bytes(m));
  f->arguments.at[f->arguments_count++].p = m->bytes;
  CHECK(tl_shim_memory(f->shim, m->bytes, bytes, flags, name));
}

// Its operands come next.
static tl_spec_call *call(fixture *f, tl_statement_kind kind) {
  f->spec.segments_count = 1;
  tl_spec_call *c = &f->spec.calls[0][f->spec.calls_count[0]++];
  *c = (tl_spec_call){.kind = kind, .first_arg = f->arguments_count};
  return c;
}

static void call_store(fixture *f, matrix *to, const char *name) {
  tl_spec_call *c = call(f, TL_STATEMENT_STORE);
  c->format = to->is_bf16;
  memset(to->bytes, 0xFF, (size_t)(to->rows * row_bytes(to)));
  pass(f, to, OUTPUT, name);
  pass_number(f, row_bytes(to));
}

static void run(fixture *f, const char *template, int threads, int blocks, int64_t shared_bytes) {
  void *module;
  constant(f, "T_THREADS", threads);
  CHECK(tl_shim_memory(f->shim, &step, sizeof step, TL_SHIM_READ, "step"));
  tl_shim_grid grid = {.kernel = tl_cuda_load(&f->place, &f->spec, template, &module),
                       .arguments = &f->arguments,
                       .step = &step,
                       .blocks = blocks,
                       .threads = threads,
                       .shared_bytes = shared_bytes};
  if (!tl_shim_launch(f->shim, &grid)) {
    fprintf(stderr, "%s: %s\n", template, tl_shim_fault(f->shim));
    CHECK(!"a kernel is at fault");
  }
  dlclose(module);
  tl_shim_memory_clear(f->shim);
}

static void set_rows(fixture *f, const matrix *input, int is_wanted) {
  constant(f, "T_SYMBOL_R", 0);
  constant(f, "T_WANTED", is_wanted);
  constant(f, "T_INPUT_BF16", input->is_bf16);
  constant(f, "T_INPUT_BYTES", row_bytes(input));
}

static void expect(double found, double value, double bar) {
  if (fabs(found - value) <= bar) return;
  fprintf(stderr, "%.9g, expected %.9g\n", found, value);
  CHECK(!"a value is wrong");
}

// ---- the choice

static double key_of(int row, int column, const sizes *s) {
  return (float)(at(&scores, row, column) + (s->is_biased ? at(&bias, 0, column) : 0));
}

// Whether `group` is among the kept: few have a larger sum, or the same and come first.
static bool is_kept(int row, int group, const sizes *s) {
  double sums[64];
  int size = s->experts / s->groups, better = 0;
  for (int g = 0; g < s->groups; g++) {
    bool taken[64] = {false};
    sums[g] = 0;
    for (int i = 0; i < s->best; i++) {
      int best = -1;
      for (int c = 0; c < size; c++) {
        if (!taken[c] &&
            (best < 0 || key_of(row, g * size + c, s) > key_of(row, g * size + best, s)))
          best = c;
      }
      taken[best] = true;
      sums[g] += key_of(row, g * size + best, s);
    }
  }
  for (int g = 0; g < s->groups; g++)
    better += sums[g] > sums[group] || (sums[g] == sums[group] && g < group);
  return better < s->kept;
}

static void check_choice(const sizes *s) {
  for (int r = 0; r < s->rows; r++) {
    bool taken[64] = {false};
    for (int a = 0; a < s->chosen; a++) {
      int best = -1;
      for (int c = 0; c < s->experts; c++) {
        if (taken[c] || !is_kept(r, c / (s->experts / s->groups), s)) continue;
        if (best < 0 || key_of(r, c, s) > key_of(r, best, s)) best = c;
      }
      taken[best] = true;
      CHECK(int_at(&ids, (int64_t)r * ids.stride + a) == best);
      CHECK(at(&chosen, r, a) == at(&scores, r, best));
    }
    for (int c = s->chosen; c < chosen.stride; c++)
      CHECK(at(&chosen, r, c) == 0);
    for (int c = s->chosen; c < ids.stride; c++)
      CHECK(int_at(&ids, (int64_t)r * ids.stride + c) == NOT_WRITTEN);
  }
}

// Scores in eighths, so that some are equal; the first or the last expert is nobody's choice.
static void choose(fixture *f) {
  const sizes *s = f->sizes;
  int nobodys = s->is_biased ? 0 : s->experts - 1;
  make(f, &scores, s->rows, s->experts, 64, false);
  make(f, &bias, 1, s->experts, 64, false);
  make(f, &ids, s->rows, s->chosen, 64, false);
  make(f, &chosen, s->rows, s->chosen, 64, false);
  for (int r = 0; r < s->rows; r++) {
    float *row = (float *)scores.bytes + (int64_t)r * scores.stride;
    for (int c = 0; c < s->experts; c++)
      row[c] = c == nobodys ? -9 : roundf(row[c] * 8) / 8;
  }
  for (int c = 0; c < s->experts; c++)
    ((float *)bias.bytes)[c] = roundf((float)at(&bias, 0, c) * 8) / 8;
  begin(f, TL_ANCHOR_ROWS);
  set_rows(f, &scores, 0);
  constant(f, "T_SEGMENTS", 1);
  constant(f, "T_COLUMNS", s->experts);
  pass(f, &scores, INPUT, "scores");
  pass_number(f, 0);
  pass_number(f, s->experts);
  tl_spec_call *c = call(f, TL_STATEMENT_TOPK);
  memcpy(c->ints, (int64_t[]){s->chosen, s->groups, s->kept, s->best}, sizeof c->ints);
  c->row_bytes = row_bytes(&ids);
  memset(ids.bytes, 0xFF, (size_t)(ids.rows * row_bytes(&ids)));
  pass(f, &ids, OUTPUT, "ids");
  if (s->is_biased) {
    pass(f, &bias, INPUT, "bias");
  } else {
    pass_number(f, 0);
  }
  call_store(f, &chosen, "chosen");
  run(f, "rows", THREADS, s->rows + 2, scores.stride * 4LL);
  check_choice(s);
}

// ---- groups

static void check_groups(const sizes *s) {
  int pairs = s->rows * s->chosen, next = 0, piece = 0;
  const int32_t *order = (const int32_t *)groups.bytes, *place = order + pairs;
  const int32_t *pieces = place + pairs;
  for (int e = 0; e < s->experts; e++) {
    int first = next;
    for (int pair = 0; pair < pairs; pair++) {
      int row = pair / s->chosen;
      if (int_at(&ids, (int64_t)row * ids.stride + pair % s->chosen) != e) continue;
      CHECK(order[next] == row && place[pair] == next);
      next++;
    }
    for (int done = first; done < next; done += s->block, piece++) {
      CHECK(pieces[piece * 3] == e && pieces[piece * 3 + 1] == done);
      CHECK(pieces[piece * 3 + 2] == (next - done < s->block ? next - done : s->block));
    }
  }
  for (; piece < pairs; piece++)
    CHECK(pieces[piece * 3 + 2] == 0);
}

static void deal(fixture *f, int warps) {
  const sizes *s = f->sizes;
  make(f, &groups, s->rows, 5 * s->chosen, 1, false);
  begin(f, TL_ANCHOR_GROUP);
  set_rows(f, &ids, 0);
  constant(f, "T_EXPERTS", s->experts);
  constant(f, "T_CHOSEN", s->chosen);
  pass(f, &ids, INPUT, "ids");
  pass(f, &groups, BOTH, "groups");
  pass_number(f, s->block);
  run(f, "group", 32 * warps, 1, (warps + 3LL) * s->experts * 4);
  check_groups(s);
}

// ---- matmuls of stacks

// Few or many by the rows of a block; units of 64 columns. Returns bytes of shared memory.
static int64_t set_stack(fixture *f, int depth, int weights, int block) {
  int width = 64 * weights;
  bool is_few = block <= 32;
  constant(f, "T_WEIGHT_BF16", f->sizes->is_bf16);
  constant(f, "T_WEIGHT_BYTES", f->sizes->is_bf16 ? 2 : 4);
  constant(f, "T_COLUMNS", depth);
  constant(f, "T_UNIT", 1);
  constant(f, "T_WEIGHTS", weights);
  constant(f, "T_SEGMENTS", 1);
  constant(f, "T_ROWS", block);
  constant(f, "T_STAGES", STAGES);
  constant(f, "T_BLOCKS", 1);
  if (!is_few) {
    int64_t tile = block * (width + 4LL) * 4, ring = STAGES * (block + width) * 128LL;
    return tile > ring ? tile : ring;
  }
  constant(f, "T_SPLITS", 1);
  constant(f, "T_AHEAD", AHEAD);
  constant(f, "T_CLUSTER", 1);
  return STAGES * block * (AHEAD * 64LL + 64) + block * (width + 4LL) * 4;
}

static int threads_of(int weights, int block) {
  return block <= 32 ? 128 * weights : block * 2;
}

static double product(const matrix *a, int64_t row, int from, const matrix *w, int64_t column,
                      int depth) {
  double sum = 0;
  for (int k = 0; k < depth; k++)
    sum += at(a, row, from + k) * at(w, column, k);
  return sum;
}

static void multiply(fixture *f, matrix *from, bool picks, matrix *const weights[2], int columns,
                     matrix *to) {
  const sizes *s = f->sizes;
  int count = weights[1] ? 2 : 1, units = (columns + 63) / 64;
  begin(f, TL_ANCHOR_EXPERTS);
  set_rows(f, from, picks);
  constant(f, "T_CHOSEN", s->chosen);
  int64_t shared_bytes = set_stack(f, from->columns, count, s->block);
  pass(f, from, INPUT, "x");
  pass(f, &groups, INPUT, "groups");
  pass_number(f, columns);
  pass_number(f, (columns + 63) / 64 * 64 * row_bytes(weights[0]));
  for (int i = 0; i < count; i++)
    pass(f, weights[i], WEIGHT, "weights");
  if (count == 2) {
    tl_spec_call *scale = call(f, TL_STATEMENT_SCALE_CHOICE);
    scale->ints[0] = s->chosen;
    scale->row_bytes = row_bytes(&chosen);
    pass(f, &groups, INPUT, "groups");
    pass(f, &chosen, INPUT, "scales");
    call(f, TL_STATEMENT_GLU);
  }
  call_store(f, to, "out");
  bool is_few = s->block <= 32;
  run(f, is_few ? "matmul_few" : "matmul_many", threads_of(count, s->block),
      is_few ? s->rows * s->chosen * units + 3 : 3, shared_bytes);
}

static void run_experts(fixture *f) {
  const sizes *s = f->sizes;
  int pairs = s->rows * s->chosen, each = (s->inner + 63) / 64 * 64,
      wide = (s->hidden + 63) / 64 * 64;
  const int32_t *order = (const int32_t *)groups.bytes;
  make(f, &x, s->rows, s->hidden, 64, s->is_bf16);
  make_stack(f, &gate, s->experts, s->inner, s->hidden);
  make_stack(f, &up, s->experts, s->inner, s->hidden);
  make_stack(f, &down, s->experts, s->hidden, s->inner);
  make(f, &inner, pairs, s->inner, 64, s->is_bf16);
  make(f, &sorted, pairs, s->hidden, 64, false);
  multiply(f, &x, true, (matrix *const[]){&gate, &up}, s->inner, &inner);
  multiply(f, &inner, false, (matrix *const[]){&down, NULL}, s->hidden, &sorted);
  for (int pair = 0; pair < pairs; pair++) {
    int row = pair / s->chosen, place = order[pairs + pair];
    int64_t e = int_at(&ids, (int64_t)row * ids.stride + pair % s->chosen);
    double scale = at(&chosen, row, pair % s->chosen);
    for (int c = 0; c < s->inner; c++) {
      double g = product(&x, row, 0, &gate, e * each + c, s->hidden) * scale;
      double value = g / (1 + exp(-g)) * product(&x, row, 0, &up, e * each + c, s->hidden) * scale;
      expect(at(&inner, place, c), value, s->is_bf16 ? fabs(value) / 200 + 1e-4 : 1e-4);
    }
    for (int c = 0; c < s->hidden; c++)
      expect(at(&sorted, place, c), product(&inner, place, 0, &down, e * wide + c, s->inner), 1e-3);
  }
}

static void combine(fixture *f, bool is_weighted) {
  const sizes *s = f->sizes;
  int pairs = s->rows * s->chosen;
  const int32_t *place = (const int32_t *)groups.bytes + pairs;
  make(f, &out, s->rows, s->hidden, 64, false);
  begin(f, TL_ANCHOR_COMBINE);
  set_rows(f, &sorted, 0);
  constant(f, "T_CHOSEN", s->chosen);
  constant(f, "T_COLUMNS", s->hidden);
  constant(f, "T_UNIT", 1);
  constant(f, "T_SCALE_BYTES", is_weighted ? row_bytes(&chosen) : 0);
  pass(f, &sorted, INPUT, "sorted");
  pass(f, &groups, INPUT, "groups");
  if (is_weighted) {
    pass(f, &chosen, INPUT, "weights");
  } else {
    pass_number(f, 0);
  }
  call_store(f, &out, "out");
  run(f, "combine", 32, (s->rows + 1) * ((s->hidden + 63) / 64), 256);
  for (int r = 0; r < s->rows; r++) {
    for (int c = 0; c < s->hidden; c++) {
      double sum = 0;
      for (int a = 0; a < s->chosen; a++)
        sum += (is_weighted ? at(&chosen, r, a) : 1) * at(&sorted, place[r * s->chosen + a], c);
      expect(at(&out, r, c), sum, 1e-4);
    }
  }
}

// ---- heads

// Latent attention's rows are left out where all of them are of sequences with more than `few`: the
// step's are two.
static void test_heads(fixture *f, int count, int depth, int columns, int few) {
  const sizes *s = f->sizes;
  int each = (columns + 63) / 64 * 64, units = each / 64;
  make(f, &x, s->rows, count * depth, 64, s->is_bf16);
  make_stack(f, &heads, count, columns, depth);
  make(f, &out, s->rows, count * columns, 64, s->is_bf16);
  begin(f, TL_ANCHOR_HEADS);
  set_rows(f, &x, 0);
  constant(f, "T_HEADS", count);
  int64_t shared_bytes = set_stack(f, depth, 1, s->block);
  pass(f, &x, INPUT, "x");
  pass_number(f, columns);
  pass(f, &heads, WEIGHT, "weights");
  pass_number(f, each * row_bytes(&heads));
  pass_number(f, few);
  pass_number(f, 1000);
  call_store(f, &out, "out");
  int blocks = count * units * ((s->rows + s->block - 1) / s->block) + 3;
  run(f, s->block <= 32 ? "matmul_few" : "matmul_many", threads_of(1, s->block), blocks,
      shared_bytes);
  bool is_left_out = s->block > 32 && s->rows - s->rows / 2 > few && s->rows / 2 > few;
  for (int64_t i = 0; is_left_out && i < s->rows * row_bytes(&out); i++)
    CHECK(out.bytes[i] == (char)0xFF);
  for (int r = 0; r < s->rows && !is_left_out; r++) {
    for (int c = 0; c < count * columns; c++) {
      int head = c / columns;
      double value =
          product(&x, r, head * depth, &heads, (int64_t)head * each + c % columns, depth);
      expect(at(&out, r, c), value, s->is_bf16 ? fabs(value) / 200 + 1e-4 : 1e-4);
    }
    for (int c = count * columns; c < out.stride; c++)
      CHECK(at(&out, r, c) == 0);
  }
}

// ---- statements on rows that no expert is needed for

// A latent row of 24 + 5 values in two pieces, of which the second is scaled, to page 1 of 2.
static void test_latent_rows(fixture *f, bool is_bf16) {
  enum { LATENT = 24, TURNED = 5, PAGES = 2 };
  const sizes *s = f->sizes;
  int width = TL_PAGE_ROW(LATENT + TURNED);
  make(f, &x, s->rows, LATENT + TURNED, 64, false);
  make(f, &page, PAGES * 64, width, 1, is_bf16);
  memset(page.bytes, 0, (size_t)(page.rows * row_bytes(&page)));
  for (int piece = 0; piece < 2; piece++) {
    int first = piece ? LATENT : 0, columns = piece ? TURNED : LATENT;
    begin(f, TL_ANCHOR_ROWS);
    set_rows(f, &x, 0);
    constant(f, "T_SEGMENTS", 1);
    constant(f, "T_COLUMNS", columns);
    pass(f, &x, INPUT, "x");
    pass_number(f, first);
    pass_number(f, columns);
    if (piece) {
      tl_spec_call *by = call(f, TL_STATEMENT_POSITION_SCALE);
      by->ints[0] = 4;
      by->real = 0.5;
    }
    tl_spec_call *c = call(f, TL_STATEMENT_STORE_LATENT);
    c->ints[0] = first;
    c->format = is_bf16;
    c->key = LATENT;
    c->value = TURNED;
    pass(f, &page, OUTPUT, "page");
    pass_number(f, 64 * row_bytes(&page));
    pass_number(f, 0);
    run(f, "rows", THREADS, s->rows, 256);
  }
  for (int r = 0; r < s->rows; r++) {
    double by = 1 + 0.5 * log(1 + floor((step.positions[r] + 1) / 4.0));
    for (int c = 0; c < LATENT + TURNED; c++) {
      double value = at(&x, r, c) * (c < LATENT ? 1 : by);
      expect(at(&page, step.slots[r], c), value, is_bf16 ? fabs(value) / 250 : 1e-6);
    }
  }
}

// softmax, a row's shares of its sum, or one after the other.
static void test_shares(fixture *f, bool has_softmax, bool is_normed) {
  const sizes *s = f->sizes;
  make(f, &scores, s->rows, s->experts, 64, false);
  make(f, &out, s->rows, s->experts, 64, false);
  begin(f, TL_ANCHOR_ROWS);
  set_rows(f, &scores, 0);
  constant(f, "T_SEGMENTS", 1);
  constant(f, "T_COLUMNS", s->experts);
  pass(f, &scores, INPUT, "scores");
  pass_number(f, 0);
  pass_number(f, s->experts);
  if (has_softmax) call(f, TL_STATEMENT_SOFTMAX);
  if (is_normed) call(f, TL_STATEMENT_NORMALIZE)->real = 0.25 + (has_softmax ? 0 : s->experts);
  call_store(f, &out, "out");
  run(f, "rows", THREADS, s->rows, scores.stride * 4LL);
  for (int r = 0; r < s->rows; r++) {
    double total = 0, sum = 0;
    for (int c = 0; c < s->experts; c++)
      total += exp(at(&scores, r, c)), sum += at(&scores, r, c);
    double by = !is_normed ? 1 : has_softmax ? 1.25 : sum + 0.25 + s->experts;
    for (int c = 0; c < s->experts; c++) {
      double value = has_softmax ? exp(at(&scores, r, c)) / total : at(&scores, r, c);
      expect(at(&out, r, c), value / by, 1e-6);
    }
  }
}

static void make_step(const sizes *s) {
  step.step = (tl_step){.rows_count = s->rows};
  step.step.positions = (uint32_t)((char *)step.positions - (char *)&step);
  step.step.slots[0] = (uint32_t)((char *)step.slots - (char *)&step);
  step.step.sequences = (uint32_t)((char *)step.sequences - (char *)&step);
  step.step.sequences_count = 2;
  step.sequences[0] = (tl_step_sequence){0, s->rows / 2, 3, 0};
  step.sequences[1] = (tl_step_sequence){s->rows / 2, s->rows - s->rows / 2, 0, 0};
  for (int r = 0; r < s->rows; r++) {
    step.positions[r] = 3 + r;
    step.slots[r] = 64 + (7 * r + 2) % 64;
  }
}

int main(int argc, char **argv) {
  static const sizes all[] = {
      {5, 1, 1, 72, 20, 1, 1, 1, true, false, 8},    {5, 4, 11, 72, 52, 1, 1, 1, true, true, 8},
      {8, 3, 17, 144, 16, 4, 2, 2, true, true, 64},  {40, 6, 40, 64, 24, 8, 3, 2, true, false, 64},
      {12, 6, 13, 40, 20, 3, 2, 4, false, true, 16}, {5, 2, 33, 40, 72, 1, 1, 1, false, false, 64},
      {64, 3, 4, 24, 20, 32, 5, 2, false, true, 8},
  };
  CHECK(argc == 3);
  for (int i = 0; i < (int)(sizeof all / sizeof *all); i++) {
    static fixture f;
    f = (fixture){.place = {argv[1], argv[2]}, .sizes = &all[i], .state = (uint32_t)i};
    f.shim = tl_shim_create((uint64_t)i + 1);
    make_step(&all[i]);
    choose(&f);
    deal(&f, 1 + 3 * (i % 2));
    run_experts(&f);
    combine(&f, i % 2 == 0);
    test_heads(&f, 3, i % 2 ? 64 : 20, i % 2 ? 20 : 64, 1000);
    for (int few = 15; few < 18 && all[i].block > 32; few++)
      test_heads(&f, 2, 32, 64, few); // 16 and 17 rows, and others
    test_latent_rows(&f, i % 2 == 0);
    test_shares(&f, true, true);
    test_shares(&f, true, false);
    test_shares(&f, false, true);
    tl_shim_destroy(f.shim);
  }
  return 0;
}
