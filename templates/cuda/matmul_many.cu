// matmul for many rows: tiles of x and of weights in shared memory, the next ones under way while
// the matrix unit works.
//
//   shapes and args: matmul.cuh; T_ROWS a multiple of 64
//   grid: unit * blocks + block of T_ROWS rows, so that neighbours share weights; for experts any
//         number of blocks, which take piece * units + unit in turns
//   threads: T_ROWS / 64 * warps beside each other, each with 64 rows and a multiple of 16 columns
//   shared: T_STAGES * STAGE_BYTES, later the tile's T_ROWS * STRIDE * 4
//
// bf16: x is the matrix unit's a operand, weights are b, 64 values of K at a time: a line of 128
// bytes of each row, its 16-byte pieces in an order that depends on the row, so that rows lie in
// other banks. The sum along K ascends in one chain.
//
// f32: the same lines, of 32 values; a thread has every 16th row and some columns.
#define TILE_ROWS T_ROWS

#include "templates/cuda/latent_share.cuh"
#include "templates/cuda/matmul_rows.cuh"

#define STRIDE (WIDTH + 4) // neighbouring rows start in other banks
#define LINE 128 // bytes
#define LINES ((STEPS * STEP * T_WEIGHT_BYTES + LINE - 1) / LINE)
#define STAGE_BYTES ((T_ROWS + WIDTH) * LINE)
#define WARPS_DOWN (T_ROWS / 64)
#define ACROSS (WIDTH / (T_THREADS / 32 / WARPS_DOWN)) // columns of a warp
#define AT_ONCE (T_THREADS / 8)                        // rows that the threads copy

#if MATRIX_UNIT || IN_LINES

// What a thread copies: a piece of every AT_ONCE-th row.
typedef struct source {
  const char *x[T_ROWS / AT_ONCE];
  const char *weights[T_WEIGHTS];
  tl_i32 panels; // of the unit that are there
} source;

// Rows behind the last are made of the last one's input.
TL_INLINE source find_source(const unit *u, const tl_arguments *a, const tl_step *step,
                             tl_i32 rows) {
  source from;
  from.panels = (u->columns + 63) / 64 - u->index * T_UNIT;
  tl_i32 own = tl_thread() / 8, piece = tl_thread() % 8 * 16;
  TL_UNROLL for (tl_i32 i = 0; i < T_ROWS / AT_ONCE; i++) {
    tl_i32 row = own + i * AT_ONCE < rows ? own + i * AT_ONCE : rows - 1;
    from.x[i] = input_row(u, a, step, u->row + row) + piece;
  }
  TL_UNROLL for (tl_i32 i = 0; i < T_WEIGHTS; i++) {
    from.weights[i] = weight_row(u, i * T_UNIT * 64 + own) + piece;
  }
  return from;
}

// Where this thread's piece of row `row` of a stage goes; x first, then weights.
TL_INLINE tl_u32 place_of_piece(tl_i32 stage, tl_i32 row) {
  return (tl_u32)(stage * STAGE_BYTES + row * LINE + (tl_thread() % 8 ^ row % 8) * 16);
}

// What there is of this thread's piece of line `line`.
TL_INLINE tl_u32 piece_bytes(tl_i32 line) {
  const tl_i32 pieces = STEPS * STEP * T_WEIGHT_BYTES / 16;
  return pieces % 8 == 0 || line * 8 + tl_thread() % 8 < pieces ? 16 : 0;
}

TL_INLINE void copy_rows(const source *from, tl_i32 line, tl_i32 stage) {
  TL_UNROLL for (tl_i32 i = 0; i < T_ROWS / AT_ONCE; i++) {
    tl_copy_async(place_of_piece(stage, tl_thread() / 8 + i * AT_ONCE), from->x[i] + line * LINE,
                  piece_bytes(line));
  }
}

TL_INLINE void copy_weights(const source *from, tl_i32 line, tl_i32 stage) {
  TL_UNROLL for (tl_i32 i = 0; i < WIDTH / AT_ONCE; i++) {
    tl_i32 column = i * AT_ONCE, row = column % (T_UNIT * 64);
    if (T_UNIT > 1 && row / 64 >= from->panels) row %= 64; // see weight_row
    const char *weights = from->weights[column / (T_UNIT * 64)] + row * WEIGHT_ROW_BYTES;
    tl_copy_async(place_of_piece(stage, T_ROWS + tl_thread() / 8 + column), weights + line * LINE,
                  piece_bytes(line));
  }
}

#if MATRIX_UNIT

typedef float sums[4][ACROSS / 8][4];

// A warp's 64 rows and its columns: 16 values of K, four times.
TL_INLINE void multiply_line(sums d, tl_i32 stage, tl_i32 down, tl_i32 across) {
  tl_i32 lane = tl_thread() % 32, swap = lane % 8 * 16;
  tl_u32 x = (tl_u32)(stage * STAGE_BYTES + (down + lane % 16) * LINE + (lane / 16 * 16 ^ swap));
  tl_u32 w = (tl_u32)(stage * STAGE_BYTES + (T_ROWS + across + lane / 16 * 8 + lane % 8) * LINE +
                      (lane / 8 % 2 * 16 ^ swap));
  TL_UNROLL for (tl_u32 k = 0; k < LINE; k += 32) {
    tl_u32 a[4][4];
    TL_UNROLL for (tl_u32 i = 0; i < 4; i++) tl_matrices(a[i], (x ^ k) + i * 16 * LINE);
    TL_UNROLL for (tl_u32 j = 0; j < ACROSS / 16; j++) {
      tl_u32 b[4];
      tl_matrices(b, (w ^ k) + j * 16 * LINE);
      TL_UNROLL for (tl_i32 i = 0; i < 4; i++) {
        tl_multiply_bf16(d[i][2 * j], a[i], b);
        tl_multiply_bf16(d[i][2 * j + 1], a[i], b + 2);
      }
    }
  }
}

TL_INLINE void put_tile(sums d, tl_i32 down, tl_i32 across) {
  tl_i32 g = tl_thread() % 32 / 4, t = tl_thread() % 4;
  TL_UNROLL for (tl_i32 i = 0; i < 4; i++) TL_UNROLL for (tl_i32 j = 0; j < ACROSS / 8; j++) {
    TL_UNROLL for (tl_i32 e = 0; e < 4; e++) {
      tl_i32 row = down + i * 16 + g + e / 2 * 8, column = across + j * 8 + 2 * t + e % 2;
      tl_shared_put_f32((tl_u32)(row * STRIDE + column) * 4, d[i][j][e]);
    }
  }
}

TL_INLINE void multiply(sums d, tl_i32 stage) {
  tl_i32 warp = tl_thread() / 32;
  multiply_line(d, stage, warp % WARPS_DOWN * 64, warp / WARPS_DOWN * ACROSS);
}

TL_INLINE void put_sums(sums d) {
  tl_i32 warp = tl_thread() / 32;
  put_tile(d, warp % WARPS_DOWN * 64, warp / WARPS_DOWN * ACROSS);
}

TL_INLINE void begin_sums(sums d) {
  TL_UNROLL for (tl_i32 i = 0; i < 4; i++) TL_UNROLL for (tl_i32 j = 0; j < ACROSS / 8; j++) {
    TL_UNROLL for (tl_i32 e = 0; e < 4; e++) d[i][j][e] = 0;
  }
}

#else

#define DOWN (T_ROWS / 16)            // rows of a thread
#define BESIDE (T_THREADS / 16)       // threads
#define COLUMNS_OF (WIDTH / BESIDE)   // columns of a thread
#define SHARE (DOWN * COLUMNS_OF > 96 ? 2 : 4) // rows whose x is in registers at once

typedef float sums[DOWN][COLUMNS_OF];

// Piece `piece` of row `row` of a stage.
TL_INLINE tl_four piece_at(tl_i32 stage, tl_i32 row, tl_i32 piece) {
  tl_i32 at = stage * STAGE_BYTES + row * LINE + (piece ^ row % 8) * 16;
  return tl_four_of(tl_shared_quad((tl_u32)at));
}

TL_INLINE void multiply(sums d, tl_i32 stage) {
  tl_i32 row = tl_thread() / BESIDE, column = tl_thread() % BESIDE;
  TL_UNROLL_BY(1) for (tl_i32 piece = 0; piece < 8; piece++) {
    TL_UNROLL for (tl_i32 first = 0; first < DOWN; first += SHARE) {
      tl_four x[SHARE];
      TL_UNROLL for (tl_i32 i = 0; i < SHARE; i++) {
        x[i] = piece_at(stage, row + (first + i) * 16, piece);
      }
      TL_UNROLL for (tl_i32 j = 0; j < COLUMNS_OF; j++) {
        tl_four w = piece_at(stage, T_ROWS + column + j * BESIDE, piece);
        TL_UNROLL for (tl_i32 e = 0; e < 4; e++) TL_UNROLL for (tl_i32 i = 0; i < SHARE; i++) {
          d[first + i][j] = tl_fma(x[i].v[e], w.v[e], d[first + i][j]);
        }
      }
    }
  }
}

TL_INLINE void put_sums(sums d) {
  tl_i32 row = tl_thread() / BESIDE, column = tl_thread() % BESIDE;
  TL_UNROLL for (tl_i32 i = 0; i < DOWN; i++) TL_UNROLL for (tl_i32 j = 0; j < COLUMNS_OF; j++) {
    tl_shared_put_f32((tl_u32)((row + i * 16) * STRIDE + column + j * BESIDE) * 4, d[i][j]);
  }
}

TL_INLINE void begin_sums(sums d) {
  TL_UNROLL for (tl_i32 i = 0; i < DOWN; i++) TL_UNROLL for (tl_i32 j = 0; j < COLUMNS_OF; j++) {
    d[i][j] = 0;
  }
}

#endif

TL_INLINE void make_tile(const unit *u, const tl_arguments *a, const tl_step *step,
                         const tl_tile *tile) {
  tl_i32 stage = 0;
  source from = find_source(u, a, step, tile->rows);
  sums d;
  begin_sums(d);
  TL_UNROLL for (tl_i32 i = 0; i + 1 < T_STAGES; i++) {
    if (i < LINES) copy_weights(&from, i, i);
  }
  tl_wait_for_launch();
  TL_UNROLL for (tl_i32 i = 0; i + 1 < T_STAGES; i++) {
    if (i < LINES) copy_rows(&from, i, i);
    tl_copy_commit();
  }
  for (tl_i32 line = 0; line < LINES; line++) {
    tl_i32 next = line + T_STAGES - 1, free = stage == 0 ? T_STAGES - 1 : stage - 1;
    tl_copy_wait(T_STAGES - 2);
    tl_barrier();
    if (next < LINES) {
      copy_weights(&from, next, free);
      copy_rows(&from, next, free);
    }
    tl_copy_commit();
    multiply(d, stage);
    stage = stage + 1 == T_STAGES ? 0 : stage + 1;
  }
  tl_barrier();
  put_sums(d);
}

#else

TL_INLINE void make_tile(const unit *u, const tl_arguments *a, const tl_step *step,
                         const tl_tile *tile) {
  tl_wait_for_launch();
  TL_EACH_FOUR(r, c) {
    const char *x = input_row(u, a, step, u->row + r);
    tl_four f;
    TL_UNROLL for (tl_i32 e = 0; e < 4; e++) {
      const char *weights = weight_row(u, c + e);
      f.v[e] = 0;
      for (tl_i32 k = 0; k < T_COLUMNS; k++)
        f.v[e] = tl_fma(weight_value(weights, k), tl_load_value(x, k, T_INPUT_BF16), f.v[e]);
    }
    tl_tile_put_four(tile, r, c, f);
  }
}

#endif

TL_INLINE void run_unit(const unit *u, const tl_arguments *a, const tl_step *step) {
  tl_i32 left = rows_of(u, step);
  tl_tile tile = tile_of(u, 0, STRIDE, u->row, left < T_ROWS ? left : T_ROWS);
  make_tile(u, a, step, &tile);
  tl_allow_next_launch();
  tl_barrier();
  tl_epilogue(&tile, a, step, u->segment);
}

TL_KERNEL(T_THREADS, T_BLOCKS) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  tl_i32 units = units_count(&a);
  if (T_CHOSEN > 0) {
    tl_wait_for_launch();
    for (tl_i32 i = tl_block();; i += tl_blocks()) {
      unit u = unit_at(&a, step, i % units, i / units * T_ROWS);
      if (u.rows == 0) break;
      run_unit(&u, &a, step);
      tl_barrier(); // before the next unit's copies
    }
    return;
  }
  tl_i32 rows = tl_rows_count(step), blocks = (rows + T_ROWS - 1) / T_ROWS;
  if (blocks == 0 || tl_block() / blocks >= units) return;
  unit u = unit_at(&a, step, tl_block() / blocks, tl_block() % blocks * T_ROWS);
  if (T_HEADS > 0 && tl_are_expanded(step, tl_share_at(&a, 4), u.row, T_ROWS)) {
    tl_wait_for_launch(); // the next one must not pass the one before
    return;
  }
  run_unit(&u, &a, step);
}
