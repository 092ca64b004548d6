// Implementation of stream.h. Every slice is an ordinary call of the op's reference template.
#include "ir/stream.h"

enum { SLICE_BYTES = 16 << 20 };

static tl_status load(const tl_stream *s, int64_t begin, int64_t end, float *out) {
  tl_interp_request request = {s->weight, begin, end};
  return s->load(s->context, &request, out, s->diag);
}

static void *take(const tl_stream *s, int64_t count, size_t bytes) {
  return tl_arena_array(s->args->scratch, (size_t)count, bytes);
}

static tl_status embed(const tl_stream *s) {
  const tl_ref_tensor *ids = &s->args->operands[0], *w = &s->args->operands[1];
  int64_t count = tl_ref_elements(ids), width = w->dims[1];
  for (int64_t t = 0; t < count; t++) {
    int64_t id = ids->i[t];
    if (id < 0 || id >= w->dims[0]) return TL_INPUT;
    TL_TRY(load(s, id, id + 1, s->args->result.f + t * width));
  }
  return TL_OK;
}

// Columns [begin, begin + n) of the result from those rows of w; `part` is [rows, n].
static tl_status linear_slice(const tl_stream *s, int64_t begin, const tl_ref_tensor *w,
                              float *part) {
  tl_ref_args args = *s->args;
  int64_t rows = tl_ref_rows(&args.result), columns = args.result.dims[args.result.rank - 1];
  int64_t count = w->dims[0];
  args.operands[1] = *w;
  if (args.present[2]) args.operands[2].f += begin;
  args.result.f = part;
  args.result.dims[args.result.rank - 1] = count;
  TL_TRY(s->function(&args));
  for (int64_t r = 0; r < rows; r++) {
    float *out = s->args->result.f + r * columns + begin;
    memcpy(out, part + r * count, (size_t)count * sizeof *out);
  }
  return TL_OK;
}

static tl_status linear(const tl_stream *s) {
  const tl_ref_tensor *w = &s->args->operands[1];
  int64_t columns = w->dims[0], depth = w->dims[1], rows = tl_ref_rows(&s->args->result);
  int64_t step = SLICE_BYTES / (int64_t)sizeof(float) / depth;
  if (step < 1) step = 1;
  if (step > columns) step = columns;
  float *part = take(s, step * rows, sizeof *part);
  float *numbers = take(s, step * depth, sizeof *numbers); // last: an arena's blocks grow
  if (!numbers || !part) return TL_MEMORY;
  for (int64_t n = 0; n < columns; n += step) {
    int64_t count = columns - n < step ? columns - n : step;
    tl_ref_tensor slice = {.f = numbers, .rank = 2, .dims = {count, depth}};
    TL_TRY(load(s, n, n + count, numbers));
    TL_TRY(linear_slice(s, n, &slice, part));
  }
  return TL_OK;
}

// The rows that one expert gets, as if they were the whole call.
typedef struct routed {
  int64_t *slots; // [count]: places in the flattened ids
  int64_t count;
  float *w, *x, *y; // [N,K], [count,K], [count,N]
  int32_t *zeros;   // [count]
} routed;

static tl_status run_expert(const tl_stream *s, const routed *r) {
  const tl_ref_tensor *x = &s->args->operands[0], *w = &s->args->operands[2];
  int64_t slots = s->args->operands[1].dims[1], columns = w->dims[1], depth = w->dims[2];
  for (int64_t i = 0; i < r->count; i++) {
    int64_t row = x->rank == 3 ? r->slots[i] : r->slots[i] / slots;
    memcpy(r->x + i * depth, x->f + row * depth, (size_t)depth * sizeof *r->x);
  }
  tl_ref_args args = *s->args;
  args.operands[0] = (tl_ref_tensor){.f = r->x, .rank = 2, .dims = {r->count, depth}};
  args.operands[1] = (tl_ref_tensor){.i = r->zeros, .rank = 2, .dims = {r->count, 1}};
  args.operands[2] = (tl_ref_tensor){.f = r->w, .rank = 3, .dims = {1, columns, depth}};
  args.result = (tl_ref_tensor){.f = r->y, .rank = 3, .dims = {r->count, 1, columns}};
  TL_TRY(s->function(&args));
  for (int64_t i = 0; i < r->count; i++) {
    float *out = s->args->result.f + r->slots[i] * columns;
    memcpy(out, r->y + i * columns, (size_t)columns * sizeof *out);
  }
  return TL_OK;
}

static tl_status expert_linear(const tl_stream *s) {
  const tl_ref_tensor *ids = &s->args->operands[1], *w = &s->args->operands[2];
  int64_t count = tl_ref_elements(ids), columns = w->dims[1], depth = w->dims[2];
  for (int64_t i = 0; i < count; i++) {
    if (ids->i[i] < 0 || ids->i[i] >= w->dims[0]) return TL_INPUT;
  }
  routed r = {0};
  r.slots = take(s, count, sizeof *r.slots);
  r.zeros = take(s, count, sizeof *r.zeros);
  r.x = take(s, count * depth, sizeof *r.x);
  r.y = take(s, count * columns, sizeof *r.y);
  r.w = take(s, columns * depth, sizeof *r.w);
  if (!r.slots || !r.w || !r.x || !r.y || !r.zeros) return TL_MEMORY;
  for (int64_t expert = 0; expert < w->dims[0]; expert++) {
    r.count = 0;
    for (int64_t i = 0; i < count; i++) {
      if (ids->i[i] == expert) r.slots[r.count++] = i;
    }
    if (!r.count) continue;
    TL_TRY(load(s, expert, expert + 1, r.w));
    TL_TRY(run_expert(s, &r));
  }
  return TL_OK;
}

tl_stream_function *tl_stream_of(tl_op op, int *out_operand) {
  static const struct {
    tl_stream_function *function;
    int operand;
  } streams[TL_OP_COUNT] = {
      [TL_OP_embed] = {embed, 1},
      [TL_OP_linear] = {linear, 1},
      [TL_OP_expert_linear] = {expert_linear, 2},
  };
  *out_operand = streams[op].operand;
  return streams[op].function;
}
