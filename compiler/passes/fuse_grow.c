// The statements of a segment: one function per op that can be taken over, then the stores.
#include "compiler/passes/fuse_grow.h"

#include "compiler/passes/fuse_start.h"

int64_t tl_fuse_row_columns(const tl_type *type) {
  int64_t columns = 1;
  for (int i = 1; i < type->rank; i++)
    columns *= type->dims[i].constant;
  return columns;
}

const tl_buffer *tl_fuse_input_of(const tl_fuse_value *item, tl_format like) {
  for (int i = 0; i < item->inputs_count; i++) {
    if (item->inputs[i]->like == like) return item->inputs[i];
  }
  return NULL;
}

static double attr_real(const tl_node *node, const char *name) {
  return node->attrs[tl_op_attr_index(node->op, tl_str_from(name))].f;
}

static int64_t attr_int(const tl_node *node, const char *name) {
  return node->attrs[tl_op_attr_index(node->op, tl_str_from(name))].i;
}

static bool is_weighted(const tl_node *node) {
  return tl_node_is(node, TL_OP_linear) || tl_node_is(node, TL_OP_expert_linear);
}

// Format of a matmul's weights.
static tl_format weights_of(const tl_node *matmul) {
  return matmul->operands[matmul->op->id == TL_OP_linear ? 1 : 2]->type.format;
}

static tl_statement *append(tl_growth *g, tl_statement_kind kind) {
  return tl_segment_add(g->segment, kind);
}

// Room for the longest run of statements one op or the final stores need.
static bool has_room(const tl_growth *g) {
  return g->segment->statements_count + 16 <= TL_STATEMENTS_MAX;
}

static bool unit_fits(const tl_fuser *f, const tl_growth *g, int64_t unit) {
  if (g->whole_rows) return true;
  if (tl_fuse_row_columns(&g->value->type) != g->segment->columns) return false;
  tl_kernel with = *g->kernel;
  tl_segment *segment = &with.segments[0];
  if (with.segments_count == 0) with.segments_count = 1;
  tl_statement *statement = tl_segment_add(segment, TL_STATEMENT_NORM);
  if (!statement) return false;
  statement->ints[0] = unit;
  return tl_kernel_unit(&with, f->unit_max) != 0;
}

// The f32 buffer of `value` if an earlier kernel than the growing one stores it.
static const tl_buffer *stored(const tl_fuser *f, const tl_growth *g, const tl_value *value) {
  const tl_fuse_value *item = tl_fuse_value_of(&f->values, value);
  int current = (int)f->program->kernels_count - 1;
  if (!item->f32 || item->kernel >= current || item->f32->slots > 1 || g->slots) return NULL;
  return item->f32->symbol == g->kernel->symbol ? item->f32 : NULL;
}

static bool absorb_elements(tl_fuser *f, tl_growth *g, tl_node *user, tl_statement_kind kind) {
  bool first = tl_fuse_root(user->operands[0]) == tl_fuse_root(g->value);
  const tl_value *other = user->operands[first ? 1 : 0];
  const tl_buffer *buffer = stored(f, g, other);
  if (!buffer) return false;
  append(g, kind)->operands[0].buffer = buffer;
  return true;
}

static bool absorb_glu(tl_fuser *f, tl_growth *g, tl_node *user) {
  const tl_buffer *up = stored(f, g, user->operands[1]);
  if (tl_fuse_root(user->operands[0]) != tl_fuse_root(g->value) || !up) return false;
  append(g, TL_STATEMENT_ACT)->ints[0] = attr_int(user, "kind");
  append(g, TL_STATEMENT_MUL)->operands[0].buffer = up;
  return true;
}

static void append_vector(tl_growth *g, tl_statement_kind kind, const tl_value *value,
                          double offset, int64_t unit) {
  tl_statement *statement = append(g, kind);
  statement->operands[0] = (tl_operand){.value = value, .offset = offset};
  statement->ints[0] = unit;
}

static bool absorb_norm(const tl_fuser *f, tl_growth *g, tl_node *user, bool centered) {
  const tl_type *type = &user->operands[0]->type;
  int64_t unit = type->dims[type->rank - 1].constant;
  bool whole = unit == tl_fuse_row_columns(type);
  // A norm of a whole row would make one tile of a matmul's row: no work left to share out. Heads
  // are narrow, also if there is only one.
  if ((type->rank < 3 && !g->whole_rows) || !unit_fits(f, g, unit)) return false;
  if (user->operands[2] && !whole) return false;
  if (centered) append(g, TL_STATEMENT_CENTER)->ints[0] = unit;
  tl_statement *norm = append(g, TL_STATEMENT_NORM);
  norm->ints[0] = unit;
  norm->reals[0] = attr_real(user, "eps");
  if (user->operands[1]) {
    append_vector(g, whole ? TL_STATEMENT_MUL_VECTOR : TL_STATEMENT_MUL_UNIT, user->operands[1],
                  attr_real(user, "offset"), whole ? 0 : unit);
  }
  if (centered && user->operands[2]) {
    append_vector(g, TL_STATEMENT_ADD_VECTOR, user->operands[2], 0, 0);
  }
  return true;
}

// Whether two ropes turn by the same angles.
static bool same_table(const tl_node *a, const tl_node *b) {
  static const char *const reals[] = {"factor", "stretch"};
  for (int i = 0; i < 2; i++) {
    if (attr_real(a, reals[i]) != attr_real(b, reals[i])) return false;
  }
  return a->operands[2] == b->operands[2] && attr_int(a, "limit") == attr_int(b, "limit");
}

const tl_buffer *tl_fuse_table_of(const tl_fuser *f, const tl_node *rope) {
  for (int i = 0; i < f->tables_count; i++) {
    if (same_table(f->tables[i].rope, rope)) return f->tables[i].buffer;
  }
  return NULL;
}

static bool absorb_rope(tl_fuser *f, tl_growth *g, tl_node *user) {
  int64_t unit = user->operands[0]->type.dims[2].constant;
  const tl_buffer *table = tl_fuse_table_of(f, user);
  if (!table || table->symbol != g->kernel->symbol || !unit_fits(f, g, unit)) return false;
  tl_statement *rope = append(g, TL_STATEMENT_ROPE);
  rope->operands[0].buffer = table;
  rope->ints[0] = unit;
  rope->ints[1] = user->operands[2]->type.dims[0].constant;
  rope->ints[2] = attr_int(user, "style");
  return true;
}

static bool absorb_whole_row(tl_growth *g, const tl_node *user, tl_statement_kind kind) {
  if (!g->whole_rows || user->operands[0]->type.rank != 2) return false;
  tl_statement *statement = append(g, kind);
  if (kind == TL_STATEMENT_NORMALIZE) statement->reals[0] = attr_real(user, "eps");
  return true;
}

static bool absorb_position_scale(tl_growth *g, const tl_node *user) {
  if (g->kernel->symbol != TL_PLAN_SYMBOL_T || g->slots) return false;
  tl_statement *statement = append(g, TL_STATEMENT_POSITION_SCALE);
  statement->ints[0] = attr_int(user, "floor");
  statement->reals[0] = attr_real(user, "by");
  return true;
}

// The take of the scores that `choice`, a group_topk, chose; NULL if there is none.
static tl_node *taken_by(const tl_fuser *f, const tl_node *choice) {
  const tl_fuse_value *scores = tl_fuse_value_of(&f->values, choice->operands[0]);
  tl_node *take = NULL;
  for (int i = 0; i < scores->users_count; i++) {
    tl_node *user = scores->users[i];
    if (user == choice) continue;
    if (take || !tl_node_is(user, TL_OP_take) || user->operands[1] != choice->result) return NULL;
    take = user;
  }
  return take;
}

// A choice and the scores that were chosen, which the tile becomes.
static bool absorb_choice(tl_fuser *f, tl_growth *g, const tl_node *choice) {
  tl_node *take = taken_by(f, choice);
  if (!take || !g->whole_rows || !has_room(g)) return false;
  tl_buffer ids = {.name = choice->result->name,
                   .role = TL_BUFFER_INDEX,
                   .symbol = g->kernel->symbol,
                   .columns = attr_int(choice, "k")};
  tl_statement *topk = append(g, TL_STATEMENT_TOPK);
  tl_fuse_value *item = tl_fuse_value_of(&f->values, choice->result);
  item->index = topk->operands[0].buffer = tl_program_add_buffer(f->program, &ids);
  item->done = true;
  topk->operands[1].value = choice->operands[1];
  topk->ints[0] = attr_int(choice, "k");
  topk->ints[1] = attr_int(choice, "groups");
  topk->ints[2] = attr_int(choice, "groups_kept");
  topk->ints[3] = attr_int(choice, "group_best");
  tl_fuse_value_of(&f->values, take->result)->done = true;
  g->value = take->result;
  return item->index != NULL;
}

bool tl_fuse_absorb(tl_fuser *fuser, tl_growth *growth, tl_node *user) {
  if (user->kind != TL_NODE_OP || !has_room(growth)) return false;
  bool taken = true;
  switch ((int)user->op->id) {
  case TL_OP_add: taken = absorb_elements(fuser, growth, user, TL_STATEMENT_ADD); break;
  case TL_OP_mul: taken = absorb_elements(fuser, growth, user, TL_STATEMENT_MUL); break;
  case TL_OP_glu: taken = absorb_glu(fuser, growth, user); break;
  case TL_OP_rmsnorm: taken = absorb_norm(fuser, growth, user, false); break;
  case TL_OP_layernorm: taken = absorb_norm(fuser, growth, user, true); break;
  case TL_OP_rope: taken = absorb_rope(fuser, growth, user); break;
  case TL_OP_softmax: taken = absorb_whole_row(growth, user, TL_STATEMENT_SOFTMAX); break;
  case TL_OP_normalize: taken = absorb_whole_row(growth, user, TL_STATEMENT_NORMALIZE); break;
  case TL_OP_position_scale: taken = absorb_position_scale(growth, user); break;
  case TL_OP_group_topk: return absorb_choice(fuser, growth, user);
  case TL_OP_act: append(growth, TL_STATEMENT_ACT)->ints[0] = attr_int(user, "kind"); break;
  case TL_OP_scale: append(growth, TL_STATEMENT_SCALE)->reals[0] = attr_real(user, "by"); break;
  case TL_OP_softcap:
    append(growth, TL_STATEMENT_SOFTCAP)->reals[0] = attr_real(user, "cap");
    break;
  default: taken = false;
  }
  if (!taken) return false;
  growth->value = user->result;
  tl_fuse_value_of(&fuser->values, user->result)->done = true;
  return true;
}

// The matmuls that alone use a norm's result, perhaps through select_rows: their weights' format,
// or TL_FORMAT_COUNT if there is any other user.
static tl_format matmuls_of(const tl_fuser *f, const tl_value *value) {
  const tl_fuse_value *item = tl_fuse_value_of(&f->values, value);
  tl_format like = TL_FORMAT_COUNT;
  for (int i = 0; i < item->users_count; i++) {
    const tl_node *user = item->users[i];
    tl_format found = TL_FORMAT_COUNT;
    if (tl_node_is(user, TL_OP_linear)) found = weights_of(user);
    if (tl_node_is(user, TL_OP_select_rows)) found = matmuls_of(f, user->result);
    if (found == TL_FORMAT_COUNT || (like != TL_FORMAT_COUNT && like != found)) {
      return TL_FORMAT_COUNT;
    }
    like = found;
  }
  return like;
}

// The norm that `user` of a value is or leads to through select_rows, if it can be folded.
static tl_node *foldable(const tl_fuser *f, tl_node *user) {
  tl_node *norm = user;
  if (tl_node_is(user, TL_OP_select_rows)) {
    const tl_fuse_value *item = tl_fuse_value_of(&f->values, user->result);
    norm = item->users_count == 1 ? item->users[0] : NULL;
  }
  if (!tl_node_is(norm, TL_OP_rmsnorm) || norm->operands[0]->type.rank != 2) return NULL;
  return matmuls_of(f, norm->result) == TL_FORMAT_COUNT ? NULL : norm;
}

// What the users of a value need of it.
typedef struct needs {
  bool f32, query;
  const tl_value *key, *value; // states it is stored into
  int64_t key_unit, value_unit;
  const tl_value *latent; // state it is stored into, from value `latent_first` on
  int64_t latent_first;
  tl_format likes[TL_FUSE_INPUTS_MAX];
  int likes_count;
  tl_node *norm;
} needs;

static void need_input(needs *n, tl_format like) {
  for (int i = 0; i < n->likes_count; i++) {
    if (n->likes[i] == like) return;
  }
  if (n->likes_count < TL_FUSE_INPUTS_MAX) n->likes[n->likes_count++] = like;
}

static void need_state(tl_fuser *f, needs *n, const tl_node *attention, const tl_value *value) {
  const tl_value *root = tl_fuse_root(value), *state = tl_fuse_state_of(f, attention);
  if (tl_fuse_root(attention->operands[0]) == root) n->query = true;
  if (tl_fuse_root(attention->operands[1]) == root && state) {
    n->key = state;
    n->key_unit = attention->operands[1]->type.dims[2].constant;
  }
  if (tl_fuse_root(attention->operands[2]) == root && state) {
    n->value = state;
    n->value_unit = attention->operands[2]->type.dims[2].constant;
  }
}

static void need_latent(needs *n, const tl_node *attention, const tl_value *value) {
  const tl_value *root = tl_fuse_root(value);
  if (tl_fuse_root(attention->operands[0]) == root) {
    need_input(n, attention->operands[4]->type.format);
  }
  if (tl_fuse_root(attention->operands[1]) == root) n->query = true;
  for (int i = 2; i < 4; i++) {
    if (tl_fuse_root(attention->operands[i]) != root || !attention->operands[6]) continue;
    n->latent = attention->operands[6];
    n->latent_first = i == 2 ? 0 : attention->operands[2]->type.dims[1].constant;
  }
}

static void collect_needs(tl_fuser *f, const tl_value *value, needs *n) {
  const tl_fuse_value *item = tl_fuse_value_of(&f->values, value);
  for (int i = 0; i < item->users_count; i++) {
    tl_node *user = item->users[i], *norm = foldable(f, user);
    if (norm && !n->norm) {
      n->norm = norm;
    } else if (is_weighted(user)) {
      need_input(n, weights_of(user));
    } else if (tl_node_is(user, TL_OP_latent_attention)) {
      need_latent(n, user, value);
    } else if (tl_node_is(user, TL_OP_attention)) {
      need_state(f, n, user, value);
    } else if (tl_node_is(user, TL_OP_select_rows) &&
               matmuls_of(f, user->result) != TL_FORMAT_COUNT) {
      need_input(n, matmuls_of(f, user->result));
    } else {
      n->f32 = true;
    }
  }
}

static const tl_buffer *store_into(tl_fuser *f, tl_growth *g, tl_statement_kind kind,
                                   tl_buffer buffer, const char *suffix) {
  buffer.name = tl_arena_format(f->program->arena, "%.*s%s", TL_STR_ARG(buffer.name), suffix);
  buffer.slots = g->slots;
  tl_statement *statement = append(g, kind);
  tl_buffer *added = tl_program_add_buffer(f->program, &buffer);
  if (statement) statement->operands[0].buffer = added;
  return statement && buffer.name.data ? added : NULL;
}

// The folded norm: partial sums of the value itself, then value * gamma as the matmuls' input.
static tl_status store_folded(tl_fuser *f, tl_growth *g, tl_node *norm, tl_buffer like) {
  tl_fuse_value *item = tl_fuse_value_of(&f->values, norm->result);
  tl_buffer sums = like, input = like;
  sums.columns = (like.columns + 63) / 64;
  item->sums = store_into(f, g, TL_STATEMENT_SUMS, sums, ".sums");
  if (norm->operands[1]) {
    append_vector(g, TL_STATEMENT_MUL_VECTOR, norm->operands[1], attr_real(norm, "offset"), 0);
  }
  input.name = norm->result->name;
  input.role = TL_BUFFER_INPUT;
  input.like = matmuls_of(f, norm->result);
  item->inputs[item->inputs_count++] = store_into(f, g, TL_STATEMENT_STORE, input, ".in");
  item->folded = item->done = true;
  item->kernel = (int)f->program->kernels_count - 1;
  return item->sums && item->inputs[0] ? TL_OK : TL_MEMORY;
}

static bool states_fit(const tl_fuser *f, const tl_growth *g, const needs *n) {
  return (!n->key || unit_fits(f, g, n->key_unit)) && (!n->value || unit_fits(f, g, n->value_unit));
}

static void store_states(tl_growth *g, const needs *n) {
  if (n->key) {
    tl_statement *statement = append(g, TL_STATEMENT_STORE_KEY);
    statement->operands[0].value = n->key;
    statement->ints[0] = n->key_unit;
  }
  if (n->latent) {
    tl_statement *statement = append(g, TL_STATEMENT_STORE_LATENT);
    statement->operands[0].value = n->latent;
    statement->ints[0] = n->latent_first;
  }
  if (n->value) {
    tl_statement *statement = append(g, TL_STATEMENT_STORE_VALUE);
    statement->operands[0].value = n->value;
    statement->ints[0] = n->value_unit;
  }
}

static tl_status store_needs(tl_fuser *f, tl_growth *g) {
  needs n = {0};
  collect_needs(f, g->value, &n);
  const tl_value *root = tl_fuse_root(g->value);
  tl_fuse_value *item = tl_fuse_value_of(&f->values, root);
  tl_buffer buffer = {
      .name = root->name, .symbol = g->kernel->symbol, .columns = tl_fuse_row_columns(&root->type)};
  if (g->slots) buffer.columns /= g->slots;
  item->kernel = (int)f->program->kernels_count - 1;
  if (!states_fit(f, g, &n)) {
    item->waits = n.f32 = true;
    n.key = n.value = NULL;
  }
  if (n.f32) item->f32 = store_into(f, g, TL_STATEMENT_STORE, buffer, "");
  store_states(g, &n);
  if (n.query) {
    buffer.role = TL_BUFFER_QUERY;
    item->query = store_into(f, g, TL_STATEMENT_STORE, buffer, ".query");
  }
  for (int i = 0; i < n.likes_count; i++) {
    buffer.role = TL_BUFFER_INPUT;
    buffer.like = n.likes[i];
    item->inputs[item->inputs_count] = store_into(f, g, TL_STATEMENT_STORE, buffer, ".in");
    if (!item->inputs[item->inputs_count++]) return TL_MEMORY;
  }
  buffer.role = TL_BUFFER_F32;
  if (n.norm) TL_TRY(store_folded(f, g, n.norm, buffer));
  return (n.f32 && !item->f32) || (n.query && !item->query) ? TL_MEMORY : TL_OK;
}

tl_status tl_fuse_grow(tl_fuser *fuser, tl_growth *growth) {
  for (;;) {
    const tl_fuse_value *item = tl_fuse_value_of(&fuser->values, growth->value);
    tl_node *user = item->users_count > 0 ? item->users[0] : NULL;
    if (!user || (item->users_count > 1 && !tl_node_is(user, TL_OP_group_topk))) break;
    if (foldable(fuser, user) || !tl_fuse_absorb(fuser, growth, user)) break;
  }
  return store_needs(fuser, growth);
}

tl_status tl_fuse_store_waiting(tl_fuser *f, const tl_node *attention, const tl_value *value) {
  tl_fuse_value *item = tl_fuse_value_of(&f->values, value);
  if (!item->waits) return TL_OK;
  item->waits = false;
  tl_kernel *kernel = tl_fuse_start(f, TL_ANCHOR_ROWS, attention);
  if (!kernel) return TL_MEMORY;
  kernel->name =
      tl_arena_format(f->program->arena, "%.*s.state", TL_STR_ARG(tl_fuse_root(value)->name));
  kernel->input = item->f32;
  kernel->symbol = item->f32->symbol;
  tl_growth g = tl_fuse_growth_of(kernel, value, true);
  needs n = {0};
  collect_needs(f, value, &n);
  store_states(&g, &n);
  return kernel->name.data ? TL_OK : TL_MEMORY;
}
