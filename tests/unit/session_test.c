// Sessions and requests on a toy model whose every output can be foretold: order of events, batches
// against requests alone, preemption, reuse of prompts, cancel and release in every state, faults,
// wrong options, and an open that runs out of memory at each of its allocations.
#include <math.h>

#include "runtime/engine/request.h"
#include "tests/lib/kv_shadow.h"
#include "tests/lib/toy_session.h"

enum { TOKENS_MAX = 300, STEPS_MAX = 20000, SIZES = 4 };

static toy_plan plan;
static tlmc_error error;

// One request and what it must come to.
typedef struct run {
  tlmc_request *request;
  int32_t ids[TOY_CONTEXT]; // prompt and what must follow
  int32_t prompt, total;
  int32_t got; // tokens told so far
  tlmc_event end;
} run;

static void foretell(run *r, uint32_t seed, int32_t prompt, int32_t tokens) {
  *r = (run){.prompt = prompt, .total = prompt + tokens};
  toy_prompt(seed, prompt, r->ids);
  for (int32_t i = prompt; i < r->total; i++)
    r->ids[i] = toy_next(r->ids, i);
}

static tlmc_request_options ask_for(const run *r) {
  return (tlmc_request_options){.size = sizeof(tlmc_request_options),
                                .ids = r->ids,
                                .ids_count = r->prompt,
                                .tokens_max = r->total - r->prompt};
}

static void submit(const toy_session *toy, run *r) {
  tlmc_request_options ask = ask_for(r);
  ask.user = r;
  tlmc_status status = tlmc_request_submit(toy->session, &ask, &r->request, &error);
  if (status != TLMC_OK) fprintf(stderr, "%s\n", error.text);
  CHECK(status == TLMC_OK);
}

static int32_t step(const toy_session *toy) {
  int32_t unfinished = -1;
  tlmc_status status = tlmc_session_step(toy->session, &unfinished, &error);
  if (status != TLMC_OK) fprintf(stderr, "%s\n", error.text);
  CHECK(status == TLMC_OK);
  kv_verify(toy->session->kv);
  return unfinished;
}

// Takes all events; true if the request has finished.
static bool poll(run *r) {
  tlmc_event event = {.size = sizeof event};
  for (;;) {
    CHECK(tlmc_request_poll(r->request, &event) == TLMC_OK);
    CHECK(event.user == r && event.prompt_count == r->prompt && event.text);
    if (event.kind == TLMC_EVENT_NONE) return false;
    r->end = event;
    if (event.kind == TLMC_EVENT_FINISHED) return true;
    CHECK(event.kind == TLMC_EVENT_TOKEN && event.tokens_count == r->got + 1);
    CHECK(r->prompt + r->got < r->total && event.id == r->ids[r->prompt + r->got]);
    CHECK(event.finish == TLMC_FINISH_NONE && event.text_bytes == 0);
    r->got++;
  }
}

static void run_all(const toy_session *toy, run *runs, int count) {
  int steps = 0;
  for (int32_t unfinished = 1; unfinished > 0;) {
    CHECK(++steps < STEPS_MAX);
    unfinished = step(toy);
    for (int i = 0; i < count; i++)
      poll(&runs[i]);
  }
  for (int i = 0; i < count; i++)
    CHECK(poll(&runs[i]));
}

static void check_whole(const run *runs, int count) {
  for (int i = 0; i < count; i++) {
    CHECK(runs[i].end.finish == TLMC_FINISH_LENGTH && runs[i].end.status == TLMC_OK);
    CHECK(runs[i].got == runs[i].total - runs[i].prompt && runs[i].end.stop_index == -1);
  }
}

static void release_all(run *runs, int count) {
  for (int i = 0; i < count; i++)
    tlmc_request_release(runs[i].request);
}

static tlmc_session_facts facts_of(const toy_session *toy) {
  tlmc_session_facts facts = {.size = sizeof facts};
  CHECK(tlmc_session_info(toy->session, &facts) == TLMC_OK);
  return facts;
}

// ---------------------------------------------------------------------------------------------

static void test_order(void) {
  toy_session toy;
  run r;
  toy_session_open(&toy, &plan, (tlmc_session_options){0});
  CHECK(step(&toy) == 0);
  foretell(&r, 1, 5, 3);
  submit(&toy, &r);
  CHECK(!poll(&r) && r.got == 0 && facts_of(&toy).waiting == 1);
  CHECK(step(&toy) == 1 && facts_of(&toy).running == 1);
  CHECK(step(&toy) == 1 && toy.steps == 1); // unread: it waits
  CHECK(!poll(&r) && r.got == 1 && !poll(&r));
  CHECK(step(&toy) == 1 && !poll(&r) && r.got == 2);
  CHECK(step(&toy) == 0 && facts_of(&toy).running == 0);
  tlmc_event event = {.size = sizeof event};
  CHECK(tlmc_request_poll(r.request, &event) == TLMC_OK && event.kind == TLMC_EVENT_TOKEN);
  for (int i = 0; i < 3; i++) {
    CHECK(tlmc_request_poll(r.request, &event) == TLMC_OK);
    CHECK(event.kind == TLMC_EVENT_FINISHED && event.finish == TLMC_FINISH_LENGTH);
    CHECK(event.tokens_count == 3 && event.text_bytes == 0 && event.reused_count == 0);
  }
  event.size = sizeof event - 1;
  CHECK(tlmc_request_poll(r.request, &event) == TLMC_USAGE);
  CHECK(step(&toy) == 0);
  tlmc_request_release(r.request);
  tlmc_request_release(NULL);
  tlmc_request_cancel(NULL);
  toy_session_close(&toy, true);
}

// Sixteen at a time must each get what they would get alone, however steps are cut.
static void test_batch(void) {
  static const int32_t chunks[SIZES] = {16, 23, 64, 512};
  static run runs[16];
  for (int c = 0; c < SIZES; c++) {
    toy_session toy;
    toy_session_open(&toy, &plan, (tlmc_session_options){.batch = 16, .chunk = chunks[c]});
    for (int i = 0; i < 16; i++) {
      foretell(&runs[i], (uint32_t)i, 1 + i * i, 20 + i);
      submit(&toy, &runs[i]);
    }
    run_all(&toy, runs, 16);
    check_whole(runs, 16);
    CHECK(facts_of(&toy).preempted == 0);
    release_all(runs, 16);
    toy_session_close(&toy, true);
  }
}

static void test_preemption(void) {
  static run runs[12];
  toy_session toy;
  toy_session_open(&toy, &plan, (tlmc_session_options){.batch = 6, .chunk = 100, .context = 400});
  uint64_t preempted = 0;
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 12; i++) {
      foretell(&runs[i], (uint32_t)(round * 12 + i), 30 + 11 * i, 150);
      submit(&toy, &runs[i]);
    }
    run_all(&toy, runs, 12);
    check_whole(runs, 12);
    CHECK(facts_of(&toy).preempted > preempted);
    for (int i = 0; i < 12; i++) // own pages found again do not count
      CHECK(runs[i].end.reused_count == 0);
    preempted = facts_of(&toy).preempted;
    release_all(runs, 12);
  }
  toy_session_close(&toy, true);
}

// With one output row or one sequence per step, everybody still gets through.
static void test_narrow(void) {
  static const tlmc_session_options narrow[] = {{.batch = 4, .outputs = 1},
                                                {.batch = 4, .sequences = 1},
                                                {.batch = 4, .sequences = 3, .chunk = 4}};
  static run runs[5];
  for (int n = 0; n < 3; n++) {
    toy_session toy;
    toy_session_open(&toy, &plan, narrow[n]);
    for (int i = 0; i < 5; i++) {
      foretell(&runs[i], (uint32_t)i, 60 + i, 10);
      submit(&toy, &runs[i]);
    }
    run_all(&toy, runs, 5);
    check_whole(runs, 5);
    release_all(runs, 5);
    toy_session_close(&toy, true);
  }
}

static int32_t reused_by(const toy_session *toy, run *r, uint64_t salt) {
  tlmc_request_options ask = ask_for(r);
  ask.user = r;
  ask.salt = salt;
  r->got = 0;
  CHECK(tlmc_request_submit(toy->session, &ask, &r->request, &error) == TLMC_OK);
  run_all(toy, r, 1);
  check_whole(r, 1);
  tlmc_request_release(r->request);
  return r->end.reused_count;
}

static void test_reuse(void) {
  static run r;
  toy_session toy;
  for (int off = 0; off < 2; off++) {
    toy_session_open(&toy, &plan, (tlmc_session_options){.no_prefix_reuse = off});
    foretell(&r, 3, 300, 5);
    CHECK(reused_by(&toy, &r, 0) == 0);
    CHECK(reused_by(&toy, &r, 0) == (off ? 0 : 256));
    CHECK(reused_by(&toy, &r, 9) == 0);
    foretell(&r, 3, 128, 5); // the last id of a prompt must run
    CHECK(reused_by(&toy, &r, 0) == (off ? 0 : 64));
    foretell(&r, 3, 200, 5);
    r.ids[150] ^= 1;
    for (int32_t i = r.prompt; i < r.total; i++)
      r.ids[i] = toy_next(r.ids, i);
    CHECK(reused_by(&toy, &r, 0) == (off ? 0 : 128));
    CHECK(facts_of(&toy).tokens_free >= 2048);
    toy_session_close(&toy, true);
  }
}

static void test_cancel(void) {
  static run runs[3];
  toy_session toy;
  toy_session_open(&toy, &plan, (tlmc_session_options){.batch = 2, .requests = 3});
  int64_t free_before = facts_of(&toy).tokens_free;
  for (int i = 0; i < 3; i++) {
    foretell(&runs[i], (uint32_t)i, 70, 30);
    submit(&toy, &runs[i]);
  }
  step(&toy);
  CHECK(facts_of(&toy).waiting == 1 && facts_of(&toy).running == 2);
  CHECK(!poll(&runs[1]));
  tlmc_request_cancel(runs[0].request); // running, with an unread event
  tlmc_request_cancel(runs[2].request); // waiting
  CHECK(!poll(&runs[2]));
  CHECK(step(&toy) == 1);
  CHECK(poll(&runs[0]) && runs[0].got == 1 && runs[0].end.finish == TLMC_FINISH_CANCELLED);
  CHECK(poll(&runs[2]) && runs[2].got == 0 && runs[2].end.finish == TLMC_FINISH_CANCELLED);
  tlmc_request_release(runs[2].request); // finished
  tlmc_request_release(runs[1].request); // running, with an unread event
  tlmc_request_release(runs[0].request);
  foretell(&runs[0], 0, 70, 30);
  submit(&toy, &runs[0]);
  tlmc_request_release(runs[0].request); // waiting
  CHECK(step(&toy) == 0 && facts_of(&toy).tokens_free == free_before);
  submit(&toy, &runs[0]); // a cancel that nobody saw does not stick to the place
  tlmc_request_cancel(runs[0].request);
  tlmc_request_release(runs[0].request);
  submit(&toy, &runs[0]);
  run_all(&toy, runs, 1);
  check_whole(runs, 1);
  tlmc_request_cancel(runs[0].request); // finished: nothing changes
  CHECK(step(&toy) == 0 && poll(&runs[0]) && runs[0].end.finish == TLMC_FINISH_LENGTH);
  submit(&toy, &runs[1]); // left to close
  toy_session_close(&toy, false);
}

// Slow readers give way and come back.
static void test_pause(void) {
  static run runs[3];
  toy_session toy;
  toy_session_open(&toy, &plan, (tlmc_session_options){.batch = 2, .sequences = 2});
  for (int i = 0; i < 3; i++) {
    foretell(&runs[i], (uint32_t)i + 50, 90, 20);
    submit(&toy, &runs[i]);
  }
  for (int i = 0; i < 60; i++) {
    step(&toy);
    poll(&runs[2]);
  }
  CHECK(runs[2].end.finish == TLMC_FINISH_LENGTH && facts_of(&toy).preempted > 0);
  run_all(&toy, runs, 3);
  check_whole(runs, 3);
  release_all(runs, 3);
  toy_session_close(&toy, true);
}

static void test_limits(void) {
  static run r;
  toy_session toy;
  toy_session_open(&toy, &plan, (tlmc_session_options){.context = 100, .requests = 1});
  foretell(&r, 1, 90, 10);
  tlmc_request_options ask = ask_for(&r);
  tlmc_request *other = NULL;
  ask.tokens_max = 0;
  ask.user = &r;
  CHECK(tlmc_request_submit(toy.session, &ask, &r.request, &error) == TLMC_OK);
  CHECK(tlmc_request_submit(toy.session, &ask, &other, &error) == TLMC_MEMORY && !other);
  run_all(&toy, &r, 1);
  check_whole(&r, 1);
  tlmc_request_release(r.request);
  foretell(&r, 1, 99, 1);
  submit(&toy, &r);
  run_all(&toy, &r, 1);
  check_whole(&r, 1);
  tlmc_request_release(r.request);
  ask.ids_count = 100;
  CHECK(tlmc_request_submit(toy.session, &ask, &r.request, &error) == TLMC_MEMORY && !r.request);
  toy_session_close(&toy, true);
}

static void test_stop_ids(void) {
  static run r;
  toy_session toy;
  toy_session_open(&toy, &plan, (tlmc_session_options){0});
  for (int ignore = 0; ignore < 2; ignore++) {
    foretell(&r, 1, 10, 6);
    r.ids[9] = TOY_STOPS;
    for (int32_t i = r.prompt; i < r.total; i++)
      r.ids[i] = toy_next(r.ids, i);
    tlmc_request_options ask = ask_for(&r);
    ask.user = &r;
    ask.ignore_stop_ids = ignore;
    CHECK(tlmc_request_submit(toy.session, &ask, &r.request, &error) == TLMC_OK);
    run_all(&toy, &r, 1);
    CHECK(r.end.finish == (ignore ? TLMC_FINISH_LENGTH : TLMC_FINISH_STOP_ID));
    CHECK(r.got == (ignore ? 6 : 1) && r.ids[10] == TOY_STOP);
    tlmc_request_release(r.request);
  }
  foretell(&r, 2, 10, 6);
  int32_t stops[2] = {5, r.ids[12]};
  tlmc_request_options ask = ask_for(&r);
  ask.user = &r;
  ask.stop_ids = stops;
  ask.stop_ids_count = 2;
  ask.tokens_max = 3; // both at once: the id is the reason
  CHECK(tlmc_request_submit(toy.session, &ask, &r.request, &error) == TLMC_OK);
  run_all(&toy, &r, 1);
  CHECK(r.end.finish == TLMC_FINISH_STOP_ID && r.got == 3 && r.end.tokens_count == 3);
  tlmc_request_release(r.request);
  toy_session_close(&toy, true);
}

// A fault of one leaves the others alone.
static void test_poison(void) {
  static run runs[3];
  toy_session toy;
  toy_session_open(&toy, &plan, (tlmc_session_options){.batch = 3});
  for (int i = 0; i < 3; i++) {
    foretell(&runs[i], (uint32_t)i, 80, 10);
    if (i == 1) runs[i].ids[79] = TOY_POISON;
    submit(&toy, &runs[i]);
  }
  run_all(&toy, runs, 3);
  CHECK(runs[1].end.finish == TLMC_FINISH_FAULT && runs[1].end.status == TLMC_INPUT);
  CHECK(runs[1].got == 0);
  check_whole(&runs[0], 1);
  check_whole(&runs[2], 1);
  release_all(runs, 3);
  toy_session_close(&toy, true);
}

static void test_broken_device(void) {
  static run r;
  toy_session toy;
  toy_session_open(&toy, &plan, (tlmc_session_options){0});
  foretell(&r, 1, 80, 10);
  submit(&toy, &r);
  toy.fails = true;
  CHECK(tlmc_session_step(toy.session, NULL, &error) == TLMC_DEVICE && strstr(error.text, "broke"));
  toy.fails = false;
  CHECK(tlmc_session_step(toy.session, NULL, &error) == TLMC_DEVICE && !poll(&r));
  tlmc_request *other = r.request;
  tlmc_request_options ask = ask_for(&r);
  CHECK(tlmc_request_submit(toy.session, &ask, &other, NULL) == TLMC_DEVICE && !other);
  tlmc_request_release(r.request);
  toy_session_close(&toy, true);
}

// The caller's sequences take everything, then give it back.
static void test_strangers(void) {
  static run r;
  int32_t sequences[2], ids[400];
  toy_session toy;
  toy_session_open(&toy, &plan, (tlmc_session_options){.context = 300, .sequences = 2});
  foretell(&r, 1, 100, 10);
  for (int i = 0; i < 2; i++)
    CHECK(tlmc_sequence_open(toy.session, &sequences[i], &error) == TLMC_OK);
  submit(&toy, &r);
  CHECK(step(&toy) == 1 && step(&toy) == 1 && facts_of(&toy).waiting == 1);
  CHECK(tlmc_sequence_release(toy.session, sequences[1], &error) == TLMC_OK);
  CHECK(step(&toy) == 1 && facts_of(&toy).running == 1);
  // What a request runs in does not exist for others.
  int32_t fork = 7;
  CHECK(tlmc_sequence_length(toy.session, sequences[1]) == -1);
  CHECK(tlmc_sequence_release(toy.session, sequences[1], &error) == TLMC_USAGE);
  CHECK(tlmc_sequence_truncate(toy.session, sequences[1], 0, &error) == TLMC_USAGE);
  CHECK(tlmc_sequence_fork(toy.session, sequences[1], &fork, &error) == TLMC_USAGE && fork == -1);
  run_all(&toy, &r, 1);
  check_whole(&r, 1);
  tlmc_request_release(r.request);

  toy_prompt(77, 300, ids);
  tlmc_rows rows = {.size = sizeof rows, .sequence = sequences[0], .count = 300, .ids = ids};
  tlmc_step_begin(toy.session);
  CHECK(tlmc_step_add(toy.session, &rows, NULL, &error) == TLMC_OK);
  CHECK(tlmc_step_run(toy.session, &error) == TLMC_OK);
  foretell(&r, 2, 200, 10);
  submit(&toy, &r);
  CHECK(step(&toy) <= 1);
  CHECK(step(&toy) == 0 && poll(&r));
  CHECK(r.end.finish == TLMC_FINISH_FAULT && r.end.status == TLMC_MEMORY);
  CHECK(tlmc_sequence_length(toy.session, sequences[0]) == 300);
  tlmc_request_release(r.request);
  CHECK(tlmc_sequence_release(toy.session, sequences[0], &error) == TLMC_OK);
  submit(&toy, &r);
  run_all(&toy, &r, 1);
  check_whole(&r, 1);
  tlmc_request_release(r.request);
  toy_session_close(&toy, true);
}

// ---------------------------------------------------------------------------------------------
// Sampling

static void check_logprobs(const tlmc_event *event, const int32_t *ids, int32_t count) {
  float logits[TOY_VOCABULARY];
  double sum = 0;
  toy_logits(ids, count, logits);
  for (int32_t i = 0; i < TOY_VOCABULARY; i++)
    sum += exp((double)logits[i]);
  CHECK(event->top_count == 3);
  for (int32_t i = 0; i < 3; i++) {
    double expected = (double)logits[event->top[i].id] - log(sum);
    CHECK(fabs((double)event->top[i].logprob - expected) < 1e-5);
    CHECK(i == 0 || event->top[i].logprob <= event->top[i - 1].logprob);
  }
  CHECK(event->top[0].id == toy_next(ids, count));
  CHECK(fabs((double)event->logprob - ((double)logits[event->id] - log(sum))) < 1e-5);
}

// Draws are the same alone and in company, after a preemption too.
static void draw(bool in_company, int32_t *ids) {
  static run others[5];
  toy_session toy;
  tlmc_session_options small = {.batch = 6, .context = 400, .chunk = 48};
  toy_session_open(&toy, &plan, in_company ? small : (tlmc_session_options){0});
  for (int i = 0; in_company && i < 5; i++) {
    foretell(&others[i], (uint32_t)i + 9, 100, 100);
    submit(&toy, &others[i]);
  }
  tlmc_bias biases[2] = {{17, -INFINITY}, {18, 1.5f}};
  tlmc_sampling sampling = {.size = sizeof sampling,
                            .temperature = 1.5f,
                            .top_p = 0.9f,
                            .presence_penalty = 0.5f,
                            .seed = 42,
                            .biases = biases,
                            .biases_count = 2,
                            .logprobs = 3};
  tlmc_request_options ask = {.size = sizeof ask,
                              .ids = ids,
                              .ids_count = 40,
                              .tokens_max = 100,
                              .ignore_stop_ids = 1,
                              .sampling = &sampling};
  tlmc_request *request;
  int32_t count = 40;
  CHECK(tlmc_request_submit(toy.session, &ask, &request, &error) == TLMC_OK);
  biases[0] = (tlmc_bias){0, 1e6f}; // it was copied
  sampling.seed = 1;
  tlmc_event event = {.size = sizeof event};
  while (event.kind != TLMC_EVENT_FINISHED) {
    step(&toy);
    for (int i = 0; in_company && i < 5; i++)
      poll(&others[i]);
    CHECK(tlmc_request_poll(request, &event) == TLMC_OK);
    if (event.kind != TLMC_EVENT_TOKEN) continue;
    check_logprobs(&event, ids, count);
    ids[count++] = event.id;
  }
  CHECK(count == 140 && (!in_company || facts_of(&toy).preempted > 0));
  toy_session_close(&toy, false);
}

static void test_sampling(void) {
  int32_t alone[TOKENS_MAX], together[TOKENS_MAX];
  toy_prompt(5, 40, alone);
  memcpy(together, alone, sizeof together);
  draw(false, alone);
  draw(true, together);
  CHECK(memcmp(alone, together, 140 * sizeof *alone) == 0);
  for (int i = 40; i < 140; i++)
    CHECK(alone[i] != 17);
}

// ---------------------------------------------------------------------------------------------
// Options and memory

static void refuse(const toy_session *toy, tlmc_status expected, tlmc_request_options ask) {
  tlmc_request *request = (tlmc_request *)toy;
  error.text[0] = 0;
  CHECK(tlmc_request_submit(toy->session, &ask, &request, &error) == expected);
  CHECK(!request && error.status == expected && error.text[0]);
  CHECK(facts_of(toy).waiting == 0);
}

static void test_wrong_options(void) {
  toy_session toy;
  int32_t id = 3, bad = TOY_VOCABULARY, negative = -1;
  tlmc_sampling sampling = {.size = sizeof sampling, .temperature = NAN};
  tlmc_bytes stop = {"x", 1};
  tlmc_request_options good = {.size = sizeof good, .ids = &id, .ids_count = 1}, o;
  toy_session_open(&toy, &plan, (tlmc_session_options){.requests = 1});
#define REFUSE(status, ...)                                                                        \
  do {                                                                                             \
    o = good;                                                                                      \
    __VA_ARGS__;                                                                                   \
    refuse(&toy, status, o);                                                                       \
  } while (0)
  REFUSE(TLMC_USAGE, o.size = 0);
  REFUSE(TLMC_USAGE, o.size = sizeof o - 8);
  REFUSE(TLMC_USAGE, o.size = SIZE_MAX);
  REFUSE(TLMC_USAGE, o.ids = NULL);
  REFUSE(TLMC_USAGE, o.ids = NULL, o.ids_count = 0);
  REFUSE(TLMC_USAGE, o.ids_count = 0);
  REFUSE(TLMC_USAGE, o.ids_count = -1);
  REFUSE(TLMC_USAGE, o.text = "a", o.text_bytes = 1);
  REFUSE(TLMC_USAGE, o.ids = &bad);
  REFUSE(TLMC_USAGE, o.ids = &negative);
  REFUSE(TLMC_MEMORY, o.ids_count = 1 << 30; o.ids = (int32_t[TOY_CONTEXT]){0});
  REFUSE(TLMC_USAGE, o.tokens_max = -1);
  REFUSE(TLMC_USAGE, o.stop_ids_count = -1);
  REFUSE(TLMC_USAGE, o.stop_ids_count = 1);
  REFUSE(TLMC_USAGE, o.stop_ids_count = 65; o.stop_ids = &id);
  REFUSE(TLMC_USAGE, o.stop_ids_count = 1; o.stop_ids = &bad);
  REFUSE(TLMC_USAGE, o.stops_count = 17; o.stops = &stop);
  REFUSE(TLMC_USAGE, o.stops_count = -1);
  REFUSE(TLMC_USAGE, o.stops_count = 1);
  REFUSE(TLMC_UNSUPPORTED, o.stops_count = 1; o.stops = &stop); // no tokenizer
  REFUSE(TLMC_UNSUPPORTED, o.text = "a", o.text_bytes = 1, o.ids = NULL, o.ids_count = 0);
  REFUSE(TLMC_UNSUPPORTED, o.adapter = 1);
  REFUSE(TLMC_USAGE, o.sampling = &sampling);
  REFUSE(TLMC_USAGE, sampling.temperature = 1; sampling.biases_count = 1025;
         o.sampling = &sampling);
  REFUSE(TLMC_USAGE, sampling.biases_count = 1; o.sampling = &sampling);
  REFUSE(TLMC_USAGE, sampling.biases_count = 0; sampling.size = 24; o.sampling = &sampling);
  tlmc_request *request;
  CHECK(tlmc_request_submit(toy.session, NULL, &request, NULL) == TLMC_USAGE);
  struct {
    tlmc_request_options known;
    char rest[32];
  } newer = {.known = good};
  newer.known.size = sizeof newer;
  newer.rest[9] = 1;
  CHECK(tlmc_request_submit(toy.session, &newer.known, &request, &error) == TLMC_USAGE);
  newer.rest[9] = 0;
  CHECK(tlmc_request_submit(toy.session, &newer.known, &request, &error) == TLMC_OK);
  tlmc_request_release(request);
  toy_session_close(&toy, true);
}

static void test_open_fails(void) {
  int allocations = 0;
  for (tlmc_session *session = NULL; !session; allocations++) {
    tl_arena memory;
    tlmc_session_options options = {.size = sizeof options, .device = "null", .threads = 2};
    tl_arena_init(&memory, (size_t)1 << 30);
    memory.fail_after = (size_t)allocations;
    tlmc_status status = tl_session_open_in(memory, plan.plan, &options, &session, &error);
    CHECK(status == (session ? TLMC_OK : TLMC_MEMORY) && allocations < 100);
    if (session) tlmc_session_close(session);
  }
  CHECK(allocations > 10);
  tlmc_session_options wrong[] = {{.batch = -1},   {.requests = 1 << 20},  {.chunk = 1 << 30},
                                  {.context = -5}, {.sequences = 1 << 20}, {.rollback = -1},
                                  {.requests = -1}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    tlmc_session *session;
    wrong[i].size = sizeof *wrong;
    CHECK(tlmc_session_open(plan.plan, &wrong[i], &session, &error) == TLMC_USAGE && !session);
  }
}

static void test_scores(void) {
  toy_plan scores;
  toy_session toy;
  run r;
  int32_t unfinished = 5;
  toy_plan_open(&scores, (tl_str){0}, TL_PLAN_TASK_SCORE_LAST);
  toy_session_open(&toy, &scores, (tlmc_session_options){0});
  foretell(&r, 1, 5, 3);
  tlmc_request_options ask = ask_for(&r);
  CHECK(tlmc_request_submit(toy.session, &ask, &r.request, &error) == TLMC_UNSUPPORTED);
  CHECK(tlmc_session_step(toy.session, &unfinished, &error) == TLMC_OK && unfinished == 0);
  CHECK(facts_of(&toy).waiting == 0);
  toy_session_close(&toy, true);
  toy_plan_close(&scores);
}

// Runs one request that is kept and goes on from `after`; the ids it got follow its prompt.
static tlmc_event run_kept(const toy_session *toy, int32_t *ids, int32_t prompt, int32_t total,
                           tlmc_request **kept) {
  tlmc_request *after = *kept;
  tlmc_request_options ask = {.size = sizeof ask,
                              .ids = ids,
                              .ids_count = prompt,
                              .keep = 1,
                              .after = after,
                              .tokens_max = total - prompt};
  tlmc_event event = {.size = sizeof event};
  CHECK(tlmc_request_submit(toy->session, &ask, kept, &error) == TLMC_OK);
  tlmc_request_release(after);
  for (int32_t known = prompt; event.kind != TLMC_EVENT_FINISHED;) {
    step(toy);
    do {
      CHECK(tlmc_request_poll(*kept, &event) == TLMC_OK);
      if (event.kind != TLMC_EVENT_TOKEN) continue;
      CHECK(event.id == toy_next(ids, known));
      ids[known++] = event.id;
    } while (event.kind == TLMC_EVENT_TOKEN);
  }
  return event;
}

// A conversation: each prompt is the last one, its output and more; only the rest is computed, to
// the token. Then one that goes back, into the middle of a page, and one that shares nothing.
static void test_keep(void) {
  static const int32_t turns[][2] = {{10, 0},    {40, 18}, {133, 48}, {300, 141},
                                     {150, 145}, {90, 85}, {200, 0}}; // prompt, what it shares
  int32_t ids[600];
  tlmc_request *kept = NULL;
  toy_session toy;
  toy_session_open(&toy, &plan, (tlmc_session_options){.batch = 2, .rollback = 200});
  for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
    int32_t prompt = turns[i][0], shared = turns[i][1], fresh[600];
    toy_prompt((uint32_t)i + 40, prompt, fresh);
    memcpy(ids + shared, fresh + shared, (size_t)(prompt - shared) * sizeof *ids);
    int64_t rows = toy.rows;
    tlmc_event end = run_kept(&toy, ids, prompt, prompt + 8, &kept);
    if (i > 0 && i < 4) shared--; // the last id of an output has not been run
    CHECK(end.reused_count == shared && end.finish == TLMC_FINISH_LENGTH);
    CHECK(toy.rows - rows == prompt + 8 - 1 - shared);
  }
  tlmc_request *running;
  tlmc_request_options ask = {.size = sizeof ask, .ids = ids, .ids_count = 20};
  CHECK(tlmc_request_submit(toy.session, &ask, &running, &error) == TLMC_OK);
  ask.after = running;
  tlmc_request *refused;
  CHECK(tlmc_request_submit(toy.session, &ask, &refused, &error) == TLMC_USAGE);
  tlmc_request_release(running);
  tlmc_request_release(kept);
  toy_session_close(&toy, true);
}

int main(void) {
  test_scores();
  toy_plan_open(&plan, (tl_str){0}, TL_PLAN_TASK_GENERATE);
  test_order();
  test_batch();
  test_preemption();
  test_narrow();
  test_reuse();
  test_keep();
  test_cancel();
  test_pause();
  test_limits();
  test_stop_ids();
  test_poison();
  test_broken_device();
  test_strangers();
  test_sampling();
  test_wrong_options();
  test_open_fails();
  toy_plan_close(&plan);
  return 0;
}
