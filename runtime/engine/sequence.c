// The lower level of the public interface: sequences and steps.
#include "runtime/engine/session.h"

static tlmc_status unknown(tlmc_error *error, int32_t sequence) {
  return tl_error_set(error, TLMC_USAGE, "there is no sequence %d", (int)sequence);
}

// Positions of a sequence of the caller's; -1 if there is no such.
static int32_t length_of(const tlmc_session *session, int32_t sequence) {
  int32_t length = tl_kv_length(session->kv, sequence);
  return length >= 0 && !session->lent[sequence] ? length : -1;
}

// A sequence may be changed if it exists and no rows of it wait for their step.
static tlmc_status check_change(const tlmc_session *session, int32_t sequence, tlmc_error *error) {
  if (length_of(session, sequence) < 0) return unknown(error, sequence);
  if (!tl_session_step_has(session, sequence)) return TLMC_OK;
  return tl_error_set(error, TLMC_USAGE,
                      "sequence %d is in the step that is being put together: run that step or "
                      "begin another",
                      (int)sequence);
}

static tlmc_status too_many(const tlmc_session *session, tlmc_error *error) {
  return tl_error_set(error, TLMC_MEMORY,
                      "all %d sequences of the session exist already: release one, or open the "
                      "session with more",
                      (int)session->limits.sequences);
}

tlmc_status tlmc_sequence_open(tlmc_session *session, int32_t *out_sequence, tlmc_error *error) {
  *out_sequence = tl_kv_open(session->kv);
  return *out_sequence < 0 ? too_many(session, error) : TLMC_OK;
}

tlmc_status tlmc_sequence_fork(tlmc_session *session, int32_t sequence, int32_t *out_sequence,
                               tlmc_error *error) {
  *out_sequence = -1;
  tlmc_status status = check_change(session, sequence, error);
  if (status != TLMC_OK) return status;
  *out_sequence = tl_kv_fork(session->kv, sequence);
  if (*out_sequence < 0) return too_many(session, error);
  session->prompts[*out_sequence] = session->prompts[sequence];
  return TLMC_OK;
}

tlmc_status tlmc_sequence_truncate(tlmc_session *session, int32_t sequence, int64_t length,
                                   tlmc_error *error) {
  tlmc_status status = check_change(session, sequence, error);
  if (status != TLMC_OK) return status;
  int32_t now = tl_kv_length(session->kv, sequence);
  if (length < 0 || length > now) {
    return tl_error_set(error, TLMC_USAGE, "sequence %d has %d positions, not %lld", (int)sequence,
                        (int)now, (long long)length);
  }
  if (tl_kv_truncate(session->kv, sequence, (int32_t)length) == TL_OK) return TLMC_OK;
  return tl_error_set(error, TLMC_USAGE,
                      "sequence %d cannot go back to %lld: its windows keep %d positions for "
                      "that; see the option rollback",
                      (int)sequence, (long long)length, (int)session->limits.rollback);
}

tlmc_status tlmc_sequence_release(tlmc_session *session, int32_t sequence, tlmc_error *error) {
  tlmc_status status = check_change(session, sequence, error);
  if (status == TLMC_OK) tl_kv_release(session->kv, sequence);
  return status;
}

int64_t tlmc_sequence_length(const tlmc_session *session, int32_t sequence) {
  return length_of(session, sequence);
}

tlmc_status tlmc_sequence_export(tlmc_session *session, int32_t sequence, void *bytes,
                                 size_t capacity, size_t *out_bytes, tlmc_error *error) {
  (void)session, (void)sequence, (void)bytes, (void)capacity;
  *out_bytes = 0;
  return tl_error_set(error, TLMC_UNSUPPORTED, "this version cannot export sequences");
}

tlmc_status tlmc_sequence_import(tlmc_session *session, const void *bytes, size_t count,
                                 int32_t *out_sequence, tlmc_error *error) {
  (void)session, (void)bytes, (void)count;
  *out_sequence = -1;
  return tl_error_set(error, TLMC_UNSUPPORTED, "this version cannot import sequences");
}

void tlmc_step_begin(tlmc_session *session) {
  tl_session_step_begin(session);
}

// Score tasks choose their rows themselves.
static bool wanted_fits(const tlmc_session *session, const tlmc_rows *rows) {
  switch (session->plan->plan.tables.models->task) {
  case TL_PLAN_TASK_SCORE_TOKENS: return rows->wanted == TLMC_WANTED_ALL;
  case TL_PLAN_TASK_SCORE_FIRST:
  case TL_PLAN_TASK_SCORE_LAST: return rows->wanted == TLMC_WANTED_LAST;
  default: return rows->wanted <= TLMC_WANTED_LIST;
  }
}

static tlmc_status check_wanted(const tlmc_rows *rows, tlmc_error *error) {
  if (rows->wanted != TLMC_WANTED_LIST) return TLMC_OK;
  bool bad = rows->wanted_count < 0 || (rows->wanted_count > 0 && !rows->wanted_rows);
  for (int32_t i = 0; !bad && i < rows->wanted_count; i++) {
    int32_t row = rows->wanted_rows[i];
    bad = row < 0 || row >= rows->count || (i > 0 && row <= rows->wanted_rows[i - 1]);
  }
  return bad ? tl_error_set(error, TLMC_USAGE,
                            "wanted_rows must be ascending numbers of rows that are added")
             : TLMC_OK;
}

static tlmc_status check_ids(const tlmc_session *session, const tlmc_rows *rows,
                             tlmc_error *error) {
  const tl_plan_model *model = session->plan->plan.tables.models;
  for (int32_t i = 0; i < rows->count; i++) {
    if (rows->ids[i] < 0 || (uint32_t)rows->ids[i] >= model->vocabulary) {
      return tl_error_set(error, TLMC_USAGE, "id %d of row %d is outside the vocabulary of %u",
                          (int)rows->ids[i], (int)i, model->vocabulary);
    }
    if (rows->types && (rows->types[i] < 0 || (uint32_t)rows->types[i] >= model->types)) {
      return tl_error_set(error, TLMC_USAGE, "token type %d of row %d: the model has %u",
                          (int)rows->types[i], (int)i, model->types);
    }
  }
  return TLMC_OK;
}

static tlmc_status check_rows(const tlmc_session *session, const tlmc_rows *rows,
                              tlmc_error *error) {
  int32_t length = length_of(session, rows->sequence);
  if (length < 0) return unknown(error, rows->sequence);
  if (rows->embeddings || rows->positions || rows->parents || rows->adapter) {
    return tl_error_set(error, TLMC_UNSUPPORTED, "a reserved field of tlmc_rows is set");
  }
  if (rows->prompt < 0) return tl_error_set(error, TLMC_USAGE, "prompt must not be negative");
  if (rows->count < 1 || !rows->ids) {
    return tl_error_set(error, TLMC_USAGE, "a step takes at least one row with an id");
  }
  if (!wanted_fits(session, rows)) {
    return tl_error_set(error, TLMC_USAGE, "the plan's task chooses its output rows itself");
  }
  if (tl_session_step_has(session, rows->sequence)) {
    return tl_error_set(error, TLMC_USAGE, "sequence %d is in this step already",
                        (int)rows->sequence);
  }
  uint32_t context = session->plan->plan.tables.models->context;
  if ((int64_t)length + rows->count > context) {
    return tl_error_set(error, TLMC_USAGE, "sequence %d would grow to %lld, the model ends at %u",
                        (int)rows->sequence, (long long)length + rows->count, context);
  }
  tlmc_status status = check_wanted(rows, error);
  return status == TLMC_OK ? check_ids(session, rows, error) : status;
}

tlmc_status tlmc_step_add(tlmc_session *session, const tlmc_rows *rows, int32_t *out_first,
                          tlmc_error *error) {
  tlmc_rows known;
  int32_t first = 0;
  if (out_first) *out_first = 0;
  if (session->broken) return tl_error_set(error, TLMC_DEVICE, "an earlier step failed");
  if (!rows || !tl_options_read(rows, sizeof known, &known)) {
    return tl_error_set(error, TLMC_USAGE, "tlmc_rows has a wrong size or unknown fields set");
  }
  tlmc_status checked = check_rows(session, &known, error);
  if (checked != TLMC_OK) return checked;
  tl_session_rows add = {known.sequence,     known.count,  known.ids,
                         known.types,        known.wanted, known.wanted_rows,
                         known.wanted_count, known.prompt, -1};
  tl_status status = tl_session_step_add(session, &add, &first);
  if (!tl_ok(status)) {
    return tl_error_set(error, TLMC_MEMORY,
                        "no room for %d rows: the step takes %d rows of %d sequences with %d "
                        "outputs, or the KV memory is full",
                        (int)known.count, (int)session->limits.chunk, (int)session->limits.batch,
                        (int)session->limits.outputs);
  }
  if (out_first) *out_first = first;
  return TLMC_OK;
}

tlmc_status tlmc_step_run(tlmc_session *session, tlmc_error *error) {
  tl_diag diag = {0};
  if (session->broken) return tl_error_set(error, TLMC_DEVICE, "an earlier step failed");
  return tl_error_fill(error, tl_session_step_run(session, &diag), &diag);
}

const float *tlmc_step_output(const tlmc_session *session, int32_t index) {
  if (index < 0 || index >= session->outputs_count) return NULL;
  return session->device->vtable->output(session->device, (uint32_t)index);
}
