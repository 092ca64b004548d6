// Helpers that every reference template uses.
#include "templates/ref/ref.h"

#include <math.h>

int64_t tl_ref_elements(const tl_ref_tensor *tensor) {
  int64_t count = 1;
  for (int i = 0; i < tensor->rank; i++)
    count *= tensor->dims[i];
  return count;
}

int64_t tl_ref_rows(const tl_ref_tensor *tensor) {
  int64_t count = 1;
  for (int i = 0; i + 1 < tensor->rank; i++)
    count *= tensor->dims[i];
  return count;
}

static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}

double tl_ref_activation(int64_t kind, double x) {
  switch (kind) { /* tidy: table */
  case 0: return x * sigmoid(x);
  case 1: return 0.5 * x * (1 + erf(x * M_SQRT1_2));
  case 2: return 0.5 * x * (1 + tanh(M_SQRT1_2 * M_2_SQRTPI * (x + 0.044715 * x * x * x)));
  case 3: return x * sigmoid(1.702 * x);
  case 4: return x < 0 ? 0 : x;
  case 5: return x < 0 ? 0 : x * x;
  case 6: return tanh(x);
  case 7: return sigmoid(x);
  default: return NAN;
  }
}

double tl_ref_dot(const float *a, const float *b, int64_t count) {
  typedef double chains __attribute__((vector_size(64)));
  typedef float numbers __attribute__((vector_size(32)));
  chains sums = {0};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    numbers left, right;
    memcpy(&left, a + i, sizeof left);
    memcpy(&right, b + i, sizeof right);
    sums += __builtin_convertvector(left, chains) * __builtin_convertvector(right, chains);
  }
  double sum = 0;
  for (; i < count; i++)
    sum += (double)a[i] * b[i];
  for (int c = 0; c < 8; c++)
    sum += sums[c];
  return sum;
}

void tl_ref_softmax_row(double *scores, int64_t count) {
  double max = -INFINITY, sum = 0;
  for (int64_t i = 0; i < count; i++)
    max = scores[i] > max ? scores[i] : max;
  for (int64_t i = 0; i < count; i++)
    sum += scores[i] = exp(scores[i] - max);
  for (int64_t i = 0; i < count; i++)
    scores[i] /= sum;
}

tl_status tl_ref_state_append(tl_ref_state *state, const float *keys, const float *values,
                              int64_t rows) {
  if (rows > state->capacity - state->length) return TL_MEMORY;
  float *key = state->keys + state->length * state->key_width;
  float *value = state->values + state->length * state->value_width;
  memcpy(key, keys, (size_t)(rows * state->key_width) * sizeof *key);
  memcpy(value, values, (size_t)(rows * state->value_width) * sizeof *value);
  state->length += rows;
  return TL_OK;
}
