// tlmc_session_tune: runs a step of each number of rows, so that the device's memory holds what it
// would, lets the device measure behind it, and writes what came out.
#include "runtime/engine/session.h"
#include "runtime/plan/tuning.h"

enum { TUNE_MEMORY_MAX = 1 << 24, ID_FACTOR = 7919 };

typedef struct tune {
  tlmc_session *session;
  tl_tuning *tuning;
  int32_t *ids, *sequences;
  int32_t sequences_count; // open
  int32_t (*report)(void *user, const tlmc_tuned *tuned);
  void *user;
  tlmc_error *error;
} tune;

static bool pass_on(void *user, const tl_device_tuned *found) {
  const tune *t = user;
  tlmc_tuned tuned = {.size = sizeof tuned,
                      .name = found->name,
                      .matmuls = (int32_t)found->launches,
                      .rows = (int32_t)found->rows,
                      .usual = found->usual,
                      .fastest = found->fastest,
                      .usual_us = found->usual_us,
                      .fastest_us = found->fastest_us};
  return !t->report || t->report(t->user, &tuned) != 0;
}

// Rows of a step at most.
static int32_t most_rows(const tlmc_session *session) {
  const tl_session_limits *l = &session->limits;
  const tl_plan_model *model = session->plan->plan.tables.models;
  int64_t most = l->chunk, all = (int64_t)model->context * l->batch;
  if (most > all) most = all;
  if (most > l->context) most = l->context;
  if (model->task == TL_PLAN_TASK_SCORE_TOKENS && most > l->outputs) most = l->outputs;
  return (int32_t)most;
}

// The next number of rows that is measured: a power of two, one and a half of it, the last rows of
// a guard, or the most; 0 = that was the last.
static int32_t rows_after(const tlmc_session *session, int32_t below) {
  const tl_plan_tables *t = &session->plan->plan.tables;
  const tl_plan_program *program = &t->programs[session->program];
  int64_t most = most_rows(session), next = 1;
  if (below >= most) return 0;
  while (next <= below)
    next *= 2;
  if (next > 8 && next / 4 * 3 > below) next = next / 4 * 3;
  for (uint32_t i = 0; i < program->launches_count; i++) {
    const tl_plan_launch *row = &t->launchs[program->first_launch + i];
    if (row->set && row->guard_max > (uint32_t)below && row->guard_max < next) {
      next = row->guard_max;
    }
  }
  return (int32_t)(next < most ? next : most);
}

static tlmc_status release_all(tune *t, tlmc_status status) {
  tlmc_step_begin(t->session);
  while (t->sequences_count > 0) {
    tlmc_status own =
        tlmc_sequence_release(t->session, t->sequences[--t->sequences_count], t->error);
    if (status == TLMC_OK) status = own;
  }
  return status;
}

// As many sequences as the session has, of which each has its part of the rows.
static tlmc_status add_rows(tune *t, int32_t rows) {
  const tlmc_session *session = t->session;
  bool wants_all = session->plan->plan.tables.models->task == TL_PLAN_TASK_SCORE_TOKENS;
  int32_t count = session->limits.batch < rows ? session->limits.batch : rows, at = 0;
  tlmc_step_begin(t->session);
  for (int32_t i = 0; i < count; i++) {
    int32_t end = (int32_t)((int64_t)rows * (i + 1) / count);
    tlmc_status status = tlmc_sequence_open(t->session, &t->sequences[i], t->error);
    if (status != TLMC_OK) return status;
    t->sequences_count++;
    tlmc_rows own = {.size = sizeof own,
                     .sequence = t->sequences[i],
                     .count = end - at,
                     .ids = t->ids + at,
                     .wanted = wants_all ? TLMC_WANTED_ALL : TLMC_WANTED_LAST};
    status = tlmc_step_add(t->session, &own, NULL, t->error);
    if (status != TLMC_OK) return status;
    at = end;
  }
  return tlmc_step_run(t->session, t->error);
}

static tlmc_status measure(tune *t, int32_t rows) {
  tlmc_session *session = t->session;
  tl_diag diag = {0};
  tl_device_tune job = {.program = session->program,
                        .rows = (uint32_t)rows,
                        .tuning = t->tuning,
                        .report = pass_on,
                        .user = t};
  tlmc_status status = add_rows(t, rows);
  if (status == TLMC_OK) {
    tl_status own = session->device->vtable->tune(session->device, &job, &diag);
    status = tl_error_fill(t->error, own, &diag);
  }
  return release_all(t, status);
}

static tlmc_status measure_all(tune *t) {
  const tlmc_plan *plan = t->session->plan;
  tl_diag diag = {0};
  for (int32_t rows = 0; (rows = rows_after(t->session, rows)) > 0;) {
    tlmc_status status = measure(t, rows);
    if (status != TLMC_OK) return status;
  }
  if (t->tuning->ways_count == 0) {
    return tl_error_set(
        t->error, TLMC_UNSUPPORTED,
        "the plan has one way to compute each of its matmuls on %s: there is "
        "nothing to tune",
        tl_plan_string(&plan->plan.tables, plan->plan.tables.targets[t->session->target].name));
  }
  return tl_error_fill(t->error, tl_tuning_write(t->tuning, plan->plan.name, &diag), &diag);
}

tlmc_status tlmc_session_tune(tlmc_session *session,
                              int32_t (*report)(void *user, const tlmc_tuned *tuned), void *user,
                              tlmc_error *error) {
  const tl_plan_model *model = session->plan->plan.tables.models;
  size_t rows = (size_t)session->limits.chunk, batch = (size_t)session->limits.batch;
  if (!session->device->vtable->tune) {
    return tl_error_set(error, TLMC_UNSUPPORTED,
                        "tuning chooses between the ways that a GPU has to compute a matmul, and "
                        "this session runs on %s",
                        session->device->vtable->name);
  }
  tl_arena memory;
  tl_arena_init(&memory, TUNE_MEMORY_MAX);
  tune t = {.session = session,
            .tuning = tl_arena_alloc(&memory, sizeof *t.tuning),
            .ids = tl_arena_array(&memory, rows, sizeof *t.ids),
            .sequences = tl_arena_array(&memory, batch, sizeof *t.sequences),
            .report = report,
            .user = user,
            .error = error};
  tlmc_status status = TLMC_MEMORY;
  if (t.tuning && t.ids && t.sequences) {
    memset(t.tuning, 0, sizeof *t.tuning);
    for (size_t i = 0; i < rows; i++)
      t.ids[i] = (int32_t)(i * ID_FACTOR % model->vocabulary);
    status = measure_all(&t);
  } else {
    tl_error_fill(error, TL_MEMORY, NULL);
  }
  tl_arena_finish(&memory);
  return status;
}
