// What kernels on the matrix unit share: scores, and those that are not seen.
// Before it is defined WIDE, the positions of a step that a warp works on, a multiple of 8.
#ifndef TL_TEMPLATES_CUDA_ATTENTION_SCORES_CUH
#define TL_TEMPLATES_CUDA_ATTENTION_SCORES_CUH

#include "templates/cuda/attention.cuh"

// Lane 4 * g + t has rows g and g + 8 of a tile, of every 8 columns 2t and 2t + 1.
typedef float score_tile[WIDE / 8][4];

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
