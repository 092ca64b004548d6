// A plan's outputs must not depend on what else is in the batch: bit by bit, on the CPU; on a GPU
// if the session is `deterministic`.
//
//   batch_invariance PLAN [KV_TYPE [DEVICE]]      exit 77 and a sentence if there is no plan
//
// Sixteen prompts of different lengths are first decoded alone, each prompt in one step, on one
// thread. Then all together with prompts in pieces of 1, 7, 64 rows and whole, on 1 and 2 threads:
// every row of logits must have the same bits. Then as requests in a KV memory that is too small,
// with readers so slow that some are preempted and computed again: same ids, same
// log-probabilities. With a DEVICE fewer and shorter prompts, fewer pieces, no requests: a stand-in
// is slow.
#include <math.h>

#include "runtime/base/hash.h"
#include "runtime/tlmc.h"
#include "tests/lib/check.h"

enum { DEVICE_PROMPTS = 5, DEVICE_PROMPT_MAX = 130, DEVICE_TOKENS = 4, DEVICE_PIECE = 7 };
enum { PROMPTS = 16, PROMPT_MAX = 220, TOKENS = 12, TOP = 20, SKIPPED = 77, STEPS_MAX = 100000 };

typedef struct text {
  int32_t ids[PROMPT_MAX + TOKENS]; // prompt, then what came when it was alone
  int32_t prompt;
  uint64_t rows[TOKENS]; // hash of the logits that each token was chosen from
  tlmc_logprob chosen[TOKENS], top[TOKENS][TOP];
  bool is_faulty; // logits that are not numbers; its request has to end there too
} text;

typedef struct test {
  tlmc_plan *plan;
  tlmc_plan_facts facts;
  const char *kv_type, *device;
  int prompts, tokens; // that are used
  text texts[PROMPTS];
  int failures;
  uint64_t preempted;
} test;

static tlmc_error error;

static void must(tlmc_status status) {
  if (status == TLMC_OK) return;
  fprintf(stderr, "batch_invariance: %s\n", error.text);
  exit(1);
}

static tlmc_session *open_session(const test *t, tlmc_session_options options) {
  tlmc_session *session;
  options.size = sizeof options;
  options.kv_type = t->kv_type;
  options.device = t->device;
  options.deterministic = t->device != NULL;
  must(tlmc_session_open(t->plan, &options, &session, &error));
  return session;
}

static void make_prompts(test *t) {
  uint32_t state = 12345;
  int32_t most = t->device ? DEVICE_PROMPT_MAX : PROMPT_MAX;
  if (t->facts.context - TOKENS < most) most = t->facts.context - TOKENS;
  CHECK(most > 0);
  for (int i = 0; i < t->prompts; i++) {
    t->texts[i].prompt = 1 + (most - 1) * i / (t->prompts - 1);
    for (int32_t k = 0; k < t->texts[i].prompt; k++) {
      state = state * 1664525u + 1013904223u;
      t->texts[i].ids[k] = (int32_t)((uint64_t)state * (uint32_t)t->facts.vocabulary >> 32);
    }
  }
}

static uint64_t hash_of(const test *t, const float *row) {
  CHECK(row);
  return tl_hash64(row, (size_t)t->facts.outputs * sizeof *row, 0);
}

static int32_t likeliest(const test *t, const float *row) {
  int32_t best = 0;
  for (int32_t i = 1; i < t->facts.outputs; i++)
    if (row[i] > row[best]) best = i;
  return best;
}

// ---------------------------------------------------------------------------------------------
// Sequences and steps

static int32_t add_rows(tlmc_session *session, int32_t sequence, const text *x, int32_t count,
                        bool wanted) {
  int32_t first;
  tlmc_rows rows = {.size = sizeof rows,
                    .sequence = sequence,
                    .count = count,
                    .ids = x->ids + tlmc_sequence_length(session, sequence),
                    .wanted = wanted ? TLMC_WANTED_LAST : TLMC_WANTED_NONE};
  must(tlmc_step_add(session, &rows, &first, &error));
  return first;
}

static void decode_alone(test *t) {
  tlmc_session *session =
      open_session(t, (tlmc_session_options){.threads = 1, .context = PROMPT_MAX + TOKENS});
  for (int i = 0; i < t->prompts; i++) {
    text *x = &t->texts[i];
    int32_t sequence, known = x->prompt;
    must(tlmc_sequence_open(session, &sequence, &error));
    for (int32_t k = 0; k < t->tokens; k++, known++) {
      tlmc_step_begin(session);
      add_rows(session, sequence, x, k == 0 ? x->prompt : 1, true);
      must(tlmc_step_run(session, &error));
      const float *row = tlmc_step_output(session, 0);
      x->rows[k] = hash_of(t, row);
      x->ids[known] = likeliest(t, row);
    }
    must(tlmc_sequence_release(session, sequence, &error));
  }
  tlmc_session_close(session);
}

// One step of all sequences that have something left; false if nobody has.
static bool step_together(test *t, tlmc_session *session, const int32_t *sequences, int32_t piece) {
  int32_t outputs[PROMPTS];
  bool any = false;
  tlmc_step_begin(session);
  for (int i = 0; i < t->prompts; i++) {
    const text *x = &t->texts[i];
    int32_t length = (int32_t)tlmc_sequence_length(session, sequences[i]);
    int32_t count = x->prompt - length < piece ? x->prompt - length : piece;
    outputs[i] = -1;
    if (length >= x->prompt + t->tokens - 1) continue;
    if (count < 1) count = 1;
    bool wanted = length + count >= x->prompt;
    int32_t first = add_rows(session, sequences[i], x, count, wanted);
    if (wanted) outputs[i] = first;
    any = true;
  }
  must(tlmc_step_run(session, &error));
  for (int i = 0; i < t->prompts; i++) {
    if (outputs[i] < 0) continue;
    const text *x = &t->texts[i];
    int32_t k = (int32_t)tlmc_sequence_length(session, sequences[i]) - x->prompt;
    if (hash_of(t, tlmc_step_output(session, outputs[i])) == x->rows[k]) continue;
    fprintf(stderr, "prompt of %d ids, output %d, pieces of %d rows: other bits than alone\n",
            (int)x->prompt, (int)k, (int)piece);
    t->failures++;
  }
  return any;
}

static void decode_together(test *t, int32_t piece, int32_t threads) {
  int32_t sequences[PROMPTS], chunk = piece * PROMPTS;
  tlmc_session *session =
      open_session(t, (tlmc_session_options){.batch = PROMPTS,
                                             .chunk = chunk < 4096 ? chunk : 4096,
                                             .threads = threads,
                                             .context = PROMPTS * (PROMPT_MAX + TOKENS)});
  for (int i = 0; i < t->prompts; i++)
    must(tlmc_sequence_open(session, &sequences[i], &error));
  int steps = 0;
  while (step_together(t, session, sequences, piece))
    CHECK(++steps < STEPS_MAX);
  tlmc_session_close(session);
}

// ---------------------------------------------------------------------------------------------
// Requests

static tlmc_request *submit(const test *t, tlmc_session *session, const text *x) {
  tlmc_sampling sampling = {.size = sizeof sampling, .logprobs = TOP};
  tlmc_request_options ask = {.size = sizeof ask,
                              .ids = x->ids,
                              .ids_count = x->prompt,
                              .tokens_max = TOKENS,
                              .ignore_stop_ids = 1,
                              .sampling = &sampling};
  tlmc_request *request;
  CHECK(t->facts.vocabulary > TOP);
  must(tlmc_request_submit(session, &ask, &request, &error));
  return request;
}

// Takes an event: keeps it (alone) or compares it with what was kept.
static void take_token(test *t, text *x, const tlmc_event *event, bool is_alone) {
  int32_t k = event->tokens_count - 1;
  CHECK(k >= 0 && k < TOKENS && event->top_count == TOP);
  tlmc_logprob chosen = {event->id, event->logprob};
  if (is_alone) {
    x->chosen[k] = chosen;
    memcpy(x->top[k], event->top, sizeof x->top[k]);
    CHECK(event->id == x->ids[x->prompt + k]);
  } else if (memcmp(&chosen, &x->chosen[k], sizeof chosen) != 0 ||
             memcmp(event->top, x->top[k], sizeof x->top[k]) != 0) {
    fprintf(stderr, "request of %d ids, token %d: other than alone\n", (int)x->prompt, (int)k);
    t->failures++;
  }
}

// Polls until nothing is new; true if the request has finished.
static bool poll_all(test *t, tlmc_request *request, text *x, bool is_alone) {
  tlmc_event event = {.size = sizeof event};
  for (;;) {
    must(tlmc_request_poll(request, &event));
    if (event.kind == TLMC_EVENT_NONE) return false;
    if (event.kind == TLMC_EVENT_FINISHED) break;
    take_token(t, x, &event, is_alone);
  }
  bool is_faulty = event.finish == TLMC_FINISH_FAULT;
  if (is_alone) x->is_faulty = is_faulty;
  CHECK(is_faulty == x->is_faulty && (is_faulty || event.finish == TLMC_FINISH_LENGTH));
  return true;
}

static void request_alone(test *t) {
  tlmc_session *session = open_session(t, (tlmc_session_options){.no_prefix_reuse = 1});
  for (int i = 0; i < PROMPTS; i++) {
    tlmc_request *request = submit(t, session, &t->texts[i]);
    do {
      must(tlmc_session_step(session, NULL, &error));
    } while (!poll_all(t, request, &t->texts[i], true));
    tlmc_request_release(request);
  }
  tlmc_session_close(session);
}

// The second round finds prompts of the first in the KV memory, and reads only now and then.
static void request_together(test *t, int32_t chunk, int32_t threads) {
  tlmc_session *session = open_session(t, (tlmc_session_options){.batch = PROMPTS,
                                                                 .chunk = chunk,
                                                                 .threads = threads,
                                                                 .sequences = PROMPTS,
                                                                 .context = PROMPT_MAX + TOKENS});
  tlmc_session_facts facts = {.size = sizeof facts};
  for (int round = 0; round < 2; round++) {
    tlmc_request *requests[PROMPTS];
    int steps = 0, finished = 0;
    for (int i = 0; i < PROMPTS; i++)
      requests[i] = submit(t, session, &t->texts[i]);
    while (finished < PROMPTS) {
      CHECK(++steps < STEPS_MAX);
      must(tlmc_session_step(session, NULL, &error));
      if (round == 1 && steps % 4 != 0) continue;
      finished = 0;
      for (int i = 0; i < PROMPTS; i++)
        finished += poll_all(t, requests[i], &t->texts[i], false);
    }
    for (int i = 0; i < PROMPTS; i++)
      tlmc_request_release(requests[i]);
  }
  must(tlmc_session_info(session, &facts));
  t->preempted += facts.preempted;
  tlmc_session_close(session);
}

int main(int argc, char **argv) {
  static const int32_t pieces[] = {1, 7, 64, PROMPT_MAX};
  static test t;
  if (argc < 2 || !argv[1][0]) {
    printf("skipped: no plan was given; run it as batch_invariance PLAN [KV_TYPE]\n");
    return SKIPPED;
  }
  must(tlmc_plan_open(argv[1], NULL, &t.plan, &error));
  t.kv_type = argc > 2 ? argv[2] : NULL;
  t.device = argc > 3 ? argv[3] : NULL;
  t.prompts = t.device ? DEVICE_PROMPTS : PROMPTS;
  t.tokens = t.device ? DEVICE_TOKENS : TOKENS;
  t.facts.size = sizeof t.facts;
  must(tlmc_plan_info(t.plan, &t.facts));
  if (t.facts.task != TLMC_TASK_GENERATE || t.facts.context <= TOKENS) {
    printf("skipped: the plan does not generate, or its context is below %d\n", TOKENS + 1);
    return SKIPPED;
  }
  make_prompts(&t);
  decode_alone(&t);
  if (t.device) {
    decode_together(&t, DEVICE_PIECE, 1);
    decode_together(&t, PROMPT_MAX, 1);
    if (t.failures) fprintf(stderr, "%d rows differ\n", t.failures);
    return t.failures > 0;
  }
  request_alone(&t);
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    for (int32_t threads = 1; threads <= 2; threads++) {
      decode_together(&t, pieces[i], threads);
      request_together(&t, pieces[i] < PROMPTS ? PROMPTS : pieces[i], threads);
    }
  }
  tlmc_plan_close(t.plan);
  if (t.failures) fprintf(stderr, "%d rows differ\n", t.failures);
  CHECK(t.preempted > 0);
  return t.failures > 0;
}
