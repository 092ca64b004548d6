// Implementation of divergence.h.
#include "compiler/cli/divergence.h"

#include <math.h>

tl_divergence tl_divergence_none(void) {
  return (tl_divergence){.first_divergent = -1};
}

static int64_t largest(const float *row, int64_t columns) {
  int64_t best = 0;
  for (int64_t i = 1; i < columns; i++) {
    if (row[i] > row[best]) best = i;
  }
  return best;
}

static double log_sum(const float *row, int64_t columns, double shift) {
  double sum = 0;
  for (int64_t i = 0; i < columns; i++)
    sum += exp(row[i] - shift);
  return log(sum) + shift;
}

static double kl_of(const float *wanted, const float *found, int64_t columns) {
  double wanted_log = log_sum(wanted, columns, wanted[largest(wanted, columns)]);
  double found_log = log_sum(found, columns, found[largest(found, columns)]);
  double sum = 0;
  for (int64_t i = 0; i < columns; i++) {
    double log_wanted = wanted[i] - wanted_log, log_found = found[i] - found_log;
    sum += exp(log_wanted) * (log_wanted - log_found);
  }
  return sum > 0 ? sum : 0; // rounding may go below
}

// What is no number differs infinitely, and has no softmax.
static double difference_of(const float *wanted, const float *found, int64_t columns) {
  double worst = 0;
  for (int64_t i = 0; i < columns; i++) {
    double difference = fabs((double)wanted[i] - found[i]);
    if (!isfinite(difference)) return INFINITY;
    if (difference > worst) worst = difference;
  }
  return worst;
}

void tl_divergence_add(tl_divergence *d, const float *wanted, const float *found, int64_t columns) {
  double difference = difference_of(wanted, found, columns);
  double kl = isfinite(difference) ? kl_of(wanted, found, columns) : INFINITY;
  int64_t wanted_id = largest(wanted, columns), found_id = largest(found, columns);
  bool agrees = isfinite(difference) && wanted_id == found_id;
  for (int64_t i = 0; i < columns; i++) {
    d->sum += wanted[i];
    d->squares += (double)wanted[i] * wanted[i];
  }
  d->max_difference = fmax(d->max_difference, difference);
  d->kl_max = fmax(d->kl_max, kl);
  d->kl_sum += kl;
  if (!agrees && d->first_divergent < 0) {
    d->first_divergent = d->rows;
    d->wanted_id = wanted_id;
    d->found_id = found_id;
    d->margin = (double)wanted[wanted_id] - wanted[found_id];
  }
  d->rows_agreed += agrees;
  d->rows++;
  d->values += columns;
}

double tl_divergence_deviation(const tl_divergence *d) {
  if (d->values == 0) return 0;
  double mean = d->sum / (double)d->values;
  double variance = d->squares / (double)d->values - mean * mean;
  return variance > 0 ? sqrt(variance) : 0;
}
