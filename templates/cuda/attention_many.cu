// attention for many rows of a sequence: a tile of query vectors stays in a block while all pages
// that it sees pass by, on the matrix unit.
//
//   q (rows, T_HEADS * T_QUERIES * T_KEY) bf16, out (rows, heads * T_VALUE up to 64s) in T_INPUT
//   bf16 pages; T_KEY, T_VALUE multiples of 16, at most 256
//   args: q, out, state, bytes from page to page, group, q row bytes, out row bytes
//   grid: (piece of work * tiles of a piece + tile) * T_HEADS + key head, the last pieces first, as
//         they see the most; tiles of a piece = T_PIECE * T_QUERIES / VECTORS, rounded up
//   shared: TL_ATTENTION_MANY_BYTES(T_KEY, T_VALUE, VECTORS, T_POSITIONS)
//
// T_ROWS_FEW, T_ROWS_FAR, T_FAR: which rows are left to attention_few, see there. A piece of work has
// at most T_PIECE rows: 64 fill the tiles for every number of queries of a head. VECTORS = T_THREADS / 2 * T_TILES, a
// warp has T_TILES times 16: 2 where the sums fit in registers (T_VALUE <= 128), so that a key in
// shared memory is read once for 32 vectors. T_POSITIONS (64 or 32) of the pages are worked on, T_WIDE at
// once, while the next are copied.
//
// A row's result depends on its position and these constants only.
#include "templates/cuda/attention_bytes.cuh"

#define TILES T_TILES
#define WIDE T_WIDE
#include "templates/cuda/attention_share.cuh"
#include "templates/cuda/attention_tiles.cuh"

#define VECTORS (T_THREADS / 2 * TILES)
#define TILES_OF_PIECE ((T_PIECE * T_QUERIES + VECTORS - 1) / VECTORS)

typedef query_tile tile;
#include "templates/cuda/attention_pass.cuh"

TL_INLINE const query_tile *queries_of(const tile *own) {
  return own;
}

TL_INLINE void load(const tile *own) {
  load_queries(own, 0, VECTORS);
}

TL_INLINE void fetch(const tile *t, tl_i32 index) {
  tl_i32 position = index * T_POSITIONS, left = position_of(t, t->count - 1) - position + 1;
  tl_u32 stage = stage_of(index);
  const char *head = head_of_page(t, position / 64);
  const char *keys = head + position % 64 * (T_KEY * 2);
  const char *values = head + TL_PAGE_HEAD_BYTES(T_KEY, 0, 2) + position % 64 * (T_VALUE * 2);
  copy_rows(stage, KEY_ROW, keys, T_POSITIONS, T_KEY / 8, left, tl_thread(), T_THREADS);
  copy_rows(stage + T_POSITIONS * KEY_ROW, VALUE_ROW, values, T_POSITIONS, T_VALUE / 8, left,
            tl_thread(), T_THREADS);
  tl_copy_commit();
}

// The block's tile; its count is 0 or less if there is none.
TL_INLINE query_tile find_tile(const tl_arguments *a, const tl_step *step) {
  tl_i32 head = tl_block() % T_HEADS, index = tl_block() / T_HEADS;
  tl_i32 piece = step->work_count - 1 - index / TILES_OF_PIECE;
  query_tile t = {a, 0, 0, 0, 0, 0, 0, head, 0, 0};
  if (piece < 0) return t;
  t = tile_of_piece(a, step, piece, head);
  t.first = index % TILES_OF_PIECE * VECTORS;
  t.count = is_few(&t, step) ? 0 : t.rows * T_QUERIES - t.first;
  if (t.count > VECTORS) t.count = VECTORS;
  return t;
}

TL_KERNEL(T_THREADS, 1) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  part o;
  query_tile t = find_tile(&a, step);
  tl_wait_for_launch();
  if (t.count <= 0) return;
  tl_allow_next_launch();
  pass_positions(&t, first_visible(position_of(&t, 0)), &o);
  t = find_tile(&a, step); // read again rather than kept: registers are few
  store(&t, &o, T_VALUE);
  if (t.head == T_HEADS - 1 && t.first == 0) zero_tail(&t);
}
