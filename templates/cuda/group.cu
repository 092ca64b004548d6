// group: deals the step's rows to their experts; see tl_routing in compiler/program/program.h.
//
//   ids (rows, T_CHOSEN) i32, rows of T_INPUT_BYTES
//   args: ids, groups, rows of a piece at most;  grid: one block
//   shared: {counts or next sorted rows [T_THREADS / 32][T_EXPERTS], rows, first sorted rows and
//           first pieces [T_EXPERTS] of each expert}, i32
//
// Each warp has a run of pairs, counts them by expert and later deals them, in order: within 32
// pairs a lane comes after the lower ones of its expert. So sorted rows lie in the order of their
// pairs, whatever the number of warps.
#include "templates/cuda/rows.cuh"

#define WARPS (T_THREADS / 32)
#define ROWS_OF (WARPS * T_EXPERTS)
#define FIRST_OF (ROWS_OF + T_EXPERTS)
#define PIECE_OF (FIRST_OF + T_EXPERTS)
#define EACH ((T_EXPERTS + 31) / 32) // experts of a lane

typedef struct run {
  const tl_arguments *a;
  tl_i64 pairs, begin, end; // of all, of this warp
  tl_i32 most;              // rows of a piece
} run;

TL_INLINE tl_i32 get(tl_i32 place) {
  return (tl_i32)tl_shared_u32((tl_u32)place * 4);
}

TL_INLINE void put(tl_i32 place, tl_i32 value) {
  tl_shared_put_u32((tl_u32)place * 4, (tl_u32)value);
}

// This lane's expert of the 32 pairs from `pair` on; -1 if it has none.
TL_INLINE tl_i32 expert_of(const run *r, tl_i64 pair) {
  pair += tl_thread() % 32;
  if (pair >= r->end) return -1;
  const char *ids = (const char *)r->a->at[0].p + pair / T_CHOSEN * T_INPUT_BYTES;
  return tl_load_i32(ids, pair % T_CHOSEN);
}

// Lanes with this lane's expert: those below it, and all.
TL_INLINE void count_lanes(tl_i32 expert, tl_i32 *out_below, tl_i32 *out_all) {
  *out_below = *out_all = 0;
  TL_UNROLL for (tl_i32 lane = 0; lane < 32; lane++) {
    tl_i32 is_same = tl_int_from_lane(expert, lane) == expert;
    *out_all += is_same;
    *out_below += is_same && lane < tl_thread() % 32;
  }
}

// Counts the warp's pairs of each expert.
TL_INLINE void count_pairs(const run *r) {
  tl_i32 own = tl_thread() / 32 * T_EXPERTS, below, all;
  for (tl_i64 pair = r->begin; pair < r->end; pair += 32) {
    tl_i32 expert = expert_of(r, pair);
    count_lanes(expert, &below, &all);
    if (expert >= 0 && below == 0) put(own + expert, get(own + expert) + all);
    tl_warp_barrier();
  }
}

// Counts become places: of a warp's first row of an expert, after those of the warps before it.
TL_INLINE void add_warps(void) {
  for (tl_i32 e = tl_thread(); e < T_EXPERTS; e += T_THREADS) {
    tl_i32 rows = 0;
    for (tl_i32 warp = 0; warp < WARPS; warp++) {
      tl_i32 count = get(warp * T_EXPERTS + e);
      put(warp * T_EXPERTS + e, rows);
      rows += count;
    }
    put(ROWS_OF + e, rows);
  }
}

TL_INLINE tl_i32 pieces_of(const run *r, tl_i32 rows) {
  return (rows + r->most - 1) / r->most;
}

// The sum of the values of the lanes below.
TL_INLINE tl_i32 sum_below(tl_i32 value) {
  return tl_sum_to_lane(value) - value;
}

// By one warp: where each expert's sorted rows and pieces begin.
TL_INLINE void add_experts(const run *r) {
  tl_i32 begin = tl_thread() % 32 * EACH, rows = 0, pieces = 0;
  for (tl_i32 e = begin; e < begin + EACH && e < T_EXPERTS; e++) {
    rows += get(ROWS_OF + e);
    pieces += pieces_of(r, get(ROWS_OF + e));
  }
  rows = sum_below(rows);
  pieces = sum_below(pieces);
  for (tl_i32 e = begin; e < begin + EACH && e < T_EXPERTS; e++) {
    put(FIRST_OF + e, rows);
    put(PIECE_OF + e, pieces);
    rows += get(ROWS_OF + e);
    pieces += pieces_of(r, get(ROWS_OF + e));
  }
}

TL_INLINE void put_piece(const run *r, tl_i64 index, tl_i32 expert, tl_i32 first, tl_i32 rows) {
  tl_i64 at = 2 * r->pairs + index * 3;
  tl_store_i32(r->a->at[1].p, at, expert);
  tl_store_i32(r->a->at[1].p, at + 1, first);
  tl_store_i32(r->a->at[1].p, at + 2, rows);
}

// There are as many pieces as pairs in memory; those that do not exist have no rows.
TL_INLINE void cut_pieces(const run *r) {
  const tl_i32 last = T_EXPERTS - 1;
  for (tl_i32 e = tl_thread(); e < T_EXPERTS; e += T_THREADS) {
    tl_i32 rows = get(ROWS_OF + e);
    for (tl_i32 done = 0; done < rows; done += r->most)
      put_piece(r, get(PIECE_OF + e) + done / r->most, e, get(FIRST_OF + e) + done,
                rows - done < r->most ? rows - done : r->most);
  }
  tl_i64 count = get(PIECE_OF + last) + pieces_of(r, get(ROWS_OF + last));
  for (tl_i64 i = count + tl_thread(); i < r->pairs; i += T_THREADS) put_piece(r, i, 0, 0, 0);
}

TL_INLINE void deal_pairs(const run *r) {
  tl_i32 own = tl_thread() / 32 * T_EXPERTS, below, all;
  for (tl_i64 pair = r->begin; pair < r->end; pair += 32) {
    tl_i32 expert = expert_of(r, pair);
    count_lanes(expert, &below, &all);
    if (expert >= 0) {
      tl_i64 mine = pair + tl_thread() % 32;
      tl_i32 next = get(own + expert), sorted = get(FIRST_OF + expert) + next + below;
      tl_store_i32(r->a->at[1].p, sorted, (tl_i32)(mine / T_CHOSEN));
      tl_store_i32(r->a->at[1].p, r->pairs + mine, sorted);
    }
    tl_warp_barrier(); // all lanes have read what is changed
    if (expert >= 0 && below == 0) put(own + expert, get(own + expert) + all);
    tl_warp_barrier();
  }
}

TL_KERNEL(T_THREADS, 1) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  run r = {&a, (tl_i64)step->rows_count * T_CHOSEN, 0, 0, (tl_i32)a.at[2].i};
  tl_i64 each = (r.pairs + T_THREADS - 1) / T_THREADS * 32; // of a warp, whole rounds
  r.begin = tl_thread() / 32 * each;
  r.end = r.begin + each < r.pairs ? r.begin + each : r.pairs;
  for (tl_i32 i = tl_thread(); i < WARPS * T_EXPERTS; i += T_THREADS) put(i, 0);
  tl_wait_for_launch();
  tl_allow_next_launch();
  tl_barrier();
  count_pairs(&r);
  tl_barrier();
  add_warps();
  tl_barrier();
  if (tl_thread() < 32) add_experts(&r);
  tl_barrier();
  cut_pieces(&r);
  deal_pairs(&r);
}
