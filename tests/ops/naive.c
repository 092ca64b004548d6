// Implementation of naive.h: definitions written down, nothing shared with templates/ref.
#include "tests/ops/naive.h"

#include <complex.h>
#include <math.h>

#include "tests/lib/check.h"

typedef void naive_function(const tl_ref_args *a, double *out);

// Element `i` of operand `operand`.
static double num(const tl_ref_args *a, int operand, int64_t i) {
  return a->operands[operand].f[i];
}

static int32_t id(const tl_ref_args *a, int operand, int64_t i) {
  return a->operands[operand].i[i];
}

static int64_t dim(const tl_ref_args *a, int operand, int axis) {
  return a->operands[operand].dims[axis];
}

static int64_t last(const tl_ref_tensor *tensor) {
  return tensor->dims[tensor->rank - 1];
}

static int64_t count(const tl_ref_tensor *tensor) {
  int64_t all = 1;
  for (int i = 0; i < tensor->rank; i++)
    all *= tensor->dims[i];
  return all;
}

static double logistic(double x) {
  return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static double activation(int64_t kind, double x) {
  if (kind == 0) return x * logistic(x);
  if (kind == 1) return 0.5 * x * erfc(-x / sqrt(2));
  if (kind == 2) return x * logistic(2 * sqrt(2 / M_PI) * (x + 0.044715 * pow(x, 3)));
  if (kind == 3) return x * logistic(1.702 * x);
  if (kind == 4) return fmax(x, 0);
  if (kind == 5) return pow(fmax(x, 0), 2);
  if (kind == 6) return 2 * logistic(2 * x) - 1;
  return logistic(x);
}

static void embed(const tl_ref_args *a, double *out) {
  int64_t width = last(&a->result);
  for (int64_t i = 0; i < count(&a->result); i++)
    out[i] = num(a, 1, id(a, 0, i / width) * width + i % width);
}

static void linear(const tl_ref_args *a, double *out) {
  int64_t columns = last(&a->result), depth = dim(a, 1, 1);
  for (int64_t i = 0; i < count(&a->result); i++) {
    out[i] = a->present[2] ? num(a, 2, i % columns) : 0;
    for (int64_t k = 0; k < depth; k++)
      out[i] += num(a, 0, i / columns * depth + k) * num(a, 1, i % columns * depth + k);
  }
}

static void rmsnorm(const tl_ref_args *a, double *out) {
  int64_t width = last(&a->result);
  for (int64_t i = 0; i < count(&a->result); i++) {
    double squares = 0;
    for (int64_t d = 0; d < width; d++)
      squares += pow(num(a, 0, i / width * width + d), 2);
    out[i] = num(a, 0, i) * pow(squares / (double)width + a->attrs[0].f, -0.5);
    if (a->present[1]) out[i] *= num(a, 1, i % width) + a->attrs[1].f;
  }
}

static void layernorm(const tl_ref_args *a, double *out) {
  int64_t width = last(&a->result);
  for (int64_t i = 0; i < count(&a->result); i++) {
    double sum = 0, squares = 0;
    for (int64_t d = 0; d < width; d++) {
      sum += num(a, 0, i / width * width + d);
      squares += pow(num(a, 0, i / width * width + d), 2);
    }
    double mean = sum / (double)width, variance = squares / (double)width - mean * mean;
    out[i] = (num(a, 0, i) - mean) / sqrt(variance + a->attrs[0].f);
    out[i] *= num(a, 1, i % width) + a->attrs[1].f;
    if (a->present[2]) out[i] += num(a, 2, i % width);
  }
}

static void act(const tl_ref_args *a, double *out) {
  for (int64_t i = 0; i < count(&a->result); i++)
    out[i] = activation(a->attrs[0].i, num(a, 0, i));
}

static void glu(const tl_ref_args *a, double *out) {
  for (int64_t i = 0; i < count(&a->result); i++)
    out[i] = num(a, 1, i) * activation(a->attrs[0].i, num(a, 0, i));
}

static void add(const tl_ref_args *a, double *out) {
  for (int64_t i = 0; i < count(&a->result); i++)
    out[i] = num(a, 0, i) + num(a, 1, i);
}

static void mul(const tl_ref_args *a, double *out) {
  for (int64_t i = 0; i < count(&a->result); i++)
    out[i] = num(a, 0, i) * num(a, 1, i);
}

static void scale(const tl_ref_args *a, double *out) {
  for (int64_t i = 0; i < count(&a->result); i++)
    out[i] = num(a, 0, i) * a->attrs[0].f;
}

static void scale_choices(const tl_ref_args *a, double *out) {
  for (int64_t i = 0; i < count(&a->result); i++)
    out[i] = num(a, 0, i) * num(a, 1, i / dim(a, 0, 2));
}

static void softcap(const tl_ref_args *a, double *out) {
  double cap = a->attrs[0].f;
  for (int64_t i = 0; i < count(&a->result); i++)
    out[i] = cap * activation(6, num(a, 0, i) / cap);
}

static void softmax(const tl_ref_args *a, double *out) {
  int64_t width = last(&a->result);
  for (int64_t i = 0; i < count(&a->result); i++) {
    double others = 0;
    for (int64_t n = 0; n < width; n++)
      others += exp(num(a, 0, i / width * width + n) - num(a, 0, i));
    out[i] = 1 / others;
  }
}

static void normalize(const tl_ref_args *a, double *out) {
  int64_t width = last(&a->result);
  for (int64_t i = 0; i < count(&a->result); i++) {
    double sum = 0;
    for (int64_t n = 0; n < width; n++)
      sum += num(a, 0, i / width * width + n);
    out[i] = num(a, 0, i) / (sum + a->attrs[0].f);
  }
}

static void rope(const tl_ref_args *a, double *out) {
  int64_t heads = dim(a, 0, 1), width = dim(a, 0, 2), pairs = dim(a, 2, 0);
  for (int64_t i = 0; i < count(&a->result); i++)
    out[i] = num(a, 0, i);
  for (int64_t row = 0; row < dim(a, 0, 0) * heads; row++) {
    for (int64_t j = 0; j < pairs; j++) {
      int64_t real = row * width + (a->attrs[0].i ? 2 * j : j);
      int64_t imaginary = row * width + (a->attrs[0].i ? 2 * j + 1 : j + pairs);
      double by = a->attrs[3].f, limit = (double)a->attrs[2].i;
      double length = a->present[3] ? (double)id(a, 3, row / heads) : 0;
      double growth = limit > 0 && length > limit ? by * length / limit - by + 1 : 1;
      float frequency = (float)(a->operands[2].f[j] / pow(growth, (double)j / (double)(pairs - 1)));
      float angle = (float)id(a, 1, row / heads) * frequency;
      double complex turned = num(a, 0, real) + num(a, 0, imaginary) * I;
      turned *= a->attrs[1].f * cexp(I * angle);
      out[real] = creal(turned);
      out[imaginary] = cimag(turned);
    }
  }
}

static void position_scale(const tl_ref_args *a, double *out) {
  int64_t width = dim(a, 0, 1) * dim(a, 0, 2);
  for (int64_t i = 0; i < count(&a->result); i++) {
    int64_t periods = (id(a, 1, i / width) + 1) / a->attrs[1].i;
    out[i] = num(a, 0, i) * (1 + a->attrs[0].f * log1p((double)periods));
  }
}

static bool sees(const tl_ref_args *a, int64_t query, int64_t key) {
  int64_t window = a->attrs[2].i, chunk = a->attrs[3].i;
  if (a->attrs[1].i == 0 && key > query) return false;
  if (window && key <= query - window) return false;
  return !chunk || key / chunk == query / chunk;
}

// out[e] = sum of exp(scores[p]) values[p * stride + e] over the sum of exp(scores[p]).
static void weigh(const double *scores, int64_t rows, const double *values, int64_t width,
                  double *out) {
  double sum = 0;
  for (int64_t e = 0; e < width; e++)
    out[e] = 0;
  for (int64_t p = 0; p < rows; p++) {
    sum += exp(scores[p]);
    for (int64_t e = 0; e < width; e++)
      out[e] += exp(scores[p]) * values[p * width + e];
  }
  for (int64_t e = 0; e < width; e++)
    out[e] /= sum;
}

enum { ROWS_MAX = 32, VALUES_MAX = 4096 };

static void attention(const tl_ref_args *a, double *out) {
  int64_t rows = dim(a, 0, 0), heads = dim(a, 0, 1), groups = dim(a, 1, 1);
  int64_t depth = dim(a, 0, 2), width = dim(a, 2, 2);
  double scores[ROWS_MAX], values[VALUES_MAX], cap = a->attrs[4].f;
  CHECK(rows <= ROWS_MAX && rows * width <= VALUES_MAX);
  for (int64_t i = 0; i < rows * heads; i++) {
    int64_t group = (i % heads) * groups / heads;
    for (int64_t p = 0; p < rows; p++) {
      double dot = 0;
      for (int64_t d = 0; d < depth; d++)
        dot += num(a, 0, i * depth + d) * num(a, 1, (p * groups + group) * depth + d);
      for (int64_t e = 0; e < width; e++)
        values[p * width + e] = num(a, 2, (p * groups + group) * width + e);
      dot *= a->attrs[0].f;
      if (cap > 0) dot = cap * activation(6, dot / cap);
      scores[p] = sees(a, i / heads, p) ? dot : -INFINITY;
    }
    weigh(scores, rows, values, width, out + i * width);
  }
}

// What a head makes of the latent of position `p`: element `at` + l * `step` of a weight for each
// of its values.
static double expanded(const tl_ref_args *a, int weight, int64_t at, int64_t step, int64_t p) {
  double sum = 0;
  int64_t width = dim(a, 2, 1);
  for (int64_t l = 0; l < width; l++)
    sum += num(a, weight, at + l * step) * num(a, 2, p * width + l);
  return sum;
}

static void latent_attention(const tl_ref_args *a, double *out) {
  int64_t rows = dim(a, 0, 0), heads = dim(a, 0, 1), depth = dim(a, 0, 2);
  int64_t rope_width = dim(a, 1, 2), width = dim(a, 5, 1), latent = dim(a, 2, 1);
  double scores[ROWS_MAX], values[VALUES_MAX];
  CHECK(rows <= ROWS_MAX && rows * width <= VALUES_MAX);
  for (int64_t i = 0; i < rows * heads; i++) {
    int64_t head = i % heads;
    for (int64_t p = 0; p < rows; p++) {
      double dot = 0;
      for (int64_t d = 0; d < depth; d++)
        dot += num(a, 0, i * depth + d) * expanded(a, 4, head * latent * depth + d, depth, p);
      for (int64_t r = 0; r < rope_width; r++)
        dot += num(a, 1, i * rope_width + r) * num(a, 3, p * rope_width + r);
      for (int64_t e = 0; e < width; e++)
        values[p * width + e] = expanded(a, 5, (head * width + e) * latent, 1, p);
      scores[p] = p <= i / heads ? a->attrs[0].f * dot : -INFINITY;
    }
    weigh(scores, rows, values, width, out + i * width);
  }
}

static void select_rows(const tl_ref_args *a, double *out) {
  int64_t width = dim(a, 0, 1);
  for (int64_t i = 0; i < count(&a->result); i++)
    out[i] = num(a, 0, id(a, 1, i / width) * width + i % width);
}

static void same_numbers(const tl_ref_args *a, double *out) {
  for (int64_t i = 0; i < count(&a->result); i++)
    out[i] = num(a, 0, i);
}

static void slice(const tl_ref_args *a, double *out) {
  int64_t width = last(&a->result);
  for (int64_t i = 0; i < count(&a->result); i++)
    out[i] = num(a, 0, i / width * last(&a->operands[0]) + a->attrs[0].i + i % width);
}

static void concat(const tl_ref_args *a, double *out) {
  int64_t left = last(&a->operands[0]), right = last(&a->operands[1]);
  for (int64_t i = 0; i < count(&a->result); i++) {
    int64_t row = i / (left + right), column = i % (left + right);
    out[i] =
        column < left ? num(a, 0, row * left + column) : num(a, 1, row * right + column - left);
  }
}

// How many of the usable items come before item `at`.
static int64_t better(const double *items, const bool *usable, int64_t first, int64_t end,
                      int64_t at) {
  int64_t before = 0;
  for (int64_t i = first; i < end; i++) {
    bool wins = items[i] > items[at] || (items[i] == items[at] && i < at);
    before += usable[i] && i != at && wins;
  }
  return before;
}

static void group_topk(const tl_ref_args *a, double *out) {
  int64_t experts = dim(a, 0, 1), k = a->attrs[0].i, groups = a->attrs[1].i;
  int64_t size = experts / groups;
  double items[VALUES_MAX] = {0}, sums[VALUES_MAX] = {0};
  bool every[VALUES_MAX], usable[VALUES_MAX] = {0};
  CHECK(experts <= VALUES_MAX && size > 0);
  memset(every, true, sizeof every);
  for (int64_t t = 0; t < dim(a, 0, 0); t++) {
    for (int64_t e = 0; e < experts; e++)
      items[e] = (float)(num(a, 0, t * experts + e) + (a->present[1] ? num(a, 1, e) : 0));
    for (int64_t g = 0; g < groups; g++) {
      sums[g] = 0;
      for (int64_t e = g * size; e < (g + 1) * size; e++) {
        if (better(items, every, g * size, (g + 1) * size, e) < a->attrs[3].i) sums[g] += items[e];
      }
    }
    for (int64_t e = 0; e < experts; e++)
      usable[e] = better(sums, every, 0, groups, e / size) < a->attrs[2].i;
    for (int64_t e = 0; e < experts; e++) {
      int64_t place = better(items, usable, 0, experts, e);
      if (usable[e] && place < k) out[t * k + place] = (double)e;
    }
  }
}

static void take(const tl_ref_args *a, double *out) {
  for (int64_t i = 0; i < count(&a->result); i++)
    out[i] = num(a, 0, i / dim(a, 1, 1) * dim(a, 0, 1) + id(a, 1, i));
}

static void expert_linear(const tl_ref_args *a, double *out) {
  int64_t columns = dim(a, 2, 1), depth = dim(a, 2, 2), slots = dim(a, 1, 1);
  for (int64_t i = 0; i < count(&a->result); i++) {
    int64_t slot = i / columns, row = a->operands[0].rank == 3 ? slot : slot / slots;
    int64_t w_row = id(a, 1, slot) * columns + i % columns;
    out[i] = 0;
    for (int64_t k = 0; k < depth; k++)
      out[i] += num(a, 0, row * depth + k) * num(a, 2, w_row * depth + k);
  }
}

static void combine(const tl_ref_args *a, double *out) {
  int64_t slots = dim(a, 0, 1), width = dim(a, 0, 2);
  for (int64_t i = 0; i < count(&a->result); i++) {
    out[i] = 0;
    for (int64_t s = 0; s < slots; s++) {
      int64_t slot = i / width * slots + s;
      out[i] += (a->present[1] ? num(a, 1, slot) : 1) * num(a, 0, slot * width + i % width);
    }
  }
}

#define split_heads same_numbers
#define merge_heads same_numbers

bool naive_run(const op_case *c, double *out) {
  static naive_function *const functions[TL_OP_COUNT] = {
#define OP(name, ...) name,
#include "ir/ops.def"
#undef OP
  };
  functions[c->spec->op](&c->args, out);
  return true;
}
