// Attention whose pages are dealt to the whole card: an item is (tile of query vectors, span of
// pages, key head); of a tile with several spans each leaves a part (m, l, o) in global memory, and
// the last block to arrive merges them in order. Before it are defined
//
//   VECTORS    of a tile
//   POSITIONS  of a step
//   ARRIVED    place of a number in shared memory
//   SPAN_LEAST of a span, in pages, where SPAN(a) is 0
//   SPAN(a)    what T_SPAN is in attention_few
//   PARTS_AT   the argument with the parts' memory; after it, the counters'
//   is_few     whether a piece's sequence is the kernel's, see attention_few.cu
//
// A part is {largest [VECTORS], total [VECTORS], sums [VECTORS][T_VALUE]}, in f32.
#ifndef TL_TEMPLATES_CUDA_ATTENTION_ITEMS_CUH
#define TL_TEMPLATES_CUDA_ATTENTION_ITEMS_CUH

#define TILES_OF_PIECE ((T_PIECE * T_QUERIES + VECTORS - 1) / VECTORS)
#define AHEAD 8 // parts loaded before the first of them is used
#define PART (VECTORS * (T_VALUE + 2) * 4)
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
  return SPAN(t->a) > 0 ? first / span * span : first;
}

TL_INLINE tl_i32 spans_of(const query_tile *t, tl_i32 span) {
  return (last_page(t) - origin_of(t, span)) / span + 1;
}

// Pages of a span.
TL_INLINE tl_i32 span_of_step(const tl_arguments *a, const tl_step *step) {
  if (SPAN(a) > 0) return SPAN(a);
  float pages = 0;
  for (tl_i32 piece = tl_thread() % 32; piece < step->work_count; piece += 32) {
    query_tile t = tile_of_piece(a, step, piece, 0);
    pages += (float)(tiles_of(&t, step) * (last_page(&t) - first_page(&t) + 1));
  }
  tl_i32 span = ((tl_i32)tl_warp_sum(pages) * T_HEADS + tl_blocks() - 1) / tl_blocks();
  return span > SPAN_LEAST ? span : SPAN_LEAST;
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
    tl_i32 end = tl_sum_to_lane(units), kept_end = tl_sum_to_lane(kept_units);
    tl_i32 passed = (tl_i32)tl_warp_sum(before + end <= unit ? 1.0f : 0.0f);
    if (passed < 32) {
      out->piece = first + passed;
      out->split = unit - before - tl_int_from_lane(end - units, passed);
      out->slot = parts + tl_int_from_lane(kept_end - kept_units, passed) + out->split;
      out->slot = out->slot * T_HEADS + head;
      out->tile = tile_of_piece(a, step, out->piece, head);
      out->begun = tl_step_int(step, step->sequences, (tl_i64)out->tile.sequence * 4 + 2);
      return 1;
    }
    before += tl_int_from_lane(end, 31);
    parts += tl_int_from_lane(kept_end, 31);
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

// ---- parts

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

TL_INLINE char *part_in_memory(const item *it, tl_i32 split) {
  return (char *)it->tile.a->at[PARTS_AT].p + (it->slot + (tl_i64)(split - it->split) * T_HEADS) * PART;
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
    tl_u32 others = tl_arrive(it->tile.a->at[PARTS_AT + 1].p, counter, (tl_u32)it->splits);
    tl_shared_put_u32(ARRIVED, others);
  }
  tl_barrier();
  return (tl_i32)tl_shared_u32(ARRIVED) == it->splits - 1;
}

#endif
