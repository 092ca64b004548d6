// The statements on the CPU: one function per row of compiler/program/statements.def, inlined into
// the generated epilogue of a kernel with their constants known.
//
// All have one signature. `args[first]`, `args[first + 1]` are the operands; a buffer's bytes per
// row and its format come as constants after the statement's own numbers, as tl_spec_call of
// compiler/codegen/spec.h has them. Rows are independent, columns are walked in ascending
// order.
#ifndef TL_TEMPLATES_CPU_STATEMENTS_H
#define TL_TEMPLATES_CPU_STATEMENTS_H

#include "templates/cpu/constants.h"
#include "templates/cpu/panel.h"
#include "templates/cpu/tile.h"

#define TL_STATEMENT(name)                                                                         \
  __attribute__((always_inline)) void tl_statement_##name(                                         \
      tl_tile *tile, const tl_arg *args, const tl_step *step, int64_t i0, int64_t i1, int64_t i2,  \
      int64_t i3, float f0, int64_t row_bytes, int64_t format, int64_t e0, int64_t e1);            \
  __attribute__((always_inline)) void tl_statement_##name(                                         \
      tl_tile *tile, const tl_arg *args, const tl_step *step, int64_t i0, int64_t i1, int64_t i2,  \
      int64_t i3, float f0, int64_t row_bytes, int64_t format, int64_t e0, int64_t e1)

#define TL_UNUSED(x) (void)(x)
#define TL_UNUSED_CONSTANTS                                                                        \
  TL_UNUSED(args), TL_UNUSED(step), TL_UNUSED(i0), TL_UNUSED(i1), TL_UNUSED(i2), TL_UNUSED(i3),    \
      TL_UNUSED(f0), TL_UNUSED(row_bytes), TL_UNUSED(format), TL_UNUSED(e0), TL_UNUSED(e1)

// Runs `body` for each row with x = its first value.
#define TL_EACH_ROW                                                                                \
  TL_UNUSED_CONSTANTS;                                                                             \
  for (int64_t r = 0; r < tile->rows; r++)
#define TL_ROW(r) (tile->x + (r) * tile->stride)
#define TL_EACH_VECTOR(c) for (int64_t c = 0; c < tile->width; c += VW)

// i1 = partial sums of a row; i2 = 1 if output rows are the wanted ones of the summed rows.
TL_STATEMENT(row_rms) {
  TL_EACH_ROW {
    int64_t row = i2 ? tl_step_ints(step, step->wanted)[tile->row + r] : tile->row + r;
    const float *sums = (const float *)((const char *)args[0].in + row * row_bytes);
    float total = 0;
    for (int64_t p = 0; p < i1; p++)
      total += sums[p];
    vf by = vf_all(1.0f / __builtin_sqrtf(total / (float)i0 + f0));
    TL_EACH_VECTOR(c) vf_store(TL_ROW(r) + c, vf_load(TL_ROW(r) + c) * by);
  }
}

TL_STATEMENT(add_vector) {
  const float *v = (const float *)args[0].in + tile->column;
  TL_EACH_ROW {
    TL_EACH_VECTOR(c) vf_store(TL_ROW(r) + c, vf_load(TL_ROW(r) + c) + vf_load(v + c));
  }
}

TL_STATEMENT(add_half) {
  const float *v = (const float *)args[0].in + tile->column;
  int64_t half = tile->width / 2, from = i0 * half;
  TL_EACH_ROW {
    float *x = TL_ROW(r) + from;
    for (int64_t c = 0; c < half; c += VW)
      vf_store(x + c, vf_load(x + c) + vf_load(v + c));
  }
}

TL_STATEMENT(mul_vector) {
  const float *v = (const float *)args[0].in + tile->column;
  TL_EACH_ROW {
    TL_EACH_VECTOR(c) vf_store(TL_ROW(r) + c, vf_load(TL_ROW(r) + c) * vf_load(v + c));
  }
}

TL_STATEMENT(scale) {
  TL_EACH_ROW {
    TL_EACH_VECTOR(c) vf_store(TL_ROW(r) + c, vf_load(TL_ROW(r) + c) * vf_all(f0));
  }
}

TL_STATEMENT(softcap) {
  TL_EACH_ROW {
    TL_EACH_VECTOR(c)
    vf_store(TL_ROW(r) + c, vf_all(f0) * vf_tanh(vf_load(TL_ROW(r) + c) / vf_all(f0)));
  }
}

TL_STATEMENT(act) {
  TL_EACH_ROW {
    TL_EACH_VECTOR(c) vf_store(TL_ROW(r) + c, vf_activate(i0, vf_load(TL_ROW(r) + c)));
  }
}

TL_STATEMENT(glu) {
  int64_t half = tile->width / 2;
  tile->width = half;
  TL_EACH_ROW {
    TL_EACH_VECTOR(c) {
      vf gate = vf_load(TL_ROW(r) + c), up = vf_load(TL_ROW(r) + half + c);
      vf_store(TL_ROW(r) + c, vf_activate(i0, gate) * up);
    }
  }
}

// Values [c, c + VW) of row `row` of a buffer operand.
TL_INLINE vf tl_buffer_load(const void *base, int64_t at, int64_t format) {
  return format ? vf_from_bf16((const char *)base + at * 2) : vf_load((const float *)base + at);
}

TL_INLINE float tl_bf16_at(const char *base, int64_t at) {
  uint32_t wide = (uint32_t)((const uint16_t *)base)[at] << 16;
  float value;
  __builtin_memcpy(&value, &wide, 4);
  return value;
}

TL_STATEMENT(add) {
  TL_EACH_ROW {
    const char *m = (const char *)args[0].in + (tile->row + r) * row_bytes;
    TL_EACH_VECTOR(c)
    vf_store(TL_ROW(r) + c, vf_load(TL_ROW(r) + c) + tl_buffer_load(m, tile->column + c, format));
  }
}

TL_STATEMENT(mul) {
  TL_EACH_ROW {
    const char *m = (const char *)args[0].in + (tile->row + r) * row_bytes;
    TL_EACH_VECTOR(c)
    vf_store(TL_ROW(r) + c, vf_load(TL_ROW(r) + c) * tl_buffer_load(m, tile->column + c, format));
  }
}

// Sum over a unit of `count` values: whole vectors first, then the rest one by one.
TL_INLINE float tl_unit_sum(const float *x, int64_t count, int squared) {
  vf sum = {0};
  int64_t c = 0;
  for (; c + VW <= count; c += VW) {
    vf v = vf_load(x + c);
    sum = squared ? vf_fma(v, v, sum) : sum + v;
  }
  float total = vf_total(sum);
  for (; c < count; c++)
    total += squared ? x[c] * x[c] : x[c];
  return total;
}

TL_STATEMENT(norm) {
  int64_t real = tl_tile_real(tile);
  TL_EACH_ROW {
    for (int64_t u = 0; u + i0 <= real; u += i0) {
      float *x = TL_ROW(r) + u;
      float by = 1.0f / __builtin_sqrtf(tl_unit_sum(x, i0, 1) / (float)i0 + f0);
      for (int64_t c = 0; c < i0; c++)
        x[c] *= by;
    }
  }
}

TL_STATEMENT(center) {
  int64_t real = tl_tile_real(tile);
  TL_EACH_ROW {
    for (int64_t u = 0; u + i0 <= real; u += i0) {
      float *x = TL_ROW(r) + u;
      float mean = tl_unit_sum(x, i0, 0) / (float)i0;
      for (int64_t c = 0; c < i0; c++)
        x[c] -= mean;
    }
  }
}

TL_STATEMENT(mul_unit) {
  const float *v = (const float *)args[0].in;
  int64_t real = tl_tile_real(tile);
  TL_EACH_ROW {
    for (int64_t u = 0; u + i0 <= real; u += i0) {
      float *x = TL_ROW(r) + u;
      for (int64_t c = 0; c < i0; c++)
        x[c] *= v[c];
    }
  }
}

// The row's table is [2][pairs]: cosines, then sines.
TL_STATEMENT(rope) {
  int64_t real = tl_tile_real(tile);
  TL_EACH_ROW {
    const float *cosines = (const float *)((const char *)args[0].in + (tile->row + r) * row_bytes);
    const float *sines = cosines + i1;
    for (int64_t u = 0; u + i0 <= real; u += i0) {
      float *x = TL_ROW(r) + u;
      for (int64_t j = 0; j < i1; j++) {
        int64_t a = i2 ? 2 * j : j, b = i2 ? 2 * j + 1 : j + i1;
        float xa = x[a], xb = x[b];
        x[a] = xa * cosines[j] - xb * sines[j];
        x[b] = xb * cosines[j] + xa * sines[j];
      }
    }
  }
}

TL_STATEMENT(sums) {
  TL_EACH_ROW {
    float *out = (float *)((char *)args[0].out + (tile->row + r) * row_bytes);
    for (int64_t c = 0; c < tile->width; c += 64) {
      out[(tile->column + c) / 64] = tl_unit_sum(TL_ROW(r) + c, 64, 1);
    }
  }
}

TL_INLINE uint16_t tl_bf16_of(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  if (x != x) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// `format` is that of the weights that will be met, see TL_OPERAND_BYTES; the second plane is
// `plane` bytes after the first one.
TL_INLINE void tl_store_vector(char *out, int64_t at, vf x, int64_t format, int64_t plane) {
  if (format && TL_DOT) {
    vh high = vf_to_bf16(x);
    *(vh_loose *)(out + at * 2) = high;
    vf rest = x - (vf)(__builtin_convertvector(high, vu) << 16);
    if (plane) *(vh_loose *)(out + plane + at * 2) = vf_to_bf16(rest);
  } else {
    vf_store((float *)out + at, x);
  }
}

TL_INLINE void tl_store_one(char *out, int64_t at, float x, int64_t format, int64_t plane) {
  if (format && TL_DOT) {
    ((uint16_t *)out)[at] = tl_bf16_of(x);
    ((uint16_t *)(out + plane))[at] = tl_bf16_of(x - tl_bf16_at(out, at));
  } else {
    ((float *)out)[at] = x;
  }
}

// A tile whose neighbour is another thread's leaves its filler out; the last one of the row zeroes
// what the row has behind its end.
TL_STATEMENT(store) {
  int64_t width = tile->total ? tl_tile_real(tile) : tile->width, end = row_bytes / 4;
  TL_EACH_ROW {
    char *out = (char *)args[0].out + (tile->row + r) * row_bytes;
    int64_t c = 0;
    for (; c + VW <= width; c += VW)
      tl_store_vector(out, tile->column + c, vf_load(TL_ROW(r) + c), format, row_bytes / 2);
    if (!tile->total) continue;
    for (; c < width; c++)
      tl_store_one(out, tile->column + c, TL_ROW(r)[c], format, row_bytes / 2);
    for (int64_t at = tile->total; at == tile->column + c && c < end - tile->column; c++, at++)
      tl_store_one(out, at, 0, format, row_bytes / 2);
  }
}

TL_STATEMENT(softmax) {
  int64_t real = tl_tile_real(tile);
  TL_EACH_ROW {
    float *x = TL_ROW(r), largest = x[0], sum = 0;
    for (int64_t c = 1; c < real; c++)
      largest = x[c] > largest ? x[c] : largest;
    for (int64_t c = 0; c < real; c++) {
      x[c] = vf_exp(vf_all(x[c] - largest))[0];
      sum += x[c];
    }
    for (int64_t c = 0; c < real; c++)
      x[c] /= sum;
  }
}

TL_STATEMENT(normalize) {
  int64_t real = tl_tile_real(tile);
  TL_EACH_ROW {
    float *x = TL_ROW(r), sum = 0;
    for (int64_t c = 0; c < real; c++)
      sum += x[c];
    for (int64_t c = 0; c < real; c++)
      x[c] /= sum + f0;
  }
}

// The place of the largest of x[0..count) that is not -inf; the first of equals, -1 if there is
// none.
TL_INLINE int64_t tl_largest(const float *x, int64_t count) {
  int64_t best = -1;
  for (int64_t i = 0; i < count; i++) {
    if (x[i] > -__builtin_inff() && (best < 0 || x[i] > x[best])) best = i;
  }
  return best;
}

// Sum of the `best` largest of count keys.
TL_INLINE float tl_best_sum(const float *keys, int64_t count, int64_t best) {
  float sum = 0, above = __builtin_inff();
  int64_t taken = 0, equal = 0;
  while (taken < best) {
    float largest = -__builtin_inff();
    equal = 0;
    for (int64_t i = 0; i < count; i++) {
      if (keys[i] >= above || keys[i] < largest) continue;
      equal = keys[i] == largest ? equal + 1 : 1;
      largest = keys[i];
    }
    if (equal == 0) break;
    for (; equal > 0 && taken < best; equal--, taken++)
      sum += largest;
    above = largest;
  }
  return sum;
}

// i0 = k, i1 groups of which i2 are kept, the sum of a group's i3 best keys being largest.
TL_STATEMENT(topk) {
  int64_t count = tl_tile_real(tile), size = count / i1;
  const float *bias = (const float *)args[1].in;
  float keys[TL_EXPERTS_MAX], sums[TL_EXPERT_GROUPS_MAX], chosen[TL_CHOSEN_MAX];
  TL_EACH_ROW {
    float *x = TL_ROW(r);
    int32_t *ids = (int32_t *)((char *)args[0].out + (tile->row + r) * row_bytes);
    for (int64_t c = 0; c < count; c++)
      keys[c] = bias ? x[c] + bias[c] : x[c];
    for (int64_t g = 0; g < i1 && i1 > 1; g++)
      sums[g] = tl_best_sum(keys + g * size, size, i3);
    for (int64_t dropped = 0; dropped < i1 - i2; dropped++) {
      int64_t worst = -1; // the last of equals goes first
      for (int64_t g = 0; g < i1; g++) {
        if (sums[g] < __builtin_inff() && (worst < 0 || sums[g] <= sums[worst])) worst = g;
      }
      if (worst < 0) break;
      sums[worst] = __builtin_inff();
      for (int64_t c = worst * size; c < (worst + 1) * size; c++)
        keys[c] = -__builtin_inff();
    }
    for (int64_t a = 0; a < i0; a++) {
      int64_t best = tl_largest(keys, count);
      if (best < 0) best = 0; // numbers that are none: any expert is as wrong as another
      ids[a] = (int32_t)best;
      chosen[a] = x[best];
      keys[best] = -__builtin_inff();
    }
    for (int64_t a = 0; a < i0; a++)
      x[a] = chosen[a];
    for (int64_t a = i0; a < (i0 + 63) / 64 * 64; a++)
      x[a] = 0;
  }
  tile->width = (i0 + 63) / 64 * 64;
  tile->columns = tile->column + i0;
}

// i0 = choices of a row; see tl_routing in compiler/program/program.h.
TL_STATEMENT(scale_choice) {
  const int32_t *order = args[0].in, *place = order + (int64_t)step->rows_count * i0;
  TL_EACH_ROW {
    int64_t row = order[tile->row + r], a = 0;
    while (a + 1 < i0 && place[row * i0 + a] != tile->row + r)
      a++;
    vf by = vf_all(((const float *)((const char *)args[1].in + row * row_bytes))[a]);
    TL_EACH_VECTOR(c) vf_store(TL_ROW(r) + c, vf_load(TL_ROW(r) + c) * by);
  }
}

// log(1 + n) for whole n, in double: 1 + n = 2^e m with m in [1, 2), log m by the odd series.
TL_INLINE float tl_log_1p(int64_t n) {
  double m = (double)(n + 1), sum = 0;
  int64_t e = 0;
  for (; m >= 1.5; m *= 0.5)
    e++;
  double s = (m - 1) / (m + 1), power = s;
  for (int k = 1; k < 30; k += 2, power *= s * s)
    sum += power / k;
  return (float)(2 * sum + (double)e * 0.69314718055994530942);
}

TL_STATEMENT(position_scale) {
  const int32_t *positions = tl_step_ints(step, step->positions) + tile->row;
  TL_EACH_ROW {
    vf by = vf_all(1.0f + f0 * tl_log_1p((positions[r] + 1) / i0));
    TL_EACH_VECTOR(c) vf_store(TL_ROW(r) + c, vf_load(TL_ROW(r) + c) * by);
  }
}

// Operands: the state, then bytes from page to page and its group.
TL_INLINE char *tl_page_of(const tl_arg *args, const tl_step *step, int64_t row,
                           int64_t *out_place) {
  int32_t slot = tl_step_ints(step, step->slots[args[2].i])[row];
  *out_place = slot % TL_PAGE_TOKENS;
  return (char *)args[0].out + slot / TL_PAGE_TOKENS * args[1].i;
}

// i0 = the value of the latent row that the tile's first column is.
TL_STATEMENT(store_latent) {
  int64_t real = tl_tile_real(tile);
  TL_EACH_ROW {
    int64_t place;
    char *page = tl_page_of(args, step, tile->row + r, &place);
    for (int64_t c = 0; c < real; c++) {
      int64_t d = i0 + tile->column + c;
      if (format) {
        ((uint16_t *)page)[(d / 2 * 64 + place) * 2 + d % 2] = tl_bf16_of(TL_ROW(r)[c]);
      } else {
        ((float *)page)[d * 64 + place] = TL_ROW(r)[c];
      }
    }
  }
}

TL_STATEMENT(store_key) {
  int64_t real = tl_tile_real(tile), bytes = format ? 2 : 4;
  int64_t head_bytes = tl_page_key_bytes(e0, (int)bytes) + tl_page_value_bytes(e1, (int)bytes);
  TL_EACH_ROW {
    int64_t place;
    char *page = tl_page_of(args, step, tile->row + r, &place);
    for (int64_t u = 0; u + i0 <= real; u += i0) {
      char *head = page + (tile->column + u) / i0 * head_bytes;
      const float *x = TL_ROW(r) + u;
      for (int64_t d = 0; d < i0; d++) {
        if (format) {
          ((uint16_t *)head)[(d / 2 * 64 + place) * 2 + d % 2] = tl_bf16_of(x[d]);
        } else {
          ((float *)head)[d * 64 + place] = x[d];
        }
      }
    }
  }
}

TL_STATEMENT(store_value) {
  int64_t real = tl_tile_real(tile), bytes = format ? 2 : 4;
  int64_t key_bytes = tl_page_key_bytes(e0, (int)bytes);
  int64_t head_bytes = key_bytes + tl_page_value_bytes(e1, (int)bytes);
  int64_t padded = (e1 + 15) / 16 * 16;
  TL_EACH_ROW {
    int64_t place;
    char *page = tl_page_of(args, step, tile->row + r, &place);
    for (int64_t u = 0; u + i0 <= real; u += i0) {
      char *head = page + (tile->column + u) / i0 * head_bytes + key_bytes;
      const float *x = TL_ROW(r) + u;
      for (int64_t d = 0; d < i0; d++) {
        if (format) {
          ((uint16_t *)head)[(place / 2 * padded + d) * 2 + place % 2] = tl_bf16_of(x[d]);
        } else {
          ((float *)head)[place * padded + d] = x[d];
        }
      }
    }
  }
}

#endif
