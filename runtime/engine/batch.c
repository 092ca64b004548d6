// Every call plans the whole step anew from the view, with the pages still to be given out counted
// in a copy; the first thing that does not fit becomes the decision.
#include "runtime/engine/batch.h"

#include "runtime/engine/kv.h"

typedef struct planner {
  const tl_batch_view *view;
  int32_t *rows;
  int32_t rows_left;
  int32_t pages_left[TL_GROUPS_MAX];
} planner;

static int32_t smaller(int32_t a, int32_t b) {
  return a < b ? a : b;
}

// Rows that the item's last page and the pages left have room for.
static int32_t rows_that_fit(const planner *plan, const tl_batch_item *item, int32_t wanted) {
  int64_t fit = wanted;
  int32_t pages = tl_kv_pages_of(item->length);
  int64_t room = (int64_t)pages * TL_PAGE_TOKENS - item->length;
  for (int32_t g = 0; g < plan->view->groups_count; g++) {
    int64_t free_pages = plan->pages_left[g] - (int64_t)(item->copies_due >> g & 1);
    int64_t rows = free_pages < 0 ? 0 : room + free_pages * TL_PAGE_TOKENS;
    if (rows < fit) fit = rows;
  }
  return (int32_t)fit;
}

static void give_rows(planner *plan, int32_t index, int32_t rows) {
  const tl_batch_item *item = &plan->view->running[index];
  int32_t pages = tl_kv_pages_of(item->length + rows) - tl_kv_pages_of(item->length);
  for (int32_t g = 0; g < plan->view->groups_count; g++)
    plan->pages_left[g] -= pages + (int32_t)(item->copies_due >> g & 1);
  plan->rows[index] = rows;
  plan->rows_left -= rows;
}

// Who gives way: the newest paused request, else the newest; -1 if nobody runs.
static int32_t victim(const tl_batch_view *view) {
  for (int32_t i = view->running_count; i-- > 0;)
    if (view->running[i].paused) return i;
  return view->running_count - 1;
}

// Gives rows to those who decode (`prompts` false) or to those whose prompt is not done. False if
// somebody must give way, then `*out` says who.
static bool serve(planner *plan, bool prompts, tl_batch_decision *out) {
  const tl_batch_view *view = plan->view;
  for (int32_t i = 0; i < view->running_count && plan->rows_left > 0; i++) {
    const tl_batch_item *item = &view->running[i];
    int32_t wanted = item->known - item->length;
    if (item->paused || (wanted > 1) != prompts) continue;
    int32_t rows = rows_that_fit(plan, item, smaller(wanted, plan->rows_left));
    if (rows > 0) {
      give_rows(plan, i, rows);
      continue;
    }
    int32_t loser = victim(view);
    if (view->running_count == 1) {
      *out = (tl_batch_decision){TL_BATCH_STUCK, i};
      return false;
    }
    // The newest prompt waits in place: what is computed of it is not lost while others advance.
    if (prompts && loser == i) continue;
    *out = (tl_batch_decision){TL_BATCH_PREEMPT, loser};
    return false;
  }
  return true;
}

// Pages of group g that a sequence of `length` positions holds.
static int32_t pages_held(const tl_batch_view *view, int32_t g, int32_t length) {
  return smaller(tl_kv_pages_of(length), view->pages_held_max[g]);
}

// True if all known ids of `item` fit beside what the running requests still need for theirs, with
// a page for each to go on.
static bool fits(const planner *plan, const tl_batch_item *item) {
  const tl_batch_view *view = plan->view;
  for (int32_t g = 0; g < view->groups_count; g++) {
    int64_t needed = (int64_t)pages_held(view, g, item->known) + 1;
    for (int32_t i = 0; i < view->running_count; i++) {
      const tl_batch_item *other = &view->running[i];
      needed += pages_held(view, g, other->known) - pages_held(view, g, other->length) + 1;
    }
    if (needed > view->pages_free[g]) return false;
  }
  return true;
}

static int32_t first_waiting(const tl_batch_view *view) {
  for (int32_t i = 0; i < view->waiting_count; i++)
    if (!view->waiting[i].paused) return i;
  return -1;
}

tl_batch_decision tl_batch_next(const tl_batch_view *view, int32_t *out_rows) {
  planner plan = {.view = view, .rows = out_rows, .rows_left = view->rows_max};
  for (int32_t g = 0; g < view->groups_count; g++)
    plan.pages_left[g] = view->pages_free[g];
  for (int32_t i = 0; i < view->running_count; i++)
    out_rows[i] = 0;
  tl_batch_decision decision = {TL_BATCH_IDLE, -1};
  if (!serve(&plan, false, &decision) || !serve(&plan, true, &decision)) return decision;

  int32_t next = first_waiting(view);
  bool may_admit = next >= 0 && !view->preempted;
  bool nobody_runs = plan.rows_left == view->rows_max;
  if (may_admit && plan.rows_left > 0 && view->running_count < view->sequences_max &&
      (view->running_count == 0 || fits(&plan, &view->waiting[next])))
    return (tl_batch_decision){TL_BATCH_ADMIT, next};
  if (!nobody_runs) return (tl_batch_decision){TL_BATCH_STEP, -1};
  // All who run are paused and in the way of somebody who is not.
  int32_t loser = victim(view);
  if (may_admit && loser >= 0) return (tl_batch_decision){TL_BATCH_PREEMPT, loser};
  return decision;
}
