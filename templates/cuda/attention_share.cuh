// Which of a step's sequences are attention_few's, which says what the constants mean, and which
// attention_many's.
#ifndef TL_TEMPLATES_CUDA_ATTENTION_SHARE_CUH
#define TL_TEMPLATES_CUDA_ATTENTION_SHARE_CUH

#include "templates/cuda/attention.cuh"

// Whether the piece's sequence is attention_few's in this step.
TL_INLINE tl_i32 is_few(const query_tile *t, const tl_step *step) {
  tl_i64 sequence = (tl_i64)t->sequence * 4; // first row, rows, first position, ..
  tl_i32 rows = tl_step_int(step, step->sequences, sequence + 1);
  tl_i32 begun = tl_step_int(step, step->sequences, sequence + 2);
  return rows <= T_ROWS_FEW || (rows <= T_ROWS_FAR && begun >= T_FAR);
}

#endif
