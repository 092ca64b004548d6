// latent_many: attention of the sequences that are taken expanded, to the keys and values that
// latent_expand made of their latent rows.
//
//   q (rows, T_HEADS * T_PLAIN), turned (rows, T_HEADS * T_TURNED) bf16; keys and values (positions,
//   T_GROUP heads of {key [T_PLAIN], value [T_VALUE]}) bf16; the keys' turned parts, the same for
//   all heads, from the pages; out (rows, T_HEADS * T_STORED up to 64s) in T_INPUT
//   T_KEY = T_PLAIN + T_TURNED up to 16s, T_VALUE = T_STORED up to 16s, at most 256; T_PLAIN, T_TURNED
//   and T_LATENT multiples of 8, T_STORED of 2
//   args: q, out, state, bytes from page to page, group, q row bytes, out row bytes, turned, turned
//         row bytes, few and room of latent_share.cuh, keys and values, first head
//   grid: (tile of VECTORS rows of a sequence) * T_GROUP + head of the group, at least as many as
//         there are; a sequence's last tile first, as it sees the most
//   shared: TL_ATTENTION_MANY_BYTES(T_KEY, T_VALUE, VECTORS, T_POSITIONS)
//
// See attention_many for tiles and stages.
#include "templates/cuda/attention_bytes.cuh"

#define TILES T_TILES
#define WIDE T_WIDE
#include "templates/cuda/attention_tiles.cuh"

#define VECTORS (T_THREADS / 2 * TILES)
#define HEAD_ROW ((T_PLAIN + T_VALUE) * 2)
#define UNITS_OF(s) (((s)->rows + VECTORS - 1) / VECTORS)
#include "templates/cuda/latent_share.cuh"

// A tile, its head's key at the sequence's first position, and the page of any.
typedef struct tile {
  query_tile t;
  const char *keys;
} tile;

#include "templates/cuda/attention_pass.cuh"

TL_INLINE const query_tile *queries_of(const tile *own) {
  return &own->t;
}

TL_INLINE void fetch(const tile *own, tl_i32 index) {
  const query_tile *t = &own->t;
  const tl_i32 plain = T_PLAIN / 8, key = T_KEY / 8, value = T_VALUE / 8;
  tl_i32 position = index * T_POSITIONS, left = position_of(t, t->count - 1) - position + 1;
  tl_u32 stage = stage_of(index);
  const char *heads = own->keys + (tl_i64)position * (T_GROUP * HEAD_ROW);
  const char *turned = (const char *)t->a->at[2].p +
                       tl_load_i32(t->pages, position / 64) * t->a->at[3].i +
                       position % 64 * (TL_PAGE_ROW(T_LATENT + T_TURNED) * 2) + T_LATENT * 2;
  TL_UNROLL_BY(4) for (tl_i32 i = tl_thread(); i < T_POSITIONS * key; i += T_THREADS) {
    tl_i32 row = i / key, piece = i % key;
    const char *from = turned + row * (TL_PAGE_ROW(T_LATENT + T_TURNED) * 2) + (piece - plain) * 16;
    if (piece < plain) from = heads + row * (T_GROUP * HEAD_ROW) + piece * 16;
    tl_i32 has = row < left && piece < plain + T_TURNED / 8;
    tl_copy_async(stage + (tl_u32)(row * KEY_ROW + piece * 16), has ? from : turned, has ? 16 : 0);
  }
  TL_UNROLL_BY(4) for (tl_i32 i = tl_thread(); i < T_POSITIONS * value; i += T_THREADS) {
    tl_i32 row = i / value, piece = i % value, has = row < left;
    const char *from = heads + row * (T_GROUP * HEAD_ROW) + T_PLAIN * 2 + piece * 16;
    tl_copy_async(stage + (tl_u32)(T_POSITIONS * KEY_ROW + row * VALUE_ROW + piece * 16),
                  has ? from : turned, has ? 16 : 0);
  }
  tl_copy_commit();
}

TL_INLINE void load(const tile *own) {
  const query_tile *t = &own->t;
  const tl_quad none = {0, 0, 0, 0};
  const tl_i32 plain = T_PLAIN / 8, pieces = T_KEY / 8;
  for (tl_i32 i = tl_thread(); i < VECTORS * pieces; i += T_THREADS) {
    tl_i32 vector = i / pieces, piece = i % pieces;
    tl_quad x = none;
    if (vector < t->count && piece < plain) {
      x = tl_load_quad(row_of(t, vector, 0), place_of(t, vector, T_PLAIN) / 8 + piece);
    } else if (vector < t->count && piece < plain + T_TURNED / 8) {
      x = tl_load_quad(turned_row_of(t, vector), place_of(t, vector, T_TURNED) / 8 + piece - plain);
    }
    tl_shared_put_quad((tl_u32)(vector * KEY_ROW + piece * 16), x);
  }
}

// The block's tile; false if there is none.
TL_INLINE tl_i32 find_tile(tile *out, const tl_arguments *a, const tl_step *step) {
  tl_sequence s;
  tl_i32 unit = tl_block() / T_GROUP, head_of_group = tl_block() % T_GROUP;
  tl_i32 head = (tl_i32)a->at[12].i + head_of_group;
  if (head >= T_HEADS || !tl_find_expanded(&s, step, tl_share_at(a, 9), &unit)) return 0;
  const char *pages =
      (const char *)step + step->pages[a->at[4].i] + (tl_i64)s.index * step->pages_max * 4;
  query_tile t = {a, pages, s.index, s.first_row, s.rows, s.begun, 0, head, 0, 0};
  t.first = (UNITS_OF(&s) - 1 - unit) * VECTORS;
  t.count = s.rows - t.first < VECTORS ? s.rows - t.first : VECTORS;
  out->t = t;
  out->keys = (const char *)a->at[11].p + ((tl_i64)s.place * T_GROUP + head_of_group) * HEAD_ROW;
  return 1;
}

// Zeros behind the last head, of the tile's rows.
TL_INLINE void zero_rows_tail(const query_tile *t) {
  query_tile rows = *t;
  rows.first_row += t->first;
  rows.rows = t->count;
  zero_tail(&rows);
}

TL_KERNEL(T_THREADS, 1) tl_kernel_entry(TL_ARGUMENTS a, const tl_step *step) {
  part o;
  tile own;
  tl_wait_for_launch();
  if (!find_tile(&own, &a, step)) return;
  tl_allow_next_launch();
  pass_positions(&own, 0, &o);
  find_tile(&own, &a, step); // read again rather than kept: registers are few
  store(&own.t, &o, T_STORED);
  if (own.t.head == T_HEADS - 1) zero_rows_tail(&own.t);
}
