// Seeded simulation of scheduler and KV bookkeeping together: requests arrive in bursts, share
// prefixes, are cancelled and paused, pages run out, strangers take pages and give them back.
//
//   batch_sim                 the seeds of the test suite, a few seconds
//   batch_sim SEED COUNT      COUNT seeds from SEED on
//
// After every step: counts of references exact, what a row looks at is its own sequence (see
// kv_shadow.h), limits kept, the oldest served, the queue in order. In the end: everybody finished,
// no page lost, the output of every request is what it would have been alone.
#include "runtime/engine/batch.h"

#include "tests/lib/kv_shadow.h"

enum { REQUESTS = 60, LENGTH_MAX = 900, SEQUENCES_MAX = 12, STEPS_MAX = 20000 };

typedef enum stage { TO_COME, WAITING, RUNNING, DONE } stage;

typedef struct request {
  stage stage;
  int32_t ids[LENGTH_MAX];
  int32_t known, prompt, total; // total: known at the end
  int32_t sequence;
  int64_t arrival, salt;
  bool paused;
  int preempted;
} request;

typedef struct sim {
  kv_shadow shadow;
  uint64_t state;
  request requests[REQUESTS];
  int waiting[REQUESTS], running[REQUESTS]; // request numbers by arrival
  int32_t waiting_count, running_count;
  int32_t rows_max, sequences_max;
  int32_t stranger; // a sequence that no request owns; -1
  int arrived, preemptions, reused, stuck;
} sim;

static uint32_t draw(sim *m, uint32_t below) {
  m->state = m->state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(m->state >> 33) % below;
}

// What a model would generate: a function of everything before.
static int32_t generate(const request *r) {
  uint32_t hash = 17;
  for (int32_t i = 0; i < r->known; i++)
    hash = hash * 31 + (uint32_t)r->ids[i];
  return (int32_t)(hash >> 4 & 1023);
}

static void insert(int *list, int32_t *count, const sim *m, int number) {
  int32_t i = (*count)++;
  for (; i > 0 && m->requests[list[i - 1]].arrival > m->requests[number].arrival; i--)
    list[i] = list[i - 1];
  list[i] = number;
}

static void erase(int *list, int32_t *count, int32_t index) {
  --*count;
  for (int32_t i = index; i < *count; i++)
    list[i] = list[i + 1];
}

static void arrive(sim *m) {
  request *r = &m->requests[m->arrived];
  int32_t shared = draw(m, 3) ? (int32_t)draw(m, 300) : 0;
  r->prompt = shared + 1 + (int32_t)draw(m, draw(m, 4) ? 40 : 400);
  r->total = r->prompt + 1 + (int32_t)draw(m, 120);
  r->known = r->prompt;
  r->salt = draw(m, 2);
  r->arrival = m->arrived;
  r->stage = WAITING;
  for (int32_t i = 0; i < r->prompt; i++)
    r->ids[i] = i < shared ? i % 50 : (int32_t)draw(m, 1000);
  insert(m->waiting, &m->waiting_count, m, m->arrived++);
}

static void retire(sim *m, int32_t index, stage next) {
  int number = m->running[index];
  request *r = &m->requests[number];
  CHECK(tl_kv_release(m->shadow.kv, r->sequence));
  erase(m->running, &m->running_count, index);
  r->stage = next;
  if (next == WAITING) insert(m->waiting, &m->waiting_count, m, number);
}

static void disturb(sim *m) {
  if (m->arrived < REQUESTS && draw(m, 8) == 0)
    for (uint32_t burst = 1 + draw(m, 6); burst-- > 0 && m->arrived < REQUESTS;)
      arrive(m);
  if (m->running_count > 0 && draw(m, 60) == 0)
    retire(m, (int32_t)draw(m, (uint32_t)m->running_count), DONE);
  if (m->waiting_count > 0 && draw(m, 200) == 0) {
    int32_t index = (int32_t)draw(m, (uint32_t)m->waiting_count);
    m->requests[m->waiting[index]].stage = DONE;
    erase(m->waiting, &m->waiting_count, index);
  }
  for (int i = 0; i < m->arrived; i++) {
    request *r = &m->requests[i];
    r->paused = r->paused ? draw(m, 5) != 0 : draw(m, 40) == 0;
  }
  tl_kv *kv = m->shadow.kv;
  if (m->stranger >= 0 && draw(m, 10) == 0) {
    CHECK(tl_kv_release(kv, m->stranger));
    m->stranger = -1;
  } else if (m->stranger < 0 && draw(m, 50) == 0) {
    tl_kv_copy copies[TL_GROUPS_MAX];
    int32_t count;
    m->stranger = m->running_count && draw(m, 2)
                      ? tl_kv_fork(kv, m->requests[m->running[0]].sequence)
                      : tl_kv_open(kv);
    tl_status status = tl_kv_append(kv, m->stranger, 1 + (int32_t)draw(m, 200), copies, &count);
    CHECK(status == TL_OK || status == TL_MEMORY);
  }
}

static void fill_items(const sim *m, const int *list, int32_t count, tl_batch_item *out_items) {
  for (int32_t i = 0; i < count; i++) {
    const request *r = &m->requests[list[i]];
    bool runs = r->stage == RUNNING;
    out_items[i] =
        (tl_batch_item){.arrival = r->arrival,
                        .length = runs ? tl_kv_length(m->shadow.kv, r->sequence) : 0,
                        .known = r->known,
                        .copies_due = runs ? tl_kv_copies_due(m->shadow.kv, r->sequence) : 0,
                        .paused = r->paused};
  }
}

static tl_batch_decision ask(const sim *m, bool preempted, int32_t *rows) {
  tl_batch_item waiting[REQUESTS], running[REQUESTS];
  fill_items(m, m->waiting, m->waiting_count, waiting);
  fill_items(m, m->running, m->running_count, running);
  tl_batch_view view = {.waiting = waiting,
                        .waiting_count = m->waiting_count,
                        .running = running,
                        .running_count = m->running_count,
                        .rows_max = m->rows_max,
                        .sequences_max = m->sequences_max,
                        .groups_count = m->shadow.kv->config.groups_count,
                        .preempted = preempted};
  for (int32_t g = 0; g < view.groups_count; g++) {
    view.pages_free[g] = tl_kv_pages_free(m->shadow.kv, g);
    view.pages_held_max[g] = tl_kv_pages_held_max(&m->shadow.kv->config, g, m->rows_max);
  }
  return tl_batch_next(&view, rows);
}

static void admit(sim *m, int32_t index) {
  CHECK(index >= 0 && index < m->waiting_count && m->running_count < m->sequences_max);
  request *r = &m->requests[m->waiting[index]];
  CHECK(!r->paused);
  for (int32_t i = 0; i < index; i++)
    CHECK(m->requests[m->waiting[i]].paused); // nobody overtakes
  insert(m->running, &m->running_count, m, m->waiting[index]);
  erase(m->waiting, &m->waiting_count, index);
  r->stage = RUNNING;
  r->sequence = tl_kv_open(m->shadow.kv);
  CHECK(r->sequence >= 0);
  m->reused += tl_kv_match(m->shadow.kv, r->sequence, (uint64_t)r->salt, r->ids, r->known - 1);
}

static void preempt(sim *m, int32_t index) {
  CHECK(index >= 0 && index < m->running_count);
  request *r = &m->requests[m->running[index]];
  for (int32_t i = index + 1; i < m->running_count; i++)
    CHECK(r->paused && !m->requests[m->running[i]].paused); // the newest of its kind
  r->preempted++;
  m->preemptions++;
  retire(m, index, WAITING);
}

static void run_rows(sim *m, request *r, int32_t rows) {
  tl_kv *kv = m->shadow.kv;
  tl_kv_copy copies[TL_GROUPS_MAX];
  int32_t count, length = tl_kv_length(kv, r->sequence);
  CHECK(rows <= r->known - length && !r->paused);
  CHECK(tl_kv_append(kv, r->sequence, rows, copies, &count) == TL_OK);
  shadow_copy(&m->shadow, copies, count);
  shadow_write(&m->shadow, r->sequence, r->ids, length, length + rows);
  for (int32_t p = length; p < length + rows; p += 37)
    shadow_check(&m->shadow, r->sequence, r->ids, p);
  shadow_check(&m->shadow, r->sequence, r->ids, length + rows - 1);
  if (length + rows < r->known) return;
  r->ids[r->known] = generate(r);
  r->known++;
}

static void run_step(sim *m, const int32_t *rows) {
  int32_t total = 0;
  for (int32_t i = 0; i < m->running_count; i++) {
    const request *r = &m->requests[m->running[i]];
    bool decodes = r->known - tl_kv_length(m->shadow.kv, r->sequence) == 1;
    CHECK(rows[i] >= 0 && (!decodes || r->paused || rows[i] == 1));
    total += rows[i];
  }
  CHECK(total > 0 && total <= m->rows_max);
  int32_t oldest = 0;
  while (m->requests[m->running[oldest]].paused)
    oldest++;
  CHECK(rows[oldest] > 0);
  for (int32_t i = 0; i < m->running_count; i++)
    if (rows[i] > 0) run_rows(m, &m->requests[m->running[i]], rows[i]);
  for (int32_t i = m->running_count; i-- > 0;) {
    request *r = &m->requests[m->running[i]];
    tl_kv_publish(m->shadow.kv, r->sequence, (uint64_t)r->salt, r->ids,
                  tl_kv_length(m->shadow.kv, r->sequence));
    tl_kv_trim(m->shadow.kv, r->sequence);
    if (r->known == r->total) retire(m, i, DONE);
  }
}

static void step(sim *m) {
  int32_t rows[REQUESTS];
  bool preempted = false;
  int decisions = 0;
  for (;;) {
    tl_batch_decision next = ask(m, preempted, rows);
    CHECK(++decisions <= 2 * m->sequences_max + 2);
    if (next.action == TL_BATCH_ADMIT) {
      CHECK(!preempted);
      admit(m, next.index);
    } else if (next.action == TL_BATCH_PREEMPT) {
      preempt(m, next.index);
      preempted = true;
    } else {
      if (next.action == TL_BATCH_STEP) run_step(m, rows);
      if (next.action == TL_BATCH_STUCK) m->stuck++;
      CHECK(next.action != TL_BATCH_STUCK || m->stranger >= 0);
      break;
    }
    kv_verify(m->shadow.kv);
  }
}

static void configure(sim *m, tl_kv_config *config) {
  static const tl_kv_group_config groups[][2] = {
      {{TL_PLAN_GROUP_FULL, 0, 0}},
      {{TL_PLAN_GROUP_FULL, 0, 0}, {TL_PLAN_GROUP_WINDOW, 100, 0}},
      {{TL_PLAN_GROUP_CHUNK, 128, 0}, {TL_PLAN_GROUP_LATENT, 0, 0}},
      {{TL_PLAN_GROUP_WINDOW, 33, 0}},
  };
  m->sequences_max = 1 + (int32_t)draw(m, SEQUENCES_MAX);
  m->rows_max = m->sequences_max + (int32_t)draw(m, 200);
  *config = (tl_kv_config){.sequences_max = m->sequences_max + 1,
                           .length_max = LENGTH_MAX,
                           .rollback = (int32_t)draw(m, 20),
                           .prefixes_max = draw(m, 4) ? 64 : 0};
  uint32_t kind = draw(m, 4);
  for (int32_t g = 0; g < 2 && (g == 0 || groups[kind][g].kind || groups[kind][g].span); g++) {
    config->groups[g] = groups[kind][g];
    config->groups_count++;
    // Enough for one request, seldom enough for all.
    int32_t held = tl_kv_pages_held_max(config, g, m->rows_max);
    config->groups[g].pages_count = held + 1 + (int32_t)draw(m, (uint32_t)(held * 4));
  }
}

static void finish(sim *m) {
  tl_kv *kv = m->shadow.kv;
  if (m->stranger >= 0) tl_kv_release(kv, m->stranger);
  for (int i = 0; i < REQUESTS; i++) {
    request alone = m->requests[i];
    alone.known = alone.prompt;
    for (; alone.known < m->requests[i].known; alone.known++)
      CHECK(generate(&alone) == m->requests[i].ids[alone.known]);
  }
  tl_kv_forget(kv);
  kv_verify(kv);
  for (int32_t g = 0; g < kv->config.groups_count; g++)
    CHECK(kv->groups[g].free_count == kv->groups[g].config.pages_count);
  shadow_close(&m->shadow);
}

static void simulate(uint64_t seed, int totals[4]) {
  static sim m;
  memset(&m, 0, sizeof m);
  m.state = seed * 0x9e3779b97f4a7c15u + 1;
  m.stranger = -1;
  tl_kv_config config;
  configure(&m, &config);
  shadow_open(&m.shadow, &config);
  int steps = 0;
  while (m.arrived < REQUESTS || m.waiting_count > 0 || m.running_count > 0) {
    CHECK(++steps < STEPS_MAX);
    disturb(&m);
    step(&m);
    kv_verify(m.shadow.kv);
  }
  finish(&m);
  totals[0] += steps;
  totals[1] += m.preemptions;
  totals[2] += m.reused;
  totals[3] += m.stuck;
}

int main(int argc, char **argv) {
  uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 40;
  int totals[4] = {0};
  for (uint64_t seed = first; seed < first + count; seed++) {
    fprintf(stderr, "\rseed %llu", (unsigned long long)seed);
    simulate(seed, totals);
  }
  printf("\n%d steps, %d preemptions, %d tokens reused, %d times stuck behind a stranger\n",
         totals[0], totals[1], totals[2], totals[3]);
  return 0;
}
