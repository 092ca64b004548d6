// Transposition in tiles of four rows by 16 bytes, and quantisation to q8g32.
#include "compiler/codegen/panel.h"

#include "runtime/base/half.h"
#include "templates/cpu/panel.h"

enum {
  TILE_ROWS = 4,
  TILE_BYTES = 16, // of each row
  BLOCK_TILES = 4, // of each row, next to each other: a cache line is used up once it is there
  GROUP_BYTES = TL_PANEL_ROWS * 2 + TL_PANEL_GROUP * TL_PANEL_ROWS,
  Q8_MAX = 127,
  INFINITY_BITS = 0x7f800000
};

#define F16_MAX 65504.0f
// Adding and subtracting it rounds a small f32 to an integer, ties to even.
#define ROUNDER 12582912.0f

typedef uint32_t u32x4 __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint16_t u16x8 __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t u64x2 __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t u64_unaligned __attribute__((aligned(1), may_alias));

bool tl_panel_has_format(tl_format format) {
  return format == TL_FORMAT_F32 || format == TL_FORMAT_F16 || format == TL_FORMAT_BF16 ||
         format == TL_FORMAT_Q8G32;
}

tl_format tl_panel_source_format(tl_format format) {
  return format == TL_FORMAT_Q8G32 ? TL_FORMAT_F32 : format;
}

static int element_bytes(tl_format format) {
  return format == TL_FORMAT_F32 ? 4 : 2;
}

static int pair_of(tl_format format) {
  return format == TL_FORMAT_BF16 ? 2 : 1;
}

int64_t tl_panel_stride(tl_format format, int64_t columns) {
  if (format == TL_FORMAT_Q8G32) return tl_panel_bytes_q8g32(columns);
  return tl_panel_bytes(columns, element_bytes(format), pair_of(format));
}

// ---- transposition

// Four rows by four words become four lines of four words each, 256 bytes apart. Halves that do not
// stay together (`split`) become eight lines of four halves, 128 bytes apart.
static inline void put_tile(const char *in, int64_t row_bytes, bool split, char *out) {
  u32x4 r0 = *(const u32x4 *)in, r1 = *(const u32x4 *)(in + row_bytes);
  u32x4 r2 = *(const u32x4 *)(in + 2 * row_bytes), r3 = *(const u32x4 *)(in + 3 * row_bytes);
  u32x4 a = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
  u32x4 b = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
  u32x4 c = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
  u32x4 d = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
  u32x4 lines[4] = {
      __builtin_shufflevector(a, b, 0, 1, 4, 5), __builtin_shufflevector(a, b, 2, 3, 6, 7),
      __builtin_shufflevector(c, d, 0, 1, 4, 5), __builtin_shufflevector(c, d, 2, 3, 6, 7)};
  for (int i = 0; i < 4; i++, out += 256) {
    if (split) {
      u16x8 halves = (u16x8)lines[i];
      u64x2 parts = (u64x2)__builtin_shufflevector(halves, halves, 0, 2, 4, 6, 1, 3, 5, 7);
      *(u64_unaligned *)out = parts[0];
      *(u64_unaligned *)(out + 128) = parts[1];
    } else {
      *(u32x4 *)out = lines[i];
    }
  }
}

// Columns [first, first + tiles * (16 bytes)) of all whole tiles of rows; `out` is the line of
// `first` at the rows' first lane.
static inline void put_tiles(const tl_panel_rows *rows, int bytes, int64_t first, int64_t tiles,
                             bool split, char *out) {
  int64_t row_bytes = rows->columns * bytes;
  int lane_bytes = split ? 2 : 4;
  for (int64_t block = 0; block < tiles; block += BLOCK_TILES) {
    int64_t end = block + BLOCK_TILES < tiles ? block + BLOCK_TILES : tiles;
    for (int lane = 0; lane + TILE_ROWS <= rows->lanes_count; lane += TILE_ROWS) {
      const char *in = rows->data + lane * row_bytes + first * bytes;
      for (int64_t tile = block; tile < end; tile++) {
        put_tile(in + tile * TILE_BYTES, row_bytes, split,
                 out + tile * 1024 + (int64_t)lane * lane_bytes);
      }
    }
  }
}

// Columns [first, end) of lanes [lane, ..), one by one.
static void put_elements(tl_format format, const tl_panel_rows *rows, int lane, int64_t first,
                         int64_t end, char *panel) {
  int bytes = element_bytes(format), pair = pair_of(format);
  for (; lane < rows->lanes_count; lane++) {
    const char *in = rows->data + lane * rows->columns * bytes;
    for (int64_t k = first; k < end; k++) {
      int64_t place = (k / pair * TL_PANEL_ROWS + rows->first_lane + lane) * pair + k % pair;
      memcpy(panel + place * bytes, in + k * bytes, (size_t)bytes);
    }
  }
}

static void put_floats(tl_format format, const tl_panel_rows *rows, int64_t begin, int64_t end,
                       char *out) {
  int bytes = element_bytes(format), pair = pair_of(format);
  int64_t line = (int64_t)TL_PANEL_ROWS * bytes * pair, per_tile = TILE_BYTES / bytes;
  int64_t first = begin / line * pair, last = (end + line - 1) / line * pair;
  if (last > rows->columns) last = rows->columns;
  if (first >= last) return;
  int64_t tiles = (last - first) / per_tile, tiles_end = first + tiles * per_tile;
  char *line_out = out + (int64_t)rows->first_lane * bytes * pair;
  if (format == TL_FORMAT_F16) {
    put_tiles(rows, bytes, first, tiles, true, line_out);
  } else {
    put_tiles(rows, bytes, first, tiles, false, line_out);
  }
  int tiled_lanes = rows->lanes_count / TILE_ROWS * TILE_ROWS;
  char *panel = out - begin;
  put_elements(format, rows, tiled_lanes, first, tiles_end, panel);
  put_elements(format, rows, 0, tiles_end, last, panel);
}

// ---- quantisation

typedef struct quants {
  uint16_t scale; // f16
  int8_t values[TL_PANEL_GROUP];
} quants;

// One row's group: the largest magnitude becomes 127. False if a value is not finite. Magnitudes
// are compared as integers, which order like the numbers and let the loop become vectors.
static bool quantise(const float *in, int64_t count, quants *out) {
  float x[TL_PANEL_GROUP] = {0};
  uint32_t bits[TL_PANEL_GROUP], largest = 0;
  memcpy(x, in, (size_t)count * sizeof *x);
  memcpy(bits, x, sizeof bits);
  for (int i = 0; i < TL_PANEL_GROUP; i++) {
    uint32_t magnitude = bits[i] & 0x7fffffff;
    largest = magnitude > largest ? magnitude : largest;
  }
  if (largest >= INFINITY_BITS) return false;
  float scale = tl_f32_from_bits(largest) / Q8_MAX;
  out->scale = tl_f32_to_f16(scale < F16_MAX ? scale : F16_MAX);
  // What the kernels multiply by; 0 if all is too small for an f16.
  float step = tl_f16_to_f32(out->scale);
  float divisor = step > 0 ? step : __FLT_MAX__;
  for (int i = 0; i < TL_PANEL_GROUP; i++) {
    float q = x[i] / divisor;
    q = q > Q8_MAX ? Q8_MAX : q;
    q = q < -Q8_MAX ? -Q8_MAX : q;
    out->values[i] = (int8_t)(int32_t)(q + ROUNDER - ROUNDER);
  }
  return true;
}

// The bytes of `q` that lie in [begin, end) of the panel.
static void put_clipped(const quants *q, int64_t place, int lane, int64_t begin, int64_t end,
                        char *panel) {
  char scale[2];
  memcpy(scale, &q->scale, sizeof scale);
  for (int i = 0; i < 2; i++) {
    int64_t at = place + lane * 2 + i;
    if (at >= begin && at < end) panel[at] = scale[i];
  }
  for (int k = 0; k < TL_PANEL_GROUP; k++) {
    int64_t at = place + TL_PANEL_ROWS * 2 + k * TL_PANEL_ROWS + lane;
    if (at >= begin && at < end) panel[at] = (char)q->values[k];
  }
}

static void put_group(const quants *q, int lane, char *group) {
  memcpy(group + lane * 2, &q->scale, 2);
  char *values = group + TL_PANEL_ROWS * 2 + lane;
  for (int k = 0; k < TL_PANEL_GROUP; k++)
    values[k * TL_PANEL_ROWS] = (char)q->values[k];
}

static bool put_quants(const tl_panel_rows *rows, int64_t begin, int64_t end, char *out) {
  char *panel = out - begin;
  int64_t last = (end + GROUP_BYTES - 1) / GROUP_BYTES;
  for (int64_t group = begin / GROUP_BYTES; group < last; group++) {
    int64_t k = group * TL_PANEL_GROUP, rest = rows->columns - k, place = group * GROUP_BYTES;
    if (rest <= 0) break;
    bool whole = place >= begin && place + GROUP_BYTES <= end;
    for (int i = 0; i < rows->lanes_count; i++) {
      const float *in = (const float *)rows->data + i * rows->columns + k;
      quants q;
      if (!quantise(in, rest < TL_PANEL_GROUP ? rest : TL_PANEL_GROUP, &q)) return false;
      if (whole) {
        put_group(&q, rows->first_lane + i, panel + place);
      } else {
        put_clipped(&q, place, rows->first_lane + i, begin, end, panel);
      }
    }
  }
  return true;
}

bool tl_panel_put(tl_format format, const tl_panel_rows *rows, int64_t begin, int64_t end,
                  char *out) {
  if (format == TL_FORMAT_Q8G32) return put_quants(rows, begin, end, out);
  put_floats(format, rows, begin, end, out);
  return true;
}
