// How far found logits are from wanted ones, row by row.
//
//   tl_divergence d = tl_divergence_none();
//   for each row: tl_divergence_add(&d, wanted, found, columns);
//   d.max_difference / tl_divergence_deviation(&d)
//
// Plain numbers, no allocation; rows are added in order, one thread.
#ifndef TL_COMPILER_CLI_DIVERGENCE_H
#define TL_COMPILER_CLI_DIVERGENCE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct tl_divergence {
  int64_t rows, values;
  double sum, squares;         // of the wanted logits
  double max_difference;       // infinite if a found logit is no number
  double kl_sum, kl_max;       // Kullback-Leibler divergence of a row's found softmax, in nats
  int64_t rows_agreed;         // with the same largest logit
  int64_t first_divergent;     // row with another one, -1 = none
  int64_t wanted_id, found_id; // there
  double margin;               // wanted logits there: of wanted_id less that of found_id
} tl_divergence;

// No rows yet.
tl_divergence tl_divergence_none(void);

// Adds the next row of `columns` (> 0) logits.
void tl_divergence_add(tl_divergence *divergence, const float *wanted, const float *found,
                       int64_t columns);

// Standard deviation of the wanted logits, 0 without any.
double tl_divergence_deviation(const tl_divergence *divergence);

#endif
