// What is behind a sampler: shared by its two ways to choose, from all logits (sample.c) and from a
// list of the likeliest (sample_list.c). See sample.h for what a choice is.
#ifndef TL_ENGINE_SAMPLER_H
#define TL_ENGINE_SAMPLER_H

#include "runtime/engine/sample.h"

enum { TL_SAMPLER_BINS = 2048 };

struct tl_sampler {
  int32_t vocabulary;
  int32_t candidates_count;
  int32_t *ids;                 // of the candidates, ascending
  float *values;                // their logits
  float *weights;               // their probabilities, unnormalised
  float *changed;               // logits with bias and penalties
  int32_t *counts;              // per id, zero between calls
  double bins[TL_SAMPLER_BINS]; // sums of weights by logit
};

// weights = exp((values - most) / temperature); values at `most` get 1, also if it is +inf.
void tl_sampler_weigh(const float *values, float *weights, int32_t count, float most,
                      float temperature);

bool tl_sampling_penalises(const tl_sampling *sampling);

// Sets the counts of the ids that penalties look at: twice the occurrences in the output, and the
// lowest bit for having been seen at all; and makes them zero again.
void tl_sampler_count(tl_sampler *sampler, const tl_sampling *sampling, const tl_sample_row *row);
void tl_sampler_count_end(tl_sampler *sampler, const tl_sampling *sampling,
                          const tl_sample_row *row);

// What penalties make of an id's logit, by its count.
float tl_sampler_penalised(const tl_sampler *sampler, const tl_sampling *sampling, int32_t id,
                           float logit);

// The random number of a position, 0 <= it < 1.
double tl_sampler_point(uint64_t seed, uint64_t position);

#endif
