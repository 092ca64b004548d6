// All requests of a session: who runs, what a step is made of, what its outputs become.
#include "runtime/engine/request.h"

// ---------------------------------------------------------------------------------------------
// Set-up

static tl_status create_list(tlmc_session *session, int32_t capacity, tl_request_list *out_list) {
  out_list->numbers = tl_arena_array(&session->memory, (size_t)capacity, sizeof(int32_t));
  out_list->items = tl_arena_array(&session->memory, (size_t)capacity, sizeof(tl_batch_item));
  return out_list->numbers && out_list->items ? TL_OK : TL_MEMORY;
}

static tl_status create_sampler(tlmc_session *session, tl_requests *requests) {
  size_t bytes = tl_sampler_bytes_needed(requests->vocabulary);
  void *memory = bytes > 0 ? tl_arena_alloc(&session->memory, bytes) : NULL;
  requests->sampler = memory ? tl_sampler_init(requests->vocabulary, memory, bytes) : NULL;
  return requests->sampler ? TL_OK : TL_MEMORY;
}

// One piece, so that what is never used is never committed: | requests | ids of each |.
static tl_status reserve(tlmc_session *session, bool commit, tl_diag *diag) {
  tl_requests *requests = session->requests;
  uint64_t count = (uint64_t)session->limits.requests, each = (uint64_t)requests->ids_max;
  TL_TRY(tl_memory_reserve(count * (sizeof(tlmc_request) + each * sizeof(int32_t)),
                           "prompts and outputs of requests", commit, &requests->memory, diag));
  requests->all = (tlmc_request *)requests->memory.bytes;
  int32_t *ids = (int32_t *)(requests->all + count);
  for (uint64_t i = 0; i < count; i++) {
    tlmc_request *request = &requests->all[i];
    request->session = session;
    request->ids = ids + i * each;
    tl_arena_init(&request->text_memory, TL_REQUEST_TEXT_BYTES_MAX);
  }
  return TL_OK;
}

tl_status tl_requests_create(tlmc_session *session, const tlmc_session_options *options,
                             tl_diag *diag) {
  const tl_plan_model *model = session->plan->plan.tables.models;
  const tl_session_limits *limits = &session->limits;
  if (model->task != TL_PLAN_TASK_GENERATE) return TL_OK;
  tl_requests *requests = tl_arena_alloc(&session->memory, sizeof *requests);
  if (!requests) return TL_MEMORY;
  session->requests = requests;
  requests->ids_max = session->kv_config.length_max;
  requests->vocabulary =
      (int32_t)(model->outputs < model->vocabulary ? model->outputs : model->vocabulary);
  for (int32_t g = 0; g < session->kv_config.groups_count; g++)
    requests->held_max[g] = tl_kv_pages_held_max(&session->kv_config, g, limits->chunk);
  TL_TRY(create_list(session, limits->requests, &requests->waiting));
  TL_TRY(create_list(session, limits->batch, &requests->running));
  requests->rows = tl_arena_array(&session->memory, (size_t)limits->batch, sizeof(int32_t));
  requests->outputs = tl_arena_array(&session->memory, (size_t)limits->batch, sizeof(int32_t));
  if (!requests->rows || !requests->outputs) return TL_MEMORY;
  TL_TRY(create_sampler(session, requests));
  return reserve(session, options->prefault != 0, diag);
}

void tl_requests_destroy(tlmc_session *session) {
  tl_requests *requests = session->requests;
  if (!requests) return;
  for (int32_t i = 0; requests->all && i < session->limits.requests; i++)
    tl_arena_finish(&requests->all[i].text_memory);
  tl_memory_release(&requests->memory);
  session->requests = NULL;
}

void tl_requests_info(const tlmc_session *session, tlmc_session_facts *facts) {
  const tl_requests *requests = session->requests;
  if (!requests) return;
  facts->waiting = requests->waiting.count;
  facts->running = requests->running.count;
  facts->preempted = requests->preempted;
  facts->memory_bytes += requests->memory.bytes_count;
}

// ---------------------------------------------------------------------------------------------
// Lists

static void insert(const tl_requests *requests, tl_request_list *list, int32_t number) {
  int32_t i = list->count++;
  for (; i > 0; i--) {
    if (requests->all[list->numbers[i - 1]].arrival < requests->all[number].arrival) break;
    list->numbers[i] = list->numbers[i - 1];
  }
  list->numbers[i] = number;
}

static void erase(tl_request_list *list, int32_t number) {
  int32_t i = 0;
  while (list->numbers[i] != number)
    i++;
  list->count--;
  memmove(list->numbers + i, list->numbers + i + 1,
          (size_t)(list->count - i) * sizeof *list->numbers);
}

static int32_t number_of(const tl_requests *requests, const tlmc_request *request) {
  return (int32_t)(request - requests->all);
}

void tl_requests_enter(tlmc_session *session, tlmc_request *request) {
  tl_requests *requests = session->requests;
  request->arrival = requests->arrivals++;
  request->state = TL_REQUEST_WAITING;
  insert(requests, &requests->waiting, number_of(requests, request));
}

static void give_sequence_back(tlmc_session *session, tlmc_request *request) {
  tl_kv_release(session->kv, request->sequence);
  session->lent[request->sequence] = false;
  request->is_kept = false;
}

void tl_requests_leave(tlmc_session *session, tlmc_request *request) {
  tl_requests *requests = session->requests;
  int32_t number = number_of(requests, request);
  if (request->is_kept) give_sequence_back(session, request);
  if (request->state == TL_REQUEST_WAITING) erase(&requests->waiting, number);
  if (request->state != TL_REQUEST_RUNNING) return;
  give_sequence_back(session, request);
  erase(&requests->running, number);
}

static void finish(tlmc_session *session, tlmc_request *request, tlmc_finish reason,
                   tlmc_status status) {
  tl_requests *requests = session->requests;
  if (request->keeps && request->state == TL_REQUEST_RUNNING && status == TLMC_OK) {
    erase(&requests->running, number_of(requests, request));
    request->is_kept = true;
  } else {
    tl_requests_leave(session, request);
  }
  tl_request_end(request, reason, status);
}

bool tl_requests_take_over(tlmc_session *session, tlmc_request *request, tlmc_request *after) {
  tl_requests *requests = session->requests;
  const tl_session_limits *limits = &session->limits;
  if (!after->is_kept) return false;
  int32_t most = tl_kv_length(session->kv, after->sequence), shared = 0;
  if (most > request->known - 1) most = request->known - 1; // a row is left to run
  while (shared < most && request->ids[shared] == after->ids[shared])
    shared++;
  int32_t running_max = limits->batch < limits->outputs ? limits->batch : limits->outputs;
  bool fits = shared > 0 && request->salt == after->salt && requests->running.count < running_max;
  if (!fits || !tl_ok(tl_kv_truncate(session->kv, after->sequence, shared))) {
    give_sequence_back(session, after);
    return false;
  }
  after->is_kept = false;
  request->arrival = requests->arrivals++;
  request->sequence = after->sequence;
  request->reused_count = shared;
  request->state = TL_REQUEST_RUNNING;
  insert(requests, &requests->running, number_of(requests, request));
  return true;
}

static tlmc_request *running_at(const tlmc_session *session, int32_t index) {
  return &session->requests->all[session->requests->running.numbers[index]];
}

// ---------------------------------------------------------------------------------------------
// Who runs

// Sequences that may run at a time: every one needs its own, and an output in each step.
static int32_t sequences_max(const tlmc_session *session) {
  const tl_session_limits *limits = &session->limits;
  int32_t most = limits->batch < limits->outputs ? limits->batch : limits->outputs;
  int32_t count = session->requests->running.count;
  for (int32_t s = 0; s < limits->sequences && count < most; s++)
    count += tl_kv_length(session->kv, s) < 0;
  return count;
}

static void fill_items(const tlmc_session *session, const tl_request_list *list) {
  for (int32_t i = 0; i < list->count; i++) {
    const tlmc_request *request = &session->requests->all[list->numbers[i]];
    bool runs = request->state == TL_REQUEST_RUNNING;
    list->items[i] =
        (tl_batch_item){.arrival = request->arrival,
                        .length = runs ? tl_kv_length(session->kv, request->sequence) : 0,
                        .known = request->known,
                        .copies_due = runs ? tl_kv_copies_due(session->kv, request->sequence) : 0,
                        .paused = request->has_token};
  }
}

static tl_batch_decision decide(const tlmc_session *session, bool preempted) {
  const tl_requests *requests = session->requests;
  fill_items(session, &requests->waiting);
  fill_items(session, &requests->running);
  tl_batch_view view = {.waiting = requests->waiting.items,
                        .waiting_count = requests->waiting.count,
                        .running = requests->running.items,
                        .running_count = requests->running.count,
                        .rows_max = session->limits.chunk,
                        .sequences_max = sequences_max(session),
                        .groups_count = session->kv_config.groups_count,
                        .preempted = preempted};
  for (int32_t g = 0; g < view.groups_count; g++) {
    view.pages_free[g] = tl_kv_pages_free(session->kv, g);
    view.pages_held_max[g] = requests->held_max[g];
  }
  return tl_batch_next(&view, requests->rows);
}

// There is a free sequence: sequences_max has counted it.
static void admit(tlmc_session *session, int32_t index) {
  tl_requests *requests = session->requests;
  int32_t number = requests->waiting.numbers[index];
  tlmc_request *request = &requests->all[number];
  request->sequence = tl_kv_open(session->kv);
  session->lent[request->sequence] = true;
  int32_t reused =
      tl_kv_match(session->kv, request->sequence, request->salt, request->ids, request->known - 1);
  session->prompts[request->sequence] = request->prompt_count;
  // What is found again after a preemption was computed once.
  if (request->reused_count < 0) request->reused_count = reused;
  erase(&requests->waiting, number);
  request->state = TL_REQUEST_RUNNING;
  insert(requests, &requests->running, number);
}

// Its whole pages stay in the prefix index as long as nobody needs them.
static void preempt(tlmc_session *session, int32_t index) {
  tl_requests *requests = session->requests;
  tlmc_request *request = running_at(session, index);
  tl_requests_leave(session, request);
  request->state = TL_REQUEST_WAITING;
  insert(requests, &requests->waiting, number_of(requests, request));
  requests->preempted++;
}

static void end_cancelled(tlmc_session *session, const tl_request_list *list) {
  for (int32_t i = list->count; i-- > 0;) {
    tlmc_request *request = &session->requests->all[list->numbers[i]];
    if (atomic_load(&request->cancelled)) finish(session, request, TLMC_FINISH_CANCELLED, TLMC_OK);
  }
}

// Follows the scheduler until there is a step or nothing to do; true if there is a step.
static bool schedule(tlmc_session *session) {
  bool preempted = false;
  // At most everybody is admitted, then gives way; see tl_batch_next.
  for (int32_t left = 2 * session->limits.batch + 2; left > 0; left--) {
    tl_batch_decision next = decide(session, preempted);
    switch (next.action) {
    case TL_BATCH_STEP: return true;
    case TL_BATCH_ADMIT: admit(session, next.index); break;
    case TL_BATCH_PREEMPT:
      preempt(session, next.index);
      preempted = true;
      break;
    case TL_BATCH_STUCK:
      finish(session, running_at(session, next.index), TLMC_FINISH_FAULT, TLMC_MEMORY);
      return false;
    default: return false;
    }
  }
  return false;
}

// ---------------------------------------------------------------------------------------------
// The step

// What the device is to look for in the outputs that a request's next id is chosen from; see
// tl_step_best. Outputs that are no ids would be listed too, so then it is only the largest.
static float asked_of(const tlmc_session *session, const tlmc_request *request) {
  const tl_plan_model *model = session->plan->plan.tables.models;
  const tl_sampling *sampling = &request->sampling;
  if (tl_sampling_is_plain(sampling)) return 0;
  if (sampling->logprobs != 0 || model->outputs > model->vocabulary) return -1;
  return sampling->temperature > 0 ? sampling->temperature : 1;
}

// Adds the rows that the scheduler gave. A request whose rows do not fit ends, so that no step is
// tried for ever.
static void add_rows(tlmc_session *session) {
  tl_requests *requests = session->requests;
  for (int32_t i = 0; i < requests->running.count; i++) {
    const tlmc_request *request = running_at(session, i);
    int32_t length = tl_kv_length(session->kv, request->sequence);
    bool is_last = length + requests->rows[i] == request->known;
    tl_session_rows rows = {.sequence = request->sequence,
                            .count = requests->rows[i],
                            .ids = request->ids + length,
                            .prompt = request->prompt_count,
                            .asked = asked_of(session, request),
                            .wanted = is_last ? TLMC_WANTED_LAST : TLMC_WANTED_NONE};
    if (rows.count == 0) continue;
    if (!tl_ok(tl_session_step_add(session, &rows, &requests->outputs[i]))) requests->rows[i] = -1;
    if (!is_last) requests->outputs[i] = -1;
  }
}

// Chooses by what the device has found; false if all logits are needed.
static bool choose_found(tlmc_session *session, const tlmc_request *request, uint32_t output,
                         const tl_sample_row *row, tl_sample *out_sample) {
  tl_sample_list list;
  float asked = asked_of(session, request);
  const tl_step_best *best =
      asked < 0 ? NULL : session->device->vtable->best(session->device, output, &list.candidates);
  if (!best) return false;
  list.count = best->count;
  list.rest = best->rest;
  *out_sample = (tl_sample){.id = best->id};
  if (asked == 0) return best->id >= 0 && best->id < session->requests->vocabulary;
  return tl_sampler_choose_listed(session->requests->sampler, &request->sampling, row, &list,
                                  out_sample);
}

static tl_status choose(tlmc_session *session, tlmc_request *request, uint32_t output,
                        tlmc_finish *out_finish) {
  tl_sample_row row = {.ids = request->ids,
                       .ids_count = request->known,
                       .prompt_count = request->prompt_count,
                       .position = (uint64_t)request->known};
  tl_sample sample;
  if (!choose_found(session, request, output, &row, &sample)) {
    row.logits = session->device->vtable->output(session->device, output);
    if (!row.logits) return TL_IO;
    TL_TRY(tl_sampler_choose(session->requests->sampler, &request->sampling, &row, &sample, NULL));
  }
  return tl_request_take(request, &sample, out_finish);
}

// What ran can be shared from now on; windows let go of pages only after that.
static void publish(tlmc_session *session, const tlmc_request *request) {
  tl_kv_publish(session->kv, request->sequence, request->salt, request->ids, request->known);
  tl_kv_trim(session->kv, request->sequence);
}

static tlmc_status fault_of(tl_status status) {
  return status == TL_MEMORY ? TLMC_MEMORY : TLMC_INPUT;
}

// From the newest on: who ends leaves the list behind the others.
static void take_outputs(tlmc_session *session) {
  tl_requests *requests = session->requests;
  for (int32_t i = requests->running.count; i-- > 0;) {
    tlmc_request *request = running_at(session, i);
    tlmc_finish reason = TLMC_FINISH_NONE;
    tl_status status = requests->rows[i] < 0 ? TL_MEMORY : TL_OK;
    if (requests->rows[i] == 0) continue;
    if (tl_ok(status) && requests->outputs[i] >= 0) {
      status = choose(session, request, (uint32_t)requests->outputs[i], &reason);
    }
    if (!tl_ok(status)) {
      finish(session, request, TLMC_FINISH_FAULT, fault_of(status));
      continue;
    }
    publish(session, request);
    if (reason != TLMC_FINISH_NONE) finish(session, request, reason, TLMC_OK);
  }
}

tlmc_status tlmc_session_step(tlmc_session *session, int32_t *out_unfinished, tlmc_error *error) {
  tl_requests *requests = session->requests;
  tl_diag diag = {0};
  if (out_unfinished) *out_unfinished = 0;
  tl_session_step_begin(session);
  if (session->broken) return tl_error_set(error, TLMC_DEVICE, "an earlier step failed");
  if (!requests) return TLMC_OK;
  end_cancelled(session, &requests->running);
  end_cancelled(session, &requests->waiting);
  if (schedule(session)) {
    add_rows(session);
    tl_status status = tl_session_step_run(session, &diag);
    if (!tl_ok(status)) return tl_error_fill(error, status, &diag);
    take_outputs(session);
  }
  if (out_unfinished) *out_unfinished = requests->waiting.count + requests->running.count;
  return TLMC_OK;
}
