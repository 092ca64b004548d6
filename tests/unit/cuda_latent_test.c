// Latent attention's expanded form on the CPU, behind the stand-in for its kernels' dialect: keys
// and values of each group of heads, then attention to them. Sequences of all kinds in a step:
// those that begin, go on and cross pages, those that are left to the absorbed form for their few
// rows, for their positions, and for want of room; sizes that are no multiples of the tiles.
//
//   cuda_latent_test ROOT COMPILER      sources are compiled with paths from ROOT
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/half.h"
#include "runtime/base/step.h"
#include "templates/cuda/attention_bytes.cuh"
#include "templates/cuda/page.cuh"
#include "tests/lib/check.h"
#include "tests/lib/cuda_load.h"

enum {
  EXPAND_THREADS = 256,
  MANY_THREADS = 128,
  POSITIONS_MAX = 576,
  PARTS_MAX = 40,
  PAGES_MAX = POSITIONS_MAX / TL_PAGE_TOKENS,
  WIDTH_MAX = 1024, // of latent rows and keys
  PAGE_NUMBERS = PARTS_MAX * PAGES_MAX,
  WRONG_SHOWN = 4
};

static const double scale = 0.17;

typedef struct sizes {
  int heads, group, latent, plain, turned, value;
  int width, stages, positions; // of the kernels' tiles
  bool out_bf16;
} sizes;

// Rows of a sequence in a step; whether they are the expanded form's.
typedef struct part {
  int begun, rows;
  bool is_expanded;
} part;

typedef struct memory {
  void *at;
  size_t bytes;
} memory;

typedef struct fixture {
  const sizes *s;
  const part *parts;
  int parts_count, rows_count, few, room;
  memory plain, turned, out, pages, key, value, made;
  tl_shim *shim;
} fixture;

static struct {
  tl_step step;
  tl_step_sequence sequences[PARTS_MAX];
  int32_t pages[PARTS_MAX][PAGES_MAX];
} step;

// In [-1, 1], as bf16 has it.
static float noise(uint64_t what, uint64_t i, uint64_t j) {
  uint64_t x = what << 56 ^ i << 28 ^ j;
  x = (x ^ x >> 31) * 0x7FB5D329728EA185u;
  x = (x ^ x >> 27) * 0x81DADEF4BC2DD44Du;
  x ^= x >> 33;
  return tl_bf16_to_f32(tl_f32_to_bf16((float)(x >> 40) / (float)(1 << 23) - 1));
}

static int up(int value, int to) {
  return (value + to - 1) / to * to;
}

static memory take(int64_t bytes, int fill) {
  memory m = {aligned_alloc(64, (size_t)(bytes + 63) / 64 * 64), (size_t)bytes};
  CHECK(m.at);
  memset(m.at, fill, m.bytes);
  return m;
}

static void put(const memory *m, int64_t index, float value) {
  CHECK((size_t)index * 2 + 2 <= m->bytes);
  ((uint16_t *)m->at)[index] = tl_f32_to_bf16(value);
}

// ---- values

static float latent_of(int sequence, int position, int i) {
  return noise(1, (uint64_t)sequence * POSITIONS_MAX + (uint64_t)position, (uint64_t)i);
}

static float query_of(int row, int head, int d) {
  return 2 * noise(2, (uint64_t)row, (uint64_t)head * WIDTH_MAX + (uint64_t)d);
}

static float key_weight(const sizes *s, int head, int l, int d) {
  return noise(3, (uint64_t)head, (uint64_t)l * WIDTH_MAX + (uint64_t)d) / sqrtf((float)s->latent);
}

static float value_weight(const sizes *s, int head, int e, int l) {
  return noise(4, (uint64_t)head, (uint64_t)e * WIDTH_MAX + (uint64_t)l) / sqrtf((float)s->latent);
}

static int64_t key_matrix(const sizes *s) {
  return (int64_t)up(s->latent, 64) * up(s->plain, 32);
}

static int64_t value_matrix(const sizes *s) {
  return (int64_t)up(s->value, 64) * up(s->latent, 32);
}

static void fill_weights(fixture *f) {
  const sizes *s = f->s;
  f->key = take(s->heads * key_matrix(s) * 2, 0);
  f->value = take(s->heads * value_matrix(s) * 2, 0);
  for (int h = 0; h < s->heads; h++) {
    for (int l = 0; l < s->latent; l++) {
      for (int d = 0; d < s->plain; d++)
        put(&f->key, h * key_matrix(s) + l * up(s->plain, 32) + d, key_weight(s, h, l, d));
      for (int e = 0; e < s->value; e++)
        put(&f->value, h * value_matrix(s) + e * up(s->latent, 32) + l, value_weight(s, h, e, l));
    }
  }
}

static int end_of(const part *p) {
  return p->begun + p->rows;
}

static int page_values(const sizes *s) {
  return TL_PAGE_TOKENS * TL_PAGE_ROW(s->latent + s->turned);
}

// Pages are dealt out of order; NaN where no position lies.
static void fill_pages(fixture *f) {
  const sizes *s = f->s;
  int next = 0, count = 0, width = s->latent + s->turned;
  for (int i = 0; i < f->parts_count; i++)
    count += (end_of(&f->parts[i]) - 1) / TL_PAGE_TOKENS + 1;
  while (count % 7 == 0)
    count++;
  f->pages = take((int64_t)count * page_values(s) * 2, 0xFF);
  for (int i = 0; i < f->parts_count; i++) {
    for (int p = 0; p < end_of(&f->parts[i]); p++) {
      int32_t *page = &step.pages[i][p / TL_PAGE_TOKENS];
      if (p % TL_PAGE_TOKENS == 0) *page = next++ * 7 % count;
      int64_t at = (int64_t)*page * page_values(s) + p % TL_PAGE_TOKENS * TL_PAGE_ROW(width);
      for (int c = 0; c < width; c++)
        put(&f->pages, at + c, latent_of(i, p, c));
    }
  }
}

static int64_t plain_row(const sizes *s) {
  return up(s->heads * s->plain, 64);
}

static int64_t turned_row(const sizes *s) {
  return up(s->heads * s->turned, 64);
}

static int64_t out_row_bytes(const sizes *s) {
  return (int64_t)up(s->heads * s->value, 64) * (s->out_bf16 ? 2 : 4);
}

static void fill_queries(fixture *f) {
  const sizes *s = f->s;
  f->plain = take(f->rows_count * plain_row(s) * 2, 0xFF);
  f->turned = take(f->rows_count * turned_row(s) * 2, 0xFF);
  for (int r = 0; r < f->rows_count; r++) {
    for (int h = 0; h < s->heads; h++) {
      for (int d = 0; d < s->plain; d++)
        put(&f->plain, r * plain_row(s) + h * s->plain + d, query_of(r, h, d));
      for (int d = 0; d < s->turned; d++)
        put(&f->turned, r * turned_row(s) + h * s->turned + d, query_of(r, h, s->plain + d));
    }
  }
}

static void fill_step(const fixture *f) {
  int row = 0;
  memset(&step, 0xFF, sizeof step);
  step.step = (tl_step){.rows_count = f->rows_count,
                        .sequences_count = f->parts_count,
                        .pages_max = PAGES_MAX,
                        .sequences = (uint32_t)((char *)step.sequences - (char *)&step)};
  step.step.pages[0] = (uint32_t)((char *)step.pages - (char *)&step);
  for (int i = 0; i < f->parts_count; i++) {
    step.sequences[i] = (tl_step_sequence){row, f->parts[i].rows, f->parts[i].begun, 0};
    row += f->parts[i].rows;
  }
}

// ---- launches

static void constant(tl_spec *spec, const char *name, int64_t value) {
  CHECK(spec->constants_count < TL_SPEC_CONSTANTS_MAX);
  spec->constants[spec->constants_count++] = (tl_spec_constant){.name = name, .i = value};
}

static void real(tl_spec *spec, const char *name, double value) {
  constant(spec, name, 0);
  tl_spec_constant *last = &spec->constants[spec->constants_count - 1];
  last->is_real = true;
  last->f = value;
}

static int64_t made_row_bytes(const sizes *s) {
  return (int64_t)s->group * (s->plain + up(s->value, 16)) * 2;
}

static tl_spec spec_of(const sizes *s, int threads) {
  tl_spec spec = {.anchor = TL_ANCHOR_HEADS};
  constant(&spec, "T_THREADS", threads);
  constant(&spec, "T_SYMBOL_R", 0);
  constant(&spec, "T_WANTED", 0);
  constant(&spec, "T_LATENT", s->latent);
  constant(&spec, "T_TURNED", s->turned);
  constant(&spec, "T_PLAIN", s->plain);
  constant(&spec, "T_VALUE", up(s->value, 16));
  constant(&spec, "T_HEADS", s->heads);
  constant(&spec, "T_GROUP", s->group);
  return spec;
}

static tl_spec expand_spec(const sizes *s) {
  tl_spec spec = spec_of(s, EXPAND_THREADS);
  constant(&spec, "T_WIDTH", s->width);
  constant(&spec, "T_STAGES", s->stages);
  constant(&spec, "T_BLOCKS", 1);
  return spec;
}

static int tiles_of(const sizes *s) {
  return up(s->value, 16) <= 128 ? 2 : 1;
}

static int key_of(const sizes *s) {
  return up(s->plain + s->turned, 16);
}

static tl_spec many_spec(const sizes *s) {
  tl_spec spec = spec_of(s, MANY_THREADS);
  constant(&spec, "T_KEY", key_of(s));
  constant(&spec, "T_STORED", s->value);
  constant(&spec, "T_QUERIES", 1);
  constant(&spec, "T_WINDOW", 0);
  constant(&spec, "T_CHUNK", 0);
  constant(&spec, "T_FULL", 0);
  constant(&spec, "T_CACHE_BF16", 1);
  constant(&spec, "T_INPUT_BF16", s->out_bf16);
  constant(&spec, "T_TILES", tiles_of(s));
  constant(&spec, "T_POSITIONS", s->positions);
  constant(&spec, "T_WIDE", s->positions == 64 ? 16 : s->positions);
  real(&spec, "T_SCALE", scale);
  real(&spec, "T_SOFTCAP", 0);
  return spec;
}

static void know(const fixture *f, const memory *m, int flags, const char *name) {
  CHECK(tl_shim_memory(f->shim, m->at, m->bytes, flags, name));
}

static void launch(const fixture *f, tl_shim_grid *grid, const tl_arguments *arguments) {
  CHECK(tl_shim_memory(f->shim, &step, sizeof step, TL_SHIM_READ, "step"));
  know(f, &f->pages, TL_SHIM_READ | TL_SHIM_EARLIER, "pages");
  grid->arguments = arguments;
  grid->step = &step;
  if (!tl_shim_launch(f->shim, grid)) {
    fprintf(stderr, "%s\n", tl_shim_fault(f->shim));
    CHECK(!"a kernel is at fault");
  }
  tl_shim_memory_clear(f->shim);
}

static void run_expand(const fixture *f, tl_shim_kernel kernel, int first_head) {
  const sizes *s = f->s;
  tl_arguments a = {.at = {{.p = f->pages.at},
                           {.i = page_values(s) * 2},
                           {.i = 0},
                           {.p = f->key.at},
                           {.i = key_matrix(s) * 2},
                           {.p = f->value.at},
                           {.i = value_matrix(s) * 2},
                           {.p = f->made.at},
                           {.i = first_head},
                           {.i = f->few},
                           {.i = f->room}}};
  tl_shim_grid grid = {.kernel = kernel,
                       .blocks = 5,
                       .threads = EXPAND_THREADS,
                       .shared_bytes = TL_LATENT_EXPAND_BYTES(s->width, s->stages)};
  know(f, &f->key, TL_SHIM_READ, "key");
  know(f, &f->value, TL_SHIM_READ, "value");
  know(f, &f->made, TL_SHIM_WRITE | TL_SHIM_EARLIER, "made");
  launch(f, &grid, &a);
}

static void run_many(const fixture *f, tl_shim_kernel kernel, int first_head) {
  const sizes *s = f->s;
  tl_arguments a = {.at = {{.p = f->plain.at},
                           {.p = f->out.at},
                           {.p = f->pages.at},
                           {.i = page_values(s) * 2},
                           {.i = 0},
                           {.i = plain_row(s) * 2},
                           {.i = out_row_bytes(s)},
                           {.p = f->turned.at},
                           {.i = turned_row(s) * 2},
                           {.i = f->few},
                           {.i = f->room},
                           {.p = f->made.at},
                           {.i = first_head}}};
  int vectors = MANY_THREADS / 2 * tiles_of(s);
  tl_shim_grid grid = {
      .kernel = kernel,
      .blocks = (f->rows_count / vectors + f->parts_count + 1) * s->group,
      .threads = MANY_THREADS,
      .shared_bytes = TL_ATTENTION_MANY_BYTES(key_of(s), up(s->value, 16), vectors, s->positions)};
  know(f, &f->plain, TL_SHIM_READ | TL_SHIM_EARLIER, "plain");
  know(f, &f->turned, TL_SHIM_READ | TL_SHIM_EARLIER, "turned");
  know(f, &f->made, TL_SHIM_READ | TL_SHIM_EARLIER, "made");
  know(f, &f->out, TL_SHIM_WRITE | TL_SHIM_EARLIER, "out");
  launch(f, &grid, &a);
}

// ---- what is expected

typedef struct made {
  float key[POSITIONS_MAX][256], value[POSITIONS_MAX][256];
} made;

static float rounded(double value) {
  return tl_bf16_to_f32(tl_f32_to_bf16((float)value));
}

static void make(const sizes *s, int sequence, int head, int positions, made *out) {
  for (int p = 0; p < positions; p++) {
    double key[256] = {0}, value[256] = {0};
    for (int l = 0; l < s->latent; l++) {
      double x = latent_of(sequence, p, l);
      for (int d = 0; d < s->plain; d++)
        key[d] += x * rounded(key_weight(s, head, l, d));
      for (int e = 0; e < s->value; e++)
        value[e] += x * rounded(value_weight(s, head, e, l));
    }
    for (int d = 0; d < s->plain; d++)
      out->key[p][d] = rounded(key[d]);
    for (int d = 0; d < s->turned; d++)
      out->key[p][s->plain + d] = latent_of(sequence, p, s->latent + d);
    for (int e = 0; e < s->value; e++)
      out->value[p][e] = rounded(value[e]);
  }
}

static double found_at(const fixture *f, int row, int column) {
  const char *at = (char *)f->out.at + row * out_row_bytes(f->s);
  return f->s->out_bf16 ? tl_bf16_to_f32(((const uint16_t *)at)[column])
                        : ((const float *)at)[column];
}

// The bar is what rounding the weights makes of independent errors, with room.
static int check_row(const fixture *f, const made *m, int row, int head, int position) {
  const sizes *s = f->s;
  double weights[POSITIONS_MAX], total = 0, top = -INFINITY;
  int wrong = 0;
  for (int p = 0; p <= position; p++) {
    weights[p] = 0;
    for (int d = 0; d < s->plain + s->turned; d++)
      weights[p] += scale * query_of(row, head, d) * m->key[p][d];
    top = fmax(top, weights[p]);
  }
  for (int p = 0; p <= position; p++)
    total += weights[p] = exp(weights[p] - top);
  for (int e = 0; e < s->value && wrong < WRONG_SHOWN; e++) {
    double sum = 0, squares = 0, found = found_at(f, row, head * s->value + e);
    for (int p = 0; p <= position; p++) {
      double x = weights[p] / total * m->value[p][e];
      sum += x;
      squares += x * x;
    }
    double bar = sqrt(squares) / 64 + 1e-5 + (s->out_bf16 ? fabs(sum) / 256 : 0);
    if (fabs(found - sum) <= bar) continue;
    wrong += fprintf(stderr, "[%d,%d,%d] is %.9g, expected %.9g +- %.3g\n", row, head, e, found,
                     sum, bar) > 0;
  }
  return wrong;
}

// Rows of other sequences are as they were; behind the last head there are zeros.
static void check_bytes(const fixture *f, int row, bool is_expanded) {
  const char *at = (char *)f->out.at + row * out_row_bytes(f->s);
  int64_t cell = f->s->out_bf16 ? 2 : 4;
  int64_t first = is_expanded ? f->s->heads * f->s->value * cell : 0;
  for (int64_t i = first; i < out_row_bytes(f->s); i++)
    CHECK(at[i] == (is_expanded ? 0 : (char)0xFF));
}

static void check(const fixture *f) {
  static made m;
  int row = 0, wrong = 0;
  for (int i = 0; i < f->parts_count; i++) {
    const part *p = &f->parts[i];
    for (int h = 0; h < f->s->heads && p->is_expanded; h++) {
      make(f->s, i, h, end_of(p), &m);
      for (int r = 0; r < p->rows && wrong < WRONG_SHOWN; r++)
        wrong += check_row(f, &m, row + r, h, p->begun + r);
    }
    for (int r = 0; r < p->rows; r++)
      check_bytes(f, row + r, p->is_expanded);
    row += p->rows;
  }
  CHECK(wrong == 0);
}

// ---- cases

typedef struct kernels {
  void *modules[2];
  tl_shim_kernel expand, many;
} kernels;

static kernels load(const tl_cuda_place *place, const sizes *s) {
  kernels k;
  tl_spec expand = expand_spec(s), many = many_spec(s);
  k.expand = tl_cuda_load(place, &expand, "latent_expand", &k.modules[0]);
  k.many = tl_cuda_load(place, &many, "latent_many", &k.modules[1]);
  return k;
}

// The memory for keys and values is as large as `room`, and as an earlier layer has left it.
static void test(const kernels *k, const sizes *s, const part *parts, int count, int few,
                 int room) {
  fixture f = {.s = s, .parts = parts, .parts_count = count, .few = few, .room = room};
  f.shim = tl_shim_create((uint64_t)few + (uint64_t)room);
  for (int i = 0; i < count; i++)
    f.rows_count += parts[i].rows;
  fill_step(&f);
  fill_weights(&f);
  fill_pages(&f);
  fill_queries(&f);
  f.out = take(f.rows_count * out_row_bytes(s), 0xFF);
  f.made = take(room * made_row_bytes(s), 0xFF);
  for (int first = 0; first < s->heads; first += s->group) {
    run_expand(&f, k->expand, first);
    run_many(&f, k->many, first);
  }
  check(&f);
  tl_shim_destroy(f.shim);
  const memory all[] = {f.plain, f.turned, f.out, f.pages, f.key, f.value, f.made};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    free(all[i].at);
}

// More sequences than a warp has lanes, an expanded one before the border and one behind it.
static void test_many_sequences(const kernels *k, const sizes *s) {
  part parts[PARTS_MAX];
  for (int i = 0; i < PARTS_MAX; i++)
    parts[i] = (part){i % 3, 1, false};
  parts[31] = (part){5, 20, true};
  parts[32] = (part){60, 21, true};
  parts[38] = (part){0, 23, true};
  test(k, s, parts, PARTS_MAX, 19, 25 + 81 + 23);
  parts[38].is_expanded = false;
  test(k, s, parts, PARTS_MAX, 19, 25 + 81 + 22);
}

// The first of all and the last, alone in their warp's turn; want of room right behind the first
// and right behind the border.
static void test_borders(const kernels *k, const sizes *s) {
  static const part alone[] = {{5, 20, true}};
  static const part first[] = {{5, 20, true}, {60, 21, false}, {0, 23, false}};
  part last[33];
  test(k, s, alone, 1, 19, 25);
  test(k, s, first, 3, 19, 25 + 80);
  for (int i = 0; i < 33; i++)
    last[i] = (part){i % 3, 1, false};
  last[31] = (part){5, 20, true};
  last[32] = (part){60, 21, false};
  test(k, s, last, 33, 19, 25 + 80);
}

int main(int argc, char **argv) {
  static const sizes all[] = {
      {3, 2, 40, 24, 8, 20, 64, 3, 32, true},
      {2, 2, 72, 136, 16, 72, 128, 2, 64, false},
      {1, 1, 128, 48, 24, 144, 128, 3, 32, true},
  };
  static const part parts[] = {{0, 1, false},     {130, 150, true}, {7, 19, false}, {64, 20, true},
                               {373, 150, false}, {0, 129, true},   {0, 30, false}};
  CHECK(argc == 3);
  tl_cuda_place place = {argv[1], argv[2]};
  for (int i = 0; i < (int)(sizeof all / sizeof *all); i++) {
    kernels k = load(&place, &all[i]);
    test(&k, &all[i], parts, sizeof parts / sizeof *parts, 19, 522);
    if (i == 0) {
      test_many_sequences(&k, &all[i]);
      test_borders(&k, &all[i]);
    }
    for (int m = 0; m < 2; m++)
      dlclose(k.modules[m]);
  }
  return 0;
}
