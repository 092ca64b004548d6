// The scheduler: which requests run and how many rows each gets. A pure function of what it is
// shown; it keeps nothing, so that a simulation can drive it through every corner.
//
//   for (;;) {
//     tl_batch_decision next = tl_batch_next(&view, rows);
//     ADMIT index     open a sequence for waiting[index], move it to running, look again
//     PREEMPT index   release running[index]'s sequence, move it back to waiting, look again
//     STEP            append rows[i] rows for every running[i], run, sample
//     IDLE, STUCK     stop
//   }
//
// Rules: rows go to sequences that decode first, then to prompts, the oldest first; what is left of
// the step's rows goes to the oldest waiting request if all its known ids fit beside the running
// ones. Nobody overtakes in the queue. When pages run out, the newest request gives its pages away
// and is computed again later, so that the oldest always advances and everybody finishes. A paused
// request (its reader is slow) gets no rows and is the first to give way.
#ifndef TL_ENGINE_BATCH_H
#define TL_ENGINE_BATCH_H

#include "runtime/base/step.h"
#include "runtime/base/str.h"

typedef struct tl_batch_item {
  int64_t arrival;     // order of submission; kept when preempted
  int32_t length;      // positions in the KV memory; 0 if waiting
  int32_t known;       // ids of prompt and output so far, > length
  uint32_t copies_due; // tl_kv_copies_due
  bool paused;
} tl_batch_item;

typedef struct tl_batch_view {
  const tl_batch_item *waiting; // by arrival, ascending
  int32_t waiting_count;
  const tl_batch_item *running; // by arrival, ascending
  int32_t running_count;
  int32_t rows_max; // of a step; >= sequences_max, so that nobody who runs is left out for good
  int32_t sequences_max; // running at a time
  int32_t groups_count;
  int32_t pages_free[TL_GROUPS_MAX];     // tl_kv_pages_free
  int32_t pages_held_max[TL_GROUPS_MAX]; // tl_kv_pages_held_max: what one sequence can come to
  bool preempted; // somebody was preempted for the step being put together: nobody is admitted
} tl_batch_view;

typedef enum tl_batch_action {
  TL_BATCH_IDLE,    // nothing can run: no requests, or all are paused
  TL_BATCH_STEP,    // run: at least one row
  TL_BATCH_ADMIT,   // `index` of waiting
  TL_BATCH_PREEMPT, // `index` of running
  TL_BATCH_STUCK,   // `index` of running is alone and has no page for its next row: it has outgrown
                    // the memory, or sequences outside of the scheduler hold it
} tl_batch_action;

typedef struct tl_batch_decision {
  tl_batch_action action;
  int32_t index;
} tl_batch_decision;

// The next thing to do. `out_rows` has room for running_count and is filled for STEP: rows of each
// running request, 0 for those that are left out. At most running_count + 1 calls in a row preempt,
// at most sequences_max admit, if `preempted` is kept. Any thread.
tl_batch_decision tl_batch_next(const tl_batch_view *view, int32_t *out_rows);

#endif
