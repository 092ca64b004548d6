// CPU launches: which template, with which constants and arguments.
#include "compiler/codegen/cpu_plan.h"

#include "compiler/codegen/panel.h"
#include "templates/cpu/constants.h"
#include "templates/cpu/panel.h"

enum {
  MATMUL_ROWS = 128, // rows of one item: panels stay in L2 over them
  OTHER_ROWS = 4,
  LATENT_HEADS = 16, // of one item: their queries share the pages that it reads
  COPIES_BYTES = 1 << 19,
  ALL_ROWS = 1 << 24, // more than any step has
  COPIES_MIN = 8,
  EXACT_MAX = 1 << 18 // weights of a matmul whose time is not in its products
};

_Static_assert(TL_CPU_F32 == 0 && TL_CPU_BF16 == 1, "what tl_draft_is_bf16 tells templates");

static tl_status cpu_format(tl_diag *diag, tl_format format, tl_span span, int64_t *out_format) {
  switch ((int)format) {
  case TL_FORMAT_F32: *out_format = TL_CPU_F32; return TL_OK;
  case TL_FORMAT_BF16: *out_format = TL_CPU_BF16; return TL_OK;
  case TL_FORMAT_F16: *out_format = TL_CPU_F16; return TL_OK;
  case TL_FORMAT_Q8G32: *out_format = TL_CPU_Q8G32; return TL_OK;
  default:
    return tl_diag_error(diag, TL_UNSUPPORTED, span, "no cpu kernel reads %.*s weights yet",
                         TL_STR_ARG(tl_format_of(format)->text));
  }
}

static void set_rows(tl_draft *d, int64_t block) {
  tl_draft_constant(d, "T_SYMBOL_R", d->kernel->symbol == TL_PLAN_SYMBOL_R);
  tl_draft_constant(d, "T_WANTED", d->kernel->wanted_rows);
  tl_draft_constant(d, "T_BLOCK", block);
  tl_draft_grid(d, 1, block);
}

static void set_input(tl_draft *d) {
  tl_draft_constant(d, "T_INPUT", tl_draft_is_bf16(d, d->kernel->input));
  tl_draft_constant(d, "T_INPUT_BYTES", tl_draft_row_bytes(d, d->kernel->input));
  tl_draft_arg_buffer(d, d->kernel->input);
}

// Whether inputs are multiplied unrounded where that takes a second product.
static bool is_exact(const tl_type *type) {
  return type->dims[type->rank - 1].constant * type->dims[type->rank - 2].constant <= EXACT_MAX;
}

// Constants of what all matmuls share, with statements on tiles of a unit's columns.
static tl_status set_weights(tl_draft *d, int64_t unit) {
  const tl_kernel *kernel = d->kernel;
  const tl_segment *first = &kernel->segments[0];
  const tl_type *type = &first->weights[0]->type;
  int64_t format = 0;
  TL_TRY(cpu_format(d->diag, type->format, kernel->span, &format));
  tl_draft_constant(d, "T_WEIGHT", format);
  tl_draft_constant(d, "T_COLUMNS", type->dims[type->rank - 1].constant);
  tl_draft_constant(d, "T_EXACT", is_exact(type));
  tl_draft_constant(d, "T_UNIT", unit / 64);
  tl_draft_constant(d, "T_WEIGHTS", first->weights_count);
  d->drafted.scratch_bytes = (uint32_t)(TL_TILE_ROWS * unit * first->weights_count * 4);
  return TL_OK;
}

// From one matrix of a stack to the next.
static int64_t matrix_bytes(const tl_type *type) {
  return (type->dims[1].constant + 63) / 64 * tl_panel_stride(type->format, type->dims[2].constant);
}

static tl_status draft_heads(tl_draft *d) {
  const tl_value *weight = d->kernel->segments[0].weights[0];
  int64_t heads = weight->type.dims[0].constant, columns = weight->type.dims[1].constant;
  tl_draft_constant(d, "T_BLOCK", MATMUL_ROWS);
  tl_draft_constant(d, "T_WANTED", 0);
  tl_draft_constant(d, "T_HEADS", heads);
  tl_draft_grid(d, heads * ((columns + 63) / 64), MATMUL_ROWS);
  set_input(d);
  TL_TRY(set_weights(d, 64));
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, columns);
  tl_draft_arg_weight(d, weight, 0, TL_PLAN_LAYOUT_PANEL64);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, matrix_bytes(&weight->type));
  d->launch.flops = (uint64_t)(2 * heads * columns * weight->type.dims[2].constant);
  tl_draft_calls(d);
  return TL_OK;
}

static tl_status draft_experts(tl_draft *d) {
  const tl_kernel *kernel = d->kernel;
  const tl_segment *segment = &kernel->segments[0];
  const tl_type *type = &segment->weights[0]->type;
  const tl_routing *routing = &kernel->routing;
  int64_t unit = tl_kernel_unit(kernel, TL_UNIT_MAX), columns = type->dims[1].constant;
  int64_t row_bytes = tl_draft_row_bytes(d, kernel->input), copies = COPIES_BYTES / row_bytes;
  if (copies > TL_TILE_ROWS) copies = TL_TILE_ROWS;
  if (copies < COPIES_MIN) copies = COPIES_MIN;
  tl_draft_constant(d, "T_WANTED", routing->picks);
  tl_draft_constant(d, "T_CHOSEN", routing->chosen);
  tl_draft_constant(d, "T_COPIES", copies);
  tl_draft_grid(d, routing->chosen * ((columns + unit - 1) / unit), 1);
  set_input(d);
  TL_TRY(set_weights(d, unit));
  if (routing->picks) d->drafted.scratch_bytes += (uint32_t)(copies * row_bytes);
  tl_draft_arg_buffer(d, routing->groups);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, columns);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, matrix_bytes(type));
  for (int w = 0; w < segment->weights_count; w++)
    tl_draft_arg_weight(d, segment->weights[w], 0, TL_PLAN_LAYOUT_PANEL64);
  d->launch.flops =
      (uint64_t)(2 * routing->chosen * columns * type->dims[2].constant * segment->weights_count);
  tl_draft_calls(d);
  return TL_OK;
}

static tl_status draft_group(tl_draft *d) {
  const tl_routing *routing = &d->kernel->routing;
  tl_draft_constant(d, "T_EXPERTS", routing->experts);
  tl_draft_constant(d, "T_CHOSEN", routing->chosen);
  tl_draft_constant(d, "T_BLOCK", MATMUL_ROWS);
  tl_draft_constant(d, "T_INPUT_BYTES", tl_draft_row_bytes(d, routing->ids));
  tl_draft_grid(d, 1, ALL_ROWS);
  tl_draft_arg_buffer(d, routing->ids);
  tl_draft_arg_buffer(d, tl_draft_only_store(d->kernel));
  d->drafted.scratch_bytes = (uint32_t)(routing->experts * 4);
  return TL_OK;
}

static tl_status draft_combine(tl_draft *d) {
  const tl_routing *routing = &d->kernel->routing;
  const tl_buffer *weights = routing->weights, *rows = d->kernel->input;
  tl_draft_constant(d, "T_CHOSEN", routing->chosen);
  tl_draft_constant(d, "T_BLOCK", OTHER_ROWS);
  tl_draft_constant(d, "T_COLUMNS", rows->columns);
  tl_draft_constant(d, "T_INPUT_BYTES", tl_draft_row_bytes(d, rows));
  tl_draft_constant(d, "T_SCALE_BYTES", weights ? tl_draft_row_bytes(d, weights) : 0);
  tl_draft_grid(d, 1, OTHER_ROWS);
  tl_draft_arg_buffer(d, rows);
  tl_draft_arg_buffer(d, routing->groups);
  if (weights) {
    tl_draft_arg_buffer(d, weights);
  } else {
    tl_draft_arg(d, TL_PLAN_ARG_INT, 0, 0);
  }
  d->drafted.scratch_bytes = (uint32_t)(tl_round_up(rows->columns, 64) * 4);
  tl_draft_calls(d);
  return TL_OK;
}

static tl_status draft_latent(tl_draft *d) {
  const tl_attention *a = &d->kernel->attention;
  const tl_buffer *out = tl_draft_only_store(d->kernel), *q = d->kernel->input;
  int64_t heads = a->heads < LATENT_HEADS ? a->heads : LATENT_HEADS;
  tl_draft_constant(d, "T_INPUT", tl_draft_is_bf16(d, out));
  tl_draft_constant(d, "T_CACHE", tl_draft_is_bf16(d, NULL));
  tl_draft_constant(d, "T_KEY", a->key);
  tl_draft_constant(d, "T_VALUE", a->value);
  tl_draft_constant(d, "T_HEADS", a->heads);
  tl_draft_constant(d, "T_QUERIES", heads);
  tl_draft_real(d, "T_SCALE", a->scale);
  tl_draft_arg_buffer(d, q);
  tl_draft_arg_buffer(d, a->turned);
  tl_draft_arg_buffer(d, out);
  tl_draft_arg_state(d, a->state);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, tl_draft_row_bytes(d, q));
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, tl_draft_row_bytes(d, a->turned));
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, tl_draft_row_bytes(d, out));
  d->launch.grid_symbol = TL_PLAN_SYMBOL_A;
  d->launch.grid_items = (uint32_t)((a->heads + heads - 1) / heads);
  d->launch.grid_rows = 1;
  d->drafted.scratch_bytes =
      (uint32_t)(TL_QUERY_ROWS * (64 + tl_round_up(a->key, 16) + a->key + a->value + 1) * 4);
  return TL_OK;
}

static tl_status draft_matmul(tl_draft *d) {
  const tl_kernel *kernel = d->kernel;
  const tl_segment *first = &kernel->segments[0];
  const tl_type *type = &first->weights[0]->type;
  int64_t unit = tl_kernel_unit(kernel, TL_UNIT_MAX), units = 0;
  set_rows(d, MATMUL_ROWS);
  set_input(d);
  TL_TRY(set_weights(d, unit));
  tl_draft_constant(d, "T_SEGMENTS", kernel->segments_count);
  for (int s = 0; s < kernel->segments_count; s++) {
    int64_t columns = kernel->segments[s].weights[0]->type.dims[0].constant;
    units += (columns + unit - 1) / unit;
    tl_draft_arg(d, TL_PLAN_ARG_INT, 0, units);
    d->launch.flops +=
        (uint64_t)(2 * columns * type->dims[1].constant * kernel->segments[s].weights_count);
  }
  for (int s = 0; s < kernel->segments_count; s++) {
    const tl_segment *segment = &kernel->segments[s];
    tl_draft_arg(d, TL_PLAN_ARG_INT, 0, segment->weights[0]->type.dims[0].constant);
    for (int w = 0; w < segment->weights_count; w++)
      tl_draft_arg_weight(d, segment->weights[w], 0, TL_PLAN_LAYOUT_PANEL64);
  }
  d->launch.grid_items = (uint32_t)units;
  tl_draft_calls(d);
  return TL_OK;
}

// Whether all choices of a segment's statements fit.
static bool choices_fit(const tl_segment *segment) {
  for (int i = 0; i < segment->statements_count; i++) {
    const tl_statement *topk = &segment->statements[i];
    if (topk->kind != TL_STATEMENT_TOPK) continue;
    if (segment->columns > TL_EXPERTS_MAX || topk->ints[0] > TL_CHOSEN_MAX ||
        topk->ints[1] > TL_EXPERT_GROUPS_MAX) {
      return false;
    }
  }
  return true;
}

static tl_status draft_rows(tl_draft *d) {
  int64_t columns = 0;
  set_rows(d, OTHER_ROWS);
  set_input(d);
  tl_draft_constant(d, "T_SEGMENTS", d->kernel->segments_count);
  for (int s = 0; s < d->kernel->segments_count; s++) {
    const tl_segment *segment = &d->kernel->segments[s];
    if (!choices_fit(segment)) {
      return tl_diag_error(
          d->diag, TL_UNSUPPORTED, d->kernel->span,
          "a choice of more than %d experts of more than %d, or %d groups, has no cpu kernel",
          TL_CHOSEN_MAX, TL_EXPERTS_MAX, TL_EXPERT_GROUPS_MAX);
    }
    if (segment->columns > columns) columns = segment->columns;
    tl_draft_arg(d, TL_PLAN_ARG_INT, 0, segment->first);
    tl_draft_arg(d, TL_PLAN_ARG_INT, 0, segment->columns);
  }
  tl_draft_constant(d, "T_COLUMNS", columns);
  d->drafted.scratch_bytes = (uint32_t)(tl_round_up(columns, 64) * 4);
  tl_draft_calls(d);
  return TL_OK;
}

static tl_status draft_gather(tl_draft *d) {
  const tl_value *weight = d->kernel->segments[0].weights[0];
  int64_t format = 0;
  TL_TRY(cpu_format(d->diag, weight->type.format, d->kernel->span, &format));
  set_rows(d, OTHER_ROWS);
  tl_draft_constant(d, "T_SOURCE", d->kernel->source);
  tl_draft_constant(d, "T_WEIGHT", format);
  tl_draft_constant(d, "T_COLUMNS", weight->type.dims[1].constant);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, weight->type.dims[0].constant);
  tl_draft_arg_weight(d, weight, 0, TL_PLAN_LAYOUT_PANEL64);
  d->drafted.scratch_bytes = (uint32_t)(tl_round_up(weight->type.dims[1].constant, 64) * 4);
  tl_draft_calls(d);
  return TL_OK;
}

static tl_status draft_attention(tl_draft *d) {
  const tl_attention *a = &d->kernel->attention;
  const tl_buffer *out = tl_draft_only_store(d->kernel);
  if (a->key % 2) {
    return tl_diag_error(d->diag, TL_UNSUPPORTED, d->kernel->span,
                         "heads of an odd number of values (%lld) have no cpu kernel",
                         (long long)a->key);
  }
  tl_draft_constant(d, "T_INPUT", tl_draft_is_bf16(d, out));
  tl_draft_constant(d, "T_CACHE", tl_draft_is_bf16(d, NULL));
  tl_draft_attention(d);
  // Scores, weights, two sums, queries; values of one step of the tile unit.
  int64_t value = tl_round_up(a->value, 16), row = 64 * 2 + value * 2 + tl_round_up(a->key, 16);
  d->drafted.scratch_bytes = (uint32_t)((TL_QUERY_ROWS * row + TL_TILES_STEP / 2 * value) * 4);
  return TL_OK;
}

static tl_status draft_table(tl_draft *d) {
  set_rows(d, OTHER_ROWS);
  tl_draft_table(d);
  return TL_OK;
}

static tl_status fill(tl_draft *d, int variant) {
  (void)variant;
  switch (d->kernel->anchor) {
  case TL_ANCHOR_MATMUL: return draft_matmul(d);
  case TL_ANCHOR_HEADS: return draft_heads(d);
  case TL_ANCHOR_EXPERTS: return draft_experts(d);
  case TL_ANCHOR_GROUP: return draft_group(d);
  case TL_ANCHOR_COMBINE: return draft_combine(d);
  case TL_ANCHOR_LATENT: return draft_latent(d);
  case TL_ANCHOR_ROWS: return draft_rows(d);
  case TL_ANCHOR_GATHER: return draft_gather(d);
  case TL_ANCHOR_ATTENTION: return draft_attention(d);
  case TL_ANCHOR_ROPE_TABLE: return draft_table(d);
  default: return TL_INTERNAL;
  }
}

static int64_t head_bytes(int64_t key, int64_t value, int element_bytes) {
  return tl_page_key_bytes(key, element_bytes) + tl_page_value_bytes(value, element_bytes);
}

static int variants(const tl_kernel *kernel) {
  (void)kernel;
  return 1;
}

const tl_draft_rules tl_cpu_rules = {.device = TL_TARGET_DEVICE_CPU,
                                     .unit_max = TL_UNIT_MAX,
                                     .head_bytes = head_bytes,
                                     .variants = variants,
                                     .fill = fill,
                                     .wide_bf16 = true};
