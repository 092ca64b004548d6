// Descriptions of a plan: the tiny plan's text and JSON, every lack of memory, and hostile texts.
#include "runtime/plan/describe.h"

#include <unistd.h>

#include "runtime/base/json_tree.h"
#include "tests/lib/check.h"
#include "tests/lib/tiny_plan.h"

static tl_diag diag;

static void open_tiny(const char *path, tl_plan *out_plan) {
  tl_tiny_plan tiny;
  tl_arena arena;
  tl_arena_init(&arena, (size_t)1 << 30);
  tl_tiny_plan_init(&tiny, 1, false);
  CHECK(tl_ok(tl_plan_write(&tiny.parts, path, 1, &arena, &diag)));
  CHECK(tl_ok(tl_plan_open(path, NULL, out_plan, &diag)));
  tl_arena_finish(&arena);
}

static void test_text(const tl_plan *plan) {
  static const char *const lines[] = {
      "model : generate {outputs=100, vocabulary=100, context=2048, types=0}\n",
      "kv types : f32, bf16; bf16 by default\n",
      "target cpu:x86-64-v4 {code=65636, text=64, scratch=4096}\n",
      "memory code of cpu:x86-64-v4 : 64.10 KiB, scratch 4.00 KiB per thread\n",
      "section tokenizer : at ",
      "section code of cpu:x86-64-v3 : at 65536, 104 bytes\n",
      "memory weights : 3.04 MiB\n",
      "memory kv group 1 : window of 128 positions; f32 1.00 KiB per position; bf16 512 bytes per",
      "memory activations of @step for cpu:x86-64-v3 : 288.50 KiB at T = 512, weights 3.01 MiB\n",
      "weight %l0.up : bf16[4,1000,256] panel64 {at=1048576, stride=32768}\n",
      "weight %l0.norm : f32[100] vector {at=3145728, stride=4}\n",
      "program @step : cpu:x86-64-v4, 6 launches {\n",
      "  launches at T = 1 with kv bf16: layer 0: 2, outside of layers: 2\n",
      "group 1 : window {span=128, f32=65536, bf16=32768}\n",
      "state %l1.kv : group 1 {heads=2, key=64, value=64, f32=0, bf16=0}\n",
      "buffer %logits : f32[R,100] {at=0, row=512}\n",
      "kernel 1 : cpu:x86-64-v4 {at=0, scratch=1024} matmul \"64\" {}\n",
      "  output %logits\n",
      "  arenas {1=0, T=576, S=0, R=512, A=0}\n",
      ("  launch @l0.attention : kv bf16, layer 0, grid 2 * ceil(A / 4)\n"
       "    code 1 {flops=0}\n"
       "    args buffer %h, state %l0.kv, page_bytes %l0.kv, group %l1.kv\n"
       "    | x = rows h\n"
       "    | y = x * l0.up\n"),
      "    args int -7, weight %l0.up, buffer %h\n",
      "kernel 2 : cpu:x86-64-v4 {at=0, scratch=0} library: matmul\n",
      ("  launch @l0.mlp : kv f32, bf16, by default, with a library, set 1, grid 1 * ceil(T / 1)\n"
       "    product 2 {flops=12800}\n"
       "    args buffer %h, weight %l0.square, int 64, buffer %h, int 0, int 0, weight "
       "%l0.norm\n")};
  tl_arena arena;
  tl_str text;
  tl_arena_init(&arena, (size_t)1 << 24);
  CHECK(tl_ok(tl_plan_describe_text(plan, &arena, &text)));
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    bool found = memmem(text.data, text.length, lines[i], strlen(lines[i])) != NULL;
    if (!found) fprintf(stderr, "missing: %sin:\n%.*s", lines[i], TL_STR_ARG(text));
    CHECK(found);
  }
  CHECK(text.data[text.length - 1] == '\n');
  tl_arena_finish(&arena);
}

static const tl_json *at(const tl_json *node, const char *key) {
  node = tl_json_get(node, tl_str_from(key));
  if (!node) fprintf(stderr, "missing: %s\n", key);
  CHECK(node);
  return node;
}

static int64_t int_at(const tl_json *node, const char *key) {
  int64_t value;
  CHECK(tl_json_to_int(at(node, key), &value));
  return value;
}

static void test_json(const tl_plan *plan) {
  tl_arena arena;
  tl_str text, name;
  const tl_json *root;
  tl_arena_init(&arena, (size_t)1 << 24);
  CHECK(tl_ok(tl_plan_describe_json(plan, &arena, &text)));
  tl_source source = {"description", text};
  CHECK(tl_ok(tl_json_parse(&arena, &source, &(tl_json_options){0}, &root, &diag)));
  CHECK(tl_json_to_string(at(at(root, "meta"), "model"), &name) && tl_str_is(name, "tiny"));
  CHECK(int_at(at(root, "file"), "bytes") == (int64_t)plan->bytes_count);
  CHECK(int_at(at(root, "model"), "context") == 2048);
  CHECK(tl_json_count(at(root, "sections")) == plan->header->sections_count);
  CHECK(tl_json_count(at(root, "targets")) == TL_TINY_TARGETS);
  const tl_json *memory = at(root, "memory");
  CHECK(int_at(memory, "weights_bytes") == (3 << 20) + 12288 + 32768);
  CHECK(int_at(at(memory, "kv_bytes_per_token"), "bf16") == 2 * 512);
  const tl_json *program = tl_json_item(at(root, "programs"), 0);
  CHECK(int_at(program, "weights_bytes") == (3 << 20) + 4096 + 4352);
  program = tl_json_item(at(root, "programs"), 1);
  CHECK(int_at(program, "activation_bytes") == 576 * 512 + 512);
  CHECK(int_at(program, "weights_bytes") == (3 << 20) + 12288 + 32768);
  const tl_json *launches = at(at(program, "launches_per_layer"), "f32");
  CHECK(int_at(launches, "outside") == 2);
  const tl_json *run = tl_json_item(at(launches, "layers"), 0);
  CHECK(int_at(run, "first") == 0 && int_at(run, "last") == 0 && int_at(run, "launches") == 2);
  tl_arena_finish(&arena);
}

static void test_lack_of_memory(const tl_plan *plan) {
  for (int form = 0; form < 2; form++) {
    tl_status status = TL_MEMORY;
    for (size_t fail_after = 0; !tl_ok(status); fail_after++) {
      tl_arena arena;
      tl_str text;
      tl_arena_init(&arena, (size_t)1 << 24);
      arena.fail_after = fail_after;
      status = form ? tl_plan_describe_json(plan, &arena, &text)
                    : tl_plan_describe_text(plan, &arena, &text);
      CHECK(status == TL_OK || (status == TL_MEMORY && !text.data));
      CHECK(fail_after < 1000);
      tl_arena_finish(&arena);
    }
  }
}

// Equal neighbours are told together; launches that a step of one row does not run do not count.
static void test_layers(void) {
  static const uint32_t layers[] = {0, 1, 1, 2, 2, 3, 3, 3, 0, 5, 6, 0};
  enum { COUNT = sizeof layers / sizeof *layers };
  tl_plan_launch launches[COUNT];
  for (int i = 0; i < COUNT; i++)
    launches[i] = (tl_plan_launch){.layer = layers[i], .guard_kv = 3, .guard_max = UINT32_MAX};
  launches[7].guard_min = 2;
  launches[11].guard_kv = 1 << TL_PLAN_KV_F32;
  tl_plan_tables tables = {.launchs = launches, .launchs_count = COUNT};
  tl_plan_program program = {.launches_count = COUNT};
  tl_plan_layers run;
  uint32_t at_launch = 0;
  tl_plan_kv_type kv = TL_PLAN_KV_BF16;
  CHECK(tl_plan_next_layers(&tables, &program, kv, &at_launch, &run));
  CHECK(run.first == 0 && run.last == 2 && run.launches_count == 2);
  CHECK(tl_plan_next_layers(&tables, &program, kv, &at_launch, &run));
  CHECK(run.first == 4 && run.last == 5 && run.launches_count == 1);
  CHECK(!tl_plan_next_layers(&tables, &program, kv, &at_launch, &run));
  CHECK(tl_plan_outside_launches(&tables, &program, kv) == 2);
  CHECK(tl_plan_outside_launches(&tables, &program, TL_PLAN_KV_F32) == 3);
}

// Texts that would drive a terminal.
static void test_hostile_texts(const tl_plan *plan) {
  static const char strings[4096] = "\x1b[2J\tname";
  tl_plan hostile = {.file = -1, .name = "hostile", .tables = plan->tables};
  tl_arena arena;
  tl_str text;
  tl_plan_weight weight = plan->tables.weights[0];
  weight.name = 0;
  hostile.tables.weights = &weight;
  hostile.tables.weights_count = 1;
  hostile.tables.programs_count = hostile.tables.targets_count = 0;
  hostile.tables.strings = strings;
  tl_arena_init(&arena, (size_t)1 << 24);
  CHECK(tl_ok(tl_plan_describe_text(&hostile, &arena, &text)));
  CHECK(memmem(text.data, text.length, "weight %?[2J?name", 17) &&
        !memchr(text.data, 27, text.length));
  CHECK(tl_ok(tl_plan_describe_json(&hostile, &arena, &text)));
  tl_arena_finish(&arena);
}

int main(void) {
  char folder[] = "/tmp/tlmc-describe-??????", path[64];
  memset(strchr(folder, '?'), 'X', 6);
  CHECK(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/tiny.plan", folder);
  tl_plan plan;
  open_tiny(path, &plan);
  test_text(&plan);
  test_json(&plan);
  test_lack_of_memory(&plan);
  test_layers();
  test_hostile_texts(&plan);
  tl_plan_close(&plan);
  unlink(path);
  CHECK(rmdir(folder) == 0);
  return 0;
}
