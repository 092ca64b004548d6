// rope_table: for each row the cosines, then the sines, of position times frequency.
//
//   args: frequencies (T_PAIRS) f32, out (rows, 2 * T_PAIRS) f32;  grid: a row each
//   The angle is one f32 product, as the models were trained with; sine and cosine reduce it
//   exactly.
#include "templates/cuda/rows.cuh"

TL_KERNEL(T_THREADS, 1) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  tl_i32 row = tl_block();
  if (row >= step->rows_count) return;
  float fall = 0.0f;
  if (T_LIMIT > 0 && T_PAIRS > 1) { // see the op rope
    float length = (float)tl_step_int(step, step->lengths, row);
    float growth = (float)T_STRETCH * length / (float)T_LIMIT - ((float)T_STRETCH - 1.0f);
    if (length > (float)T_LIMIT) fall = tl_log(growth) / (float)(T_PAIRS - 1);
  }
  float position = (float)tl_step_int(step, step->positions, row);
  char *out = (char *)a.at[1].p + (tl_i64)row * T_INPUT_BYTES;
  tl_wait_for_launch();
  for (tl_i32 j = tl_thread(); j < T_PAIRS; j += T_THREADS) {
    float frequency = tl_load_f32(a.at[0].p, j);
    if (T_LIMIT > 0) frequency *= tl_exp(-fall * (float)j);
    float angle = position * frequency;
    tl_store_f32(out, j, (float)T_FACTOR * tl_cos(angle));
    tl_store_f32(out, T_PAIRS + j, (float)T_FACTOR * tl_sin(angle));
  }
  tl_allow_next_launch();
}
