// CUDA launches of latent attention. Absorbed, for any rows: queries are turned to the latent side
// by a matmul, attention reads latent rows as they lie in their pages, a matmul turns what comes
// out back. Expanded, for sequences with many rows in a step: keys and values of all their
// positions are made of the latent rows, then attention reads these.
// templates/cuda/latent_share.cuh has the rule.
//
// What a head costs in products, for r rows at p positions of L latent values, keys of D and values
// of E values, turned parts aside:
//
//   absorbed   r * L * (D + E) + r * p * 2 * L
//   expanded   p * L * (D + E) + r * p * (D + E)
//
// At many positions expanded costs less from L * (D + E) / (2 * L - D - E) rows on: 171 if L is 512
// and D and E 128. All in all, for 128 such heads in units of 10^12 products:
//
//   rows, positions      absorbed    expanded
//   512 of 512              0.027       0.014      a prompt from its first row on sees half of its
//   2048 of 2048            0.33        0.12       positions on average
//   8192 of 8192            4.8         1.5
//   512 of 4096             0.28        0.15
//
// Made anew for every tile of 128 rows, in shared memory, keys and values would cost 128 * 1024 a
// position and head beside the 128 * 320 of attention to them, more than absorbed. So they are made
// once, in memory for as many positions as `room` and for a group of heads; the next group uses it
// again.
#include "compiler/codegen/cuda_rules.h"
#include "templates/cuda/attention_bytes.cuh"

enum {
  PLAIN_THREADS = 256,
  LATENT_BLOCKS = 132,
  LATENT_COLUMNS_MAX = 256,  // of a warp, times its tiles: sums in registers
  LATENT_SPAN_ALL = 1 << 20, // pages, more than any sequence has
  EXPAND_THREADS = 256,
  EXPAND_BLOCKS = 264,
  EXPAND_STAGES = 3,
  MANY_THREADS = 128,
  MANY_POSITIONS = 32,
  MANY_VALUES_MAX = 256,
  GROUP_HEADS = 32,
  ROOM_MAX = 32768, // positions
  ROOM_BYTES_MAX = 256 << 20
};

// ---- which form

// Sizes of the expanded form; no heads in a group = there is none.
typedef struct expansion {
  int64_t heads, latent, plain, turned, value;
  int64_t value_up; // to 16s
  int64_t few, room, group;
} expansion;

static expansion expansion_of(const tl_kernel *kernel) {
  const tl_latents *l = kernel->latents;
  const tl_type *key = &l->key->type, *value = &l->value->type;
  expansion e = {.heads = key->dims[0].constant,
                 .latent = key->dims[1].constant,
                 .plain = key->dims[2].constant,
                 .value = value->dims[1].constant};
  e.turned = l->state->producer->state.value;
  e.value_up = tl_round_up(e.value, 16);
  int64_t less = 2 * e.latent - e.plain - e.value, row = (e.plain + e.value_up) * 2;
  bool is_bf16 = key->format == TL_FORMAT_BF16 && value->format == TL_FORMAT_BF16;
  bool is_even = e.latent % 8 == 0 && e.plain % 8 == 0 && e.turned % 8 == 0 && e.value % 2 == 0;
  bool is_small =
      tl_round_up(e.plain + e.turned, 16) <= MANY_VALUES_MAX && e.value_up <= MANY_VALUES_MAX;
  if (!is_bf16 || !is_even || !is_small || less <= 0) return e;
  int64_t groups = (e.heads + GROUP_HEADS - 1) / GROUP_HEADS;
  e.group = (e.heads + groups - 1) / groups;
  e.few = e.latent * (e.plain + e.value) / less;
  e.room = ROOM_BYTES_MAX / (e.group * row) / 64 * 64;
  if (e.room > ROOM_MAX) e.room = ROOM_MAX;
  return e;
}

static bool expands(const tl_draft *d) {
  return d->kv == TL_PLAN_KV_BF16 && d->launch.guard_exact != 2 &&
         expansion_of(d->kernel).group > 0;
}

void tl_cuda_latent_share(tl_draft *d) {
  expansion e = expansion_of(d->kernel);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, expands(d) ? e.few : INT32_MAX);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, expands(d) ? e.room : 0);
}

// ---- absorbed: latent rows are keys and, but for their turned part, values; one key head

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
  tl_cuda_latent_share(d);
  d->launch.grid_symbol = TL_PLAN_SYMBOL_A;
  d->launch.grid_items = 1;
}

// Any sizes.
static tl_status fill_latent_plain(tl_draft *d) {
  const tl_attention *a = &d->kernel->attention;
  set_latent(d, PLAIN_THREADS);
  d->drafted.template = "attention";
  d->drafted.block.shared_bytes = (uint32_t)tl_cuda_attention_bytes(a->key + a->value, a->key);
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
  d->launch.guard_exact = number + 1;
  if (number == 1 && expansion_of(d->kernel).group > 0) return fill_latent_plain(d);
  d->launch.guard_exact = expansion_of(d->kernel).group > 0 ? 1 : 0;
  if (number == 0) return fill_latent_plain(d);
  d->drafted.classes = 0;
  return TL_OK;
}

int tl_cuda_latent_variants(void) {
  return 2 * LATENT_WAYS;
}

// ---- expanded

static void set_expansion(tl_draft *d, const expansion *e) {
  tl_draft_constant(d, "T_LATENT", e->latent);
  tl_draft_constant(d, "T_TURNED", e->turned);
  tl_draft_constant(d, "T_PLAIN", e->plain);
  tl_draft_constant(d, "T_VALUE", e->value_up);
  tl_draft_constant(d, "T_HEADS", e->heads);
  tl_draft_constant(d, "T_GROUP", e->group);
}

// Keys and values of a group of heads.
static void arg_made(tl_draft *d, const expansion *e) {
  tl_draft_arg_own(d, "latent.made", TL_PLAN_SYMBOL_ONE,
                   e->room * e->group * (e->plain + e->value_up) * 2);
}

static void fill_expand(tl_draft *d, const expansion *e, int64_t first_head) {
  const tl_latents *l = d->kernel->latents;
  int64_t width = e->plain > 64 || e->value_up > 64 ? 128 : 64;
  d->drafted.template = "latent_expand";
  tl_cuda_set_rows(d, EXPAND_THREADS, 1);
  set_expansion(d, e);
  tl_draft_constant(d, "T_WIDTH", width);
  tl_draft_constant(d, "T_STAGES", EXPAND_STAGES);
  tl_draft_constant(d, "T_BLOCKS", 2);
  tl_draft_arg_state(d, l->state);
  tl_draft_arg_weight(d, l->key, 0, TL_PLAN_LAYOUT_ROWS);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, tl_cuda_matrix_bytes(&l->key->type));
  tl_draft_arg_weight(d, l->value, 0, TL_PLAN_LAYOUT_ROWS);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, tl_cuda_matrix_bytes(&l->value->type));
  arg_made(d, e);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, first_head);
  tl_cuda_latent_share(d);
  d->launch.grid_symbol = TL_PLAN_SYMBOL_ONE;
  d->launch.grid_items = EXPAND_BLOCKS;
  d->drafted.block.shared_bytes = (uint32_t)TL_LATENT_EXPAND_BYTES(width, EXPAND_STAGES);
}

static void fill_many(tl_draft *d, const expansion *e, int64_t first_head) {
  const tl_latents *l = d->kernel->latents;
  const tl_buffer *out = tl_draft_only_store(d->kernel);
  int64_t tiles = e->value_up <= 128 ? 2 : 1, vectors = MANY_THREADS / 2 * tiles;
  int64_t key = tl_round_up(e->plain + e->turned, 16);
  d->drafted.template = "latent_many";
  tl_cuda_set_rows(d, MANY_THREADS, 1);
  set_expansion(d, e);
  tl_draft_constant(d, "T_KEY", key);
  tl_draft_constant(d, "T_STORED", e->value);
  tl_draft_constant(d, "T_QUERIES", 1);
  tl_draft_constant(d, "T_WINDOW", 0);
  tl_draft_constant(d, "T_CHUNK", 0);
  tl_draft_constant(d, "T_FULL", 0);
  tl_draft_real(d, "T_SCALE", l->scale);
  tl_draft_real(d, "T_SOFTCAP", 0);
  tl_draft_constant(d, "T_CACHE_BF16", 1);
  tl_draft_constant(d, "T_INPUT_BF16", tl_draft_is_bf16(d, out));
  tl_draft_constant(d, "T_TILES", tiles);
  tl_draft_constant(d, "T_POSITIONS", MANY_POSITIONS);
  tl_draft_constant(d, "T_WIDE", MANY_POSITIONS);
  tl_draft_arg_buffer(d, l->plain);
  tl_draft_arg_buffer(d, out);
  tl_draft_arg_state(d, l->state);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, tl_draft_row_bytes(d, l->plain));
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, tl_draft_row_bytes(d, out));
  tl_draft_arg_buffer(d, l->turned);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, tl_draft_row_bytes(d, l->turned));
  tl_cuda_latent_share(d);
  arg_made(d, e);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, first_head);
  // A sequence's last tile may be smaller than the others: one more for each that there can be.
  tl_draft_grid(d, e->group, vectors * (e->few + 1) / (vectors + e->few + 1));
  d->drafted.block.shared_bytes =
      (uint32_t)TL_ATTENTION_MANY_BYTES(key, e->value_up, vectors, MANY_POSITIONS);
}

static bool ends_attention(const tl_kernel *kernel) {
  return kernel->latents && kernel->segments[0].weights[0] == kernel->latents->value;
}

void tl_cuda_fill_expanded(tl_draft *d, int number) {
  expansion e = expansion_of(d->kernel);
  d->launch.guard_exact = 1;
  if (!expands(d)) {
    d->drafted.classes = 0;
    return;
  }
  d->launch.guard_min = (uint32_t)e.few + 1;
  if (number % 2 == 0) {
    fill_expand(d, &e, number / 2 * e.group);
  } else {
    fill_many(d, &e, number / 2 * e.group);
  }
}

int tl_cuda_expanded_variants(const tl_kernel *kernel) {
  if (!ends_attention(kernel)) return 0;
  expansion e = expansion_of(kernel);
  return e.group > 0 ? (int)((e.heads + e.group - 1) / e.group) * 2 : 0;
}
