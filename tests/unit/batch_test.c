// The scheduler's decisions, one written-out case each; the simulation in tests/sim does the rest.
#include "runtime/engine/batch.h"

#include "tests/lib/check.h"

static tl_batch_view view_of(const tl_batch_item *running, int32_t running_count,
                             const tl_batch_item *waiting, int32_t waiting_count, int32_t pages) {
  return (tl_batch_view){.waiting = waiting,
                         .waiting_count = waiting_count,
                         .running = running,
                         .running_count = running_count,
                         .rows_max = 100,
                         .sequences_max = 4,
                         .groups_count = 1,
                         .pages_free = {pages},
                         .pages_held_max = {16}};
}

static void expect(tl_batch_decision got, tl_batch_action action, int32_t index) {
  CHECK(got.action == action && got.index == index);
}

static void test_nothing(void) {
  tl_batch_item paused = {.arrival = 1, .known = 9, .paused = true};
  int32_t rows[4];
  tl_batch_view view = view_of(NULL, 0, NULL, 0, 9);
  expect(tl_batch_next(&view, rows), TL_BATCH_IDLE, -1);
  view = view_of(NULL, 0, &paused, 1, 9);
  expect(tl_batch_next(&view, rows), TL_BATCH_IDLE, -1);
  view = view_of(&paused, 1, NULL, 0, 9);
  expect(tl_batch_next(&view, rows), TL_BATCH_IDLE, -1);
}

// Decoding first, then prompts by age, within the rows of a step.
static void test_mix(void) {
  tl_batch_item running[] = {{.arrival = 1, .length = 30, .known = 90},
                             {.arrival = 2, .length = 63, .known = 64},
                             {.arrival = 3, .length = 64, .known = 65},
                             {.arrival = 4, .length = 0, .known = 500}};
  int32_t rows[4];
  tl_batch_view view = view_of(running, 4, NULL, 0, 20);
  expect(tl_batch_next(&view, rows), TL_BATCH_STEP, -1);
  CHECK(rows[0] == 60 && rows[1] == 1 && rows[2] == 1 && rows[3] == 38);
  running[0].paused = true;
  expect(tl_batch_next(&view, rows), TL_BATCH_STEP, -1);
  CHECK(rows[0] == 0 && rows[3] == 98);
  running[0].paused = false;
  view.pages_free[0] = 3; // one for the third, one for the first, one for the last
  expect(tl_batch_next(&view, rows), TL_BATCH_STEP, -1);
  CHECK(rows[0] == 60 && rows[2] == 1 && rows[3] == 38);
  view.pages_free[0] = 2;
  expect(tl_batch_next(&view, rows), TL_BATCH_STEP, -1);
  CHECK(rows[0] == 60 && rows[2] == 1 && rows[3] == 0);
  view.pages_free[0] = 1;
  expect(tl_batch_next(&view, rows), TL_BATCH_STEP, -1);
  CHECK(rows[0] == 34 && rows[1] == 1 && rows[2] == 1 && rows[3] == 0);
  running[1].copies_due = 1; // its page is shared: it needs one to write to
  expect(tl_batch_next(&view, rows), TL_BATCH_PREEMPT, 3);
}

static void test_preempt(void) {
  tl_batch_item running[] = {{.arrival = 1, .length = 64, .known = 65},
                             {.arrival = 2, .length = 10, .known = 11},
                             {.arrival = 3, .length = 10, .known = 11}};
  int32_t rows[4];
  tl_batch_view view = view_of(running, 3, NULL, 0, 0);
  expect(tl_batch_next(&view, rows), TL_BATCH_PREEMPT, 2);
  running[1].paused = true;
  expect(tl_batch_next(&view, rows), TL_BATCH_PREEMPT, 1);
  view.running_count = 1;
  expect(tl_batch_next(&view, rows), TL_BATCH_STUCK, 0);
  running[0].paused = true;
  expect(tl_batch_next(&view, rows), TL_BATCH_IDLE, -1);
}

static void test_admit(void) {
  tl_batch_item running[] = {{.arrival = 1, .length = 64, .known = 200}};
  tl_batch_item waiting[] = {{.arrival = 2, .known = 128}, {.arrival = 3, .known = 1}};
  int32_t rows[4];
  // Running: 3 more pages and one to go on; waiting: 2 and one to go on.
  tl_batch_view view = view_of(running, 1, waiting, 2, 7);
  view.rows_max = 200;
  expect(tl_batch_next(&view, rows), TL_BATCH_ADMIT, 0);
  view.pages_free[0] = 6; // too few, and the small one does not overtake
  expect(tl_batch_next(&view, rows), TL_BATCH_STEP, -1);
  view.pages_held_max[0] = 2; // a window: neither comes to more than two pages
  expect(tl_batch_next(&view, rows), TL_BATCH_ADMIT, 0);
  waiting[0].paused = true;
  expect(tl_batch_next(&view, rows), TL_BATCH_ADMIT, 1);
  view.preempted = true;
  expect(tl_batch_next(&view, rows), TL_BATCH_STEP, -1);
  view.preempted = false;
  view.sequences_max = 1;
  expect(tl_batch_next(&view, rows), TL_BATCH_STEP, -1);
  running[0].paused = true; // a slow reader does not stop the others
  expect(tl_batch_next(&view, rows), TL_BATCH_PREEMPT, 0);
  view.running_count = 0;
  view.pages_free[0] = 0;
  expect(tl_batch_next(&view, rows), TL_BATCH_ADMIT, 1);
}

int main(void) {
  test_nothing();
  test_mix();
  test_preempt();
  test_admit();
  return 0;
}
