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
#include "templates/cuda/attention_share.cuh"
#include "templates/cuda/attention_tiles.cuh"

#define VECTORS TL_ATTENTION_VECTORS
#define WARPS (T_THREADS / 32)
#define POSITIONS (WARPS * WIDE) // of a step
#define STAGE TL_ATTENTION_STAGE(T_KEY, T_VALUE, POSITIONS)

// Places in shared memory.
#define ARRIVED 0
#define QUERIES 16
#define STAGES (QUERIES + VECTORS * KEY_ROW)

#define PARTS_AT 7
#define SPAN(a) T_SPAN
#define SPAN_LEAST 1
#include "templates/cuda/attention_items.cuh"

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
