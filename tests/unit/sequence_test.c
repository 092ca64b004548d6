// The lower level of tlmc.h on a toy model: outputs of steps, forks that share pages, steps that
// are put together and dropped, truncation within and beyond the windows, wrong rows.
#include "tests/lib/kv_shadow.h"
#include "tests/lib/toy_session.h"

enum { IDS_MAX = 600 };

static toy_plan plan;
static toy_session toy;
static tlmc_error error;

static tlmc_rows rows_of(int32_t sequence, const int32_t *ids, int32_t count, tlmc_wanted wanted) {
  return (tlmc_rows){.size = sizeof(tlmc_rows),
                     .sequence = sequence,
                     .count = count,
                     .ids = ids,
                     .wanted = wanted};
}

static int32_t add(int32_t sequence, const int32_t *ids, int32_t count, tlmc_wanted wanted) {
  int32_t first = -1;
  tlmc_rows rows = rows_of(sequence, ids, count, wanted);
  tlmc_status status = tlmc_step_add(toy.session, &rows, &first, &error);
  if (status != TLMC_OK) fprintf(stderr, "%s\n", error.text);
  CHECK(status == TLMC_OK);
  return first;
}

static void run_step(void) {
  CHECK(tlmc_step_run(toy.session, &error) == TLMC_OK);
  kv_verify(toy.session->kv);
}

// Output `index` must be what follows `ids`.
static void expect_output(int32_t index, const int32_t *ids, int32_t count) {
  float logits[TOY_VOCABULARY];
  const float *output = tlmc_step_output(toy.session, index);
  toy_logits(ids, count, logits);
  CHECK(output && memcmp(output, logits, sizeof logits) == 0);
}

static int32_t open_sequence(void) {
  int32_t sequence = -1;
  CHECK(tlmc_sequence_open(toy.session, &sequence, &error) == TLMC_OK);
  return sequence;
}

static int32_t fork_sequence(int32_t sequence) {
  int32_t other = -1;
  CHECK(tlmc_sequence_fork(toy.session, sequence, &other, &error) == TLMC_OK);
  CHECK(tlmc_sequence_length(toy.session, other) == tlmc_sequence_length(toy.session, sequence));
  return other;
}

static void release(int32_t sequence) {
  CHECK(tlmc_sequence_release(toy.session, sequence, &error) == TLMC_OK);
  CHECK(tlmc_sequence_length(toy.session, sequence) == -1);
}

// Appends in pieces of `piece` rows, and checks the last output.
static void feed(int32_t sequence, const int32_t *ids, int32_t end, int32_t piece) {
  for (int32_t at = (int32_t)tlmc_sequence_length(toy.session, sequence); at < end; at += piece) {
    int32_t count = end - at < piece ? end - at : piece;
    tlmc_step_begin(toy.session);
    CHECK(add(sequence, ids + at, count, TLMC_WANTED_LAST) == 0);
    run_step();
    expect_output(0, ids, at + count);
  }
}

static void test_outputs(void) {
  static const int32_t list[] = {0, 3, 4};
  int32_t a[IDS_MAX], b[IDS_MAX], first;
  toy_prompt(1, IDS_MAX, a);
  toy_prompt(2, IDS_MAX, b);
  toy_session_open(&toy, &plan, (tlmc_session_options){.batch = 3, .outputs = 12});
  int32_t one = open_sequence(), two = open_sequence(), three = open_sequence();
  tlmc_step_begin(toy.session);
  tlmc_rows rows = rows_of(two, b, 5, TLMC_WANTED_LIST);
  rows.wanted_rows = list;
  rows.wanted_count = 3;
  CHECK(add(one, a, 70, TLMC_WANTED_NONE) == 0);
  CHECK(tlmc_step_add(toy.session, &rows, &first, &error) == TLMC_OK && first == 0);
  CHECK(add(three, a, 9, TLMC_WANTED_ALL) == 3);
  run_step();
  for (int32_t i = 0; i < 3; i++)
    expect_output(i, b, list[i] + 1);
  for (int32_t i = 0; i < 9; i++)
    expect_output(3 + i, a, i + 1);
  CHECK(!tlmc_step_output(toy.session, 12) && !tlmc_step_output(toy.session, -1));
  tlmc_step_begin(toy.session);
  run_step(); // nothing to do
  CHECK(!tlmc_step_output(toy.session, 0));
  release(one), release(two), release(three);
  toy_session_close(&toy, true);
}

static void test_fork(void) {
  int32_t a[IDS_MAX], b[IDS_MAX];
  toy_prompt(3, IDS_MAX, a);
  memcpy(b, a, sizeof b);
  toy_prompt(4, IDS_MAX - 100, b + 100);
  toy_session_open(&toy, &plan, (tlmc_session_options){.batch = 2, .sequences = 4});
  int32_t one = open_sequence();
  feed(one, a, 100, 100);
  int32_t two = fork_sequence(one);
  tlmc_step_begin(toy.session); // both write behind the shared page in one step
  add(one, a + 100, 10, TLMC_WANTED_LAST);
  add(two, b + 100, 20, TLMC_WANTED_LAST);
  run_step();
  expect_output(0, a, 110);
  expect_output(1, b, 120);
  int32_t three = fork_sequence(two), four = fork_sequence(three), none = 7;
  CHECK(tlmc_sequence_fork(toy.session, one, &none, &error) == TLMC_MEMORY && none == -1);
  CHECK(tlmc_sequence_open(toy.session, &none, &error) == TLMC_MEMORY && none == -1);
  release(two);
  feed(one, a, 400, 7);
  feed(four, b, 300, 64);
  feed(three, b, 130, 1);
  release(one), release(three), release(four);
  toy_session_close(&toy, true);
}

// What was added and not run leaves no trace, also where it had to copy a shared page.
static void test_dropped_steps(void) {
  int32_t a[IDS_MAX], b[IDS_MAX], other = 5;
  toy_prompt(5, IDS_MAX, a);
  memcpy(b, a, sizeof b);
  toy_prompt(6, IDS_MAX - 90, b + 90);
  toy_session_open(&toy, &plan, (tlmc_session_options){.batch = 2});
  int32_t one = open_sequence();
  feed(one, a, 90, 90);
  int32_t two = fork_sequence(one);
  tlmc_step_begin(toy.session);
  add(two, b + 90, 200, TLMC_WANTED_LAST);
  CHECK(tlmc_sequence_release(toy.session, two, &error) == TLMC_USAGE);
  CHECK(tlmc_sequence_truncate(toy.session, two, 3, &error) == TLMC_USAGE);
  CHECK(tlmc_sequence_fork(toy.session, two, &other, &error) == TLMC_USAGE && other == -1);
  tlmc_step_begin(toy.session);
  CHECK(tlmc_sequence_length(toy.session, two) == 90);
  feed(two, b, 140, 50);
  feed(one, a, 200, 55);
  int32_t three = fork_sequence(one);
  tlmc_step_begin(toy.session);
  add(three, a + 200, 3, TLMC_WANTED_NONE);
  CHECK(tlmc_session_step(toy.session, NULL, &error) == TLMC_OK); // drops it as well
  CHECK(tlmc_sequence_length(toy.session, three) == 200);
  feed(three, a, 210, 10);
  release(one), release(two), release(three);
  toy_session_close(&toy, true);
}

static void test_truncate(void) {
  int32_t a[IDS_MAX], b[IDS_MAX];
  toy_prompt(7, IDS_MAX, a);
  toy_session_open(&toy, &plan, (tlmc_session_options){.rollback = 32});
  int32_t one = open_sequence();
  for (int32_t back = 0; back <= 32; back += 8) {
    memcpy(b, a, sizeof b);
    toy_prompt((uint32_t)back + 20, IDS_MAX - 400, b + 400);
    CHECK(tlmc_sequence_truncate(toy.session, one, 0, &error) == TLMC_OK);
    feed(one, a, 400 + back, 90);
    CHECK(tlmc_sequence_truncate(toy.session, one, 400, &error) == TLMC_OK);
    feed(one, b, 450, 11);
  }
  CHECK(tlmc_sequence_truncate(toy.session, one, 451, &error) == TLMC_USAGE);
  CHECK(tlmc_sequence_truncate(toy.session, one, -1, &error) == TLMC_USAGE);
  CHECK(tlmc_sequence_truncate(toy.session, one, 100, &error) == TLMC_USAGE);
  CHECK(strstr(error.text, "rollback"));
  CHECK(tlmc_sequence_length(toy.session, one) == 450);
  CHECK(tlmc_sequence_truncate(toy.session, 1, 0, &error) == TLMC_USAGE);
  release(one);
  toy_session_close(&toy, true);
}

static void refuse(tlmc_status expected, tlmc_rows rows) {
  int32_t first = 9;
  CHECK(tlmc_step_add(toy.session, &rows, &first, &error) == expected && first == 0);
  CHECK(error.status == expected && toy.session->parts_count == 1);
}

static void test_wrong_rows(void) {
  static const int32_t descending[] = {2, 1}, outside[] = {0, 9};
  int32_t ids[TOY_CONTEXT + 1] = {1, 2, 3}, bad[] = {1, TOY_VOCABULARY}, negative[] = {-1};
  toy_session_open(&toy, &plan,
                   (tlmc_session_options){.batch = 2, .chunk = 64, .outputs = 4, .context = 256});
  int32_t one = open_sequence(), two = open_sequence(), three = open_sequence();
  tlmc_step_begin(toy.session);
  add(one, ids, 3, TLMC_WANTED_ALL);
  tlmc_rows good = rows_of(two, ids, 3, TLMC_WANTED_LAST), r;
#define REFUSE(status, ...)                                                                        \
  do {                                                                                             \
    r = good;                                                                                      \
    __VA_ARGS__;                                                                                   \
    refuse(status, r);                                                                             \
  } while (0)
  REFUSE(TLMC_USAGE, r.size = 16);
  REFUSE(TLMC_USAGE, r.sequence = one);
  REFUSE(TLMC_USAGE, r.sequence = -1);
  REFUSE(TLMC_USAGE, r.sequence = 1 << 30);
  REFUSE(TLMC_USAGE, r.count = 0);
  REFUSE(TLMC_USAGE, r.count = -3);
  REFUSE(TLMC_USAGE, r.ids = NULL);
  REFUSE(TLMC_USAGE, r.ids = bad);
  REFUSE(TLMC_USAGE, r.ids = negative);
  REFUSE(TLMC_USAGE, r.types = ids);             // the model has none
  REFUSE(TLMC_USAGE, r.wanted = (tlmc_wanted)4); // NOLINT(*.EnumCastOutOfRange): that is the test
  REFUSE(TLMC_USAGE, r.wanted = TLMC_WANTED_LIST; r.wanted_count = 2);
  REFUSE(TLMC_USAGE, r.wanted = TLMC_WANTED_LIST; r.wanted_count = 2; r.wanted_rows = descending);
  REFUSE(TLMC_USAGE, r.wanted = TLMC_WANTED_LIST; r.wanted_count = 2; r.wanted_rows = outside);
  REFUSE(TLMC_USAGE, r.wanted = TLMC_WANTED_LIST; r.wanted_count = -1);
  REFUSE(TLMC_UNSUPPORTED, r.positions = ids);
  REFUSE(TLMC_UNSUPPORTED, r.adapter = 1);
  REFUSE(TLMC_USAGE, r.count = TOY_CONTEXT + 1; r.ids = ids); // longer than the model
  REFUSE(TLMC_MEMORY, r.count = 62);                          // rows of the step
  REFUSE(TLMC_MEMORY, r.wanted = TLMC_WANTED_ALL);            // outputs of the step
  add(two, ids, 3, TLMC_WANTED_LAST);
  tlmc_rows third = rows_of(three, ids, 1, TLMC_WANTED_NONE);
  CHECK(tlmc_step_add(toy.session, &third, NULL, &error) == TLMC_MEMORY); // sequences of the step
  run_step();
  expect_output(2, ids, 3);
  CHECK(tlmc_step_add(toy.session, NULL, NULL, &error) == TLMC_USAGE);
  release(one), release(two), release(three);
  toy_session_close(&toy, true);
}

int main(void) {
  toy_plan_open(&plan, (tl_str){0}, TL_PLAN_TASK_GENERATE);
  test_outputs();
  test_fork();
  test_dropped_steps();
  test_truncate();
  test_wrong_rows();
  toy_plan_close(&plan);
  return 0;
}
