// attention for few rows of a sequence: the pages that they see are dealt to the whole card, a part
// (m, l, o) for each span of pages, and the last block to arrive merges them in order.
//
//   q (rows, T_HEADS * T_QUERIES * T_KEY) bf16, out (rows, heads * T_VALUE up to 64s) in T_INPUT
//   bf16 pages; T_KEY, T_VALUE multiples of 16, at most 256
//   args: q, out, state, bytes from page to page, group, q row bytes, out row bytes, parts,
//         counters
//   grid: any number of blocks, best as many as the card holds at once
//   shared: TL_ATTENTION_FEW_BYTES(T_KEY, T_VALUE, T_THREADS, T_STAGES)
//
// An item is (16 query vectors of a piece of work, span of pages, key head); blocks take items in
// turns. T_SPAN is the length of spans in pages, counted from position 0, and a row's result depends
// on its position alone. 0: as long as makes an item or less for each block, counted from the first
// page that the piece sees; then it depends on the step's lengths and the grid too.
//
// A sequence's rows are this kernel's if they are at most T_ROWS_FEW, or at most T_ROWS_FAR and
// begin at T_FAR or later, where they are too few blocks for attention_many, which is given the same
// constants and takes the others. A plan with one of the two says so by T_ROWS_FEW. T_PIECE: rows of
// a piece of work at most.
//
// A warp has every (T_THREADS / 32)-th stripe of 16 positions with its own copies under way,
// T_STAGES - 1 steps of T_THREADS / 2 positions ahead, and waits for no other warp until the end of
// the span. Pages that no launch of this step writes are copied before the launch before has ended.
//
// With A pieces in the step at most, each of V = T_PIECE * T_QUERIES / 16 tiles, rounded up:
//   parts     TL_ATTENTION_PART(T_VALUE) bytes for each item of a tile that has several spans: 2 *
//             grid if T_SPAN = 0, else T_HEADS * A * V * (pages of a sequence / T_SPAN + 2); need no
//             initial value
//   counters  u32 for each (piece, tile, head), A * V * T_HEADS: zeros, and zeros again at the end
#include "templates/cuda/attention_bytes.cuh"

#define TILES 1
#define WIDE 16
#include "templates/cuda/attention_tiles.cuh"

#define VECTORS TL_ATTENTION_VECTORS
#define TILES_OF_PIECE ((T_PIECE * T_QUERIES + VECTORS - 1) / VECTORS)
#define WARPS (T_THREADS / 32)
#define POSITIONS (WARPS * WIDE) // of a step
#define STAGE TL_ATTENTION_STAGE(T_KEY, T_VALUE, POSITIONS)
#define AHEAD 8 // parts loaded before the first of them is used

// Places in shared memory.
#define ARRIVED 0
#define QUERIES 16
#define STAGES (QUERIES + VECTORS * KEY_ROW)

// Places in a part, in shared or global memory.
#define PART TL_ATTENTION_PART(T_VALUE)
#define TOTALS (VECTORS * 4)
#define SUMS (VECTORS * 8)

typedef struct item {
  query_tile tile;
  tl_i32 piece;
  tl_i32 first, last;  // steps of the span that the tile sees
  tl_i32 split, splits; // index and count of the tile's spans
  tl_i64 slot;          // of its part
  tl_i32 begun;         // the sequence's first position of this step
} item;

// ---- which item

TL_INLINE tl_i32 int_from_lane(tl_i32 value, tl_i32 lane) {
  return (tl_i32)tl_f32_bits(tl_from_lane(tl_bits_f32((tl_u32)value), lane));
}

TL_INLINE tl_i32 first_page(const query_tile *t) {
  return first_visible(T_FULL ? t->last_position : t->first_position) / 64;
}

TL_INLINE tl_i32 last_page(const query_tile *t) {
  return (T_FULL ? t->last_position : t->first_position + t->rows - 1) / 64;
}

TL_INLINE tl_i32 tiles_of(const query_tile *t, const tl_step *step) {
  return is_few(t, step) ? (t->rows * T_QUERIES + VECTORS - 1) / VECTORS : 0;
}

// The page that a piece's spans are counted from.
TL_INLINE tl_i32 origin_of(const query_tile *t, tl_i32 span) {
  tl_i32 first = first_page(t);
  return T_SPAN > 0 ? first / span * span : first;
}

TL_INLINE tl_i32 spans_of(const query_tile *t, tl_i32 span) {
  return (last_page(t) - origin_of(t, span)) / span + 1;
}

// The sum of the values of this lane and those below.
TL_INLINE tl_i32 sum_of_lanes(tl_i32 value) {
  tl_i32 lane = tl_thread() % 32;
  TL_UNROLL for (tl_i32 by = 1; by < 32; by *= 2) {
    tl_i32 lower = int_from_lane(value, lane < by ? lane : lane - by);
    value += lane < by ? 0 : lower;
  }
  return value;
}

// Pages of a span.
TL_INLINE tl_i32 span_of_step(const tl_arguments *a, const tl_step *step) {
  if (T_SPAN > 0) return T_SPAN;
  float pages = 0;
  for (tl_i32 piece = tl_thread() % 32; piece < step->work_count; piece += 32) {
    query_tile t = tile_of_piece(a, step, piece, 0);
    pages += (float)(tiles_of(&t, step) * (last_page(&t) - first_page(&t) + 1));
  }
  tl_i32 span = ((tl_i32)tl_warp_sum(pages) * T_HEADS + tl_blocks() - 1) / tl_blocks();
  return span > 1 ? span : 1;
}

// Unit `unit` of all (tile, span) pairs in order; false if there are less.
TL_INLINE tl_i32 find_item(item *out, const tl_arguments *a, const tl_step *step, tl_i32 span,
                           tl_i32 unit, tl_i32 head) {
  tl_i32 lane = tl_thread() % 32, before = 0, parts = 0;
  for (tl_i32 first = 0; first < step->work_count; first += 32) {
    tl_i32 units = 0, kept_units = 0; // those that leave a part
    if (first + lane < step->work_count) {
      query_tile t = tile_of_piece(a, step, first + lane, head);
      units = tiles_of(&t, step) * spans_of(&t, span);
      kept_units = spans_of(&t, span) > 1 ? units : 0;
    }
    tl_i32 end = sum_of_lanes(units), kept_end = sum_of_lanes(kept_units);
    tl_i32 passed = (tl_i32)tl_warp_sum(before + end <= unit ? 1.0f : 0.0f);
    if (passed < 32) {
      out->piece = first + passed;
      out->split = unit - before - int_from_lane(end - units, passed);
      out->slot = parts + int_from_lane(kept_end - kept_units, passed) + out->split;
      out->slot = out->slot * T_HEADS + head;
      out->tile = tile_of_piece(a, step, out->piece, head);
      out->begun = tl_step_int(step, step->sequences, (tl_i64)out->tile.sequence * 4 + 2);
      return 1;
    }
    before += int_from_lane(end, 31);
    parts += int_from_lane(kept_end, 31);
  }
  return 0;
}

// The item's tile and steps, of its unit among the piece's units in `split`.
TL_INLINE void cut_item(item *out, tl_i32 span) {
  query_tile *t = &out->tile;
  out->splits = spans_of(t, span);
  t->first = out->split / out->splits * VECTORS;
  t->count = t->rows * T_QUERIES - t->first;
  if (t->count > VECTORS) t->count = VECTORS;
  out->split %= out->splits;
  tl_i32 begin = (origin_of(t, span) + out->split * span) * 64, end = begin + span * 64 - 1;
  tl_i32 low = first_visible(position_of(t, 0)), high = position_of(t, t->count - 1);
  out->first = (low > begin ? low : begin) / POSITIONS;
  out->last = (high < end ? high : end) / POSITIONS;
}

// ---- its pages

// The warp's stripe of step `index` to its stage, if there is such a step.
TL_INLINE void fetch(const item *it, tl_i32 index) {
  if (index <= it->last) {
    const query_tile *t = &it->tile;
    tl_i32 lane = tl_thread() % 32, stripe = tl_thread() / 32 * WIDE;
    tl_i32 position = index * POSITIONS + stripe, in = position % 64;
    tl_i32 left = position_of(t, t->count - 1) - position + 1;
    // Pages that this step's rows go to are written by the launch before.
    if (position / 64 * 64 + 64 > it->begun) tl_wait_for_launch();
    tl_u32 stage = (tl_u32)(STAGES + index % T_STAGES * STAGE);
    tl_u32 keys = stage + (tl_u32)(stripe * KEY_ROW);
    tl_u32 values = stage + (tl_u32)(POSITIONS * KEY_ROW + stripe * VALUE_ROW);
    const char *head = head_of_page(t, position / 64);
    copy_rows(keys, KEY_ROW, head + in * (T_KEY * 2), WIDE, T_KEY / 8, left, lane, 32);
    copy_rows(values, VALUE_ROW, head + TL_PAGE_HEAD_BYTES(T_KEY, 0, 2) + in * (T_VALUE * 2), WIDE,
              T_VALUE / 8, left, lane, 32);
  }
  tl_copy_commit();
}

TL_INLINE void run_steps(part *o, const item *it) {
  tl_i32 stripe = tl_thread() / 32 * WIDE;
  for (tl_i32 index = it->first; index <= it->last; index++) {
    tl_u32 stage = (tl_u32)(STAGES + index % T_STAGES * STAGE);
    tl_copy_wait(T_STAGES - 2);
    tl_warp_barrier(); // the step is there for all lanes, and all have used the one before
    fetch(it, index + T_STAGES - 1);
    add_positions(o, &it->tile, 0, index * POSITIONS + stripe, QUERIES,
                  stage + (tl_u32)(stripe * KEY_ROW),
                  stage + (tl_u32)(POSITIONS * KEY_ROW + stripe * VALUE_ROW));
  }
}

// ---- parts

// The warp's part to shared memory.
TL_INLINE void put_part(const part *o, tl_i32 count) {
  tl_i32 lane = tl_thread() % 32;
  tl_u32 at = (tl_u32)(STAGES + tl_thread() / 32 * PART);
  TL_UNROLL for (tl_i32 half = 0; half < 2; half++) {
    tl_i32 vector = half * 8 + lane / 4;
    if (vector >= count) continue;
    tl_u32 own = at + (tl_u32)vector * 4, sums = at + SUMS + (tl_u32)(vector * T_VALUE) * 4;
    if (lane % 4 == 0) tl_shared_put_f32(own, o->largest[0][half]);
    if (lane % 4 == 0) tl_shared_put_f32(own + TOTALS, o->total[0][half]);
    TL_UNROLL for (tl_i32 c = 0; c < T_VALUE / 8; c++) {
      tl_shared_put_f32(sums + (tl_u32)(c * 8 + lane % 4 * 2) * 4, o->sums[0][c][half * 2]);
      tl_shared_put_f32(sums + (tl_u32)(c * 8 + lane % 4 * 2 + 1) * 4, o->sums[0][c][half * 2 + 1]);
    }
  }
}

// A vector's largest score, total and 4 of its sums; parts are added to it in order.
typedef struct slice {
  float sums[4], largest, total;
} slice;

TL_INLINE void add_slice(slice *to, const slice *x) {
  float top = tl_max(to->largest, x->largest);
  float keep = kept(to->largest, top), by = kept(x->largest, top);
  to->largest = top;
  to->total = tl_fma(to->total, keep, x->total * by);
  TL_UNROLL for (tl_i32 e = 0; e < 4; e++) to->sums[e] = tl_fma(to->sums[e], keep, x->sums[e] * by);
}

TL_INLINE void store_slice(const query_tile *t, const slice *x, tl_i32 i) {
  tl_i32 vector = i / (T_VALUE / 4), column = i % (T_VALUE / 4) * 4;
  float by = 1 / x->total;
  store_pair(t, vector, column, x->sums[0] * by, x->sums[1] * by);
  store_pair(t, vector, column + 2, x->sums[2] * by, x->sums[3] * by);
}

// Slice `i` of the warps' parts.
TL_INLINE slice slice_of_warps(tl_i32 i) {
  slice sum = {{0, 0, 0, 0}, NONE, 0};
  tl_u32 own = (tl_u32)(STAGES + i / (T_VALUE / 4) * 4), sums = (tl_u32)(STAGES + SUMS + i * 16);
  TL_UNROLL for (tl_u32 warp = 0; warp < WARPS; warp++) {
    tl_quad q = tl_shared_quad(sums + warp * PART);
    slice x = {{tl_bits_f32(q.x), tl_bits_f32(q.y), tl_bits_f32(q.z), tl_bits_f32(q.w)},
               tl_shared_f32(own + warp * PART),
               tl_shared_f32(own + warp * PART + TOTALS)};
    add_slice(&sum, &x);
  }
  return sum;
}

TL_INLINE char *part_in_memory(const item *it, tl_i32 split) {
  return (char *)it->tile.a->at[7].p + (it->slot + (tl_i64)(split - it->split) * T_HEADS) * PART;
}

TL_INLINE void save_slice(const item *it, const slice *x, tl_i32 i) {
  char *to = part_in_memory(it, it->split);
  tl_quad sums = {tl_f32_bits(x->sums[0]), tl_f32_bits(x->sums[1]), tl_f32_bits(x->sums[2]),
                  tl_f32_bits(x->sums[3])};
  if (i % (T_VALUE / 4) == 0) {
    tl_store_f32(to, i / (T_VALUE / 4), x->largest);
    tl_store_f32(to + TOTALS, i / (T_VALUE / 4), x->total);
  }
  tl_store_quad(to + SUMS, i, sums);
}

TL_INLINE slice load_slice(const item *it, tl_i32 split, tl_i32 i) {
  slice x = {{0, 0, 0, 0}, NONE, 0};
  if (split >= it->splits) return x;
  const char *from = part_in_memory(it, split);
  tl_quad q = tl_load_quad(from + SUMS, i);
  x.largest = tl_load_f32(from, i / (T_VALUE / 4));
  x.total = tl_load_f32(from + TOTALS, i / (T_VALUE / 4));
  x.sums[0] = tl_bits_f32(q.x);
  x.sums[1] = tl_bits_f32(q.y);
  x.sums[2] = tl_bits_f32(q.z);
  x.sums[3] = tl_bits_f32(q.w);
  return x;
}

TL_INLINE void merge_splits(const item *it) {
  for (tl_i32 i = tl_thread(); i < it->tile.count * (T_VALUE / 4); i += T_THREADS) {
    slice sum = {{0, 0, 0, 0}, NONE, 0};
    for (tl_i32 split = 0; split < it->splits; split += AHEAD) {
      slice x[AHEAD];
      TL_UNROLL for (tl_i32 j = 0; j < AHEAD; j++) x[j] = load_slice(it, split + j, i);
      TL_UNROLL for (tl_i32 j = 0; j < AHEAD; j++) add_slice(&sum, &x[j]);
    }
    store_slice(&it->tile, &sum, i);
  }
}

// True in all threads of the last block to come.
TL_INLINE tl_i32 arrive(const item *it) {
  tl_i32 tile = it->piece * TILES_OF_PIECE + it->tile.first / VECTORS;
  tl_i64 counter = (tl_i64)tile * T_HEADS + it->tile.head;
  tl_barrier(); // the part is written
  if (tl_thread() == 0) {
    tl_u32 others = tl_arrive(it->tile.a->at[8].p, counter, (tl_u32)it->splits);
    tl_shared_put_u32(ARRIVED, others);
  }
  tl_barrier();
  return (tl_i32)tl_shared_u32(ARRIVED) == it->splits - 1;
}

TL_INLINE void run_item(const item *it) {
  const query_tile *t = &it->tile;
  part o;
  begin_part(&o);
  for (tl_i32 i = 0; i < T_STAGES - 1; i++) fetch(it, it->first + i);
  tl_wait_for_launch();
  tl_allow_next_launch();
  load_queries(t, QUERIES, VECTORS);
  tl_barrier();
  run_steps(&o, it);
  end_part(&o);
  tl_barrier(); // all warps are done with the stages
  put_part(&o, t->count);
  tl_barrier();
  for (tl_i32 i = tl_thread(); i < t->count * (T_VALUE / 4); i += T_THREADS) {
    slice sum = slice_of_warps(i);
    if (it->splits == 1) {
      store_slice(t, &sum, i);
    } else {
      save_slice(it, &sum, i);
    }
  }
  if (it->splits > 1 && arrive(it)) merge_splits(it);
  if (t->head == T_HEADS - 1 && t->first == 0 && it->split == 0) zero_tail(t);
  tl_barrier(); // before the next item's copies
}

TL_KERNEL(T_THREADS, 1) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  tl_i32 span = span_of_step(&a, step);
  item it;
  for (tl_i32 i = tl_block();; i += tl_blocks()) {
    if (!find_item(&it, &a, step, span, i / T_HEADS, i % T_HEADS)) break;
    cut_item(&it, span);
    run_item(&it);
  }
  tl_wait_for_launch();
}
