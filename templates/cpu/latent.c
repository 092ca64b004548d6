// latent: attention of some rows to latent rows, which are keys with their rotated part and values
// without it, once for all heads.
//
//   q (rows, T_HEADS * T_KEY), turned (rows, T_HEADS * T_VALUE) in T_CACHE's format
//   out (rows, T_HEADS * T_KEY) in T_INPUT: the weighted mean of latents
//   page: a panel whose rows are 64 positions and whose K is { latent [T_KEY], turned [T_VALUE] }
//   args: q, turned, out, state, bytes from page to page, group, row bytes of q, turned, out
//   item: piece of work * blocks of T_QUERIES heads + block
//
// As in attention, a page gives one partial, pages are merged in ascending order and invisible
// positions add exact zeros. The mean takes the page as it lies: each of its lines holds one value
// of all 64 positions, so a mean is a dot product with the weights.
#include "templates/cpu/micro.h"
#include "templates/cpu/statements.h"

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end);

// Query vectors of one tile: heads of a row, rows after each other.
typedef struct tile {
  int64_t count;
  int64_t position[TL_MICRO_ROWS_MAX];
  char *out[TL_MICRO_ROWS_MAX];
  float largest[TL_MICRO_ROWS_MAX], total[TL_MICRO_ROWS_MAX];
  float *weights;     // [TL_QUERY_ROWS][64]: scores, then weights
  float *sum;         // [TL_QUERY_ROWS][padded latent]
  char *queries;      // [TL_QUERY_ROWS][T_KEY + T_VALUE] in T_CACHE
  int64_t tiles_rows; // of the tile registers
} tile;

// Bytes of a value that meets the pages': of queries.
TL_INLINE int64_t operand(void) {
  return T_CACHE == TL_CPU_BF16 ? TL_OPERAND_BYTES : 4;
}

TL_INLINE int64_t padded(void) {
  return (T_KEY + 15) / 16 * 16;
}

TL_INLINE void score(tile *t, const char *page) {
  const int64_t width = T_KEY + T_VALUE;
  for (int64_t column = 0; column < 64; column += TL_MICRO_VECTORS * VW) {
    tl_micro m = {.x = t->queries,
                  .x_step = width * operand(),
                  .panel = page + column * 4,
                  .panel_step = 64 * 4,
                  .columns = width,
                  .out = t->weights + column,
                  .out_stride = 64,
                  .tiles_rows = &t->tiles_rows};
    tl_micro_rows(&m, T_CACHE, t->count, TL_MICRO_VECTORS, column, width % TL_TILES_STEP != 0);
  }
}

// Scores of one row to weights; returns what the row's sum so far is multiplied by.
TL_INLINE float weigh(tile *t, int64_t r, int64_t block) {
  float *scores = t->weights + r * 64;
  const vf none = vf_all(-__builtin_inff());
  int64_t high = t->position[r] - block * 64;
  vi lane;
  TL_UNROLL for (int i = 0; i < VW; i++) lane[i] = i;
  vf largest = none;
  for (int j = 0; j < 64; j += VW) {
    vi hidden = lane + j > (vi){0} + (int32_t)(high > 63 ? 63 : high);
    vf s = vf_load(scores + j) * vf_all((float)T_SCALE);
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
    vf_store(scores + j, w);
  }
  t->largest[r] = top;
  t->total[r] = t->total[r] * keep + vf_total(sum);
  return keep;
}

// Sums over the lanes of VW vectors, in their order: pairs of vectors are folded into one, each
// time half as many.
TL_INLINE vf fold(vf a, vf b, const int half) {
  vf low, high;
  TL_UNROLL for (int i = 0; i < VW; i++) {
    int from = i / (2 * half) * 2 * half + i % half;
    low[i] = i / half % 2 ? b[from] : a[from];
    high[i] = i / half % 2 ? b[from + half] : a[from + half];
  }
  return low + high;
}

TL_INLINE vf totals(vf *acc) {
  TL_UNROLL for (int half = VW / 2; half > 0; half /= 2) {
    TL_UNROLL for (int i = 0; i < half; i++) acc[i] = fold(acc[i], acc[i + half], half);
  }
  return acc[0];
}

// Lanes [lane, lane + VW) of a page's line; those of positions that are not there yet may be
// anything and count as 0.
TL_INLINE vu line_lanes(const char *page, int64_t line, int64_t lane, int64_t count) {
  vu all = *(const vu_loose *)(page + (line * 64 + lane) * 4);
  if (count == 64) return all;
  vi at;
  TL_UNROLL for (int i = 0; i < VW; i++) at[i] = i;
  return all & (vu)(at + (int32_t)lane < (vi){0} + (int32_t)count);
}

// Adds to `acc` what lanes [lane, lane + VW) give to the means of values first .. first + VW - 1.
TL_INLINE void mix_lanes(vf *acc, const char *page, vf weights, int64_t first, int64_t lane,
                         int64_t count) {
  const int64_t width = T_KEY + T_VALUE;
  if (T_CACHE == TL_CPU_BF16) {
    TL_UNROLL for (int i = 0; i < VW; i += 2) {
      if (first + i >= width) continue;
      vu both = line_lanes(page, first / 2 + i / 2, lane, count);
      acc[i] = vf_fma(weights, (vf)(both << 16), acc[i]);
      acc[i + 1] = vf_fma(weights, (vf)(both & 0xffff0000u), acc[i + 1]);
    }
  } else {
    TL_UNROLL for (int i = 0; i < VW; i++) {
      if (first + i >= width) continue;
      acc[i] = vf_fma(weights, (vf)line_lanes(page, first + i, lane, count), acc[i]);
    }
  }
}

// sum = sum * keep + weights x latents of the page's first `count` positions.
TL_INLINE void mix(tile *t, const char *page, const float *keep, int64_t count) {
  for (int64_t first = 0; first < T_KEY; first += VW) {
    for (int64_t r = 0; r < t->count; r++) {
      vf acc[VW];
      TL_UNROLL for (int i = 0; i < VW; i++) acc[i] = (vf){0};
      for (int64_t lane = 0; lane < 64; lane += VW)
        mix_lanes(acc, page, vf_load(t->weights + r * 64 + lane), first, lane, count);
      float *sum = t->sum + r * padded() + first;
      vf_store(sum, vf_fma(vf_load(sum), vf_all(keep[r]), totals(acc)));
    }
  }
}

TL_INLINE void run_block(tile *t, const char *page, int64_t block, int64_t count) {
  float keep[TL_MICRO_ROWS_MAX];
  score(t, page);
  for (int64_t r = 0; r < t->count; r++)
    keep[r] = weigh(t, r, block);
  if (count == 64) {
    mix(t, page, keep, 64);
  } else {
    mix(t, page, keep, count);
  }
}

TL_INLINE void run_tile(tile *t, const tl_arg *args, const int32_t *pages) {
  int64_t high = t->position[t->count - 1];
  for (int64_t r = 0; r < t->count; r++) {
    t->largest[r] = -__builtin_inff();
    t->total[r] = 0;
  }
  for (int64_t i = 0; i < t->count * padded(); i += VW)
    vf_store(t->sum + i, (vf){0});
  for (int64_t block = 0; block <= high / 64; block++) {
    int64_t count = high - block * 64 + 1;
    const char *page = (const char *)args[3].in + pages[block] * args[4].i;
    run_block(t, page, block, count < 64 ? count : 64);
  }
  for (int64_t r = 0; r < t->count; r++) {
    float by = 1.0f / t->total[r];
    for (int64_t c = 0; c < T_KEY; c++)
      tl_store_one(t->out[r], c, t->sum[r * padded() + c] * by, T_INPUT == TL_CPU_BF16,
                   args[8].i / 2);
  }
}

TL_INLINE void zero_tail(const tl_arg *args, int64_t row) {
  char *out = (char *)args[2].out + row * args[8].i;
  for (int64_t at = T_HEADS * T_KEY; at < args[8].i / 4; at++)
    tl_store_one(out, at, 0, T_INPUT == TL_CPU_BF16, args[8].i / 2);
}

TL_INLINE void copy_query(char *to, const char *from, int64_t count) {
  for (int64_t i = 0; i < count * operand() / 2; i++)
    ((uint16_t *)to)[i] = ((const uint16_t *)from)[i];
}

TL_INLINE void run_item(const tl_arg *args, const tl_step *step, char *scratch, int64_t item,
                        int64_t *tiles_rows) {
  const int64_t blocks = (T_HEADS + T_QUERIES - 1) / T_QUERIES, width = T_KEY + T_VALUE;
  const tl_step_work *work =
      (const tl_step_work *)((const char *)step + step->work) + item / blocks;
  int64_t head = item % blocks * T_QUERIES, heads = T_HEADS - head;
  if (heads > T_QUERIES) heads = T_QUERIES;
  const int32_t *pages =
      tl_step_ints(step, step->pages[args[5].i]) + (int64_t)work->sequence * step->pages_max;
  int64_t out_bytes = T_INPUT == TL_CPU_BF16 ? TL_OPERAND_BYTES : 4,
          most = tl_micro_rows_max(T_CACHE);
  tile t = {.weights = (float *)scratch, .tiles_rows = *tiles_rows};
  t.sum = t.weights + TL_QUERY_ROWS * 64;
  t.queries = (char *)(t.sum + TL_QUERY_ROWS * padded());
  for (int64_t v = 0, vectors = work->rows_count * heads; v < vectors; v += t.count) {
    t.count = vectors - v < most ? vectors - v : most;
    for (int64_t r = 0; r < t.count; r++) {
      int64_t row = (v + r) / heads, query = head + (v + r) % heads, at = work->first_row + row;
      char *to = t.queries + r * width * operand();
      t.position[r] = work->first_position + row;
      copy_query(to, (const char *)args[0].in + at * args[6].i + query * T_KEY * operand(), T_KEY);
      copy_query(to + T_KEY * operand(),
                 (const char *)args[1].in + at * args[7].i + query * T_VALUE * operand(), T_VALUE);
      t.out[r] = (char *)args[2].out + at * args[8].i + query * T_KEY * out_bytes;
    }
    run_tile(&t, args, pages);
  }
  *tiles_rows = t.tiles_rows;
  if (head + heads < T_HEADS) return;
  for (int64_t row = 0; row < work->rows_count; row++)
    zero_tail(args, work->first_row + row);
}

void tl_kernel_entry(const tl_arg *args, const tl_step *step, char *scratch, int64_t begin,
                     int64_t end) {
  int64_t tiles_rows = 0;
  for (int64_t item = begin; item < end; item++)
    run_item(args, step, scratch, item, &tiles_rows);
  tl_tiles_finish(tiles_rows);
}
