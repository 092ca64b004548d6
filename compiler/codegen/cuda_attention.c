// CUDA launches of attention: a kernel for few rows of a sequence, one for many, one for any shape.
#include "compiler/codegen/cuda_rules.h"
#include "templates/cuda/attention_bytes.cuh"

enum {
  ATTENTION_THREADS = 256,
  ATTENTION_VECTORS = TL_ATTENTION_VECTORS,
  ATTENTION_WAYS = 3,
  ATTENTION_BLOCKS = 264, // of the kernel for few rows: two for each of 132 multiprocessors
  LATENT_BLOCKS = 132,
  LATENT_COLUMNS_MAX = 256, // of a warp, times its tiles: sums in registers
  LATENT_SPAN_ALL = 1 << 20 // pages, more than any sequence has
};

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
  tl_cuda_set_rows(d, threads, 1);
  tl_draft_constant(d, "T_INPUT_BF16", tl_draft_is_bf16(d, out));
  tl_draft_constant(d, "T_CACHE_BF16", tl_draft_is_bf16(d, NULL));
  tl_draft_attention(d);
}

// Queries, scores, sums, and three numbers for each vector.
static int64_t plain_bytes(int64_t key, int64_t value) {
  return ATTENTION_VECTORS * (key + 64 + value + 3) * 4;
}

// Any heads and pages.
static void fill_plain(tl_draft *d) {
  const tl_attention *a = &d->kernel->attention;
  d->drafted.template = "attention";
  set_attention(d, ATTENTION_THREADS);
  d->drafted.block.shared_bytes = (uint32_t)plain_bytes(a->key, a->value);
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
tl_status tl_cuda_fill_attention(tl_draft *d, int number) {
  const uint32_t others = TL_CUDA_CLUSTERS | TL_CUDA_WIDE;
  if (!is_for_tiles(d)) {
    if (number == 0) fill_plain(d);
    d->drafted.classes = number == 0 ? TL_CUDA_ALL | others : 0;
    return TL_OK;
  }
  int64_t most = number < ATTENTION_WAYS ? TL_CUDA_SHARED_ALL : TL_CUDA_SHARED_CLUSTERS;
  d->launch.guard_exact = number % ATTENTION_WAYS == 2 ? 2 : 1;
  if (number % ATTENTION_WAYS == 0) {
    fill_few(d, most);
  } else {
    fill_many(d, most);
  }
  d->drafted.classes = number < ATTENTION_WAYS ? TL_CUDA_ALL : others;
  return TL_OK;
}

int tl_cuda_attention_variants(void) {
  return 2 * ATTENTION_WAYS;
}

// ---- latent rows, which are keys and, but for their turned part, values: one key head

static void set_latent(tl_draft *d, int64_t threads) {
  const tl_attention *a = &d->kernel->attention;
  const tl_buffer *out = tl_draft_only_store(d->kernel);
  tl_cuda_set_rows(d, threads, 1);
  tl_draft_constant(d, "T_INPUT_BF16", tl_draft_is_bf16(d, out));
  tl_draft_constant(d, "T_CACHE_BF16", tl_draft_is_bf16(d, NULL));
  tl_draft_constant(d, "T_KEY", a->key + a->value);
  tl_draft_constant(d, "T_VALUE", a->key);
  tl_draft_constant(d, "T_TURNED", a->value);
  tl_draft_constant(d, "T_HEADS", 1);
  tl_draft_constant(d, "T_QUERIES", a->heads);
  tl_draft_constant(d, "T_WINDOW", 0);
  tl_draft_constant(d, "T_CHUNK", 0);
  tl_draft_constant(d, "T_FULL", 0);
  tl_draft_real(d, "T_SCALE", a->scale);
  tl_draft_real(d, "T_SOFTCAP", 0);
  tl_draft_arg_buffer(d, d->kernel->input);
  tl_draft_arg_buffer(d, out);
  tl_draft_arg_state(d, a->state);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, tl_draft_row_bytes(d, d->kernel->input));
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, tl_draft_row_bytes(d, out));
  tl_draft_arg_buffer(d, a->turned);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, tl_draft_row_bytes(d, a->turned));
  d->launch.grid_symbol = TL_PLAN_SYMBOL_A;
  d->launch.grid_items = 1;
}

// Any sizes.
static tl_status fill_latent_plain(tl_draft *d) {
  const tl_attention *a = &d->kernel->attention;
  set_latent(d, ATTENTION_THREADS);
  d->drafted.template = "attention";
  d->drafted.block.shared_bytes = (uint32_t)plain_bytes(a->key + a->value, a->key);
  if (d->drafted.block.shared_bytes <= TL_CUDA_SHARED_ALL) return TL_OK;
  return tl_diag_error(d->diag, TL_UNSUPPORTED, d->kernel->span,
                       "latent rows of %lld and %lld values have no cuda kernel", (long long)a->key,
                       (long long)a->value);
}

// The kernel on the matrix unit, as it is for the least GPU of a class; blocks of other GPUs hold
// more vectors, so that pages are read less often.
typedef struct latent_way {
  uint32_t classes;
  int64_t shared_max, vectors, positions, stages, warps, tiles;
} latent_way;

static const latent_way latent_ways[] = {
    {TL_CUDA_ALL, TL_CUDA_SHARED_ALL, 32, 16, 3, 4, 1},
    {TL_CUDA_CLUSTERS | TL_CUDA_WIDE, TL_CUDA_SHARED_CLUSTERS, 64, 64, 2, 8, 2},
};

enum { LATENT_WAYS = sizeof latent_ways / sizeof *latent_ways };

static int64_t latent_across(const latent_way *w) {
  return w->warps * 16 * w->tiles / w->vectors;
}

static int64_t latent_bytes(const tl_attention *a, const latent_way *w) {
  return TL_LATENT_BYTES(a->key + a->value, w->vectors, w->positions, w->stages, latent_across(w));
}

// Every way or none, so that all GPUs' launches share their memory.
static bool is_latent_for_tiles(const tl_draft *d) {
  const tl_attention *a = &d->kernel->attention;
  bool is = d->kv == TL_PLAN_KV_BF16 && (a->key + a->value) % 64 == 0;
  for (int i = 0; i < LATENT_WAYS; i++) {
    const latent_way *w = &latent_ways[i];
    int64_t columns = a->key / latent_across(w);
    is &= a->key % (64 * latent_across(w)) == 0 && columns * w->tiles <= LATENT_COLUMNS_MAX &&
          latent_bytes(a, w) <= w->shared_max;
  }
  return is;
}

// Memory for the parts of the way that wants the most, whatever the way.
static void fill_latent_tiles(tl_draft *d, const latent_way *way) {
  const tl_attention *a = &d->kernel->attention;
  int64_t part = 0, tiles = 0;
  for (int i = 0; i < LATENT_WAYS; i++) {
    int64_t bytes = TL_LATENT_PART(a->key, latent_ways[i].vectors);
    int64_t of_piece = (TL_CUDA_ATTENTION_ROWS * a->heads - 1) / latent_ways[i].vectors + 1;
    if (bytes > part) part = bytes;
    if (of_piece > tiles) tiles = of_piece;
  }
  d->drafted.template = "latent";
  set_latent(d, way->warps * TL_WARP);
  tl_draft_constant(d, "T_PIECE", TL_CUDA_ATTENTION_ROWS);
  tl_draft_constant(d, "T_ROWS_FEW", INT32_MAX); // all are this kernel's
  tl_draft_constant(d, "T_ROWS_FAR", 0);
  tl_draft_constant(d, "T_FAR", 0);
  tl_draft_constant(d, "T_VECTORS", way->vectors);
  tl_draft_constant(d, "T_POSITIONS", way->positions);
  tl_draft_constant(d, "T_STAGES", way->stages);
  tl_draft_constant(d, "T_TILES", way->tiles);
  tl_draft_arg_own(d, "latent.parts", TL_PLAN_SYMBOL_ONE, 2 * LATENT_BLOCKS * part);
  tl_draft_arg_own(d, "latent.counters", TL_PLAN_SYMBOL_A, tiles * 4);
  // One span for all pages where a row's result may depend on its position alone.
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, d->launch.guard_exact == 2 ? LATENT_SPAN_ALL : 0);
  d->launch.grid_symbol = TL_PLAN_SYMBOL_ONE;
  d->launch.grid_items = LATENT_BLOCKS;
  d->drafted.classes = way->classes;
  d->drafted.block.shared_bytes = (uint32_t)latent_bytes(a, way);
}

tl_status tl_cuda_fill_latent(tl_draft *d, int number) {
  if (is_latent_for_tiles(d)) {
    d->launch.guard_exact = number % 2 + 1;
    fill_latent_tiles(d, &latent_ways[number / 2]);
    return TL_OK;
  }
  if (number == 0) return fill_latent_plain(d);
  d->drafted.classes = 0;
  return TL_OK;
}

int tl_cuda_latent_variants(void) {
  return 2 * LATENT_WAYS;
}
