// latent: attention to latent rows on the matrix unit, for any number of rows of a sequence.
//
//   q (rows, T_QUERIES * T_VALUE), turned (rows, T_QUERIES * T_TURNED) bf16, T_QUERIES heads
//   out (rows, T_QUERIES * T_VALUE up to 64s) in T_INPUT; bf16 pages; T_KEY = T_VALUE + T_TURNED
//   T_KEY a multiple of 64, T_VALUE of 64 * ACROSS
//   args: see attention.cuh; then parts and counters, see attention_items.cuh, and span
//   Sequences that are taken expanded are left out: latent_share.cuh.
//   grid: any number of blocks, best as many as the card holds at once
//   shared: TL_LATENT_BYTES(T_KEY, T_VECTORS, T_POSITIONS, T_STAGES, ACROSS)
//
// A tile of T_VECTORS query vectors, heads of a row, then those of the next, stays in shared memory
// while the latent rows of its pages pass by, T_POSITIONS a step: they are keys, and then values as
// they lie. T_TILES times 16 vectors are a group of warps'; the ACROSS warps of a group share a
// step's positions for the scores, and the T_VALUE columns for the sums. Largest scores and weights
// of a step go through shared memory to the other warps of the group.
//
// The span is what T_SPAN is in attention_few: 0 = pages are dealt to all blocks, else a row's result
// depends on its position alone.
//
// Rows in shared memory are T_KEY long: of each line of 128 bytes, the 16-byte pieces lie in an
// order that depends on the row, so that 8 rows at one column are in 8 groups of banks.
#include "templates/cuda/attention_bytes.cuh"
#include "templates/cuda/latent_share.cuh"

#define TILES T_TILES
#define VECTORS T_VECTORS
#define POSITIONS T_POSITIONS
#define WARPS (T_THREADS / 32)
#define GROUPS (VECTORS / (16 * TILES))
#define ACROSS (WARPS / GROUPS)
#define WIDE (POSITIONS / ACROSS) // of a warp
#define COLUMNS (T_VALUE / ACROSS)

#include "templates/cuda/attention_scores.cuh"

#define ROW (T_KEY * 2)
#define WEIGHTS_ROW (POSITIONS * 2 + 16)

// Places in shared memory.
#define ARRIVED 0
#define EXPANDED_END 4 // sequences from here on are none of those
#define LARGEST 16
#define WEIGHTS (LARGEST + ACROSS * VECTORS * 4)
#define QUERIES ((WEIGHTS + VECTORS * WEIGHTS_ROW + 127) / 128 * 128)
#define STAGES (QUERIES + VECTORS * ROW)

// Whether the piece's sequence is this kernel's.
TL_INLINE tl_i32 is_few(const query_tile *t, const tl_step *step) {
  tl_sequence s = tl_sequence_at(step, t->sequence);
  return !tl_is_expanded(&s, tl_share_at(t->a, 9), (tl_i32)tl_shared_u32(EXPANDED_END));
}

#define PARTS_AT 11
#define SPAN(a) ((tl_i32)(a)->at[13].i)
#define SPAN_LEAST 4 // parts are long
#include "templates/cuda/attention_items.cuh"

// What a warp has of its tile; see the parts of attention_tiles.cuh.
typedef struct sums {
  tl_i32 first, across; // vector, warp of the group
  float largest[TILES][2], total[TILES][2];
  float of[TILES][COLUMNS / 8][4];
} sums;

TL_INLINE void begin_sums(sums *o) {
  o->first = tl_thread() / 32 / ACROSS * (16 * TILES);
  o->across = tl_thread() / 32 % ACROSS;
  TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++) {
    TL_UNROLL for (tl_i32 half = 0; half < 2; half++) {
      o->largest[tile][half] = NONE;
      o->total[tile][half] = 0;
    }
    TL_UNROLL for (tl_i32 c = 0; c < COLUMNS / 8; c++) {
      TL_UNROLL for (tl_i32 e = 0; e < 4; e++) o->of[tile][c][e] = 0;
    }
  }
}

// Byte `byte` of a row that begins at `row`, a multiple of 32 bytes apart from what `swap` is for:
// the lane's own bytes, in the order of its row.
TL_INLINE tl_u32 place_in(tl_u32 row, tl_u32 swap, tl_u32 byte) {
  return row + (byte & ~127u) + ((byte & 112) ^ swap);
}

TL_INLINE tl_u32 stage_of(tl_i32 index) {
  return (tl_u32)(STAGES + index % T_STAGES * (POSITIONS * ROW));
}

TL_INLINE void load_vectors(const query_tile *t) {
  const tl_quad none = {0, 0, 0, 0};
  const tl_i32 pieces = T_KEY / 8, own = T_VALUE / 8;
  TL_UNROLL_BY(1) for (tl_i32 i = tl_thread(); i < VECTORS * pieces; i += T_THREADS) {
    tl_i32 vector = i / pieces, piece = i % pieces;
    tl_quad x = none;
    if (vector < t->count && piece < own) {
      x = tl_load_quad(row_of(t, vector, 0), place_of(t, vector, T_VALUE) / 8 + piece);
    } else if (vector < t->count) {
      x = tl_load_quad(turned_row_of(t, vector), place_of(t, vector, T_TURNED) / 8 + piece - own);
    }
    tl_u32 row = (tl_u32)(QUERIES + vector * ROW), swap = (tl_u32)(vector % 8 * 16);
    tl_shared_put_quad(place_in(row, swap, (tl_u32)piece * 16), x);
  }
}

// Rows of step `index` to its stage, if there is such a step; of positions that nobody sees zeros.
TL_INLINE void fetch(const item *it, tl_i32 index) {
  const tl_i32 pieces = T_KEY / 8;
  if (index <= it->last) {
    const query_tile *t = &it->tile;
    tl_i32 position = index * POSITIONS, left = position_of(t, t->count - 1) - position + 1;
    const char *from = head_of_page(t, position / 64) + (tl_i64)(position % 64) * ROW;
    tl_u32 stage = stage_of(index);
    TL_UNROLL_BY(2) for (tl_i32 i = tl_thread(); i < POSITIONS * pieces; i += T_THREADS) {
      tl_i32 row = i / pieces;
      tl_u32 at = place_in(stage + (tl_u32)(row * ROW), (tl_u32)(row % 8 * 16),
                           (tl_u32)(i % pieces * 16));
      tl_copy_async(at, from + (tl_i64)i * 16, row < left ? 16 : 0);
    }
  }
  tl_copy_commit();
}

// The warp's vectors against its positions of the step.
TL_INLINE void score_step(const sums *o, score_tile s[TILES], tl_u32 stage) {
  tl_i32 lane = tl_thread() % 32;
  tl_u32 swap = (tl_u32)(lane % 8 * 16), q_swap = swap ^ (tl_u32)(lane / 16 * 16);
  tl_u32 q = (tl_u32)(QUERIES + (o->first + lane % 16) * ROW);
  tl_u32 k_swap = swap ^ (tl_u32)(lane / 8 * 16);
  tl_u32 keys = stage + (tl_u32)((o->across * WIDE + lane % 8) * ROW);
  TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++) {
    TL_UNROLL for (tl_i32 n = 0; n < WIDE / 8; n++) {
      TL_UNROLL for (tl_i32 e = 0; e < 4; e++) s[tile][n][e] = 0;
    }
  }
  TL_UNROLL_BY(1) for (tl_u32 byte = 0; byte < ROW; byte += 64) {
    tl_u32 a[TILES][2][4];
    TL_UNROLL for (tl_u32 tile = 0; tile < TILES; tile++) {
      TL_UNROLL for (tl_u32 i = 0; i < 2; i++)
        tl_matrices(a[tile][i], place_in(q + tile * 16 * ROW, q_swap, byte + i * 32));
    }
    TL_UNROLL for (tl_u32 n = 0; n < WIDE / 8; n++) {
      tl_u32 b[4];
      tl_matrices(b, place_in(keys + n * 8 * ROW, k_swap, byte));
      TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++) {
        tl_multiply_bf16(s[tile][n], a[tile][0], b);
        tl_multiply_bf16(s[tile][n], a[tile][1], b + 2);
      }
    }
  }
}

TL_INLINE tl_u32 largest_at(tl_i32 across, tl_i32 vector) {
  return (tl_u32)(LARGEST + (across * VECTORS + vector) * 4);
}

// The largest scores of the warp's positions, for the others of its group.
TL_INLINE void put_largest(const sums *o, score_tile s[TILES]) {
  tl_i32 lane = tl_thread() % 32;
  TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++)
  TL_UNROLL for (tl_i32 half = 0; half < 2; half++) {
    float top = NONE;
    TL_UNROLL for (tl_i32 n = 0; n < WIDE / 8; n++)
      top = tl_max(top, tl_max(s[tile][n][half * 2], s[tile][n][half * 2 + 1]));
    top = tl_max(top, tl_from_lane_xor(top, 1));
    top = tl_max(top, tl_from_lane_xor(top, 2));
    tl_i32 vector = o->first + tile * 16 + half * 8 + lane / 4;
    if (lane % 4 == 0) tl_shared_put_f32(largest_at(o->across, vector), top);
  }
}

// Scores of one tile to weights in shared memory; what there is already is kept by `keep`.
TL_INLINE void put_weights(sums *o, tl_i32 tile, score_tile s, float keep[2]) {
  tl_i32 lane = tl_thread() % 32;
  TL_UNROLL for (tl_i32 half = 0; half < 2; half++) {
    tl_i32 vector = o->first + tile * 16 + half * 8 + lane / 4;
    float before = o->largest[tile][half], top = before, sum = 0;
    TL_UNROLL for (tl_i32 i = 0; i < ACROSS; i++)
      top = tl_max(top, tl_shared_f32(largest_at(i, vector)));
    float shift = top == NONE ? 0.0f : -top * UNIT;
    keep[half] = kept(before, top);
    tl_u32 at = (tl_u32)(WEIGHTS + vector * WEIGHTS_ROW + (o->across * WIDE + lane % 4 * 2) * 2);
    TL_UNROLL for (tl_u32 n = 0; n < WIDE / 8; n++) {
      float left = tl_exp2(tl_fma(s[n][half * 2], UNIT, shift));
      float right = tl_exp2(tl_fma(s[n][half * 2 + 1], UNIT, shift));
      sum += left + right;
      tl_shared_put_u32(at + n * 16, tl_pack_bf16(left, right));
    }
    o->largest[tile][half] = top;
    o->total[tile][half] = tl_fma(o->total[tile][half], keep[half], sum);
  }
}

TL_INLINE void weigh_step(sums *o, score_tile s[TILES]) {
  TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++) {
    float keep[2];
    put_weights(o, tile, s[tile], keep);
    if (!tl_any(keep[0] != 1 || keep[1] != 1)) continue;
    TL_UNROLL for (tl_i32 c = 0; c < COLUMNS / 8; c++) {
      TL_UNROLL for (tl_i32 e = 0; e < 4; e++) o->of[tile][c][e] *= keep[e / 2];
    }
  }
}

// All positions of the step, the warp's columns.
TL_INLINE void mix_step(sums *o, tl_u32 stage) {
  tl_i32 lane = tl_thread() % 32;
  tl_u32 swap = (tl_u32)(lane % 8 * 16) ^ (tl_u32)(lane / 16 * 16);
  tl_u32 values = stage + (tl_u32)(lane % 16 * ROW + o->across * COLUMNS * 2);
  tl_u32 weights = (tl_u32)(WEIGHTS + (o->first + lane % 16) * WEIGHTS_ROW + lane / 16 * 16);
  TL_UNROLL for (tl_u32 k = 0; k < POSITIONS / 16; k++) {
    tl_u32 a[TILES][4];
    TL_UNROLL for (tl_u32 tile = 0; tile < TILES; tile++)
      tl_matrices(a[tile], weights + tile * 16 * WEIGHTS_ROW + k * 32);
    TL_UNROLL for (tl_u32 c = 0; c < COLUMNS / 16; c++) {
      tl_u32 b[4];
      tl_matrices_turned(b, place_in(values + k * 16 * ROW, swap, c * 32));
      TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++) {
        tl_multiply_bf16(o->of[tile][2 * c], a[tile], b);
        tl_multiply_bf16(o->of[tile][2 * c + 1], a[tile], b + 2);
      }
    }
  }
}

TL_INLINE void run_step(sums *o, const item *it, tl_i32 index) {
  const query_tile *t = &it->tile;
  tl_i32 position = index * POSITIONS + o->across * WIDE;
  score_tile s[TILES];
  score_step(o, s, stage_of(index));
  TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++) {
    tl_i32 vector = o->first + tile * 16;
    if (position + WIDE - 1 > position_of(t, vector)) hide(t, s[tile], vector, position);
  }
  put_largest(o, s);
  tl_barrier();
  weigh_step(o, s);
  tl_barrier();
  mix_step(o, stage_of(index));
}

// The totals of all the group's warps, which are as many as their positions' weights.
TL_INLINE void end_sums(sums *o) {
  tl_i32 lane = tl_thread() % 32;
  TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++)
  TL_UNROLL for (tl_i32 half = 0; half < 2; half++) {
    float total = o->total[tile][half];
    total += tl_from_lane_xor(total, 1);
    total += tl_from_lane_xor(total, 2);
    tl_i32 vector = o->first + tile * 16 + half * 8 + lane / 4;
    if (lane % 4 == 0) tl_shared_put_f32(largest_at(o->across, vector), total);
  }
  tl_barrier();
  TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++)
  TL_UNROLL for (tl_i32 half = 0; half < 2; half++) {
    tl_i32 vector = o->first + tile * 16 + half * 8 + lane / 4;
    o->total[tile][half] = 0;
    TL_UNROLL for (tl_i32 i = 0; i < ACROSS; i++)
      o->total[tile][half] += tl_shared_f32(largest_at(i, vector));
  }
}

// Where a lane's rows of a tile are; addresses are made when they are needed, registers are scarce.
TL_INLINE tl_i32 vector_of(const sums *o, tl_i32 tile, tl_i32 half) {
  return tl_from_here(o->first + tile * 16 + half * 8 + tl_thread() % 32 / 4);
}

TL_INLINE void save_sums(const sums *o, const item *it) {
  tl_i32 column = o->across * COLUMNS + tl_thread() % 4 * 2;
  TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++)
  TL_UNROLL for (tl_i32 half = 0; half < 2; half++) {
    tl_i32 vector = vector_of(o, tile, half);
    char *part = part_in_memory(it, it->split);
    if (vector >= it->tile.count) continue;
    if (column == 0) {
      tl_store_f32(part, vector, o->largest[tile][half]);
      tl_store_f32(part + TOTALS, vector, o->total[tile][half]);
    }
    char *own = part + SUMS + (tl_i64)(vector * T_VALUE + column) * 4;
    TL_UNROLL for (tl_i32 c = 0; c < COLUMNS / 8; c++) {
      const float *pair = &o->of[tile][c][half * 2];
      tl_pair p = {tl_f32_bits(pair[0]), tl_f32_bits(pair[1])};
      tl_store_pair(own, c * 4, p);
    }
  }
}

TL_INLINE void store_sums(const sums *o, const item *it) {
  const query_tile *t = &it->tile;
  tl_i32 column = o->across * COLUMNS + tl_thread() % 4 * 2;
  TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++)
  TL_UNROLL for (tl_i32 half = 0; half < 2; half++) {
    tl_i32 vector = vector_of(o, tile, half);
    if (vector >= t->count) continue;
    float by = 1 / o->total[tile][half];
    char *row = row_of(t, vector, 1);
    tl_i64 at = place_of(t, vector, T_VALUE) + column;
    TL_UNROLL for (tl_i32 c = 0; c < COLUMNS / 8; c++) {
      const float *pair = &o->of[tile][c][half * 2];
      put_pair(row, at + c * 8, pair[0] * by, pair[1] * by);
    }
  }
}

TL_INLINE void run_item(const item *it) {
  sums o;
  begin_sums(&o);
  load_vectors(&it->tile);
  for (tl_i32 i = 0; i < T_STAGES - 1; i++) fetch(it, it->first + i);
  for (tl_i32 index = it->first; index <= it->last; index++) {
    tl_copy_wait(T_STAGES - 2);
    tl_barrier(); // the step is there for all, and the one before has been used by all
    fetch(it, index + T_STAGES - 1);
    run_step(&o, it, index);
  }
  tl_barrier(); // the steps are over, and the item before is, where there are none
  end_sums(&o);
  if (it->splits == 1) {
    store_sums(&o, it);
  } else {
    save_sums(&o, it);
    if (arrive(it)) merge_splits(it);
  }
  if (it->tile.first == 0 && it->split == 0) zero_tail(&it->tile);
  tl_barrier(); // before the next item's copies
}

TL_KERNEL(T_THREADS, 1) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  tl_i32 end = tl_expanded_end(step, tl_share_at(&a, 9));
  if (tl_thread() == 0) tl_shared_put_u32(EXPANDED_END, (tl_u32)end);
  tl_barrier();
  tl_i32 span = span_of_step(&a, step);
  item it;
  tl_wait_for_launch();
  for (tl_i32 i = tl_block();; i += tl_blocks()) {
    if (!find_item(&it, &a, step, span, i, 0)) break;
    cut_item(&it, span);
    run_item(&it);
  }
  tl_allow_next_launch();
}
