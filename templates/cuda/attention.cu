// attention: rows of a sequence over its pages, softmax online, one partial per page of positions.
//
//   q (rows, T_HEADS * T_QUERIES * T_KEY) in T_CACHE's format; out (rows, heads * T_VALUE) in T_INPUT
//   args: see attention.cuh
//   grid: piece of work * T_HEADS + key head
//   shared: queries [VECTORS][T_KEY], scores [VECTORS][64], sums [VECTORS][T_VALUE], all f32, then
//           per vector its largest score, total and what its sums are kept by
//
// A block has up to VECTORS query vectors of one key head: consecutive (row, query head) pairs. Each
// page gives (m, l, o) over its 64 positions; pages are merged in ascending order.
#include "templates/cuda/attention.cuh"
#include "templates/cuda/latent_share.cuh"

#define VECTORS 16

// Places in shared memory.
#define QUERIES 0
#define SCORES (QUERIES + VECTORS * T_KEY * 4)
#define SUMS (SCORES + VECTORS * 64 * 4)
#define LARGEST (SUMS + VECTORS * T_VALUE * 4)
#define TOTAL (LARGEST + VECTORS * 4)
#define KEEP (TOTAL + VECTORS * 4)

TL_INLINE void load_queries(const query_tile *t) {
  for (tl_i32 i = tl_thread(); i < t->count * T_KEY; i += T_THREADS) {
    tl_shared_put_f32((tl_u32)(QUERIES + i * 4), query_value(t, i / T_KEY, i % T_KEY));
  }
  for (tl_i32 i = tl_thread(); i < t->count * T_VALUE; i += T_THREADS)
    tl_shared_put_f32((tl_u32)(SUMS + i * 4), 0.0f);
  for (tl_i32 i = tl_thread(); i < t->count; i += T_THREADS) {
    tl_shared_put_f32((tl_u32)(LARGEST + i * 4), NONE);
    tl_shared_put_f32((tl_u32)(TOTAL + i * 4), 0.0f);
  }
}

TL_INLINE void score(const query_tile *t, const char *keys, tl_i32 block) {
  for (tl_i32 i = tl_thread(); i < t->count * 64; i += T_THREADS) {
    tl_i32 vector = i / 64, position = block * 64 + i % 64, own = position_of(t, vector);
    float sum = NONE;
    if (position <= own && position >= first_visible(own)) {
      tl_i64 key = (tl_i64)(i % 64) * TL_PAGE_ROW(T_KEY);
      sum = 0;
      for (tl_i32 d = 0; d < T_KEY; d++) {
        float q = tl_shared_f32((tl_u32)(QUERIES + (vector * T_KEY + d) * 4));
        sum = tl_fma(q, tl_load_value(keys, key + d, T_CACHE_BF16), sum);
      }
      sum *= (float)T_SCALE;
      if (T_SOFTCAP != 0) sum = (float)T_SOFTCAP * tl_tanh(sum / (float)T_SOFTCAP);
    }
    tl_shared_put_f32((tl_u32)(SCORES + i * 4), sum);
  }
}

// A warp per vector: scores to weights, in the pages' format.
TL_INLINE void weigh(const query_tile *t) {
  tl_i32 lane = tl_thread() % 32;
  for (tl_i32 vector = tl_thread() / 32; vector < t->count; vector += T_THREADS / 32) {
    tl_u32 at = (tl_u32)(SCORES + (vector * 64 + lane) * 4);
    float left = tl_shared_f32(at), right = tl_shared_f32(at + 128), top = tl_max(left, right);
    TL_UNROLL for (tl_i32 mask = 16; mask > 0; mask /= 2)
      top = tl_max(top, tl_from_lane_xor(top, mask));
    float before = tl_shared_f32((tl_u32)(LARGEST + vector * 4));
    top = tl_max(top, before);
    float shift = top == NONE ? 0.0f : top;
    left = tl_exp(left - shift);
    right = tl_exp(right - shift);
    float sum = tl_warp_sum(left + right), keep = before == top ? 1.0f : tl_exp(before - top);
    tl_shared_put_f32(at, T_CACHE_BF16 ? tl_from_bf16(tl_pack_bf16(left, 0.0f)) : left);
    tl_shared_put_f32(at + 128, T_CACHE_BF16 ? tl_from_bf16(tl_pack_bf16(right, 0.0f)) : right);
    tl_warp_barrier(); // all lanes have read what the first one writes
    if (lane == 0) {
      float total = tl_shared_f32((tl_u32)(TOTAL + vector * 4));
      tl_shared_put_f32((tl_u32)(LARGEST + vector * 4), top);
      tl_shared_put_f32((tl_u32)(TOTAL + vector * 4), tl_fma(total, keep, sum));
      tl_shared_put_f32((tl_u32)(KEEP + vector * 4), keep);
    }
  }
}

// Positions past the last one that any vector sees may be another sequence's: not read.
TL_INLINE void mix(const query_tile *t, const char *values, tl_i32 count) {
  for (tl_i32 i = tl_thread(); i < t->count * T_VALUE; i += T_THREADS) {
    tl_i32 vector = i / T_VALUE, column = i % T_VALUE;
    float part = 0;
    for (tl_i32 p = 0; p < count; p++) {
      float weight = tl_shared_f32((tl_u32)(SCORES + (vector * 64 + p) * 4));
      float value =
          tl_load_value(values, (tl_i64)p * VALUES_ROW + column, T_CACHE_BF16);
      part = tl_fma(weight, value, part);
    }
    float keep = tl_shared_f32((tl_u32)(KEEP + vector * 4));
    tl_u32 at = (tl_u32)(SUMS + i * 4);
    tl_shared_put_f32(at, tl_fma(tl_shared_f32(at), keep, part));
  }
}

TL_INLINE void finish(const query_tile *t) {
  for (tl_i32 i = tl_thread(); i < t->count * T_VALUE; i += T_THREADS) {
    tl_i32 vector = i / T_VALUE;
    float x = tl_shared_f32((tl_u32)(SUMS + i * 4));
    x /= tl_shared_f32((tl_u32)(TOTAL + vector * 4));
    tl_i64 at = place_of(t, vector, T_VALUE) + i % T_VALUE;
    tl_store_value(row_of(t, vector, 1), at, x, T_INPUT_BF16);
  }
}

TL_INLINE void run_tile(const query_tile *t) {
  tl_i32 low = first_visible(position_of(t, 0)), high = position_of(t, t->count - 1);
  load_queries(t);
  tl_barrier();
  for (tl_i32 block = low / 64; block <= high / 64; block++) {
    const char *head = head_of_page(t, block);
    tl_i32 left = high - block * 64 + 1;
    score(t, head, block);
    tl_barrier();
    weigh(t);
    tl_barrier();
    mix(t, head + VALUES_AT, left < 64 ? left : 64);
    tl_barrier();
  }
  finish(t);
  tl_barrier();
}

// Whether the tile's sequence is another kernel's.
TL_INLINE tl_i32 is_left_out(const query_tile *t, const tl_step *step) {
  if (!T_TURNED) return 0;
  tl_share share = tl_share_at(t->a, 9);
  tl_sequence s = tl_sequence_at(step, t->sequence);
  return tl_is_expanded(&s, share, tl_expanded_end(step, share));
}

TL_KERNEL(T_THREADS, 1) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  tl_i32 piece = tl_block() / T_HEADS;
  tl_wait_for_launch();
  if (piece >= step->work_count) return;
  query_tile t = tile_of_piece(&a, step, piece, tl_block() % T_HEADS);
  if (is_left_out(&t, step)) return;
  for (; t.first < t.rows * T_QUERIES; t.first += VECTORS) {
    tl_i32 left = t.rows * T_QUERIES - t.first;
    t.count = left < VECTORS ? left : VECTORS;
    run_tile(&t);
  }
  if (t.head == T_HEADS - 1) zero_tail(&t);
  tl_allow_next_launch();
}
