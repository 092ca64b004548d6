// CUDA launches: which template, with which constants, arguments and blocks.
#include "compiler/codegen/cuda_plan.h"

#include "compiler/passes/fuse.h"
#include "runtime/base/target.h"
#include "templates/cuda/attention_bytes.cuh"
#include "templates/cuda/page.cuh"

enum {
  WARP = 32,
  WARP_COLUMNS = 16, // of a tile of matmul_few
  BLOCK_WARPS_MAX = 32,
  ROW_THREADS = 256, // of kernels that work on whole rows
  TABLE_THREADS = 64,
  BEST_THREADS = 1024,
  ATTENTION_THREADS = 256,
  ATTENTION_VECTORS = TL_ATTENTION_VECTORS,
  ATTENTION_WAYS = 3,
  WEIGHT_BOX_ROWS = 64,
  WIDE_GROUPS_MAX = 4,
  ATTENTION_BLOCKS = 264 // of the kernel for few rows: two for each of 132 multiprocessors
};

enum {
  CLASS_ALL = 1,      // every GPU, texts
  CLASS_CLUSTERS = 2, // blocks that reach each other's memory
  CLASS_WIDE = 4      // sm_90a: products of 64 rows, loads by boxes
};

// Shared memory of a block, of the least of a class's GPUs.
enum { SHARED_MAX_ALL = 99 << 10, SHARED_MAX_CLUSTERS = 227 << 10, BLOCK_BYTES = 1 << 10 };

typedef enum way { FEW, MANY, WIDE } way;

static const char *const templates[] = {"matmul_few", "matmul_many", "matmul_wide"};

// Ways to compute a matmul of at most `rows_max` rows and at least `columns_min` columns; what the
// numbers mean, the templates say. `width`: columns of a tile, more where a unit is wider; `warps`:
// of a block, more where they make less than its columns, then of fewer `blocks`. Of a class's ways
// the first that fits is taken. Chosen by measuring: tests/gpu/README.md.
// `exact` is the launches' guard: of those that `deterministic` asks for there is one for all rows.
typedef struct variant {
  uint32_t exact, classes, rows_max, columns_min;
  way way;
  int width, rows, warps, blocks, stages, cluster, ahead;
} variant;

static const variant variants[] = {
    {1, CLASS_WIDE, 8, 0, FEW, 64, 8, 16, 1, 3, 2, 8},
    {1, CLASS_WIDE, 16, 0, WIDE, 64, 16, 4, 1, 20, 2, 0},
    {1, CLASS_WIDE, 16, 0, FEW, 64, 16, 8, 2, 3, 4, 8},
    {1, CLASS_WIDE, 32, 0, WIDE, 64, 32, 4, 1, 17, 2, 0},
    {1, CLASS_WIDE, 32, 0, FEW, 64, 32, 8, 2, 3, 4, 4},
    {1, CLASS_WIDE, 64, 16384, WIDE, 128, 64, 8, 1, 9, 1, 0},
    {1, CLASS_WIDE, 64, 0, WIDE, 64, 64, 4, 1, 12, 2, 0},
    {1, CLASS_WIDE, 128, 0, WIDE, 128, 128, 8, 1, 6, 1, 0},
    {1, CLASS_WIDE, 1024, 8192, WIDE, 256, 128, 8, 1, 4, 1, 0},
    {1, CLASS_WIDE, 1024, 0, WIDE, 128, 128, 8, 1, 6, 1, 0},
    {1, CLASS_WIDE, UINT32_MAX, 0, WIDE, 256, 128, 8, 1, 4, 1, 0},
    {1, CLASS_WIDE, UINT32_MAX, 0, MANY, 128, 128, 8, 2, 3, 1, 0},
    {1, CLASS_CLUSTERS, 8, 0, FEW, 64, 8, 16, 1, 3, 2, 8},
    {1, CLASS_CLUSTERS, 16, 0, FEW, 64, 16, 8, 2, 3, 4, 8},
    {1, CLASS_CLUSTERS, 32, 0, FEW, 64, 32, 8, 2, 3, 4, 4},
    {1, CLASS_CLUSTERS, UINT32_MAX, 0, MANY, 128, 128, 8, 2, 3, 1, 0},
    {1, CLASS_ALL, 8, 0, FEW, 64, 8, 8, 2, 3, 1, 4},
    {1, CLASS_ALL, 16, 0, FEW, 64, 16, 8, 2, 3, 1, 4},
    {1, CLASS_ALL, 32, 0, FEW, 64, 32, 8, 2, 3, 1, 2},
    {1, CLASS_ALL, UINT32_MAX, 0, MANY, 128, 128, 8, 2, 3, 1, 0},
    {2, CLASS_WIDE, UINT32_MAX, 0, WIDE, 64, 64, 4, 1, 12, 2, 0},
    {2, CLASS_WIDE, UINT32_MAX, 0, MANY, 128, 128, 8, 2, 3, 1, 0},
    {2, CLASS_WIDE, UINT32_MAX, 0, FEW, 64, 8, 16, 1, 3, 2, 8},
    {2, CLASS_CLUSTERS, UINT32_MAX, 0, MANY, 128, 128, 8, 2, 3, 1, 0},
    {2, CLASS_CLUSTERS, UINT32_MAX, 0, FEW, 64, 8, 16, 1, 3, 2, 8},
    {2, CLASS_ALL, UINT32_MAX, 0, MANY, 128, 128, 8, 2, 3, 1, 0},
    {2, CLASS_ALL, UINT32_MAX, 0, FEW, 64, 8, 8, 2, 3, 1, 4},
};

enum { VARIANTS_COUNT = sizeof variants / sizeof *variants };

uint32_t tl_cuda_class(int target) {
  switch (target) {
  case TL_TARGET_CUDA_SM_90A: return CLASS_WIDE;
  case TL_TARGET_CUDA_SM_90:
  case TL_TARGET_CUDA_SM_100:
  case TL_TARGET_CUDA_SM_103:
  case TL_TARGET_CUDA_SM_110: return CLASS_CLUSTERS;
  default: return CLASS_ALL;
  }
}

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

static void set_input_format(tl_draft *d) {
  tl_draft_constant(d, "T_INPUT_BF16", tl_draft_is_bf16(d, d->kernel->input));
  tl_draft_constant(d, "T_INPUT_BYTES", tl_draft_row_bytes(d->kernel->input, d->kv));
}

static void set_input(tl_draft *d) {
  set_input_format(d);
  tl_draft_arg_buffer(d, d->kernel->input);
}

// Arguments of a matmul: where segments end, in units, then each segment's size and weights. Gives
// the units of all.
static int64_t add_segments(tl_draft *d, int64_t unit, bool as_maps) {
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
  return v->classes == CLASS_ALL ? SHARED_MAX_ALL : SHARED_MAX_CLUSTERS;
}

static void shape_few(shape *s, bool is_bf16) {
  const variant *v = s->variant;
  int64_t across = s->width / WARP_COLUMNS;
  if (across > BLOCK_WARPS_MAX) return;
  s->splits = v->warps > across ? v->warps / across : 1;
  int64_t chunk = s->splits * v->ahead, stage = s->rows * (chunk * 64 + (chunk % 2 ? 0 : 64));
  s->warps = s->splits * across;
  if (s->warps > v->warps) s->blocks = 1;
  s->shared_bytes = (is_bf16 ? s->stages * stage : 0) + s->splits * s->rows * (s->width + 4) * 4;
}

// Tiles that are wider than the variant's are less high, or have fewer stages.
static void shape_many(shape *s) {
  for (;;) {
    int64_t tile = s->rows * (s->width + 4) * 4, ring = s->stages * (s->rows + s->width) * 128;
    s->shared_bytes = tile > ring ? tile : ring;
    bool fits = s->shared_bytes <= shared_max(s->variant);
    if (fits && (s->width <= 256 || s->rows <= 64)) {
      s->warps = s->variant->warps;
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
  int64_t panels = s->width / 64, threads = (groups + 1) * 4 * WARP;
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
  int64_t most = (SHARED_MAX_CLUSTERS + BLOCK_BYTES) / s->blocks - BLOCK_BYTES;
  if (v->cluster > 1) most -= tile;
  while (s->stages > 2 && s->stages * (stage + 16) > most)
    s->stages--;
  int64_t ring = s->stages * stage;
  if (v->cluster > 1) tile += ring;
  s->shared_bytes = (ring > tile ? ring : tile) + s->stages * 16;
  if (s->shared_bytes <= SHARED_MAX_CLUSTERS) s->warps = groups * 4 + 4;
}

static int64_t columns_of(const tl_kernel *kernel) {
  int64_t columns = 0;
  for (int i = 0; i < kernel->segments_count; i++) {
    const tl_segment *segment = &kernel->segments[i];
    columns += segment->weights[0]->type.dims[0].constant * segment->weights_count;
  }
  return columns;
}

static bool fits_kernel(const tl_kernel *kernel, const variant *v, bool is_bf16) {
  if (columns_of(kernel) < v->columns_min) return false;
  if (v->way == WIDE && (!is_bf16 || kernel->wanted_rows)) return false;
  // Which way wanted rows go depends on all rows, of which they are few as a rule.
  return kernel->symbol != TL_PLAN_SYMBOL_R || v->way == FEW;
}

static shape shape_of(const tl_kernel *kernel, int number) {
  const variant *v = &variants[number];
  const tl_segment *first = &kernel->segments[0];
  bool is_bf16 = first->weights[0]->type.format == TL_FORMAT_BF16;
  shape s = {.variant = v, .rows = v->rows, .stages = v->stages, .blocks = v->blocks};
  if (!fits_kernel(kernel, v, is_bf16)) return s;
  s.unit = tl_kernel_unit(kernel, TL_FUSE_UNIT_MAX);
  while (s.unit * first->weights_count < v->width)
    s.unit *= 2;
  s.width = s.unit * first->weights_count;
  switch (v->way) {
  case FEW: shape_few(&s, is_bf16); break;
  case MANY: shape_many(&s); break;
  case WIDE: shape_wide(&s); break;
  }
  return s;
}

// The rows that `number` is the first of its class's ways for; false if there are none.
static bool find_range(const tl_kernel *kernel, int number, uint32_t *out_min, uint32_t *out_max) {
  const variant *own = &variants[number];
  bool is_last = true;
  *out_min = 0;
  *out_max = own->rows_max;
  if (shape_of(kernel, number).warps == 0) return false;
  for (int i = 0; i < VARIANTS_COUNT; i++) {
    const variant *other = &variants[i];
    if (i == number || other->classes != own->classes || other->exact != own->exact) continue;
    if (shape_of(kernel, i).warps == 0) continue;
    if (i > number) is_last = false;
    if (i < number && other->rows_max == UINT32_MAX) return false;
    if (i < number && other->rows_max + 1 > *out_min) *out_min = other->rows_max + 1;
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
  d->launch.guard_exact = v->exact;
  d->drafted.template = templates[v->way];
  d->drafted.classes = v->classes;
  d->drafted.block.shared_bytes = (uint32_t)s->shared_bytes;
  // What streams through registers wants cache: it holds what is under way.
  if (v->way == FEW) d->drafted.block.blocks = (uint32_t)s->blocks;
}

static void set_matmul_input(tl_draft *d, const shape *s) {
  if (s->variant->way != WIDE) {
    set_input(d);
    return;
  }
  set_input_format(d);
  tl_draft_arg_buffer_map(d, d->kernel->input, s->rows);
}

static tl_status fill_matmul(tl_draft *d, int number) {
  const tl_kernel *kernel = d->kernel;
  const tl_type *type = &kernel->segments[0].weights[0]->type;
  shape s = shape_of(kernel, number);
  d->drafted.classes = 0;
  if (!find_range(kernel, number, &d->launch.guard_min, &d->launch.guard_max)) {
    if (number + 1 < VARIANTS_COUNT || s.warps != 0) return TL_OK; // the last takes all widths
    return tl_diag_error(d->diag, TL_UNSUPPORTED, kernel->span,
                         "%lld columns that must stay together have no cuda kernel yet",
                         (long long)s.width);
  }
  set_way(d, &s);
  set_rows(d, s.warps * WARP, s.rows);
  set_matmul_input(d, &s);
  TL_TRY(set_weights(d, type->format));
  tl_draft_constant(d, "T_COLUMNS", type->dims[1].constant);
  tl_draft_constant(d, "T_UNIT", s.unit / 64);
  tl_draft_constant(d, "T_WEIGHTS", kernel->segments[0].weights_count);
  tl_draft_constant(d, "T_SEGMENTS", kernel->segments_count);
  tl_draft_constant(d, "T_ROWS", s.rows);
  int64_t units = add_segments(d, s.unit, s.variant->way == WIDE);
  tl_draft_grid(d, units * s.variant->cluster, s.rows);
  tl_draft_calls(d);
  return TL_OK;
}

// ---- the others

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

// The numbers that say which rows are which kernel's; both are given all of them.
typedef struct share {
  int64_t rows_few, rows_far, far;
} share;

static share share_of(const tl_draft *d) {
  const tl_attention *a = &d->kernel->attention;
  int64_t queries = a->heads / a->kv_heads;
  if (d->launch.guard_exact == 2) return (share){0, 0, 0};
  return (share){queries < ATTENTION_VECTORS * 4 ? ATTENTION_VECTORS * 4 / queries : 1, 64, 1024};
}

static void set_share(tl_draft *d) {
  share s = share_of(d);
  tl_draft_constant(d, "T_PIECE", TL_CUDA_ATTENTION_ROWS);
  tl_draft_constant(d, "T_ROWS_FEW", s.rows_few);
  tl_draft_constant(d, "T_ROWS_FAR", s.rows_far);
  tl_draft_constant(d, "T_FAR", s.far);
}

static void set_attention(tl_draft *d, int64_t threads) {
  const tl_buffer *out = tl_draft_only_store(d->kernel);
  set_rows(d, threads, 1);
  tl_draft_constant(d, "T_INPUT_BF16", tl_draft_is_bf16(d, out));
  tl_draft_constant(d, "T_CACHE_BF16", tl_draft_is_bf16(d, NULL));
  tl_draft_attention(d);
}

// Any heads and pages.
static void fill_plain(tl_draft *d) {
  const tl_attention *a = &d->kernel->attention;
  d->drafted.template = "attention";
  set_attention(d, ATTENTION_THREADS);
  // Queries, scores, sums, and three numbers for each vector.
  d->drafted.block.shared_bytes = (uint32_t)(ATTENTION_VECTORS * (a->key + 64 + a->value + 3) * 4);
}

static int64_t tiles_of(const tl_attention *a, int64_t vectors) {
  int64_t queries = a->heads / a->kv_heads;
  return (TL_CUDA_ATTENTION_ROWS * queries + vectors - 1) / vectors;
}

static void fill_few(tl_draft *d, int64_t most) {
  const tl_attention *a = &d->kernel->attention;
  int64_t threads = 128, stages = 3;
  if (2 * TL_ATTENTION_FEW_BYTES(a->key, a->value, threads, stages) > most) stages = 2;
  if (TL_ATTENTION_FEW_BYTES(a->key, a->value, threads, stages) > most) threads = 64;
  d->drafted.template = "attention_few";
  set_attention(d, threads);
  set_share(d);
  tl_draft_constant(d, "T_STAGES", stages);
  tl_draft_constant(d, "T_SPAN", 0);
  tl_draft_arg_own(d, "attention.parts", TL_PLAN_SYMBOL_ONE,
                   2 * ATTENTION_BLOCKS * TL_ATTENTION_PART(a->value));
  tl_draft_arg_own(d, "attention.counters", TL_PLAN_SYMBOL_A,
                   a->kv_heads * tiles_of(a, ATTENTION_VECTORS) * 4);
  d->launch.grid_symbol = TL_PLAN_SYMBOL_ONE;
  d->launch.grid_items = ATTENTION_BLOCKS;
  d->drafted.block.shared_bytes =
      (uint32_t)TL_ATTENTION_FEW_BYTES(a->key, a->value, threads, stages);
}

static void fill_many(tl_draft *d, int64_t most) {
  const tl_attention *a = &d->kernel->attention;
  int64_t threads = 128, tiles = a->value <= 128 ? 2 : 1, positions = 64;
  int64_t vectors = threads / 2 * tiles;
  if (2 * TL_ATTENTION_MANY_BYTES(a->key, a->value, vectors, positions) > most) {
    positions = 32;
  }
  d->drafted.template = "attention_many";
  set_attention(d, threads);
  set_share(d);
  tl_draft_constant(d, "T_TILES", tiles);
  tl_draft_constant(d, "T_POSITIONS", positions);
  tl_draft_constant(d, "T_WIDE", a->value <= 64 ? positions : 32);
  d->launch.grid_items = (uint32_t)(tiles_of(a, vectors) * a->kv_heads);
  d->launch.guard_min = (uint32_t)share_of(d).rows_few + 1;
  d->drafted.block.shared_bytes =
      (uint32_t)TL_ATTENTION_MANY_BYTES(a->key, a->value, vectors, positions);
}

static bool is_for_tiles(const tl_draft *d) {
  const tl_attention *a = &d->kernel->attention;
  return d->kv == TL_PLAN_KV_BF16 && a->key % 16 == 0 && a->value % 16 == 0 && a->key <= 256 &&
         a->value <= 256;
}

// For the first class few, many, and many alone where `deterministic` is asked for; then the same
// for the others. Or one for all.
static tl_status fill_attention(tl_draft *d, int number) {
  const uint32_t others = CLASS_CLUSTERS | CLASS_WIDE;
  if (!is_for_tiles(d)) {
    if (number == 0) fill_plain(d);
    d->drafted.classes = number == 0 ? CLASS_ALL | others : 0;
    return TL_OK;
  }
  int64_t most = number < ATTENTION_WAYS ? SHARED_MAX_ALL : SHARED_MAX_CLUSTERS;
  d->launch.guard_exact = number % ATTENTION_WAYS == 2 ? 2 : 1;
  if (number % ATTENTION_WAYS == 0) {
    fill_few(d, most);
  } else {
    fill_many(d, most);
  }
  d->drafted.classes = number < ATTENTION_WAYS ? CLASS_ALL : others;
  return TL_OK;
}

static tl_status fill_table(tl_draft *d) {
  d->drafted.template = "rope_table";
  set_rows(d, TABLE_THREADS, 1);
  tl_draft_table(d);
  return TL_OK;
}

static tl_status fill_best(tl_draft *d, uint32_t best) {
  d->drafted.template = "best";
  set_rows(d, BEST_THREADS, 1);
  set_input(d);
  tl_draft_constant(d, "T_COLUMNS", d->kernel->input->columns);
  tl_draft_arg(d, TL_PLAN_ARG_BUFFER, best, 0);
  d->drafted.block.shared_bytes = BEST_THREADS / WARP * 8;
  return TL_OK;
}

// What anchors with kernels may be asked for and do not do yet.
static bool is_beyond(const tl_kernel *kernel) {
  return kernel->attention.full || kernel->source != TL_GATHER_IDS ||
         (kernel->anchor == TL_ANCHOR_ROWS &&
          (kernel->segments_count > 1 || kernel->segments[0].first > 0));
}

static tl_status fill(tl_draft *d, int number) {
  if (is_beyond(d->kernel)) {
    return tl_diag_error(d->diag, TL_UNSUPPORTED, d->kernel->span,
                         "this %s has no kernel for GPUs yet", tl_anchor_text(d->kernel->anchor));
  }
  switch (d->kernel->anchor) {
  case TL_ANCHOR_MATMUL: return fill_matmul(d, number);
  case TL_ANCHOR_ROWS: return fill_rows(d);
  case TL_ANCHOR_GATHER: return fill_gather(d);
  case TL_ANCHOR_ATTENTION: return fill_attention(d, number);
  case TL_ANCHOR_ROPE_TABLE: return fill_table(d);
  default:
    return tl_diag_error(d->diag, TL_UNSUPPORTED, d->kernel->span, "%s has no kernel for GPUs yet",
                         tl_anchor_text(d->kernel->anchor));
  }
}

static int64_t head_bytes(int64_t key, int64_t value, int element_bytes) {
  return TL_PAGE_HEAD_BYTES(key, value, element_bytes);
}

static int variants_of(const tl_kernel *kernel) {
  switch (kernel->anchor) {
  case TL_ANCHOR_MATMUL: return VARIANTS_COUNT;
  case TL_ANCHOR_ATTENTION: return 2 * ATTENTION_WAYS;
  default: return 1;
  }
}

const tl_draft_rules tl_cuda_rules = {head_bytes, variants_of, fill, fill_best};
