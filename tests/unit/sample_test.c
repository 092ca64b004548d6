// The sampler against straightforward sorted code, known answers, statistics and hostile numbers.
#include "runtime/engine/sample.h"

#include <math.h>

#include "runtime/engine/exact.h"
#include "tests/lib/check.h"

enum { VOCABULARY_MAX = 5000 };

static char memory[1 << 18] __attribute__((aligned(16)));
static uint64_t state = 1;

static uint32_t draw32(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 32);
}

static float uniform(void) {
  return (float)(draw32() >> 8) * 0x1p-24f;
}

// ---------------------------------------------------------------------------------------------
// The arithmetic below

static void test_exact(void) {
  for (int i = 0; i <= 870000; i++) {
    float x = -(float)i * 1e-4f;
    double want = exp((double)x), got = (double)tl_exact_exp(x);
    CHECK(fabs(got - want) <= 1.3e-7 * want);
  }
  CHECK(tl_exact_exp(0) == 1 && tl_exact_exp(-88) == 0 && tl_exact_exp(-INFINITY) == 0);
  CHECK(tl_exact_exp(-1.0f) == 0.36787945f);
  for (double x = 1e-300; x < 1e300; x *= 1.37)
    CHECK(fabs(tl_exact_log(x) - log(x)) <= 1e-15 * fabs(log(x)) + 1e-16);
  CHECK(tl_exact_log(1) == 0);
}

// From the paper's published known-answer tests.
static void test_philox(void) {
  static const uint32_t zero[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  uint32_t words[4];
  tl_exact_random(0, 0, words);
  CHECK(memcmp(words, zero, sizeof zero) == 0);
  uint32_t other[4];
  tl_exact_random(1, 0, words);
  tl_exact_random(0, 1, other);
  CHECK(memcmp(words, other, sizeof words) != 0 && memcmp(zero, other, sizeof zero) != 0);
}

// ---------------------------------------------------------------------------------------------
// The sorted reference

typedef struct item {
  int32_t id;
  float logit;
  double weight;
} item;

static int compare(const void *a, const void *b) {
  const item *x = a, *y = b;
  if (x->logit != y->logit) return x->logit > y->logit ? -1 : 1;
  return x->id < y->id ? -1 : 1;
}

static void reference_change(const tl_sampling *options, const tl_sample_row *row,
                             int32_t vocabulary, float *logits) {
  for (int32_t i = 0; i < options->biases_count; i++)
    logits[options->biases[i].id] += options->biases[i].bias;
  int32_t begin = 0;
  if (options->penalty_window && options->penalty_window < row->ids_count)
    begin = row->ids_count - options->penalty_window;
  for (int32_t id = 0; id < vocabulary; id++) {
    int seen = 0, outputs = 0;
    for (int32_t i = begin; i < row->ids_count; i++) {
      seen += row->ids[i] == id;
      outputs += row->ids[i] == id && i >= row->prompt_count;
    }
    float r = options->repetition_penalty;
    if (seen && r != 0) logits[id] = logits[id] > 0 ? logits[id] / r : logits[id] * r;
    if (outputs)
      logits[id] -= options->presence_penalty + options->frequency_penalty * (float)outputs;
  }
}

// The kept items, likeliest first; returns how many.
static int32_t reference_keep(const tl_sampling *options, item *items, int32_t count) {
  qsort(items, (size_t)count, sizeof *items, compare);
  while (count > 0 && !(items[count - 1].logit > -INFINITY))
    count--;
  if (count == 0) return 0;
  if (options->temperature == 0) return 1;
  if (options->top_k > 0 && options->top_k < count) count = options->top_k;
  double total = 0, sum = 0;
  for (int32_t i = 0; i < count; i++) {
    items[i].weight = exp((double)(items[i].logit - items[0].logit) / (double)options->temperature);
    total += items[i].weight;
  }
  if (options->top_p > 0 && options->top_p < 1)
    for (int32_t i = 0; i < count; i++) {
      sum += items[i].weight;
      if (sum >= (double)options->top_p * total) count = i + 1;
    }
  while (options->min_p > 0 && items[count - 1].weight < (double)options->min_p)
    count--;
  return count;
}

// The reference's choice: walks the kept ids, likeliest first. Weights that differ in the last bits
// move the borders, so draws within `*out_margin` of one are left out.
static int32_t reference_draw(const tl_sampling *options, uint64_t position, const item *items,
                              int32_t count, double *out_margin) {
  double total = 0, sum = 0;
  for (int32_t i = 0; i < count; i++)
    total += count == 1 ? 1 : items[i].weight;
  uint32_t words[4];
  tl_exact_random(options->seed, position, words);
  uint64_t bits = ((uint64_t)words[1] << 32 | words[0]) >> 11;
  double target = (double)bits * 0x1p-53 * total;
  *out_margin = 1;
  int32_t chosen = -1;
  for (int32_t i = 0; i < count; i++) {
    sum += count == 1 ? 1 : items[i].weight;
    double distance = fabs(sum - target) / total;
    if (distance < *out_margin) *out_margin = distance;
    if (chosen < 0 && sum > target) chosen = items[i].id;
  }
  return chosen;
}

static void fill_logits(float *logits, int32_t vocabulary, int kind) {
  for (int32_t i = 0; i < vocabulary; i++) {
    float u = uniform();
    logits[i] = kind == 0 ? u * 20 - 10 : kind == 1 ? floorf(u * 6) - 2 : 3 * logf(u + 1e-9f);
    if (kind == 3) logits[i] = u < 0.3f ? -INFINITY : u < 0.35f ? -0.0f : u < 0.4f ? 0.0f : u;
  }
  logits[draw32() % (uint32_t)vocabulary] = 1;
}

static void fill_options(tl_sampling *options, tl_sample_bias *biases, int32_t vocabulary) {
  *options =
      (tl_sampling){.temperature = draw32() % 6 ? 0.3f + uniform() * 2 : 0, .seed = draw32()};
  if (draw32() % 2) options->top_k = 1 + (int32_t)(draw32() % 60);
  if (draw32() % 2) options->top_p = 0.05f + uniform() * 0.93f;
  if (draw32() % 3 == 0) options->min_p = uniform() * uniform();
  if (draw32() % 3 == 0) options->repetition_penalty = 0.7f + uniform();
  if (draw32() % 3 == 0) options->presence_penalty = uniform() * 2 - 1;
  if (draw32() % 3 == 0) options->frequency_penalty = uniform();
  if (draw32() % 3 == 0) options->penalty_window = (int32_t)(draw32() % 40);
  if (draw32() % 3 == 0) {
    options->biases = biases;
    options->biases_count = (int32_t)(draw32() % 8);
    for (int i = 0; i < options->biases_count; i++)
      biases[i] = (tl_sample_bias){(int32_t)(draw32() % (uint32_t)vocabulary),
                                   draw32() % 3 ? uniform() * 4 - 2 : -INFINITY};
  }
}

static void test_against_sorted(void) {
  static float logits[VOCABULARY_MAX], changed[VOCABULARY_MAX];
  static item items[VOCABULARY_MAX];
  int compared = 0, rounds = 3000;
  for (int round = 0; round < rounds; round++) {
    int32_t vocabulary = 1 + (int32_t)(draw32() % (round % 50 ? 300 : VOCABULARY_MAX));
    int32_t ids[64];
    for (int i = 0; i < 64; i++)
      ids[i] = (int32_t)(draw32() % 80) % vocabulary;
    tl_sample_bias biases[8];
    tl_sampling options;
    fill_logits(logits, vocabulary, round % 4);
    fill_options(&options, biases, vocabulary);
    CHECK(tl_sampling_check(&options, vocabulary, NULL) == TL_OK);
    tl_sample_row row = {logits, ids, (int32_t)(draw32() % 65), 0, draw32()};
    row.prompt_count = row.ids_count / 2;
    tl_sampler *sampler = tl_sampler_init(vocabulary, memory, sizeof memory);
    CHECK(sampler);
    tl_sample sample;
    tl_status status = tl_sampler_choose(sampler, &options, &row, &sample, NULL);

    memcpy(changed, logits, sizeof changed);
    reference_change(&options, &row, vocabulary, changed);
    for (int32_t i = 0; i < vocabulary; i++)
      items[i] = (item){i, changed[i], 1};
    int32_t count = reference_keep(&options, items, vocabulary);
    CHECK((status == TL_OK) == (count > 0));
    if (count == 0) continue;
    double margin;
    int32_t want = reference_draw(&options, row.position, items, count, &margin);
    if (margin < 1e-6) continue;
    CHECK(sample.id == want);
    compared++;
  }
  CHECK(compared > rounds * 95 / 100);
}

// ---------------------------------------------------------------------------------------------
// Lists of the likeliest

typedef struct list {
  tl_step_candidate candidates[TL_STEP_CANDIDATES];
  tl_sample_list given;
} list;

static int compare_ids(const void *a, const void *b) {
  return ((const tl_step_candidate *)a)->id - ((const tl_step_candidate *)b)->id;
}

// As a device makes it, its sum wrong by up to `error`.
static void make_list(list *out, const float *logits, int32_t vocabulary, float temperature,
                      double error) {
  static item items[VOCABULARY_MAX];
  double rest = 0;
  int32_t count = 0;
  for (int32_t i = 0; i < vocabulary; i++)
    if (logits[i] > -INFINITY) items[count++] = (item){i, logits[i], 0};
  qsort(items, (size_t)count, sizeof *items, compare);
  int32_t listed = count < TL_STEP_CANDIDATES ? count : TL_STEP_CANDIDATES;
  for (int32_t i = 0; i < listed; i++)
    out->candidates[i] = (tl_step_candidate){items[i].logit, items[i].id};
  for (int32_t i = listed; i < count; i++)
    rest += exp((double)(items[i].logit - items[0].logit) / (double)temperature);
  qsort(out->candidates, (size_t)listed, sizeof *out->candidates, compare_ids);
  out->given = (tl_sample_list){out->candidates, listed, (float)(rest * (1 + error))};
}

// Every id that a list decides is the one that all logits give; how many are decided.
static int count_decided(const tl_sampling *options, float *logits, int32_t vocabulary, int kind,
                         int rounds) {
  int decided = 0;
  static list l;
  tl_sampler *sampler = tl_sampler_init(vocabulary, memory, sizeof memory);
  for (int round = 0; round < rounds; round++) {
    int32_t ids[64];
    for (int i = 0; i < 64; i++)
      ids[i] = (int32_t)(draw32() % (uint32_t)vocabulary);
    fill_logits(logits, vocabulary, kind);
    tl_sample_row row = {logits, ids, 64, 32, draw32()};
    tl_sample want, got;
    float temperature = options->temperature > 0 ? options->temperature : 1;
    tl_status status = tl_sampler_choose(sampler, options, &row, &want, NULL);
    make_list(&l, logits, vocabulary, temperature, uniform() * 1.8e-4 - 0.9e-4);
    row.logits = NULL;
    bool found = tl_sampler_choose_listed(sampler, options, &row, &l.given, &got);
    CHECK(!found || (tl_ok(status) && got.id == want.id));
    CHECK(found || got.id == 0);
    decided += found;
  }
  return decided;
}

static void test_lists(void) {
  static float logits[VOCABULARY_MAX];
  static const tl_sampling kinds[] = {
      {.temperature = 0.8f, .top_k = 40, .seed = 1},
      {.temperature = 1, .top_k = 128, .top_p = 0.9f, .seed = 2},
      {.temperature = 0.2f, .top_p = 0.9f, .seed = 3},
      {.temperature = 0.2f, .min_p = 0.05f, .seed = 4},
      {.temperature = 0.15f, .seed = 5},
      {.repetition_penalty = 1.3f},
      {.temperature = 0.7f, .top_k = 20, .repetition_penalty = 1.05f, .presence_penalty = 0.5f},
  };
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    int decided = count_decided(&kinds[i], logits, 3000, 0, 200);
    CHECK(decided > 190);
  }
  // Hot, the list is too short for what all ids share; raised, any id may come to lie above it.
  tl_sampling hot = {.temperature = 50, .seed = 6};
  int decided = count_decided(&hot, logits, 3000, 0, 200);
  CHECK(decided > 0 && decided < 40);
  tl_sampling raised = {.temperature = 1, .top_k = 5, .repetition_penalty = 0.9f};
  CHECK(count_decided(&raised, logits, 3000, 0, 20) == 0);
  CHECK(count_decided(&raised, logits, 90, 0, 20) == 20); // all are listed
  for (int round = 0; round < 3000; round++) {
    tl_sample_bias biases[8];
    tl_sampling options;
    int32_t vocabulary = 1 + (int32_t)(draw32() % 1000);
    fill_options(&options, biases, vocabulary);
    count_decided(&options, logits, vocabulary, round % 4, 1);
  }
}

static void refuse_list(const tl_step_candidate *candidates, int32_t count, float rest) {
  tl_sampling options = {.temperature = 1};
  tl_sampler *sampler = tl_sampler_init(500, memory, sizeof memory);
  tl_sample_list given = {candidates, count, rest};
  tl_sample_row row = {.logits = NULL};
  tl_sample sample;
  CHECK(!tl_sampler_choose_listed(sampler, &options, &row, &given, &sample) && sample.id == 0);
}

static void test_bad_lists(void) {
  tl_step_candidate good[TL_STEP_CANDIDATES], bad[TL_STEP_CANDIDATES];
  for (int32_t i = 0; i < TL_STEP_CANDIDATES; i++)
    good[i] = (tl_step_candidate){(float)i, 3 * i};
  for (int i = 0; i < 6; i++) {
    memcpy(bad, good, sizeof bad);
    if (i == 0) bad[9].id = bad[8].id;
    if (i == 1) bad[0].id = -1;
    if (i == 2) bad[TL_STEP_CANDIDATES - 1].id = 500;
    if (i == 3) bad[5].value = NAN;
    if (i == 4) bad[5].value = -INFINITY;
    if (i == 5) bad[9].id = INT32_MAX;
    refuse_list(bad, TL_STEP_CANDIDATES, 0);
  }
  refuse_list(good, 0, 0);
  refuse_list(good, -1, 0);
  refuse_list(good, TL_STEP_CANDIDATES + 1, 0);
  refuse_list(good, TL_STEP_CANDIDATES, NAN);
  refuse_list(good, TL_STEP_CANDIDATES, INFINITY);
  for (int32_t i = 0; i < TL_STEP_CANDIDATES; i++)
    good[i].value = INFINITY; // there may be more of them
  refuse_list(good, TL_STEP_CANDIDATES, NAN);
  tl_sampling options = {.temperature = 1, .logprobs = -1};
  tl_sampler *sampler = tl_sampler_init(500, memory, sizeof memory);
  tl_sample_list given = {good, 3, 0};
  tl_sample_row row = {.logits = NULL};
  tl_sample sample;
  CHECK(!tl_sampler_choose_listed(sampler, &options, &row, &given, &sample));
  options.logprobs = 0;
  CHECK(tl_sampler_choose_listed(sampler, &options, &row, &given, &sample) && sample.id % 3 == 0);
}

// ---------------------------------------------------------------------------------------------
// Statistics, log-probabilities, hostile numbers

static tl_sample choose(const tl_sampling *options, const float *logits, int32_t vocabulary,
                        uint64_t position) {
  tl_sampler *sampler = tl_sampler_init(vocabulary, memory, sizeof memory);
  tl_sample_row row = {.logits = logits, .position = position};
  tl_sample sample;
  CHECK(tl_sampler_choose(sampler, options, &row, &sample, NULL) == TL_OK);
  return sample;
}

// Of draws with one seed, over positions, as a generation makes them.
static double chi_square(uint64_t seed) {
  enum { KINDS = 16, DRAWS = 4000 };
  float logits[KINDS];
  double weights[KINDS], total = 0, chi = 0;
  for (int i = 0; i < KINDS; i++) {
    logits[i] = (float)(i % 5) * 0.4f - (float)i * 0.1f;
    weights[i] = exp((double)logits[i] / 0.8);
    total += weights[i];
  }
  int counts[KINDS] = {0};
  tl_sampling options = {.temperature = 0.8f, .seed = seed};
  for (int i = 0; i < DRAWS; i++)
    counts[choose(&options, logits, KINDS, (uint64_t)i).id]++;
  for (int i = 0; i < KINDS; i++) {
    double want = DRAWS * weights[i] / total;
    chi += (counts[i] - want) * (counts[i] - want) / want;
  }
  return chi;
}

static void test_statistics(void) {
  double sum = 0;
  for (uint64_t seed = 0; seed < 20; seed++)
    sum += chi_square(seed);
  CHECK(sum > 226 && sum < 374); // 20 x 15 degrees of freedom: 300 and three times 24.5 around it
}

static void test_logprobs(void) {
  float logits[600];
  fill_logits(logits, 600, 1);
  logits[7] = -INFINITY;
  double total = 0;
  for (int i = 0; i < 600; i++)
    total += exp((double)logits[i]);
  tl_sample_bias bias = {100, 50}; // chosen for sure; reported as the model sees it
  tl_sampling options = {.logprobs = 20, .biases = &bias, .biases_count = 1};
  tl_sample sample = choose(&options, logits, 600, 0);
  CHECK(sample.id == 100 && sample.top_count == 20);
  CHECK(fabs((double)sample.logprob - ((double)logits[100] - log(total))) < 1e-6);
  for (int i = 0; i < 20; i++) {
    int32_t id = sample.top[i].id;
    CHECK(fabs((double)sample.top[i].logprob - ((double)logits[id] - log(total))) < 1e-6);
    int better = 0;
    for (int other = 0; other < 600; other++)
      better += logits[other] > logits[id] || (logits[other] == logits[id] && other < id);
    CHECK(better == i);
  }
  options.logprobs = -1;
  sample = choose(&options, logits, 600, 0);
  CHECK(sample.top_count == 0 && sample.logprob < 0);
  options = (tl_sampling){.logprobs = 5};
  sample = choose(&options, logits, 2, 0);
  CHECK(sample.top_count == 2);
}

static void test_hostile_logits(void) {
  static tl_diag diag;
  float logits[40];
  for (int i = 0; i < 40; i++)
    logits[i] = (float)i;
  tl_sampling options = {.temperature = 1, .top_k = 3, .top_p = 0.9f, .logprobs = 3};
  tl_sampler *sampler = tl_sampler_init(40, memory, sizeof memory);
  tl_sample_row row = {.logits = logits};
  tl_sample sample;
  for (int i = 0; i < 40; i++) {
    logits[i] = NAN;
    CHECK(tl_sampler_choose(sampler, &options, &row, &sample, &diag) == TL_INPUT && sample.id == 0);
    logits[i] = (float)i;
  }
  CHECK(strstr(diag.entries[3].text, "id 3 "));
  logits[5] = logits[30] = INFINITY;
  bool met[40] = {0};
  for (row.position = 0; row.position < 64; row.position++) {
    CHECK(tl_sampler_choose(sampler, &options, &row, &sample, NULL) == TL_OK);
    met[sample.id] = true;
    CHECK(sample.id == 5 || sample.id == 30);
    CHECK(fabs((double)sample.logprob - log(0.5)) < 1e-6 && sample.top[2].logprob == -INFINITY);
  }
  CHECK(met[5] && met[30]);
  for (int i = 0; i < 40; i++)
    logits[i] = -INFINITY;
  CHECK(tl_sampler_choose(sampler, &options, &row, &sample, NULL) == TL_INPUT);
  logits[39] = -3e38f;
  CHECK(choose(&options, logits, 40, 0).id == 39);
  logits[0] = 3e38f; // the difference overflows
  CHECK(choose(&options, logits, 40, 0).id == 0);
  tl_sample_bias ban = {0, -INFINITY};
  options.biases = &ban;
  options.biases_count = 1;
  CHECK(choose(&options, logits, 40, 0).id == 39);
}

static void test_options(void) {
  static tl_diag diag;
  tl_sampling bad = {.temperature = -1,
                     .top_k = -1,
                     .top_p = 1.5f,
                     .min_p = NAN,
                     .repetition_penalty = -2,
                     .presence_penalty = INFINITY,
                     .frequency_penalty = NAN,
                     .penalty_window = -1,
                     .biases_count = 3,
                     .logprobs = 21};
  CHECK(tl_sampling_check(&bad, 10, &diag) == TL_USAGE && diag.count == 10);
  tl_sample_bias biases[] = {{-1, 0}, {10, 0}, {3, NAN}, {3, INFINITY}, {9, -INFINITY}};
  bad = (tl_sampling){.biases = biases, .biases_count = 5};
  diag.count = 0;
  CHECK(tl_sampling_check(&bad, 10, &diag) == TL_USAGE && diag.count == 4);
  bad.biases_count = TL_SAMPLE_BIASES_MAX + 1;
  CHECK(tl_sampling_check(&bad, 10, NULL) == TL_USAGE);
  CHECK(tl_sampler_bytes_needed(0) == 0 && tl_sampler_bytes_needed(INT32_MAX) == 0);
  CHECK(!tl_sampler_init(1 << 20, memory, sizeof memory));
  CHECK(!tl_sampler_init(10, memory + 1, sizeof memory - 1));
}

// The same ids on every machine.
static void test_golden(void) {
  float logits[97];
  for (int i = 0; i < 97; i++)
    logits[i] = (float)(i * 37 % 97) * 0.0625f;
  tl_sampling options = {.temperature = 0.7f, .top_k = 50, .top_p = 0.95f, .seed = 12345};
  static const int32_t want[12] = {34, 55, 89, 81, 55, 34, 89, 13, 47, 26, 26, 55};
  for (int i = 0; i < 12; i++)
    CHECK(choose(&options, logits, 97, (uint64_t)i).id == want[i]);
}

int main(void) {
  test_exact();
  test_philox();
  test_against_sorted();
  test_lists();
  test_bad_lists();
  test_statistics();
  test_logprobs();
  test_hostile_logits();
  test_options();
  test_golden();
  return 0;
}
