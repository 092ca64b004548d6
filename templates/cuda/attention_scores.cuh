// What kernels on the matrix unit share: which pieces are whose, and scores that are not seen.
// Before it is defined WIDE, the positions of a step that a warp works on, a multiple of 8.
#ifndef TL_TEMPLATES_CUDA_ATTENTION_SCORES_CUH
#define TL_TEMPLATES_CUDA_ATTENTION_SCORES_CUH

#include "templates/cuda/attention.cuh"

// Lane 4 * g + t has rows g and g + 8 of a tile, of every 8 columns 2t and 2t + 1.
typedef float score_tile[WIDE / 8][4];

// Whether the piece's sequence is attention_few's in this step.
TL_INLINE tl_i32 is_few(const query_tile *t, const tl_step *step) {
  tl_i64 sequence = (tl_i64)t->sequence * 4; // first row, rows, first position, ..
  tl_i32 rows = tl_step_int(step, step->sequences, sequence + 1);
  tl_i32 begun = tl_step_int(step, step->sequences, sequence + 2);
  return rows <= T_ROWS_FEW || (rows <= T_ROWS_FAR && begun >= T_FAR);
}

// Scores of one tile that a vector does not see; the step's first position is `position`.
TL_INLINE void hide(const query_tile *t, score_tile s, tl_i32 first_vector, tl_i32 position) {
  tl_i32 lane = tl_thread() % 32, begin = position + lane % 4 * 2;
  TL_UNROLL for (tl_i32 half = 0; half < 2; half++) {
    tl_i32 own = position_of(t, first_vector + half * 8 + lane / 4);
    tl_i32 last = own - begin, first = first_visible(own) - begin; // of the lane's columns
    TL_UNROLL for (tl_i32 n = 0; n < WIDE / 8; n++) {
      TL_UNROLL for (tl_i32 e = 0; e < 2; e++)
        if (n * 8 + e > last || n * 8 + e < first) s[n][half * 2 + e] = NONE;
    }
  }
}

#endif
