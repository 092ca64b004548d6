// The sampler: from a row of logits to the next id. A pure function of logits, options, earlier ids
// and (seed, position); the same bits on every machine.
//
//   logits -> bias -> penalties -> / temperature -> top_k -> top_p -> min_p -> draw
//
// The likeliest ids are those with the largest logits, the lowest id first on ties. In this order
// the probabilities of what is left add up, and the id at which their sum reaches a random number
// is drawn. So a short list of the likeliest decides most draws; where it does, the choice is the
// same as from all logits, bit for bit, as sums that come too near a border decide nothing.
//
// Selection is O(vocabulary): buckets of the logits' bits, no sort. Logits that are not numbers are
// an error; -inf forbids an id; ids at +inf, if any, share all the probability. Scratch memory is
// given once, no call allocates. One sampler, one thread.
#ifndef TL_ENGINE_SAMPLE_H
#define TL_ENGINE_SAMPLE_H

#include "runtime/base/diag.h"
#include "runtime/base/step.h"

enum { TL_SAMPLE_LOGPROBS_MAX = 20, TL_SAMPLE_BIASES_MAX = 1024 };

typedef struct tl_sample_bias {
  int32_t id;
  float bias; // finite or -inf
} tl_sample_bias;

// Zero is the default of each and turns it off; all zero is greedy.
typedef struct tl_sampling {
  float temperature;        // 0 = the likeliest id, nothing below is looked at but penalties, bias
  int32_t top_k;            // keep the k likeliest
  float top_p;              // keep the fewest likeliest ids whose probabilities reach p; 1 = off
  float min_p;              // keep ids at least min_p times as likely as the likeliest
  float repetition_penalty; // divides positive, multiplies negative logits of ids seen; 1 = off
  float presence_penalty;   // subtracted from ids that occur in the output
  float frequency_penalty;  // subtracted per occurrence in the output
  int32_t penalty_window;   // newest ids that the penalties look at; 0 = all
  uint64_t seed;
  const tl_sample_bias *biases; // those of one id add up
  int32_t biases_count;
  int32_t logprobs; // number of likeliest ids to report besides the chosen; -1 = the chosen alone
} tl_sampling;

typedef struct tl_sample_row {
  const float *logits; // of the sampler's vocabulary
  const int32_t *ids;  // prompt, then output so far; only penalties look at it
  int32_t ids_count;
  int32_t prompt_count;
  uint64_t position; // of the id to be chosen
} tl_sample_row;

// What a device found of a row's logits; see tl_step_best.
typedef struct tl_sample_list {
  const tl_step_candidate *candidates;
  int32_t count; // fewer than TL_STEP_CANDIDATES: there are no others
  float rest;    // by the temperature of the options; of no meaning if that is 0
} tl_sample_list;

typedef struct tl_sample_logprob {
  int32_t id;
  float logprob; // natural, of the logits as they came
} tl_sample_logprob;

typedef struct tl_sample {
  int32_t id;
  float logprob; // 0 if not asked for
  int32_t top_count;
  tl_sample_logprob top[TL_SAMPLE_LOGPROBS_MAX]; // likeliest first
} tl_sample;

typedef struct tl_sampler tl_sampler;

// Bytes that tl_sampler_init needs; 0 unless 1 <= vocabulary <= 2^28.
size_t tl_sampler_bytes_needed(int32_t vocabulary);

// Sets up `memory` (aligned to 16, of tl_sampler_bytes_needed), which belongs to the sampler until
// its end of life. NULL if it is too small or not aligned.
tl_sampler *tl_sampler_init(int32_t vocabulary, void *memory, size_t bytes);

// TL_USAGE, with one error per option, if any is out of range for the vocabulary.
TL_CHECKED tl_status tl_sampling_check(const tl_sampling *sampling, int32_t vocabulary,
                                       tl_diag *diag);

// Whether the likeliest id of the logits as they come is all that is asked for.
bool tl_sampling_is_plain(const tl_sampling *sampling);

// Chooses an id with checked options. TL_INPUT if a logit is not a number or if no id is left; then
// `*out_sample` is zero.
TL_CHECKED tl_status tl_sampler_choose(tl_sampler *sampler, const tl_sampling *sampling,
                                       const tl_sample_row *row, tl_sample *out_sample,
                                       tl_diag *diag);

// The same id from the list of a row, of all ids below the vocabulary; `logits` may be NULL. False
// if the choice may depend on others than those listed, if logprobs are asked for or if the list is
// no such list; then `*out_sample` is zero.
TL_CHECKED bool tl_sampler_choose_listed(tl_sampler *sampler, const tl_sampling *sampling,
                                         const tl_sample_row *row, const tl_sample_list *list,
                                         tl_sample *out_sample);

#endif
