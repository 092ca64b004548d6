// A toy for tests/unit/cuda_shim_test.c: c = a b^T in bf16 with copies under way while the matrix
// unit works. A block of 4 warps makes 64 x 64 of c, a warp 32 x 32; K in steps of 32, two stages.
//
//   a (M, K) bf16, b (N, K) bf16, c (M, N) f32; M and N multiples of 64, K of 32
//   arguments: a, b, c, N, K, and what to do wrong: 1 waits for a group less, 2 and 3 leave out the
//   barrier before and after the matrix unit's work
#include "templates/cuda/dialect.cuh"

enum { GEMM_TILE = 64, GEMM_K = 32, GEMM_THREADS = 128 };
enum { GEMM_ROW = GEMM_K * 2 + 16, GEMM_SIDE = GEMM_TILE * GEMM_ROW, GEMM_STAGE = 2 * GEMM_SIDE };

// Rows [row, row + 64) of `from` (.., K), K from k on, to shared memory.
TL_INLINE void gemm_fetch(tl_u32 to, const tl_u16 *from, tl_i64 row, tl_i64 k, tl_i64 row_values) {
  for (tl_i32 i = tl_thread(); i < GEMM_TILE * 4; i += GEMM_THREADS)
    tl_copy_async(to + (tl_u32)(i / 4 * GEMM_ROW + i % 4 * 16),
                  from + (row + i / 4) * row_values + k + i % 4 * 8, 16);
}

TL_INLINE void gemm_step(float d[2][4][4], tl_u32 stage, tl_i32 m, tl_i32 n) {
  tl_i32 lane = tl_thread() % 32;
  for (tl_i32 k = 0; k < GEMM_K; k += 16) {
    tl_u32 a[2][4], b[2][4];
    TL_UNROLL for (tl_i32 i = 0; i < 2; i++) {
      tl_i32 row = m + i * 16 + lane % 16, column = n + i * 16 + lane / 16 * 8 + lane % 8;
      tl_matrices(a[i], stage + (tl_u32)(row * GEMM_ROW + (k + lane / 16 * 8) * 2));
      tl_matrices(b[i],
                  stage + GEMM_SIDE + (tl_u32)(column * GEMM_ROW + (k + lane / 8 % 2 * 8) * 2));
    }
    TL_UNROLL for (tl_i32 i = 0; i < 2; i++) {
      TL_UNROLL for (tl_i32 j = 0; j < 4; j++)
          tl_multiply_bf16(d[i][j], a[i], b[j / 2] + j % 2 * 2);
    }
  }
}

TL_KERNEL(GEMM_THREADS, 1) gemm(const tl_arguments arguments, const void *step) {
  const tl_u16 *a = (const tl_u16 *)arguments.at[0].p, *b = (const tl_u16 *)arguments.at[1].p;
  float *c = (float *)arguments.at[2].p;
  tl_i64 n = arguments.at[3].i, k = arguments.at[4].i, wrong = arguments.at[5].i;
  tl_i64 row = tl_block() / (n / GEMM_TILE) * GEMM_TILE;
  tl_i64 column = tl_block() % (n / GEMM_TILE) * GEMM_TILE;
  tl_i32 warp = tl_thread() / 32, lane = tl_thread() % 32;
  tl_i32 warp_row = warp / 2 * 32, warp_column = warp % 2 * 32;
  float d[2][4][4] = {{{0}}};
  for (tl_i64 i = 0; i <= k / GEMM_K; i++) {
    tl_u32 stage = (tl_u32)(i % 2) * GEMM_STAGE, other = GEMM_STAGE - stage;
    if (i < k / GEMM_K) {
      gemm_fetch(stage, a, row, i * GEMM_K, k);
      gemm_fetch(stage + GEMM_SIDE, b, column, i * GEMM_K, k);
    }
    tl_copy_commit();
    if (i == 0) continue;
    if (wrong == 1) {
      tl_copy_wait(2);
    } else {
      tl_copy_wait(1);
    }
    if (wrong != 2) tl_barrier();
    gemm_step(d, other, warp_row, warp_column);
    if (wrong != 3) tl_barrier();
  }
  tl_copy_wait(0);
  for (tl_i32 i = 0; i < 2; i++)
    for (tl_i32 j = 0; j < 4; j++)
      for (tl_i32 e = 0; e < 4; e++)
        tl_store_f32(c,
                     (row + warp_row + i * 16 + lane / 4 + e / 2 * 8) * n + column + warp_column +
                         j * 8 + lane % 4 * 2 + e % 2,
                     d[i][j][e]);
}
