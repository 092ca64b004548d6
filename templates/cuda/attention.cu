// attention: rows of a sequence over its pages, softmax online, one partial per page of positions.
//
//   q (rows, T_HEADS * T_QUERIES * T_KEY) in T_CACHE's format; out (rows, heads * T_VALUE) in T_INPUT
//   args: q, out, state, bytes from page to page, group, q row bytes, out row bytes
//   grid: piece of work * T_HEADS + key head
//   shared: queries [VECTORS][T_KEY], scores [VECTORS][64], sums [VECTORS][T_VALUE], all f32, then
//           per vector its largest score, total and what its sums are kept by
//
// A block has up to VECTORS query vectors of one key head: consecutive (row, query head) pairs. Each
// page gives (m, l, o) over its 64 positions; pages are merged in ascending order.
#include "templates/cuda/page.cuh"
#include "templates/cuda/rows.cuh"

#define VECTORS 16
#define CELL (T_CACHE_BF16 ? 2 : 4)
#define NONE tl_bits_f32(0xff800000u) // minus infinity

// Places in shared memory.
#define QUERIES 0
#define SCORES (QUERIES + VECTORS * T_KEY * 4)
#define SUMS (SCORES + VECTORS * 64 * 4)
#define LARGEST (SUMS + VECTORS * T_VALUE * 4)
#define TOTAL (LARGEST + VECTORS * 4)
#define KEEP (TOTAL + VECTORS * 4)

typedef struct query_tile {
  const tl_arguments *a;
  tl_i32 head, first_row, first_position; // of the piece of work
  tl_i32 first, count;                    // query vectors of the piece
} query_tile;

TL_INLINE tl_i32 position_of(const query_tile *t, tl_i32 vector) {
  return t->first_position + (t->first + vector) / T_QUERIES;
}

// First position that `position` sees.
TL_INLINE tl_i32 first_visible(tl_i32 position) {
  tl_i32 first = 0;
  if (T_WINDOW && position - T_WINDOW + 1 > first) first = position - T_WINDOW + 1;
  if (T_CHUNK && position / T_CHUNK * T_CHUNK > first) first = position / T_CHUNK * T_CHUNK;
  return first;
}

// Index of a vector's first value in its row of `values` a head.
TL_INLINE tl_i64 place_of(const query_tile *t, tl_i32 vector, tl_i32 values) {
  tl_i32 query = (t->first + vector) % T_QUERIES;
  return (tl_i64)(t->head * T_QUERIES + query) * values;
}

TL_INLINE char *row_of(const query_tile *t, tl_i32 vector, tl_i32 argument) {
  tl_i64 row = t->first_row + (t->first + vector) / T_QUERIES;
  return (char *)t->a->at[argument].p + row * t->a->at[5 + argument].i;
}

TL_INLINE void load_queries(const query_tile *t) {
  for (tl_i32 i = tl_thread(); i < t->count * T_KEY; i += T_THREADS) {
    const char *row = row_of(t, i / T_KEY, 0);
    float x = tl_load_value(row, place_of(t, i / T_KEY, T_KEY) + i % T_KEY, T_CACHE_BF16);
    tl_shared_put_f32((tl_u32)(QUERIES + i * 4), x);
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
          tl_load_value(values, (tl_i64)p * TL_PAGE_ROW(T_VALUE) + column, T_CACHE_BF16);
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

TL_INLINE void run_tile(const query_tile *t, const tl_step *step, tl_i32 sequence) {
  const tl_arguments *a = t->a;
  tl_i32 low = first_visible(position_of(t, 0)), high = position_of(t, t->count - 1);
  load_queries(t);
  tl_barrier();
  for (tl_i32 block = low / 64; block <= high / 64; block++) {
    tl_u32 table = step->pages[a->at[4].i];
    tl_i64 page = tl_step_int(step, table, (tl_i64)sequence * step->pages_max + block);
    const char *head = (const char *)a->at[2].p + page * a->at[3].i +
                       t->head * TL_PAGE_HEAD_BYTES(T_KEY, T_VALUE, CELL);
    tl_i32 left = high - block * 64 + 1;
    score(t, head, block);
    tl_barrier();
    weigh(t);
    tl_barrier();
    mix(t, head + TL_PAGE_HEAD_BYTES(T_KEY, 0, CELL), left < 64 ? left : 64);
    tl_barrier();
  }
  finish(t);
  tl_barrier();
}

// What lies behind the last head in a row is read as zeros by the next matmul.
TL_INLINE void zero_tail(const tl_arguments *a, tl_i32 first_row, tl_i32 rows) {
  tl_i32 cell = T_INPUT_BF16 ? 2 : 4, used = T_HEADS * T_QUERIES * T_VALUE;
  tl_i32 tail = (tl_i32)a->at[6].i / cell - used;
  for (tl_i32 i = tl_thread(); i < rows * tail; i += T_THREADS) {
    char *row = (char *)a->at[1].p + (tl_i64)(first_row + i / tail) * a->at[6].i;
    tl_store_value(row, used + i % tail, 0.0f, T_INPUT_BF16);
  }
}

TL_KERNEL(T_THREADS, 1) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  tl_i32 piece = tl_block() / T_HEADS, head = tl_block() % T_HEADS;
  if (piece >= step->work_count) return;
  const char *work = (const char *)step + step->work;
  tl_i32 sequence = tl_load_i32(work, piece * 4), rows = tl_load_i32(work, piece * 4 + 2);
  query_tile t = {&a, head, tl_load_i32(work, piece * 4 + 1), tl_load_i32(work, piece * 4 + 3), 0, 0};
  tl_wait_for_launch();
  for (; t.first < rows * T_QUERIES; t.first += VECTORS) {
    tl_i32 left = rows * T_QUERIES - t.first;
    t.count = left < VECTORS ? left : VECTORS;
    run_tile(&t, step, sequence);
  }
  if (head == T_HEADS - 1) zero_tail(&a, t.first_row, rows);
  tl_allow_next_launch();
}
