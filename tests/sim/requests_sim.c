// Seeded simulation of the public interface on the toy model: requests of all kinds come and go,
// readers are slow, requests are cancelled and released in any state, the caller's own sequences
// grow, fork and are dropped beside them, all in a KV memory that is too small.
//
//   requests_sim                 the seeds of the test suite, a few seconds
//   requests_sim SEED COUNT      COUNT seeds from SEED on
//
// After every step the bookkeeping is exact. In the end every token that was told is the one the
// request would have got alone, everybody who was not disturbed finished, and no page is lost.
#include "tests/lib/kv_shadow.h"
#include "tests/lib/toy_session.h"

enum { REQUESTS = 40, STRANGERS = 3, LENGTH_MAX = 700, STEPS_MAX = 30000 };

typedef struct request {
  tlmc_request *handle; // NULL = not submitted, or released
  int32_t ids[LENGTH_MAX];
  int32_t prompt, total, known;
  bool is_slow, was_disturbed;
} request;

typedef struct stranger {
  int32_t sequence; // -1 = none
  int32_t ids[LENGTH_MAX];
  int32_t length;
} stranger;

typedef struct sim {
  toy_plan plan;
  toy_session toy;
  uint64_t state;
  request requests[REQUESTS];
  stranger strangers[STRANGERS];
  int submitted, finished, faults;
  int64_t reused;
  tlmc_request *kept; // finished, for a later one to go on from
  const request *kept_of;
} sim;

static tlmc_error error;

static uint32_t draw(sim *m, uint32_t below) {
  m->state = m->state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(m->state >> 33) % below;
}

static void drop_kept(sim *m) {
  tlmc_request_release(m->kept);
  m->kept = NULL;
}

static void submit(sim *m) {
  request *r = &m->requests[m->submitted];
  tlmc_session_facts facts = {.size = sizeof facts};
  CHECK(tlmc_session_info(m->toy.session, &facts) == TLMC_OK);
  int32_t most = facts.context < LENGTH_MAX ? (int32_t)facts.context : LENGTH_MAX;
  int32_t shared = draw(m, 2) ? (int32_t)draw(m, (uint32_t)most / 2) : 0;
  r->prompt = r->known = shared + 1 + (int32_t)draw(m, (uint32_t)most / 3);
  r->total = r->prompt + 1 + (int32_t)draw(m, 60);
  if (r->total > most) r->total = most;
  toy_prompt((uint32_t)m->submitted + 100, r->prompt, r->ids);
  toy_prompt(draw(m, 2), shared, r->ids);
  bool goes_on = m->kept && draw(m, 2);
  if (goes_on) {
    int32_t common = (int32_t)draw(m, (uint32_t)m->kept_of->known + 1);
    if (common > r->prompt) common = r->prompt;
    memcpy(r->ids, m->kept_of->ids, (size_t)common * sizeof *r->ids);
  }
  tlmc_request_options ask = {.size = sizeof ask,
                              .ids = r->ids,
                              .ids_count = r->prompt,
                              .tokens_max = r->total - r->prompt,
                              .salt = draw(m, 3) == 0,
                              .user = r,
                              .keep = draw(m, 3) == 0,
                              .after = goes_on ? m->kept : NULL};
  tlmc_status status = tlmc_request_submit(m->toy.session, &ask, &r->handle, &error);
  CHECK(status == TLMC_OK || status == TLMC_MEMORY);
  if (status == TLMC_OK) m->submitted++;
  if (goes_on) drop_kept(m);
}

static void take_end(sim *m, request *r, const tlmc_event *event) {
  m->finished++;
  m->reused += event->reused_count;
  m->faults += event->finish == TLMC_FINISH_FAULT;
  if (event->finish == TLMC_FINISH_LENGTH) {
    CHECK(r->known == r->total);
  } else if (event->finish == TLMC_FINISH_CANCELLED) {
    CHECK(r->was_disturbed);
  } else {
    CHECK(event->finish == TLMC_FINISH_FAULT && event->status == TLMC_MEMORY);
  }
  drop_kept(m);
  m->kept = r->handle;
  m->kept_of = r;
  r->handle = NULL;
}

static void poll(sim *m, request *r) {
  tlmc_event event = {.size = sizeof event};
  CHECK(tlmc_request_poll(r->handle, &event) == TLMC_OK && event.user == r);
  if (event.kind == TLMC_EVENT_TOKEN) {
    CHECK(r->known < r->total && event.id == toy_next(r->ids, r->known));
    r->ids[r->known++] = event.id;
  } else if (event.kind == TLMC_EVENT_FINISHED) {
    take_end(m, r, &event);
  }
}

static void disturb(sim *m) {
  request *r = &m->requests[draw(m, REQUESTS)];
  if (!r->handle || draw(m, 60) > 0) return;
  r->was_disturbed = true;
  tlmc_request_cancel(r->handle);
  if (draw(m, 2)) return;
  tlmc_request_release(r->handle);
  r->handle = NULL;
  m->finished++;
}

// Rows of a stranger in a step that runs or is dropped.
static void grow(sim *m, stranger *s) {
  int32_t count = 1 + (int32_t)draw(m, 90), first;
  if (s->length + count > LENGTH_MAX) return;
  toy_prompt(draw(m, 1000), count, s->ids + s->length);
  tlmc_rows rows = {.size = sizeof rows,
                    .sequence = s->sequence,
                    .count = count,
                    .ids = s->ids + s->length,
                    .wanted = TLMC_WANTED_LAST};
  tlmc_step_begin(m->toy.session);
  tlmc_status status = tlmc_step_add(m->toy.session, &rows, &first, &error);
  CHECK(status == TLMC_OK || status == TLMC_MEMORY);
  if (status != TLMC_OK || draw(m, 3) == 0) return;
  CHECK(tlmc_step_run(m->toy.session, &error) == TLMC_OK);
  s->length += count;
  float logits[TOY_VOCABULARY];
  toy_logits(s->ids, s->length, logits);
  CHECK(memcmp(tlmc_step_output(m->toy.session, first), logits, sizeof logits) == 0);
}

static void visit(sim *m, stranger *s) {
  tlmc_session *session = m->toy.session;
  uint32_t act = draw(m, 40);
  const stranger *other = &m->strangers[draw(m, STRANGERS)];
  if (s->sequence < 0 && act == 0) {
    bool forks = other->sequence >= 0 && draw(m, 2);
    tlmc_status status = forks ? tlmc_sequence_fork(session, other->sequence, &s->sequence, &error)
                               : tlmc_sequence_open(session, &s->sequence, &error);
    CHECK((status == TLMC_OK) == (s->sequence >= 0));
    if (status != TLMC_OK) CHECK(status == TLMC_MEMORY || status == TLMC_USAGE);
    if (s != other) memcpy(s->ids, other->ids, sizeof s->ids);
    s->length = s->sequence >= 0 ? (int32_t)tlmc_sequence_length(session, s->sequence) : 0;
  } else if (s->sequence >= 0 && act < 8) {
    grow(m, s);
  } else if (s->sequence >= 0 && act < 10) {
    CHECK(tlmc_sequence_release(session, s->sequence, &error) == TLMC_OK ||
          strstr(error.text, "being put together"));
    tlmc_step_begin(session);
    tlmc_sequence_release(session, s->sequence, &error);
    s->sequence = -1;
  } else if (s->sequence >= 0 && act == 10) {
    tlmc_step_begin(session);
    int32_t length = (int32_t)draw(m, (uint32_t)s->length + 1);
    if (tlmc_sequence_truncate(session, s->sequence, length, &error) == TLMC_OK) s->length = length;
  }
}

static void configure(sim *m) {
  tlmc_session_options options = {.batch = 1 + (int32_t)draw(m, 8),
                                  .chunk = (int32_t)draw(m, 3) * 50 + 10,
                                  .context = 200 + (int32_t)draw(m, 800),
                                  .requests = 3 + (int32_t)draw(m, 20),
                                  .rollback = (int32_t)draw(m, 100),
                                  .no_prefix_reuse = draw(m, 4) == 0};
  options.outputs = draw(m, 3) ? 0 : 1 + (int32_t)draw(m, 4);
  options.sequences = draw(m, 2) ? 0 : STRANGERS + 1 + (int32_t)draw(m, 4);
  toy_session_open(&m->toy, &m->plan, options);
  for (int i = 0; i < STRANGERS; i++)
    m->strangers[i].sequence = -1;
}

static void simulate(sim *m, uint64_t seed, int64_t totals[4]) {
  *m = (sim){.plan = m->plan, .state = seed * 0x9e3779b97f4a7c15u + 1};
  configure(m);
  tlmc_session_facts facts = {.size = sizeof facts};
  for (int steps = 0; m->finished < REQUESTS; steps++) {
    CHECK(steps < STEPS_MAX);
    while (m->submitted < REQUESTS && draw(m, 4) == 0)
      submit(m);
    disturb(m);
    if (draw(m, 8) == 0) drop_kept(m); // others may wait for its pages
    for (int i = 0; i < STRANGERS; i++)
      visit(m, &m->strangers[i]);
    CHECK(tlmc_session_step(m->toy.session, NULL, &error) == TLMC_OK && m->toy.session);
    kv_verify(m->toy.session->kv);
    for (int i = 0; i < m->submitted; i++) {
      request *r = &m->requests[i];
      r->is_slow = r->is_slow ? draw(m, 6) != 0 : draw(m, 50) == 0;
      if (r->handle && !r->is_slow) poll(m, r);
    }
  }
  drop_kept(m);
  CHECK(tlmc_session_info(m->toy.session, &facts) == TLMC_OK);
  CHECK(facts.waiting == 0 && facts.running == 0);
  tlmc_step_begin(m->toy.session);
  for (int i = 0; i < STRANGERS; i++) {
    if (m->strangers[i].sequence < 0) continue;
    CHECK(tlmc_sequence_release(m->toy.session, m->strangers[i].sequence, &error) == TLMC_OK);
  }
  totals[0] += m->toy.steps;
  totals[1] += (int64_t)facts.preempted;
  totals[2] += m->reused;
  totals[3] += m->faults;
  toy_session_close(&m->toy, true);
}

int main(int argc, char **argv) {
  static sim m;
  uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 60;
  int64_t totals[4] = {0};
  toy_plan_open(&m.plan, (tl_str){0}, TL_PLAN_TASK_GENERATE);
  for (uint64_t seed = first; seed < first + count; seed++) {
    fprintf(stderr, "\rseed %llu", (unsigned long long)seed);
    simulate(&m, seed, totals);
  }
  toy_plan_close(&m.plan);
  printf("\n%lld steps, %lld preemptions, %lld tokens reused, %lld requests without memory\n",
         (long long)totals[0], (long long)totals[1], (long long)totals[2], (long long)totals[3]);
  return 0;
}
