// Softmax attention of T new rows over the rows of their sequence.
//
// Row r is at position p = length before the call + r. It sees the positions in [first, end):
//
//   causal  end = p + 1        window W: first > p - W
//   full    end = all rows     chunk C:  first = p / C * C, end <= that + C
//
// Head h of H reads key head h / (H / G). Without a cache the rows of the call are the sequence.
#include <math.h>

#include "templates/ref/ref.h"

enum { SCALE, MASK, WINDOW, CHUNK, SOFTCAP }; // attributes

typedef struct range {
  int64_t first, end;
} range;

static range visible(const tl_ref_attr *attrs, int64_t position, int64_t rows_count) {
  range seen = {0, attrs[MASK].i == 0 ? position + 1 : rows_count};
  int64_t window = attrs[WINDOW].i, chunk = attrs[CHUNK].i;
  if (window && position - window + 1 > seen.first) seen.first = position - window + 1;
  if (chunk) {
    seen.first = position / chunk * chunk;
    if (seen.end > seen.first + chunk) seen.end = seen.first + chunk;
  }
  return seen;
}

// One head of one row: q [D] against keys and values, which are the first of their head. `scratch`
// holds a score per position seen, then the sums [E].
static void attend(const tl_ref_args *args, const float *q, const tl_ref_state *rows, range seen,
                   double *scratch, float *out) {
  const tl_ref_attr *attrs = args->attrs;
  int64_t depth = args->operands[0].dims[2], width = args->operands[2].dims[2];
  double *scores = scratch, *sums = scratch + (seen.end - seen.first), cap = attrs[SOFTCAP].f;
  for (int64_t p = seen.first; p < seen.end; p++) {
    double score = attrs[SCALE].f * tl_ref_dot(q, rows->keys + p * rows->key_width, depth);
    scores[p - seen.first] = cap > 0 ? cap * tanh(score / cap) : score;
  }
  tl_ref_softmax_row(scores, seen.end - seen.first);
  memset(sums, 0, (size_t)width * sizeof *sums);
  for (int64_t p = seen.first; p < seen.end; p++) {
    const float *value = rows->values + p * rows->value_width;
    for (int64_t e = 0; e < width; e++)
      sums[e] += scores[p - seen.first] * value[e];
  }
  for (int64_t e = 0; e < width; e++)
    out[e] = (float)sums[e];
}

TL_REF_OP(attention) {
  const tl_ref_tensor *q = &args->operands[0], *k = &args->operands[1], *v = &args->operands[2];
  int64_t rows_count = q->dims[0], heads = q->dims[1], groups = k->dims[1];
  int64_t depth = q->dims[2], width = v->dims[2];
  tl_ref_state all = {k->f, v->f, groups * depth, groups * width, rows_count, rows_count};
  if (args->state) {
    TL_TRY(tl_ref_state_append(args->state, k->f, v->f, rows_count));
    all = *args->state;
  }
  double *scratch = tl_arena_array(args->scratch, (size_t)(all.length + width), sizeof *scratch);
  if (!scratch) return TL_MEMORY;
  for (int64_t row = 0; row < rows_count * heads; row++) {
    int64_t group = row % heads / (heads / groups);
    range seen = visible(args->attrs, all.length - rows_count + row / heads, all.length);
    tl_ref_state head = all;
    head.keys += group * depth;
    head.values += group * width;
    attend(args, q->f + row * depth, &head, seen, scratch, args->result.f + row * width);
  }
  return TL_OK;
}
