// candidates: what a sampler asks of a wanted row: its largest values with their columns, and how
// much the others weigh; see tl_step_best in runtime/base/step.h.
//
//   x (rows, T_COLUMNS) f32; best (rows) tl_step_best; list (rows, T_LISTED) tl_step_candidate
//   args: x, best, list, parts (rows, T_PARTS_BYTES), counters (rows), zero at first
//   grid: T_BLOCKS for each row, T_THREADS * T_EACH columns each;  shared: see below
//
// Values are compared as keys: integers of the same order, 0 for what cannot be chosen. The border
// of the largest is found by halving the range of keys; of equal ones there the first are taken.
// Each thread has neighbours, so what is taken stays in the order of columns. The last block of a
// row to come does the same with what its blocks have taken, T_MERGED for each thread.
//
//   shared   sums of warps, twice [2 * WARPS] | blocks that came before | weights of warps [WARPS]
#include "templates/cuda/rows.cuh"

#define WARPS (T_THREADS / 32)
#define SUMS 0
#define ARRIVED (2 * WARPS * 4)
#define WEIGHTS (ARRIVED + 16)

#define PART_BYTES (16 + T_LISTED * 8) // {taken or -1, largest key, weight of the rest, 0}, pairs
#define LOWEST 0x007fffffu             // the key of minus infinity
#define LOG2_E 1.44269504f

// What a block looks at, and which of it is taken: keys from `high` on, and of those from `low` on
// the first `ties`.
typedef struct search {
  tl_u32 keys[T_EACH > T_MERGED ? T_EACH : T_MERGED];
  tl_u32 most, low, high;
  tl_i32 count, ties; // of those taken
  tl_i32 is_bad;      // some value is no number
  tl_u32 turn;        // of the sums
} search;

TL_INLINE tl_u32 key_of(tl_u32 bits) {
  if (bits == 0x80000000u) bits = 0;
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

TL_INLINE tl_u32 bits_of(tl_u32 key) {
  return key & 0x80000000u ? key ^ 0x80000000u : ~key;
}

TL_INLINE tl_i32 is_number(tl_u32 bits) {
  return (bits & 0x7fffffffu) <= 0x7f800000u;
}

TL_INLINE tl_u32 choosable(tl_u32 key) {
  return key > LOWEST ? key : 0;
}

// ---- sums of a block, in every thread

// The warps' values, where nobody reads those of the sum before.
TL_INLINE void show(search *s, tl_u32 value) {
  s->turn ^= 1;
  if (tl_thread() % 32 == 0)
    tl_shared_put_u32(SUMS + (s->turn * WARPS + (tl_u32)tl_thread() / 32) * 4, value);
  tl_barrier();
}

TL_INLINE tl_u32 shown(const search *s, tl_i32 warp) {
  return tl_shared_u32(SUMS + (s->turn * WARPS + (tl_u32)warp) * 4);
}

TL_INLINE tl_u32 sum(search *s, tl_u32 value) {
  tl_u32 all = 0;
  show(s, tl_lanes_sum(value));
  TL_UNROLL for (tl_i32 warp = 0; warp < WARPS; warp++) all += shown(s, warp);
  return all;
}

TL_INLINE tl_u32 largest(search *s, tl_u32 value) {
  tl_u32 all = 0;
  show(s, tl_lanes_largest(value));
  TL_UNROLL for (tl_i32 warp = 0; warp < WARPS; warp++) {
    tl_u32 other = shown(s, warp);
    all = other > all ? other : all;
  }
  return all;
}

// ---- the search

TL_INLINE tl_u32 count_from(const search *s, tl_i32 each, tl_u32 key) {
  tl_u32 count = 0;
  TL_UNROLL for (tl_i32 i = 0; i < each; i++) count += s->keys[i] >= key;
  return count;
}

// Sets the border such that `wanted` keys are taken, or all that can be chosen. Most often it is
// not found to the last bit: where as many keys are above as are wanted, the search ends.
TL_INLINE void find(search *s, tl_i32 each, tl_u32 wanted) {
  tl_u32 most = 0;
  TL_UNROLL for (tl_i32 i = 0; i < each; i++) most = s->keys[i] > most ? s->keys[i] : most;
  most = largest(s, most);
  tl_u32 above = 0, from = sum(s, count_from(s, each, 1) | (tl_u32)s->is_bad << 16);
  s->is_bad = from > 0xffff;
  from &= 0xffff;
  if (wanted > from) wanted = from;
  s->most = most;
  s->low = 1;
  s->high = most + 1;
  tl_u32 middle = most; // where only one is wanted, it is the first guess
  while (s->high - s->low > 1 && most > 0 && from > wanted) {
    tl_u32 count = sum(s, count_from(s, each, middle));
    if (count >= wanted) {
      s->low = middle;
      from = count;
    } else {
      s->high = middle;
      above = count;
    }
    middle = s->low + (s->high - s->low) / 2;
  }
  s->count = (tl_i32)wanted;
  s->ties = (tl_i32)(wanted - above);
}

TL_INLINE tl_i32 sum_below(tl_i32 value) {
  tl_i32 lane = tl_thread() % 32, all = value;
  TL_UNROLL for (tl_i32 by = 1; by < 32; by *= 2) {
    tl_i32 lower = tl_int_from_lane(all, lane < by ? lane : lane - by);
    all += lane < by ? 0 : lower;
  }
  return all - value;
}

// How many of this thread's keys are taken in any case, and above 16 bits how many are at the
// border: the sums of all threads below.
TL_INLINE tl_u32 count_below(search *s, tl_i32 each) {
  tl_u32 high = count_from(s, each, s->high), low = count_from(s, each, s->low);
  tl_u32 own = high | (low - high) << 16, below = (tl_u32)sum_below((tl_i32)own);
  show(s, tl_lanes_sum(own));
  TL_UNROLL for (tl_i32 warp = 0; warp < WARPS - 1; warp++)
    below += warp < tl_thread() / 32 ? shown(s, warp) : 0;
  return below;
}

// ---- a row

typedef struct row {
  const tl_arguments *a;
  tl_i32 number, block;
  float scale; // of differences, for powers of 2; 0: nothing is weighed
} row;

TL_INLINE char *part_of(const row *r, tl_i32 block) {
  return (char *)r->a->at[3].p + (tl_i64)r->number * T_PARTS_BYTES + (tl_i64)block * PART_BYTES;
}

TL_INLINE float weight_of(const row *r, tl_u32 key, tl_u32 most) {
  return tl_exp2((tl_bits_f32(bits_of(key)) - tl_bits_f32(bits_of(most))) * r->scale);
}

// Columns of a piece of the row.
TL_INLINE void load(search *s, const row *r) {
  const char *x = (const char *)r->a->at[0].p + (tl_i64)r->number * T_INPUT_BYTES;
  tl_i32 first = (r->block * T_THREADS + tl_thread()) * T_EACH;
  s->is_bad = 0;
  TL_UNROLL for (tl_i32 i = 0; i < T_EACH; i += 4) {
    tl_quad q = {0, 0, 0, 0};
    if (first + i < T_COLUMNS) q = tl_load_quad(x, (first + i) / 4);
    tl_u32 bits[4] = {q.x, q.y, q.z, q.w};
    TL_UNROLL for (tl_i32 j = 0; j < 4; j++) {
      tl_i32 is_there = first + i + j < T_COLUMNS;
      s->is_bad |= is_there && !is_number(bits[j]);
      s->keys[i + j] = is_there ? choosable(key_of(bits[j])) : 0;
    }
  }
}

// The pair that is number `i` of this thread's, of those that blocks have taken.
TL_INLINE tl_pair taken_at(const row *r, tl_i32 i) {
  tl_i32 number = tl_thread() * T_MERGED + i;
  return tl_load_pair(part_of(r, number / T_LISTED) + 16, number % T_LISTED);
}

TL_INLINE void load_taken(search *s, const row *r) {
  tl_i32 first = tl_thread() * T_MERGED, block = first / T_LISTED, count = 0;
  if (block < T_BLOCKS) count = tl_load_i32(part_of(r, block), 0);
  s->is_bad = count < 0;
  TL_UNROLL for (tl_i32 i = 0; i < T_MERGED; i++)
    s->keys[i] = first % T_LISTED + i < count ? key_of(taken_at(r, i).x) : 0;
}

// Stores what is taken and gives the weight of this thread's rest.
TL_INLINE float take(search *s, const row *r, tl_i32 each, tl_i32 is_merged, char *out) {
  tl_u32 below = count_below(s, each);
  tl_i32 sure = (tl_i32)(below & 0xffff), tie = (tl_i32)(below >> 16);
  tl_i32 first = (r->block * T_THREADS + tl_thread()) * T_EACH;
  float rest = 0;
  TL_UNROLL for (tl_i32 i = 0; i < each; i++) {
    tl_u32 key = s->keys[i];
    tl_i32 is_sure = key >= s->high, is_tie = !is_sure && key >= s->low;
    if (is_sure || (is_tie && tie < s->ties)) {
      tl_u32 column = is_merged ? taken_at(r, i).y : (tl_u32)(first + i);
      tl_pair pair = {bits_of(key), column};
      tl_store_pair(out, sure + (tie < s->ties ? tie : s->ties), pair);
    } else if (key > 0 && r->scale > 0) {
      rest += weight_of(r, key, s->most);
    }
    sure += is_sure;
    tie += is_tie;
  }
  return rest;
}

// In thread 0.
TL_INLINE float sum_weights(float weight) {
  float all = 0;
  weight = tl_warp_sum(weight);
  if (tl_thread() % 32 == 0) tl_shared_put_f32(WEIGHTS + (tl_u32)tl_thread() / 32 * 4, weight);
  tl_barrier();
  if (tl_thread() > 0) return 0;
  for (tl_i32 warp = 0; warp < WARPS; warp++)
    all += tl_shared_f32(WEIGHTS + (tl_u32)warp * 4);
  return all;
}

// True in all threads of the last block of the row to come. What it took was written before the
// last barrier, or by thread 0.
TL_INLINE tl_i32 is_last(const row *r) {
  if (tl_thread() == 0)
    tl_shared_put_u32(ARRIVED, tl_arrive(r->a->at[4].p, (tl_i64)r->number * 16, T_BLOCKS));
  tl_barrier();
  return tl_shared_u32(ARRIVED) == T_BLOCKS - 1;
}

// What a block has weighed by its own largest value.
TL_INLINE float weight_of_part(const row *r, tl_i32 block, tl_u32 most) {
  tl_quad part = tl_load_quad(part_of(r, block), 0);
  return (tl_i32)part.x > 0 ? tl_bits_f32(part.z) * weight_of(r, part.y, most) : 0;
}

TL_INLINE void merge(search *s, const row *r, tl_u32 wanted) {
  char *list = (char *)r->a->at[2].p + (tl_i64)r->number * T_LISTED * 8;
  load_taken(s, r);
  find(s, T_MERGED, wanted);
  float rest = take(s, r, T_MERGED, 1, list);
  if (tl_thread() < T_BLOCKS && r->scale > 0) rest += weight_of_part(r, tl_thread(), s->most);
  rest = sum_weights(rest);
  if (tl_thread() > 0) return;
  tl_i32 is_one = wanted == 1 && s->count == 1 && !s->is_bad;
  tl_quad best = {is_one ? tl_load_pair(list, 0).y : 0xffffffffu,
                  s->is_bad ? 0xffffffffu : (tl_u32)s->count, tl_f32_bits(rest), 0};
  tl_store_quad(r->a->at[1].p, (tl_i64)r->number * 4, best);
}

TL_KERNEL(T_THREADS, 2) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  row r = {&a, tl_block() / T_BLOCKS, tl_block() % T_BLOCKS, 0};
  search s;
  s.turn = 0;
  tl_wait_for_launch();
  if (r.number >= tl_rows_count(step)) return;
  float temperature = tl_load_f32((const char *)step + step->asked, r.number);
  if (temperature < 0) return;
  tl_u32 wanted = temperature > 0 ? T_LISTED : 1;
  if (temperature > 0) r.scale = LOG2_E / temperature;
  load(&s, &r);
  find(&s, T_EACH, wanted);
  char *part = part_of(&r, r.block);
  float rest = sum_weights(take(&s, &r, T_EACH, 0, part + 16));
  if (tl_thread() == 0) {
    tl_quad head = {s.is_bad ? 0xffffffffu : (tl_u32)s.count, s.most, tl_f32_bits(rest), 0};
    tl_store_quad(part, 0, head);
  }
  if (is_last(&r)) merge(&s, &r, wanted);
}
