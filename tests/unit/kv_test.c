// KV bookkeeping: written-out cases, and long random runs against a shadow of the memory.
#include "runtime/engine/kv.h"

#include "tests/lib/kv_shadow.h"

enum { LENGTH_MAX = 1024, SEQUENCES = 6 };

static const tl_kv_config one_group = {.groups = {{TL_PLAN_GROUP_FULL, 0, 8}},
                                       .groups_count = 1,
                                       .sequences_max = 4,
                                       .length_max = LENGTH_MAX,
                                       .prefixes_max = 8};

static int32_t numbers[LENGTH_MAX];

static tl_status append(tl_kv *kv, int32_t sequence, int32_t rows, int32_t *out_count) {
  tl_kv_copy copies[TL_GROUPS_MAX];
  return tl_kv_append(kv, sequence, rows, copies, out_count);
}

static void test_config(void) {
  static tl_diag diag;
  char memory[64] __attribute__((aligned(16)));
  tl_kv *kv;
  tl_kv_config config = one_group;
  CHECK(tl_kv_init(&config, memory, sizeof memory, &kv, &diag) == TL_USAGE && !kv);
  CHECK(tl_kv_init(&config, memory + 1, SIZE_MAX, &kv, &diag) == TL_USAGE);
  config.groups[0].kind = TL_PLAN_GROUP_CROSS;
  CHECK(tl_kv_init(&config, memory, SIZE_MAX, &kv, &diag) == TL_UNSUPPORTED);
  config = one_group;
  config.sequences_max = 0;
  CHECK(tl_kv_bytes_needed(&config) == 0);
  config = one_group;
  config.groups[0] = (tl_kv_group_config){TL_PLAN_GROUP_WINDOW, 0, 8};
  CHECK(tl_kv_bytes_needed(&config) == 0);
  config = one_group;
  config.groups[0].pages_count = TL_KV_PAGES_MAX + 1;
  CHECK(tl_kv_bytes_needed(&config) == 0);
  CHECK(diag.count == 3);
}

static void test_no_groups(void) {
  tl_kv_config config = {.sequences_max = 1, .length_max = 100, .prefixes_max = 4};
  kv_shadow shadow = {0};
  shadow_open(&shadow, &config);
  int32_t count, s = tl_kv_open(shadow.kv);
  CHECK(append(shadow.kv, s, 100, &count) == TL_OK && count == 0);
  CHECK(append(shadow.kv, s, 1, &count) == TL_MEMORY);
  tl_kv_publish(shadow.kv, s, 0, numbers, 100);
  CHECK(tl_kv_truncate(shadow.kv, s, 10) == TL_OK && tl_kv_length(shadow.kv, s) == 10);
  kv_verify(shadow.kv);
  shadow_close(&shadow);
}

static void test_fork(void) {
  kv_shadow shadow = {0};
  shadow_open(&shadow, &one_group);
  tl_kv *kv = shadow.kv;
  tl_kv_copy copies[TL_GROUPS_MAX];
  int32_t count, a = tl_kv_open(kv);
  CHECK(a == 0 && append(kv, a, 100, &count) == TL_OK && count == 0);
  int32_t b = tl_kv_fork(kv, a);
  CHECK(b == 1 && tl_kv_length(kv, b) == 100 && tl_kv_pages_free(kv, 0) == 6);
  CHECK(tl_kv_copies_due(kv, a) == 1 && tl_kv_copies_due(kv, b) == 1);
  int32_t shared = tl_kv_pages(kv, a, 0)[1];
  CHECK(tl_kv_append(kv, b, 1, copies, &count) == TL_OK && count == 1);
  CHECK(copies[0].group == 0 && copies[0].from == shared);
  CHECK(copies[0].to == tl_kv_pages(kv, b, 0)[1] && copies[0].to != shared);
  CHECK(tl_kv_pages(kv, a, 0)[1] == shared && tl_kv_copies_due(kv, a) == 0);
  CHECK(append(kv, a, 1, &count) == TL_OK && count == 0);
  CHECK(tl_kv_release(kv, a) && !tl_kv_release(kv, a) && tl_kv_length(kv, a) == -1);
  CHECK(tl_kv_pages(kv, a, 0) == NULL && tl_kv_pages(kv, b, 1) == NULL);
  CHECK(tl_kv_pages(kv, b, -1) == NULL && tl_kv_fork(kv, 99) == -1 && tl_kv_fork(kv, -1) == -1);
  CHECK(append(kv, a, 1, &count) == TL_USAGE && tl_kv_truncate(kv, a, 0) == TL_USAGE);
  CHECK(append(kv, b, 0, &count) == TL_USAGE && tl_kv_truncate(kv, b, 102) == TL_USAGE);
  CHECK(append(kv, b, 64 * 8, &count) == TL_MEMORY && tl_kv_length(kv, b) == 101);
  CHECK(append(kv, b, INT32_MAX, &count) == TL_MEMORY);
  CHECK(append(kv, b, 64 * 8 - 101, &count) == TL_OK && tl_kv_pages_free(kv, 0) == 0);
  CHECK(tl_kv_truncate(kv, b, 64) == TL_OK && tl_kv_pages_free(kv, 0) == 7);
  for (int i = 0; i < 3; i++)
    CHECK(tl_kv_open(kv) >= 0);
  CHECK(tl_kv_open(kv) == -1 && tl_kv_fork(kv, b) == -1);
  kv_verify(kv);
  shadow_close(&shadow);
}

static void test_prefix(void) {
  kv_shadow shadow = {0};
  shadow_open(&shadow, &one_group);
  tl_kv *kv = shadow.kv;
  int32_t count, a = tl_kv_open(kv);
  CHECK(append(kv, a, 200, &count) == TL_OK);
  tl_kv_publish(kv, a, 7, numbers, 200);
  int32_t b = tl_kv_open(kv);
  CHECK(tl_kv_match(kv, b, 8, numbers, 200) == 0);
  CHECK(tl_kv_match(kv, b, 7, numbers, 127) == 64);
  CHECK(tl_kv_match(kv, b, 7, numbers, 127) == 0); // not empty any more
  CHECK(tl_kv_pages(kv, b, 0)[0] == tl_kv_pages(kv, a, 0)[0]);
  tl_kv_release(kv, a);
  CHECK(tl_kv_pages_free(kv, 0) == 7);
  // A sequence that computes the same again changes over to the known pages.
  CHECK(append(kv, b, 64, &count) == TL_OK && count == 0 && tl_kv_pages_free(kv, 0) == 6);
  tl_kv_publish(kv, b, 7, numbers, 128);
  CHECK(tl_kv_pages_free(kv, 0) == 6 && kv->groups[0].free_count == 5);
  tl_kv_release(kv, b);
  // Eviction eats the chain from its end.
  int32_t c = tl_kv_open(kv);
  CHECK(append(kv, c, 64 * 6, &count) == TL_OK);
  int32_t d = tl_kv_open(kv);
  CHECK(tl_kv_match(kv, d, 7, numbers, 200) == 128);
  kv_verify(kv);
  tl_kv_release(kv, c);
  tl_kv_release(kv, d);
  tl_kv_forget(kv);
  CHECK(kv->groups[0].free_count == 8 && kv->entries_count == 0);
  kv_verify(kv);
  shadow_close(&shadow);
}

// More pages than the index has entries: it keeps the newest and never refuses a sequence.
static void test_small_index(void) {
  tl_kv_config config = one_group;
  config.prefixes_max = 2;
  kv_shadow shadow = {0};
  shadow_open(&shadow, &config);
  for (int round = 0; round < 4; round++) {
    int32_t count, s = tl_kv_open(shadow.kv);
    CHECK(append(shadow.kv, s, 64 * 4, &count) == TL_OK);
    tl_kv_publish(shadow.kv, s, (uint64_t)round, numbers, 64 * 4);
    kv_verify(shadow.kv);
    tl_kv_release(shadow.kv, s);
    kv_verify(shadow.kv);
  }
  int32_t s = tl_kv_open(shadow.kv);
  CHECK(tl_kv_match(shadow.kv, s, 3, numbers, 64 * 4) == 128);
  shadow_close(&shadow);
}

static void test_window(void) {
  tl_kv_config config = {.groups = {{TL_PLAN_GROUP_FULL, 0, 20}, {TL_PLAN_GROUP_WINDOW, 100, 6}},
                         .groups_count = 2,
                         .sequences_max = 2,
                         .length_max = LENGTH_MAX,
                         .rollback = 10,
                         .prefixes_max = 20};
  kv_shadow shadow = {0};
  shadow_open(&shadow, &config);
  tl_kv *kv = shadow.kv;
  int32_t count, a = tl_kv_open(kv);
  for (int i = 0; i < 7; i++) {
    CHECK(append(kv, a, 100, &count) == TL_OK);
    tl_kv_publish(kv, a, 0, numbers, tl_kv_length(kv, a));
    tl_kv_trim(kv, a);
  }
  // Rows from position 690 on look at 591 and later: page 9.
  CHECK(tl_kv_pages(kv, a, 1)[8] == -1 && tl_kv_pages(kv, a, 1)[9] >= 0);
  CHECK(tl_kv_truncate(kv, a, 675) == TL_OK && tl_kv_truncate(kv, a, 674) == TL_USAGE);
  tl_kv_release(kv, a);
  kv_verify(kv);
  // The window's pages of early borders are gone, those of the last borders are there.
  CHECK(tl_kv_match(kv, tl_kv_open(kv), 0, numbers, 300) == 0);
  CHECK(tl_kv_match(kv, 0, 0, numbers, 1024) == 640);
  CHECK(tl_kv_pages(kv, 0, 1)[7] == -1 && tl_kv_pages(kv, 0, 1)[8] >= 0);
  CHECK(tl_kv_truncate(kv, 0, 0) == TL_OK && tl_kv_pages_free(kv, 0) == 20);
  kv_verify(kv);
  shadow_close(&shadow);
}

// ---------------------------------------------------------------------------------------------
// Random runs

typedef struct model {
  kv_shadow shadow;
  int32_t ids[SEQUENCES][LENGTH_MAX];
  int32_t length[SEQUENCES], greatest[SEQUENCES]; // -1 = not open
  uint64_t salt[SEQUENCES];
  uint64_t state;
} model;

static uint32_t draw(model *m, uint32_t below) {
  m->state = m->state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(m->state >> 33) % below;
}

// Ids repeat between sequences, so that prefixes are met again, and sometimes differ.
static int32_t next_id(model *m, int32_t position) {
  return draw(m, 300) == 0 ? 1 : position / 100 * 10;
}

static void do_open(model *m, int32_t fork_of) {
  tl_kv *kv = m->shadow.kv;
  int32_t s = fork_of < 0 ? tl_kv_open(kv) : tl_kv_fork(kv, fork_of);
  if (s < 0) return;
  CHECK(m->length[s] == -1);
  if (fork_of >= 0) {
    memcpy(m->ids[s], m->ids[fork_of], sizeof m->ids[s]);
    m->length[s] = m->length[fork_of];
    m->greatest[s] = m->greatest[fork_of];
    m->salt[s] = m->salt[fork_of];
    return;
  }
  m->salt[s] = draw(m, 2);
  for (int32_t p = 0; p < LENGTH_MAX; p++)
    m->ids[s][p] = next_id(m, p);
  m->length[s] = tl_kv_match(kv, s, m->salt[s], m->ids[s], (int32_t)draw(m, LENGTH_MAX));
  m->greatest[s] = m->length[s];
}

static void do_append(model *m, int32_t s) {
  tl_kv_copy copies[TL_GROUPS_MAX];
  int32_t count, rows = 1 + (int32_t)draw(m, draw(m, 2) ? 3 : 150);
  tl_status status = tl_kv_append(m->shadow.kv, s, rows, copies, &count);
  if (status != TL_OK) {
    CHECK(status == TL_MEMORY && count == 0 && tl_kv_length(m->shadow.kv, s) == m->length[s]);
    return;
  }
  shadow_copy(&m->shadow, copies, count);
  shadow_check(&m->shadow, s, m->ids[s], m->length[s]);
  shadow_write(&m->shadow, s, m->ids[s], m->length[s], m->length[s] + rows);
  m->length[s] += rows;
  if (m->greatest[s] < m->length[s]) m->greatest[s] = m->length[s];
}

static void do_truncate(model *m, int32_t s) {
  int32_t rollback = m->shadow.kv->config.rollback;
  int32_t length = m->length[s] - (int32_t)draw(m, draw(m, 2) ? 20 : 200);
  if (length < 0) length = 0;
  tl_status status = tl_kv_truncate(m->shadow.kv, s, length);
  if (status != TL_OK) {
    // A match gives no pages before its border, so only what grew since can be taken back for sure.
    CHECK(status == TL_USAGE && (length < m->greatest[s] - rollback || length % 64 != 0));
    return;
  }
  m->length[s] = length;
  for (int32_t p = length; p < LENGTH_MAX; p++)
    m->ids[s][p] = next_id(m, p);
}

static void step(model *m) {
  tl_kv *kv = m->shadow.kv;
  int32_t s = (int32_t)draw(m, SEQUENCES);
  uint32_t action = draw(m, 16);
  if (action == 0 || m->length[s] < 0) {
    do_open(m, -1);
  } else if (action == 1) {
    do_open(m, s);
  } else if (action == 2) {
    CHECK(tl_kv_release(kv, s));
    m->length[s] = -1;
  } else if (action == 3) {
    do_truncate(m, s);
  } else if (action <= 6) {
    tl_kv_publish(kv, s, m->salt[s], m->ids[s], m->length[s]);
  } else if (action == 7) {
    tl_kv_trim(kv, s);
  } else {
    do_append(m, s);
  }
  for (s = 0; s < SEQUENCES; s++)
    if (m->length[s] >= 0) shadow_check(&m->shadow, s, m->ids[s], m->length[s]);
}

static void test_random(const tl_kv_config *config, uint64_t seed) {
  static model m;
  m = (model){.state = seed};
  for (int32_t s = 0; s < SEQUENCES; s++)
    m.length[s] = -1;
  shadow_open(&m.shadow, config);
  for (int i = 0; i < 3000; i++) {
    step(&m);
    if (i % 4 == 0) kv_verify(m.shadow.kv);
  }
  for (int32_t s = 0; s < SEQUENCES; s++)
    tl_kv_release(m.shadow.kv, s);
  tl_kv_forget(m.shadow.kv);
  kv_verify(m.shadow.kv);
  for (int32_t g = 0; g < config->groups_count; g++)
    CHECK(m.shadow.kv->groups[g].free_count == config->groups[g].pages_count);
  CHECK(m.shadow.kv->entries_count == 0);
  shadow_close(&m.shadow);
}

int main(void) {
  for (int32_t i = 0; i < LENGTH_MAX; i++)
    numbers[i] = i * 31 % 1000;
  test_config();
  test_no_groups();
  test_fork();
  test_prefix();
  test_small_index();
  test_window();
  static const tl_kv_group_config groups[][3] = {
      {{TL_PLAN_GROUP_FULL, 0, 40}},
      {{TL_PLAN_GROUP_WINDOW, 130, 24}},
      {{TL_PLAN_GROUP_WINDOW, 1, 9}, {TL_PLAN_GROUP_LATENT, 0, 30}},
      {{TL_PLAN_GROUP_FULL, 0, 30}, {TL_PLAN_GROUP_WINDOW, 64, 40}, {TL_PLAN_GROUP_CHUNK, 96, 20}},
  };
  for (int32_t i = 0; i < 12; i++) {
    tl_kv_config config = {.sequences_max = SEQUENCES,
                           .length_max = LENGTH_MAX,
                           .rollback = i % 3 * 8,
                           .prefixes_max = i % 2 ? 100 : 12};
    for (int32_t g = 0; g < 3 && groups[i / 3][g].pages_count; g++)
      config.groups[config.groups_count++] = groups[i / 3][g];
    test_random(&config, (uint64_t)i + 1);
  }
  return 0;
}
