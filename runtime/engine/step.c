// The step: rows of sequences gathered into the step block, run by the device.
//
// The block's places are fixed when the session is opened, at its bounds, so adding rows writes
// straight into the block; page tables are written last, when all pages are known.
#include "runtime/engine/session.h"

static int32_t *ints_at(tlmc_session *session, uint32_t place) {
  return (int32_t *)((char *)session->step + place);
}

int32_t tl_session_work_max(const tlmc_session *session) {
  const tl_session_limits *l = &session->limits;
  return l->chunk / session->attention_rows + l->batch + 1;
}

// Walks the block's parts in order; `step` (may be NULL) gets their places.
static uint64_t lay_out(const tlmc_session *session, tl_step *step) {
  const tl_session_limits *l = &session->limits;
  uint64_t groups = session->plan->plan.tables.groups_count;
  uint64_t rows = (uint64_t)l->chunk * sizeof(int32_t), at = sizeof(tl_step);
  uint64_t pages = (uint64_t)l->batch * (uint64_t)tl_kv_pages_max(session->kv) * sizeof(int32_t);
  tl_step none, *s = step ? step : &none;
  s->ids = (uint32_t)at;
  s->positions = (uint32_t)(at += rows);
  s->types = (uint32_t)(at += rows);
  s->lengths = (uint32_t)(at += rows);
  s->wanted = (uint32_t)(at += rows);
  s->asked = (uint32_t)(at += (uint64_t)l->outputs * sizeof(int32_t));
  s->sequences = (uint32_t)(at += (uint64_t)l->outputs * sizeof(float));
  at += (uint64_t)l->batch * sizeof(tl_step_sequence);
  s->work = (uint32_t)at;
  at += (uint64_t)tl_session_work_max(session) * sizeof(tl_step_work);
  for (uint64_t g = 0; g < groups; g++) {
    s->slots[g] = (uint32_t)at;
    s->pages[g] = (uint32_t)(at += rows);
    at += pages;
  }
  return at;
}

uint64_t tl_session_step_bytes(const tlmc_session *session) {
  return lay_out(session, NULL);
}

void tl_session_step_init(tlmc_session *session) {
  session->step = session->device->vtable->step_block(session->device);
  *session->step = (tl_step){.pages_max = tl_kv_pages_max(session->kv)};
  lay_out(session, session->step);
}

static void clear(tlmc_session *session) {
  session->parts_count = 0;
  session->copies_count = 0;
  session->step->rows_count = 0;
  session->step->sequences_count = 0;
  session->step->wanted_count = 0;
  session->step->work_count = 0;
}

bool tl_session_step_has(const tlmc_session *session, int32_t sequence) {
  for (int32_t i = 0; i < session->parts_count; i++)
    if (session->parts[i].sequence == sequence) return true;
  return false;
}

static tl_status copy_pages(tlmc_session *session) {
  for (int32_t i = 0; i < session->copies_count; i++) {
    const tl_kv_copy *copy = &session->copies[i];
    int32_t pair[1][2] = {{copy->from, copy->to}};
    TL_TRY(session->device->vtable->copy_pages(session->device, (uint32_t)copy->group,
                                               (const int32_t(*)[2])pair, 1));
  }
  return TL_OK;
}

void tl_session_step_begin(tlmc_session *session) {
  // What lay before the rows that are taken back is in the copies already.
  if (!tl_ok(copy_pages(session))) session->broken = true;
  for (int32_t i = 0; i < session->parts_count; i++) {
    const tl_session_part *part = &session->parts[i];
    // A window may have dropped what lay before; then the sequence starts anew.
    if (tl_kv_truncate(session->kv, part->sequence, part->length_before) != TL_OK &&
        tl_kv_truncate(session->kv, part->sequence, 0) != TL_OK) {
      session->broken = true;
    }
  }
  clear(session);
}

static int32_t wanted_count(const tl_session_rows *rows) {
  switch (rows->wanted) {
  case TLMC_WANTED_LAST: return 1;
  case TLMC_WANTED_ALL: return rows->count;
  case TLMC_WANTED_LIST: return rows->wanted_count;
  default: return 0;
  }
}

static int32_t wanted_row(const tlmc_session *session, const tl_session_rows *rows, int32_t index) {
  bool first = session->plan->plan.tables.models->task == TL_PLAN_TASK_SCORE_FIRST;
  switch (rows->wanted) {
  case TLMC_WANTED_LAST: return first ? 0 : rows->count - 1;
  case TLMC_WANTED_LIST: return rows->wanted_rows[index];
  default: return index;
  }
}

static void add_ids(tlmc_session *session, const tl_session_rows *rows, int32_t position) {
  tl_step *step = session->step;
  int32_t first = step->rows_count;
  for (int32_t i = 0; i < rows->count; i++) {
    ints_at(session, step->ids)[first + i] = rows->ids[i];
    ints_at(session, step->positions)[first + i] = position + i;
    ints_at(session, step->types)[first + i] = rows->types ? rows->types[i] : 0;
    ints_at(session, step->lengths)[first + i] = session->prompts[rows->sequence];
  }
}

static void add_work(tlmc_session *session, const tl_session_rows *rows, int32_t position) {
  tl_step *step = session->step;
  tl_step_work *work = (tl_step_work *)((char *)step + step->work);
  int32_t most = session->attention_rows;
  for (int32_t i = 0; i < rows->count; i += most) {
    int32_t left = rows->count - i;
    work[step->work_count++] = (tl_step_work){.sequence = step->sequences_count,
                                              .first_row = step->rows_count + i,
                                              .rows_count = left < most ? left : most,
                                              .first_position = position + i};
  }
}

tl_status tl_session_step_add(tlmc_session *session, const tl_session_rows *rows,
                              int32_t *out_first) {
  tl_step *step = session->step;
  const tl_session_limits *limits = &session->limits;
  int32_t position = tl_kv_length(session->kv, rows->sequence), copies = 0;
  int32_t wanted = wanted_count(rows);
  if (step->sequences_count == limits->batch || rows->count > limits->chunk - step->rows_count ||
      wanted > limits->outputs - step->wanted_count) {
    return TL_MEMORY;
  }
  TL_TRY(tl_kv_append(session->kv, rows->sequence, rows->count,
                      session->copies + session->copies_count, &copies));
  session->copies_count += copies;
  session->parts[session->parts_count++] = (tl_session_part){rows->sequence, rows->count, position};
  if (position == 0) {
    session->prompts[rows->sequence] = rows->prompt > rows->count ? rows->prompt : rows->count;
  }
  add_ids(session, rows, position);
  add_work(session, rows, position);
  *out_first = step->wanted_count;
  for (int32_t i = 0; i < wanted; i++) {
    ((float *)((char *)step + step->asked))[step->wanted_count] = rows->asked;
    ints_at(session, step->wanted)[step->wanted_count++] =
        step->rows_count + wanted_row(session, rows, i);
  }
  ((tl_step_sequence *)((char *)step + step->sequences))[step->sequences_count++] =
      (tl_step_sequence){
          .first_row = step->rows_count, .rows_count = rows->count, .first_position = position};
  step->rows_count += rows->count;
  return TL_OK;
}

// Page tables and slots of one part; all of its pages are known now.
static void write_pages(tlmc_session *session, int32_t index) {
  tl_step *step = session->step;
  const tl_session_part *part = &session->parts[index];
  const tl_step_sequence *sequence =
      (const tl_step_sequence *)((char *)step + step->sequences) + index;
  for (uint32_t g = 0; g < session->plan->plan.tables.groups_count; g++) {
    const int32_t *pages = tl_kv_pages(session->kv, part->sequence, (int32_t)g);
    int32_t *table = ints_at(session, step->pages[g]) + (int64_t)index * step->pages_max;
    int32_t used = tl_kv_pages_of(sequence->first_position + sequence->rows_count);
    memcpy(table, pages, (size_t)used * sizeof *table);
    int32_t *slots = ints_at(session, step->slots[g]) + sequence->first_row;
    for (int32_t i = 0; i < sequence->rows_count; i++) {
      int32_t position = sequence->first_position + i;
      slots[i] = pages[position / TL_PAGE_TOKENS] * TL_PAGE_TOKENS + position % TL_PAGE_TOKENS;
    }
  }
}

tl_status tl_session_step_run(tlmc_session *session, tl_diag *diag) {
  if (session->step->rows_count == 0) {
    session->outputs_count = 0;
    return TL_OK;
  }
  for (int32_t i = 0; i < session->parts_count; i++)
    write_pages(session, i);
  tl_status status = copy_pages(session);
  if (tl_ok(status)) {
    status = session->device->vtable->run(session->device, session->program, diag);
  }
  session->broken |= !tl_ok(status);
  session->outputs_count = tl_ok(status) ? session->step->wanted_count : 0;
  for (int32_t i = 0; i < session->parts_count; i++) {
    int32_t sequence = session->parts[i].sequence;
    if (!session->lent[sequence]) tl_kv_trim(session->kv, sequence);
  }
  clear(session);
  return status;
}
