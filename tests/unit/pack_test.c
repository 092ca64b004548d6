// Packed weights against an element-by-element packing: all formats, ragged sizes, stacks, vectors,
// tables, any cut of the section into ranges; faults.
//
// `pack_test bench` prints how fast large matrices are packed.
#include "compiler/codegen/pack.h"

#include <math.h>
#include <time.h>

#include "compiler/codegen/panel.h"
#include "ir/text_parse.h"
#include "runtime/base/half.h"
#include "tests/lib/check.h"

enum { TEXT_MAX = 8192, WEIGHTS_MAX = 64, ARENA_BYTES = 1 << 30, BENCH_ROWS = 8192 };

static tl_op_table ops;
static tl_diag diag;

// ---- the checkpoint: one number for each (tensor, row, column)

// Tensors are called by their type: bf16_200_33 has 200 rows and 33 columns; `nan` ends in a NaN.
typedef struct tensor_name {
  tl_format format;
  int64_t rows, columns;
  unsigned salt;
} tensor_name;

static bool parse_name(tl_str name, tensor_name *out) {
  char text[64];
  long long rows = 0, columns = 0;
  unsigned salt = 0;
  char format[16] = "";
  CHECK(name.length < sizeof text);
  memcpy(text, name.data, name.length);
  text[name.length] = 0;
  if (sscanf(text, "%15[a-z0-9]_%lld_%lld_%u", format, &rows, &columns, &salt) < 3) return false;
  out->rows = rows;
  out->columns = columns;
  out->salt = salt;
  return tl_format_from_text(tl_str_from(format), &out->format);
}

static float number_at(const tensor_name *t, int64_t index) {
  uint64_t hash = ((uint64_t)index + t->salt * 7919u + 1) * 0x9e3779b97f4a7c15ull;
  float value = (float)((int64_t)(hash >> 40) - (1 << 23)) / (float)(1 << 20);
  if (hash % 11 == 0) value *= 100;
  if (t->salt == 7) value *= 1e-7f;
  if (t->salt == 8) value *= 1e7f;
  if (t->salt == 99 && index == t->rows * t->columns - 1) value = NAN;
  // What the tensor's format keeps.
  if (t->format == TL_FORMAT_BF16) value = tl_bf16_to_f32(tl_f32_to_bf16(value));
  if (t->format == TL_FORMAT_F16) value = tl_f16_to_f32(tl_f32_to_f16(value));
  return value;
}

static bool find(void *context, tl_str name, tl_weight_tensor *out_tensor) {
  tensor_name t;
  (void)context;
  if (!parse_name(name, &t)) return false;
  *out_tensor = (tl_weight_tensor){.format = t.format,
                                   .rank = t.columns ? 2 : 1,
                                   .dims = {t.rows, t.columns},
                                   .handle = (const void *)(uintptr_t)t.salt};
  return true;
}

static tensor_name of_tensor(const tl_weight_tensor *tensor) {
  bool vector = tensor->rank == 1;
  return (tensor_name){tensor->format, tensor->dims[0], vector ? 1 : tensor->dims[1],
                       (unsigned)(uintptr_t)tensor->handle};
}

static tl_status read_bytes(void *context, const tl_weight_tensor *tensor, int64_t offset,
                            int64_t count, void *out, tl_diag *sink) {
  tensor_name t = of_tensor(tensor);
  int64_t size = tl_format_of(t.format)->bits / 8;
  (void)context, (void)sink;
  CHECK(offset % size == 0 && count % size == 0);
  for (int64_t i = 0; i < count / size; i++) {
    float value = number_at(&t, offset / size + i);
    uint16_t half = t.format == TL_FORMAT_F16 ? tl_f32_to_f16(value) : tl_f32_to_bf16(value);
    memcpy((char *)out + i * size, size == 4 ? (const void *)&value : &half, (size_t)size);
  }
  return TL_OK;
}

static const tl_weight_source source = {NULL, find, read_bytes};

// ---- the packing, one element at a time

// A matrix of the stack and what its tensors are called.
typedef struct expected {
  tl_format format;
  tensor_name tensor;
  int64_t experts;
} expected;

static void put_halves(char *out, uint16_t half) {
  memcpy(out, &half, sizeof half);
}

static void naive_group(const float *x, char *group, int lane) {
  float largest = 0;
  for (int i = 0; i < 32; i++)
    largest = fmaxf(largest, fabsf(x[i]));
  uint16_t scale = tl_f32_to_f16(fminf(largest / 127, 65504));
  float step = tl_f16_to_f32(scale);
  put_halves(group + lane * 2, scale);
  for (int i = 0; i < 32; i++) {
    float q = step > 0 ? rintf(x[i] / step) : 0;
    group[128 + i * 64 + lane] = (char)(int)fmaxf(-127, fminf(127, q));
  }
}

static void naive_row(const expected *e, const float *x, char *panel, int lane) {
  int64_t columns = e->tensor.columns;
  for (int64_t k = 0; k < columns; k++) {
    if (e->format == TL_FORMAT_F32) memcpy(panel + (k * 64 + lane) * 4, &x[k], 4);
    if (e->format == TL_FORMAT_F16) put_halves(panel + (k * 64 + lane) * 2, tl_f32_to_f16(x[k]));
    if (e->format == TL_FORMAT_BF16) {
      put_halves(panel + (k / 2 * 64 + lane) * 4 + k % 2 * 2, tl_f32_to_bf16(x[k]));
    }
    if (e->format != TL_FORMAT_Q8G32 || k % 32 != 0) continue;
    float group[32] = {0};
    memcpy(group, x + k, (size_t)(columns - k < 32 ? columns - k : 32) * sizeof *group);
    naive_group(group, panel + k / 32 * 2176, lane);
  }
}

static void naive_pack(const expected *e, const tl_plan_weight *row, char *out) {
  int64_t panels = (row->rows + 63) / 64;
  static float x[1 << 17];
  for (int64_t expert = 0; expert < e->experts; expert++) {
    tensor_name t = e->tensor;
    t.salt += (unsigned)expert;
    for (int64_t n = 0; n < row->rows; n++) {
      for (int64_t k = 0; k < row->columns; k++)
        x[k] = number_at(&t, n * row->columns + k);
      naive_row(e, x, out + (expert * panels + n / 64) * row->stride, (int)(n % 64));
    }
  }
}

// ---- a section

typedef struct section {
  tl_arena arena, scratch;
  tl_graph *graph;
  tl_source text;
  tl_plan_builder builder;
  tl_packer *packer;
  uint64_t bytes;
} section;

static void section_init(section *s, const char *body) {
  diag = (tl_diag){0};
  tl_arena_init(&s->arena, ARENA_BYTES);
  tl_arena_init(&s->scratch, ARENA_BYTES);
  tl_str text = tl_arena_format(&s->arena, "graph @step(T) {\n%s}\n", body);
  s->text = (tl_source){"test", text};
  tl_status status = tl_text_parse(&s->text, &ops, &s->arena, &s->graph, &diag);
  if (!tl_ok(status)) tl_diag_print(&diag, stderr);
  CHECK(tl_ok(status));
  tl_plan_builder_init(&s->builder, &s->arena);
}

static uint32_t section_add(section *s, const char *name, double offset, tl_plan_layout layout) {
  tl_value *value = tl_graph_find(s->graph, tl_str_from(name));
  CHECK(value);
  return tl_plan_weight_of(&s->builder, value, offset, layout);
}

static tl_status section_open(section *s) {
  tl_plan_tables tables;
  CHECK(tl_ok(tl_plan_builder_tables(&s->builder, &tables)));
  s->bytes = s->builder.weights_bytes;
  return tl_packer_create(&s->arena, &s->builder, &source, &s->packer, &diag);
}

static void section_finish(section *s) {
  tl_arena_finish(&s->arena);
  tl_arena_finish(&s->scratch);
}

static char *section_fill(section *s, uint64_t step) {
  char *out = tl_arena_alloc(&s->arena, s->bytes);
  CHECK(out);
  for (uint64_t begin = 0; begin < s->bytes; begin += step) {
    uint64_t end = begin + step < s->bytes ? begin + step : s->bytes;
    tl_arena_reset(&s->scratch);
    tl_status status = tl_packer_fill(s->packer, begin, end, out + begin, &s->scratch, &diag);
    if (!tl_ok(status)) tl_diag_print(&diag, stderr);
    CHECK(tl_ok(status) && diag.count == 0);
  }
  return out;
}

// ---- tests

static const struct {
  int64_t rows, columns, experts;
  unsigned salt;
} sizes[] = {{1, 1, 1, 0},    {64, 64, 1, 1},   {200, 33, 1, 0}, {63, 100, 3, 2},
             {130, 96, 2, 0}, {65, 1025, 1, 3}, {5, 3001, 1, 0}, {100, 40, 1, 7},
             {70, 64, 1, 8},  {3, 7, 17, 0},    {640, 31, 1, 4}};

enum { SIZES = sizeof sizes / sizeof *sizes };

// Weights that both devices read lie behind those that the CPU alone does, and before the GPU's.
static void check_places(const tl_plan_builder *builder) {
  static const int part[] = {-1, 0, 2, 1}; // by the mask of readers
  for (size_t a = 0; a < builder->weights_count; a++) {
    for (size_t b = 0; b < builder->weights_count; b++) {
      int x = part[builder->packed[a].readers], y = part[builder->packed[b].readers];
      bool is_before = builder->weights[a].offset < builder->weights[b].offset;
      CHECK(x >= 0 && (x == y ? is_before == (a < b) : is_before == (x < y)));
    }
  }
}

static void test_matrices(const char *target, const char *stored) {
  static char body[TEXT_MAX];
  expected all[SIZES];
  size_t used = 0;
  section s;
  for (int i = 0; i < SIZES; i++) {
    long long rows = sizes[i].rows, columns = sizes[i].columns, experts = sizes[i].experts;
    all[i].experts = experts;
    all[i].tensor = (tensor_name){TL_FORMAT_F32, rows, columns, sizes[i].salt};
    CHECK(tl_format_from_text(tl_str_from(stored), &all[i].tensor.format));
    CHECK(tl_format_from_text(tl_str_from(target), &all[i].format));
    char concat[256] = "", *end = concat;
    for (int e = 0; e < experts && experts <= 3; e++) {
      end += snprintf(end, 80, "%stensor(\"%s_%lld_%lld_%u\")", e ? ", " : "", stored, rows,
                      columns, sizes[i].salt + (unsigned)e);
    }
    if (experts == 1) {
      used += (size_t)snprintf(body + used, TEXT_MAX - used, "weight %%w%d : %s[%lld,%lld] = %s\n",
                               i, target, rows, columns, concat);
    } else {
      used += (size_t)snprintf(body + used, TEXT_MAX - used,
                               "weight %%w%d : %s[%lld,%lld,%lld] = stack(%lld, "
                               "tensor(\"%s_%lld_%lld_{e}\"))\n",
                               i, target, experts, rows, columns, experts, stored, rows, columns);
      all[i].tensor.salt = 0;
    }
  }
  section_init(&s, body);
  for (int i = 0; i < SIZES; i++) {
    char name[8];
    snprintf(name, sizeof name, "w%d", i);
    s.builder.readers = 1u << i % 2;
    CHECK(section_add(&s, name, 0, TL_PLAN_LAYOUT_PANEL64) == (uint32_t)i);
    s.builder.readers = 1u << i % 3 % 2;
    CHECK(section_add(&s, name, 0, TL_PLAN_LAYOUT_PANEL64) == (uint32_t)i);
  }
  CHECK(tl_ok(section_open(&s)));
  check_places(&s.builder);
  char *naive = tl_arena_alloc(&s.arena, s.bytes);
  for (int i = 0; i < SIZES; i++)
    naive_pack(&all[i], &s.builder.weights[i], naive + s.builder.weights[i].offset);
  static const uint64_t steps[] = {4096, 5 * 4096, UINT64_MAX / 2};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
    CHECK(memcmp(section_fill(&s, steps[i]), naive, s.bytes) == 0);
  section_finish(&s);
}

// Rows so long that 64 of them are not evaluated at once.
static void test_long_rows(const char *target) {
  char body[128];
  expected e = {.experts = 1, .tensor = {TL_FORMAT_F32, 36, 70000, 0}};
  section s;
  snprintf(body, sizeof body, "weight %%w : %s[36,70000] = tensor(\"f32_36_70000\")\n", target);
  CHECK(tl_format_from_text(tl_str_from(target), &e.format));
  section_init(&s, body);
  section_add(&s, "w", 0, TL_PLAN_LAYOUT_PANEL64);
  CHECK(tl_ok(section_open(&s)));
  char *naive = tl_arena_alloc(&s.arena, s.bytes);
  naive_pack(&e, s.builder.weights, naive);
  CHECK(memcmp(section_fill(&s, 3 << 20), naive, s.bytes) == 0);
  section_finish(&s);
}

static void test_vectors(void) {
  section s;
  section_init(&s, "weight %norm : bf16[100] = tensor(\"bf16_100_0\")\n"
                   "weight %long : f32[5000] = tensor(\"f32_5000_0_1\")\n"
                   "weight %up : f32[3,4] = tensor(\"f32_3_4\")\n"
                   "weight %flat : f16[1,70] = tensor(\"f16_1_70_2\")\n"
                   "table %angles : f32[3] = [1, 0.5, 0.25]\n");
  static const struct {
    const char *name;
    double offset;
    int64_t count;
    tensor_name tensor;
  } cases[] = {{"norm", 0, 100, {TL_FORMAT_BF16, 100, 1, 0}},
               {"norm", 1, 100, {TL_FORMAT_BF16, 100, 1, 0}},
               {"long", 0.1, 5000, {TL_FORMAT_F32, 5000, 1, 1}},
               {"flat", 0, 70, {TL_FORMAT_F16, 1, 70, 2}},
               {"angles", 0, 3, {TL_FORMAT_F32, 0, 0, 0}}};
  enum { COUNT = sizeof cases / sizeof *cases };
  for (int i = 0; i < COUNT; i++) {
    CHECK(section_add(&s, cases[i].name, cases[i].offset, TL_PLAN_LAYOUT_VECTOR) == (uint32_t)i);
    if (i == 1) CHECK(section_add(&s, "up", 0, TL_PLAN_LAYOUT_PANEL64) == 2);
    if (i == 1) break;
  }
  for (int i = 2; i < COUNT; i++)
    section_add(&s, cases[i].name, cases[i].offset, TL_PLAN_LAYOUT_VECTOR);
  CHECK(tl_ok(section_open(&s)));
  for (uint64_t step = 4096; step < 65536; step *= 2) {
    const char *out = section_fill(&s, step);
    for (int i = 0; i < COUNT; i++) {
      const tl_plan_weight *row = &s.builder.weights[i < 2 ? i : i + 1];
      const float *values = (const float *)(out + row->offset);
      CHECK(row->bytes == (uint64_t)((cases[i].count + 63) / 64 * 256));
      for (int64_t k = 0; k < (int64_t)row->bytes / 4; k++) {
        float value =
            cases[i].tensor.rows ? number_at(&cases[i].tensor, k) : 1 / (float)(1 << k % 8);
        if (cases[i].offset != 0) value = (float)(value + cases[i].offset);
        CHECK(values[k] == (k < cases[i].count ? value : 0));
      }
    }
  }
  section_finish(&s);
}

// Rows of matrices that lie behind each other are one matrix to who relies on it.
static void test_follows(void) {
  tl_plan_tables tables;
  section s;
  section_init(&s, "weight %a : bf16[64,40] = tensor(\"bf16_64_40\")\n"
                   "weight %b : bf16[100,40] = tensor(\"bf16_100_40\")\n"
                   "weight %n : bf16[40] = tensor(\"bf16_40_0\")\n"
                   "weight %c : bf16[64,40] = tensor(\"bf16_64_40_1\")\n");
  s.builder.readers = 1u << TL_TARGET_DEVICE_CUDA;
  CHECK(section_add(&s, "a", 0, TL_PLAN_LAYOUT_ROWS) == 0);
  CHECK(section_add(&s, "b", 0, TL_PLAN_LAYOUT_ROWS) == 1);
  CHECK(section_add(&s, "n", 0, TL_PLAN_LAYOUT_VECTOR) == 2);
  CHECK(section_add(&s, "c", 0, TL_PLAN_LAYOUT_ROWS) == 3);
  CHECK(!tl_plan_weight_follows(&s.builder, 0) && tl_plan_weight_follows(&s.builder, 1));
  CHECK(!tl_plan_weight_follows(&s.builder, 2) && !tl_plan_weight_follows(&s.builder, 3));
  CHECK(tl_ok(tl_plan_builder_tables(&s.builder, &tables)));
  CHECK(tables.weights[1].offset == tables.weights[0].offset + tables.weights[0].bytes);
  s.builder.readers = 1u << TL_TARGET_DEVICE_CPU;
  CHECK(section_add(&s, "b", 0, TL_PLAN_LAYOUT_ROWS) == 1); // which moves it
  CHECK(tl_plan_builder_tables(&s.builder, &tables) == TL_INTERNAL);
  section_finish(&s);
}

static void test_faults(void) {
  static const struct {
    const char *body;
    tl_status create, fill;
    const char *words;
  } cases[] = {
      {"weight %w : bf16[4,4] = tensor(\"lost\")\n", TL_INPUT, TL_OK, "lost"},
      {"weight %w : bf16[4,4] = tensor(\"bf16_4_5\")\n", TL_INPUT, TL_OK, "is [4,5]"},
      {"weight %w : q8g32[4,40] = tensor(\"f32_4_40_99\")\n", TL_OK, TL_INPUT, "quantised"},
      {"weight %w : q4g32[4,40] = tensor(\"f32_4_40\")\n", TL_UNSUPPORTED, TL_OK, "packed"},
      {"weight %w : f32[2,5000000] = tensor(\"f32_2_5000000\")\n", TL_UNSUPPORTED, TL_OK, "16 MiB"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    section s;
    section_init(&s, cases[i].body);
    section_add(&s, "w", 0, TL_PLAN_LAYOUT_PANEL64);
    tl_status status = section_open(&s);
    CHECK(status == cases[i].create && (s.packer != NULL) == tl_ok(status));
    if (tl_ok(status)) {
      char *out = tl_arena_alloc(&s.arena, s.bytes);
      status = tl_packer_fill(s.packer, 0, s.bytes, out, &s.scratch, &diag);
      CHECK(status == cases[i].fill);
    }
    bool told = diag.count == 1 && strstr(diag.entries[0].text, cases[i].words);
    if (!told) tl_diag_print(&diag, stderr);
    CHECK(told);
    section_finish(&s);
  }
}

// All weights that cannot be bound are reported.
static void test_several_faults(void) {
  section s;
  section_init(&s, "weight %a : bf16[4,4] = tensor(\"lost\")\n"
                   "weight %b : bf16[4,4] = tensor(\"bf16_4_4\")\n"
                   "weight %c : bf16[4,4] = tensor(\"gone\")\n");
  section_add(&s, "a", 0, TL_PLAN_LAYOUT_PANEL64);
  section_add(&s, "b", 0, TL_PLAN_LAYOUT_PANEL64);
  section_add(&s, "c", 0, TL_PLAN_LAYOUT_PANEL64);
  CHECK(section_open(&s) == TL_INPUT && diag.count == 2);
  section_finish(&s);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void bench(tl_format format, int64_t columns) {
  tl_format stored = tl_panel_source_format(format);
  int64_t row_bytes = columns * tl_format_of(stored)->bits / 8;
  int64_t stride = tl_panel_stride(format, columns);
  tl_arena arena;
  tl_arena_init(&arena, ARENA_BYTES);
  char *rows = tl_arena_alloc(&arena, (size_t)(64 * row_bytes));
  char *out = tl_arena_alloc(&arena, (size_t)(BENCH_ROWS / 64 * stride));
  double best = 1e9;
  for (int round = 0; round < 5; round++) {
    double start = seconds();
    for (int64_t panel = 0; panel < BENCH_ROWS / 64; panel++) {
      tl_panel_rows given = {rows, columns, 0, 64};
      CHECK(tl_panel_put(format, &given, 0, stride, out + panel * stride));
    }
    double took = seconds() - start;
    if (took < best) best = took;
  }
  printf("%.*s K=%lld: %.2f GB/s of input\n", TL_STR_ARG(tl_format_of(format)->text),
         (long long)columns, (double)(BENCH_ROWS * row_bytes) / best / 1e9);
  tl_arena_finish(&arena);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "bench") == 0) {
    static const tl_format formats[] = {TL_FORMAT_F32, TL_FORMAT_BF16, TL_FORMAT_F16,
                                        TL_FORMAT_Q8G32};
    for (int i = 0; i < 4; i++) {
      bench(formats[i], 576);
      bench(formats[i], 4096);
    }
    return 0;
  }
  CHECK(tl_ok(tl_op_table_init(&ops, &diag)));
  test_matrices("f32", "f32");
  test_matrices("bf16", "bf16");
  test_matrices("f16", "f16");
  test_matrices("f32", "bf16");
  test_matrices("bf16", "f32");
  test_matrices("q8g32", "f32");
  test_matrices("q8g32", "bf16");
  test_long_rows("f32");
  test_long_rows("q8g32");
  test_vectors();
  test_follows();
  test_faults();
  test_several_faults();
  return 0;
}
