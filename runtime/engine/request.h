// Requests: prompts on their way to text. Private to runtime/engine.
//
//   WAITING  in the queue, nothing in the KV memory (or preempted: its pages were given away)
//   RUNNING  has a sequence; ids[0, its length) are in the KV memory, ids[length, known) not yet
//   FINISHED has a last event; the handle lives until it is released
//
//   submit -> WAITING <-> RUNNING -> FINISHED -> release        cancel, a fault: any -> FINISHED
//
// All requests that may exist lie in one reservation taken at open, committed when first used:
// their ids, biases and stop texts. Only texts come from an arena of the request's own, with a
// limit. Invariant: a number is in exactly one list while WAITING or RUNNING, else in none.
#ifndef TL_ENGINE_REQUEST_H
#define TL_ENGINE_REQUEST_H

#include <stdatomic.h>

#include "runtime/device/memory.h"
#include "runtime/engine/batch.h"
#include "runtime/engine/sample.h"
#include "runtime/engine/session.h"
#include "runtime/engine/stop.h"
#include "runtime/text/decoder.h"

enum { TL_REQUEST_STOP_IDS_MAX = 64, TL_REQUEST_TEXT_BYTES_MAX = 64 << 20 };

typedef enum tl_request_state {
  TL_REQUEST_FREE,
  TL_REQUEST_WAITING,
  TL_REQUEST_RUNNING,
  TL_REQUEST_FINISHED
} tl_request_state;

// What an event points to.
typedef struct tl_request_event {
  int32_t id, top_count;
  float logprob;
  tlmc_logprob top[TL_SAMPLE_LOGPROBS_MAX];
  char *text; // in the request's text_memory
  size_t text_bytes, text_capacity;
} tl_request_event;

struct tlmc_request {
  tlmc_session *session;
  tl_request_state state;
  int64_t arrival;
  int32_t sequence; // while running, and while it is kept
  bool keeps;       // wants to be kept when it has finished
  bool is_kept;
  int32_t *ids; // prompt, then output; room for ids_max of tl_requests
  int32_t known, prompt_count, tokens_max;
  int32_t reused_count; // -1 until it runs for the first time
  uint64_t salt;
  void *user;
  tl_sampling sampling;
  tl_sample_bias biases[TL_SAMPLE_BIASES_MAX];
  int32_t stop_ids[TL_REQUEST_STOP_IDS_MAX];
  int32_t stop_ids_count;
  bool ignores_stop_ids;
  tl_stop stop;
  tl_arena text_memory;
  tl_decoder decoder;
  atomic_bool cancelled; // the one field that other threads and signal handlers touch

  // Events: what the caller looks at since its last poll, and what it has not seen yet.
  tl_request_event shown, token, rest;
  bool has_token, rest_is_shown;
  tlmc_finish finish;
  int32_t stop_index;
  tlmc_status status;
};

// Request numbers by arrival, and what the scheduler is shown of them.
typedef struct tl_request_list {
  int32_t *numbers;
  int32_t count;
  tl_batch_item *items;
} tl_request_list;

typedef struct tl_requests {
  tl_memory memory;  // of `all` and their ids
  tlmc_request *all; // limits.requests of them
  int32_t ids_max;   // of prompt and output of a request
  int32_t vocabulary;
  tl_request_list waiting, running;
  int32_t *rows;    // of each running one in this step
  int32_t *outputs; // and its output; -1 = none is wanted
  int32_t held_max[TL_GROUPS_MAX];
  tl_sampler *sampler;
  int64_t arrivals;
  uint64_t preempted;
} tl_requests;

// Puts a submitted request at the end of the queue.
void tl_requests_enter(tlmc_session *session, tlmc_request *request);

// Gives what `after` has kept to a submitted request, which runs at once, with what both share;
// false, with nothing kept any more, if they share nothing or there is no room for it to run.
bool tl_requests_take_over(tlmc_session *session, tlmc_request *request, tlmc_request *after);

// Takes a waiting or running request out of its list and the KV memory; others are left alone.
void tl_requests_leave(tlmc_session *session, tlmc_request *request);

// Readies a free request's text for a new output; its stops are set already.
void tl_request_text_begin(tlmc_request *request);

// Takes a token: it becomes the unread event. `*out_finish` says if it was the last one. TL_MEMORY
// if its text does not fit; the event is there all the same, without text.
tl_status tl_request_take(tlmc_request *request, const tl_sample *sample,
                          tlmc_finish *out_finish) TL_CHECKED;

// Ends the request with the rest of its text; it is in no list any more. A stop text that the rest
// completes comes before STOP_ID and LENGTH. `status` is of a FAULT, else TLMC_OK.
void tl_request_end(tlmc_request *request, tlmc_finish finish, tlmc_status status);

#endif
