// best: index of the largest value of each row, the lowest of several; -1 if one is no number or if
// all are minus infinity.
//
//   x (rows, T_COLUMNS) f32; out (rows, 1) i32
//   args: x, out;  grid: a row each;  shared: {value, index} of each warp
//   A thread takes every T_THREADS-th group of four, so that its indices ascend.
#include "templates/cuda/rows.cuh"

#define NOTHING 0x7fffffff
#define WARPS (T_THREADS / 32)
#define LEAST tl_bits_f32(0xff800000u) // minus infinity

typedef struct candidate {
  float value;
  tl_i32 index;   // NOTHING = none yet
  tl_i32 is_bad;  // a value was no number
} candidate;

TL_INLINE void take(candidate *c, float value, tl_i32 index) {
  if (value > c->value || (value == c->value && index < c->index)) {
    c->value = value;
    c->index = index;
  }
  if (!(value == value)) c->is_bad = 1;
}

TL_INLINE void take_quad(candidate *c, tl_quad x, tl_i32 column) {
  tl_u32 bits[4] = {x.x, x.y, x.z, x.w};
  TL_UNROLL for (tl_i32 i = 0; i < 4; i++) {
    if (column + i < T_COLUMNS) take(c, tl_bits_f32(bits[i]), column + i);
  }
}

// The warp's candidate, in every lane. A bad value outdoes all others.
TL_INLINE void take_warp(candidate *c) {
  TL_UNROLL for (tl_i32 mask = 16; mask > 0; mask /= 2) {
    float value = tl_from_lane_xor(c->value, mask);
    tl_i32 index = (tl_i32)tl_f32_bits(tl_from_lane_xor(tl_bits_f32((tl_u32)c->index), mask));
    tl_i32 bad = (tl_i32)tl_f32_bits(tl_from_lane_xor(tl_bits_f32((tl_u32)c->is_bad), mask));
    take(c, value, index);
    c->is_bad |= bad;
  }
}

TL_INLINE candidate find(const char *x) {
  candidate c = {LEAST, NOTHING, 0};
  for (tl_i32 column = tl_thread() * 4; column < T_COLUMNS; column += T_THREADS * 4)
    take_quad(&c, tl_load_quad(x, column / 4), column);
  take_warp(&c);
  return c;
}

TL_KERNEL(T_THREADS, 1) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  tl_i32 row = tl_block(), warp = tl_thread() / 32, lane = tl_thread() % 32;
  tl_wait_for_launch();
  if (row >= tl_rows_count(step)) return;
  candidate c = find((const char *)a.at[0].p + (tl_i64)row * T_INPUT_BYTES);
  if (lane == 0) {
    tl_shared_put_f32((tl_u32)warp * 8, c.value);
    tl_shared_put_u32((tl_u32)warp * 8 + 4, c.is_bad ? 0xffffffffu : (tl_u32)c.index);
  }
  tl_barrier();
  if (warp > 0) return;
  tl_u32 index = lane < WARPS ? tl_shared_u32((tl_u32)lane * 8 + 4) : NOTHING;
  c.value = lane < WARPS ? tl_shared_f32((tl_u32)lane * 8) : LEAST;
  c.index = (tl_i32)index;
  c.is_bad = index == 0xffffffffu;
  take_warp(&c);
  if (lane == 0) tl_store_i32(a.at[1].p, (tl_i64)row * 16, c.is_bad || c.value == LEAST ? -1 : c.index);
}
