// Causal attention whose keys and values are linear in one latent row per position.
//
//   score(p)      = scale * ((key q) . latent[p] + q_rope . k_rope[p])
//   y             = value (sum over p of softmax(score)[p] latent[p])
//
// The query is carried to the latent side (key q), which changes nothing but the rounding of
// doubles and leaves one dot product of length L per position.
#include "templates/ref/ref.h"

enum { SCALE }; // attribute

typedef struct head {
  const float *q, *q_rope; // [D], [P]
  const float *key;        // [L, D]
  const float *value;      // [E, L]
  float *out;              // [E]
  int64_t depth, width;    // D, E
} head;

static void carry_query(const head *h, int64_t latent_width, double *query) {
  for (int64_t l = 0; l < latent_width; l++)
    query[l] = tl_ref_dot(h->q, h->key + l * h->depth, h->depth);
}

// `query` [L] holds the carried query and then the weighted sum of latents; `scores` has room for
// `end` positions.
static void attend(const tl_ref_args *args, const head *h, const tl_ref_state *rows, double *query,
                   double *scores, int64_t end) {
  int64_t width = rows->key_width;
  carry_query(h, width, query);
  for (int64_t p = 0; p < end; p++) {
    double score = tl_ref_dot(h->q_rope, rows->values + p * rows->value_width, rows->value_width);
    for (int64_t l = 0; l < width; l++)
      score += query[l] * rows->keys[p * width + l];
    scores[p] = args->attrs[SCALE].f * score;
  }
  tl_ref_softmax_row(scores, end);
  memset(query, 0, (size_t)width * sizeof *query);
  for (int64_t p = 0; p < end; p++) {
    for (int64_t l = 0; l < width; l++)
      query[l] += scores[p] * rows->keys[p * width + l];
  }
  for (int64_t e = 0; e < h->width; e++) {
    double sum = 0;
    for (int64_t l = 0; l < width; l++)
      sum += query[l] * h->value[e * width + l];
    h->out[e] = (float)sum;
  }
}

TL_REF_OP(latent_attention) {
  const tl_ref_tensor *q = &args->operands[0], *q_rope = &args->operands[1];
  const tl_ref_tensor *latent = &args->operands[2], *k_rope = &args->operands[3];
  int64_t rows_count = q->dims[0], heads = q->dims[1], depth = q->dims[2];
  int64_t width = latent->dims[1], rope = k_rope->dims[1], value = args->operands[5].dims[1];
  tl_ref_state all = {latent->f, k_rope->f, width, rope, rows_count, rows_count};
  if (args->state) {
    TL_TRY(tl_ref_state_append(args->state, latent->f, k_rope->f, rows_count));
    all = *args->state;
  }
  double *query = tl_arena_array(args->scratch, (size_t)width, sizeof *query);
  double *scores = tl_arena_array(args->scratch, (size_t)all.length, sizeof *scores);
  if (!query || !scores) return TL_MEMORY;
  for (int64_t row = 0; row < rows_count * heads; row++) {
    head h = {q->f + row * depth,
              q_rope->f + row * rope,
              args->operands[4].f + row % heads * width * depth,
              args->operands[5].f + row % heads * value * width,
              args->result.f + row * value,
              depth,
              value};
    attend(args, &h, &all, query, scores, all.length - rows_count + row / heads + 1);
  }
  return TL_OK;
}
