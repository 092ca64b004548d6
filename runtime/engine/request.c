// One request at the public interface: options checked and copied, events handed out.
#include "runtime/engine/request.h"

#include "runtime/base/utf8.h"

// ---------------------------------------------------------------------------------------------
// Options

static tlmc_status check_prompt(const tlmc_request *request, tlmc_error *error) {
  const tl_requests *requests = request->session->requests;
  uint32_t vocabulary = request->session->plan->plan.tables.models->vocabulary;
  if (request->prompt_count >= requests->ids_max) {
    return tl_error_set(error, TLMC_MEMORY,
                        "the prompt of %d ids leaves no room for a token: prompt and output have "
                        "at most %d in this session",
                        (int)request->prompt_count, (int)requests->ids_max);
  }
  for (int32_t i = 0; i < request->prompt_count; i++) {
    if (request->ids[i] >= 0 && (uint32_t)request->ids[i] < vocabulary) continue;
    return tl_error_set(error, TLMC_USAGE,
                        "id %d of the prompt is %d, outside the vocabulary of %u", (int)i,
                        (int)request->ids[i], vocabulary);
  }
  return TLMC_OK;
}

// Ids straight into the request; more than fit are counted, not written.
static tlmc_status copy_prompt(tlmc_request *request, const tlmc_request_options *options,
                               tlmc_error *error) {
  const tl_requests *requests = request->session->requests;
  size_t count = 0, room = (size_t)requests->ids_max;
  if (options->text) {
    tlmc_bytes text = {options->text, options->text_bytes};
    tlmc_status status = tlmc_tokenize(request->session->plan, text,
                                       options->special ? TLMC_TEXT_SPECIAL : TLMC_TEXT_ADD,
                                       request->ids, room, &count, error);
    if (status != TLMC_OK) return status;
    if (count > INT32_MAX) count = INT32_MAX;
  } else {
    count = (size_t)options->ids_count;
    memcpy(request->ids, options->ids, (count < room ? count : room) * sizeof *request->ids);
  }
  if (count == 0) return tl_error_set(error, TLMC_USAGE, "the prompt has no ids");
  request->known = request->prompt_count = (int32_t)count;
  return check_prompt(request, error);
}

// Numbers and pointers alone; nothing is copied yet.
static tlmc_status check_options(const tlmc_request_options *o, tlmc_error *error) {
  if (o->adapter != 0) {
    return tl_error_set(error, TLMC_UNSUPPORTED, "a reserved field of tlmc_request_options is set");
  }
  if (!o->text == !o->ids || (!o->text && o->text_bytes > 0) || (!o->ids && o->ids_count != 0)) {
    return tl_error_set(error, TLMC_USAGE, "a prompt is either a text or ids, one of the two");
  }
  if (o->ids && o->ids_count < 1) {
    return tl_error_set(error, TLMC_USAGE, "ids_count is %d, expected at least 1",
                        (int)o->ids_count);
  }
  if (o->tokens_max < 0) {
    return tl_error_set(error, TLMC_USAGE, "tokens_max is %d, expected at least 0",
                        (int)o->tokens_max);
  }
  if (o->stops_count < 0 || o->stops_count > TL_STOPS_MAX || (o->stops_count > 0 && !o->stops)) {
    return tl_error_set(error, TLMC_USAGE, "%d stop texts, expected at most %d",
                        (int)o->stops_count, (int)TL_STOPS_MAX);
  }
  if (o->stop_ids_count < 0 || o->stop_ids_count > TL_REQUEST_STOP_IDS_MAX ||
      (o->stop_ids_count > 0 && !o->stop_ids)) {
    return tl_error_set(error, TLMC_USAGE, "%d stop ids, expected at most %d",
                        (int)o->stop_ids_count, (int)TL_REQUEST_STOP_IDS_MAX);
  }
  return TLMC_OK;
}

static tlmc_status copy_sampling(tlmc_request *request, const tlmc_sampling *options,
                                 tlmc_error *error) {
  tlmc_sampling s;
  tl_diag diag = {0};
  if (!tl_options_read(options, sizeof s, &s)) {
    return tl_error_set(error, TLMC_USAGE, "tlmc_sampling has a wrong size or unknown fields set");
  }
  request->sampling = (tl_sampling){.temperature = s.temperature,
                                    .top_k = s.top_k,
                                    .top_p = s.top_p,
                                    .min_p = s.min_p,
                                    .repetition_penalty = s.repetition_penalty,
                                    .presence_penalty = s.presence_penalty,
                                    .frequency_penalty = s.frequency_penalty,
                                    .penalty_window = s.penalty_window,
                                    .seed = s.seed,
                                    .biases = s.biases ? request->biases : NULL,
                                    .biases_count = s.biases_count,
                                    .logprobs = s.logprobs};
  for (int32_t i = 0; s.biases && i < s.biases_count && i < TL_SAMPLE_BIASES_MAX; i++)
    request->biases[i] = (tl_sample_bias){s.biases[i].id, s.biases[i].bias};
  tl_status status =
      tl_sampling_check(&request->sampling, request->session->requests->vocabulary, &diag);
  return tl_error_fill(error, status, &diag);
}

static tlmc_status copy_stops(tlmc_request *request, const tlmc_request_options *options,
                              tlmc_error *error) {
  tl_str stops[TL_STOPS_MAX];
  tl_diag diag = {0};
  if (options->stops_count > 0 && !request->session->plan->has_tokenizer) {
    return tl_error_set(error, TLMC_UNSUPPORTED,
                        "%s has no tokenizer, so there is no text to find stop texts in: give "
                        "stop ids instead",
                        request->session->plan->plan.name);
  }
  for (int32_t i = 0; i < options->stops_count; i++) {
    stops[i] = (tl_str){options->stops[i].data, options->stops[i].bytes};
    if (stops[i].data && stops[i].length > 0 && stops[i].length <= TL_STOP_BYTES_MAX &&
        tl_utf8_is_valid(stops[i])) {
      continue;
    }
    return tl_error_set(error, TLMC_USAGE, "stop text %d is not of 1 to %d bytes of UTF-8", (int)i,
                        (int)TL_STOP_BYTES_MAX);
  }
  uint32_t vocabulary = request->session->plan->plan.tables.models->vocabulary;
  for (int32_t i = 0; i < options->stop_ids_count; i++) {
    request->stop_ids[i] = options->stop_ids[i];
    if (options->stop_ids[i] >= 0 && (uint32_t)options->stop_ids[i] < vocabulary) continue;
    return tl_error_set(error, TLMC_USAGE, "stop id %d is %d, outside the vocabulary of %u", (int)i,
                        (int)options->stop_ids[i], vocabulary);
  }
  request->stop_ids_count = options->stop_ids_count;
  request->ignores_stop_ids = options->ignore_stop_ids != 0;
  return tl_error_fill(error, tl_stop_init(&request->stop, stops, options->stops_count, &diag),
                       &diag);
}

// ---------------------------------------------------------------------------------------------
// Submit, cancel, release

static tlmc_request *find_free(const tlmc_session *session) {
  for (int32_t i = 0; i < session->limits.requests; i++)
    if (session->requests->all[i].state == TL_REQUEST_FREE) return &session->requests->all[i];
  return NULL;
}

static tlmc_status fill(tlmc_request *request, const tlmc_request_options *options,
                        tlmc_error *error) {
  tlmc_status status = check_options(options, error);
  if (status == TLMC_OK) status = copy_sampling(request, options->sampling, error);
  if (status == TLMC_OK) status = copy_stops(request, options, error);
  if (status == TLMC_OK) status = copy_prompt(request, options, error);
  return status;
}

// Where a long prompt turns positions in its own way, only prompts as long as it may share pages.
static uint64_t salt_of(const tlmc_session *session, uint64_t salt, int32_t prompt_count) {
  uint32_t limit = session->plan->plan.tables.models->prompt_limit;
  if (limit == 0 || (uint32_t)prompt_count <= limit) return salt;
  return (salt ^ (uint64_t)prompt_count) * 0x9e3779b97f4a7c15u;
}

tlmc_status tlmc_request_submit(tlmc_session *session, const tlmc_request_options *options,
                                tlmc_request **out_request, tlmc_error *error) {
  tlmc_request_options known;
  *out_request = NULL;
  if (session->broken) return tl_error_set(error, TLMC_DEVICE, "an earlier step failed");
  if (!options || !tl_options_read(options, sizeof known, &known)) {
    return tl_error_set(error, TLMC_USAGE,
                        "tlmc_request_options has a wrong size or unknown fields set");
  }
  if (!session->requests) {
    return tl_error_set(error, TLMC_UNSUPPORTED,
                        "%s scores texts and generates none: give its rows to tlmc_step_add",
                        session->plan->plan.name);
  }
  tlmc_request *request = find_free(session);
  if (!request) {
    return tl_error_set(error, TLMC_MEMORY,
                        "all %d requests of the session exist already: release one, or open the "
                        "session with more",
                        (int)session->limits.requests);
  }
  const tlmc_request *after = known.after;
  if (after && (after->session != session || after->state != TL_REQUEST_FINISHED)) {
    return tl_error_set(error, TLMC_USAGE, "`after` is no finished request of this session");
  }
  tlmc_status status = fill(request, &known, error);
  if (status != TLMC_OK) return status;
  request->tokens_max = known.tokens_max ? known.tokens_max : INT32_MAX;
  request->salt = salt_of(session, known.salt, request->prompt_count);
  request->user = known.user;
  request->keeps = known.keep != 0;
  request->is_kept = false;
  request->reused_count = -1;
  request->has_token = request->rest_is_shown = false;
  request->finish = TLMC_FINISH_NONE;
  request->stop_index = -1;
  request->status = TLMC_OK;
  atomic_store(&request->cancelled, false);
  tl_request_text_begin(request);
  bool runs = known.after && tl_requests_take_over(session, request, known.after);
  if (!runs) tl_requests_enter(session, request);
  *out_request = request;
  return TLMC_OK;
}

void tlmc_request_cancel(tlmc_request *request) {
  if (request) atomic_store(&request->cancelled, true);
}

void tlmc_request_release(tlmc_request *request) {
  if (!request) return;
  tl_requests_leave(request->session, request);
  request->state = TL_REQUEST_FREE;
}

// ---------------------------------------------------------------------------------------------
// Events

// The event becomes the one that is shown; the buffers of the one before serve the next.
static void show(tlmc_request *request, tl_request_event *event) {
  tl_request_event before = request->shown;
  request->shown = *event;
  *event = before;
  event->text_bytes = 0;
  event->top_count = 0;
}

static void tell_token(tlmc_request *request, tlmc_event *event) {
  show(request, &request->token);
  request->has_token = false;
  event->kind = TLMC_EVENT_TOKEN;
  event->id = request->shown.id;
  event->logprob = request->shown.logprob;
  event->top_count = request->shown.top_count;
  event->top = request->shown.top;
  event->text = request->shown.text;
  event->text_bytes = request->shown.text_bytes;
}

static void tell_end(tlmc_request *request, tlmc_event *event) {
  event->kind = TLMC_EVENT_FINISHED;
  event->finish = request->finish;
  event->stop_index = request->stop_index;
  event->status = request->status;
  if (request->rest_is_shown) return;
  show(request, &request->rest);
  request->rest_is_shown = true;
  event->text = request->shown.text;
  event->text_bytes = request->shown.text_bytes;
}

tlmc_status tlmc_request_poll(tlmc_request *request, tlmc_event *out_event) {
  size_t size = out_event->size;
  if (size < sizeof(tlmc_event) || size > TL_OPTIONS_BYTES_MAX) return TLMC_USAGE;
  tlmc_event event = {.size = size,
                      .stop_index = -1,
                      .prompt_count = request->prompt_count,
                      .reused_count = request->reused_count > 0 ? request->reused_count : 0,
                      .tokens_count = request->known - request->prompt_count,
                      .user = request->user};
  if (request->has_token) {
    tell_token(request, &event);
  } else if (request->state == TL_REQUEST_FINISHED) {
    tell_end(request, &event);
  }
  if (event.text_bytes == 0) event.text = "";
  memset(out_event, 0, size);
  memcpy(out_event, &event, sizeof event);
  return TLMC_OK;
}
