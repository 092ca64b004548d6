// The fuser: walks the graph once, starts a kernel at each anchor and lets it grow.
#include "compiler/passes/fuse.h"

#include "compiler/passes/fuse_start.h"

static void add_weight(tl_fuser *f, tl_segment *segment, const tl_node *linear) {
  segment->weights[segment->weights_count++] = linear->operands[1];
  tl_fuse_value_of(&f->values, linear->result)->done = true;
}

// A segment that holds `linear` without its bias.
static tl_growth start_segment(tl_fuser *f, tl_kernel *kernel, const tl_node *linear,
                               const tl_fuse_source *from) {
  tl_growth g = tl_fuse_growth_of(kernel, linear->result, false);
  add_weight(f, g.segment, linear);
  if (from->norm) {
    tl_statement *scale = tl_segment_add(g.segment, TL_STATEMENT_ROW_RMS);
    scale->operands[0].buffer = tl_fuse_value_of(&f->values, from->value)->sums;
    scale->ints[0] = linear->operands[1]->type.dims[1].constant;
    scale->reals[0] = from->norm->attrs[tl_op_attr_index(from->norm->op, TL_STR("eps"))].f;
  }
  return g;
}

static tl_status fuse_single(tl_fuser *f, tl_kernel *kernel, const tl_fuse_source *from,
                             const tl_node *linear) {
  tl_growth g = start_segment(f, kernel, linear, from);
  const tl_value *bias = linear->operands[2];
  if (bias) tl_segment_add(g.segment, TL_STATEMENT_ADD_VECTOR)->operands[0].value = bias;
  return tl_fuse_grow(f, &g);
}

// The glu that alone uses the results of two matmuls of the same shape, or NULL.
static tl_node *paired_by(const tl_fuser *f, const tl_node *gate, const tl_node *up) {
  const tl_fuse_value *a = tl_fuse_value_of(&f->values, gate->result);
  const tl_fuse_value *b = tl_fuse_value_of(&f->values, up->result);
  if (a->users_count != 1 || b->users_count != 1 || a->users[0] != b->users[0]) return NULL;
  tl_node *glu = a->users[0];
  if (!tl_node_is(glu, TL_OP_glu) || glu->operands[0] != gate->result) return NULL;
  return tl_type_equal(&gate->operands[1]->type, &up->operands[1]->type) ? glu : NULL;
}

typedef struct group {
  tl_node *members[TL_SEGMENTS_MAX];
  int count;
} group;

// The matmuls from node `at` on that can share a kernel: same rows, same format, nothing done yet.
static group group_at(const tl_fuser *f, size_t at) {
  group found = {.members = {f->graph->nodes[at]}, .count = 1};
  const tl_node *first = found.members[0];
  const tl_fuse_value *input = tl_fuse_value_of(&f->values, first->operands[0]);
  for (int i = 0; i < input->users_count && found.count < TL_SEGMENTS_MAX; i++) {
    tl_node *node = input->users[i];
    if (node == first || !tl_node_is(node, TL_OP_linear)) continue;
    if (tl_fuse_value_of(&f->values, node->result)->done) continue;
    if (tl_fuse_root(node->operands[0]) != tl_fuse_root(first->operands[0])) continue;
    if (node->operands[1]->type.format != first->operands[1]->type.format) continue;
    found.members[found.count++] = node;
  }
  return found;
}

static void add_half(tl_segment *segment, const tl_value *bias, int half) {
  if (!bias) return;
  tl_statement *statement = tl_segment_add(segment, TL_STATEMENT_ADD_HALF);
  statement->operands[0].value = bias;
  statement->ints[0] = half;
}

static tl_status fuse_pair(tl_fuser *f, tl_kernel *kernel, const tl_fuse_source *from,
                           const group *pair) {
  const tl_node *gate = pair->members[0], *up = pair->members[1];
  tl_node *glu = paired_by(f, gate, up);
  tl_growth g = start_segment(f, kernel, gate, from);
  add_weight(f, g.segment, up);
  add_half(g.segment, gate->operands[2], 0);
  add_half(g.segment, up->operands[2], 1);
  tl_segment_add(g.segment, TL_STATEMENT_GLU)->ints[0] = glu->attrs[0].i;
  tl_fuse_value_of(&f->values, glu->result)->done = true;
  g.value = glu->result;
  return tl_fuse_grow(f, &g);
}

// Two of the group that a glu joins; they get a kernel of their own.
static bool find_pair(const tl_fuser *f, const group *all, group *out_pair) {
  for (int a = 0; a < all->count; a++) {
    for (int b = 0; b < all->count; b++) {
      if (a == b || !paired_by(f, all->members[a], all->members[b])) continue;
      *out_pair = (group){{all->members[a], all->members[b]}, 2};
      return true;
    }
  }
  return false;
}

static tl_status fuse_linear(tl_fuser *f, size_t at) {
  const tl_node *node = f->graph->nodes[at];
  group all = group_at(f, at), pair;
  tl_fuse_source from = tl_fuse_source_of(f, node->operands[0]);
  const tl_buffer *input;
  TL_TRY(tl_fuse_need_input(f, node, from.value, node->operands[1]->type.format, &input));
  tl_kernel *kernel = tl_fuse_start(f, TL_ANCHOR_MATMUL, node);
  if (!kernel) return TL_MEMORY;
  kernel->input = input;
  kernel->wanted_rows = from.wanted;
  kernel->symbol = tl_fuse_symbol_of(&from, kernel->input);
  bool has_pair = find_pair(f, &all, &pair);
  if (has_pair && (pair.members[0] == node || pair.members[1] == node)) {
    return fuse_pair(f, kernel, &from, &pair);
  }
  for (int i = 0; i < all.count; i++) {
    if (has_pair && (all.members[i] == pair.members[0] || all.members[i] == pair.members[1])) {
      continue;
    }
    TL_TRY(fuse_single(f, kernel, &from, all.members[i]));
  }
  return TL_OK;
}

// A position's or token type's row is looked up like an id's.
static bool source_of_ids(const tl_value *ids, tl_gather_source *out_source) {
  static const char *const names[] = {"ids", "pos", "types"};
  for (int i = 0; i < 3; i++) {
    *out_source = (tl_gather_source)i;
    if (ids->producer->kind == TL_NODE_INPUT && tl_str_is(ids->name, names[i])) return true;
  }
  return false;
}

static tl_status fuse_embed(tl_fuser *f, const tl_node *node) {
  tl_gather_source source;
  if (!source_of_ids(node->operands[0], &source)) {
    return tl_fuse_unsupported(f, node, "rows are looked up by ids, positions or token types");
  }
  tl_kernel *kernel = tl_fuse_start(f, TL_ANCHOR_GATHER, node);
  if (!kernel) return TL_MEMORY;
  kernel->source = source;
  tl_growth g = tl_fuse_growth_of(kernel, node->result, true);
  g.segment->weights[g.segment->weights_count++] = node->operands[1];
  return tl_fuse_grow(f, &g);
}

// An op without an anchor of its own: a tile is a row of its first operand.
static tl_status fuse_rows(tl_fuser *f, tl_node *node) {
  tl_fuse_source from = tl_fuse_source_of(f, node->operands[0]);
  const tl_fuse_value *item = tl_fuse_value_of(&f->values, from.value);
  if (!item->f32 || from.norm) return tl_fuse_unsupported(f, node, "no kernel does it yet");
  tl_kernel *kernel = tl_fuse_start(f, TL_ANCHOR_ROWS, node);
  if (!kernel) return TL_MEMORY;
  kernel->input = item->f32;
  kernel->wanted_rows = from.wanted;
  kernel->symbol = tl_fuse_symbol_of(&from, item->f32);
  tl_growth g = tl_fuse_growth_of(kernel, node->operands[0], true);
  if (!tl_fuse_absorb(f, &g, node)) return tl_fuse_unsupported(f, node, "no kernel does it yet");
  g.segment->columns = tl_fuse_row_columns(&node->operands[0]->type);
  return tl_fuse_grow(f, &g);
}

// Runs of a row's columns, each with statements of its own.
static tl_status fuse_slices(tl_fuser *f, const tl_node *node) {
  const tl_fuse_value *item = tl_fuse_value_of(&f->values, node->operands[0]);
  if (!item->f32 || item->f32->slots > 1 || node->operands[0]->type.rank != 2) {
    return tl_fuse_unsupported(f, node, "no kernel does it yet");
  }
  tl_kernel *kernel = tl_fuse_start(f, TL_ANCHOR_ROWS, node);
  if (!kernel) return TL_MEMORY;
  kernel->input = item->f32;
  kernel->symbol = item->f32->symbol;
  for (int i = 0; i < item->users_count && kernel->segments_count < TL_SEGMENTS_MAX; i++) {
    tl_node *user = item->users[i];
    tl_fuse_value *own =
        tl_node_is(user, TL_OP_slice) ? tl_fuse_value_of(&f->values, user->result) : NULL;
    if (!own || (own->done && user != node)) continue;
    own->done = true;
    tl_growth g = tl_fuse_growth_of(kernel, user->result, true);
    g.segment->first = user->attrs[0].i;
    TL_TRY(tl_fuse_grow(f, &g));
  }
  return TL_OK;
}

static tl_status fuse_node(tl_fuser *f, size_t at) {
  tl_node *node = f->graph->nodes[at];
  if (node->kind != TL_NODE_OP) return TL_OK;
  switch ((int)node->op->id) {
  case TL_OP_split_heads:
  case TL_OP_merge_heads:
  case TL_OP_select_rows: return TL_OK;
  default: break;
  }
  tl_fuse_value *item = tl_fuse_value_of(&f->values, node->result);
  if (item->done) return TL_OK;
  item->done = true;
  switch ((int)node->op->id) {
  case TL_OP_linear: return fuse_linear(f, at);
  case TL_OP_embed: return fuse_embed(f, node);
  case TL_OP_attention: return tl_fuse_attention(f, node);
  case TL_OP_latent_attention: return tl_fuse_latent(f, node);
  case TL_OP_expert_linear: return tl_fuse_experts(f, node);
  case TL_OP_combine: return tl_fuse_combine(f, node);
  case TL_OP_slice: return fuse_slices(f, node);
  default: return fuse_rows(f, node);
  }
}

// One kernel per frequency table and factor, ahead of everything.
static tl_status fuse_table(tl_fuser *f, const tl_node *rope) {
  if (tl_fuse_table_of(f, rope)) return TL_OK;
  if (f->tables_count == TL_FUSE_TABLES_MAX) {
    return tl_fuse_unsupported(f, rope, "too many different frequency tables");
  }
  tl_kernel *kernel = tl_fuse_start(f, TL_ANCHOR_ROPE_TABLE, rope);
  if (!kernel) return TL_MEMORY;
  const tl_value *frequencies = rope->operands[2];
  tl_buffer buffer = {.symbol = TL_PLAN_SYMBOL_T,
                      .columns = 2 * frequencies->type.dims[0].constant};
  buffer.name = tl_arena_format(f->program->arena, "%.*s.turns", TL_STR_ARG(frequencies->name));
  kernel->name = frequencies->name;
  kernel->layer = 0;
  kernel->table = frequencies;
  kernel->factor = rope->attrs[tl_op_attr_index(rope->op, TL_STR("factor"))].f;
  kernel->limit = rope->attrs[tl_op_attr_index(rope->op, TL_STR("limit"))].i;
  kernel->stretch = rope->attrs[tl_op_attr_index(rope->op, TL_STR("stretch"))].f;
  tl_growth g = tl_fuse_growth_of(kernel, rope->result, true);
  g.segment->columns = buffer.columns;
  tl_buffer *added = tl_program_add_buffer(f->program, &buffer);
  if (!added) return TL_MEMORY;
  tl_segment_add(g.segment, TL_STATEMENT_STORE)->operands[0].buffer = added;
  f->tables[f->tables_count++] = (tl_fuse_table){rope, added};
  return TL_OK;
}

static tl_status find_output(tl_fuser *f) {
  for (size_t i = 0; i < f->graph->nodes_count; i++) {
    const tl_node *node = f->graph->nodes[i];
    if (node->kind != TL_NODE_OUTPUT) continue;
    const tl_fuse_value *item = tl_fuse_value_of(&f->values, node->operands[0]);
    if (f->program->output || !item->f32 || item->f32->symbol != TL_PLAN_SYMBOL_R) {
      return tl_diag_error(f->diag, TL_UNSUPPORTED, node->span,
                           "a program has one output, of the wanted rows (select_rows), made by a "
                           "kernel");
    }
    f->program->output = item->f32;
  }
  if (f->program->output) return TL_OK;
  return tl_diag_error(f->diag, TL_INPUT, (tl_span){0}, "graph %.*s has no output",
                       TL_STR_ARG(f->graph->name));
}

tl_status tl_pass_fuse(tl_graph *graph, int64_t unit_max, tl_program **out_program, tl_diag *diag) {
  tl_fuser f = {
      .graph = graph, .program = tl_program_create(graph), .unit_max = unit_max, .diag = diag};
  if (!f.program) return TL_MEMORY;
  TL_TRY(tl_fuse_values_init(&f.values, graph, graph->arena));
  for (size_t i = 0; i < graph->nodes_count; i++) {
    if (tl_node_is(graph->nodes[i], TL_OP_rope)) TL_TRY(fuse_table(&f, graph->nodes[i]));
  }
  for (size_t i = 0; i < graph->nodes_count; i++)
    TL_TRY(fuse_node(&f, i));
  TL_TRY(find_output(&f));
  *out_program = f.program;
  return TL_OK;
}
