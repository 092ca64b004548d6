// The statements on the CPU: one function per row of compiler/program/statements.def, inlined into
// the generated epilogue of a kernel with their constants known.
//
// All have one signature. `args[first]`, `args[first + 1]` are the operands; a buffer's bytes per
// row and its format come as constants after the statement's own numbers, as tl_spec_call of
// compiler/codegen/spec.h has them. Rows are independent, columns are walked in ascending
// order.
#ifndef TL_TEMPLATES_CPU_STATEMENTS_H
#define TL_TEMPLATES_CPU_STATEMENTS_H

#include "templates/cpu/panel.h"
#include "templates/cpu/tile.h"

#define TL_STATEMENT(name)                                                                         \
  __attribute__((always_inline)) void tl_statement_##name(                                         \
      tl_tile *tile, const tl_arg *args, const tl_step *step, int64_t i0, int64_t i1, int64_t i2,  \
      float f0, int64_t row_bytes, int64_t format, int64_t e0, int64_t e1);                        \
  __attribute__((always_inline)) void tl_statement_##name(                                         \
      tl_tile *tile, const tl_arg *args, const tl_step *step, int64_t i0, int64_t i1, int64_t i2,  \
      float f0, int64_t row_bytes, int64_t format, int64_t e0, int64_t e1)

#define TL_UNUSED(x) (void)(x)
#define TL_UNUSED_CONSTANTS                                                                        \
  TL_UNUSED(args), TL_UNUSED(step), TL_UNUSED(i0), TL_UNUSED(i1), TL_UNUSED(i2), TL_UNUSED(f0),    \
      TL_UNUSED(row_bytes), TL_UNUSED(format), TL_UNUSED(e0), TL_UNUSED(e1)

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

TL_STATEMENT(store) {
  TL_EACH_ROW {
    char *out = (char *)args[0].out + (tile->row + r) * row_bytes;
    TL_EACH_VECTOR(c) {
      vf x = vf_load(TL_ROW(r) + c);
      if (format) {
        *(vh_loose *)(out + (tile->column + c) * 2) = vf_to_bf16(x);
      } else {
        vf_store((float *)out + tile->column + c, x);
      }
    }
  }
}

TL_INLINE uint16_t tl_bf16_of(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  if (x != x) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// Operands: the state, then bytes from page to page and its group.
TL_INLINE char *tl_page_of(const tl_arg *args, const tl_step *step, int64_t row,
                           int64_t *out_place) {
  int32_t slot = tl_step_ints(step, step->slots[args[2].i])[row];
  *out_place = slot % TL_PAGE_TOKENS;
  return (char *)args[0].out + slot / TL_PAGE_TOKENS * args[1].i;
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
