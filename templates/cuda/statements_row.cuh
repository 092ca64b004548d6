// Statements on whole rows, as one warp has them: routers' softmax, normalisation and choice.
#ifndef TL_TEMPLATES_CUDA_STATEMENTS_ROW_CUH
#define TL_TEMPLATES_CUDA_STATEMENTS_ROW_CUH

#define TL_NO_KEY tl_bits_f32(0xff800000u) // minus infinity
#define TL_NONE_YET 0x7fffffff

// Runs the statement after it for each row of the tile that this warp has.
#define TL_EACH_ROW(r)                                                                             \
  for (tl_i32 r = tl_thread() / 32; r < tile->rows; r += T_THREADS / 32)

// This lane's columns of a row.
#define TL_EACH_COLUMN(c, count) for (tl_i32 c = tl_thread() % 32; c < (count); c += 32)

TL_STATEMENT(softmax) {
  tl_i32 real = tl_tile_real(tile);
  tl_barrier();
  TL_EACH_ROW(r) {
    float largest = TL_NO_KEY, sum = 0;
    TL_EACH_COLUMN(c, real) largest = tl_max(largest, tl_shared_f32(tl_tile_at(tile, r, c)));
    largest = tl_warp_largest(largest);
    TL_EACH_COLUMN(c, real) {
      float x = tl_exp(tl_shared_f32(tl_tile_at(tile, r, c)) - largest);
      tl_shared_put_f32(tl_tile_at(tile, r, c), x);
      sum += x;
    }
    sum = tl_warp_sum(sum);
    TL_EACH_COLUMN(c, real) {
      tl_u32 x = tl_tile_at(tile, r, c);
      tl_shared_put_f32(x, tl_shared_f32(x) / sum);
    }
  }
  tl_barrier();
}

TL_STATEMENT(normalize) {
  tl_i32 real = tl_tile_real(tile);
  tl_barrier();
  TL_EACH_ROW(r) {
    float sum = 0;
    TL_EACH_COLUMN(c, real) sum += tl_shared_f32(tl_tile_at(tile, r, c));
    sum = tl_warp_sum(sum) + f0;
    TL_EACH_COLUMN(c, real) {
      tl_u32 x = tl_tile_at(tile, r, c);
      tl_shared_put_f32(x, tl_shared_f32(x) / sum);
    }
  }
  tl_barrier();
}

// A lane's columns of a row: lane, lane + 32, ..
#define TL_KEYS (WIDTH / 32)

typedef struct tl_keys {
  float x[TL_KEYS], key[TL_KEYS]; // minus infinity = chosen already, or not to be
} tl_keys;

typedef struct tl_best {
  float key, x;
  tl_i32 column;
} tl_best;

TL_INLINE void tl_take_best(tl_best *best, float key, float x, tl_i32 column) {
  if (key > best->key || (key == best->key && column < best->column && key > TL_NO_KEY)) {
    best->key = key;
    best->x = x;
    best->column = column;
  }
}

// The largest key of the row, the first of equals, in every lane; it is not taken again.
TL_INLINE tl_best tl_take_largest(tl_keys *k, float x_first) {
  tl_best best = {TL_NO_KEY, x_first, TL_NONE_YET};
  tl_i32 lane = tl_thread() % 32;
  TL_UNROLL for (tl_i32 j = 0; j < TL_KEYS; j++)
    tl_take_best(&best, k->key[j], k->x[j], lane + 32 * j);
  TL_UNROLL for (tl_i32 mask = 16; mask > 0; mask /= 2) {
    float key = tl_from_lane_xor(best.key, mask), x = tl_from_lane_xor(best.x, mask);
    tl_u32 column = tl_f32_bits(tl_from_lane_xor(tl_bits_f32((tl_u32)best.column), mask));
    tl_take_best(&best, key, x, (tl_i32)column);
  }
  TL_UNROLL for (tl_i32 j = 0; j < TL_KEYS; j++) {
    if (lane + 32 * j == best.column) k->key[j] = TL_NO_KEY;
  }
  return best;
}

// Sum of the `best` largest of the keys in shared memory from `at` on.
TL_INLINE float tl_best_sum(tl_u32 at, tl_i32 count, tl_i32 best) {
  float sum = 0, above = -TL_NO_KEY;
  for (tl_i32 taken = 0; taken < best;) {
    float largest = TL_NO_KEY;
    tl_i32 equal = 0;
    for (tl_i32 i = 0; i < count; i++) {
      float key = tl_shared_f32(at + (tl_u32)i * 4);
      if (key >= above || key < largest) continue;
      equal = key == largest ? equal + 1 : 1;
      largest = key;
    }
    if (equal == 0) break;
    for (; equal > 0 && taken < best; equal--, taken++) sum += largest;
    above = largest;
  }
  return sum;
}

// Whether this lane's group is among the `kept` best, the first of equals; a lane has a group, or
// none.
TL_INLINE tl_i32 tl_is_kept(float sum, tl_i32 groups, tl_i32 kept) {
  tl_i32 lane = tl_thread() % 32, better = 0;
  for (tl_i32 g = 0; g < groups; g++) {
    float other = tl_from_lane(sum, g);
    better += other > sum || (other == sum && g < lane);
  }
  return better < kept;
}

// Keys of all but the `kept` best of `groups` groups become minus infinity.
TL_INLINE void tl_drop_groups(tl_keys *k, const tl_tile *tile, tl_i32 r, tl_i32 count,
                              tl_i32 groups, tl_i32 kept, tl_i32 best) {
  tl_i32 lane = tl_thread() % 32, size = count / groups;
  float sum = TL_NO_KEY;
  TL_UNROLL for (tl_i32 j = 0; j < TL_KEYS; j++)
    tl_shared_put_f32(tl_tile_at(tile, r, lane + 32 * j), k->key[j]);
  tl_warp_barrier();
  if (lane < groups) sum = tl_best_sum(tl_tile_at(tile, r, lane * size), size, best);
  tl_i32 is_kept = tl_is_kept(sum, groups, kept);
  TL_UNROLL for (tl_i32 j = 0; j < TL_KEYS; j++) {
    tl_i32 group = (lane + 32 * j) / size;
    if (!tl_int_from_lane(is_kept, group % 32)) k->key[j] = TL_NO_KEY;
  }
  tl_warp_barrier();
}

// i0 = k, i1 groups (32 at most) of which i2 are kept, the sum of a group's i3 best keys being
// largest. Where keys are no numbers, any column is as wrong as another.
TL_STATEMENT(topk) {
  tl_i32 count = tl_tile_real(tile), lane = tl_thread() % 32, width = (i0 + 63) / 64 * 64;
  const void *bias = a->at[first + 1].p;
  tl_barrier();
  TL_EACH_ROW(r) {
    tl_keys k;
    TL_UNROLL for (tl_i32 j = 0; j < TL_KEYS; j++) {
      tl_i32 c = lane + 32 * j;
      k.x[j] = c < count ? tl_shared_f32(tl_tile_at(tile, r, c)) : 0.0f;
      k.key[j] = c < count ? (bias ? k.x[j] + tl_load_f32(bias, c) : k.x[j]) : TL_NO_KEY;
    }
    float x_first = tl_from_lane(k.x[0], 0);
    if (i1 > 1) tl_drop_groups(&k, tile, r, count, i1, i2, i3);
    char *ids = tl_row_of(a, first, tile->row + r, row_bytes);
    for (tl_i32 chosen = 0; chosen < i0; chosen++) {
      tl_best best = tl_take_largest(&k, x_first);
      if (lane != 0) continue;
      tl_store_i32(ids, chosen, best.column == TL_NONE_YET ? 0 : best.column);
      tl_shared_put_f32(tl_tile_at(tile, r, chosen), best.x);
    }
    for (tl_i32 c = i0 + lane; c < width; c += 32)
      tl_shared_put_f32(tl_tile_at(tile, r, c), 0.0f);
  }
  tl_barrier();
  tile->width = tile->pitch = width;
  tile->columns = tile->column + i0;
}

#endif
