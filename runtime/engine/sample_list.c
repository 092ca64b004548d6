// Choices from a list of the likeliest ids. Of the others bounds are known: no logit is above the
// lowest that is listed, and their weights together lie between two numbers. A choice that is the
// same at both of them is the choice; any other is left to whoever has all logits.
#include <math.h>

#include "runtime/engine/exact.h"
#include "runtime/engine/sampler.h"

// Relative, of sums in another order; of weights of a device, see tl_step_best, and of powers of e.
#define SUM_MARGIN 1e-7
#define REST_MARGIN 1e-4
#define REST_LEAST 1e-29

enum { LISTED_MAX = TL_STEP_CANDIDATES };

typedef struct listed {
  int32_t count;
  int32_t ids[LISTED_MAX]; // ascending, then likeliest first
  float values[LISTED_MAX], weights[LISTED_MAX];
  float most;      // the largest value as the model gave it
  float next;      // no value of the others is above it
  bool is_whole;   // there are no others
  int32_t lowered; // were listed and are now among the others, of values below `next` too
  bool is_less;    // some others may weigh less than they did, or nothing
  double rest_min, rest_max;
} listed;

// ---- what is listed

static bool is_list(const tl_sampler *s, const tl_sample_list *list) {
  bool good = list->count > 0 && list->count <= LISTED_MAX;
  for (int32_t i = 0; good && i < list->count; i++) {
    const tl_step_candidate *c = &list->candidates[i];
    good = c->value > -INFINITY && c->id < s->vocabulary &&
           c->id > (i > 0 ? list->candidates[i - 1].id : -1);
  }
  return good;
}

static void read_list(listed *l, const tl_sample_list *list) {
  *l = (listed){.count = list->count, .most = -INFINITY, .next = INFINITY};
  for (int32_t i = 0; i < l->count; i++) {
    l->ids[i] = list->candidates[i].id;
    l->values[i] = list->candidates[i].value;
    if (l->values[i] > l->most) l->most = l->values[i];
    if (l->values[i] < l->next) l->next = l->values[i];
  }
  l->is_whole = l->count < LISTED_MAX;
}

// Everything that matters is listed.
static void forget_others(listed *l) {
  l->is_whole = true;
  l->rest_min = l->rest_max = 0;
}

// ---- bias and penalties

static int32_t place_of(const listed *l, int32_t id) {
  int32_t low = 0, high = l->count;
  while (low < high) {
    int32_t middle = (low + high) / 2;
    if (l->ids[middle] < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < l->count && l->ids[low] == id ? low : -1;
}

// Whether penalties make no logit larger.
static bool only_lowers(const tl_sampling *sampling) {
  float r = sampling->repetition_penalty;
  return (r == 0 || r >= 1) && sampling->presence_penalty >= 0 && sampling->frequency_penalty >= 0;
}

// Keeps what is above all others.
static void drop_lowered(listed *l) {
  int32_t kept = 0;
  for (int32_t i = 0; i < l->count; i++) {
    l->ids[kept] = l->ids[i];
    l->values[kept] = l->values[i];
    kept += l->values[i] > (l->is_whole ? -INFINITY : l->next);
  }
  l->lowered = l->count - kept;
  l->is_less = true;
  l->count = kept;
}

// False if one of the others may come to lie above them all.
static bool change(tl_sampler *s, const tl_sampling *sampling, const tl_sample_row *row,
                   listed *l) {
  bool penalises = tl_sampling_penalises(sampling);
  if (!penalises && sampling->biases_count == 0) return true;
  for (int32_t i = 0; i < sampling->biases_count; i++) {
    int32_t place = place_of(l, sampling->biases[i].id);
    if (place < 0 && sampling->biases[i].bias > 0 && !l->is_whole) return false;
    if (place >= 0) l->values[place] += sampling->biases[i].bias;
  }
  if (penalises) {
    if (!only_lowers(sampling) && !l->is_whole) return false;
    tl_sampler_count(s, sampling, row);
    for (int32_t i = 0; i < l->count; i++)
      l->values[i] = tl_sampler_penalised(s, sampling, l->ids[i], l->values[i]);
    tl_sampler_count_end(s, sampling, row);
  }
  drop_lowered(l);
  return true;
}

// ---- likeliest first

static bool is_likelier(float value, int32_t id, float other_value, int32_t other_id) {
  return value > other_value || (value == other_value && id < other_id);
}

static void sort(listed *l) {
  for (int32_t i = 1; i < l->count; i++) {
    float value = l->values[i];
    int32_t id = l->ids[i], to = i;
    for (; to > 0 && is_likelier(value, id, l->values[to - 1], l->ids[to - 1]); to--) {
      l->values[to] = l->values[to - 1];
      l->ids[to] = l->ids[to - 1];
    }
    l->values[to] = value;
    l->ids[to] = id;
  }
}

// ---- weights

// e to the power of (value - most) / temperature, of any sign. Of two that are infinite it is 1.
static double power(float value, float most, float temperature) {
  if (value == most) return 1;
  if (value <= most) return (double)tl_exact_exp((value - most) / temperature);
  return 1 / (double)tl_exact_exp((most - value) / temperature);
}

static void weigh(listed *l, float rest, float temperature) {
  float most = l->values[0];
  tl_sampler_weigh(l->values, l->weights, l->count, most, temperature);
  if (l->is_whole) return;
  double lowered = l->lowered * power(l->next, most, temperature);
  double scale = power(l->most, most, temperature);
  l->rest_max = ((double)rest * scale + lowered) * (1 + REST_MARGIN) + REST_LEAST * (1 + scale);
  l->rest_min = l->is_less ? 0 : (double)rest * (1 - REST_MARGIN) - REST_LEAST;
}

// The place at which the sum of weights, the likeliest first, reaches `target`; -1 if it does not.
static int32_t reach(const listed *l, double target) {
  double sum = 0;
  for (int32_t i = 0; i < l->count; i++) {
    sum += (double)l->weights[i];
    if (sum >= target) return i;
  }
  return -1;
}

// The place at which it reaches `part` of all weights; -1 if that depends on what is not known.
static int32_t settle(const listed *l, double part) {
  double known = 0;
  for (int32_t i = 0; i < l->count; i++)
    known += (double)l->weights[i];
  double margin = SUM_MARGIN * (known + l->rest_max);
  int32_t first = reach(l, part * (known + l->rest_min) - margin);
  int32_t last = reach(l, part * (known + l->rest_max) + margin);
  return first == last ? first : -1;
}

// ---- choice

static bool keep_nucleus(listed *l, float top_p) {
  int32_t last = settle(l, (double)top_p);
  if (last < 0) return false;
  l->count = last + 1;
  forget_others(l);
  return true;
}

static void keep_weights_from(listed *l, float least, float temperature) {
  int32_t kept = 0;
  for (int32_t i = 0; i < l->count; i++) {
    l->ids[kept] = l->ids[i];
    l->weights[kept] = l->weights[i];
    kept += l->weights[i] >= least;
  }
  double heaviest = l->is_whole ? 0 : power(l->next, l->values[0], temperature);
  l->count = kept;
  l->rest_min = 0;
  if (heaviest * (1 + REST_MARGIN) < (double)least) forget_others(l);
}

static int32_t choose(listed *l, const tl_sampling *sampling, float rest, uint64_t position) {
  float temperature = sampling->temperature;
  if (l->count == 0) return -1;
  if (temperature == 0) return l->ids[0];
  if (l->most == INFINITY && !l->is_whole && l->next < INFINITY && l->values[0] == INFINITY)
    forget_others(l); // they weigh nothing
  if (sampling->top_k > 0 && sampling->top_k <= l->count) {
    l->count = sampling->top_k;
    forget_others(l);
  } else if (sampling->top_k > 0) {
    l->is_less = true;
  }
  weigh(l, rest, temperature);
  if (sampling->top_p > 0 && sampling->top_p < 1 && !keep_nucleus(l, sampling->top_p)) return -1;
  if (sampling->min_p > 0) keep_weights_from(l, sampling->min_p, temperature);
  int32_t place = settle(l, tl_sampler_point(sampling->seed, position));
  return place < 0 ? -1 : l->ids[place];
}

bool tl_sampler_choose_listed(tl_sampler *sampler, const tl_sampling *sampling,
                              const tl_sample_row *row, const tl_sample_list *list,
                              tl_sample *out_sample) {
  listed l;
  *out_sample = (tl_sample){0};
  if (sampling->logprobs != 0 || !is_list(sampler, list)) return false;
  read_list(&l, list);
  if (!change(sampler, sampling, row, &l)) return false;
  sort(&l);
  int32_t id = choose(&l, sampling, list->rest, row->position);
  if (id < 0) return false;
  out_sample->id = id;
  return true;
}
