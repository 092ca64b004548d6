// CUDA launches: which template, with which constants, arguments and blocks.
#include "compiler/codegen/cuda_plan.h"

#include "compiler/passes/fuse.h"
#include "templates/cuda/page.cuh"

enum {
  WARP = 32,
  WARPS = 16,        // of a block of a matmul, if its tile leaves any for splits along K
  WARP_COLUMNS = 16, // of a tile
  BLOCK_WARPS_MAX = 32,
  FEW_ROWS = 8, // up to so many rows a matmul takes one step of the matrix unit
  MORE_ROWS = 16,
  ROW_THREADS = 256, // of kernels that work on whole rows
  TABLE_THREADS = 64,
  ATTENTION_THREADS = 256,
  ATTENTION_VECTORS = 16
};

static void set_rows(tl_draft *d, int64_t threads, int64_t rows) {
  tl_draft_constant(d, "T_THREADS", threads);
  tl_draft_constant(d, "T_SYMBOL_R", d->kernel->symbol == TL_PLAN_SYMBOL_R);
  tl_draft_constant(d, "T_WANTED", d->kernel->wanted_rows);
  tl_draft_grid(d, 1, rows);
  d->drafted.block.threads = (uint32_t)threads;
}

static tl_status set_weights(tl_draft *d, tl_format format) {
  if (format != TL_FORMAT_F32 && format != TL_FORMAT_BF16 && format != TL_FORMAT_F16) {
    return tl_diag_error(d->diag, TL_UNSUPPORTED, d->kernel->span,
                         "no cuda kernel reads %.*s weights yet",
                         TL_STR_ARG(tl_format_of(format)->text));
  }
  tl_draft_constant(d, "T_WEIGHT_BF16", format == TL_FORMAT_BF16);
  tl_draft_constant(d, "T_WEIGHT_BYTES", tl_format_of(format)->bits / 8);
  return TL_OK;
}

static void set_input(tl_draft *d) {
  tl_draft_constant(d, "T_INPUT_BF16", tl_draft_is_bf16(d, d->kernel->input));
  tl_draft_constant(d, "T_INPUT_BYTES", tl_draft_row_bytes(d->kernel->input, d->kv));
  tl_draft_arg_buffer(d, d->kernel->input);
}

// Arguments of a matmul: where segments end, in units, then each segment's size and weights. Gives
// the units of all.
static int64_t add_segments(tl_draft *d, int64_t unit) {
  const tl_kernel *kernel = d->kernel;
  int64_t units = 0, depth = kernel->segments[0].weights[0]->type.dims[1].constant;
  for (int s = 0; s < kernel->segments_count; s++) {
    const tl_segment *segment = &kernel->segments[s];
    int64_t columns = segment->weights[0]->type.dims[0].constant;
    units += (columns + unit - 1) / unit;
    tl_draft_arg(d, TL_PLAN_ARG_INT, 0, units);
    d->launch.flops += (uint64_t)(2 * columns * depth * segment->weights_count);
  }
  for (int s = 0; s < kernel->segments_count; s++) {
    const tl_segment *segment = &kernel->segments[s];
    tl_draft_arg(d, TL_PLAN_ARG_INT, 0, segment->weights[0]->type.dims[0].constant);
    for (int w = 0; w < segment->weights_count; w++)
      tl_draft_arg_weight(d, segment->weights[w], 0, TL_PLAN_LAYOUT_ROWS);
  }
  return units;
}

static tl_status fill_matmul(tl_draft *d, int variant) {
  const tl_kernel *kernel = d->kernel;
  const tl_segment *first = &kernel->segments[0];
  const tl_type *type = &first->weights[0]->type;
  int64_t unit = tl_kernel_unit(kernel, TL_FUSE_UNIT_MAX), width = unit * first->weights_count;
  int64_t warps = width / WARP_COLUMNS, splits = warps < WARPS ? WARPS / warps : 1;
  int64_t rows = variant == 0 ? FEW_ROWS : MORE_ROWS;
  if (warps > BLOCK_WARPS_MAX) {
    return tl_diag_error(d->diag, TL_UNSUPPORTED, kernel->span,
                         "%lld columns that must stay together have no cuda kernel yet",
                         (long long)width);
  }
  d->drafted.template = "matmul_few";
  if (variant == 0) d->launch.guard_max = FEW_ROWS;
  if (variant == 1) d->launch.guard_min = FEW_ROWS + 1;
  set_rows(d, warps * splits * WARP, rows);
  set_input(d);
  TL_TRY(set_weights(d, type->format));
  tl_draft_constant(d, "T_COLUMNS", type->dims[1].constant);
  tl_draft_constant(d, "T_UNIT", unit / 64);
  tl_draft_constant(d, "T_WEIGHTS", first->weights_count);
  tl_draft_constant(d, "T_SEGMENTS", kernel->segments_count);
  tl_draft_constant(d, "T_SPLITS", splits);
  tl_draft_constant(d, "T_ROWS", rows);
  tl_draft_grid(d, add_segments(d, unit), rows);
  tl_draft_calls(d);
  d->drafted.block.shared_bytes = (uint32_t)(splits * rows * (width + 4) * 4);
  return TL_OK;
}

static uint32_t row_tile_bytes(int64_t columns) {
  return (uint32_t)(tl_round_up(columns, 64) * 4);
}

static tl_status fill_rows(tl_draft *d) {
  d->drafted.template = "rows";
  set_rows(d, ROW_THREADS, 1);
  set_input(d);
  tl_draft_constant(d, "T_COLUMNS", d->kernel->input->columns);
  tl_draft_calls(d);
  d->drafted.block.shared_bytes = row_tile_bytes(d->kernel->input->columns);
  return TL_OK;
}

static tl_status fill_gather(tl_draft *d) {
  const tl_value *weight = d->kernel->segments[0].weights[0];
  d->drafted.template = "gather";
  set_rows(d, ROW_THREADS, 1);
  TL_TRY(set_weights(d, weight->type.format));
  tl_draft_constant(d, "T_COLUMNS", weight->type.dims[1].constant);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, weight->type.dims[0].constant);
  tl_draft_arg_weight(d, weight, 0, TL_PLAN_LAYOUT_ROWS);
  tl_draft_calls(d);
  d->drafted.block.shared_bytes = row_tile_bytes(weight->type.dims[1].constant);
  return TL_OK;
}

static tl_status fill_attention(tl_draft *d) {
  const tl_attention *a = &d->kernel->attention;
  const tl_buffer *out = tl_draft_only_store(d->kernel);
  d->drafted.template = "attention";
  set_rows(d, ATTENTION_THREADS, 1);
  tl_draft_constant(d, "T_INPUT_BF16", tl_draft_is_bf16(d, out));
  tl_draft_constant(d, "T_CACHE_BF16", tl_draft_is_bf16(d, NULL));
  tl_draft_constant(d, "T_KEY", a->key);
  tl_draft_constant(d, "T_VALUE", a->value);
  tl_draft_constant(d, "T_HEADS", a->kv_heads);
  tl_draft_constant(d, "T_QUERIES", a->heads / a->kv_heads);
  tl_draft_constant(d, "T_WINDOW", a->window);
  tl_draft_constant(d, "T_CHUNK", a->chunk);
  tl_draft_real(d, "T_SCALE", a->scale);
  tl_draft_real(d, "T_SOFTCAP", a->softcap);
  tl_draft_arg_buffer(d, d->kernel->input);
  tl_draft_arg_buffer(d, out);
  tl_draft_arg_state(d, a->state);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, tl_draft_row_bytes(d->kernel->input, d->kv));
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, tl_draft_row_bytes(out, d->kv));
  d->launch.grid_symbol = TL_PLAN_SYMBOL_A;
  d->launch.grid_items = (uint32_t)a->kv_heads;
  // Queries, scores, sums, and three numbers for each vector.
  d->drafted.block.shared_bytes = (uint32_t)(ATTENTION_VECTORS * (a->key + 64 + a->value + 3) * 4);
  return TL_OK;
}

static tl_status fill_table(tl_draft *d) {
  const tl_buffer *out = tl_draft_only_store(d->kernel);
  d->drafted.template = "rope_table";
  set_rows(d, TABLE_THREADS, 1);
  tl_draft_constant(d, "T_PAIRS", d->kernel->table->type.dims[0].constant);
  tl_draft_real(d, "T_FACTOR", d->kernel->factor);
  tl_draft_constant(d, "T_INPUT_BYTES", tl_draft_row_bytes(out, d->kv));
  tl_draft_arg_weight(d, d->kernel->table, 0, TL_PLAN_LAYOUT_VECTOR);
  tl_draft_arg_buffer(d, out);
  return TL_OK;
}

static tl_status fill(tl_draft *d, int variant) {
  switch (d->kernel->anchor) {
  case TL_ANCHOR_MATMUL: return fill_matmul(d, variant);
  case TL_ANCHOR_ROWS: return fill_rows(d);
  case TL_ANCHOR_GATHER: return fill_gather(d);
  case TL_ANCHOR_ATTENTION: return fill_attention(d);
  case TL_ANCHOR_ROPE_TABLE: return fill_table(d);
  default: return TL_INTERNAL;
  }
}

static int64_t head_bytes(int64_t key, int64_t value, int element_bytes) {
  return TL_PAGE_HEAD_BYTES(key, value, element_bytes);
}

static int variants(const tl_kernel *kernel) {
  return kernel->anchor == TL_ANCHOR_MATMUL ? 2 : 1;
}

const tl_draft_rules tl_cuda_rules = {head_bytes, variants, fill};
