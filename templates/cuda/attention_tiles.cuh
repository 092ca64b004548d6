// Attention on the matrix unit: a warp's query vectors against a step of positions, online softmax
// in registers. bf16 pages, T_KEY and T_VALUE multiples of 16. Before it are defined
//
//   TILES   tiles of 16 query vectors of a warp
//   WIDE    positions of a step that the warp works on, a multiple of 16
//
// A step changes (m, l, o) only by what a vector sees: hidden positions add exact zeros, so that a
// vector's result does not depend on the others of its tile.
#ifndef TL_TEMPLATES_CUDA_ATTENTION_TILES_CUH
#define TL_TEMPLATES_CUDA_ATTENTION_TILES_CUH

#include "templates/cuda/attention_scores.cuh"
#include "templates/cuda/attention_bytes.cuh"

#define KEY_ROW TL_ATTENTION_ROW(T_KEY)
#define VALUE_ROW TL_ATTENTION_ROW(T_VALUE)

// Lane 4 * g + t has rows g and g + 8 of each tile, of every 8 columns 2t and 2t + 1.
typedef struct part {
  float largest[TILES][2];
  float total[TILES][2]; // of the lane's columns until end_part
  float sums[TILES][T_VALUE / 8][4];
} part;

TL_INLINE void begin_part(part *o) {
  TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++) {
    TL_UNROLL for (tl_i32 half = 0; half < 2; half++) {
      o->largest[tile][half] = NONE;
      o->total[tile][half] = 0;
    }
    TL_UNROLL for (tl_i32 c = 0; c < T_VALUE / 8; c++) {
      TL_UNROLL for (tl_i32 e = 0; e < 4; e++) o->sums[tile][c][e] = 0;
    }
  }
}

// Rows of `pieces` times 16 bytes to shared memory, dealt to `threads` threads of which this is
// `thread`; rows from `left` on become zeros, they may be another sequence's. More unrolled it
// would cost registers.
TL_INLINE void copy_rows(tl_u32 to, tl_i32 to_row, const char *from, tl_i32 rows, tl_i32 pieces,
                         tl_i32 left, tl_i32 thread, tl_i32 threads) {
  TL_UNROLL_BY(4) for (tl_i32 at = thread; at < rows * pieces; at += threads) {
    tl_i32 row = at / pieces, piece = at % pieces;
    tl_copy_async(to + (tl_u32)(row * to_row + piece * 16), from + at * 16, row < left ? 16 : 0);
  }
}

// Queries [vectors] to shared memory, zeros for those that do not exist. 
TL_INLINE void load_queries(const query_tile *t, tl_u32 to, tl_i32 vectors) {
  const tl_quad none = {0, 0, 0, 0};
  for (tl_i32 i = tl_thread(); i < vectors * (T_KEY / 8); i += T_THREADS) {
    tl_i32 vector = i / (T_KEY / 8), piece = i % (T_KEY / 8);
    tl_quad x = vector < t->count
                    ? tl_load_quad(row_of(t, vector, 0), place_of(t, vector, T_KEY) / 8 + piece)
                    : none;
    tl_shared_put_quad(to + (tl_u32)(vector * KEY_ROW + piece * 16), x);
  }
}

TL_INLINE void cap(score_tile s) {
  const float by = (float)(T_SCALE / (T_SOFTCAP + (T_SOFTCAP == 0)));
  TL_UNROLL for (tl_i32 n = 0; n < WIDE / 8; n++) {
    TL_UNROLL for (tl_i32 e = 0; e < 4; e++) s[n][e] = tl_tanh(s[n][e] * by);
  }
}

TL_INLINE void score(score_tile s[TILES], tl_u32 queries, tl_u32 keys) {
  tl_i32 lane = tl_thread() % 32;
  tl_u32 query_at = queries + (tl_u32)(lane % 16 * KEY_ROW + lane / 16 * 16);
  tl_u32 key_at = keys + (tl_u32)((lane % 8 + lane / 16 * 8) * KEY_ROW + lane / 8 % 2 * 16);
  TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++) {
    TL_UNROLL for (tl_i32 n = 0; n < WIDE / 8; n++) {
      TL_UNROLL for (tl_i32 e = 0; e < 4; e++) s[tile][n][e] = 0;
    }
  }
  TL_UNROLL for (tl_i32 k = 0; k < T_KEY; k += 16) {
    tl_u32 q[TILES][4], b[4];
    TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++)
      tl_matrices(q[tile], query_at + (tl_u32)(tile * 16 * KEY_ROW + k * 2));
    TL_UNROLL for (tl_i32 n = 0; n < WIDE / 16; n++) {
      tl_matrices(b, key_at + (tl_u32)(n * 16 * KEY_ROW + k * 2));
      TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++) {
        tl_multiply_bf16(s[tile][2 * n], q[tile], b);
        tl_multiply_bf16(s[tile][2 * n + 1], q[tile], b + 2);
      }
    }
  }
}

// Multiplies a tile's sums so far; mostly by 1, as the largest scores come early.
TL_INLINE void keep_sums(float sums[T_VALUE / 8][4], const float keep[2]) {
  if (!tl_any(keep[0] != 1 || keep[1] != 1)) return;
  TL_UNROLL for (tl_i32 c = 0; c < T_VALUE / 8; c++) {
    TL_UNROLL for (tl_i32 e = 0; e < 4; e++) sums[c][e] *= keep[e / 2];
  }
}

// Scores of one tile to weights, as the matrix unit takes them.
TL_INLINE void weigh(part *o, tl_i32 tile, score_tile s, tl_u32 weights[WIDE / 16][4]) {
  float keep[2];
  TL_UNROLL for (tl_i32 half = 0; half < 2; half++) {
    float before = o->largest[tile][half], top = before, sum = 0;
    TL_UNROLL for (tl_i32 n = 0; n < WIDE / 8; n++)
      top = tl_max(top, tl_max(s[n][half * 2], s[n][half * 2 + 1]));
    top = tl_max(top, tl_from_lane_xor(top, 1));
    top = tl_max(top, tl_from_lane_xor(top, 2));
    float shift = top == NONE ? 0.0f : -top * UNIT;
    keep[half] = kept(before, top);
    TL_UNROLL for (tl_i32 n = 0; n < WIDE / 8; n++) {
      float left = tl_exp2(tl_fma(s[n][half * 2], UNIT, shift));
      float right = tl_exp2(tl_fma(s[n][half * 2 + 1], UNIT, shift));
      sum += left + right;
      weights[n / 2][n % 2 * 2 + half] = tl_pack_bf16(left, right);
    }
    o->largest[tile][half] = top;
    o->total[tile][half] = tl_fma(o->total[tile][half], keep[half], sum);
  }
  keep_sums(o->sums[tile], keep);
}

TL_INLINE void mix(part *o, tl_u32 weights[TILES][WIDE / 16][4], tl_u32 values) {
  tl_i32 lane = tl_thread() % 32;
  tl_u32 value_at = values + (tl_u32)(lane % 16 * VALUE_ROW + lane / 16 * 16);
  TL_UNROLL for (tl_i32 k = 0; k < WIDE / 16; k++) {
    TL_UNROLL for (tl_i32 c = 0; c < T_VALUE / 16; c++) {
      tl_u32 b[4];
      tl_matrices_turned(b, value_at + (tl_u32)(k * 16 * VALUE_ROW + c * 32));
      TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++) {
        tl_multiply_bf16(o->sums[tile][2 * c], weights[tile][k], b);
        tl_multiply_bf16(o->sums[tile][2 * c + 1], weights[tile][k], b + 2);
      }
    }
  }
}

// Adds what the tile's vectors from `first_vector` on see of [position, position + WIDE).
TL_INLINE void add_positions(part *o, const query_tile *t, tl_i32 first_vector, tl_i32 position,
                             tl_u32 queries, tl_u32 keys, tl_u32 values) {
  score_tile s[TILES];
  tl_u32 weights[TILES][WIDE / 16][4];
  score(s, queries, keys);
  TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++) {
    tl_i32 vector = first_vector + tile * 16;
    if (T_SOFTCAP != 0) cap(s[tile]);
    if (position + WIDE - 1 > position_of(t, vector) ||
        position < first_visible(position_of(t, vector + 15)))
      hide(t, s[tile], vector, position);
    weigh(o, tile, s[tile], weights[tile]);
  }
  mix(o, weights, values);
}

TL_INLINE void end_part(part *o) {
  TL_UNROLL for (tl_i32 tile = 0; tile < TILES; tile++) {
    TL_UNROLL for (tl_i32 half = 0; half < 2; half++) {
      float total = o->total[tile][half];
      total += tl_from_lane_xor(total, 1);
      o->total[tile][half] = total + tl_from_lane_xor(total, 2);
    }
  }
}

#endif
