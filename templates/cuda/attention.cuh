// What attention's kernels share: which query vectors a block has, what they see, where they lie.
//
// A query vector is a (row, query head) pair of one key head; those of a piece of work are numbered
// row by row. Arguments of all: q, out, state, bytes from page to page, group, q row bytes, out row
// bytes.
//
// Latent attention, T_TURNED > 0, has one key head, and values are the first T_VALUE of each key.
// Queries are of T_VALUE values in q and of T_TURNED in another buffer: two more arguments, this
// buffer and its row bytes; then few and room of latent_share.cuh.
#ifndef TL_TEMPLATES_CUDA_ATTENTION_CUH
#define TL_TEMPLATES_CUDA_ATTENTION_CUH

#include "templates/cuda/page.cuh"
#include "templates/cuda/rows.cuh"

#ifndef T_TURNED
#define T_TURNED 0
#endif

// Values of a head in a row of outputs; kernels may have up to 16s of them.
#ifndef T_STORED
#define T_STORED T_VALUE
#endif

#define NONE tl_bits_f32(0xff800000u) // minus infinity
#define CELL (T_CACHE_BF16 ? 2 : 4)

// On the matrix unit, scores and their largest are kept as it gives them, or the tanh of that:
// weights are 2 to the power of UNIT times what they are less.
#define LOG2E 1.4426950408889634
#define UNIT (float)((T_SOFTCAP == 0 ? T_SCALE : T_SOFTCAP) * LOG2E)

// Where a head's values begin in its page, and from row to row of them.
#define VALUES_AT (T_TURNED ? 0 : TL_PAGE_HEAD_BYTES(T_KEY, 0, CELL))
#define VALUES_ROW (T_TURNED ? TL_PAGE_ROW(T_KEY) : TL_PAGE_ROW(T_VALUE))

typedef struct query_tile {
  const tl_arguments *a;
  const char *pages; // its sequence's page numbers
  tl_i32 sequence, first_row, rows, first_position; // of the piece of work
  tl_i32 last_position;                             // T_FULL: of the sequence
  tl_i32 head;
  tl_i32 first, count; // query vectors of the piece
} query_tile;

// The tile of a piece's first vector; `piece` exists.
TL_INLINE query_tile tile_of_piece(const tl_arguments *a, const tl_step *step, tl_i32 piece,
                                   tl_i32 head) {
  tl_i32 work[4];
  TL_UNROLL for (tl_i32 i = 0; i < 4; i++)
    work[i] = tl_step_int(step, step->work, (tl_i64)piece * 4 + i);
  tl_i64 pages = step->pages[a->at[4].i] + (tl_i64)work[0] * step->pages_max * 4;
  query_tile t = {a, (const char *)step + pages, work[0], work[1], work[2], work[3], 0, head, 0, 0};
  if (T_FULL) {
    tl_i64 sequence = (tl_i64)work[0] * 4; // first row, rows, first position, ..
    t.last_position = tl_step_int(step, step->sequences, sequence + 1) - 1 +
                      tl_step_int(step, step->sequences, sequence + 2);
  }
  return t;
}

// The last position that a vector sees: its own, or T_FULL the last of its sequence.
TL_INLINE tl_i32 position_of(const query_tile *t, tl_i32 vector) {
  if (T_FULL) return t->last_position;
  return t->first_position + (t->first + vector) / T_QUERIES;
}

// First position that a vector sees whose last one is `position`.
TL_INLINE tl_i32 first_visible(tl_i32 position) {
  tl_i32 first = 0;
  if (T_WINDOW && position - T_WINDOW + 1 > first) first = position - T_WINDOW + 1;
  if (T_CHUNK && position / (T_CHUNK + !T_CHUNK) * T_CHUNK > first)
    first = position / (T_CHUNK + !T_CHUNK) * T_CHUNK;
  return first;
}

// Index of a vector's first value in its row of `values` a head.
TL_INLINE tl_i64 place_of(const query_tile *t, tl_i32 vector, tl_i32 values) {
  tl_i32 query = (t->first + vector) % T_QUERIES;
  return (tl_i64)(t->head * T_QUERIES + query) * values;
}

TL_INLINE char *row_of(const query_tile *t, tl_i32 vector, tl_i32 argument) {
  tl_i64 row = t->first_row + (t->first + vector) / T_QUERIES;
  return (char *)t->a->at[argument].p + row * t->a->at[5 + argument].i;
}

// The row of a vector's turned part.
TL_INLINE const char *turned_row_of(const query_tile *t, tl_i32 vector) {
  tl_i64 row = t->first_row + (t->first + vector) / T_QUERIES;
  return (const char *)t->a->at[7].p + row * t->a->at[8].i;
}

// Value `d` of a query vector.
TL_INLINE float query_value(const query_tile *t, tl_i32 vector, tl_i32 d) {
  const tl_i32 own = T_KEY - T_TURNED;
  if (d < own) {
    return tl_load_value(row_of(t, vector, 0), place_of(t, vector, own) + d, T_CACHE_BF16);
  }
  tl_i64 at = place_of(t, vector, T_TURNED) + d - own;
  return tl_load_value(turned_row_of(t, vector), at, T_CACHE_BF16);
}

// The tile's head in the page of positions [block * 64, ..).
TL_INLINE const char *head_of_page(const query_tile *t, tl_i32 block) {
  tl_i64 page = tl_load_i32(t->pages, block);
  return (const char *)t->a->at[2].p + page * t->a->at[3].i +
         t->head * TL_PAGE_HEAD_BYTES(T_KEY, T_VALUE, CELL);
}

// Two neighbouring values of a row of outputs.
TL_INLINE void put_pair(char *row, tl_i64 at, float left, float right) {
  if (T_INPUT_BF16) {
    tl_store_u32(row, at / 2, tl_pack_bf16(left, right));
  } else {
    tl_store_f32(row, at, left);
    tl_store_f32(row, at + 1, right);
  }
}

// The same of a vector's output.
TL_INLINE void store_pair(const query_tile *t, tl_i32 vector, tl_i32 column, float left,
                          float right) {
  put_pair(row_of(t, vector, 1), place_of(t, vector, T_STORED) + column, left, right);
}

// What sums with the largest score `before` are multiplied by when it becomes `top`.
TL_INLINE float kept(float before, float top) {
  return tl_exp2((before - (top == NONE ? 0.0f : top)) * UNIT);
}

// What lies behind the last head in a row is read as zeros by the next matmul.
TL_INLINE void zero_tail(const query_tile *t) {
  tl_i32 cell = T_INPUT_BF16 ? 2 : 4, used = T_HEADS * T_QUERIES * T_STORED;
  tl_i32 tail = (tl_i32)t->a->at[6].i / cell - used;
  for (tl_i32 i = tl_thread(); i < t->rows * tail; i += T_THREADS) {
    char *row = (char *)t->a->at[1].p + (tl_i64)(t->first_row + i / tail) * t->a->at[6].i;
    tl_store_value(row, used + i % tail, 0.0f, T_INPUT_BF16);
  }
}

#endif
