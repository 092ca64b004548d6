// Candidates are kept in ascending id order in parallel arrays and narrowed in place. Sums run over
// lanes and blocks of fixed size, so that they are vector code and yet have one order.
#include "runtime/engine/sampler.h"

#include <math.h>

#include "runtime/engine/exact.h"

enum {
  VOCABULARY_MAX = 1 << 28,
  ALIGNMENT = 16,
  LANES = 8,
  BLOCK = 1024,
};

// Range of temperature and penalties: wide enough for any use, narrow enough for floats.
#define OPTION_MIN 1e-6f
#define OPTION_MAX 1e6f

// ---------------------------------------------------------------------------------------------
// Set-up and checks

static size_t array_bytes(int32_t vocabulary) {
  return ((size_t)vocabulary * sizeof(float) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static size_t head_bytes(void) {
  return (sizeof(tl_sampler) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t tl_sampler_bytes_needed(int32_t vocabulary) {
  if (vocabulary < 1 || vocabulary > VOCABULARY_MAX) return 0;
  return head_bytes() + 5 * array_bytes(vocabulary);
}

tl_sampler *tl_sampler_init(int32_t vocabulary, void *memory, size_t bytes) {
  size_t needed = tl_sampler_bytes_needed(vocabulary);
  if (needed == 0 || bytes < needed || (uintptr_t)memory % ALIGNMENT != 0) return NULL;
  size_t array = array_bytes(vocabulary);
  char *arrays = (char *)memory + head_bytes();
  tl_sampler *sampler = memory;
  *sampler = (tl_sampler){.vocabulary = vocabulary,
                          .ids = (int32_t *)arrays,
                          .values = (float *)(arrays + array),
                          .weights = (float *)(arrays + 2 * array),
                          .changed = (float *)(arrays + 3 * array),
                          .counts = (int32_t *)(arrays + 4 * array)};
  memset(sampler->counts, 0, array);
  return sampler;
}

// Collects what is wrong with a set of options.
typedef struct checker {
  tl_diag *diag;
  tl_status status;
} checker;

static void check_range(checker *c, const char *name, float value, float least, float most) {
  if (value >= least && value <= most) return;
  c->status = tl_diag_error(c->diag, TL_USAGE, (tl_span){0}, "%s is %g, expected %g to %g", name,
                            (double)value, (double)least, (double)most);
}

static void check_count(checker *c, const char *name, int32_t value, int32_t least, int32_t most) {
  if (value >= least && value <= most) return;
  c->status = tl_diag_error(c->diag, TL_USAGE, (tl_span){0}, "%s is %d, expected %d to %d", name,
                            value, least, most);
}

static void check_biases(checker *c, const tl_sampling *sampling, int32_t vocabulary) {
  int32_t count = sampling->biases_count;
  if (count < 0 || count > TL_SAMPLE_BIASES_MAX) return;
  if (count > 0 && !sampling->biases) {
    c->status = tl_diag_error(c->diag, TL_USAGE, (tl_span){0},
                              "number of biases is %d, but none are given", count);
    return;
  }
  for (int32_t i = 0; i < count; i++) {
    const tl_sample_bias *b = &sampling->biases[i];
    check_count(c, "id of a bias", b->id, 0, vocabulary - 1);
    if (b->bias != -INFINITY) check_range(c, "bias", b->bias, -OPTION_MAX, OPTION_MAX);
  }
}

tl_status tl_sampling_check(const tl_sampling *sampling, int32_t vocabulary, tl_diag *diag) {
  checker c = {.diag = diag};
  if (sampling->temperature != 0)
    check_range(&c, "temperature", sampling->temperature, OPTION_MIN, OPTION_MAX);
  if (sampling->repetition_penalty != 0)
    check_range(&c, "repetition_penalty", sampling->repetition_penalty, OPTION_MIN, OPTION_MAX);
  check_range(&c, "top_p", sampling->top_p, 0, 1);
  check_range(&c, "min_p", sampling->min_p, 0, 1);
  check_range(&c, "presence_penalty", sampling->presence_penalty, -OPTION_MAX, OPTION_MAX);
  check_range(&c, "frequency_penalty", sampling->frequency_penalty, -OPTION_MAX, OPTION_MAX);
  check_count(&c, "top_k", sampling->top_k, 0, INT32_MAX);
  check_count(&c, "penalty_window", sampling->penalty_window, 0, INT32_MAX);
  check_count(&c, "logprobs", sampling->logprobs, -1, TL_SAMPLE_LOGPROBS_MAX);
  check_count(&c, "number of biases", sampling->biases_count, 0, TL_SAMPLE_BIASES_MAX);
  check_biases(&c, sampling, vocabulary);
  return c.status;
}

// ---------------------------------------------------------------------------------------------
// Sums and maxima

// The largest value; NaN if any is.
static float largest(const float *values, int32_t count) {
  float lanes[LANES], nan = 0;
  for (int l = 0; l < LANES; l++)
    lanes[l] = -INFINITY;
  int32_t i = 0;
  int unordered[LANES] = {0};
  for (; i + LANES <= count; i += LANES)
    for (int l = 0; l < LANES; l++) {
      float value = values[i + l];
      lanes[l] = value > lanes[l] ? value : lanes[l];
      unordered[l] |= value != value;
    }
  for (; i < count; i++) {
    lanes[0] = values[i] > lanes[0] ? values[i] : lanes[0];
    unordered[0] |= values[i] != values[i];
  }
  for (int l = 0; l < LANES; l++) {
    lanes[0] = lanes[l] > lanes[0] ? lanes[l] : lanes[0];
    if (unordered[l]) nan = NAN;
  }
  return lanes[0] + nan;
}

static double block_sum(const float *weights, int32_t count) {
  double lanes[LANES] = {0};
  int32_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int l = 0; l < LANES; l++)
      lanes[l] += (double)weights[i + l];
  for (; i < count; i++)
    lanes[0] += (double)weights[i];
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
         ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

static int32_t block_length(int32_t count, int32_t begin) {
  return count - begin < BLOCK ? count - begin : BLOCK;
}

static double whole_sum(const float *weights, int32_t count) {
  double sum = 0;
  for (int32_t begin = 0; begin < count; begin += BLOCK)
    sum += block_sum(weights + begin, block_length(count, begin));
  return sum;
}

void tl_sampler_weigh(const float *values, float *weights, int32_t count, float most,
                      float temperature) {
  if (most == INFINITY) {
    for (int32_t i = 0; i < count; i++)
      weights[i] = values[i] == INFINITY ? 1.0f : 0.0f;
    return;
  }
  for (int32_t i = 0; i < count; i++)
    weights[i] = tl_exact_exp((values[i] - most) / temperature);
}

// ---------------------------------------------------------------------------------------------
// Selection

// Bits of a number such that larger numbers have larger bits; -0 counts as 0.
static uint32_t order_of(float value) {
  uint32_t bits;
  value += 0.0f;
  memcpy(&bits, &value, sizeof bits);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

// The ids that may be chosen at all.
static void gather(tl_sampler *s, const float *logits) {
  int32_t count = 0;
  for (int32_t i = 0; i < s->vocabulary; i++) {
    s->ids[count] = i;
    s->values[count] = logits[i];
    count += logits[i] > -INFINITY;
  }
  s->candidates_count = count;
}

// Keeps candidate `from` as number `to` <= `from`.
static void move(tl_sampler *s, int32_t to, int32_t from) {
  s->ids[to] = s->ids[from];
  s->values[to] = s->values[from];
  s->weights[to] = s->weights[from];
}

// Keeps candidates whose order, without its lowest `shift` bits, is at least `prefix`.
static void keep_from(tl_sampler *s, uint32_t prefix, int shift) {
  int32_t count = 0;
  for (int32_t i = 0; i < s->candidates_count; i++) {
    move(s, count, i);
    count += order_of(s->values[i]) >> shift >= prefix;
  }
  s->candidates_count = count;
}

// Of the candidates at `order`, keeps as many as it takes to reach `wanted`, at least one.
static void keep_ties(tl_sampler *s, uint32_t order, double wanted) {
  int32_t count = 0, kept = 0;
  for (int32_t i = 0; i < s->candidates_count; i++) {
    bool ties = order_of(s->values[i]) == order;
    if (ties && kept > 0 && kept >= wanted) continue;
    kept += ties;
    move(s, count++, i);
  }
  s->candidates_count = count;
}

// Sums the weights of candidates whose order begins with `prefix` by the bits that follow.
static void fill_bins(tl_sampler *s, uint64_t prefix, int shift, int bits) {
  memset(s->bins, 0, sizeof s->bins);
  uint32_t mask = (1u << bits) - 1;
  for (int32_t i = 0; i < s->candidates_count; i++) {
    uint64_t order = order_of(s->values[i]);
    if (order >> (shift + bits) == prefix) s->bins[order >> shift & mask] += (double)s->weights[i];
  }
}

// The highest bin at which the sum of bins from the top, `*above` included, reaches `target`; the
// lowest with any weight if none does; -1 if all are empty. `*above` becomes the sum above it.
static int find_bin(const tl_sampler *s, double target, double *above) {
  int found = -1;
  double sum = *above;
  for (int bin = TL_SAMPLER_BINS - 1; bin >= 0; bin--) {
    if (!(s->bins[bin] > 0)) continue;
    found = bin;
    *above = sum;
    sum += s->bins[bin];
    if (sum >= target) break;
  }
  return found;
}

// Keeps the fewest likeliest candidates whose weights reach `target`: finds the order of the last
// of them by groups of bits from the top, and drops what is below each group's as soon as it is
// known.
static void keep_leading(tl_sampler *s, double target) {
  static const struct {
    int shift, bits;
  } levels[] = {{21, 11}, {10, 11}, {0, 10}};
  uint32_t prefix = 0;
  double above = 0;
  for (int level = 0; level < 3; level++) {
    int shift = levels[level].shift, bits = levels[level].bits;
    fill_bins(s, prefix, shift, bits);
    int bin = find_bin(s, target, &above);
    if (bin < 0) return;
    prefix = prefix << bits | (uint32_t)bin;
    keep_from(s, prefix, shift);
  }
  float weight = 0; // all at one order have the same
  for (int32_t i = 0; i < s->candidates_count && weight <= 0; i++)
    if (order_of(s->values[i]) == prefix) weight = s->weights[i];
  keep_ties(s, prefix, (target - above) / (double)weight);
}

static void keep_likeliest(tl_sampler *s, int32_t k) {
  if (k >= s->candidates_count) return;
  for (int32_t i = 0; i < s->candidates_count; i++)
    s->weights[i] = 1;
  keep_leading(s, k);
}

static void keep_weights_from(tl_sampler *s, float least) {
  int32_t count = 0;
  for (int32_t i = 0; i < s->candidates_count; i++) {
    move(s, count, i);
    count += s->weights[i] >= least;
  }
  s->candidates_count = count;
}

// The candidate at which the sum of weights, the likeliest first, reaches `point` of all.
static int32_t draw(tl_sampler *s, double point) {
  keep_leading(s, point * whole_sum(s->weights, s->candidates_count));
  int32_t last = 0;
  for (int32_t i = 1; i < s->candidates_count; i++)
    if (order_of(s->values[i]) <= order_of(s->values[last])) last = i;
  return s->ids[last];
}

// ---------------------------------------------------------------------------------------------
// Bias and penalties

static bool is_set(float penalty, float off) {
  return penalty != 0 && penalty != off;
}

bool tl_sampling_penalises(const tl_sampling *s) {
  return is_set(s->repetition_penalty, 1) || s->presence_penalty != 0 || s->frequency_penalty != 0;
}

float tl_sampler_penalised(const tl_sampler *s, const tl_sampling *sampling, int32_t id,
                           float logit) {
  int32_t outputs = s->counts[id] / 2;
  if (s->counts[id] == 0) return logit;
  if (is_set(sampling->repetition_penalty, 1))
    logit = logit > 0 ? logit / sampling->repetition_penalty : logit * sampling->repetition_penalty;
  if (outputs > 0)
    logit -= sampling->presence_penalty + sampling->frequency_penalty * (float)outputs;
  return logit;
}

// The first of the ids that penalties look at.
static int32_t window_begin(const tl_sampling *sampling, const tl_sample_row *row) {
  int32_t window = sampling->penalty_window;
  return window > 0 && window < row->ids_count ? row->ids_count - window : 0;
}

void tl_sampler_count(tl_sampler *s, const tl_sampling *sampling, const tl_sample_row *row) {
  for (int32_t i = window_begin(sampling, row); i < row->ids_count; i++) {
    int32_t id = row->ids[i];
    if (id < 0 || id >= s->vocabulary) continue;
    s->counts[id] = (s->counts[id] | 1) + (i >= row->prompt_count ? 2 : 0);
  }
}

void tl_sampler_count_end(tl_sampler *s, const tl_sampling *sampling, const tl_sample_row *row) {
  for (int32_t i = window_begin(sampling, row); i < row->ids_count; i++) {
    int32_t id = row->ids[i];
    if (id >= 0 && id < s->vocabulary) s->counts[id] = 0;
  }
}

static void penalise(tl_sampler *s, const tl_sampling *sampling, const tl_sample_row *row) {
  tl_sampler_count(s, sampling, row);
  for (int32_t i = window_begin(sampling, row); i < row->ids_count; i++) {
    int32_t id = row->ids[i];
    if (id < 0 || id >= s->vocabulary) continue;
    s->changed[id] = tl_sampler_penalised(s, sampling, id, s->changed[id]);
    s->counts[id] = 0; // once
  }
}

// The row's logits, or a changed copy if an option asks for it.
static const float *prepare(tl_sampler *s, const tl_sampling *sampling, const tl_sample_row *row) {
  bool penalties = tl_sampling_penalises(sampling);
  if (!penalties && sampling->biases_count == 0) return row->logits;
  memcpy(s->changed, row->logits, (size_t)s->vocabulary * sizeof(float));
  for (int32_t i = 0; i < sampling->biases_count; i++)
    s->changed[sampling->biases[i].id] += sampling->biases[i].bias;
  if (penalties) penalise(s, sampling, row);
  return s->changed;
}

// ---------------------------------------------------------------------------------------------
// Choice

static tl_status fail_not_a_number(const tl_sample_row *row, tl_diag *diag) {
  int32_t id = 0;
  while (!isnan(row->logits[id]))
    id++;
  return tl_diag_error(diag, TL_INPUT, (tl_span){0},
                       "the logit of id %d at position %llu is not a number", id,
                       (unsigned long long)row->position);
}

static int32_t first_of(const float *values, float value) {
  int32_t i = 0;
  while (values[i] != value)
    i++;
  return i;
}

double tl_sampler_point(uint64_t seed, uint64_t position) {
  uint32_t words[4];
  tl_exact_random(seed, position, words);
  uint64_t bits = ((uint64_t)words[1] << 32 | words[0]) >> 11;
  return (double)bits * 0x1p-53;
}

static int32_t choose(tl_sampler *s, const tl_sampling *sampling, uint64_t position) {
  float most = largest(s->values, s->candidates_count);
  if (sampling->temperature == 0) return s->ids[first_of(s->values, most)];
  if (sampling->top_k > 0) keep_likeliest(s, sampling->top_k);
  tl_sampler_weigh(s->values, s->weights, s->candidates_count, most, sampling->temperature);
  if (sampling->top_p > 0 && sampling->top_p < 1)
    keep_leading(s, (double)sampling->top_p * whole_sum(s->weights, s->candidates_count));
  if (sampling->min_p > 0) keep_weights_from(s, sampling->min_p);
  return draw(s, tl_sampler_point(sampling->seed, position));
}

static bool is_likelier(const tl_sample_logprob *a, const tl_sample_logprob *b) {
  return a->logprob > b->logprob || (a->logprob == b->logprob && a->id < b->id);
}

static void add_top(tl_sample *sample, tl_sample_logprob item) {
  int32_t i = sample->top_count++;
  for (; i > 0 && is_likelier(&item, &sample->top[i - 1]); i--)
    sample->top[i] = sample->top[i - 1];
  sample->top[i] = item;
}

// Log-probabilities come from the logits as the model gave them. Ordering uses the logits; only
// then are they shifted, so that rounding cannot swap neighbours.
static void report(tl_sampler *s, const float *logits, int32_t wanted, tl_sample *out_sample) {
  gather(s, logits);
  float most = largest(s->values, s->candidates_count);
  tl_sampler_weigh(s->values, s->weights, s->candidates_count, most, 1);
  double log_sum = tl_exact_log(whole_sum(s->weights, s->candidates_count));
  bool infinite = most == INFINITY;
  float base = infinite ? 0 : most;
  int32_t id = out_sample->id;
  if (infinite && logits[id] < INFINITY)
    out_sample->logprob = -INFINITY;
  else
    out_sample->logprob = (float)((infinite ? 0 : (double)logits[id] - (double)base) - log_sum);
  if (wanted <= 0) return;
  keep_likeliest(s, wanted);
  for (int32_t i = 0; i < s->candidates_count; i++)
    add_top(out_sample, (tl_sample_logprob){s->ids[i], s->values[i]});
  for (int32_t i = 0; i < out_sample->top_count; i++) {
    float *value = &out_sample->top[i].logprob;
    if (infinite)
      *value = *value == INFINITY ? (float)-log_sum : -INFINITY;
    else
      *value = (float)((double)*value - (double)base - log_sum);
  }
}

bool tl_sampling_is_plain(const tl_sampling *s) {
  return s->temperature == 0 && !tl_sampling_penalises(s) && s->biases_count == 0 &&
         s->logprobs == 0;
}

tl_status tl_sampler_choose(tl_sampler *sampler, const tl_sampling *sampling,
                            const tl_sample_row *row, tl_sample *out_sample, tl_diag *diag) {
  *out_sample = (tl_sample){0};
  float most = largest(row->logits, sampler->vocabulary);
  if (isnan(most)) return fail_not_a_number(row, diag);
  const float *logits = prepare(sampler, sampling, row);
  bool is_plain = sampling->temperature == 0 && logits == row->logits && most > -INFINITY;
  if (!is_plain) gather(sampler, logits);
  if (!is_plain && sampler->candidates_count == 0)
    return tl_diag_error(diag, TL_INPUT, (tl_span){0},
                         "no id can follow at position %llu: every logit is -inf",
                         (unsigned long long)row->position);
  out_sample->id = is_plain ? first_of(logits, most) : choose(sampler, sampling, row->position);
  if (sampling->logprobs != 0) report(sampler, row->logits, sampling->logprobs, out_sample);
  return TL_OK;
}
