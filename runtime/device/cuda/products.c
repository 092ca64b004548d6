// Products by a library. It is asked for a way to compute each shape once, when the session opens,
// and computes it once then: what it loads and takes for that must not happen while a graph is
// captured.
//
//   out^T (columns, rows) = w^T (depth, columns)^T x^T (depth, rows)     column by column
#include <stdlib.h>
#include <string.h>

#include "runtime/device/cuda/state.h"
#include "runtime/plan/plan.h"

enum { ALIGNMENT = 64, WAYS_MIN = 16 };

// A launch for some number of rows.
typedef struct product {
  tl_cuda_shape shape;
  tl_cuda_address x, weight, out, added, bias;
} product;

// What the library calls a matmul, and its matrices.
typedef struct call {
  void *matmul, *a, *b, *c, *d;
} call;

static uint32_t floats_of(const tl_plan_buffer *buffer) {
  return (uint32_t)(buffer->row_bytes / sizeof(float));
}

static product product_of(const tl_cuda_device *d, const tl_plan_launch *row, uint32_t rows) {
  const tl_plan_tables *t = d->config.tables;
  const tl_plan_arg *args = &t->args[row->first_arg];
  const tl_plan_buffer *x = &t->buffers[args[TL_PLAN_PRODUCT_ROWS].index];
  const tl_plan_buffer *out = &t->buffers[args[TL_PLAN_PRODUCT_OUT].index];
  const tl_plan_arg *added = &args[TL_PLAN_PRODUCT_ADDED], *bias = &args[TL_PLAN_PRODUCT_BIAS];
  const tl_plan_weight *weight = &t->weights[args[TL_PLAN_PRODUCT_WEIGHT].index];
  uint64_t first_bytes = (uint64_t)args[TL_PLAN_PRODUCT_FIRST].value * sizeof(float);
  bool is_bf16 = strcmp(tl_plan_string(t, weight->format), "bf16") == 0;
  uint32_t bytes = is_bf16 ? 2 : 4;
  product p = {.shape = {.rows = rows,
                         .columns = (uint32_t)args[TL_PLAN_PRODUCT_COLUMNS].value,
                         .depth = (uint32_t)weight->columns,
                         .x_stride = (uint32_t)x->row_bytes / bytes,
                         .weight_stride = (uint32_t)weight->stride / bytes,
                         .out_stride = floats_of(out),
                         .is_bf16 = is_bf16,
                         .has_bias = bias->kind == TL_PLAN_ARG_WEIGHT},
               .x = tl_cuda_buffer_at(d, x),
               .weight = tl_cuda_weight_at(d, weight),
               .out = tl_cuda_buffer_at(d, out) + first_bytes};
  if (p.shape.has_bias) p.bias = tl_cuda_weight_at(d, &t->weights[bias->index]);
  if (added->kind == TL_PLAN_ARG_BUFFER) {
    const tl_plan_buffer *buffer = &t->buffers[added->index];
    p.shape.added_stride = floats_of(buffer);
    p.added = tl_cuda_buffer_at(d, buffer) + first_bytes;
  }
  return p;
}

static tl_blas_result begin(const tl_blas *blas, const product *p, call *out) {
  const tl_cuda_shape *s = &p->shape;
  int format = s->is_bf16 ? TL_BLAS_BF16 : TL_BLAS_F32, yes = 1, epilogue = TL_BLAS_EPILOGUE_BIAS;
  uint32_t added_stride = s->added_stride ? s->added_stride : s->out_stride;
  *out = (call){0};
  tl_blas_result r = blas->matmul_create(&out->matmul, TL_BLAS_COMPUTE_F32, TL_BLAS_F32);
  if (r == 0) r = blas->matmul_set(out->matmul, TL_BLAS_TRANSPOSE_A, &yes, sizeof yes);
  if (r == 0 && s->has_bias) {
    r = blas->matmul_set(out->matmul, TL_BLAS_EPILOGUE, &epilogue, sizeof epilogue);
  }
  if (r == 0 && s->has_bias) {
    r = blas->matmul_set(out->matmul, TL_BLAS_BIAS_POINTER, &p->bias, sizeof p->bias);
  }
  if (r == 0) r = blas->layout_create(&out->a, format, s->depth, s->columns, s->weight_stride);
  if (r == 0) r = blas->layout_create(&out->b, format, s->depth, s->rows, s->x_stride);
  if (r == 0) r = blas->layout_create(&out->c, TL_BLAS_F32, s->columns, s->rows, added_stride);
  if (r == 0) r = blas->layout_create(&out->d, TL_BLAS_F32, s->columns, s->rows, s->out_stride);
  return r;
}

static void end(const tl_blas *blas, const call *c) {
  void *layouts[] = {c->a, c->b, c->c, c->d};
  if (c->matmul) blas->matmul_destroy(c->matmul);
  for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
    if (layouts[i]) blas->layout_destroy(layouts[i]);
  }
}

static tl_blas_result search(const tl_blas *blas, const call *c, tl_blas_found *out_found) {
  static const int alignments[] = {TL_BLAS_ALIGNMENT_A, TL_BLAS_ALIGNMENT_B, TL_BLAS_ALIGNMENT_C,
                                   TL_BLAS_ALIGNMENT_D};
  uint64_t bytes = TL_CUDA_WORKSPACE_BYTES;
  uint32_t alignment = ALIGNMENT;
  void *wish = NULL;
  int count = 0;
  tl_blas_result r = blas->search_create(&wish);
  if (r == 0) r = blas->search_set(wish, TL_BLAS_WORKSPACE_BYTES_MAX, &bytes, sizeof bytes);
  for (size_t i = 0; r == 0 && i < sizeof alignments / sizeof *alignments; i++)
    r = blas->search_set(wish, alignments[i], &alignment, sizeof alignment);
  *out_found = (tl_blas_found){.result = 1};
  if (r == 0) {
    r = blas->find(blas->handle, c->matmul, c->a, c->b, c->c, c->d, wish, 1, out_found, &count);
  }
  if (wish) blas->search_destroy(wish);
  if (r == 0 && count > 0) r = out_found->result;
  bool is_found = count > 0 && out_found->workspace_bytes <= TL_CUDA_WORKSPACE_BYTES;
  return r == 0 && !is_found ? 1 : r;
}

// On the device's stream, or into what is captured of it.
static tl_blas_result multiply(const tl_cuda_device *d, const product *p, const call *c,
                               const tl_blas_way *way) {
  float alpha = 1, beta = p->added ? 1 : 0;
  return d->blas.multiply(d->blas.handle, c->matmul, &alpha, p->weight, c->a, p->x, c->b, &beta,
                          p->added ? p->added : p->out, c->c, p->out, c->d, way, d->workspace,
                          TL_CUDA_WORKSPACE_BYTES, d->stream);
}

static const tl_cuda_way *find_way(const tl_cuda_device *d, const tl_cuda_shape *shape) {
  for (uint32_t i = 0; i < d->ways_count; i++) {
    if (memcmp(&d->ways[i].shape, shape, sizeof *shape) == 0) return &d->ways[i];
  }
  return NULL;
}

static tl_status add_way(tl_cuda_device *d, const product *p, bool *out_works) {
  if (d->ways_count == d->ways_capacity) {
    uint32_t capacity = d->ways_capacity ? 2 * d->ways_capacity : WAYS_MIN;
    tl_cuda_way *grown = realloc(d->ways, capacity * sizeof *grown);
    if (!grown) return TL_MEMORY;
    d->ways = grown;
    d->ways_capacity = capacity;
  }
  call c;
  tl_blas_found found;
  tl_blas_result r = begin(&d->blas, p, &c);
  if (r == 0) r = search(&d->blas, &c, &found);
  if (r == 0) r = multiply(d, p, &c, &found.way);
  end(&d->blas, &c);
  *out_works = r == 0;
  if (r == 0) d->ways[d->ways_count++] = (tl_cuda_way){p->shape, found.way};
  return TL_OK;
}

tl_status tl_cuda_products_prepare(tl_cuda_device *d, const tl_cuda_steps *steps, bool *out_works) {
  const tl_plan_program *p = &d->config.tables->programs[steps->program];
  tl_cuda_steps made = *steps;
  made.has_library = true;
  *out_works = d->blas.handle != NULL;
  for (uint32_t i = 0; *out_works && i < p->launches_count; i++) {
    const tl_plan_launch *row = &d->config.tables->launchs[p->first_launch + i];
    if (row->kind != TL_PLAN_LAUNCH_PRODUCT || !tl_cuda_runs(d, &made, row)) continue;
    product own = product_of(d, row, steps->rows);
    if (find_way(d, &own.shape)) continue;
    TL_TRY(add_way(d, &own, out_works));
    if (*out_works || steps->only || d->has_told_product) continue; // the first is told
    d->has_told_product = true;
    tl_cuda_note(d,
                 "%s has no way to multiply %u rows by %u x %u: own kernels make the products of "
                 "such steps",
                 d->blas.name, steps->rows, own.shape.depth, own.shape.columns);
  }
  return TL_OK;
}

tl_status tl_cuda_product_launch(const tl_cuda_device *d, const tl_plan_launch *row, uint32_t rows,
                                 tl_diag *diag) {
  product own = product_of(d, row, rows);
  const tl_cuda_way *way = find_way(d, &own.shape);
  call c;
  if (!way) return TL_INTERNAL;
  tl_blas_result r = begin(&d->blas, &own, &c);
  if (r == 0) r = multiply(d, &own, &c, &way->way);
  end(&d->blas, &c);
  if (r == 0) return TL_OK;
  return tl_diag_error(diag, TL_IO, (tl_span){0}, "%s could not multiply: %s", d->blas.name,
                       d->blas.status_name(r));
}

// Whether steps of the session that begin where a guard or a tuning says have products for a
// library.
static bool is_product_of(const tl_cuda_device *d, uint32_t program, const tl_plan_launch *row) {
  uint32_t most = (uint32_t)d->config.symbols_max[TL_PLAN_SYMBOL_T];
  tl_cuda_steps steps = {.program = program, .rows = row->guard_min, .has_library = true};
  if (row->kind != TL_PLAN_LAUNCH_PRODUCT) return false;
  if (row->guard_min <= most && tl_cuda_runs(d, &steps, row)) return true;
  for (uint32_t i = 0; d->tuning && i < d->tuning->ways_count; i++) {
    steps.rows = d->tuning->ways[i].rows < most ? d->tuning->ways[i].rows : most;
    if (tl_cuda_runs(d, &steps, row)) return true;
  }
  return false;
}

static bool has_products(const tl_cuda_device *d) {
  const tl_plan_tables *t = d->config.tables;
  for (uint32_t p = 0; p < t->programs_count; p++) {
    const tl_plan_program *program = &t->programs[p];
    for (uint32_t i = 0; program->target == d->config.target && i < program->launches_count; i++) {
      if (is_product_of(d, p, &t->launchs[program->first_launch + i])) return true;
    }
  }
  return false;
}

void tl_cuda_products_open(tl_cuda_device *d) {
  char why[128];
  if (!has_products(d) || tl_blas_open(&d->blas, why, sizeof why)) return;
  tl_cuda_note(d, "%s: own kernels make the products of large steps", why);
}

bool tl_cuda_products_load(tl_cuda_device *d) {
  char why[128];
  if (d->blas.handle) return true;
  if (!tl_blas_open(&d->blas, why, sizeof why)) return false;
  if (d->driver.memory_take(&d->workspace, TL_CUDA_WORKSPACE_BYTES) == 0) return true;
  tl_blas_close(&d->blas);
  return false;
}
