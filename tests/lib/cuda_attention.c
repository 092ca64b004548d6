// Steps of attention: how they lie in memory, and the reference.
#include "tests/lib/cuda_attention.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/half.h"
#include "runtime/base/step.h"
#include "templates/cuda/attention_bytes.cuh"
#include "templates/cuda/page.cuh"
#include "tests/lib/check.h"

enum {
  POSITIONS_MAX = 1 << 16,
  WRONG_SHOWN = 4,
  POISON = 0xFF,
  FILLER = 1,
  SHARED_PLAIN = 96 << 10
};

static const double scale = 0.15;

// ---- kernels

static void constant(tl_spec *spec, const char *name, int64_t value) {
  spec->constants[spec->constants_count++] = (tl_spec_constant){.name = name, .i = value};
}

static void real(tl_spec *spec, const char *name, double value) {
  spec->constants[spec->constants_count++] =
      (tl_spec_constant){.name = name, .is_real = true, .f = value};
}

static void add_shape(tl_spec *spec, const tl_cuda_attention_shape *s) {
  constant(spec, "T_SYMBOL_R", 0);
  constant(spec, "T_WANTED", 0);
  constant(spec, "T_CACHE_BF16", s->cache_bf16);
  constant(spec, "T_INPUT_BF16", s->out_bf16);
  constant(spec, "T_KEY", s->key);
  constant(spec, "T_VALUE", s->value);
  constant(spec, "T_HEADS", s->kv_heads);
  constant(spec, "T_QUERIES", s->queries);
  constant(spec, "T_WINDOW", s->window);
  constant(spec, "T_CHUNK", s->chunk);
  constant(spec, "T_FULL", s->full);
  constant(spec, "T_TURNED", s->turned);
  real(spec, "T_SCALE", scale);
  real(spec, "T_SOFTCAP", s->softcap);
}

// A block's own use of shared memory.
enum { RESERVED = 1 << 10 };

static tl_cuda_attention_variant few_for(const tl_cuda_attention_shape *s, int64_t shared_bytes) {
  int threads = 128, stages = 3;
  if (2 * (TL_ATTENTION_FEW_BYTES(s->key, s->value, threads, stages) + RESERVED) > shared_bytes)
    stages = 2;
  if (TL_ATTENTION_FEW_BYTES(s->key, s->value, threads, stages) + RESERVED > shared_bytes)
    threads = 64;
  return (tl_cuda_attention_variant){
      .way = TL_CUDA_ATTENTION_FEW, .threads = threads, .stages = stages};
}

static tl_cuda_attention_variant many_for(const tl_cuda_attention_shape *s, int64_t shared_bytes) {
  int tiles = s->value <= 128 ? 2 : 1, positions = 64;
  int64_t bytes = TL_ATTENTION_MANY_BYTES(s->key, s->value, 64 * tiles, positions) + RESERVED;
  if (2 * bytes > shared_bytes) positions = 32;
  return (tl_cuda_attention_variant){.way = TL_CUDA_ATTENTION_MANY,
                                     .threads = 128,
                                     .tiles = tiles,
                                     .positions = positions,
                                     .wide = s->value <= 64 ? positions : 32};
}

tl_cuda_attention_variant tl_cuda_attention_variant_for(const tl_cuda_attention_shape *shape,
                                                        tl_cuda_attention_way way,
                                                        int64_t shared_bytes) {
  tl_cuda_attention_variant v = {.way = way, .threads = 256};
  if (way == TL_CUDA_ATTENTION_FEW) v = few_for(shape, shared_bytes);
  if (way == TL_CUDA_ATTENTION_MANY) v = many_for(shape, shared_bytes);
  v.piece = 64;
  v.rows_few = shape->queries < 64 ? 64 / shape->queries : 1;
  v.rows_far = 64;
  v.far = 1024;
  return v;
}

static void add_share(tl_spec *spec, const tl_cuda_attention_variant *v) {
  constant(spec, "T_PIECE", v->piece);
  if (v->way == TL_CUDA_ATTENTION_LATENT) return;
  constant(spec, "T_ROWS_FEW", v->rows_few);
  constant(spec, "T_ROWS_FAR", v->rows_far);
  constant(spec, "T_FAR", v->far);
}

static int vectors_of_tile(const tl_cuda_attention_variant *v) {
  if (v->way == TL_CUDA_ATTENTION_LATENT) return v->vectors;
  return v->way == TL_CUDA_ATTENTION_MANY ? v->threads / 2 * v->tiles : TL_ATTENTION_VECTORS;
}

// Whether pages are dealt to blocks, whose parts are merged.
static bool has_parts(const tl_cuda_attention_variant *v) {
  return v->way == TL_CUDA_ATTENTION_FEW || v->way == TL_CUDA_ATTENTION_LATENT;
}

static void add_latent(tl_cuda_attention_kernel *out, const tl_cuda_attention_shape *shape,
                       const tl_cuda_attention_variant *v) {
  int across = v->threads / 32 * 16 * v->tiles / v->vectors;
  constant(&out->spec, "T_STAGES", v->stages);
  constant(&out->spec, "T_TILES", v->tiles);
  constant(&out->spec, "T_POSITIONS", v->positions);
  constant(&out->spec, "T_VECTORS", v->vectors);
  out->shared_bytes = TL_LATENT_BYTES(shape->key, v->vectors, v->positions, v->stages, across);
}

void tl_cuda_attention_kernel_make(const tl_cuda_attention_shape *shape,
                                   const tl_cuda_attention_variant *variant,
                                   tl_cuda_attention_kernel *out) {
  static const char *const templates[] = {"attention", "attention_few", "attention_many", "latent"};
  const tl_cuda_attention_variant *v = variant;
  *out = (tl_cuda_attention_kernel){.template = templates[v->way], .threads = v->threads};
  constant(&out->spec, "T_THREADS", v->threads);
  add_shape(&out->spec, shape);
  if (v->way != TL_CUDA_ATTENTION_PLAIN) add_share(&out->spec, v);
  switch (v->way) {
  case TL_CUDA_ATTENTION_FEW:
    constant(&out->spec, "T_STAGES", v->stages);
    constant(&out->spec, "T_SPAN", v->span);
    out->shared_bytes = TL_ATTENTION_FEW_BYTES(shape->key, shape->value, v->threads, v->stages);
    break;
  case TL_CUDA_ATTENTION_MANY:
    constant(&out->spec, "T_TILES", v->tiles);
    constant(&out->spec, "T_POSITIONS", v->positions);
    constant(&out->spec, "T_WIDE", v->wide);
    out->shared_bytes =
        TL_ATTENTION_MANY_BYTES(shape->key, shape->value, vectors_of_tile(v), v->positions);
    break;
  case TL_CUDA_ATTENTION_LATENT: add_latent(out, shape, v); break;
  default: out->shared_bytes = SHARED_PLAIN;
  }
}

// ---- values

// In [-1, 1], of a place in a sequence; `part` 0 queries, 1 keys, 2 values.
static float noise(int sequence, int position, int part, int index) {
  uint64_t x = (uint64_t)(unsigned)sequence << 48 ^ (uint64_t)(unsigned)position << 24 ^
               (uint64_t)(unsigned)part << 20 ^ (uint64_t)(unsigned)index;
  x = (x ^ x >> 31) * 0x7FB5D329728EA185u;
  x = (x ^ x >> 27) * 0x81DADEF4BC2DD44Du;
  x ^= x >> 33;
  return (float)(x >> 40) / (float)(1 << 23) - 1;
}

static double get(const void *base, int64_t index, bool is_bf16) {
  return is_bf16 ? tl_bf16_to_f32(((const uint16_t *)base)[index]) : ((const float *)base)[index];
}

static void put(void *base, int64_t index, float value, bool is_bf16) {
  if (is_bf16) {
    ((uint16_t *)base)[index] = tl_f32_to_bf16(value);
  } else {
    ((float *)base)[index] = value;
  }
}

static int cell(bool is_bf16) {
  return is_bf16 ? 2 : 4;
}

static int64_t values_bytes(int64_t values, bool is_bf16) {
  return (values + 63) / 64 * 64 * cell(is_bf16);
}

// Of latent attention q has what belongs to the values.
static int64_t row_bytes(const tl_cuda_attention *a, tl_cuda_attention_buffer which) {
  const tl_cuda_attention_shape *s = &a->shape;
  int64_t heads = (int64_t)s->kv_heads * s->queries;
  if (which == TL_CUDA_ATTENTION_Q)
    return values_bytes(heads * (s->key - s->turned), s->cache_bf16);
  return values_bytes(heads * s->value, s->out_bf16);
}

static char *row_at(const tl_cuda_attention *a, tl_cuda_attention_buffer which, int row) {
  return (char *)a->memory[which].at + row * row_bytes(a, which);
}

// The queries' turned parts lie behind the others.
static int64_t turned_row_bytes(const tl_cuda_attention *a) {
  const tl_cuda_attention_shape *s = &a->shape;
  return s->turned ? values_bytes((int64_t)s->queries * s->turned, s->cache_bf16) : 0;
}

static int64_t turned_place(const tl_cuda_attention *a) {
  return a->rows_count * row_bytes(a, TL_CUDA_ATTENTION_Q);
}

// Value `d` of a query: its place among the values of the row that is returned.
static char *query_at(const tl_cuda_attention *a, int row, int query, int d, int64_t *out_index) {
  int own = a->shape.key - a->shape.turned;
  *out_index = d < own ? (int64_t)query * own + d : (int64_t)query * a->shape.turned + d - own;
  if (d < own) return row_at(a, TL_CUDA_ATTENTION_Q, row);
  return (char *)a->memory[TL_CUDA_ATTENTION_Q].at + turned_place(a) + row * turned_row_bytes(a);
}

// ---- the step

static int end_of(const tl_cuda_attention_part *part) {
  return part->first_position + part->rows;
}

static int pages_of(const tl_cuda_attention_part *part) {
  return (end_of(part) + TL_PAGE_TOKENS - 1) / TL_PAGE_TOKENS;
}

static int piece_rows(const tl_cuda_attention *a) {
  return a->variant.way == TL_CUDA_ATTENTION_PLAIN ? TL_ATTENTION_ROWS : a->variant.piece;
}

static int first_visible(const tl_cuda_attention_shape *s, int position) {
  int first = 0;
  if (s->window && position - s->window + 1 > first) first = position - s->window + 1;
  if (s->chunk && position / s->chunk * s->chunk > first) first = position / s->chunk * s->chunk;
  return first;
}

// Last position that a part's row at `position` sees.
static int last_visible(const tl_cuda_attention *a, int part, int position) {
  return a->shape.full ? end_of(&a->parts[part]) - 1 : position;
}

static tl_step *step_of(const tl_cuda_attention *a) {
  return a->memory[TL_CUDA_ATTENTION_STEP].at;
}

static const int32_t *pages_at(const tl_cuda_attention *a, int part) {
  const tl_step *step = step_of(a);
  return tl_step_ints(step, step->pages[0]) + (int64_t)part * step->pages_max;
}

static const char *head_at(const tl_cuda_attention *a, int part, int position, int head) {
  const tl_cuda_attention_shape *s = &a->shape;
  int64_t page = pages_at(a, part)[position / TL_PAGE_TOKENS];
  return (char *)a->memory[TL_CUDA_ATTENTION_POOL].at + page * a->page_bytes +
         head * TL_PAGE_HEAD_BYTES(s->key, s->value, cell(s->cache_bf16));
}

// Index in a head's block of a position's first key or value.
static int64_t place_in_head(const tl_cuda_attention_shape *s, int position, bool is_value) {
  int in = position % TL_PAGE_TOKENS;
  return is_value && !s->turned ? TL_PAGE_TOKENS * TL_PAGE_ROW(s->key) + in * TL_PAGE_ROW(s->value)
                                : in * TL_PAGE_ROW(s->key);
}

static void fill_position(tl_cuda_attention *a, int part, int position) {
  const tl_cuda_attention_shape *s = &a->shape;
  int sequence = a->parts[part].sequence;
  for (int head = 0; head < s->kv_heads; head++) {
    char *to = (char *)head_at(a, part, position, head);
    for (int d = 0; d < s->key; d++)
      put(to, place_in_head(s, position, false) + d, noise(sequence, position, 1, head * 1024 + d),
          s->cache_bf16);
    for (int d = 0; d < s->value && !s->turned; d++)
      put(to, place_in_head(s, position, true) + d, noise(sequence, position, 2, head * 1024 + d),
          s->cache_bf16);
  }
}

static void fill_rows(tl_cuda_attention *a) {
  int row = 0;
  for (int i = 0; i < a->parts_count; i++) {
    const tl_cuda_attention_part *part = &a->parts[i];
    int first = first_visible(&a->shape, part->first_position);
    for (int p = first / TL_PAGE_TOKENS * TL_PAGE_TOKENS; p < end_of(part); p++)
      fill_position(a, i, p);
    for (int r = 0; r < part->rows; r++, row++) {
      for (int c = 0; c < a->shape.kv_heads * a->shape.queries * a->shape.key; c++) {
        int64_t index;
        char *to = query_at(a, row, c / a->shape.key, c % a->shape.key, &index);
        float value = 4 * noise(part->sequence, part->first_position + r, 0, c);
        put(to, index, value, a->shape.cache_bf16);
      }
    }
  }
}

// Pages are dealt out of order; those that a window has passed are gone.
static void fill_step(tl_cuda_attention *a, int pages_max) {
  tl_step *step = step_of(a);
  int work_place = (int)sizeof *step, page = 0, row = 0;
  int sequences_place = work_place + (a->rows_count + a->parts_count) * (int)sizeof(tl_step_work);
  int pages_place = sequences_place + a->parts_count * (int)sizeof(tl_step_sequence);
  *step = (tl_step){
      .rows_count = a->rows_count,
      .sequences_count = a->parts_count,
      .pages_max = pages_max,
      .work = (uint32_t)work_place,
      .sequences = (uint32_t)sequences_place,
      .pages = {(uint32_t)pages_place, FILLER, FILLER, FILLER, FILLER, FILLER, FILLER, FILLER}};
  tl_step_work *work = (tl_step_work *)((char *)step + work_place);
  tl_step_sequence *sequences = (tl_step_sequence *)((char *)step + sequences_place);
  for (int i = 0; i < a->parts_count; i++) {
    const tl_cuda_attention_part *part = &a->parts[i];
    int gone = first_visible(&a->shape, part->first_position) / TL_PAGE_TOKENS;
    sequences[i] = (tl_step_sequence){row, part->rows, part->first_position, 0};
    for (int j = 0; j < pages_of(part); j++, page++)
      ((int32_t *)pages_at(a, i))[j] = j < gone ? -1 : (int)((page * 7LL + 3) % a->pages_count);
    for (int r = 0; r < part->rows; r += piece_rows(a)) {
      int left = part->rows - r, most = piece_rows(a);
      work[step->work_count++] =
          (tl_step_work){i, row + r, left < most ? left : most, part->first_position + r};
    }
    row += part->rows;
  }
}

static void take(tl_cuda_attention *a, tl_cuda_attention_buffer which, int64_t bytes, int fill) {
  a->memory[which].bytes = (size_t)bytes;
  a->memory[which].at = aligned_alloc(64, ((size_t)bytes + 63) / 64 * 64 + 64);
  CHECK(a->memory[which].at != NULL);
  memset(a->memory[which].at, fill, (size_t)bytes);
}

static int tiles_of(const tl_cuda_attention *a, int rows) {
  int vectors = vectors_of_tile(&a->variant);
  return (rows * a->shape.queries + vectors - 1) / vectors;
}

// Parts and counters, as attention_few says.
static void take_scratch(tl_cuda_attention *a, int pages_max) {
  const tl_cuda_attention_variant *v = &a->variant;
  int64_t tiles = (int64_t)step_of(a)->work_count * tiles_of(a, v->piece) * a->shape.kv_heads;
  int64_t items = v->span ? tiles * (pages_max / v->span + 2) : 2 * a->blocks;
  int64_t part = TL_LATENT_PART(a->shape.value, vectors_of_tile(v));
  take(a, TL_CUDA_ATTENTION_SCRATCH, has_parts(v) ? items * part : 0, POISON);
  take(a, TL_CUDA_ATTENTION_COUNTERS, has_parts(v) ? tiles * 4 : 0, 0);
}

static void set_blocks(tl_cuda_attention *a, int blocks) {
  int pieces = step_of(a)->work_count * a->shape.kv_heads;
  switch (a->variant.way) {
  case TL_CUDA_ATTENTION_FEW:
  case TL_CUDA_ATTENTION_LATENT: a->blocks = blocks; break;
  case TL_CUDA_ATTENTION_MANY: a->blocks = (pieces + 3) * tiles_of(a, a->variant.piece); break;
  default: a->blocks = pieces + 3;
  }
}

void tl_cuda_attention_init(tl_cuda_attention *a, const tl_cuda_attention_shape *shape,
                            const tl_cuda_attention_variant *variant, int blocks,
                            const tl_cuda_attention_part *parts, int parts_count) {
  const tl_cuda_attention_shape *s = shape;
  int pages_max = 0, pages = 0;
  *a = (tl_cuda_attention){.shape = *shape, .variant = *variant, .parts_count = parts_count};
  CHECK(parts_count <= TL_CUDA_ATTENTION_PARTS_MAX);
  for (int i = 0; i < parts_count; i++) {
    a->parts[i] = parts[i];
    a->rows_count += parts[i].rows;
    pages += pages_of(&parts[i]);
    if (pages_of(&parts[i]) > pages_max) pages_max = pages_of(&parts[i]);
  }
  a->pages_count = pages + 1 + (pages % 7 == 6); // has no divisor in common with 7
  a->page_bytes =
      s->kv_heads * TL_PAGE_HEAD_BYTES(s->key, s->turned ? 0 : s->value, cell(s->cache_bf16));
  take(a, TL_CUDA_ATTENTION_POOL, a->pages_count * a->page_bytes, POISON);
  take(a, TL_CUDA_ATTENTION_Q, turned_place(a) + a->rows_count * turned_row_bytes(a), POISON);
  take(a, TL_CUDA_ATTENTION_OUT, a->rows_count * row_bytes(a, TL_CUDA_ATTENTION_OUT), POISON);
  take(a, TL_CUDA_ATTENTION_STEP,
       (int64_t)sizeof(tl_step) + 16LL * (a->rows_count + 2LL * parts_count) +
           4LL * parts_count * pages_max,
       FILLER);
  fill_step(a, pages_max);
  fill_rows(a);
  set_blocks(a, blocks);
  take_scratch(a, pages_max);
}

void tl_cuda_attention_finish(tl_cuda_attention *a) {
  for (int i = 0; i < TL_CUDA_ATTENTION_BUFFERS; i++)
    free(a->memory[i].at);
}

tl_arguments tl_cuda_attention_arguments(const tl_cuda_attention *a,
                                         void *const at[TL_CUDA_ATTENTION_BUFFERS]) {
  tl_arguments arguments = {.at = {{.p = at[TL_CUDA_ATTENTION_Q]},
                                   {.p = at[TL_CUDA_ATTENTION_OUT]},
                                   {.p = at[TL_CUDA_ATTENTION_POOL]},
                                   {.i = a->page_bytes},
                                   {.i = 0},
                                   {.i = row_bytes(a, TL_CUDA_ATTENTION_Q)},
                                   {.i = row_bytes(a, TL_CUDA_ATTENTION_OUT)}}};
  int count = 7;
  if (a->shape.turned) {
    arguments.at[count++].p = (char *)at[TL_CUDA_ATTENTION_Q] + turned_place(a);
    arguments.at[count++].i = turned_row_bytes(a);
    arguments.at[count++].i = a->variant.rows_few;
    arguments.at[count++].i = a->variant.far;
  }
  arguments.at[count++].p = at[TL_CUDA_ATTENTION_SCRATCH];
  arguments.at[count++].p = at[TL_CUDA_ATTENTION_COUNTERS];
  arguments.at[count].i = a->variant.span; // the latent kernel's
  return arguments;
}

bool tl_cuda_attention_page_is_new(const tl_cuda_attention *a, int page) {
  for (int i = 0; i < a->parts_count; i++) {
    int first = a->parts[i].first_position / TL_PAGE_TOKENS;
    for (int j = first; j < pages_of(&a->parts[i]); j++) {
      if (pages_at(a, i)[j] == page) return true;
    }
  }
  return false;
}

// ---- what is expected

// Weights of the positions that a query sees, from `first` on; returns their total.
static double weigh(const tl_cuda_attention *a, int part, int row, int query, int position,
                    double *weights) {
  const tl_cuda_attention_shape *s = &a->shape;
  int first = first_visible(s, position), last = last_visible(a, part, position);
  double total = 0, top = -INFINITY;
  for (int p = first; p <= last; p++) {
    const char *head = head_at(a, part, p, query / s->queries);
    double score = 0;
    for (int d = 0; d < s->key; d++) {
      int64_t index;
      const char *q = query_at(a, row, query, d, &index);
      score +=
          get(q, index, s->cache_bf16) * get(head, place_in_head(s, p, false) + d, s->cache_bf16);
    }
    score *= scale;
    weights[p] = s->softcap != 0 ? s->softcap * tanh(score / s->softcap) : score;
    top = fmax(top, weights[p]);
  }
  for (int p = first; p <= last; p++)
    total += weights[p] = exp(weights[p] - top);
  return total;
}

// The bar is what rounding the weights makes of independent errors, with room.
static int check_value(const tl_cuda_attention *a, int row, int column, double value,
                       double squares) {
  bool bf16 = a->shape.out_bf16;
  double found = get(row_at(a, TL_CUDA_ATTENTION_OUT, row), column, bf16);
  double bar = (a->shape.cache_bf16 ? sqrt(squares) / 128 : 0) + 1e-5;
  if (fabs(found - value) <= bar + (bf16 ? fabs(value) / 256 : 0)) return 0;
  return fprintf(stderr, "[%d,%d] is %.9g, expected %.9g +- %.3g\n", row, column, found, value,
                 bar) > 0;
}

static int check_query(const tl_cuda_attention *a, int part, int row, int query, int position) {
  static double weights[POSITIONS_MAX];
  const tl_cuda_attention_shape *s = &a->shape;
  double total = weigh(a, part, row, query, position, weights);
  int wrong = 0;
  for (int d = 0; d < s->value && wrong < WRONG_SHOWN; d++) {
    double sum = 0, squares = 0;
    for (int p = first_visible(s, position); p <= last_visible(a, part, position); p++) {
      double x = weights[p] / total *
                 get(head_at(a, part, p, query / s->queries), place_in_head(s, p, true) + d,
                     s->cache_bf16);
      sum += x;
      squares += x * x;
    }
    wrong += check_value(a, row, query * s->value + d, sum, squares);
  }
  return wrong;
}

// Zeros behind the last head.
static int check_tail(const tl_cuda_attention *a, int row) {
  const tl_cuda_attention_shape *s = &a->shape;
  int used = s->kv_heads * s->queries * s->value, wrong = 0;
  int columns = (int)row_bytes(a, TL_CUDA_ATTENTION_OUT) / cell(s->out_bf16);
  for (int c = used; c < columns; c++)
    wrong += get(row_at(a, TL_CUDA_ATTENTION_OUT, row), c, s->out_bf16) != 0;
  return wrong;
}

int tl_cuda_attention_check(const tl_cuda_attention *a) {
  int wrong = 0, row = 0;
  for (int i = 0; i < a->parts_count; i++) {
    CHECK(end_of(&a->parts[i]) <= POSITIONS_MAX);
    for (int r = 0; r < a->parts[i].rows; r++, row++) {
      for (int query = 0; query < a->shape.kv_heads * a->shape.queries && wrong < WRONG_SHOWN;
           query++)
        wrong += check_query(a, i, row, query, a->parts[i].first_position + r);
      wrong += check_tail(a, row);
    }
  }
  const tl_cuda_attention_memory *counters = &a->memory[TL_CUDA_ATTENTION_COUNTERS];
  for (size_t i = 0; i < counters->bytes / 4; i++)
    wrong += ((const uint32_t *)counters->at)[i] != 0;
  return wrong;
}

// The row of a sequence's position, or -1.
static int row_of(const tl_cuda_attention *a, int sequence, int position) {
  int row = 0;
  for (int i = 0; i < a->parts_count; i++) {
    const tl_cuda_attention_part *part = &a->parts[i];
    if (part->sequence == sequence && position >= part->first_position && position < end_of(part))
      return row + position - part->first_position;
    row += part->rows;
  }
  return -1;
}

int tl_cuda_attention_common(const tl_cuda_attention *a, const tl_cuda_attention *b) {
  int common = 0;
  for (int i = 0; i < a->parts_count; i++) {
    const tl_cuda_attention_part *part = &a->parts[i];
    for (int p = part->first_position; p < end_of(part); p++) {
      int other = row_of(b, part->sequence, p);
      if (other < 0) continue;
      if (memcmp(row_at(a, TL_CUDA_ATTENTION_OUT, row_of(a, part->sequence, p)),
                 row_at(b, TL_CUDA_ATTENTION_OUT, other),
                 (size_t)row_bytes(a, TL_CUDA_ATTENTION_OUT)) != 0)
        return -1;
      common++;
    }
  }
  return common;
}
