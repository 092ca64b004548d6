// Tokens become events: an id, its text as far as it is certain, and the reason to end.
#include "runtime/engine/request.h"

// Room for `bytes` more in the event's text; false if the request's limit is hit.
static bool make_room(tlmc_request *request, tl_request_event *event, size_t bytes) {
  char *text = tl_arena_grow(&request->text_memory, event->text, &event->text_capacity,
                             event->text_bytes + bytes, 1);
  if (text) event->text = text;
  return text != NULL;
}

// Appends what no stop text can swallow any more.
static tl_status add_text(tlmc_request *request, tl_request_event *event, tl_str text) {
  size_t bytes = 0;
  if (!make_room(request, event, text.length + TL_STOP_BYTES_MAX)) return TL_MEMORY;
  tl_stop_feed(&request->stop, text, event->text + event->text_bytes, &bytes);
  event->text_bytes += bytes;
  return TL_OK;
}

static tl_status add_held_text(tlmc_request *request, tl_request_event *event) {
  size_t bytes = 0;
  if (!make_room(request, event, TL_STOP_BYTES_MAX)) return TL_MEMORY;
  tl_stop_flush(&request->stop, event->text + event->text_bytes, &bytes);
  event->text_bytes += bytes;
  return TL_OK;
}

void tl_request_text_begin(tlmc_request *request) {
  const tlmc_plan *plan = request->session->plan;
  tl_arena_reset(&request->text_memory);
  request->shown = request->token = request->rest = (tl_request_event){0};
  if (plan->has_tokenizer) {
    tl_decoder_init(&request->decoder, &plan->tokenizer, true, &request->text_memory);
  }
}

static bool has_id(const int32_t *ids, int32_t count, int32_t id) {
  for (int32_t i = 0; i < count; i++)
    if (ids[i] == id) return true;
  return false;
}

static bool is_stop_id(const tlmc_request *request, int32_t id) {
  const tlmc_plan *plan = request->session->plan;
  return !request->ignores_stop_ids && (has_id(plan->stop_ids, plan->stop_ids_count, id) ||
                                        has_id(request->stop_ids, request->stop_ids_count, id));
}

tl_status tl_request_take(tlmc_request *request, const tl_sample *sample, tlmc_finish *out_finish) {
  tl_request_event *event = &request->token;
  tl_str text = TL_STR("");
  event->id = sample->id;
  event->logprob = sample->logprob;
  event->top_count = sample->top_count;
  for (int32_t i = 0; i < sample->top_count; i++)
    event->top[i] = (tlmc_logprob){sample->top[i].id, sample->top[i].logprob};
  event->text_bytes = 0;
  request->has_token = true;
  request->ids[request->known++] = sample->id;
  *out_finish = TLMC_FINISH_NONE;
  if (is_stop_id(request, sample->id)) {
    *out_finish = TLMC_FINISH_STOP_ID;
    return TL_OK;
  }
  if (request->session->plan->has_tokenizer) {
    TL_TRY(tl_decoder_push(&request->decoder, sample->id, &text));
    TL_TRY(add_text(request, event, text));
  }
  if (request->stop.found >= 0) {
    *out_finish = TLMC_FINISH_STOP_TEXT;
  } else if (request->known - request->prompt_count == request->tokens_max ||
             request->known == request->session->requests->ids_max) {
    *out_finish = TLMC_FINISH_LENGTH;
  }
  return TL_OK;
}

// What decoder and stop matcher hold back is certain now.
static tl_status add_rest(tlmc_request *request) {
  tl_str text = TL_STR("");
  if (!request->session->plan->has_tokenizer || request->stop.found >= 0) return TL_OK;
  TL_TRY(tl_decoder_finish(&request->decoder, &text));
  TL_TRY(add_text(request, &request->rest, text));
  return request->stop.found < 0 ? add_held_text(request, &request->rest) : TL_OK;
}

void tl_request_end(tlmc_request *request, tlmc_finish finish, tlmc_status status) {
  bool is_whole = tl_ok(add_rest(request));
  bool may_stop = finish == TLMC_FINISH_STOP_ID || finish == TLMC_FINISH_LENGTH;
  if (!is_whole && finish != TLMC_FINISH_FAULT) {
    finish = TLMC_FINISH_FAULT;
    status = TLMC_MEMORY;
  } else if (may_stop && request->stop.found >= 0) {
    finish = TLMC_FINISH_STOP_TEXT;
  }
  request->finish = finish;
  request->status = status;
  request->stop_index = finish == TLMC_FINISH_STOP_TEXT ? request->stop.found : -1;
  request->state = TL_REQUEST_FINISHED;
}
