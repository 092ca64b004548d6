// Weight expressions over a checkpoint in memory: every kind, every range of rows, against an
// element-by-element evaluation; formats; faults.
#include "ir/weight_eval.h"

#include <math.h>

#include "ir/convert.h"
#include "ir/text_parse.h"
#include "ir/weight_loader.h"
#include "tests/lib/check.h"

enum { ELEMENTS_MAX = 1 << 20 };

// A tensor of the checkpoint; element i is `first` + i, modulo 199.
typedef struct entry {
  const char *name;
  tl_format format;
  int rank;
  int64_t dims[TL_RANK_MAX];
  int first;
} entry;

static const entry entries[] = {
    {"a", TL_FORMAT_F32, 2, {6, 5}, 1},
    {"b", TL_FORMAT_F32, 2, {4, 5}, 50},
    {"half", TL_FORMAT_BF16, 2, {6, 5}, 3},
    {"ieee", TL_FORMAT_F16, 2, {6, 5}, 3},
    {"v", TL_FORMAT_F32, 1, {7}, 9},
    {"u", TL_FORMAT_BF16, 1, {3}, 2},
    {"cube", TL_FORMAT_BF16, 3, {3, 4, 5}, 7},
    {"kernel", TL_FORMAT_F32, 4, {6, 3, 2, 2}, 1},
    {"big", TL_FORMAT_BF16, 2, {3000, 70}, 5},
    {"e0", TL_FORMAT_BF16, 2, {4, 5}, 0},
    {"e1", TL_FORMAT_BF16, 2, {4, 5}, 30},
    {"e2", TL_FORMAT_BF16, 2, {4, 5}, 60},
    {"s0", TL_FORMAT_F32, 2, {2, 2}, 1},
    {"s1", TL_FORMAT_F32, 2, {2, 2}, 3},
    {"s2", TL_FORMAT_F32, 2, {2, 2}, 5},
    {"v0", TL_FORMAT_F32, 1, {5}, 1},
    {"v1", TL_FORMAT_F32, 1, {5}, 9},
    {"odd0", TL_FORMAT_F32, 2, {4, 5}, 1},
    {"odd1", TL_FORMAT_F32, 2, {5, 4}, 1},
    {"bytes", TL_FORMAT_F8E4M3, 2, {6, 2500}, 0},
    {"scales", TL_FORMAT_F32, 2, {1, 20}, 1},
    {"ids", TL_FORMAT_I32, 2, {6, 5}, 0},
    {"empty", TL_FORMAT_F32, 2, {0, 5}, 0},
    {"huge", TL_FORMAT_F32, 3, {(int64_t)1 << 40, (int64_t)1 << 40, 5}, 0},
};

static int64_t bytes_read, reads_limit = INT64_MAX;

static bool find(void *context, tl_str name, tl_weight_tensor *out_tensor) {
  (void)context;
  for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
    if (!tl_str_is(name, entries[i].name)) continue;
    out_tensor->format = entries[i].format;
    out_tensor->rank = entries[i].rank;
    memcpy(out_tensor->dims, entries[i].dims, sizeof entries[i].dims);
    out_tensor->handle = &entries[i];
    return true;
  }
  return false;
}

static void put_element(const entry *e, int64_t index, char *out) {
  float value = (float)((e->first + index) % 199);
  if (e->format == TL_FORMAT_F8E4M3) {
    *out = (char)(index * 7 % 127);
  } else {
    tl_convert_from_f32(e->format, &value, 1, out);
  }
}

static tl_status read_bytes(void *context, const tl_weight_tensor *tensor, int64_t offset,
                            int64_t count, void *out, tl_diag *diag) {
  (void)context;
  const entry *e = tensor->handle;
  int64_t size = (int64_t)tl_convert_element_bytes(e->format), elements = 1;
  for (int i = 0; i < e->rank; i++)
    elements *= e->dims[i];
  CHECK(offset >= 0 && count > 0 && offset + count <= elements * size);
  CHECK(offset % size == 0 && count % size == 0);
  if (reads_limit-- <= 0) {
    return tl_diag_error(diag, TL_IO, (tl_span){0}, "the disk is gone");
  }
  bytes_read += count;
  for (int64_t i = 0; i < count / size; i++)
    put_element(e, offset / size + i, (char *)out + i * size);
  return TL_OK;
}

static const tl_weight_source source = {.find = find, .read = read_bytes};

typedef struct fixture {
  tl_arena arena;
  tl_diag diag;
  tl_op_table table;
  tl_graph *graph;
  tl_node *node;
  tl_weight_eval *eval;
} fixture;

static fixture fx;

// A weight of `type`, written as in the text form, bound to the checkpoint.
static tl_status bind(const char *type, const char *expression) {
  tl_arena_reset(&fx.arena);
  fx.diag.count = 0;
  CHECK(tl_ok(tl_op_table_init(&fx.table, &fx.diag)));
  fx.graph = tl_graph_create(&fx.arena, &fx.table, TL_STR("g"), &(tl_symbols){0});
  CHECK(fx.graph);
  tl_str line = tl_arena_format(&fx.arena, "weight %%w : %s = %s", type, expression);
  tl_status status = tl_text_parse_line(fx.graph, line, &(tl_text_hooks){0}, &fx.diag);
  if (!tl_ok(status)) return status;
  fx.node = tl_graph_find(fx.graph, TL_STR("w"))->producer;
  return tl_weight_eval_bind(&fx.arena, &source, fx.node, &fx.eval, &fx.diag);
}

static void must_bind(const char *type, const char *expression) {
  if (tl_ok(bind(type, expression))) return;
  tl_diag_print(&fx.diag, stderr);
  CHECK(!"binds");
}

// Element i of tensor `name` as f32.
static float element(const char *name, int64_t index) {
  tl_weight_tensor tensor;
  _Alignas(8) char stored[8];
  float value;
  CHECK(find(NULL, tl_str_from(name), &tensor));
  put_element(tensor.handle, index, stored);
  tl_convert_to_f32(tensor.format, stored, 1, &value);
  return value;
}

static float rows[ELEMENTS_MAX], part[ELEMENTS_MAX];

// All rows into `rows`; then every range of rows must give the same numbers.
static void read_all(void) {
  int64_t count = tl_weight_eval_rows_count(fx.eval);
  int64_t columns = tl_weight_eval_columns_count(fx.eval);
  CHECK(count * columns <= ELEMENTS_MAX);
  CHECK(tl_ok(tl_weight_eval_rows(fx.eval, TL_FORMAT_F32, 0, count, rows, &fx.diag)));
  int64_t step = count > 40 ? count / 7 : 1;
  for (int64_t begin = 0; begin <= count; begin += step) {
    for (int64_t end = begin; end <= count; end += step) {
      CHECK(tl_ok(tl_weight_eval_rows(fx.eval, TL_FORMAT_F32, begin, end, part, &fx.diag)));
      size_t bytes = (size_t)((end - begin) * columns) * sizeof *part;
      CHECK(memcmp(part, rows + begin * columns, bytes) == 0);
    }
  }
}

static void test_kinds(void) {
  must_bind("f32[6,5]", "tensor(\"a\")");
  read_all();
  for (int i = 0; i < 30; i++)
    CHECK(rows[i] == element("a", i));
  must_bind("f32[5,6]", "transpose(tensor(\"a\"))");
  read_all();
  for (int i = 0; i < 30; i++)
    CHECK(rows[i] == element("a", i % 6 * 5 + i / 6));
  must_bind("f32[3,5]", "slice(tensor(\"a\"), 2, 5)");
  read_all();
  for (int i = 0; i < 15; i++)
    CHECK(rows[i] == element("a", 10 + i));
  must_bind("f32[10,5]", "concat(tensor(\"a\"), tensor(\"b\"))");
  read_all();
  for (int i = 0; i < 50; i++)
    CHECK(rows[i] == (i < 30 ? element("a", i) : element("b", i - 30)));
  must_bind("f32[6,12]", "tensor(\"kernel\")");
  read_all();
  for (int i = 0; i < 72; i++)
    CHECK(rows[i] == element("kernel", i));
}

static void test_vectors(void) {
  must_bind("f32[8]", "concat(slice(tensor(\"v\"), 1, 6), tensor(\"u\"))");
  CHECK(tl_weight_eval_rows_count(fx.eval) == 8 && tl_weight_eval_columns_count(fx.eval) == 1);
  read_all();
  for (int i = 0; i < 8; i++)
    CHECK(rows[i] == (i < 5 ? element("v", i + 1) : element("u", i - 5)));
  must_bind("f32[2,5]", "stack(2, tensor(\"v{e}\"))");
  read_all();
  for (int i = 0; i < 10; i++)
    CHECK(rows[i] == element(i < 5 ? "v0" : "v1", i % 5));
}

static void test_stacks(void) {
  static const char *const names[] = {"e0", "e1", "e2"};
  must_bind("bf16[3,4,5]", "stack(3, tensor(\"e{e}\"))");
  read_all();
  for (int i = 0; i < 60; i++)
    CHECK(rows[i] == element(names[i / 20], i % 20));
  must_bind("bf16[3,5,4]", "transpose(tensor(\"cube\"))");
  read_all();
  for (int i = 0; i < 60; i++)
    CHECK(rows[i] == element("cube", i / 20 * 20 + i % 4 * 5 + i % 20 / 4));
  must_bind("bf16[3,3,5]", "concat(slice(tensor(\"cube\"), 3, 4), slice(tensor(\"cube\"), 0, 2))");
  read_all();
  for (int i = 0; i < 45; i++) {
    int row = i % 15 / 5 == 0 ? 3 : i % 15 / 5 - 1;
    CHECK(rows[i] == element("cube", i / 15 * 20 + row * 5 + i % 5));
  }
  must_bind("bf16[3,2,4]", "slice(transpose(stack(3, tensor(\"e{e}\"))), 1, 3)");
  read_all();
  for (int i = 0; i < 24; i++)
    CHECK(rows[i] == element(names[i / 8], i % 4 * 5 + 1 + i % 8 / 4));
}

// Heads of a matrix: rows 1 and 2 of every three of `a`, and then rows 0 of every two.
static void test_split(void) {
  must_bind("f32[2,5,2]", "transpose(slice(split(2, tensor(\"a\")), 1, 3))");
  read_all();
  for (int i = 0; i < 20; i++) {
    int row = i / 10 * 3 + 1 + i % 2;
    CHECK(rows[i] == element("a", row * 5 + i % 10 / 2));
  }
  must_bind("f32[3,5]", "merge(slice(split(3, tensor(\"a\")), 0, 1))");
  read_all();
  for (int i = 0; i < 15; i++)
    CHECK(rows[i] == element("a", i / 5 * 10 + i % 5));
  must_bind("f32[12,5]", "merge(stack(3, tensor(\"e{e}\")))");
  read_all();
  for (int i = 0; i < 60; i++)
    CHECK(rows[i] == element(i < 20 ? "e0" : i < 40 ? "e1" : "e2", i % 20));
}

static void test_dequant(void) {
  must_bind("f32[3,4,5]", "stack(3, dequant(tensor(\"e{e}\"), tensor(\"s{e}\"), 3))");
  read_all();
  for (int i = 0; i < 60; i++) {
    int row = i % 20 / 5, column = i % 5;
    const char *scale = i < 20 ? "s0" : i < 40 ? "s1" : "s2";
    const char *name = i < 20 ? "e0" : i < 40 ? "e1" : "e2";
    float wanted = element(name, i % 20) * element(scale, row / 3 * 2 + column / 3);
    CHECK(rows[i] == wanted);
  }
}

// A ragged last block, rows wider than a run, blocks that runs cut.
static void test_dequant_wide(void) {
  must_bind("bf16[6,2500]", "dequant(tensor(\"bytes\"), tensor(\"scales\"), 128)");
  read_all();
  for (int i = 0; i < 6 * 2500; i++)
    CHECK(rows[i] == element("bytes", i) * element("scales", i % 2500 / 128));
  must_bind("bf16[2500,6]", "transpose(dequant(tensor(\"bytes\"), tensor(\"scales\"), 128))");
  read_all();
  for (int i = 0; i < 6 * 2500; i++) {
    int column = i / 6;
    CHECK(rows[i] == element("bytes", i % 6 * 2500 + column) * element("scales", column / 128));
  }
}

// The same through a transpose: strips larger than a buffer on both sides.
static void test_large_transpose(void) {
  must_bind("bf16[70,3000]", "transpose(tensor(\"big\"))");
  read_all();
  for (int i = 0; i < 70 * 3000; i++)
    CHECK(rows[i] == element("big", (int64_t)(i % 3000) * 70 + i / 3000));
  must_bind("bf16[3000,70]", "transpose(transpose(tensor(\"big\")))");
  read_all();
  for (int i = 0; i < 70 * 3000; i++)
    CHECK(rows[i] == element("big", i));
}

// Bits pass through; conversions round to nearest even; only what is asked for is read.
static void test_formats(void) {
  uint16_t bits[15];
  must_bind("bf16[3,5]", "slice(tensor(\"half\"), 1, 4)");
  bytes_read = 0;
  CHECK(tl_ok(tl_weight_eval_rows(fx.eval, TL_FORMAT_BF16, 1, 3, bits, &fx.diag)));
  CHECK(bytes_read == 20);
  for (int i = 0; i < 10; i++) {
    uint16_t wanted;
    float value = element("half", 10 + i);
    tl_convert_from_f32(TL_FORMAT_BF16, &value, 1, &wanted);
    CHECK(bits[i] == wanted);
  }
  must_bind("f32[6,5]", "tensor(\"ieee\")");
  CHECK(tl_ok(tl_weight_eval_rows(fx.eval, TL_FORMAT_BF16, 0, 3, bits, &fx.diag)));
  CHECK(tl_weight_eval_rows(fx.eval, TL_FORMAT_F8E4M3, 0, 3, bits, &fx.diag) == TL_UNSUPPORTED);
  CHECK(tl_weight_eval_rows(fx.eval, TL_FORMAT_F32, 0, 7, rows, &fx.diag) == TL_USAGE);
  CHECK(tl_weight_eval_rows(fx.eval, TL_FORMAT_F32, -1, 2, rows, &fx.diag) == TL_USAGE);
  CHECK(tl_weight_eval_rows(fx.eval, TL_FORMAT_F32, 3, 2, rows, &fx.diag) == TL_USAGE);
  CHECK(tl_weight_eval_rows(fx.eval, TL_FORMAT_F32, 3, 3, rows, &fx.diag) == TL_OK);
}

static uint32_t widened(tl_format format, uint32_t bits) {
  float value;
  uint32_t out;
  tl_convert_to_f32(format, &bits, 1, &value);
  memcpy(&out, &value, sizeof out);
  return out;
}

static uint16_t narrowed(tl_format format, uint32_t bits) {
  float value;
  uint16_t out;
  memcpy(&value, &bits, sizeof value);
  tl_convert_from_f32(format, &value, 1, &out);
  return out;
}

static float value_of(tl_format format, uint32_t bits) {
  float value;
  tl_convert_to_f32(format, &bits, 1, &value);
  return value;
}

static void test_conversions(void) {
  CHECK(widened(TL_FORMAT_BF16, 0x3f80) == 0x3f800000);
  CHECK(narrowed(TL_FORMAT_BF16, 0x3f808000) == 0x3f80); // a tie goes to the even one
  CHECK(narrowed(TL_FORMAT_BF16, 0x3f818000) == 0x3f82);
  CHECK(narrowed(TL_FORMAT_BF16, 0x7f7fffff) == 0x7f80);
  CHECK((narrowed(TL_FORMAT_BF16, 0x7f800001) & 0x7fff) > 0x7f80); // NaN stays NaN
  CHECK(value_of(TL_FORMAT_F8E4M3, 0x7e) == 448 && value_of(TL_FORMAT_F8E4M3, 0xfe) == -448);
  CHECK(value_of(TL_FORMAT_F8E4M3, 1) == 0x1p-9f && value_of(TL_FORMAT_F8E4M3, 0x38) == 1);
  CHECK(isnan(value_of(TL_FORMAT_F8E4M3, 0x7f)) && isnan(value_of(TL_FORMAT_F8E4M3, 0xff)));
  CHECK(value_of(TL_FORMAT_F8E5M2, 0x7b) == 57344 && isinf(value_of(TL_FORMAT_F8E5M2, 0x7c)));
  CHECK(value_of(TL_FORMAT_F16, 1) == 0x1p-24f && narrowed(TL_FORMAT_F16, 0x33800000) == 1);
  for (uint32_t bits = 0; bits < 0x10000; bits++) {
    bool nan16 = (bits & 0x7fff) > 0x7c00, nan_b = (bits & 0x7fff) > 0x7f80;
    CHECK(nan16 || narrowed(TL_FORMAT_F16, widened(TL_FORMAT_F16, bits)) == bits);
    CHECK(nan_b || narrowed(TL_FORMAT_BF16, widened(TL_FORMAT_BF16, bits)) == bits);
  }
}

static void refuse(const char *type, const char *expression, tl_status status, const char *text) {
  CHECK(bind(type, expression) == status && fx.diag.count >= 1);
  if (!strstr(fx.diag.entries[0].text, text)) fprintf(stderr, "%s\n", fx.diag.entries[0].text);
  CHECK(strstr(fx.diag.entries[0].text, text));
}

static void test_faults(void) {
  refuse("f32[6,5]", "tensor(\"nix\")", TL_INPUT, "no tensor 'nix'");
  refuse("f32[6,4]", "tensor(\"a\")", TL_INPUT, "declared [6,4] but tensor 'a' is [6,5]");
  refuse("f32[30]", "tensor(\"a\")", TL_INPUT, "declared [30]");
  refuse("f32[6,5]", "tensor(\"ids\")", TL_UNSUPPORTED, "no float");
  refuse("f32[6,5]", "tensor(\"empty\")", TL_INPUT, "too large");
  refuse("f32[6,5]", "tensor(\"huge\")", TL_INPUT, "too large");
  refuse("f32[4,5]", "slice(tensor(\"a\"), 3, 7)", TL_INPUT, "slice [3, 7) of a tensor of 6 rows");
  refuse("f32[9,5]", "concat(tensor(\"a\"), tensor(\"v\"))", TL_INPUT, "part 2 of concat");
  refuse("f32[7,1]", "transpose(tensor(\"v\"))", TL_INPUT, "transpose of a vector");
  refuse("f32[4,4,5]", "stack(4, tensor(\"e{e}\"))", TL_INPUT, "no tensor 'e3'");
  refuse("f32[2,4,5]", "stack(2, tensor(\"odd{e}\"))", TL_INPUT, "'odd1' is [5,4]");
  refuse("f32[100000,4,5]", "stack(100000, tensor(\"e{e}\"))", TL_INPUT, "expected 1 to 65536");
  refuse("f32[4,1,5]", "split(4, tensor(\"a\"))", TL_INPUT, "split of 6 rows into 4 parts");
  refuse("f32[6,5]", "merge(tensor(\"a\"))", TL_INPUT, "merge of what is no stack");
  refuse("f32[6,5]", "dequant(tensor(\"a\"), tensor(\"b\"), 2)", TL_INPUT, "expected 3 x 3");
  CHECK(bind("f32[9,5]", "concat(tensor(\"x\"), tensor(\"y\"))") == TL_INPUT && fx.diag.count == 2);
  must_bind("f32[10,5]", "concat(tensor(\"a\"), tensor(\"b\"))");
  reads_limit = 1;
  CHECK(tl_weight_eval_rows(fx.eval, TL_FORMAT_F32, 0, 10, rows, &fx.diag) == TL_IO);
  reads_limit = INT64_MAX;
}

static void test_memory(void) {
  static const char expression[] = "stack(3, dequant(tensor(\"e{e}\"), tensor(\"s{e}\"), 3))";
  must_bind("f32[3,4,5]", expression);
  tl_weight_eval *eval;
  for (size_t allowed = 0; allowed < 100; allowed++) {
    fx.arena.fail_after = allowed;
    tl_status status = tl_weight_eval_bind(&fx.arena, &source, fx.node, &eval, &fx.diag);
    fx.arena.fail_after = SIZE_MAX;
    CHECK(status == TL_OK || status == TL_MEMORY);
    if (tl_ok(status)) return;
  }
  CHECK(!"binds in the end");
}

static void test_loader(void) {
  tl_weight_loader loader;
  tl_weight_loader_init(&loader, &source);
  must_bind("bf16[3,4,5]", "stack(3, tensor(\"e{e}\"))");
  tl_interp_request request = {fx.node, 1, 3};
  CHECK(tl_ok(tl_weight_loader_load(&loader, &request, rows, &fx.diag)));
  for (int i = 0; i < 40; i++)
    CHECK(rows[i] == element(i < 20 ? "e1" : "e2", i % 20));
  must_bind("f32[7]", "tensor(\"v\")");
  request = (tl_interp_request){fx.node, 2, 4};
  loader.node = NULL; // the graph before is gone; its nodes lay at the same addresses
  CHECK(tl_ok(tl_weight_loader_load(&loader, &request, rows, &fx.diag)));
  CHECK(rows[0] == element("v", 2) && rows[1] == element("v", 3));
  tl_weight_loader_finish(&loader);
  tl_weight_loader_finish(&loader);
}

int main(void) {
  tl_arena_init(&fx.arena, SIZE_MAX);
  test_kinds();
  test_vectors();
  test_stacks();
  test_split();
  test_dequant();
  test_dequant_wide();
  test_large_transpose();
  test_formats();
  test_conversions();
  test_faults();
  test_memory();
  test_loader();
  tl_arena_finish(&fx.arena);
  return 0;
}
