// The runtime on plans as text (tests/lib/plan_text.h), which need no compiler: plans_test FILE...
//
//   NAME.plan.txt   is read, printed again, written as a plan file and opened; sessions with the
//                   null device run it: requests in batches, prompts again, windows, scores
//   other           a compiled plan: its text form must say all that its tables say
//
// TLMC_BLESS=1 rewrites the texts as they are printed.
#include <unistd.h>

#include "compiler/plan_write.h"
#include "runtime/base/file.h"
#include "runtime/engine/session.h"
#include "runtime/plan/describe.h"
#include "tests/lib/kv_shadow.h"
#include "tests/lib/plan_equal.h"
#include "tests/lib/plan_text.h"

enum { PROMPT = 200, RUNS = 6, CHUNK = 64, TOKENS = 30, STEPS_MAX = 1000, LONG = 400 };

static tl_diag diag;
static tlmc_error error;

static void must(tl_status status) {
  if (!tl_ok(status)) tl_diag_print(&diag, stderr);
  CHECK(tl_ok(status));
}

static void must_api(tlmc_status status) {
  if (status != TLMC_OK) fprintf(stderr, "%s\n", error.text);
  CHECK(status == TLMC_OK);
}

// ---- texts

static tl_str print(const tl_plan *plan, tl_arena *arena) {
  tl_plan tables_only = {.file = -1, .name = plan->name, .tables = plan->tables};
  tl_str text;
  must(tl_plan_describe_text(&tables_only, arena, &text));
  return text;
}

static void check_reads_back(const tl_plan *plan, tl_arena *arena) {
  tl_plan again;
  tl_source source = {plan->name, print(plan, arena)};
  must(tl_plan_text_read(&source, arena, &again, &diag));
  CHECK(tl_plan_tables_equal(&plan->tables, &again.tables));
  CHECK(tl_str_equal(print(&again, arena), source.text));
}

static void bless(const char *path, tl_str text) {
  FILE *out = fopen(path, "wb");
  CHECK(out && fwrite(text.data, 1, text.length, out) == text.length && fclose(out) == 0);
}

static void check_compiled(const char *path) {
  tl_plan plan;
  tl_arena arena;
  tl_arena_init(&arena, (size_t)1 << 30);
  must(tl_plan_open(path, NULL, &plan, &diag));
  check_reads_back(&plan, &arena);
  tl_plan_close(&plan);
  tl_arena_finish(&arena);
}

// ---- faults

static const char good[] = "plan small\n"
                           "model : generate {outputs=4, vocabulary=4, context=64, types=0}\n"
                           "kv types : f32; f32 by default\n"
                           "target cpu:x86-64-v3 {code=64, text=64, scratch=64}\n"
                           "weight %w : f32[4,4] panel64 {at=0, stride=1024}\n"
                           "group 0 : full {span=0, f32=65536, bf16=32768}\n"
                           "state %kv : group 0 {heads=2, key=64, value=64, f32=0, bf16=0}\n"
                           "buffer %y : f32[R,4] {at=0, row=64}\n"
                           "kernel 0 : cpu:x86-64-v3 {at=0, scratch=64} matmul\n"
                           "program @step : cpu:x86-64-v3, 1 launches {\n"
                           "  output %y\n"
                           "  arenas {1=0, T=0, S=0, R=64, A=0}\n"
                           "  launch @y : kv f32, T >= 2, layer 0, grid 1 * ceil(T / 4)\n"
                           "    code 0 {flops=0}\n"
                           "    args int -1, weight %w, group %kv, buffer %y\n"
                           "}\n";

// What takes the place of the first `old`, and where that is wrong.
static const struct {
  const char *old, *new;
  int line, column;
} faults[] = {
    {"generate", "guess", 2, 9},
    {"outputs=4", "outputs=-4", 2, 27},
    {"context=64", "context=4294967296", 2, 52},
    {"; f32", "; f64", 3, 17},
    {", text=64", ", txt=64", 4, 32},
    {"[4,4]", "[4,4", 5, 21},
    {"stride=1024", "stride=x", 5, 44},
    {"group 0 :", "group 1 :", 6, 7},
    {": group 0", ": group 1", 7, 19},
    {"[R,4]", "[Q,4]", 8, 17},
    {"0 : cpu:x86-64-v3", "0 : cpu:x86-64-v9", 9, 12},
    {"kernel 0 : cpu:x86-64-v3 {at=0, scratch=64} matmul\n", "", 12, 9},
    {"1 launches {", "1 launches", 10, 42},
    {"  output %y\n", "", 15, 2},
    {"ceil(T", "ceil[T", 13, 53},
    {"code 0", "code 7", 14, 10},
    {"%w, group", "%w~1, group", 15, 26},
    {"%kv, buffer", "%kv buffer", 15, 39},
    {"}\n  launch", "}\n  lunch", 13, 3},
    {"    code 0", "    code 0 0", 14, 12},
    {"plan small\n", "", 16, 1},
};

static void check_fault(size_t i) {
  char text[2048];
  int line, column;
  tl_plan plan;
  tl_arena arena;
  const char *at = strstr(good, faults[i].old);
  CHECK(at);
  snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, faults[i].new,
           at + strlen(faults[i].old));
  tl_source source = {"fault", tl_str_from(text)};
  diag.count = 0;
  tl_arena_init(&arena, (size_t)1 << 24);
  CHECK(tl_plan_text_read(&source, &arena, &plan, &diag) == TL_INPUT && diag.count == 1);
  tl_diag_locate(source.text, diag.entries[0].span.offset, &line, &column);
  if (line != faults[i].line || column != faults[i].column) {
    fprintf(stderr, "expected %d:%d\n", faults[i].line, faults[i].column);
    tl_diag_print(&diag, stderr);
  }
  CHECK(line == faults[i].line && column == faults[i].column);
  diag.count = 0;
  tl_arena_finish(&arena);
}

static void test_small(void) {
  tl_plan plan;
  tl_source source = {"good", tl_str_from(good)};
  tl_status status = TL_MEMORY;
  for (size_t fail_after = 0; !tl_ok(status); fail_after++) {
    tl_arena arena;
    tl_arena_init(&arena, (size_t)1 << 24);
    arena.fail_after = fail_after;
    status = tl_plan_text_read(&source, &arena, &plan, &diag);
    CHECK(status == TL_OK || (status == TL_MEMORY && diag.count == 0 && fail_after < 100));
    arena.fail_after = SIZE_MAX;
    if (tl_ok(status)) check_reads_back(&plan, &arena);
    tl_arena_finish(&arena);
  }
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
    check_fault(i);
}

// ---- sessions

static tlmc_session *open_session(const tlmc_plan *plan, int32_t chunk) {
  tlmc_session *session;
  tlmc_session_options options = {.size = sizeof options,
                                  .device = "null",
                                  .threads = 1,
                                  .batch = 3,
                                  .chunk = chunk,
                                  .requests = RUNS};
  must_api(tlmc_session_open(plan, &options, &session, &error));
  return session;
}

static int32_t pages_used(const tlmc_session *session, int32_t group) {
  const tl_kv *kv = session->kv;
  return kv->config.groups[group].pages_count - kv->groups[group].free_count;
}

// With all requests and sequences released, nothing but kept prompts holds pages.
static void close_session(tlmc_session *session) {
  kv_verify(session->kv);
  tl_kv_forget(session->kv);
  for (int32_t g = 0; g < session->kv_config.groups_count; g++)
    CHECK(pages_used(session, g) == 0);
  tlmc_session_close(session);
}

static tlmc_request *submit(tlmc_session *session, const int32_t *ids, int32_t count) {
  tlmc_request *request;
  tlmc_request_options options = {.size = sizeof options,
                                  .ids = ids,
                                  .ids_count = count,
                                  .tokens_max = TOKENS,
                                  .ignore_stop_ids = 1};
  must_api(tlmc_request_submit(session, &options, &request, &error));
  return request;
}

// Steps until all requests have finished; the null device's outputs are zeros, so every id is 0.
// Returns how many ids of the last one's prompt were found.
static int32_t finish(tlmc_session *session, tlmc_request *const *requests, int32_t count) {
  int32_t unfinished = 1;
  tlmc_event event = {.size = sizeof event};
  for (int step = 0; unfinished > 0; step++) {
    CHECK(step < STEPS_MAX);
    must_api(tlmc_session_step(session, &unfinished, &error));
    kv_verify(session->kv);
    for (int32_t i = 0; i < count; i++) {
      CHECK(tlmc_request_poll(requests[i], &event) == TLMC_OK);
      CHECK(event.kind != TLMC_EVENT_TOKEN || event.id == 0);
    }
  }
  for (int32_t i = 0; i < count; i++) {
    CHECK(tlmc_request_poll(requests[i], &event) == TLMC_OK);
    CHECK(event.kind == TLMC_EVENT_FINISHED && event.finish == TLMC_FINISH_LENGTH);
    CHECK(event.tokens_count == TOKENS);
    tlmc_request_release(requests[i]);
  }
  return event.reused_count;
}

static void make_ids(const tlmc_plan *plan, int32_t seed, int32_t count, int32_t *out_ids) {
  for (int32_t i = 0; i < count; i++)
    out_ids[i] = (int32_t)((uint32_t)(i * 37 + seed * 11) % plan->plan.tables.models->vocabulary);
}

static void test_requests(const tlmc_plan *plan) {
  int32_t ids[RUNS][PROMPT];
  tlmc_request *requests[RUNS];
  tlmc_session *session = open_session(plan, CHUNK);
  for (int32_t i = 0; i < RUNS; i++) {
    make_ids(plan, i, PROMPT, ids[i]);
    requests[i] = submit(session, ids[i], PROMPT - i * 39);
  }
  CHECK(finish(session, requests, RUNS) == 0);
  requests[0] = submit(session, ids[0], PROMPT);
  int32_t reused = finish(session, requests, 1);
  CHECK(reused > 0 && reused < PROMPT && reused % TL_PAGE_TOKENS == 0);
  close_session(session);
}

static void feed(tlmc_session *session, int32_t sequence, const int32_t *ids, int32_t count) {
  for (int32_t at = 0; at < count; at += CHUNK) {
    tlmc_rows rows = {.size = sizeof rows,
                      .sequence = sequence,
                      .count = count - at < CHUNK ? count - at : CHUNK,
                      .ids = ids + at,
                      .wanted = TLMC_WANTED_LAST};
    tlmc_step_begin(session);
    must_api(tlmc_step_add(session, &rows, NULL, &error));
    must_api(tlmc_step_run(session, &error));
    kv_verify(session->kv);
  }
}

// A group of windows keeps its span and what may be taken back, the others everything; a fork
// shares the pages.
static void test_groups(const tlmc_plan *plan) {
  const tl_plan_tables *t = &plan->plan.tables;
  int32_t ids[LONG], sequence, fork;
  tlmc_session *session = open_session(plan, CHUNK);
  make_ids(plan, 0, LONG, ids);
  must_api(tlmc_sequence_open(session, &sequence, &error));
  feed(session, sequence, ids, LONG);
  must_api(tlmc_sequence_fork(session, sequence, &fork, &error));
  for (uint32_t g = 0; g < t->groups_count; g++) {
    int32_t kept = LONG;
    if (t->groups[g].kind == TL_PLAN_GROUP_WINDOW) {
      kept = (int32_t)t->groups[g].span + session->limits.rollback + TL_PAGE_TOKENS;
    }
    CHECK(pages_used(session, (int32_t)g) <= (kept + TL_PAGE_TOKENS - 1) / TL_PAGE_TOKENS);
    CHECK(pages_used(session, (int32_t)g) > 0);
  }
  must_api(tlmc_sequence_truncate(session, fork, LONG - 10, &error));
  must_api(tlmc_sequence_release(session, sequence, &error));
  must_api(tlmc_sequence_release(session, fork, &error));
  close_session(session);
}

// Two sequences in a step, an output each.
static void test_scores(const tlmc_plan *plan) {
  int32_t ids[PROMPT], first;
  tlmc_request *request;
  tlmc_request_options ask = {.size = sizeof ask, .ids = ids, .ids_count = PROMPT};
  tlmc_session *session = open_session(plan, 2 * PROMPT);
  make_ids(plan, 1, PROMPT, ids);
  CHECK(tlmc_request_submit(session, &ask, &request, &error) != TLMC_OK);
  tlmc_step_begin(session);
  for (int32_t i = 0; i < 2; i++) {
    tlmc_rows rows = {.size = sizeof rows, .count = PROMPT - i, .ids = ids};
    must_api(tlmc_sequence_open(session, &rows.sequence, &error));
    rows.wanted = TLMC_WANTED_ALL;
    CHECK(tlmc_step_add(session, &rows, NULL, &error) == TLMC_USAGE);
    rows.wanted = TLMC_WANTED_LAST;
    must_api(tlmc_step_add(session, &rows, &first, &error));
    CHECK(first == i);
  }
  must_api(tlmc_step_run(session, &error));
  for (int32_t i = 0; i < 2; i++) {
    const float *scores = tlmc_step_output(session, i);
    for (uint32_t label = 0; label < plan->plan.tables.models->outputs; label++)
      CHECK(scores && scores[label] == 0);
  }
  CHECK(!tlmc_step_output(session, 2));
  for (int32_t i = 0; i < 2; i++)
    must_api(tlmc_sequence_release(session, i, &error));
  close_session(session);
}

// ---- plans

static tl_status fill_zeros(void *context, uint64_t begin, uint64_t end, char *out,
                            tl_arena *scratch, tl_diag *sink) {
  (void)context, (void)scratch, (void)sink;
  memset(out, 0, end - begin);
  return TL_OK;
}

// A plan file with code and weights of zeros.
static void write_plan(const tl_plan *plan, const char *path) {
  tl_arena arena;
  const tl_plan_tables *t = &plan->tables;
  tl_arena_init(&arena, (size_t)1 << 30);
  tl_str *images = tl_arena_array(&arena, t->targets_count, sizeof *images);
  CHECK(images);
  for (uint32_t i = 0; i < t->targets_count; i++) {
    images[i].length = t->targets[i].code_bytes;
    images[i].data = tl_arena_alloc(&arena, images[i].length);
    CHECK(images[i].data);
  }
  tl_plan_parts parts = {.meta = TL_STR("{\"model\": \"text\", \"stop_ids\": []}"),
                         .tables = t,
                         .images = images,
                         .fill = t->models->has_weights ? fill_zeros : NULL};
  must(tl_plan_write(&parts, path, 1, &arena, &diag));
  tl_arena_finish(&arena);
}

static void run_plan(const tl_plan *plan) {
  char path[] = "/tmp/tlmc-plans-??????";
  memset(strchr(path, '?'), 'X', 6);
  int file = mkstemp(path);
  CHECK(file >= 0 && close(file) == 0);
  tlmc_plan *opened;
  write_plan(plan, path);
  must_api(tlmc_plan_open(path, NULL, &opened, &error));
  CHECK(tl_plan_tables_equal(&plan->tables, &opened->plan.tables));
  if (plan->tables.models->task == TL_PLAN_TASK_GENERATE) {
    test_requests(opened);
    test_groups(opened);
  } else {
    test_scores(opened);
  }
  tlmc_plan_close(opened);
  CHECK(unlink(path) == 0);
}

static void check_text(const char *path) {
  tl_file file;
  tl_plan plan;
  tl_arena arena;
  tl_arena_init(&arena, (size_t)1 << 26);
  must(tl_file_open(path, &file, &diag));
  tl_source source = {path, file.bytes};
  must(tl_plan_text_read(&source, &arena, &plan, &diag));
  tl_str text = print(&plan, &arena);
  bool is_equal = tl_str_equal(text, file.bytes);
  if (!is_equal) fprintf(stderr, "%s prints otherwise; TLMC_BLESS=1 rewrites it\n", path);
  tl_file_close(&file);
  if (getenv("TLMC_BLESS")) bless(path, text);
  CHECK(is_equal || getenv("TLMC_BLESS"));
  check_reads_back(&plan, &arena);
  run_plan(&plan);
  tl_arena_finish(&arena);
}

int main(int argc, char **argv) {
  test_small();
  for (int i = 1; i < argc; i++) {
    if (tl_str_ends_with(tl_str_from(argv[i]), TL_STR(".plan.txt"))) {
      check_text(argv[i]);
    } else {
      check_compiled(argv[i]);
    }
  }
  return 0;
}
