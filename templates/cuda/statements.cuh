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
                                     tl_i32 first, tl_i32 i0, tl_i32 i1, tl_i32 i2, float f0,      \
                                     tl_i32 row_bytes, tl_i32 format, tl_i32 e0, tl_i32 e1)

// Runs the statement after it for this thread's elements: row r, column c, x = its place.
#define TL_EACH_ELEMENT(r, c, x)                                                                   \
  for (tl_i32 i_ = tl_thread(); i_ < tile->rows * tile->width; i_ += T_THREADS)                    \
    for (tl_i32 r = i_ / tile->width, c = i_ % tile->width, once_ = 1; once_; once_ = 0)           \
      for (tl_u32 x = tl_tile_at(tile, r, c); once_; once_ = 0)

// Runs the statement after it once per warp and unit of `count` columns of a row.
#define TL_EACH_UNIT(r, u, count)                                                                  \
  for (tl_i32 units_ = tl_tile_real(tile) / (count), i_ = tl_thread() / 32;                        \
       i_ < tile->rows * units_; i_ += T_THREADS / 32)                                             \
    for (tl_i32 r = i_ / units_, u = i_ % units_ * (count), once_ = 1; once_; once_ = 0)

TL_INLINE char *tl_row_of(const tl_arguments *a, tl_i32 operand, tl_i64 row, tl_i32 row_bytes) {
  return (char *)a->at[operand].p + row * row_bytes;
}

// i1 = partial sums of a row; i2 = 1 if output rows are the wanted ones of the summed rows. A warp's
// elements lie in one row, whose sums it adds together.
TL_STATEMENT(row_rms) {
  TL_EACH_ELEMENT(r, c, x) {
    tl_i32 row = i2 ? tl_step_int(step, step->wanted, tile->row + r) : tile->row + r;
    const char *sums = tl_row_of(a, first, row, row_bytes);
    float total = 0;
    for (tl_i32 p = tl_thread() % 32; p < i1; p += 32)
      total += tl_load_f32(sums, p);
    total = tl_warp_sum(total);
    tl_shared_put_f32(x, tl_shared_f32(x) / tl_sqrt(total / (float)i0 + f0));
  }
}

TL_STATEMENT(add_vector) {
  TL_EACH_ELEMENT(r, c, x) {
    tl_shared_put_f32(x, tl_shared_f32(x) + tl_load_f32(a->at[first].p, tile->column + c));
  }
}

TL_STATEMENT(add_half) {
  tl_i32 half = tile->width / 2;
  TL_EACH_ELEMENT(r, c, x) {
    if (c / half == i0 && tile->column + c % half < tile->columns) {
      float v = tl_load_f32(a->at[first].p, tile->column + c % half);
      tl_shared_put_f32(x, tl_shared_f32(x) + v);
    }
  }
}

TL_STATEMENT(mul_vector) {
  TL_EACH_ELEMENT(r, c, x) {
    tl_shared_put_f32(x, tl_shared_f32(x) * tl_load_f32(a->at[first].p, tile->column + c));
  }
}

TL_STATEMENT(scale) {
  TL_EACH_ELEMENT(r, c, x) tl_shared_put_f32(x, tl_shared_f32(x) * f0);
}

TL_STATEMENT(softcap) {
  TL_EACH_ELEMENT(r, c, x) tl_shared_put_f32(x, f0 * tl_tanh(tl_shared_f32(x) / f0));
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
  TL_EACH_ELEMENT(r, c, x) tl_shared_put_f32(x, tl_activate(i0, tl_shared_f32(x)));
}

// Which elements are a thread's own changes with the width.
TL_STATEMENT(glu) {
  tl_i32 half = tile->width / 2;
  tl_barrier();
  tile->width = half;
  tile->width = tl_tile_stored(tile);
  TL_EACH_ELEMENT(r, c, x) {
    float up = tl_shared_f32(x + (tl_u32)half * 4);
    tl_shared_put_f32(x, tl_activate(i0, tl_shared_f32(x)) * up);
  }
}

TL_STATEMENT(add) {
  TL_EACH_ELEMENT(r, c, x) {
    const char *m = tl_row_of(a, first, tile->row + r, row_bytes);
    tl_shared_put_f32(x, tl_shared_f32(x) + tl_load_value(m, tile->column + c, format));
  }
}

TL_STATEMENT(mul) {
  TL_EACH_ELEMENT(r, c, x) {
    const char *m = tl_row_of(a, first, tile->row + r, row_bytes);
    tl_shared_put_f32(x, tl_shared_f32(x) * tl_load_value(m, tile->column + c, format));
  }
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
  TL_EACH_ELEMENT(r, c, x) {
    tl_shared_put_f32(x, tl_shared_f32(x) * tl_load_f32(a->at[first].p, c % i0));
  }
}

// The row's table is [2][pairs]: cosines, then sines.
TL_STATEMENT(rope) {
  tl_barrier();
  TL_EACH_UNIT(r, u, i0) {
    const char *cosines = tl_row_of(a, first, tile->row + r, row_bytes);
    for (tl_i32 j = tl_thread() % 32; j < i1; j += 32) {
      tl_u32 at = tl_tile_at(tile, r, u + (i2 ? 2 * j : j));
      tl_u32 other = tl_tile_at(tile, r, u + (i2 ? 2 * j + 1 : j + i1));
      float c = tl_load_f32(cosines, j), s = tl_load_f32(cosines, i1 + j);
      float xa = tl_shared_f32(at), xb = tl_shared_f32(other);
      tl_shared_put_f32(at, xa * c - xb * s);
      tl_shared_put_f32(other, xb * c + xa * s);
    }
  }
  tl_barrier();
}

TL_STATEMENT(sums) {
  tl_barrier();
  tl_i32 panels = tile->width / 64;
  for (tl_i32 i = tl_thread() / 32; i < tile->rows * panels; i += T_THREADS / 32) {
    tl_i32 r = i / panels, panel = i % panels;
    float sum = 0;
    TL_UNROLL for (tl_i32 half = 0; half < 64; half += 32) {
      float v = tl_shared_f32(tl_tile_at(tile, r, panel * 64 + half + tl_thread() % 32));
      sum = tl_fma(v, v, sum);
    }
    sum = tl_warp_sum(sum);
    if (tl_thread() % 32 == 0) {
      tl_store_f32(tl_row_of(a, first, tile->row + r, row_bytes), tile->column / 64 + panel, sum);
    }
  }
  tl_barrier();
}

TL_STATEMENT(store) {
  TL_EACH_ELEMENT(r, c, x) {
    char *out = tl_row_of(a, first, tile->row + r, row_bytes);
    tl_store_value(out, tile->column + c, tl_shared_f32(x), format);
  }
}

// Operands: the state, then bytes from page to page and its group. `from`: where in a head's block.
TL_INLINE void tl_store_unit(const tl_tile *tile, const tl_arguments *a, const tl_step *step,
                             tl_i32 first, tl_i32 unit, tl_i64 from, tl_i64 head_bytes,
                             tl_i32 is_bf16) {
  TL_EACH_ELEMENT(r, c, x) {
    if (c < tl_tile_real(tile)) {
      tl_i32 slot = tl_step_int(step, step->slots[a->at[first + 2].i], tile->row + r);
      char *page = (char *)a->at[first].p + slot / TL_PAGE_TOKENS * a->at[first + 1].i;
      char *head = page + (tile->column + c) / unit * head_bytes + from;
      tl_i64 row = (tl_i64)(slot % TL_PAGE_TOKENS) * TL_PAGE_ROW(unit);
      tl_store_value(head, row + (tile->column + c) % unit, tl_shared_f32(x), is_bf16);
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

#endif
