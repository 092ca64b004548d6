// Which sequences of a step take latent attention in which form.
//
//   absorbed   queries are turned to the latent side, T_LATENT values a head: latent.cu between two
//              matmuls by heads. A row costs T_LATENT * 2 products for each position and head.
//   expanded   keys and values of the sequence's positions are made first, latent_expand.cu, then
//              attention to them, latent_many.cu: T_PLAIN + T_VALUE products, less by so much that
//              it pays for what they cost if the sequence has enough rows in this step.
//
// A sequence with more than `few` rows is expanded if its positions are at most `room` and, with
// those of the expanded ones before it, still are: so many have a place in memory. All kernels of
// both forms are given the two numbers.
#ifndef TL_TEMPLATES_CUDA_LATENT_SHARE_CUH
#define TL_TEMPLATES_CUDA_LATENT_SHARE_CUH

#include "templates/cuda/tile.cuh"

typedef struct tl_share {
  tl_i32 few, room;
} tl_share;

TL_INLINE tl_share tl_share_at(const tl_arguments *a, tl_i32 first) {
  tl_share share = {(tl_i32)a->at[first].i, (tl_i32)a->at[first + 1].i};
  return share;
}

// A sequence of the step; `place`: positions of the expanded ones before it.
typedef struct tl_sequence {
  tl_i32 index, first_row, rows, begun, place;
} tl_sequence;

TL_INLINE tl_sequence tl_sequence_at(const tl_step *step, tl_i32 index) {
  tl_sequence s = {index, 0, 0, 0, 0};
  if (index < step->sequences_count) {
    s.first_row = tl_step_int(step, step->sequences, (tl_i64)index * 4);
    s.rows = tl_step_int(step, step->sequences, (tl_i64)index * 4 + 1);
    s.begun = tl_step_int(step, step->sequences, (tl_i64)index * 4 + 2);
  }
  return s;
}

// Positions that it wants, 0 if it stays absorbed whatever room there is.
TL_INLINE tl_i32 tl_positions_wanted(const tl_sequence *s, tl_share share) {
  tl_i32 positions = s->begun + s->rows;
  return s->rows > share.few && positions <= share.room ? positions : 0;
}

// From this sequence on all are absorbed. By whole warps.
TL_INLINE tl_i32 tl_expanded_end(const tl_step *step, tl_share share) {
  tl_i32 count = step->sequences_count, before = 0;
  if (step->rows_count <= share.few) return 0;
  for (tl_i32 first = 0; first < count; first += 32) {
    tl_sequence s = tl_sequence_at(step, first + tl_thread() % 32);
    tl_i32 end = before + tl_sum_to_lane(tl_positions_wanted(&s, share));
    tl_i32 fitting = (tl_i32)tl_warp_sum(end <= share.room ? 1.0f : 0.0f);
    if (fitting < 32) return first + fitting;
    before = tl_int_from_lane(end, 31);
  }
  return count;
}

TL_INLINE tl_i32 tl_is_expanded(const tl_sequence *s, tl_share share, tl_i32 end) {
  return s->index < end && tl_positions_wanted(s, share) > 0;
}

// Whether all of these rows are of expanded sequences. By whole warps.
TL_INLINE tl_i32 tl_are_expanded(const tl_step *step, tl_share share, tl_i32 row, tl_i32 rows) {
  tl_i32 before = 0;
  if (step->rows_count <= share.few) return 0;
  for (tl_i32 first = 0; first < step->sequences_count; first += 32) {
    tl_sequence s = tl_sequence_at(step, first + tl_thread() % 32);
    tl_i32 positions = tl_positions_wanted(&s, share), end = before + tl_sum_to_lane(positions);
    tl_i32 meets = s.first_row < row + rows && s.first_row + s.rows > row;
    if (tl_any(meets && (positions == 0 || end > share.room))) return 0;
    before = tl_int_from_lane(end, 31);
  }
  return 1;
}

// The expanded sequence that has unit `unit` of all, which each has as many of as UNITS_OF says, and
// the unit's number in it; false if there are less. By whole warps.
#ifdef UNITS_OF
TL_INLINE tl_i32 tl_find_expanded(tl_sequence *out, const tl_step *step, tl_share share,
                                  tl_i32 *unit) {
  tl_i32 before = 0, units_before = 0;
  for (tl_i32 first = 0; first < step->sequences_count; first += 32) {
    tl_sequence s = tl_sequence_at(step, first + tl_thread() % 32);
    tl_i32 positions = tl_positions_wanted(&s, share), end = before + tl_sum_to_lane(positions);
    tl_i32 units = positions > 0 && end <= share.room ? UNITS_OF(&s) : 0;
    tl_i32 units_end = units_before + tl_sum_to_lane(units);
    tl_i32 passed = (tl_i32)tl_warp_sum(units_end <= *unit ? 1.0f : 0.0f);
    if (passed < 32) {
      *out = tl_sequence_at(step, first + passed);
      out->place = tl_int_from_lane(end - positions, passed);
      *unit -= tl_int_from_lane(units_end - units, passed);
      return 1;
    }
    before = tl_int_from_lane(end, 31);
    units_before = tl_int_from_lane(units_end, 31);
  }
  return 0;
}
#endif

#endif
