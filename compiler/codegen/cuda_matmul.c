// CUDA launches of matmuls: ways to compute them, chosen by rows and columns.
#include "compiler/codegen/cuda_rules.h"

enum {
  WARP_COLUMNS = 16,     // of a tile of matmul_few; of matmul_many a multiple
  MANY_COLUMNS_MAX = 80, // of a warp of matmul_many
  BLOCK_WARPS_MAX = 32,
  WEIGHT_BOX_ROWS = 64,
  WIDE_GROUPS_MAX = 4,
  GROUP_COUNTS_MAX = 16384 // of the group kernel's warps and experts
};

typedef enum way { FEW, MANY, WIDE } way;

static const char *const templates[] = {"matmul_few", "matmul_many", "matmul_wide"};

// Ways to compute a matmul of at most `rows_max` rows and at least `columns_min` columns; what the
// numbers mean, the templates say. `width`: columns of a tile, more where a unit is wider; `warps`:
// of a block, more where they make less than its columns, then of fewer `blocks`. Of a class's ways
// the first that fits is taken. Chosen by measuring: tests/gpu/README.md. Each is right for any
// number of rows: where `tlmrt tune` finds other ways faster, they are taken.
// `exact` is the launches' guard: of those that `deterministic` asks for there is one for all rows.
typedef struct variant {
  uint32_t exact, classes, rows_max, columns_min;
  way way;
  int width, rows, warps, blocks, stages, cluster, ahead;
} variant;

static const variant variants[] = {
    {1, TL_CUDA_WIDE, 8, 0, FEW, 64, 8, 16, 1, 3, 2, 8},
    {1, TL_CUDA_WIDE, 16, 0, WIDE, 64, 16, 4, 1, 20, 2, 0},
    {1, TL_CUDA_WIDE, 16, 0, FEW, 64, 16, 8, 2, 3, 4, 8},
    {1, TL_CUDA_WIDE, 32, 0, WIDE, 64, 32, 4, 1, 17, 2, 0},
    {1, TL_CUDA_WIDE, 32, 0, FEW, 64, 32, 8, 2, 3, 4, 4},
    {1, TL_CUDA_WIDE, 64, 16384, WIDE, 128, 64, 8, 1, 9, 1, 0},
    {1, TL_CUDA_WIDE, 64, 0, WIDE, 64, 64, 4, 1, 12, 2, 0},
    {1, TL_CUDA_WIDE, 128, 0, WIDE, 128, 128, 8, 1, 6, 1, 0},
    {1, TL_CUDA_WIDE, 1024, 8192, WIDE, 256, 128, 8, 1, 4, 1, 0},
    {1, TL_CUDA_WIDE, 1024, 0, WIDE, 128, 128, 8, 1, 6, 1, 0},
    {1, TL_CUDA_WIDE, UINT32_MAX, 0, WIDE, 256, 128, 8, 1, 4, 1, 0},
    {1, TL_CUDA_WIDE, UINT32_MAX, 0, MANY, 128, 128, 8, 2, 3, 1, 0},
    {1, TL_CUDA_CLUSTERS, 8, 0, FEW, 64, 8, 16, 1, 3, 2, 8},
    {1, TL_CUDA_CLUSTERS, 16, 0, FEW, 64, 16, 8, 2, 3, 4, 8},
    {1, TL_CUDA_CLUSTERS, 32, 0, FEW, 64, 32, 8, 2, 3, 4, 4},
    {1, TL_CUDA_CLUSTERS, UINT32_MAX, 0, MANY, 128, 128, 8, 2, 3, 1, 0},
    {1, TL_CUDA_ALL, 8, 0, FEW, 64, 8, 8, 2, 3, 1, 4},
    {1, TL_CUDA_ALL, 16, 0, FEW, 64, 16, 8, 2, 3, 1, 4},
    {1, TL_CUDA_ALL, 32, 0, FEW, 64, 32, 8, 2, 3, 1, 2},
    {1, TL_CUDA_ALL, UINT32_MAX, 0, MANY, 128, 128, 8, 2, 3, 1, 0},
    {2, TL_CUDA_WIDE, UINT32_MAX, 0, WIDE, 64, 64, 4, 1, 12, 2, 0},
    {2, TL_CUDA_WIDE, UINT32_MAX, 0, MANY, 128, 128, 8, 2, 3, 1, 0},
    {2, TL_CUDA_WIDE, UINT32_MAX, 0, FEW, 64, 8, 16, 1, 3, 2, 8},
    {2, TL_CUDA_CLUSTERS, UINT32_MAX, 0, MANY, 128, 128, 8, 2, 3, 1, 0},
    {2, TL_CUDA_CLUSTERS, UINT32_MAX, 0, FEW, 64, 8, 16, 1, 3, 2, 8},
    {2, TL_CUDA_ALL, UINT32_MAX, 0, MANY, 128, 128, 8, 2, 3, 1, 0},
    {2, TL_CUDA_ALL, UINT32_MAX, 0, FEW, 64, 8, 8, 2, 3, 1, 4},
};

enum { VARIANTS_COUNT = sizeof variants / sizeof *variants };

// The same for stacks of matrices, all of units of 64 columns. Experts: `rows_max` is twice as many
// as an expert has of the step's rows on average.
static const variant stacks[] = {
    {1, TL_CUDA_ANY, 8, 0, FEW, 64, 8, 8, 2, 3, 1, 4},
    {1, TL_CUDA_ANY, 32, 0, FEW, 64, 32, 8, 2, 3, 1, 2},
    {1, TL_CUDA_ANY, 96, 0, MANY, 128, 64, 4, 2, 3, 1, 0},
    {1, TL_CUDA_ANY, UINT32_MAX, 0, MANY, 128, 128, 8, 2, 3, 1, 0},
    {2, TL_CUDA_ANY, UINT32_MAX, 0, MANY, 128, 64, 4, 2, 3, 1, 0},
};

enum { STACKS_COUNT = sizeof stacks / sizeof *stacks };

// Arguments of a matmul: where segments end, in units, then each segment's size and weights. Gives
// the units of all.
static int64_t add_segments(tl_draft *d, int64_t unit, bool as_maps) {
  const tl_kernel *kernel = d->kernel;
  int64_t units = 0, depth = kernel->segments[0].weights[0]->type.dims[1].constant;
  for (int s = 0; s < kernel->segments_count; s++) {
    const tl_segment *segment = &kernel->segments[s];
    int64_t columns = segment->weights[0]->type.dims[0].constant;
    units += (columns + unit - 1) / unit; // NOLINT(*.DivideZero): a way that is there has a unit
    tl_draft_arg(d, TL_PLAN_ARG_INT, 0, units);
    d->launch.flops += (uint64_t)(2 * columns * depth * segment->weights_count);
  }
  for (int s = 0; s < kernel->segments_count; s++) {
    const tl_segment *segment = &kernel->segments[s];
    tl_draft_arg(d, TL_PLAN_ARG_INT, 0, segment->weights[0]->type.dims[0].constant);
    for (int w = 0; w < segment->weights_count; w++) {
      if (as_maps) {
        tl_draft_arg_weight_map(d, segment->weights[w], WEIGHT_BOX_ROWS);
      } else {
        tl_draft_arg_weight(d, segment->weights[w], 0, TL_PLAN_LAYOUT_ROWS);
      }
    }
  }
  return units;
}

// ---- matmul

// A way as it is for a kernel; no warps = the kernel cannot be computed in this way.
typedef struct shape {
  const variant *variant;
  int64_t unit, width, warps, rows, stages, blocks, splits, shared_bytes;
} shape;

static int64_t shared_max(const variant *v) {
  return v->classes == TL_CUDA_ALL ? TL_CUDA_SHARED_ALL : TL_CUDA_SHARED_CLUSTERS;
}

// `uses_unit`: the matrix unit, which takes copies of rows.
static void shape_few(shape *s, bool uses_unit) {
  const variant *v = s->variant;
  int64_t across = s->width / WARP_COLUMNS;
  if (across > BLOCK_WARPS_MAX) return;
  s->splits = v->warps > across ? v->warps / across : 1;
  int64_t chunk = s->splits * v->ahead, stage = s->rows * (chunk * 64 + (chunk % 2 ? 0 : 64));
  s->warps = s->splits * across;
  if (s->warps > v->warps) s->blocks = 1;
  s->shared_bytes = (uses_unit ? s->stages * stage : 0) + s->splits * s->rows * (s->width + 4) * 4;
}

// As many warps as the columns can be dealt to in 16s; none if the sums of one need too many
// registers.
static int64_t warps_of_many(const shape *s) {
  int64_t warps = s->variant->warps, down = s->rows / 64;
  while (warps > down && s->width % (warps / down * WARP_COLUMNS) != 0)
    warps /= 2;
  return s->width * down / warps <= MANY_COLUMNS_MAX ? warps : 0;
}

// Tiles that are wider than the variant's are less high, or have fewer stages. Without the matrix
// unit a thread's sums are as many for all widths, and want more registers.
static void shape_many(shape *s, bool uses_unit) {
  if (!uses_unit) s->blocks = 1;
  for (;;) {
    int64_t tile = s->rows * (s->width + 4) * 4, ring = s->stages * (s->rows + s->width) * 128;
    s->shared_bytes = tile > ring ? tile : ring;
    bool fits = s->shared_bytes <= shared_max(s->variant);
    if (fits && (s->width <= 256 || s->rows <= 64)) {
      s->warps = uses_unit ? warps_of_many(s) : s->variant->warps;
      return;
    }
    s->blocks = 1;
    if (s->stages > 2 && s->width <= 256) {
      s->stages--;
    } else if (s->rows > 64) {
      s->rows /= 2;
    } else {
      return;
    }
  }
}

// Whether so many groups of warps divide the panels and their products fit into registers: half a
// value for each row and panel, beside what else a thread needs.
static bool holds_products(const shape *s, int64_t groups) {
  int64_t panels = s->width / 64, threads = (groups + 1) * 4 * TL_WARP;
  if (panels % groups || s->rows * panels / groups > 256) return false;
  return s->rows * panels / groups / 2 + 32 <= 65536 / threads;
}

// Four warps more copy.
static void shape_wide(shape *s) {
  const variant *v = s->variant;
  int64_t groups = v->warps / 4;
  while (groups <= WIDE_GROUPS_MAX && !holds_products(s, groups))
    groups++;
  if (groups > WIDE_GROUPS_MAX) return;
  int64_t tile = s->rows * (s->width + 4) * 4, stage = (s->rows + s->width) * 128;
  int64_t most = (TL_CUDA_SHARED_CLUSTERS + TL_CUDA_BLOCK_BYTES) / s->blocks - TL_CUDA_BLOCK_BYTES;
  if (v->cluster > 1) most -= tile;
  while (s->stages > 2 && s->stages * (stage + 16) > most)
    s->stages--;
  int64_t ring = s->stages * stage;
  if (v->cluster > 1) tile += ring;
  s->shared_bytes = (ring > tile ? ring : tile) + s->stages * 16;
  if (s->shared_bytes <= TL_CUDA_SHARED_CLUSTERS) s->warps = groups * 4 + 4;
}

static int64_t columns_of(const tl_kernel *kernel) {
  int64_t columns = 0;
  for (int i = 0; i < kernel->segments_count; i++) {
    const tl_segment *segment = &kernel->segments[i];
    columns += segment->weights[0]->type.dims[0].constant * segment->weights_count;
  }
  return columns;
}

// Whether `deterministic` has the same kernel.
static bool is_exact_too(const variant *v) {
  for (int i = 0; i < VARIANTS_COUNT; i++) {
    variant other = variants[i];
    other.exact = v->exact;
    other.rows_max = v->rows_max;
    if (variants[i].exact == 2 && memcmp(&other, v, sizeof other) == 0) return true;
  }
  return false;
}

bool tl_cuda_is_rare(const tl_draft *d) {
  return d->kernel->segments[0].weights[0]->type.format == TL_FORMAT_BF16 &&
         d->kv == TL_PLAN_KV_F32 && tl_draft_depends_on_kv(d->kernel);
}

// The tiles of `deterministic` take whatever is more than few rows.
static uint32_t rows_max_of(const tl_draft *d, const variant *v) {
  return tl_cuda_is_rare(d) && v->way != FEW ? UINT32_MAX : v->rows_max;
}

static bool fits_kernel(const tl_draft *d, const variant *v, bool is_bf16) {
  const tl_kernel *kernel = d->kernel;
  if (tl_cuda_is_rare(d) && !is_exact_too(v)) return false;
  if (columns_of(kernel) < v->columns_min) return false;
  if (v->way == WIDE && (!is_bf16 || kernel->wanted_rows)) return false;
  // The matrix unit's tiles; without it rows pass a few at a time, however many a tile has.
  if (v->way == FEW && v->rows_max == 16 && !is_bf16) return false;
  // Which way wanted rows go depends on all rows, of which they are few as a rule.
  return kernel->symbol != TL_PLAN_SYMBOL_R || v->way == FEW;
}

static shape shape_of(const tl_draft *d, int number) {
  const tl_kernel *kernel = d->kernel;
  const variant *v = &variants[number];
  const tl_segment *first = &kernel->segments[0];
  bool is_bf16 = first->weights[0]->type.format == TL_FORMAT_BF16;
  shape s = {.variant = v, .rows = v->rows, .stages = v->stages, .blocks = v->blocks};
  if (!fits_kernel(d, v, is_bf16)) return s;
  s.unit = tl_kernel_unit(kernel, TL_UNIT_MAX);
  while (s.unit * first->weights_count < v->width)
    s.unit *= 2;
  s.width = s.unit * first->weights_count;
  switch (v->way) {
  case FEW: shape_few(&s, is_bf16); break;
  case MANY: shape_many(&s, is_bf16); break;
  case WIDE: shape_wide(&s); break;
  }
  return s;
}

// The rows that `number` is the first of its class's ways for; false if there are none.
static bool find_range(const tl_draft *d, int number, uint32_t *out_min, uint32_t *out_max) {
  const variant *own = &variants[number];
  bool is_last = true;
  *out_min = 0;
  *out_max = rows_max_of(d, own);
  if (shape_of(d, number).warps == 0) return false;
  for (int i = 0; i < VARIANTS_COUNT; i++) {
    const variant *other = &variants[i];
    if (i == number || other->classes != own->classes || other->exact != own->exact) continue;
    if (shape_of(d, i).warps == 0) continue;
    if (i > number) is_last = false;
    uint32_t before = i < number ? rows_max_of(d, other) : 0;
    if (before == UINT32_MAX) return false;
    if (i < number && before + 1 > *out_min) *out_min = before + 1;
  }
  if (is_last) *out_max = UINT32_MAX;
  return *out_min <= *out_max;
}

// The constants that only some templates have.
static void set_way(tl_draft *d, const shape *s) {
  const variant *v = s->variant;
  if (v->way == FEW) tl_draft_constant(d, "T_SPLITS", s->splits);
  if (v->way == FEW) tl_draft_constant(d, "T_AHEAD", v->ahead);
  if (v->way != MANY) tl_draft_constant(d, "T_CLUSTER", v->cluster);
  tl_draft_constant(d, "T_STAGES", s->stages);
  tl_draft_constant(d, "T_BLOCKS", s->blocks);
  tl_draft_constant(d, "T_ROWS", s->rows);
  tl_draft_constant(d, "T_UNIT", s->unit / 64);
  d->launch.guard_exact = v->exact;
  d->drafted.template = templates[v->way];
  d->drafted.classes = v->classes;
  d->drafted.block.shared_bytes = (uint32_t)s->shared_bytes;
  // What streams through registers wants cache: it holds what is under way.
  if (v->way == FEW) d->drafted.block.blocks = (uint32_t)s->blocks;
}

static void set_matmul_input(tl_draft *d, const shape *s) {
  if (s->variant->way == WIDE) {
    tl_draft_arg_buffer_map(d, d->kernel->input, s->rows);
  } else {
    tl_cuda_set_input(d);
    tl_draft_constant(d, "T_COLUMNS", d->kernel->segments[0].weights[0]->type.dims[1].constant);
  }
}

// The part of the launch's rows that a library has no part in, or that which it would take. False
// if it is empty.
static bool keep_part(tl_draft *d, const variant *v, bool is_library_too) {
  uint32_t rows = v->exact == 2 ? UINT32_MAX : tl_cuda_library_rows(d, v->classes);
  tl_plan_launch *launch = &d->launch;
  if (is_library_too && launch->guard_min <= rows) {
    if (rows == UINT32_MAX) return false;
    launch->guard_min = rows + 1;
  } else if (!is_library_too && launch->guard_max > rows) {
    launch->guard_max = rows;
  }
  launch->guard_library = is_library_too;
  return launch->guard_min <= launch->guard_max;
}

// Launches for all rows, the same for those that a library would take, then the library's.
tl_status tl_cuda_fill_matmul(tl_draft *d, int number) {
  const tl_kernel *kernel = d->kernel;
  const tl_type *type = &kernel->segments[0].weights[0]->type;
  if (number >= 2 * VARIANTS_COUNT) return tl_cuda_fill_library(d, number - 2 * VARIANTS_COUNT);
  int row = number % VARIANTS_COUNT;
  shape s = shape_of(d, row);
  d->drafted.classes = 0;
  if (!find_range(d, row, &d->launch.guard_min, &d->launch.guard_max)) {
    if (row + 1 < VARIANTS_COUNT || s.warps != 0) return TL_OK; // the last takes all widths
    return tl_diag_error(d->diag, TL_UNSUPPORTED, kernel->span,
                         "%lld columns that must stay together have no cuda kernel yet",
                         (long long)s.width);
  }
  if (!keep_part(d, &variants[row], number >= VARIANTS_COUNT)) return TL_OK;
  set_way(d, &s);
  d->is_way = variants[row].exact == 1;
  tl_cuda_set_rows(d, s.warps * TL_WARP, s.rows);
  set_matmul_input(d, &s);
  TL_TRY(tl_cuda_set_weights(d, type->format));
  tl_draft_constant(d, "T_WEIGHTS", kernel->segments[0].weights_count);
  tl_draft_constant(d, "T_SEGMENTS", kernel->segments_count);
  bool is_wide = s.variant->way == WIDE;
  int64_t units = add_segments(d, s.unit, is_wide);
  if (is_wide) tl_draft_arg(d, TL_PLAN_ARG_INT, 0, type->dims[1].constant);
  tl_draft_grid(d, units * s.variant->cluster, s.rows);
  tl_draft_calls(d);
  return TL_OK;
}

int tl_cuda_matmul_variants(void) {
  return 2 * VARIANTS_COUNT + tl_cuda_library_variants();
}

// ---- stacks of matrices

// The shape of `number`, of units that are of one matrix.
static shape shape_of_stack(const tl_kernel *kernel, int number) {
  const variant *v = &stacks[number];
  const tl_segment *segment = &kernel->segments[0];
  const tl_type *type = &segment->weights[0]->type;
  bool is_heads = kernel->anchor == TL_ANCHOR_HEADS;
  bool uses_unit = type->format == TL_FORMAT_BF16 && !(is_heads && type->dims[2].constant % 32);
  shape s = {.variant = v, .unit = 64, .rows = v->rows, .stages = v->stages, .blocks = v->blocks};
  bool is_even = !is_heads || type->dims[1].constant % v->width == 0;
  if (segment->weights_count * s.unit < v->width && is_even) s.unit = v->width;
  s.width = s.unit * segment->weights_count;
  if (v->way == FEW) {
    shape_few(&s, uses_unit);
  } else {
    shape_many(&s, uses_unit);
  }
  return s;
}

// The rows that are for `number`, the most of each times `by` / `of`.
static void set_stack_guards(tl_draft *d, int number, int64_t by, int64_t of) {
  const variant *v = &stacks[number];
  int64_t below =
      number > 0 && stacks[number - 1].exact == v->exact ? stacks[number - 1].rows_max : 0;
  d->launch.guard_exact = v->exact;
  d->launch.guard_min = below > 0 ? (uint32_t)(below * by / of + 1) : 0;
  d->launch.guard_max = v->rows_max == UINT32_MAX ? UINT32_MAX : (uint32_t)(v->rows_max * by / of);
  if (d->launch.guard_min > d->launch.guard_max) d->drafted.classes = 0;
}

// What heads and experts share, the kinds' own constants left out. `matrix`: args from it on.
static tl_status set_stack(tl_draft *d, const shape *s) {
  const tl_segment *segment = &d->kernel->segments[0];
  const tl_type *type = &segment->weights[0]->type;
  tl_draft_constant(d, "T_THREADS", s->warps * TL_WARP);
  d->drafted.block.threads = (uint32_t)(s->warps * TL_WARP);
  tl_draft_constant(d, "T_SYMBOL_R", 0);
  tl_draft_constant(d, "T_SEGMENTS", 1);
  tl_draft_constant(d, "T_COLUMNS", type->dims[2].constant);
  tl_draft_constant(d, "T_WEIGHTS", segment->weights_count);
  set_way(d, s);
  tl_cuda_set_input(d);
  return tl_cuda_set_weights(d, type->format);
}

int64_t tl_cuda_matrix_bytes(const tl_type *type) {
  return tl_round_up(type->dims[1].constant, 64) *
         tl_weight_row_bytes(type->format, type->dims[2].constant);
}

static int64_t units_of(const tl_type *type, const shape *s) {
  return (type->dims[1].constant + s->unit - 1) / s->unit;
}

tl_status tl_cuda_fill_heads(tl_draft *d, int number) {
  const tl_value *weight = d->kernel->segments[0].weights[0];
  const tl_type *type = &weight->type;
  int64_t heads = type->dims[0].constant;
  if (number >= STACKS_COUNT) {
    tl_cuda_fill_expanded(d, number - STACKS_COUNT);
    return TL_OK;
  }
  shape s = shape_of_stack(d->kernel, number);
  TL_TRY(set_stack(d, &s));
  set_stack_guards(d, number, 1, 1);
  tl_draft_constant(d, "T_HEADS", heads);
  tl_draft_constant(d, "T_WANTED", 0);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, type->dims[1].constant);
  tl_draft_arg_weight(d, weight, 0, TL_PLAN_LAYOUT_ROWS);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, tl_cuda_matrix_bytes(type));
  tl_cuda_latent_share(d);
  tl_draft_grid(d, heads * units_of(type, &s), s.rows);
  d->launch.flops = (uint64_t)(2 * heads * type->dims[1].constant * type->dims[2].constant);
  tl_draft_calls(d);
  return TL_OK;
}

// Blocks for all pieces that there can be of few rows; of many they take pieces in turns.
tl_status tl_cuda_fill_experts(tl_draft *d, int number) {
  const tl_kernel *kernel = d->kernel;
  const tl_segment *segment = &kernel->segments[0];
  const tl_type *type = &segment->weights[0]->type;
  const tl_routing *routing = &kernel->routing;
  if (tl_kernel_unit(kernel, TL_UNIT_MAX) != 64) {
    return tl_diag_error(d->diag, TL_UNSUPPORTED, kernel->span,
                         "experts with columns that must stay together have no cuda kernel yet");
  }
  shape s = shape_of_stack(kernel, number);
  TL_TRY(set_stack(d, &s));
  set_stack_guards(d, number, routing->experts, 2 * routing->chosen);
  tl_draft_constant(d, "T_CHOSEN", routing->chosen);
  tl_draft_constant(d, "T_WANTED", routing->picks);
  tl_draft_arg_buffer(d, routing->groups);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, type->dims[1].constant);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, tl_cuda_matrix_bytes(type));
  for (int w = 0; w < segment->weights_count; w++)
    tl_draft_arg_weight(d, segment->weights[w], 0, TL_PLAN_LAYOUT_ROWS);
  tl_draft_grid(d, routing->chosen * units_of(type, &s), s.variant->way == FEW ? 1 : s.rows);
  d->launch.flops = (uint64_t)(2 * routing->chosen * type->dims[1].constant *
                               type->dims[2].constant * segment->weights_count);
  tl_draft_calls(d);
  return TL_OK;
}

tl_status tl_cuda_fill_group(tl_draft *d, int number) {
  const tl_routing *routing = &d->kernel->routing;
  int64_t warps = GROUP_COUNTS_MAX / routing->experts;
  if (warps > BLOCK_WARPS_MAX) warps = BLOCK_WARPS_MAX;
  if (warps < 1) warps = 1;
  int64_t bytes = (warps + 3) * routing->experts * 4;
  if (bytes > TL_CUDA_SHARED_ALL) {
    return tl_diag_error(d->diag, TL_UNSUPPORTED, d->kernel->span,
                         "%lld experts have no cuda kernel", (long long)routing->experts);
  }
  tl_cuda_set_rows(d, warps * TL_WARP, 1);
  set_stack_guards(d, number, routing->experts, 2 * routing->chosen);
  tl_draft_constant(d, "T_EXPERTS", routing->experts);
  tl_draft_constant(d, "T_CHOSEN", routing->chosen);
  tl_draft_constant(d, "T_INPUT_BYTES", tl_draft_row_bytes(d, routing->ids));
  tl_draft_arg_buffer(d, routing->ids);
  tl_draft_arg_buffer(d, tl_draft_only_store(d->kernel));
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, stacks[number].rows);
  d->launch.grid_symbol = TL_PLAN_SYMBOL_ONE;
  d->drafted.template = "group";
  d->drafted.block.shared_bytes = (uint32_t)bytes;
  return TL_OK;
}

int tl_cuda_stack_variants(void) {
  return STACKS_COUNT;
}
