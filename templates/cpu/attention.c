// attention: rows of a sequence over its pages, softmax online, one partial per page of positions.
//
//   q (rows, T_HEADS * T_QUERIES * T_KEY) in T_CACHE's format
//   out (rows, heads * T_VALUE) in T_INPUT
//   args: q, out, state, bytes from page to page, group, q row bytes, out row bytes
//   item: piece of work * T_HEADS + key head
//
// Each page gives (m, l, o) over its 64 positions; pages are merged in ascending order, invisible
// positions add exact zeros, so a row's result is the same however rows are cut into steps.
#include "templates/cpu/micro.h"
#include "templates/cpu/statements.h"

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end);

// Query vectors of one tile: consecutive (row, query head) pairs of one key head.
typedef struct tile {
  int64_t count;
  int64_t position[TL_MICRO_ROWS_MAX];
  char *out[TL_MICRO_ROWS_MAX];
  float largest[TL_MICRO_ROWS_MAX], total[TL_MICRO_ROWS_MAX];
  float *scores;      // [TL_QUERY_ROWS][64]
  float *part;        // [TL_QUERY_ROWS][padded value]
  float *sum;         // the same
  char *weights;      // [TL_QUERY_ROWS][64] in T_CACHE
  char *queries;      // [TL_QUERY_ROWS][T_KEY] in T_CACHE
  char *last;         // values of the last positions, see last_values
  int64_t tiles_rows; // of the tile registers
} tile;

TL_INLINE int64_t cell(void) {
  return T_CACHE == TL_CPU_BF16 ? 2 : 4;
}

// Bytes of a value that meets the pages': of queries and weights.
TL_INLINE int64_t operand(void) {
  return T_CACHE == TL_CPU_BF16 ? TL_OPERAND_BYTES : 4;
}

TL_INLINE int64_t pair_bytes(void) {
  return 4; // two bf16 or one f32
}

TL_INLINE int64_t padded(void) {
  return (T_VALUE + 15) / 16 * 16;
}

// First position that `position` sees.
TL_INLINE int64_t first_visible(int64_t position) {
  int64_t first = 0;
  if (T_WINDOW && position - T_WINDOW + 1 > first) first = position - T_WINDOW + 1;
  if (T_CHUNK && position / T_CHUNK * T_CHUNK > first) first = position / T_CHUNK * T_CHUNK;
  return first;
}

TL_INLINE void score(tile *t, const char *keys) {
  for (int64_t column = 0; column < 64; column += TL_MICRO_VECTORS * VW) {
    tl_micro m = {.x = t->queries,
                  .x_step = T_KEY * operand(),
                  .panel = keys + column * pair_bytes(),
                  .panel_step = 64 * pair_bytes(),
                  .columns = T_KEY,
                  .out = t->scores + column,
                  .out_stride = 64,
                  .tiles_rows = &t->tiles_rows};
    tl_micro_rows(&m, T_CACHE, t->count, TL_MICRO_VECTORS, column, T_KEY % TL_TILES_STEP != 0);
  }
}

TL_INLINE vf tanh_capped(vf x) {
  return T_SOFTCAP != 0 ? vf_all((float)T_SOFTCAP) * vf_tanh(x / vf_all((float)T_SOFTCAP)) : x;
}

// Scores of one row to weights; returns what the row's sum so far is multiplied by.
TL_INLINE float weigh(tile *t, int64_t r, int64_t block) {
  float *scores = t->scores + r * 64;
  const vf none = vf_all(-__builtin_inff());
  int64_t low = first_visible(t->position[r]) - block * 64, high = t->position[r] - block * 64;
  vi lane;
  TL_UNROLL for (int i = 0; i < VW; i++) lane[i] = i;
  vf largest = none;
  for (int j = 0; j < 64; j += VW) {
    vi at = lane + j;
    vi hidden = (at < (vi){0} + (int32_t)(low < 0 ? 0 : low)) |
                (at > (vi){0} + (int32_t)(high > 63 ? 63 : high));
    vf s = tanh_capped(vf_load(scores + j) * vf_all((float)T_SCALE));
    s = (vf)(((vi)s & ~hidden) | ((vi)none & hidden));
    vf_store(scores + j, s);
    largest = __builtin_elementwise_max(largest, s);
  }
  float top = vf_largest(largest);
  if (!(top > t->largest[r])) top = t->largest[r];
  float keep = t->largest[r] == top ? 1.0f : vf_exp(vf_all(t->largest[r] - top))[0];
  float shift = top == -__builtin_inff() ? 0.0f : top;
  vf sum = {0};
  for (int j = 0; j < 64; j += VW) {
    vf w = vf_exp(vf_load(scores + j) - vf_all(shift));
    sum += w;
    tl_store_vector(t->weights, r * 64 + j, w, T_CACHE == TL_CPU_BF16, 0);
  }
  t->largest[r] = top;
  t->total[r] = t->total[r] * keep + vf_total(sum);
  return keep;
}

TL_INLINE void mix_columns(tile *t, tl_micro *m, const char *values, int64_t column,
                           const int vectors) {
  m->panel = values + column * pair_bytes();
  m->out = t->part + column;
  tl_micro_rows(m, T_CACHE, t->count, vectors, column, false);
}

// part (+)= weights x values of positions [first, first + count) of a block, their values at
// `values`.
TL_INLINE void mix_positions(tile *t, const char *values, int64_t first, int64_t count) {
  int64_t column = 0;
  tl_micro m = {.x = t->weights + first * operand(),
                .x_step = 64 * operand(),
                .panel_step = padded() * pair_bytes(),
                .columns = count,
                .more = first > 0,
                .out_stride = padded(),
                .tiles_rows = &t->tiles_rows};
  for (; column + TL_MICRO_VECTORS * VW <= padded(); column += TL_MICRO_VECTORS * VW)
    mix_columns(t, &m, values, column, TL_MICRO_VECTORS);
  for (; column < padded(); column += VW)
    mix_columns(t, &m, values, column, 1);
}

// A copy of `count` positions' values, zeros up to a whole step of the tile unit: what lies after
// them in the page may be another sequence's.
TL_INLINE const char *last_values(const tile *t, const char *values, int64_t count) {
  int64_t pair_row = padded() * pair_bytes();
  for (int64_t i = 0; i < TL_TILES_STEP / 2; i++) {
    const vu_loose *from = (const vu_loose *)(values + i * pair_row);
    vu_loose *to = (vu_loose *)(t->last + i * pair_row);
    uint32_t mask = 2 * i + 1 < count ? 0xffffffffu : 2 * i < count ? 0xffffu : 0;
    for (int64_t c = 0; c < padded() / VW; c++)
      to[c] = mask ? from[c] & mask : (vu){0};
  }
  return t->last;
}

// part = weights x values of the block's first `count` positions. The tile unit always takes whole
// steps of them, so that a row's sum does not depend on how many positions its neighbours see.
TL_INLINE void mix(tile *t, const char *values, int64_t count) {
  int64_t rest = TL_TILES && T_CACHE == TL_CPU_BF16 ? count % TL_TILES_STEP : 0;
  if (count > rest) mix_positions(t, values, 0, count - rest);
  if (rest == 0) return;
  values += (count - rest) / 2 * padded() * pair_bytes();
  mix_positions(t, last_values(t, values, rest), count - rest, TL_TILES_STEP);
}

TL_INLINE void run_block(tile *t, const char *head, int64_t block, int64_t count) {
  float keep[TL_MICRO_ROWS_MAX];
  score(t, head);
  for (int64_t r = 0; r < t->count; r++)
    keep[r] = weigh(t, r, block);
  mix(t, head + tl_page_key_bytes(T_KEY, (int)cell()), count);
  for (int64_t r = 0; r < t->count; r++) {
    float *sum = t->sum + r * padded(), *part = t->part + r * padded();
    for (int64_t c = 0; c < padded(); c += VW) {
      vf_store(sum + c, vf_fma(vf_load(sum + c), vf_all(keep[r]), vf_load(part + c)));
    }
  }
}

TL_INLINE void finish(const tile *t, int64_t plane) {
  for (int64_t r = 0; r < t->count; r++) {
    float by = 1.0f / t->total[r];
    const float *sum = t->sum + r * padded();
    for (int64_t c = 0; c < T_VALUE; c++)
      tl_store_one(t->out[r], c, sum[c] * by, T_INPUT == TL_CPU_BF16, plane);
  }
}

TL_INLINE void run_tile(tile *t, const tl_arg *args, const int32_t *pages, int64_t head) {
  int64_t head_bytes =
      tl_page_key_bytes(T_KEY, (int)cell()) + tl_page_value_bytes(T_VALUE, (int)cell());
  int64_t low = first_visible(t->position[0]), high = t->position[t->count - 1];
  for (int64_t r = 0; r < t->count; r++) {
    t->largest[r] = -__builtin_inff();
    t->total[r] = 0;
  }
  for (int64_t i = 0; i < t->count * padded(); i += VW)
    vf_store(t->sum + i, (vf){0});
  for (int64_t block = low / 64; block <= high / 64; block++) {
    const char *page = (const char *)args[2].in + pages[block] * args[3].i;
    int64_t count = high - block * 64 + 1;
    run_block(t, page + head * head_bytes, block, count < 64 ? count : 64);
  }
  finish(t, args[6].i / 2);
}

TL_INLINE void zero_tail(const tl_arg *args, int64_t row) {
  char *out = (char *)args[1].out + row * args[6].i;
  for (int64_t at = T_HEADS * T_QUERIES * T_VALUE; at < args[6].i / 4; at++)
    tl_store_one(out, at, 0, T_INPUT == TL_CPU_BF16, args[6].i / 2);
}

TL_INLINE void copy_query(char *to, const char *from) {
  for (int64_t i = 0; i < T_KEY * operand() / 4; i++)
    ((uint32_t *)to)[i] = ((const uint32_t *)from)[i];
}

TL_INLINE void run_item(const tl_arg *args, const tl_step *step, char *scratch, int64_t item,
                        int64_t *tiles_rows) {
  const tl_step_work *work =
      (const tl_step_work *)((const char *)step + step->work) + item / T_HEADS;
  int64_t head = item % T_HEADS, vectors = work->rows_count * T_QUERIES;
  const tl_step_sequence *sequence =
      (const tl_step_sequence *)((const char *)step + step->sequences) + work->sequence;
  int64_t last = sequence->first_position + sequence->rows_count - 1;
  const int32_t *pages =
      tl_step_ints(step, step->pages[args[4].i]) + (int64_t)work->sequence * step->pages_max;
  int64_t in_bytes = operand(), out_bytes = T_INPUT == TL_CPU_BF16 ? TL_OPERAND_BYTES : 4;
  tile t = {.scores = (float *)scratch, .tiles_rows = *tiles_rows};
  t.part = t.scores + TL_QUERY_ROWS * 64;
  t.sum = t.part + TL_QUERY_ROWS * padded();
  t.weights = (char *)(t.sum + TL_QUERY_ROWS * padded());
  t.queries = t.weights + TL_QUERY_ROWS * 64 * operand();
  t.last = t.queries + TL_QUERY_ROWS * ((T_KEY + 15) / 16 * 16) * operand();
  for (int64_t v = 0; v < vectors; v += t.count) {
    int64_t most = tl_micro_rows_max(T_CACHE);
    t.count = vectors - v < most ? vectors - v : most;
    for (int64_t r = 0; r < t.count; r++) {
      int64_t row = (v + r) / T_QUERIES, query = head * T_QUERIES + (v + r) % T_QUERIES;
      t.position[r] = T_FULL ? last : work->first_position + row;
      copy_query(t.queries + r * T_KEY * in_bytes, (const char *)args[0].in +
                                                       (work->first_row + row) * args[5].i +
                                                       query * T_KEY * in_bytes);
      t.out[r] =
          (char *)args[1].out + (work->first_row + row) * args[6].i + query * T_VALUE * out_bytes;
    }
    run_tile(&t, args, pages, head);
  }
  *tiles_rows = t.tiles_rows;
  if (head == T_HEADS - 1) {
    for (int64_t row = 0; row < work->rows_count; row++)
      zero_tail(args, work->first_row + row);
  }
}

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end) {
  int64_t tiles_rows = 0;
  for (int64_t item = begin; item < end; item++)
    run_item(args, step, scratch, item, &tiles_rows);
  tl_tiles_finish(tiles_rows);
}
