// The statements on a GPU: one function per row of compiler/program/statements.def, called by the
// generated epilogue of a kernel with constants, by all threads of a block.
//
// All have one signature. `a->at[first]`, .. are the operands; a buffer's bytes per row and its
// format (1 = bf16) come as constants after the statement's own numbers. A statement that reads
// other threads' elements begins and ends with a barrier.
#ifndef TL_TEMPLATES_CUDA_STATEMENTS_CUH
#define TL_TEMPLATES_CUDA_STATEMENTS_CUH

#include "templates/cuda/page.cuh"
#include "templates/cuda/tile.cuh"

#define TL_STATEMENT(name)                                                                         \
  TL_INLINE void tl_statement_##name(tl_tile *tile, const tl_arguments *a, const tl_step *step,    \
                                     tl_i32 first, tl_i32 i0, tl_i32 i1, tl_i32 i2, tl_i32 i3,     \
                                     float f0, tl_i32 row_bytes, tl_i32 format, tl_i32 e0,         \
                                     tl_i32 e1)

// Runs the statement after it once per warp and unit of `count` columns of a row.
#define TL_EACH_UNIT(r, u, count)                                                                  \
  for (tl_i32 units_ = tl_tile_real(tile) / (count), i_ = tl_thread() / 32;                        \
       i_ < tile->rows * units_; i_ += T_THREADS / 32)                                             \
    for (tl_i32 r = i_ / units_, u = i_ % units_ * (count), once_ = 1; once_; once_ = 0)

TL_INLINE char *tl_row_of(const tl_arguments *a, tl_i32 operand, tl_i64 row, tl_i32 row_bytes) {
  return (char *)a->at[operand].p + row * row_bytes;
}

// Of each 8 lanes that lie beside each other: the sum of their fours, halves with halves, as 32
// lanes with a value each would add it.
TL_INLINE float tl_eight_sum(tl_four f) {
  TL_UNROLL for (tl_i32 mask = 4; mask > 0; mask /= 2) {
    TL_UNROLL for (tl_i32 e = 0; e < 4; e++) f.v[e] += tl_from_lane_xor(f.v[e], mask);
  }
  return (f.v[0] + f.v[2]) + (f.v[1] + f.v[3]);
}

// The row of partial sums that belongs to a row of the tile.
TL_INLINE const char *tl_sums_of(const tl_tile *tile, const tl_arguments *a, const tl_step *step,
                                 tl_i32 operand, tl_i32 r, tl_i32 is_wanted, tl_i32 row_bytes) {
  tl_i32 row = is_wanted ? tl_step_int(step, step->wanted, tile->row + r) : tile->row + r;
  return tl_row_of(a, operand, row, row_bytes);
}

// This lane's of `count` sums, every 32nd four; 8 lanes have a row.
TL_INLINE tl_four tl_add_sums(tl_four f, const char *sums, tl_i32 count, tl_i32 p) {
  p += tl_thread() % 8 * 4;
  if (p >= count) return f;
  tl_four more = tl_load_four(sums, p, 0);
  TL_UNROLL for (tl_i32 e = 0; e < 4; e++) f.v[e] += p + e < count ? more.v[e] : 0.0f;
  return f;
}

// i1 = partial sums of a row; i2 = 1 if output rows are the wanted ones of the summed rows. What a
// row is divided by lies behind it until all have it; a tile of one row has no place there.
TL_STATEMENT(row_rms) {
  enum { EACH = T_THREADS / 8, BATCH = TL_BATCH_OF(TILE_ROWS, EACH) };
  tl_i32 is_alone = tile->stride == tile->pitch;
  float alone = 0;
  if (!is_alone) tl_barrier();
  for (tl_i32 begin = 0; begin < TILE_ROWS; begin += BATCH * EACH) {
    tl_i32 own = is_alone ? 0 : begin + tl_thread() / 8;
    tl_four f[BATCH];
    TL_UNROLL for (tl_i32 b = 0; b < BATCH; b++) TL_UNROLL for (tl_i32 e = 0; e < 4; e++) {
      f[b].v[e] = 0;
    }
    for (tl_i32 p = 0; p < i1; p += 32) TL_UNROLL for (tl_i32 b = 0; b < BATCH; b++) {
      tl_i32 r = own + b * EACH;
      if (r < tile->rows)
        f[b] = tl_add_sums(f[b], tl_sums_of(tile, a, step, first, r, i2, row_bytes), i1, p);
    }
    TL_UNROLL for (tl_i32 b = 0; b < BATCH; b++) {
      tl_i32 r = own + b * EACH;
      alone = tl_sqrt(tl_eight_sum(f[b]) / (float)i0 + f0);
      if (!is_alone && r < tile->rows && tl_thread() % 8 == 0)
        tl_shared_put_f32(tl_tile_at(tile, r, tile->pitch), alone);
    }
  }
  if (!is_alone) tl_barrier();
  TL_EACH_FOUR(r, c) {
    tl_four x = tl_tile_four(tile, r, c);
    float by = is_alone ? alone : tl_shared_f32(tl_tile_at(tile, r, tile->pitch));
    TL_UNROLL for (tl_i32 e = 0; e < 4; e++) x.v[e] /= by;
    tl_tile_put_four(tile, r, c, x);
  }
}

// x + y or x * y of fours of the tile and of another row.
#define TL_OTHER_ROW(operation, row, index, is_bf16)                                               \
  TL_EACH_BATCH(i) {                                                                               \
    tl_four other[TL_BATCH];                                                                       \
    TL_IN_BATCH(i, b, r, c) other[b] = tl_load_four(row, index, is_bf16);                          \
    TL_IN_BATCH(i, b, r, c) {                                                                      \
      tl_four x = tl_tile_four(tile, r, c);                                                        \
      TL_UNROLL for (tl_i32 e = 0; e < 4; e++) x.v[e] = x.v[e] operation other[b].v[e];            \
      tl_tile_put_four(tile, r, c, x);                                                             \
    }                                                                                              \
  }

// x becomes `value` for each of this thread's elements.
#define TL_EACH_VALUE(x, value)                                                                    \
  TL_EACH_FOUR(r, c) {                                                                             \
    tl_four f_ = tl_tile_four(tile, r, c);                                                         \
    TL_UNROLL for (tl_i32 e = 0; e < 4; e++) {                                                     \
      float x = f_.v[e];                                                                           \
      f_.v[e] = value;                                                                             \
    }                                                                                              \
    tl_tile_put_four(tile, r, c, f_);                                                              \
  }

TL_STATEMENT(add_vector) {
  TL_OTHER_ROW(+, a->at[first].p, tile->column + c, 0)
}

TL_STATEMENT(add_half) {
  tl_i32 half = tile->pitch / 2;
  TL_EACH_FOUR(r, c) {
    tl_i32 column = tile->column + c % half;
    if (c / half == i0 && column < tile->columns) {
      tl_four x = tl_tile_four(tile, r, c);
      TL_UNROLL for (tl_i32 e = 0; e < 4; e++) {
        if (column + e < tile->columns) x.v[e] += tl_load_f32(a->at[first].p, column + e);
      }
      tl_tile_put_four(tile, r, c, x);
    }
  }
}

TL_STATEMENT(mul_vector) {
  TL_OTHER_ROW(*, a->at[first].p, tile->column + c, 0)
}

TL_STATEMENT(scale) {
  TL_EACH_VALUE(x, x * f0)
}

TL_STATEMENT(softcap) {
  TL_EACH_VALUE(x, f0 * tl_tanh(x / f0))
}

TL_INLINE float tl_sigmoid(float x) {
  return 1.0f / (1.0f + tl_exp(-x));
}

// By its index in ops.def.
TL_INLINE float tl_activate(tl_i32 kind, float x) {
  switch (kind) {
  case 0: return x * tl_sigmoid(x);
  case 1: return 0.5f * x * (1.0f + tl_erf(x * 0.707106781f));
  case 2: return x * tl_sigmoid(tl_fma(x * x * x, 0.044715f, x) * 1.59576912f);
  case 3: return x * tl_sigmoid(x * 1.702f);
  case 4: return tl_max(x, 0.0f);
  case 5: return tl_max(x, 0.0f) * tl_max(x, 0.0f);
  case 6: return tl_tanh(x);
  default: return tl_sigmoid(x);
  }
}

TL_STATEMENT(act) {
  TL_EACH_VALUE(x, tl_activate(i0, x))
}

// Which elements are a thread's own changes with the pitch.
TL_STATEMENT(glu) {
  tl_i32 half = tile->pitch / 2;
  tl_barrier();
  tile->pitch = tile->width = half;
  tile->width = tl_tile_stored(tile);
  TL_EACH_FOUR(r, c) {
    tl_four gate = tl_tile_four(tile, r, c), up = tl_tile_four(tile, r, half + c);
    TL_UNROLL for (tl_i32 e = 0; e < 4; e++) gate.v[e] = tl_activate(i0, gate.v[e]) * up.v[e];
    tl_tile_put_four(tile, r, c, gate);
  }
}

TL_STATEMENT(add) {
  TL_OTHER_ROW(+, tl_row_of(a, first, tile->row + r, row_bytes), tile->column + c, format)
}

TL_STATEMENT(mul) {
  TL_OTHER_ROW(*, tl_row_of(a, first, tile->row + r, row_bytes), tile->column + c, format)
}

TL_STATEMENT(norm) {
  tl_barrier();
  TL_EACH_UNIT(r, u, i0) {
    float sum = 0;
    for (tl_i32 c = tl_thread() % 32; c < i0; c += 32) {
      float v = tl_shared_f32(tl_tile_at(tile, r, u + c));
      sum = tl_fma(v, v, sum);
    }
    float by = 1.0f / tl_sqrt(tl_warp_sum(sum) / (float)i0 + f0);
    for (tl_i32 c = tl_thread() % 32; c < i0; c += 32) {
      tl_u32 x = tl_tile_at(tile, r, u + c);
      tl_shared_put_f32(x, tl_shared_f32(x) * by);
    }
  }
  tl_barrier();
}

TL_STATEMENT(center) {
  tl_barrier();
  TL_EACH_UNIT(r, u, i0) {
    float sum = 0;
    for (tl_i32 c = tl_thread() % 32; c < i0; c += 32)
      sum += tl_shared_f32(tl_tile_at(tile, r, u + c));
    float mean = tl_warp_sum(sum) / (float)i0;
    for (tl_i32 c = tl_thread() % 32; c < i0; c += 32) {
      tl_u32 x = tl_tile_at(tile, r, u + c);
      tl_shared_put_f32(x, tl_shared_f32(x) - mean);
    }
  }
  tl_barrier();
}

TL_STATEMENT(mul_unit) {
  TL_EACH_FOUR(r, c) {
    tl_four x = tl_tile_four(tile, r, c);
    TL_UNROLL for (tl_i32 e = 0; e < 4; e++) x.v[e] *= tl_load_f32(a->at[first].p, (c + e) % i0);
    tl_tile_put_four(tile, r, c, x);
  }
}

// i0 = choices of a row; see tl_routing in compiler/program/program.h.
TL_STATEMENT(scale_choice) {
  const char *order = (const char *)a->at[first].p;
  tl_i64 places = (tl_i64)step->rows_count * i0;
  TL_EACH_FOUR(r, c) {
    tl_four x = tl_tile_four(tile, r, c);
    tl_i32 row = tl_load_i32(order, tile->row + r), choice = 0;
    while (choice + 1 < i0 && tl_load_i32(order, places + row * i0 + choice) != tile->row + r)
      choice++;
    float by = tl_load_f32(tl_row_of(a, first + 1, row, row_bytes), choice);
    TL_UNROLL for (tl_i32 e = 0; e < 4; e++) x.v[e] *= by;
    tl_tile_put_four(tile, r, c, x);
  }
}

TL_STATEMENT(position_scale) {
  TL_EACH_FOUR(r, c) {
    tl_four x = tl_tile_four(tile, r, c);
    tl_i32 position = tl_step_int(step, step->positions, tile->row + r);
    float by = tl_fma(f0, tl_log(1.0f + (float)((position + 1) / i0)), 1.0f);
    TL_UNROLL for (tl_i32 e = 0; e < 4; e++) x.v[e] *= by;
    tl_tile_put_four(tile, r, c, x);
  }
}

TL_INLINE void tl_turn(float *x, float *other, float cosine, float sine) {
  float turned = *x * cosine - *other * sine;
  *other = *other * cosine + *x * sine;
  *x = turned;
}

// Units of any width, pairs beside each other or not; a row's cosines, then its sines.
TL_INLINE void tl_rope_pair(const tl_tile *tile, const char *cosines, tl_i32 r, tl_i32 u, tl_i32 j,
                            tl_i32 pairs, tl_i32 beside) {
  tl_u32 at = tl_tile_at(tile, r, u + (beside ? 2 * j : j));
  tl_u32 next = tl_tile_at(tile, r, u + (beside ? 2 * j + 1 : j + pairs));
  float x = tl_shared_f32(at), other = tl_shared_f32(next);
  tl_turn(&x, &other, tl_load_f32(cosines, j), tl_load_f32(cosines, pairs + j));
  tl_shared_put_f32(at, x);
  tl_shared_put_f32(next, other);
}

// Four pairs from j on: two fours of the tile.
TL_INLINE void tl_rope_four(const tl_tile *tile, tl_i32 r, tl_i32 u, tl_i32 j, tl_i32 pairs,
                            tl_i32 beside, tl_four cosines, tl_four sines) {
  tl_i32 column = u + (beside ? 2 * j : j), next = beside ? column + 4 : column + pairs;
  tl_four x = tl_tile_four(tile, r, column), y = tl_tile_four(tile, r, next);
  TL_UNROLL for (tl_i32 e = 0; e < 4; e++) {
    if (!beside) {
      tl_turn(&x.v[e], &y.v[e], cosines.v[e], sines.v[e]);
    } else if (e < 2) {
      tl_turn(&x.v[2 * e], &x.v[2 * e + 1], cosines.v[e], sines.v[e]);
    } else {
      tl_turn(&y.v[2 * e - 4], &y.v[2 * e - 3], cosines.v[e], sines.v[e]);
    }
  }
  tl_tile_put_four(tile, r, column, x);
  tl_tile_put_four(tile, r, next, y);
}

// The row's table is [2][pairs]: cosines, then sines. i1 = pairs, i2 = 1 if they lie beside each
// other.
TL_STATEMENT(rope) {
  enum { BATCH = (TL_BATCH + 1) / 2 };
  tl_i32 fours = i1 / 4, count = tile->pitch / i0 * fours, real = tl_tile_real(tile);
  tl_barrier();
  if (i1 % 4 || i0 % 4) {
    TL_EACH_UNIT(r, u, i0) {
      const char *cosines = tl_row_of(a, first, tile->row + r, row_bytes);
      for (tl_i32 j = tl_thread() % 32; j < i1; j += 32)
        tl_rope_pair(tile, cosines, r, u, j, i1, i2);
    }
  } else {
    for (tl_i32 i = tl_thread(); i < tile->rows * count; i += BATCH * T_THREADS) {
      tl_four cosines[BATCH], sines[BATCH];
      TL_UNROLL for (tl_i32 b = 0; b < BATCH; b++) {
        tl_i32 own = i + b * T_THREADS, r = own / count, j = own % fours * 4;
        const char *table = tl_row_of(a, first, tile->row + r, row_bytes);
        if (r < tile->rows) cosines[b] = tl_load_four(table, j, 0);
        if (r < tile->rows) sines[b] = tl_load_four(table, i1 + j, 0);
      }
      TL_UNROLL for (tl_i32 b = 0; b < BATCH; b++) {
        tl_i32 own = i + b * T_THREADS, r = own / count, u = own % count / fours * i0;
        if (r < tile->rows && u < real)
          tl_rope_four(tile, r, u, own % fours * 4, i1, i2, cosines[b], sines[b]);
      }
    }
  }
  tl_barrier();
}

// Eight lanes have a panel of a row.
TL_STATEMENT(sums) {
  tl_i32 panels = tile->pitch / 64, lane = tl_thread() % 8;
  tl_barrier();
  for (tl_i32 i = tl_thread() / 8; i / 4 * 4 < tile->rows * panels; i += T_THREADS / 8) {
    tl_i32 r = i / panels, panel = i % panels;
    tl_i32 is_there = r < tile->rows && panel * 64 < tile->width;
    tl_four sum = {{0, 0, 0, 0}};
    TL_UNROLL for (tl_i32 half = 0; half < 64; half += 32) if (is_there) {
      tl_four x = tl_tile_four(tile, r, panel * 64 + half + lane * 4);
      TL_UNROLL for (tl_i32 e = 0; e < 4; e++) sum.v[e] = tl_fma(x.v[e], x.v[e], sum.v[e]);
    }
    float all = tl_eight_sum(sum);
    if (is_there && lane == 0)
      tl_store_f32(tl_row_of(a, first, tile->row + r, row_bytes), tile->column / 64 + panel, all);
  }
  tl_barrier();
}

// Of a tile whose neighbour is another block's: the columns that exist, and behind the last one of
// the row its zeros.
TL_INLINE void tl_store_exactly(const tl_tile *tile, const tl_arguments *a, tl_i32 first,
                                tl_i32 row_bytes, tl_i32 is_bf16) {
  tl_i32 real = tl_tile_real(tile), is_even = real % 4 == 0 && tile->column % 4 == 0;
  tl_i32 is_last = tile->column + real == tile->total;
  tl_i32 end = row_bytes / (is_bf16 ? 2 : 4) - tile->total;
  TL_EACH_FOUR(r, c) {
    char *out = tl_row_of(a, first, tile->row + r, row_bytes);
    tl_four x = tl_tile_four(tile, r, c);
    if (is_even && c < real) {
      tl_store_four(out, tile->column + c, x, is_bf16);
    } else if (c < real) {
      TL_UNROLL for (tl_i32 e = 0; e < 4; e++) {
        if (c + e < real) tl_store_value(out, tile->column + c + e, x.v[e], is_bf16);
      }
    }
  }
  for (tl_i32 i = tl_thread(); is_last && i < tile->rows * end; i += T_THREADS) {
    char *out = tl_row_of(a, first, tile->row + i / end, row_bytes);
    tl_store_value(out, tile->total + i % end, 0.0f, is_bf16);
  }
}

// The bytes of a row are an argument, so that a kernel serves outputs of all widths.
TL_STATEMENT(store) {
  tl_i32 bytes = (tl_i32)a->at[first + 1].i;
  if (tile->total) {
    tl_store_exactly(tile, a, first, bytes, format);
    return;
  }
  TL_EACH_FOUR(r, c) {
    char *out = tl_row_of(a, first, tile->row + r, bytes);
    tl_store_four(out, tile->column + c, tl_tile_four(tile, r, c), format);
  }
}

// i0 = the value of the latent row that the tile's first column is.
TL_STATEMENT(store_latent) {
  tl_i32 real = tl_tile_real(tile);
  TL_EACH_FOUR(r, c) if (c < real) {
    tl_i32 slot = tl_step_int(step, step->slots[a->at[first + 2].i], tile->row + r);
    char *page = (char *)a->at[first].p + slot / TL_PAGE_TOKENS * a->at[first + 1].i;
    tl_i64 at = (tl_i64)(slot % TL_PAGE_TOKENS) * TL_PAGE_ROW(e0 + e1) + i0 + tile->column + c;
    tl_four x = tl_tile_four(tile, r, c);
    if (i0 % 4 == 0 && c + 4 <= real) {
      tl_store_four(page, at, x, format);
    } else {
      TL_UNROLL for (tl_i32 e = 0; e < 4; e++) {
        if (c + e < real) tl_store_value(page, at + e, x.v[e], format);
      }
    }
  }
}

// Four columns of a row to where its position lies in the pages.
TL_INLINE void tl_store_in_page(const tl_tile *tile, char *page, tl_i32 place, tl_i32 unit,
                                tl_i64 head_bytes, tl_i32 r, tl_i32 c, tl_i32 is_bf16) {
  tl_four x = tl_tile_four(tile, r, c);
  tl_i64 row = (tl_i64)place * TL_PAGE_ROW(unit);
  tl_i32 column = tile->column + c;
  if (unit % 4 == 0) {
    tl_store_four(page + column / unit * head_bytes, row + column % unit, x, is_bf16);
    return;
  }
  TL_UNROLL for (tl_i32 e = 0; e < 4; e++) {
    char *head = page + (column + e) / unit * head_bytes;
    if (c + e < tl_tile_real(tile))
      tl_store_value(head, row + (column + e) % unit, x.v[e], is_bf16);
  }
}

// Operands: the state, then bytes from page to page and its group. `from`: where in a head's block.
TL_INLINE void tl_store_unit(const tl_tile *tile, const tl_arguments *a, const tl_step *step,
                             tl_i32 first, tl_i32 unit, tl_i64 from, tl_i64 head_bytes,
                             tl_i32 is_bf16) {
  TL_EACH_BATCH(i) {
    tl_i32 slots[TL_BATCH];
    TL_IN_BATCH(i, b, r, c) {
      slots[b] = tl_step_int(step, step->slots[a->at[first + 2].i], tile->row + r);
    }
    TL_IN_BATCH(i, b, r, c) if (c < tl_tile_real(tile)) {
      char *page = (char *)a->at[first].p + slots[b] / TL_PAGE_TOKENS * a->at[first + 1].i;
      tl_store_in_page(tile, page + from, slots[b] % TL_PAGE_TOKENS, unit, head_bytes, r, c,
                       is_bf16);
    }
  }
}

TL_STATEMENT(store_key) {
  tl_store_unit(tile, a, step, first, i0, 0, TL_PAGE_HEAD_BYTES(e0, e1, format ? 2 : 4), format);
}

TL_STATEMENT(store_value) {
  tl_i64 keys = TL_PAGE_HEAD_BYTES(e0, 0, format ? 2 : 4);
  tl_store_unit(tile, a, step, first, i0, keys, TL_PAGE_HEAD_BYTES(e0, e1, format ? 2 : 4), format);
}

#include "templates/cuda/statements_row.cuh"

#endif
