// Shapes are hashes over 64-bit words, so there is no padding to hash by accident.
#include "runtime/base/plan_shape.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/hash.h"

enum { RECORD_WORDS = 64 };

// Words that wait to be folded into the hash, which happens at every RECORD_WORDS of them.
typedef struct record {
  const tl_plan_tables *tables;
  uint64_t hash;
  size_t count;
  uint64_t words[RECORD_WORDS];
} record;

static void fold(record *r) {
  r->hash = tl_hash64(r->words, r->count * sizeof *r->words, r->hash);
  r->count = 0;
}

static void put(record *r, uint64_t word) {
  r->words[r->count++] = word;
  if (r->count == RECORD_WORDS) fold(r);
}

// Texts that mean something are put by their letters: where they lie among the strings is chance.
static void put_text(record *r, uint32_t text) {
  const char *letters = r->tables->strings + text;
  put(r, tl_hash64(letters, strlen(letters), 0));
}

// What ids, types, positions and pages are bounded by; the host relies on it as kernels do.
static void put_model(record *r) {
  const tl_plan_model *model = r->tables->models;
  put(r, model->task);
  put(r, model->outputs);
  put(r, model->vocabulary);
  put(r, model->context);
  put(r, model->kv_types);
  put(r, model->types);
  put(r, r->tables->groups_count);
  for (uint32_t i = 0; i < r->tables->groups_count; i++) {
    const tl_plan_group *group = &r->tables->groups[i];
    put(r, group->kind);
    put(r, group->span);
    for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++)
      put(r, group->page_bytes[kv]);
  }
}

static void put_kernel(record *r, const tl_plan_kernel *kernel) {
  const tl_plan_target *target = &r->tables->targets[kernel->target];
  put_text(r, target->name);
  put(r, target->code_bytes);
  put(r, target->text_bytes);
  put(r, kernel->offset);
  put(r, kernel->scratch_bytes);
  put(r, kernel->module_bytes);
  put(r, kernel->threads);
  put(r, kernel->shared_bytes);
}

static void put_weight(record *r, const tl_plan_weight *weight) {
  put_text(r, weight->format);
  put(r, weight->layout);
  put(r, weight->shards);
  put(r, weight->bytes);
  put(r, (uint64_t)weight->rows);
  put(r, (uint64_t)weight->columns);
  put(r, (uint64_t)weight->stride);
  put(r, (uint64_t)weight->experts);
}

static void put_buffer(record *r, const tl_plan_buffer *buffer) {
  put_text(r, buffer->format);
  put(r, buffer->symbol);
  put(r, buffer->columns);
  put(r, buffer->row_bytes);
}

static void put_state(record *r, const tl_plan_state *state) {
  put(r, state->group);
  put(r, state->heads);
  put(r, state->key);
  put(r, state->value);
  for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++)
    put(r, state->offset[kv]);
}

static void put_arg(record *r, const tl_plan_arg *arg) {
  put(r, arg->kind);
  put(r, (uint64_t)arg->value);
  switch (arg->kind) {
  case TL_PLAN_ARG_INT: break;
  case TL_PLAN_ARG_WEIGHT:
  case TL_PLAN_ARG_WEIGHT_MAP: put_weight(r, &r->tables->weights[arg->index]); break;
  case TL_PLAN_ARG_BUFFER:
  case TL_PLAN_ARG_BUFFER_MAP: put_buffer(r, &r->tables->buffers[arg->index]); break;
  default: put_state(r, &r->tables->states[arg->index]); break;
  }
}

uint64_t tl_plan_launch_shape(const tl_plan_tables *tables, uint32_t launch) {
  const tl_plan_launch *row = &tables->launchs[launch];
  record r = {.tables = tables};
  put_model(&r);
  put_kernel(&r, &tables->kernels[row->kernel]);
  put(&r, row->kind);
  put(&r, row->guard_kv);
  put(&r, row->guard_min);
  put(&r, row->guard_max);
  put(&r, row->guard_exact);
  put(&r, row->guard_library);
  put(&r, row->set);
  put(&r, row->grid_symbol);
  put(&r, row->grid_items);
  put(&r, row->grid_rows);
  put(&r, row->args_count);
  for (uint32_t i = 0; i < row->args_count; i++)
    put_arg(&r, &tables->args[row->first_arg + i]);
  fold(&r);
  return r.hash;
}

static int order(const void *a, const void *b) {
  uint64_t x, y;
  memcpy(&x, a, sizeof x);
  memcpy(&y, b, sizeof y);
  return (x > y) - (x < y);
}

uint32_t tl_plan_target_shapes(const tl_plan_tables *tables, uint32_t target,
                               uint64_t *out_shapes) {
  uint32_t all = 0, count = 0;
  for (uint32_t i = 0; i < tables->launchs_count; i++) {
    if (tables->kernels[tables->launchs[i].kernel].target != target) continue;
    out_shapes[all++] = tl_plan_launch_shape(tables, i);
  }
  qsort(out_shapes, all, sizeof *out_shapes, order);
  for (uint32_t i = 0; i < all; i++) {
    if (count == 0 || out_shapes[count - 1] != out_shapes[i]) out_shapes[count++] = out_shapes[i];
  }
  return count;
}

bool tl_plan_shapes_hold(const uint64_t *shapes, size_t count, uint64_t shape) {
  return bsearch(&shape, shapes, count, sizeof *shapes, order) != NULL;
}
