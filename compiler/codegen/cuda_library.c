// CUDA launches of matmuls that a library makes where it is the faster one: its products, and a
// kernel with what is left of the statements.
//
//   bias, added rows, store    belong to the product, if they are the first statements: the kernel
//                              goes on with what was stored, if there is more
//   anything else              products lie in memory of the launch's own, all statements are the
//                              kernel's
#include "compiler/codegen/cuda_rules.h"

enum {
  PRODUCTS_MAX = TL_SEGMENTS_MAX * TL_SEGMENT_WEIGHTS_MAX,
  LAUNCHES_MAX = PRODUCTS_MAX + 1, // the last is the kernel
  TILE_COLUMNS = 256,
  TILE_ROWS = 16,
  THREADS = 256,
  BLOCKS = 4
};

// Of which matmuls the library's way takes less time, its passes over memory and the gaps between
// launches counted: an estimate by the figures of single kernels in tests/gpu/README.md. Templates
// with mma.sync reach half of what the library does (many at 2048 rows). Where wide serves, it has
// the library's rate: what it loses is the time of an epilogue that nothing overlaps, which counts
// where K is small.
typedef struct border {
  uint32_t classes;
  uint32_t rows;      // it takes more than this
  int64_t depth_max;  // of K
  bool has_any_order; // also where products go through memory
} border;

static const border borders[] = {
    {TL_CUDA_WIDE, 1024, 8192, false},
    {TL_CUDA_CLUSTERS | TL_CUDA_ALL, 256, INT64_MAX, true},
};

enum { BORDERS_COUNT = sizeof borders / sizeof *borders };

// In f32 all classes have the same templates.
static const border *border_of(const tl_kernel *kernel, uint32_t classes) {
  bool is_bf16 = kernel->segments[0].weights[0]->type.format == TL_FORMAT_BF16;
  return &borders[classes == TL_CUDA_WIDE && is_bf16 ? 0 : 1];
}

// Whether the library multiplies what the kernel reads.
static bool is_suitable(const tl_draft *d) {
  const tl_kernel *kernel = d->kernel;
  tl_format format = kernel->segments[0].weights[0]->type.format;
  if (kernel->symbol != TL_PLAN_SYMBOL_T || kernel->wanted_rows || tl_cuda_is_rare(d)) return false;
  if (kernel->input->symbol != TL_PLAN_SYMBOL_T || kernel->input->slots > 1) return false;
  for (int s = 0; s < kernel->segments_count; s++) {
    for (int w = 0; w < kernel->segments[s].weights_count; w++) {
      if (kernel->segments[s].weights[w]->type.format != format) return false;
    }
  }
  return (format == TL_FORMAT_BF16 || format == TL_FORMAT_F32) &&
         tl_draft_format(kernel->input, d->kv) == format;
}

// Rows in f32 of all columns, one for each of the kernel's.
static bool is_like_out(const tl_kernel *kernel, const tl_buffer *buffer) {
  return buffer->role == TL_BUFFER_F32 && buffer->symbol == TL_PLAN_SYMBOL_T &&
         buffer->slots <= 1 &&
         buffer->columns == kernel->segments[0].weights[0]->type.dims[0].constant;
}

// The first statements, as far as they are a product's own.
typedef struct direct {
  const tl_operand *bias;
  const tl_buffer *added, *out;
  int statements; // 0 = it has none
} direct;

static direct find_direct(const tl_kernel *kernel) {
  const tl_segment *segment = &kernel->segments[0];
  direct found = {0};
  int i = 0;
  if (kernel->segments_count > 1 || segment->weights_count > 1) return found;
  const tl_statement *at = segment->statements;
  if (i < segment->statements_count && at[i].kind == TL_STATEMENT_ADD_VECTOR) {
    found.bias = &at[i++].operands[0];
  }
  if (i < segment->statements_count && at[i].kind == TL_STATEMENT_ADD) {
    found.added = at[i++].operands[0].buffer;
    if (!is_like_out(kernel, found.added)) return (direct){0};
  }
  if (i == segment->statements_count || at[i].kind != TL_STATEMENT_STORE ||
      !is_like_out(kernel, at[i].operands[0].buffer)) {
    return (direct){0};
  }
  found.out = at[i++].operands[0].buffer;
  found.statements = i;
  return found;
}

uint32_t tl_cuda_library_rows(const tl_draft *d, uint32_t classes) {
  const border *b = border_of(d->kernel, classes);
  if (!is_suitable(d) || d->kernel->segments[0].weights[0]->type.dims[1].constant > b->depth_max) {
    return UINT32_MAX;
  }
  return b->has_any_order || find_direct(d->kernel).statements ? b->rows : UINT32_MAX;
}

// ---- products

// Weights that follow each other without a gap, as one.
typedef struct run {
  const tl_value *weight; // the first
  int64_t columns, first; // among those of all weights
} run;

// Gives how many there are and the columns of all.
static int find_runs(const tl_draft *d, run runs[PRODUCTS_MAX], int64_t *out_columns) {
  tl_plan_weight before = {0};
  uint32_t row = 0, row_before = 0;
  int count = 0;
  *out_columns = 0;
  for (int s = 0; s < d->kernel->segments_count; s++) {
    for (int w = 0; w < d->kernel->segments[s].weights_count; w++) {
      const tl_value *value = d->kernel->segments[s].weights[w];
      tl_plan_weight own = tl_draft_matrix(d, value, &row);
      int64_t columns = tl_round_up(own.rows, 64);
      bool is_next = count > 0 && row == row_before + 1 && own.stride == before.stride;
      if (!is_next || !tl_draft_matrix_follows(d, row)) {
        runs[count++] = (run){.weight = value, .first = *out_columns};
      }
      runs[count - 1].columns += columns;
      *out_columns += columns;
      before = own;
      row_before = row;
    }
  }
  return count;
}

static void fill_product(tl_draft *d, const run *r, const direct *own, int64_t columns) {
  d->launch.kind = TL_PLAN_LAUNCH_PRODUCT;
  d->drafted.template = "library";
  d->drafted.is_library = true;
  d->launch.flops = (uint64_t)(2 * r->columns * r->weight->type.dims[1].constant);
  tl_draft_grid(d, 1, 1);
  tl_draft_arg_buffer(d, d->kernel->input);
  tl_draft_arg_weight(d, r->weight, 0, TL_PLAN_LAYOUT_ROWS);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, r->columns);
  if (own->statements) {
    tl_draft_arg_buffer(d, own->out);
  } else {
    tl_draft_arg_products(d, columns);
  }
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, r->first);
  if (own->added) {
    tl_draft_arg_buffer(d, own->added);
  } else {
    tl_draft_arg(d, TL_PLAN_ARG_INT, 0, 0);
  }
  if (own->bias) {
    tl_draft_arg_weight(d, own->bias->value, own->bias->offset, TL_PLAN_LAYOUT_VECTOR);
  } else {
    tl_draft_arg(d, TL_PLAN_ARG_INT, 0, 0);
  }
}

// ---- the kernel behind them

// Arguments of the template: where segments end, in units, then of each its columns, and where
// those of each weight begin. Gives the units of all.
static int64_t add_places(tl_draft *d, int64_t unit) {
  const tl_kernel *kernel = d->kernel;
  int64_t units = 0, first = 0;
  for (int s = 0; s < kernel->segments_count; s++) {
    int64_t columns = kernel->segments[s].weights[0]->type.dims[0].constant;
    units += (columns + unit - 1) / unit;
    tl_draft_arg(d, TL_PLAN_ARG_INT, 0, units);
  }
  for (int s = 0; s < kernel->segments_count; s++) {
    int64_t columns = kernel->segments[s].weights[0]->type.dims[0].constant;
    tl_draft_arg(d, TL_PLAN_ARG_INT, 0, columns);
    for (int w = 0; w < kernel->segments[s].weights_count; w++) {
      tl_draft_arg(d, TL_PLAN_ARG_INT, 0, first);
      first += tl_round_up(columns, 64);
    }
  }
  return units;
}

static void fill_rest(tl_draft *d, const direct *own, int64_t columns) {
  const tl_kernel *kernel = d->kernel;
  int64_t weights = kernel->segments[0].weights_count, unit = tl_kernel_unit(kernel, TL_UNIT_MAX);
  while (unit * weights < TILE_COLUMNS)
    unit *= 2;
  d->drafted.template = "matmul_rest";
  d->drafted.block.shared_bytes = (uint32_t)(TILE_ROWS * (unit * weights + 4) * 4);
  tl_cuda_set_rows(d, THREADS, TILE_ROWS);
  tl_draft_constant(d, "T_BLOCKS", BLOCKS);
  tl_draft_constant(d, "T_ROWS", TILE_ROWS);
  tl_draft_constant(d, "T_UNIT", unit / 64);
  tl_draft_constant(d, "T_INPUT_BYTES", columns * 4);
  tl_draft_constant(d, "T_WEIGHTS", weights);
  tl_draft_constant(d, "T_SEGMENTS", kernel->segments_count);
  if (own->statements) {
    tl_draft_arg_buffer(d, own->out);
  } else {
    tl_draft_arg_products(d, columns);
  }
  tl_draft_grid(d, add_places(d, unit), TILE_ROWS);
  tl_draft_calls_from(d, own->statements);
}

int tl_cuda_library_variants(void) {
  return BORDERS_COUNT * LAUNCHES_MAX;
}

tl_status tl_cuda_fill_library(tl_draft *d, int number) {
  const border *b = &borders[number / LAUNCHES_MAX];
  int launch = number % LAUNCHES_MAX;
  d->drafted.classes = 0;
  uint32_t rows = tl_cuda_library_rows(d, b->classes);
  if (rows == UINT32_MAX || !(b->classes & d->classes)) return TL_OK;
  run runs[PRODUCTS_MAX];
  int64_t columns;
  int count = find_runs(d, runs, &columns);
  direct own = find_direct(d->kernel);
  bool has_rest = own.statements < d->kernel->segments[0].statements_count;
  if (launch < PRODUCTS_MAX ? launch >= count : !has_rest) return TL_OK;
  d->drafted.classes = b->classes;
  d->launch.guard_min = rows + 1;
  d->launch.guard_exact = 1;
  d->launch.guard_library = 2;
  d->is_way = true;
  if (launch < PRODUCTS_MAX) {
    fill_product(d, &runs[launch], &own, columns);
  } else {
    fill_rest(d, &own, columns);
  }
  return TL_OK;
}
