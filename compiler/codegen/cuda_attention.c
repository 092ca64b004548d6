// CUDA launches of attention: a kernel for few rows of a sequence, one for many, one for any shape.
#include "compiler/codegen/cuda_rules.h"
#include "templates/cuda/attention_bytes.cuh"

enum {
  ATTENTION_THREADS = 256,
  ATTENTION_VECTORS = TL_ATTENTION_VECTORS,
  ATTENTION_WAYS = 3,
  ATTENTION_BLOCKS = 264 // of the kernel for few rows: two for each of 132 multiprocessors
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

int64_t tl_cuda_attention_bytes(int64_t key, int64_t value) {
  return ATTENTION_VECTORS * (key + 64 + value + 3) * 4;
}

// Any heads and pages.
static void fill_plain(tl_draft *d) {
  const tl_attention *a = &d->kernel->attention;
  d->drafted.template = "attention";
  set_attention(d, ATTENTION_THREADS);
  d->drafted.block.shared_bytes = (uint32_t)tl_cuda_attention_bytes(a->key, a->value);
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
