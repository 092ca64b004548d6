// Specs as compiler/codegen would draft them for each kernel.
#include "tests/lib/cuda_cases.h"

enum { SHARED_BYTES = 96 << 10 };                     // of kernels that do not say
enum { SM_BYTES = 228 << 10, BLOCK_BYTES = 1 << 10 }; // of sm_90; what a block takes beside its own

typedef struct draft {
  const tl_cuda_sizes *sizes;
  const tl_cuda_variant *variant;
  tl_cuda_kernel *kernel;
  tl_spec *spec;
} draft;

int64_t tl_cuda_row_bytes(int columns, bool is_bf16) {
  return (columns + 63) / 64 * 64 * (is_bf16 ? 2 : 4);
}

static void constant(draft *d, const char *name, int64_t value) {
  d->spec->constants[d->spec->constants_count++] = (tl_spec_constant){.name = name, .i = value};
}

static void real(draft *d, const char *name, double value) {
  d->spec->constants[d->spec->constants_count++] =
      (tl_spec_constant){.name = name, .is_real = true, .f = value};
}

static bool is_wide(const draft *d) {
  return strcmp(d->kernel->template, "matmul_wide") == 0;
}

// `first_arg` is given as it is without K.
static void call(draft *d, int segment, const tl_spec_call *c) {
  tl_spec_call *own = &d->spec->calls[segment][d->spec->calls_count[segment]++];
  *own = *c;
  own->first_arg += is_wide(d);
  if (segment >= d->spec->segments_count) d->spec->segments_count = segment + 1;
}

static void set_rows(draft *d, int threads, bool is_wanted) {
  d->kernel->threads = threads;
  constant(d, "T_THREADS", threads);
  constant(d, "T_SYMBOL_R", is_wanted);
  constant(d, "T_WANTED", is_wanted);
}

static void set_weights(draft *d) {
  constant(d, "T_WEIGHT_BF16", d->sizes->is_bf16);
  constant(d, "T_WEIGHT_BYTES", d->sizes->is_bf16 ? 2 : 4);
}

static void set_few(draft *d, int width, int splits) {
  const tl_cuda_variant *v = d->variant;
  int chunk = splits * v->ahead;
  int64_t stage = v->rows * (chunk * 64 + (chunk % 2 ? 0 : 64));
  constant(d, "T_STAGES", v->stages);
  constant(d, "T_SPLITS", splits);
  constant(d, "T_AHEAD", v->ahead);
  constant(d, "T_CLUSTER", v->cluster);
  d->kernel->cluster = v->cluster;
  d->kernel->shared_bytes =
      (d->sizes->is_bf16 ? v->stages * stage : 0) + (int64_t)splits * v->rows * (width + 4) * 4;
}

static void set_many(draft *d, int width) {
  const tl_cuda_variant *v = d->variant;
  constant(d, "T_STAGES", v->stages);
  int64_t tile = (int64_t)v->rows * (width + 4) * 4;
  int64_t stages = (int64_t)v->stages * (v->rows + width) * 128;
  d->kernel->shared_bytes = stages > tile ? stages : tile;
}

// A ring of as many stages as asked for, or as fit beside the tile.
static void set_wide(draft *d, int width) {
  const tl_cuda_variant *v = d->variant;
  int64_t tile = (int64_t)v->rows * (width + 4) * 4, stage = (int64_t)(v->rows + width) * 128;
  int64_t all = (SM_BYTES / v->blocks - BLOCK_BYTES) - (v->cluster > 1 ? tile : 0);
  int stages = v->stages;
  while (stages > 2 && stages * (stage + 16) > all)
    stages--;
  int64_t ring = stages * stage;
  if (v->cluster > 1) tile += ring;
  constant(d, "T_STAGES", stages);
  constant(d, "T_CLUSTER", v->cluster);
  d->kernel->cluster = v->cluster;
  d->kernel->shared_bytes = (ring > tile ? ring : tile) + (int64_t)stages * 16;
}

// Those that multiply, and four that copy.
static int warps_of(const tl_cuda_variant *v, int width, int *out_splits) {
  *out_splits = v->warps / (width / 16) > 0 ? v->warps / (width / 16) : 1;
  if (strcmp(v->template, "matmul_few") == 0) return *out_splits * (width / 16);
  if (strcmp(v->template, "matmul_many") == 0) return v->warps;
  return (v->warps < width / 16 ? v->warps : width / 16) + 4;
}

// Columns of all products of a matmul, those of each weight up to 64s.
static int products_columns(const tl_cuda_sizes *s, int weights, int segments) {
  int q = (s->heads * s->head + 63) / 64, kv = (s->kv_heads * s->head + 63) / 64;
  if (segments > 1) return (q + 2 * kv) * 64;
  return weights * (((weights > 1 ? s->inner : s->hidden) + 63) / 64) * 64;
}

// The template has no weights and reads products.
static void set_rest(draft *d, int unit, int weights, int segments) {
  const tl_cuda_variant *v = d->variant;
  set_rows(d, 32 * v->warps, false);
  constant(d, "T_INPUT_BYTES", products_columns(d->sizes, weights, segments) * 4);
  constant(d, "T_UNIT", unit);
  constant(d, "T_WEIGHTS", weights);
  constant(d, "T_SEGMENTS", segments);
  constant(d, "T_ROWS", v->rows);
  constant(d, "T_BLOCKS", v->blocks);
  d->kernel->template = v->template;
  d->kernel->unit = unit;
  d->kernel->rows = v->rows;
  d->kernel->shared_bytes = (int64_t)v->rows * (unit * weights * 64 + 4) * 4;
}

static void set_matmul(draft *d, int columns, int weights, int segments, bool is_wanted) {
  const tl_cuda_sizes *s = d->sizes;
  const tl_cuda_variant *v = d->variant;
  int unit = segments > 1 ? (s->head + 63) / 64 : 1;
  if (v->width / 64 / weights > unit) unit = v->width / 64 / weights;
  if (strcmp(v->template, "matmul_rest") == 0) {
    set_rest(d, unit, weights, segments);
    return;
  }
  int width = unit * weights * 64, splits;
  int warps = warps_of(v, width, &splits);
  d->kernel->template = v->template;
  int blocks = is_wide(d) ? v->blocks : v->blocks * v->warps / warps;
  set_rows(d, 32 * warps, is_wanted);
  set_weights(d);
  if (!is_wide(d)) {
    constant(d, "T_INPUT_BF16", s->is_bf16);
    constant(d, "T_COLUMNS", columns);
    constant(d, "T_INPUT_BYTES", tl_cuda_row_bytes(columns, s->is_bf16));
  }
  constant(d, "T_UNIT", unit);
  constant(d, "T_WEIGHTS", weights);
  constant(d, "T_SEGMENTS", segments);
  constant(d, "T_ROWS", v->rows);
  constant(d, "T_BLOCKS", blocks > 0 ? blocks : 1);
  d->kernel->unit = unit;
  d->kernel->rows = v->rows;
  if (is_wide(d)) {
    set_wide(d, width);
  } else if (strcmp(v->template, "matmul_few") == 0) {
    set_few(d, width, splits);
  } else {
    set_many(d, width);
  }
}

static void call_rms(draft *d, int segment, int first_arg, int columns, bool is_wanted) {
  int sums = (columns + 63) / 64;
  call(d, segment,
       &(tl_spec_call){TL_STATEMENT_ROW_RMS,
                       first_arg,
                       {columns, sums, is_wanted},
                       1e-5,
                       tl_cuda_row_bytes(sums, false),
                       0,
                       0,
                       0});
}

static void call_rope(draft *d, int segment, int first_arg) {
  int head = d->sizes->head;
  call(d, segment,
       &(tl_spec_call){TL_STATEMENT_ROPE,
                       first_arg,
                       {head, head / 2, 0},
                       0,
                       tl_cuda_row_bytes(head, false),
                       0,
                       0,
                       0});
}

// The bytes of its rows are the argument after the first.
static void call_store(draft *d, int segment, int first_arg, bool is_bf16) {
  call(d, segment,
       &(tl_spec_call){.kind = TL_STATEMENT_STORE, .first_arg = first_arg, .format = is_bf16});
}

static void call_sums(draft *d, int first_arg, int columns) {
  call(d, 0,
       &(tl_spec_call){TL_STATEMENT_SUMS,
                       first_arg,
                       {0},
                       0,
                       tl_cuda_row_bytes((columns + 63) / 64, false),
                       0,
                       0,
                       0});
}

static void call_page(draft *d, int segment, tl_statement_kind kind, int first_arg) {
  const tl_cuda_sizes *s = d->sizes;
  call(d, segment, &(tl_spec_call){kind, first_arg, {s->head}, 0, 0, s->is_bf16, s->head, s->head});
}

static void qkv(draft *d) {
  const tl_cuda_sizes *s = d->sizes;
  set_matmul(d, s->hidden, 1, 3, false);
  for (int segment = 0; segment < 3; segment++)
    call_rms(d, segment, 10, s->hidden, false);
  call_rope(d, 0, 11);
  call_store(d, 0, 12, s->is_bf16);
  call_rope(d, 1, 11);
  call_page(d, 1, TL_STATEMENT_STORE_KEY, 14);
  call_page(d, 2, TL_STATEMENT_STORE_VALUE, 17);
}

static void glu(draft *d) {
  const tl_cuda_sizes *s = d->sizes;
  set_matmul(d, s->hidden, 2, 1, false);
  call_rms(d, 0, 5, s->hidden, false);
  for (int half = 0; half < 2 && !s->no_bias; half++) {
    call(d, 0,
         &(tl_spec_call){.kind = TL_STATEMENT_ADD_HALF, .first_arg = 6 + half, .ints = {half}});
  }
  call(d, 0, &(tl_spec_call){.kind = TL_STATEMENT_GLU});
  call_store(d, 0, 8, s->is_bf16);
}

static void down(draft *d) {
  const tl_cuda_sizes *s = d->sizes;
  set_matmul(d, s->inner, 1, 1, false);
  call(d, 0,
       &(tl_spec_call){TL_STATEMENT_ADD, 4, {0}, 0, tl_cuda_row_bytes(s->hidden, false), 0, 0, 0});
  call_store(d, 0, 4, false);
  call_sums(d, 6, s->hidden);
  call(d, 0, &(tl_spec_call){.kind = TL_STATEMENT_MUL_VECTOR, .first_arg = 7});
  call_store(d, 0, 8, s->is_bf16);
}

static void logits(draft *d) {
  const tl_cuda_sizes *s = d->sizes;
  set_matmul(d, s->hidden, 1, 1, true);
  call_rms(d, 0, 4, s->hidden, true);
  if (s->softcap != 0)
    call(d, 0, &(tl_spec_call){.kind = TL_STATEMENT_SOFTCAP, .real = s->softcap});
  call_store(d, 0, 5, false);
}

static void gather(draft *d) {
  d->kernel->template = "gather";
  set_rows(d, 256, false);
  set_weights(d);
  constant(d, "T_SOURCE", 0);
  constant(d, "T_COLUMNS", d->sizes->hidden);
  call_sums(d, 2, d->sizes->hidden);
  call_store(d, 0, 3, false);
}

static void rows_norm(draft *d) {
  int hidden = d->sizes->hidden;
  d->kernel->template = "rows";
  set_rows(d, 256, false);
  constant(d, "T_SEGMENTS", 1);
  constant(d, "T_COLUMNS", hidden);
  constant(d, "T_INPUT_BF16", 0);
  constant(d, "T_INPUT_BYTES", tl_cuda_row_bytes(hidden, false));
  call(d, 0, &(tl_spec_call){.kind = TL_STATEMENT_CENTER, .ints = {hidden / 2}});
  call(d, 0, &(tl_spec_call){.kind = TL_STATEMENT_MUL_UNIT, .first_arg = 3, .ints = {hidden / 2}});
  call(d, 0, &(tl_spec_call){.kind = TL_STATEMENT_NORM, .ints = {hidden / 2}, .real = 1e-6});
  call(d, 0, &(tl_spec_call){.kind = TL_STATEMENT_ADD_VECTOR, .first_arg = 4});
  call(d, 0, &(tl_spec_call){.kind = TL_STATEMENT_SCALE, .real = 0.5});
  call(d, 0, &(tl_spec_call){.kind = TL_STATEMENT_ACT, .ints = {1}}); // x Phi(x)
  call(d, 0,
       &(tl_spec_call){TL_STATEMENT_MUL, 5, {0}, 0, tl_cuda_row_bytes(hidden, false), 0, 0, 0});
  call_store(d, 0, 6, false);
}

static void table(draft *d) {
  set_rows(d, 64, false);
  constant(d, "T_PAIRS", d->sizes->head / 2);
  constant(d, "T_INPUT_BYTES", tl_cuda_row_bytes(d->sizes->head, false));
  real(d, "T_FACTOR", 1.25);
  constant(d, "T_LIMIT", 0);
  real(d, "T_STRETCH", 1);
  d->kernel->template = "rope_table";
}

static void attention(draft *d) {
  const tl_cuda_sizes *s = d->sizes;
  set_rows(d, 256, false);
  constant(d, "T_CACHE_BF16", s->is_bf16);
  constant(d, "T_INPUT_BF16", s->is_bf16);
  constant(d, "T_KEY", s->head);
  constant(d, "T_VALUE", s->head);
  constant(d, "T_HEADS", s->kv_heads);
  constant(d, "T_QUERIES", s->heads / s->kv_heads);
  constant(d, "T_WINDOW", s->window);
  constant(d, "T_CHUNK", 0);
  constant(d, "T_FULL", 0);
  real(d, "T_SCALE", 0.125);
  real(d, "T_SOFTCAP", s->softcap);
  d->kernel->template = "attention";
}

void tl_cuda_case_make(const tl_cuda_sizes *sizes, tl_cuda_case which,
                       const tl_cuda_variant *variant, tl_cuda_kernel *out) {
  *out = (tl_cuda_kernel){.cluster = 1, .shared_bytes = SHARED_BYTES};
  draft d = {sizes, variant, out, &out->spec};
  switch (which) {
  case TL_CUDA_QKV: qkv(&d); break;
  case TL_CUDA_GLU: glu(&d); break;
  case TL_CUDA_DOWN: down(&d); break;
  case TL_CUDA_LOGITS: logits(&d); break;
  case TL_CUDA_GATHER: gather(&d); break;
  case TL_CUDA_ROWS: rows_norm(&d); break;
  case TL_CUDA_TABLE: table(&d); break;
  default: attention(&d);
  }
}
