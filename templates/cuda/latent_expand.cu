// latent_expand: keys and values of some heads at all positions of the sequences that latent
// attention takes expanded, made of their latent rows.
//
//   pages of bf16 rows {latent [T_LATENT], turned [T_TURNED]}
//   key (T_HEADS matrices, T_LATENT up to 64s, T_PLAIN up to 32s) and value (T_HEADS matrices, values
//   up to 64s, T_LATENT up to 32s), bf16; of the values T_VALUE are made, what is past their end is 0
//   out (positions, T_GROUP heads of {key [T_PLAIN], value [T_VALUE]}) bf16; T_PLAIN, T_TURNED and
//   T_LATENT multiples of 8, T_VALUE of 16
//   args: state, bytes from page to page, group, key, bytes from matrix to matrix, value, bytes from
//         matrix to matrix, out, first head, few and room of latent_share.cuh
//   grid: any number of blocks, which take (128 positions, head, WIDTH columns) in turns
//   shared: TL_LATENT_EXPAND_BYTES(T_WIDTH, T_STAGES)
//
// As matmul_many: latent rows are the matrix unit's a operand, 64 values of K at a time, weights are
// b, rows of values as they lie, rows of keys turned.
#include "templates/cuda/attention_bytes.cuh"
#include "templates/cuda/page.cuh"

#define ROWS TL_LATENT_EXPAND_ROWS
#define WIDTH T_WIDTH
#define TILE_ROWS ROWS
#define UNITS_OF(s) (((s)->begun + (s)->rows + ROWS - 1) / ROWS)
#include "templates/cuda/latent_share.cuh"

#define LINE 128 // bytes
#define LINES ((T_LATENT + 63) / 64)
#define STAGE ((ROWS + WIDTH) * LINE)
#define AT_ONCE (T_THREADS / 8) // rows that the threads copy
#define ACROSS (WIDTH / (T_THREADS / 32 / (ROWS / 64))) // columns of a warp, which has 64 rows
#define TILE_ROW (WIDTH * 2 + 16)
#define LATENT_ROW (TL_PAGE_ROW(T_LATENT + T_TURNED) * 2)
#define HEAD_ROW ((T_PLAIN + T_VALUE) * 2)
#define KEY_TILES ((T_PLAIN + WIDTH - 1) / WIDTH)
#define TILES (KEY_TILES + (T_VALUE + WIDTH - 1) / WIDTH) // of a head
#define KEY_WEIGHT_ROW ((T_PLAIN + 31) / 32 * 64)
#define VALUE_WEIGHT_ROW ((T_LATENT + 31) / 32 * 64)
#define VALUE_WEIGHT_ROWS ((T_VALUE + 63) / 64 * 64)

// What a block makes: some columns of a head at some positions of a sequence.
typedef struct job {
  tl_i32 thread; // made anew for each: what is made of it is not kept from one to the next
  tl_i32 place, count;   // of its positions in memory
  tl_i32 head;
  tl_i32 is_key, column; // first column of the head's keys or values
  const char *pages[ROWS / 64];  // the thread's piece of its first row there
} job;

TL_INLINE tl_i32 find_job(job *j, const tl_arguments *a, const tl_step *step, tl_i32 index) {
  tl_sequence s;
  tl_i32 unit = index / (T_GROUP * TILES), tile = index % TILES;
  if (!tl_find_expanded(&s, step, tl_share_at(a, 9), &unit)) return 0;
  j->thread = tl_from_here(tl_thread());
  j->place = s.place + unit * ROWS;
  j->count = s.begun + s.rows - unit * ROWS;
  if (j->count > ROWS) j->count = ROWS;
  j->head = (tl_i32)a->at[8].i + index / TILES % T_GROUP;
  j->is_key = tile < KEY_TILES;
  j->column = (j->is_key ? tile : tile - KEY_TILES) * WIDTH;
  const char *pages =
      (const char *)step + step->pages[a->at[2].i] + (tl_i64)s.index * step->pages_max * 4;
  TL_UNROLL for (tl_i32 i = 0; i < ROWS / 64; i++) {
    tl_i32 page = unit * (ROWS / 64) + (i * 64 < j->count ? i : 0);
    j->pages[i] = (const char *)a->at[0].p + tl_load_i32(pages, page) * a->at[1].i +
                  j->thread / 8 * LATENT_ROW + j->thread % 8 * 16;
  }
  return 1;
}

// ---- copies

// Where the 16-byte piece `piece` of line `row` lies, lines from `at` on.
TL_INLINE tl_u32 piece_at(tl_u32 at, tl_i32 row, tl_i32 piece) {
  return at + (tl_u32)(row * LINE + (piece ^ row % 8) * 16);
}

// The same of row `row` of keys' weights, WIDTH columns of it.
TL_INLINE tl_u32 key_piece_at(tl_u32 at, tl_i32 row, tl_i32 piece) {
  return at + (tl_u32)(row * (WIDTH * 2) + piece / 8 * LINE + (piece % 8 ^ row % 8) * 16);
}

TL_INLINE void copy_latents(const job *j, tl_i32 line, tl_u32 stage) {
  tl_i32 row = j->thread / 8, piece = j->thread % 8;
  tl_i32 count = line * 64 + piece * 8 < T_LATENT ? j->count : 0;
  TL_UNROLL for (tl_i32 i = 0; i < ROWS; i += AT_ONCE) {
    tl_copy_async(piece_at(stage, row + i, piece),
                  j->pages[i / 64] + i % 64 * LATENT_ROW + line * LINE, row + i < count ? 16 : 0);
  }
}

// Rows of values, 64 values of K of each.
TL_INLINE void copy_values(const job *j, const tl_arguments *a, tl_i32 line, tl_u32 stage) {
  tl_i32 row = j->thread / 8, piece = j->thread % 8;
  tl_i32 count = line * 64 + piece * 8 < T_LATENT ? VALUE_WEIGHT_ROWS - j->column : 0;
  const char *from = (const char *)a->at[5].p + j->head * a->at[6].i +
                     (tl_i64)(j->column + row) * VALUE_WEIGHT_ROW + line * LINE + piece * 16;
  TL_UNROLL for (tl_i32 i = 0; i < WIDTH; i += AT_ONCE) {
    tl_copy_async(piece_at(stage + ROWS * LINE, row + i, piece), from + i * VALUE_WEIGHT_ROW,
                  row + i < count ? 16 : 0);
  }
}

// Columns of keys, of 64 rows: the values of K.
TL_INLINE void copy_keys(const job *j, const tl_arguments *a, tl_i32 line, tl_u32 stage) {
  const tl_i32 pieces = WIDTH / 8, rows = T_THREADS / pieces; // at once
  tl_i32 row = j->thread / pieces, piece = j->thread % pieces;
  tl_i32 count = j->column + piece * 8 < T_PLAIN ? T_LATENT - line * 64 : 0;
  const char *from = (const char *)a->at[3].p + j->head * a->at[4].i +
                     (tl_i64)(line * 64 + row) * KEY_WEIGHT_ROW + j->column * 2 + piece * 16;
  TL_UNROLL for (tl_i32 i = 0; i < 64; i += rows) {
    tl_copy_async(key_piece_at(stage + ROWS * LINE, row + i, piece), from + i * KEY_WEIGHT_ROW,
                  row + i < count ? 16 : 0);
  }
}

TL_INLINE tl_u32 stage_of(tl_i32 line) {
  return (tl_u32)(line % T_STAGES * STAGE);
}

TL_INLINE void copy_line(const job *j, const tl_arguments *a, tl_i32 is_key, tl_i32 line) {
  if (line < LINES) {
    copy_latents(j, line, stage_of(line));
    if (is_key) {
      copy_keys(j, a, line, stage_of(line));
    } else {
      copy_values(j, a, line, stage_of(line));
    }
  }
  tl_copy_commit();
}

// ---- products

// Of the warp's.
TL_INLINE tl_i32 first_row(const job *j) {
  return j->thread / 32 % (ROWS / 64) * 64;
}

TL_INLINE tl_i32 first_column(const job *j) {
  return j->thread / 32 / (ROWS / 64) * ACROSS;
}

typedef float sums[4][ACROSS / 8][4];

// Where a lane's rows of b begin, of the warp's columns.
TL_INLINE tl_u32 weights_at(const job *j, tl_u32 stage, tl_i32 is_key) {
  tl_i32 lane = j->thread % 32, across = first_column(j);
  if (is_key) return key_piece_at(stage + ROWS * LINE, lane % 16, across / 8 + lane / 16);
  return piece_at(stage + ROWS * LINE, across + lane / 16 * 8 + lane % 8, lane / 8 % 2);
}

// The warp's rows and columns. `k` and columns change bits of a place that its
// row's order leaves alone, or add whole rows.
TL_INLINE void multiply_line(sums d, const job *j, tl_u32 stage, tl_i32 is_key) {
  tl_u32 x = piece_at(stage, first_row(j) + j->thread % 16, j->thread % 32 / 16);
  tl_u32 w = weights_at(j, stage, is_key);
  TL_UNROLL for (tl_u32 k = 0; k < 64; k += 16) {
    tl_u32 a[4][4];
    TL_UNROLL for (tl_u32 i = 0; i < 4; i++) tl_matrices(a[i], (x ^ k * 2) + i * 16 * LINE);
    TL_UNROLL for (tl_u32 c = 0; c < ACROSS / 16; c++) {
      tl_u32 b[4];
      if (is_key) {
        tl_matrices_turned(b, (w ^ c * 32) + k * (WIDTH * 2));
      } else {
        tl_matrices(b, (w ^ k * 2) + c * 16 * LINE);
      }
      TL_UNROLL for (tl_i32 i = 0; i < 4; i++) {
        tl_multiply_bf16(d[i][2 * c], a[i], b);
        tl_multiply_bf16(d[i][2 * c + 1], a[i], b + 2);
      }
    }
  }
}

TL_INLINE void put_sums(sums d, const job *j) {
  tl_i32 g = j->thread % 32 / 4, t = j->thread % 4;
  TL_UNROLL for (tl_i32 i = 0; i < 4; i++) TL_UNROLL for (tl_i32 c = 0; c < ACROSS / 8; c++) {
    TL_UNROLL for (tl_i32 half = 0; half < 2; half++) {
      tl_i32 row = first_row(j) + i * 16 + half * 8 + g, column = first_column(j) + c * 8 + 2 * t;
      tl_shared_put_u32((tl_u32)(row * TILE_ROW + column * 2),
                        tl_pack_bf16(d[i][c][half * 2], d[i][c][half * 2 + 1]));
    }
  }
}

// The tile in shared memory to its place.
TL_INLINE void store_tile(const job *j, const tl_arguments *a) {
  const tl_i32 pieces = WIDTH / 8;
  tl_i32 columns = (j->is_key ? T_PLAIN : T_VALUE) - j->column;
  tl_i64 head = (tl_i64)j->place * T_GROUP + j->head - a->at[8].i;
  char *out =
      (char *)a->at[7].p + head * HEAD_ROW + (j->column + (j->is_key ? 0 : T_PLAIN)) * 2;
  for (tl_i32 i = j->thread; i < j->count * pieces; i += T_THREADS) {
    tl_i32 row = i / pieces, piece = i % pieces;
    tl_quad q = tl_shared_quad((tl_u32)(row * TILE_ROW + piece * 16));
    if (piece * 8 < columns) tl_store_quad(out + (tl_i64)row * (T_GROUP * HEAD_ROW), piece, q);
  }
}

TL_INLINE void multiply(sums d, const job *j, const tl_arguments *a, tl_i32 is_key) {
  TL_UNROLL for (tl_i32 i = 0; i < T_STAGES - 1; i++) copy_line(j, a, is_key, i);
  TL_UNROLL_BY(1) for (tl_i32 line = 0; line < LINES; line++) {
    tl_copy_wait(T_STAGES - 2);
    tl_barrier(); // the line is there for all, and the one before has been used by all
    copy_line(j, a, is_key, line + T_STAGES - 1);
    multiply_line(d, j, stage_of(line), is_key);
  }
}

TL_INLINE void run_job(const job *j, const tl_arguments *a) {
  sums d;
  TL_UNROLL for (tl_i32 i = 0; i < 4; i++) TL_UNROLL for (tl_i32 c = 0; c < ACROSS / 8; c++) {
    TL_UNROLL for (tl_i32 e = 0; e < 4; e++) d[i][c][e] = 0;
  }
  if (j->is_key) {
    multiply(d, j, a, 1);
  } else {
    multiply(d, j, a, 0);
  }
  tl_barrier();
  put_sums(d, j);
  tl_barrier();
  store_tile(j, a);
  tl_barrier(); // before the next one's copies
}

TL_KERNEL(T_THREADS, T_BLOCKS) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  job j;
  tl_wait_for_launch();
  for (tl_i32 i = tl_block();; i += tl_blocks()) {
    if (!find_job(&j, &a, step, i)) break;
    if (j.head < T_HEADS) run_job(&j, &a);
  }
  tl_allow_next_launch();
}
