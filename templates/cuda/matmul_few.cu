// matmul for few rows: weights stream from memory once per T_ROWS rows, straight into registers.
//
//   shapes and args: matmul.cuh; T_ROWS a multiple of 8 and of T_CLUSTER
//   grid: (block of T_ROWS rows * units + unit) * T_CLUSTER + rank; threads: WIDTH / 16 * T_SPLITS
//         warps; shared: SHARED_BYTES
//
// Order of the sum along K, the same for any number of rows: the T_CLUSTER blocks of a cluster take
// one part each; a warp makes 16 columns of the block's part, T_AHEAD steps of every chunk of
// T_SPLITS * T_AHEAD; what they have is added by rank, then split. A rank finishes its share of the
// rows, whose sums the others write into its memory.
//
// bf16: the weights are the matrix unit's a operand, 32 values of K of its rows at a time, 16 bytes
// a lane; x is the b operand, 8 rows at a time, copied to shared memory a chunk at a time. The
// first weights are on their way before anything is known of the rows.
#define SHARE (T_ROWS / T_CLUSTER) // rows of a rank
#define TILE_ROWS SHARE

#include "templates/cuda/matmul_rows.cuh"

#define STRIDE (WIDTH + 4) // neighbouring rows start in other banks
#define GROUPS (T_ROWS / 8)
#define CHUNK (T_SPLITS * T_AHEAD) // steps
#define CHUNKS ((STEPS + CHUNK - 1) / CHUNK)
#define X_STRIDE (CHUNK * STEP * 2 + (CHUNK % 2 ? 0 : 64)) // an odd number of half lines of banks
#define STAGE_BYTES (T_ROWS * X_STRIDE)
#define TILE (MATRIX_UNIT ? T_STAGES * STAGE_BYTES : 0) // its place
#define SHARED_BYTES (TILE + T_SPLITS * T_ROWS * STRIDE * 4)

// What a warp works on.
typedef struct strip {
  tl_i32 rank, split, column;
  tl_i32 first, last; // chunks
} strip;

// The sum of one output, to the rank whose row it is.
TL_INLINE void put_sum(const strip *s, tl_i32 row, tl_i32 column, float sum) {
  tl_i32 slot = (s->rank * T_SPLITS + s->split) * SHARE + row % SHARE;
  tl_u32 at = (tl_u32)(TILE + (slot * STRIDE + column) * 4);
  if (T_CLUSTER > 1) {
    tl_cluster_put_f32(row / SHARE, at, sum);
  } else {
    tl_shared_put_f32(at, sum);
  }
}

#if MATRIX_UNIT

TL_INLINE tl_i32 step_of(const strip *s, tl_i32 chunk, tl_i32 i) {
  return chunk * CHUNK + s->split * T_AHEAD + i;
}

TL_INLINE tl_i32 exists(tl_i32 step) {
  return STEPS % CHUNK == 0 || step < STEPS;
}

TL_INLINE void load_weights(tl_quad out[2], const char *row, tl_i32 step) {
  const tl_quad none = {0, 0, 0, 0};
  tl_i64 at = step * 4 + tl_thread() % 4, below = at + 8 * STEPS * 4;
  out[0] = exists(step) ? tl_load_stream(row, at) : none;
  out[1] = exists(step) ? tl_load_stream(row, below) : none;
}

// Two products: a lane's 8 values of K are the pairs of the first, then those of the second.
TL_INLINE void multiply(float d[4], const tl_quad w[2], tl_quad x) {
  tl_u32 first[4] = {w[0].x, w[1].x, w[0].y, w[1].y}, second[4] = {w[0].z, w[1].z, w[0].w, w[1].w};
  tl_u32 x_first[2] = {x.x, x.y}, x_second[2] = {x.z, x.w};
  tl_multiply_bf16(d, first, x_first);
  tl_multiply_bf16(d, second, x_second);
}

// A chunk of x into its stage, zeros where there is none.
TL_INLINE void copy_input(const unit *u, const tl_arguments *a, const tl_step *step, tl_i32 rows,
                          tl_i32 chunk, tl_i32 stage) {
  const tl_i32 quads = CHUNK * 4;
  TL_UNROLL for (tl_i32 done = 0; done < T_ROWS * quads; done += T_THREADS) {
    tl_i32 i = done + tl_thread(), row = i / quads, at = chunk * quads + i % quads;
    if (T_ROWS * quads % T_THREADS != 0 && i >= T_ROWS * quads) return;
    tl_i32 is_there = row < rows && exists(at / 4);
    const char *from = is_there ? input_row(u, a, step, u->row + row) + at * 16 : (const char *)a->at[0].p;
    tl_copy_async((tl_u32)(stage * STAGE_BYTES + row * X_STRIDE + i % quads * 16), from,
                  is_there ? 16 : 0);
  }
}

TL_INLINE void multiply_chunk(float d[GROUPS][4], tl_quad w[T_AHEAD][2], const strip *s,
                              const char *weights, tl_i32 chunk, tl_i32 stage) {
  tl_i32 lane = tl_thread() % 32, has_next = chunk + 1 < s->last;
  tl_i32 x = stage * STAGE_BYTES + lane / 4 * X_STRIDE + (s->split * T_AHEAD * 4 + lane % 4) * 16;
  TL_UNROLL for (tl_i32 i = 0; i < T_AHEAD; i++) {
    TL_UNROLL for (tl_i32 j = 0; j < GROUPS; j++) {
      multiply(d[j], w[i], tl_shared_quad((tl_u32)(x + j * 8 * X_STRIDE + i * 64)));
    }
    if (has_next) load_weights(w[i], weights, step_of(s, chunk + 1, i));
  }
}

TL_INLINE tl_i32 run_strip(const unit *u, const tl_arguments *a, const tl_step *step,
                           const strip *s) {
  tl_i32 lane = tl_thread() % 32, stage = 0;
  const char *weights = weight_row(u, s->column + lane / 4);
  float d[GROUPS][4];
  tl_quad w[T_AHEAD][2];
  TL_UNROLL for (tl_i32 i = 0; i < T_AHEAD; i++) {
    if (s->first < s->last) load_weights(w[i], weights, step_of(s, s->first, i));
  }
  TL_UNROLL for (tl_i32 j = 0; j < GROUPS; j++)
  TL_UNROLL for (tl_i32 i = 0; i < 4; i++) d[j][i] = 0;
  tl_i32 rows = rows_of(u, step);
  if (rows <= 0) return rows;
  tl_wait_for_launch();
  TL_UNROLL for (tl_i32 i = 0; i + 1 < T_STAGES; i++) {
    if (s->first + i < s->last) copy_input(u, a, step, rows, s->first + i, i);
    tl_copy_commit();
  }
  for (tl_i32 chunk = s->first; chunk < s->last; chunk++) {
    tl_i32 next = chunk + T_STAGES - 1, free = stage == 0 ? T_STAGES - 1 : stage - 1;
    tl_copy_wait(T_STAGES - 2);
    tl_barrier();
    if (next < s->last) copy_input(u, a, step, rows, next, free);
    tl_copy_commit();
    multiply_chunk(d, w, s, weights, chunk, stage);
    stage = stage + 1 == T_STAGES ? 0 : stage + 1;
  }
  if (T_CLUSTER > 1) tl_cluster_wait();
  TL_UNROLL for (tl_i32 j = 0; j < GROUPS; j++) TL_UNROLL for (tl_i32 i = 0; i < 4; i++) {
    tl_i32 row = j * 8 + 2 * (lane % 4) + i % 2;
    if (row < rows) put_sum(s, row, s->column + lane / 4 + i / 2 * 8, d[j][i]);
  }
  return rows;
}

#else

// At once, as registers allow.
#define COLUMNS_ONCE (T_THREADS * T_BLOCKS > 512 ? 2 : 4)
#define ROWS_ONCE (T_THREADS * T_BLOCKS > 512 ? 4 : 8)

// The products of a lane's four values of K: some columns with some rows.
TL_INLINE void add_fours(float sum[ROWS_ONCE][COLUMNS_ONCE],
                         const char *const weights[COLUMNS_ONCE], const char *const x[ROWS_ONCE],
                         tl_i32 k, tl_i32 rows) {
  tl_four w[COLUMNS_ONCE];
  TL_UNROLL for (tl_i32 c = 0; c < COLUMNS_ONCE; c++) w[c] = weight_four(weights[c], k);
  TL_UNROLL for (tl_i32 r = 0; r < ROWS_ONCE; r++) if (r < rows) {
    tl_four f = tl_load_four(x[r], k, T_INPUT_BF16);
    TL_UNROLL for (tl_i32 c = 0; c < COLUMNS_ONCE; c++) TL_UNROLL for (tl_i32 e = 0; e < 4; e++) {
      sum[r][c] = tl_fma(w[c].v[e], f.v[e], sum[r][c]);
    }
  }
}

// Sums of ROWS_ONCE rows from `row` on, those behind the last are made of it again.
TL_INLINE void run_columns(const unit *u, const tl_arguments *a, const tl_step *step,
                           const strip *s, tl_i32 column, tl_i32 row, tl_i32 rows) {
  const char *weights[COLUMNS_ONCE], *x[ROWS_ONCE];
  tl_i32 lane = tl_thread() % 32, end = s->last * CHUNK * STEP;
  if (end > T_COLUMNS) end = T_COLUMNS;
  float sum[ROWS_ONCE][COLUMNS_ONCE];
  TL_UNROLL for (tl_i32 c = 0; c < COLUMNS_ONCE; c++) weights[c] = weight_row(u, column + c);
  TL_UNROLL for (tl_i32 r = 0; r < ROWS_ONCE; r++) {
    x[r] = input_row(u, a, step, u->row + (row + r < rows ? row + r : rows - 1));
    TL_UNROLL for (tl_i32 c = 0; c < COLUMNS_ONCE; c++) sum[r][c] = 0;
  }
  tl_i32 k = s->first * CHUNK * STEP + (s->split * 32 + lane) * (IN_FOURS ? 4 : 1);
  for (; k < end; k += T_SPLITS * 32 * (IN_FOURS ? 4 : 1)) {
    if (IN_FOURS) {
      add_fours(sum, weights, x, k, rows - row);
      continue;
    }
    TL_UNROLL for (tl_i32 r = 0; r < ROWS_ONCE; r++) {
      float value = tl_load_value(x[r], k, T_INPUT_BF16);
      TL_UNROLL for (tl_i32 c = 0; c < COLUMNS_ONCE; c++)
        sum[r][c] = tl_fma(weight_value(weights[c], k), value, sum[r][c]);
    }
  }
  TL_UNROLL for (tl_i32 r = 0; r < ROWS_ONCE; r++) {
    TL_UNROLL for (tl_i32 c = 0; c < COLUMNS_ONCE; c++) {
      float all = tl_warp_sum(sum[r][c]);
      if (lane == 0 && row + r < rows) put_sum(s, row + r, column + c, all);
    }
  }
}

// Columns a few at a time, K over the lanes.
TL_INLINE tl_i32 run_strip(const unit *u, const tl_arguments *a, const tl_step *step,
                           const strip *s) {
  tl_i32 rows = rows_of(u, step);
  if (rows <= 0) return rows;
  tl_wait_for_launch();
  if (T_CLUSTER > 1) tl_cluster_wait();
  for (tl_i32 c = s->column; c < s->column + 16; c += COLUMNS_ONCE) {
    for (tl_i32 row = 0; row < rows && row < T_ROWS; row += ROWS_ONCE)
      run_columns(u, a, step, s, c, row, rows);
  }
  return rows;
}

#endif

// Adds the sums along K of all ranks and splits, in their order.
TL_INLINE void add_splits(tl_tile *tile) {
  TL_EACH_FOUR(r, c) {
    tl_four sum = tl_tile_four(tile, r, c);
    TL_UNROLL for (tl_i32 s = 1; s < T_CLUSTER * T_SPLITS; s++) {
      tl_four more = tl_tile_four(tile, s * SHARE + r, c);
      TL_UNROLL for (tl_i32 e = 0; e < 4; e++) sum.v[e] += more.v[e];
    }
    tl_tile_put_four(tile, r, c, sum);
  }
}

TL_KERNEL(T_THREADS, T_BLOCKS)
TL_CLUSTER(T_CLUSTER) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  tl_i32 warp = tl_thread() / 32, rank = tl_block() % T_CLUSTER, place = tl_block() / T_CLUSTER;
  tl_i32 units = units_count(&a), row = place / units * T_ROWS;
  tl_allow_next_launch();
  if (T_CHOSEN > 0) tl_wait_for_launch(); // an earlier launch says which weights
  if (T_CHOSEN == 0 && row > 0 && row >= tl_rows_count(step)) return;
  unit u = unit_at(&a, step, place % units, row);
  if (T_CHOSEN > 0 && u.rows == 0) return;
  if (T_CLUSTER > 1) tl_cluster_begin();
  strip s = {rank, warp / (WIDTH / 16), warp % (WIDTH / 16) * 16, CHUNKS * rank / T_CLUSTER,
             CHUNKS * (rank + 1) / T_CLUSTER};
  tl_i32 rows = run_strip(&u, &a, step, &s);
  if (rows <= 0) return;
  if (T_CLUSTER > 1) {
    tl_cluster_arrive();
    tl_cluster_wait();
  } else {
    tl_barrier();
  }
  place = tl_from_here(tl_block()) / T_CLUSTER; // again: registers are scarce until here
  row = place / units * T_ROWS;
  u = unit_at(&a, step, place % units, row);
  tl_i32 left = rows - rank * SHARE;
  if (left <= 0) return;
  tl_tile tile = tile_of(&u, TILE, STRIDE, u.row + rank * SHARE, left < SHARE ? left : SHARE);
  add_splits(&tile);
  tl_epilogue(&tile, &a, step, u.segment);
}
