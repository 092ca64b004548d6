// The interpreter on small graphs: chunks, states, slices of weights, memory, and every failure.
#include "ir/interp.h"

#include "ir/text_parse.h"
#include "tests/lib/check.h"

// Two layers: routed experts and a window, then a full layer; the head is the embedding.
static const char model[] =
    "graph @step(T, S, R) {\n"
    "  input %ids : i32[T]\n"
    "  input %pos : i32[T]\n"
    "  input %rows : i32[R]\n"
    "  weight %embed : bf16[50,16] = tensor(\"embed\")\n"
    "  table %freqs : f32[2] = [1, 0.1]\n"
    "  weight %norm : f32[16] = tensor(\"norm\")\n"
    "  %h = embed %ids, %embed\n"
    "  weight %q0 : f32[16,16] = tensor(\"q0\")\n"
    "  weight %k0 : f32[8,16] = tensor(\"k0\")\n"
    "  state %l0.kv : window {heads=2, key=4, value=4, span=3}\n"
    "  %l0.n = rmsnorm %h, %norm\n"
    "  %l0.q = linear %l0.n, %q0\n"
    "  %l0.k = linear %l0.n, %k0\n"
    "  %l0.qh = split_heads %l0.q {heads=4}\n"
    "  %l0.kh = split_heads %l0.k {heads=2}\n"
    "  %l0.qr = rope %l0.qh, %pos, %freqs\n"
    "  %l0.kr = rope %l0.kh, %pos, %freqs\n"
    "  %l0.a = attention %l0.qr, %l0.kr, %l0.kh, %l0.kv {scale=0.5, window=3}\n"
    "  %l0.m = merge_heads %l0.a\n"
    "  %l0.h = add %h, %l0.m\n"
    "  weight %router : f32[4,16] = tensor(\"router\")\n"
    "  weight %up : f32[4,8,16] = stack(4, tensor(\"up{e}\"))\n"
    "  weight %down : f32[4,16,8] = stack(4, tensor(\"down{e}\"))\n"
    "  %s = linear %l0.h, %router\n"
    "  %p = softmax %s\n"
    "  %e = group_topk %p {k=2}\n"
    "  %pe = take %p, %e\n"
    "  %u = expert_linear %l0.h, %e, %up\n"
    "  %ua = act %u {kind=silu}\n"
    "  %d = expert_linear %ua, %e, %down\n"
    "  %c = combine %d, %pe\n"
    "  %l1.h = add %l0.h, %c\n"
    "  state %l1.kv : full {heads=2, key=4, value=4}\n"
    "  %l1.q = split_heads %l1.h {heads=4}\n"
    "  weight %k1 : f32[8,16] = tensor(\"k1\")\n"
    "  %l1.n = linear %l1.h, %k1\n"
    "  %l1.k = split_heads %l1.n {heads=2}\n"
    "  %l1.a = attention %l1.q, %l1.k, %l1.k, %l1.kv {scale=0.5}\n"
    "  %l1.m = merge_heads %l1.a\n"
    "  %last = select_rows %l1.m, %rows\n"
    "  %logits = linear %last, %embed\n"
    "  output logits = %logits\n"
    "  output experts = %e\n"
    "}\n";

enum { ROWS = 11, VOCAB = 50 };

typedef struct fixture {
  tl_arena arena;
  tl_op_table table;
  tl_diag diag;
  tl_source source;
  tl_graph *graph;
  tl_interp *interp;
  int loads_left;          // loads that succeed
  int64_t elements_loaded; // so far
  int64_t largest_load;
} fixture;

static fixture fx;

// Element `index` of a weight: small, irregular, the same whatever slice it comes in.
static float weight_element(const tl_value *weight, int64_t index) {
  uint32_t hash = (uint32_t)weight->name.length * 77u + (uint8_t)weight->name.data[0];
  hash = (hash + (uint32_t)index) * 2654435761u;
  return (float)(int32_t)(hash >> 8 & 0xffff) / 65536.0f - 0.5f;
}

static tl_status load(void *context, const tl_interp_request *request, float *out, tl_diag *diag) {
  fixture *f = context;
  const tl_type *type = &request->node->result->type;
  int64_t width = 1;
  if (f->loads_left-- <= 0) {
    return tl_diag_error(diag, TL_IO, request->node->span, "the disk is gone");
  }
  CHECK(request->begin >= 0 && request->begin < request->end);
  CHECK(request->end <= type->dims[0].constant);
  for (int i = 1; i < type->rank; i++)
    width *= type->dims[i].constant;
  int64_t count = (request->end - request->begin) * width;
  for (int64_t i = 0; i < count; i++)
    out[i] = weight_element(request->node->result, request->begin * width + i);
  f->elements_loaded += count;
  if (count > f->largest_load) f->largest_load = count;
  return TL_OK;
}

static void report(void) {
  tl_diag_print(&fx.diag, stderr);
  CHECK(!"no fault");
}

static void open_text(const char *text, size_t bytes_max) {
  tl_arena_reset(&fx.arena);
  fx.diag.count = 0;
  fx.loads_left = 1 << 30;
  fx.elements_loaded = fx.largest_load = 0;
  fx.source = (tl_source){"model", tl_str_from(text)};
  if (!tl_ok(tl_op_table_init(&fx.table, &fx.diag))) report();
  if (!tl_ok(tl_text_parse(&fx.source, &fx.table, &fx.arena, &fx.graph, &fx.diag))) report();
  tl_interp_options options = {.load = load, .context = &fx, .bytes_max = bytes_max};
  if (!tl_ok(tl_interp_create(&fx.arena, fx.graph, &options, &fx.interp, &fx.diag))) report();
}

static void close_text(void) {
  tl_interp_destroy(fx.interp);
  fx.interp = NULL;
}

// Rows [begin, end) of a fixed sequence, all of them wanted.
static tl_status run_model(int begin, int end) {
  int32_t ids[ROWS], pos[ROWS], rows[ROWS];
  int count = end - begin;
  for (int i = 0; i < count; i++) {
    ids[i] = (begin + i) * 17 % VOCAB;
    pos[i] = begin + i;
    rows[i] = i;
  }
  tl_interp_input inputs[] = {{.name = TL_STR("ids"), .i = ids, .count = count},
                              {.name = TL_STR("pos"), .i = pos, .count = count},
                              {.name = TL_STR("rows"), .i = rows, .count = count}};
  tl_interp_call call = {.symbols = {count, 1, count}, .inputs = inputs, .inputs_count = 3};
  return tl_interp_run(fx.interp, &call, &fx.diag);
}

static void run_into(int begin, int end, float *logits) {
  if (!tl_ok(run_model(begin, end))) report();
  const tl_ref_tensor *y = tl_interp_output(fx.interp, TL_STR("logits"));
  CHECK(y && y->rank == 2 && y->dims[0] == end - begin && y->dims[1] == VOCAB);
  memcpy(logits + begin * VOCAB, y->f, (size_t)(end - begin) * VOCAB * sizeof *logits);
}

static float whole[ROWS * VOCAB], cut[ROWS * VOCAB];

// However a sequence is cut into calls, its numbers are the same to the bit.
static void test_chunks(void) {
  open_text(model, 0);
  run_into(0, ROWS, whole);
  CHECK(tl_interp_length(fx.interp) == ROWS);
  for (int step = 1; step < ROWS; step++) {
    tl_interp_truncate(fx.interp, 0);
    CHECK(tl_interp_length(fx.interp) == 0);
    for (int begin = 0; begin < ROWS; begin += step)
      run_into(begin, begin + step < ROWS ? begin + step : ROWS, cut);
    CHECK(memcmp(whole, cut, sizeof whole) == 0);
  }
  const tl_ref_tensor *experts = tl_interp_output(fx.interp, TL_STR("experts"));
  CHECK(experts && experts->i && !experts->f && experts->dims[1] == 2);
  CHECK(tl_interp_output(fx.interp, TL_STR("nix")) == NULL);
  close_text();
}

static void test_truncate(void) {
  open_text(model, 0);
  run_into(0, ROWS, whole);
  tl_interp_truncate(fx.interp, 99);
  CHECK(tl_interp_length(fx.interp) == ROWS);
  tl_interp_truncate(fx.interp, 4);
  memcpy(cut, whole, sizeof cut);
  run_into(4, ROWS, cut);
  CHECK(memcmp(whole, cut, sizeof whole) == 0);
  close_text();
}

// No rows wanted, no rows at all.
static void test_empty(void) {
  open_text(model, 0);
  tl_interp_input inputs[] = {{.name = TL_STR("ids"), .i = (int32_t[]){1}, .count = 1},
                              {.name = TL_STR("pos"), .i = (int32_t[]){0}, .count = 1},
                              {.name = TL_STR("rows"), .i = (int32_t[]){0}, .count = 0}};
  tl_interp_call call = {.symbols = {1, 1, 0}, .inputs = inputs, .inputs_count = 3};
  CHECK(tl_ok(tl_interp_run(fx.interp, &call, &fx.diag)) && tl_interp_length(fx.interp) == 1);
  CHECK(tl_interp_output(fx.interp, TL_STR("logits"))->dims[0] == 0);
  inputs[0].count = inputs[1].count = call.symbols[0] = 0;
  CHECK(tl_ok(tl_interp_run(fx.interp, &call, &fx.diag)) && tl_interp_length(fx.interp) == 1);
  close_text();
}

// A failure at any load leaves the states as they were and no outputs.
static void test_load_failures(void) {
  open_text(model, 0);
  run_into(0, ROWS, whole);
  tl_interp_truncate(fx.interp, 0);
  run_into(0, 5, cut);
  for (int allowed = 0;; allowed++) {
    CHECK(allowed < 1000);
    fx.loads_left = allowed;
    fx.diag.count = 0;
    tl_status status = run_model(5, ROWS);
    if (tl_ok(status)) break;
    CHECK(status == TL_IO && fx.diag.count == 1 && tl_interp_length(fx.interp) == 5);
    CHECK(!tl_interp_output(fx.interp, TL_STR("logits")));
  }
  tl_interp_truncate(fx.interp, 5);
  fx.loads_left = 1 << 30;
  run_into(5, ROWS, cut);
  CHECK(memcmp(whole, cut, sizeof whole) == 0);
  close_text();
}

// Any memory limit either works or says so.
static void test_memory_limits(void) {
  bool worked = false;
  for (size_t limit = 1; limit < (64 << 20) && !worked; limit += limit / 3 + 1) {
    open_text(model, limit);
    tl_status status = run_model(0, ROWS);
    worked = tl_ok(status);
    CHECK(worked || (status == TL_MEMORY && fx.diag.count == 1));
    CHECK(worked || tl_interp_length(fx.interp) == 0);
    CHECK(tl_interp_peak_bytes(fx.interp) <= limit);
    close_text();
  }
  CHECK(worked);
}

static void check_fault(tl_status status, tl_status wanted, const char *text) {
  CHECK(status == wanted && fx.diag.count == 1);
  if (!strstr(fx.diag.entries[0].text, text)) fprintf(stderr, "%s\n", fx.diag.entries[0].text);
  CHECK(strstr(fx.diag.entries[0].text, text));
  CHECK(tl_interp_length(fx.interp) == 0);
  fx.diag.count = 0;
}

static void test_bad_calls(void) {
  open_text(model, 0);
  int32_t ids[] = {1, VOCAB}, pos[] = {0, 1}, rows[] = {0, 1};
  tl_interp_input inputs[] = {{.name = TL_STR("ids"), .i = ids, .count = 2},
                              {.name = TL_STR("pos"), .i = pos, .count = 2},
                              {.name = TL_STR("rows"), .i = rows, .count = 2}};
  tl_interp_call call = {.symbols = {2, 1, 2}, .inputs = inputs, .inputs_count = 3};
  check_fault(tl_interp_run(fx.interp, &call, &fx.diag), TL_INPUT, "embed: an id is out of range");
  ids[1] = -1;
  check_fault(tl_interp_run(fx.interp, &call, &fx.diag), TL_INPUT, "an id is out of range");
  ids[1] = 2;
  rows[1] = 2; // fails behind the attention
  check_fault(tl_interp_run(fx.interp, &call, &fx.diag), TL_INPUT, "select_rows: an id");
  rows[1] = 1;
  call.inputs_count = 2;
  check_fault(tl_interp_run(fx.interp, &call, &fx.diag), TL_USAGE, "%rows is not given as i32");
  call.inputs_count = 3;
  inputs[1].count = 1;
  check_fault(tl_interp_run(fx.interp, &call, &fx.diag), TL_USAGE, "has 1 elements, expected 2");
  inputs[1].count = 2;
  inputs[1].name = TL_STR("h");
  check_fault(tl_interp_run(fx.interp, &call, &fx.diag), TL_USAGE, "no input %h");
  inputs[1].name = TL_STR("pos");
  call.symbols[2] = -1;
  check_fault(tl_interp_run(fx.interp, &call, &fx.diag), TL_USAGE, "symbol R is -1");
  call.symbols[2] = 2;
  CHECK(tl_ok(tl_interp_run(fx.interp, &call, &fx.diag)));
  close_text();
}

// Outputs that no op computes: copies that outlive the call's inputs.
static void test_plain_outputs(void) {
  open_text("graph @g(T) {\n"
            "  input %x : f32[T,2]\n"
            "  weight %w : f32[3,2] = tensor(\"w\")\n"
            "  table %t : f32[2] = [4, 5]\n"
            "  %y = linear %x, %w\n"
            "  output x = %x\n"
            "  output w = %w\n"
            "  output t = %t\n"
            "  output again = %x\n"
            "  output y = %y\n"
            "}\n",
            0);
  float x[] = {1, 2};
  tl_interp_input input = {.name = TL_STR("x"), .f = x, .count = 2};
  tl_interp_call call = {.symbols = {1}, .inputs = &input, .inputs_count = 1};
  CHECK(tl_ok(tl_interp_run(fx.interp, &call, &fx.diag)));
  x[0] = 9;
  CHECK(tl_interp_output(fx.interp, TL_STR("x"))->f[0] == 1);
  CHECK(tl_interp_output(fx.interp, TL_STR("again"))->f[1] == 2);
  CHECK(tl_interp_output(fx.interp, TL_STR("t"))->f[1] == 5);
  const tl_value *w = tl_graph_find(fx.graph, TL_STR("w"));
  CHECK(tl_interp_output(fx.interp, TL_STR("w"))->f[5] == weight_element(w, 5));
  CHECK(tl_interp_length(fx.interp) == 0);
  close_text();
}

// A weight of 24 MB comes in slices, 40 layers of it do not add up, and values are freed.
static void test_streaming(void) {
  static char text[16384];
  size_t used = (size_t)snprintf(text, sizeof text,
                                 "graph @g(T) {\n"
                                 "  input %%h0 : f32[T,2400]\n");
  for (int l = 0; l < 20; l++) {
    used += (size_t)snprintf(text + used, sizeof text - used,
                             "  weight %%w%d : f32[2400,2400] = tensor(\"w%d\")\n"
                             "  weight %%b%d : f32[2400] = tensor(\"b%d\")\n"
                             "  %%l%d = linear %%h%d, %%w%d, %%b%d\n"
                             "  %%h%d = rmsnorm %%l%d\n",
                             l, l, l, l, l, l, l, l, l + 1, l);
  }
  snprintf(text + used, sizeof text - used, "  output y = %%h20\n}\n");
  open_text(text, 64 << 20);
  static float x[2400];
  for (int i = 0; i < 2400; i++)
    x[i] = (float)(i % 7) - 3;
  tl_interp_input input = {.name = TL_STR("h0"), .f = x, .count = 2400};
  tl_interp_call call = {.symbols = {1}, .inputs = &input, .inputs_count = 1};
  if (!tl_ok(tl_interp_run(fx.interp, &call, &fx.diag))) report();
  CHECK(fx.elements_loaded == 20 * (2400 * 2400 + 2400));
  CHECK(fx.largest_load * 4 <= 16 << 20);
  CHECK(tl_interp_peak_bytes(fx.interp) < (20 << 20));
  close_text();
}

// The sliced form of an op gives the bits of the whole one, whose weight is an input.
static void test_slices_are_exact(void) {
  static const char text[] = "graph @g(T) {\n"
                             "  input %x : f32[T,4000]\n"
                             "  input %v : f32[1200,4000]\n"
                             "  weight %w : f32[1200,4000] = tensor(\"w\")\n"
                             "  %y = linear %x, %w\n"
                             "  %z = linear %x, %v\n"
                             "  output y = %y\n"
                             "  output z = %z\n"
                             "}\n";
  enum { K = 4000, N = 1200 };
  static float x[3 * K], v[N * K];
  open_text(text, 0);
  const tl_value *w = tl_graph_find(fx.graph, TL_STR("w"));
  for (int i = 0; i < N * K; i++)
    v[i] = weight_element(w, i);
  for (int i = 0; i < 3 * K; i++)
    x[i] = (float)(i % 13) - 6;
  tl_interp_input inputs[] = {{.name = TL_STR("x"), .f = x, .count = 3 * K},
                              {.name = TL_STR("v"), .f = v, .count = N * K}};
  tl_interp_call call = {.symbols = {3}, .inputs = inputs, .inputs_count = 2};
  if (!tl_ok(tl_interp_run(fx.interp, &call, &fx.diag))) report();
  CHECK(fx.largest_load < N * K);
  CHECK(memcmp(tl_interp_output(fx.interp, TL_STR("y"))->f,
               tl_interp_output(fx.interp, TL_STR("z"))->f, 3 * N * sizeof(float)) == 0);
  close_text();
}

static void test_refused(void) {
  static const char text[] = "graph @g(T) {\n"
                             "  input %q : f32[T,1,2]\n"
                             "  state %s : cross {heads=1, key=2, value=2}\n"
                             "  %y = attention %q, %q, %q, %s {scale=1, mask=full}\n"
                             "  output y = %y\n"
                             "}\n";
  tl_interp_options options = {0};
  tl_interp *interp;
  tl_arena_reset(&fx.arena);
  fx.diag.count = 0;
  fx.source = (tl_source){"cross", tl_str_from(text)};
  CHECK(tl_ok(tl_text_parse(&fx.source, &fx.table, &fx.arena, &fx.graph, &fx.diag)));
  CHECK(tl_interp_create(&fx.arena, fx.graph, &options, &interp, &fx.diag) == TL_UNSUPPORTED);
  tl_graph *empty = tl_graph_create(&fx.arena, &fx.table, TL_STR("g"), &(tl_symbols){0});
  CHECK(tl_interp_create(&fx.arena, empty, &options, &interp, &fx.diag) == TL_INPUT);
  tl_interp_destroy(NULL);
}

int main(void) {
  tl_arena_init(&fx.arena, SIZE_MAX);
  test_chunks();
  test_truncate();
  test_empty();
  test_load_failures();
  test_memory_limits();
  test_bad_calls();
  test_plain_outputs();
  test_streaming();
  test_slices_are_exact();
  test_refused();
  tl_arena_finish(&fx.arena);
  return 0;
}
