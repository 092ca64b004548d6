// CUDA launches: which template, with which constants, arguments and blocks.
#include "compiler/codegen/cuda_plan.h"

#include "compiler/codegen/cuda_rules.h"
#include "runtime/base/target.h"
#include "templates/cuda/page.cuh"

enum {
  UNIT_MAX = 384, // a tile of more columns has no fast way: heads of such units wait for a `rows`
  ROW_THREADS = 256, // of kernels that work on whole rows
  TABLE_THREADS = 64,
  CANDIDATE_THREADS = 512,
  CANDIDATE_EACH = 16,       // values of a thread
  CANDIDATE_BLOCKS_MAX = 64, // of a row
  COMBINE_COLUMNS = 1024,
  GROUPS_OF_EXPERTS_MAX = 32 // a lane for each
};

uint32_t tl_cuda_class(int target) {
  switch (target) {
  case TL_TARGET_CUDA_SM_90A: return TL_CUDA_WIDE;
  case TL_TARGET_CUDA_SM_90:
  case TL_TARGET_CUDA_SM_100:
  case TL_TARGET_CUDA_SM_103:
  case TL_TARGET_CUDA_SM_110: return TL_CUDA_CLUSTERS;
  default: return TL_CUDA_ALL;
  }
}

void tl_cuda_set_rows(tl_draft *d, int64_t threads, int64_t rows) {
  tl_draft_constant(d, "T_THREADS", threads);
  tl_draft_constant(d, "T_SYMBOL_R", d->kernel->symbol == TL_PLAN_SYMBOL_R);
  tl_draft_constant(d, "T_WANTED", d->kernel->wanted_rows);
  tl_draft_grid(d, 1, rows);
  d->drafted.block.threads = (uint32_t)threads;
}

tl_status tl_cuda_set_weights(tl_draft *d, tl_format format) {
  if (format != TL_FORMAT_F32 && format != TL_FORMAT_BF16 && format != TL_FORMAT_F16) {
    return tl_diag_error(d->diag, TL_UNSUPPORTED, d->kernel->span,
                         "no cuda kernel reads %.*s weights yet",
                         TL_STR_ARG(tl_format_of(format)->text));
  }
  tl_draft_constant(d, "T_WEIGHT_BF16", format == TL_FORMAT_BF16);
  tl_draft_constant(d, "T_WEIGHT_BYTES", tl_format_of(format)->bits / 8);
  return TL_OK;
}

void tl_cuda_set_input(tl_draft *d) {
  tl_draft_constant(d, "T_INPUT_BF16", tl_draft_is_bf16(d, d->kernel->input));
  tl_draft_constant(d, "T_INPUT_BYTES", tl_draft_row_bytes(d, d->kernel->input));
  tl_draft_arg_buffer(d, d->kernel->input);
}

// ---- the others

static uint32_t row_tile_bytes(int64_t columns) {
  return (uint32_t)(tl_round_up(columns, 64) * 4);
}

static tl_status fill_rows(tl_draft *d) {
  int64_t columns = 0;
  d->drafted.template = "rows";
  tl_cuda_set_rows(d, ROW_THREADS, 1);
  tl_draft_grid(d, d->kernel->segments_count, 1);
  tl_cuda_set_input(d);
  tl_draft_constant(d, "T_SEGMENTS", d->kernel->segments_count);
  for (int s = 0; s < d->kernel->segments_count; s++) {
    const tl_segment *segment = &d->kernel->segments[s];
    if (segment->columns > columns) columns = segment->columns;
    tl_draft_arg(d, TL_PLAN_ARG_INT, 0, segment->first);
    tl_draft_arg(d, TL_PLAN_ARG_INT, 0, segment->columns);
  }
  tl_draft_constant(d, "T_COLUMNS", columns);
  tl_draft_calls(d);
  d->drafted.block.shared_bytes = row_tile_bytes(columns);
  return TL_OK;
}

// Columns of a combine's tile: the whole row if a statement wants it.
static int64_t combine_columns(const tl_kernel *kernel) {
  int64_t unit = tl_kernel_unit(kernel, TL_UNIT_MAX), columns = kernel->input->columns;
  bool is_whole = unit == 0;
  for (int i = 0; i < kernel->segments[0].statements_count; i++) {
    tl_statement_kind kind = kernel->segments[0].statements[i].kind;
    is_whole |= kind == TL_STATEMENT_SOFTMAX || kind == TL_STATEMENT_NORMALIZE ||
                kind == TL_STATEMENT_TOPK || kind == TL_STATEMENT_GLU;
  }
  if (is_whole) return tl_round_up(columns, 64);
  int64_t width = unit;
  while (width < columns && width + unit <= COMBINE_COLUMNS)
    width += unit;
  return width;
}

static tl_status fill_combine(tl_draft *d) {
  const tl_routing *routing = &d->kernel->routing;
  const tl_buffer *weights = routing->weights, *rows = d->kernel->input;
  int64_t width = combine_columns(d->kernel);
  d->drafted.template = "combine";
  tl_cuda_set_rows(d, ROW_THREADS, 1);
  tl_draft_grid(d, (rows->columns + width - 1) / width, 1);
  tl_draft_constant(d, "T_CHOSEN", routing->chosen);
  tl_draft_constant(d, "T_COLUMNS", rows->columns);
  tl_draft_constant(d, "T_UNIT", width / 64);
  tl_draft_constant(d, "T_INPUT_BYTES", tl_draft_row_bytes(d, rows));
  tl_draft_constant(d, "T_SCALE_BYTES", weights ? tl_draft_row_bytes(d, weights) : 0);
  tl_draft_arg_buffer(d, rows);
  tl_draft_arg_buffer(d, routing->groups);
  if (weights) {
    tl_draft_arg_buffer(d, weights);
  } else {
    tl_draft_arg(d, TL_PLAN_ARG_INT, 0, 0);
  }
  tl_draft_calls(d);
  d->drafted.block.shared_bytes = (uint32_t)(width * 4);
  return TL_OK;
}

static tl_status fill_gather(tl_draft *d) {
  const tl_value *weight = d->kernel->segments[0].weights[0];
  d->drafted.template = "gather";
  tl_cuda_set_rows(d, ROW_THREADS, 1);
  TL_TRY(tl_cuda_set_weights(d, weight->type.format));
  tl_draft_constant(d, "T_SOURCE", d->kernel->source);
  tl_draft_constant(d, "T_COLUMNS", weight->type.dims[1].constant);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, weight->type.dims[0].constant);
  tl_draft_arg_weight(d, weight, 0, TL_PLAN_LAYOUT_ROWS);
  tl_draft_calls(d);
  d->drafted.block.shared_bytes = row_tile_bytes(weight->type.dims[1].constant);
  return TL_OK;
}

static tl_status fill_table(tl_draft *d) {
  d->drafted.template = "rope_table";
  tl_cuda_set_rows(d, TABLE_THREADS, 1);
  tl_draft_table(d);
  return TL_OK;
}

// Of a row's largest values: blocks of a row, and how many of what they found are a thread's.
static tl_status fill_candidates(tl_draft *d, uint32_t *out_best, uint32_t *out_candidates) {
  const tl_buffer *input = d->kernel->input;
  int64_t piece = CANDIDATE_THREADS * CANDIDATE_EACH, merged = 1;
  int64_t blocks = (input->columns + piece - 1) / piece;
  int64_t part = 16 + TL_STEP_CANDIDATES * (int64_t)sizeof(tl_step_candidate);
  if (blocks > CANDIDATE_BLOCKS_MAX) {
    d->drafted.classes = 0;
    return TL_OK;
  }
  while (merged * CANDIDATE_THREADS < blocks * TL_STEP_CANDIDATES)
    merged *= 2;
  d->drafted.template = "candidates";
  tl_cuda_set_rows(d, CANDIDATE_THREADS, 1);
  tl_draft_grid(d, blocks, 1);
  tl_cuda_set_input(d);
  tl_draft_constant(d, "T_COLUMNS", input->columns);
  tl_draft_constant(d, "T_EACH", CANDIDATE_EACH);
  tl_draft_constant(d, "T_BLOCKS", blocks);
  tl_draft_constant(d, "T_MERGED", merged);
  tl_draft_constant(d, "T_LISTED", TL_STEP_CANDIDATES);
  tl_draft_constant(d, "T_PARTS_BYTES", tl_round_up(blocks * part, 64));
  *out_best = tl_draft_arg_own(d, "best", TL_PLAN_SYMBOL_R, TL_PLAN_BEST_BYTES) + 1;
  *out_candidates = tl_draft_arg_own(d, "candidates", TL_PLAN_SYMBOL_R,
                                     TL_STEP_CANDIDATES * (int64_t)sizeof(tl_step_candidate)) +
                    1;
  tl_draft_arg_own(d, "candidates.parts", TL_PLAN_SYMBOL_R, blocks * part);
  tl_draft_arg_own(d, "candidates.counters", TL_PLAN_SYMBOL_R, 4);
  d->drafted.block.shared_bytes = CANDIDATE_THREADS / TL_WARP * 12 + 16;
  return TL_OK;
}

// The numbers that statements have room for.
static tl_status check_statements(const tl_draft *d) {
  for (int s = 0; s < d->kernel->segments_count; s++) {
    for (int i = 0; i < d->kernel->segments[s].statements_count; i++) {
      const tl_statement *statement = &d->kernel->segments[s].statements[i];
      if (statement->kind != TL_STATEMENT_TOPK || statement->ints[1] <= GROUPS_OF_EXPERTS_MAX)
        continue;
      return tl_diag_error(d->diag, TL_UNSUPPORTED, d->kernel->span,
                           "more than %d groups of experts have no cuda kernel",
                           GROUPS_OF_EXPERTS_MAX);
    }
  }
  return TL_OK;
}

static tl_status fill(tl_draft *d, int number) {
  TL_TRY(check_statements(d));
  switch (d->kernel->anchor) {
  case TL_ANCHOR_MATMUL: return tl_cuda_fill_matmul(d, number);
  case TL_ANCHOR_HEADS: return tl_cuda_fill_heads(d, number);
  case TL_ANCHOR_EXPERTS: return tl_cuda_fill_experts(d, number);
  case TL_ANCHOR_GROUP: return tl_cuda_fill_group(d, number);
  case TL_ANCHOR_COMBINE: return fill_combine(d);
  case TL_ANCHOR_ROWS: return fill_rows(d);
  case TL_ANCHOR_GATHER: return fill_gather(d);
  case TL_ANCHOR_ATTENTION: return tl_cuda_fill_attention(d, number);
  case TL_ANCHOR_LATENT: return tl_cuda_fill_latent(d, number);
  case TL_ANCHOR_ROPE_TABLE: return fill_table(d);
  default: return TL_INTERNAL;
  }
}

static int64_t head_bytes(int64_t key, int64_t value, int element_bytes) {
  return TL_PAGE_HEAD_BYTES(key, value, element_bytes);
}

static int variants_of(const tl_kernel *kernel) {
  switch (kernel->anchor) {
  case TL_ANCHOR_MATMUL: return tl_cuda_matmul_variants();
  case TL_ANCHOR_HEADS: return tl_cuda_stack_variants() + tl_cuda_expanded_variants(kernel);
  case TL_ANCHOR_EXPERTS:
  case TL_ANCHOR_GROUP: return tl_cuda_stack_variants();
  case TL_ANCHOR_ATTENTION: return tl_cuda_attention_variants();
  case TL_ANCHOR_LATENT: return tl_cuda_latent_variants();
  default: return 1;
  }
}

const tl_draft_rules tl_cuda_rules = {.device = TL_TARGET_DEVICE_CUDA,
                                      .unit_max = UNIT_MAX,
                                      .head_bytes = head_bytes,
                                      .variants = variants_of,
                                      .fill = fill,
                                      .fill_candidates = fill_candidates,
                                      .store_is_told = true};
