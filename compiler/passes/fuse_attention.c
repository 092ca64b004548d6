// Attention: over keys and values of each head, and over latent rows.
#include "compiler/passes/fuse_start.h"

static double real_of(const tl_node *node, const char *name) {
  return node->attrs[tl_op_attr_index(node->op, tl_str_from(name))].f;
}

static int64_t int_of(const tl_node *node, const char *name) {
  return node->attrs[tl_op_attr_index(node->op, tl_str_from(name))].i;
}

// A matmul's input if all users are matmuls of one format, else f32.
static void set_role(const tl_fuser *f, const tl_value *value, tl_buffer *buffer) {
  const tl_fuse_value *item = tl_fuse_value_of(&f->values, value);
  buffer->role = TL_BUFFER_INPUT;
  for (int i = 0; i < item->users_count; i++) {
    const tl_node *user = item->users[i];
    tl_format found =
        tl_node_is(user, TL_OP_linear) ? user->operands[1]->type.format : TL_FORMAT_COUNT;
    if (i == 0) buffer->like = found;
    if (found == TL_FORMAT_COUNT || found != buffer->like) {
      buffer->role = TL_BUFFER_F32;
      buffer->like = TL_FORMAT_F32;
      return;
    }
  }
}

// The kernel's only statement stores to `buffer`, which is added.
static tl_status store_only(tl_fuser *f, tl_growth *g, const tl_buffer *buffer,
                            const tl_buffer **out_added) {
  *out_added = tl_program_add_buffer(f->program, buffer);
  if (!*out_added) return TL_MEMORY;
  tl_segment_add(g->segment, TL_STATEMENT_STORE)->operands[0].buffer = *out_added;
  return TL_OK;
}

// Attention's result, in the form that its users want.
static tl_status store_result(tl_fuser *f, tl_growth *g) {
  tl_fuse_value *own = tl_fuse_value_of(&f->values, g->value);
  tl_buffer buffer = {.name = tl_fuse_root(g->value)->name,
                      .symbol = TL_PLAN_SYMBOL_T,
                      .columns = tl_fuse_row_columns(&g->value->type)};
  const tl_buffer *added;
  set_role(f, g->value, &buffer);
  TL_TRY(store_only(f, g, &buffer, &added));
  own->kernel = (int)f->program->kernels_count - 1;
  if (buffer.role == TL_BUFFER_F32) {
    own->f32 = added;
  } else {
    own->inputs[own->inputs_count++] = added;
  }
  return TL_OK;
}

tl_status tl_fuse_attention(tl_fuser *f, const tl_node *node) {
  const tl_type *q = &node->operands[0]->type, *k = &node->operands[1]->type;
  const tl_buffer *query = tl_fuse_value_of(&f->values, node->operands[0])->query;
  bool full = int_of(node, "mask") != 0;
  if (!node->operands[3] && !full) {
    return tl_fuse_unsupported(f, node, "it has no kernel that is causal without a cache");
  }
  if (full && (int_of(node, "window") || int_of(node, "chunk"))) {
    return tl_fuse_unsupported(f, node,
                               "it has no kernel that is not causal with a window or chunks");
  }
  if (!query) return tl_fuse_unsupported(f, node, "its queries are nowhere stored");
  TL_TRY(tl_fuse_store_waiting(f, node, node->operands[1]));
  TL_TRY(tl_fuse_store_waiting(f, node, node->operands[2]));
  tl_kernel *kernel = tl_fuse_start(f, TL_ANCHOR_ATTENTION, node);
  const tl_value *state = tl_fuse_state_of(f, node);
  if (!kernel || !state) return TL_MEMORY;
  kernel->input = query;
  kernel->attention = (tl_attention){.state = state,
                                     .full = full,
                                     .heads = q->dims[1].constant,
                                     .kv_heads = k->dims[1].constant,
                                     .key = q->dims[2].constant,
                                     .value = node->operands[2]->type.dims[2].constant,
                                     .scale = real_of(node, "scale"),
                                     .window = int_of(node, "window"),
                                     .chunk = int_of(node, "chunk"),
                                     .softcap = real_of(node, "softcap")};
  f->program->whole |= full;
  tl_growth g = tl_fuse_growth_of(kernel, node->result, false);
  return store_result(f, &g);
}

// One head's matmul of each row, in and out beside each other; what follows is up to the caller.
static tl_status start_heads(tl_fuser *f, const tl_node *node, const tl_latents *latents,
                             const tl_value *weight, tl_growth *out_growth) {
  tl_kernel *kernel = tl_fuse_start(f, TL_ANCHOR_HEADS, node);
  if (!kernel) return TL_MEMORY;
  kernel->input = latents->plain;
  kernel->latents = latents;
  *out_growth = tl_fuse_growth_of(kernel, node->result, false);
  out_growth->segment->weights[out_growth->segment->weights_count++] = weight;
  out_growth->segment->columns = weight->type.dims[1].constant;
  return TL_OK;
}

static tl_buffer rows_buffer(const tl_fuser *f, const tl_node *node, const char *suffix,
                             int64_t columns) {
  tl_str name =
      tl_arena_format(f->program->arena, "%.*s%s", TL_STR_ARG(node->result->name), suffix);
  return (tl_buffer){.name = name, .symbol = TL_PLAN_SYMBOL_T, .columns = columns};
}

// Queries to the latent side, attention there, the mean latents back to values: keys and values of
// a position are never made.
tl_status tl_fuse_latent(tl_fuser *f, const tl_node *node) {
  const tl_value *key = node->operands[4], *value = node->operands[5];
  int64_t heads = key->type.dims[0].constant, latent = key->type.dims[1].constant;
  const tl_buffer *turned = tl_fuse_value_of(&f->values, node->operands[1])->query;
  if (!node->operands[6]) return tl_fuse_unsupported(f, node, "it has no kernel without a cache");
  if (!turned) return tl_fuse_unsupported(f, node, "its queries are nowhere stored");
  const tl_buffer *plain, *query, *mean;
  TL_TRY(tl_fuse_need_input(f, node, node->operands[0], key->type.format, &plain));
  tl_latents *latents = tl_arena_alloc(f->program->arena, sizeof *latents);
  if (!latents) return TL_MEMORY;
  *latents = (tl_latents){plain, turned, node->operands[6], key, value, real_of(node, "scale")};
  tl_growth g;
  TL_TRY(start_heads(f, node, latents, key, &g));
  tl_buffer buffer = rows_buffer(f, node, ".query", heads * latent);
  buffer.role = TL_BUFFER_QUERY;
  g.kernel->name = buffer.name;
  TL_TRY(store_only(f, &g, &buffer, &query));

  tl_kernel *kernel = tl_fuse_start(f, TL_ANCHOR_LATENT, node);
  if (!kernel) return TL_MEMORY;
  kernel->input = query;
  kernel->latents = latents;
  kernel->attention = (tl_attention){.state = node->operands[6],
                                     .turned = turned,
                                     .heads = heads,
                                     .kv_heads = 1,
                                     .key = latent,
                                     .value = node->operands[3]->type.dims[1].constant,
                                     .scale = latents->scale};
  g = tl_fuse_growth_of(kernel, node->result, false);
  buffer = rows_buffer(f, node, ".mean", heads * latent);
  buffer.role = TL_BUFFER_INPUT;
  buffer.like = value->type.format;
  kernel->name = buffer.name;
  TL_TRY(store_only(f, &g, &buffer, &mean));

  TL_TRY(start_heads(f, node, latents, value, &g));
  g.kernel->input = mean;
  return store_result(f, &g);
}

static bool same_state(const tl_state_info *a, const tl_state_info *b) {
  return a->heads == b->heads && a->key == b->key && a->value == b->value;
}

// A state that no graph has: the rows of a step, which lie in pages while a layer runs.
static const tl_value *add_state(tl_fuser *f, const tl_node *attention, const tl_state_info *info) {
  tl_program *program = f->program;
  tl_node *node = tl_arena_alloc(program->arena, sizeof *node);
  tl_value *value = tl_arena_alloc(program->arena, sizeof *value);
  if (!node || !value || program->states_count == TL_PROGRAM_STATES_MAX) return NULL;
  *node =
      (tl_node){.kind = TL_NODE_STATE, .span = attention->span, .result = value, .state = *info};
  *value = (tl_value){.producer = node};
  value->name = tl_arena_format(program->arena, "step.kv.%d", program->states_count);
  if (!value->name.data) return NULL;
  program->states[program->states_count++] = value;
  return value;
}

const tl_value *tl_fuse_state_of(tl_fuser *f, const tl_node *attention) {
  if (attention->operands[3]) return attention->operands[3];
  const tl_type *key = &attention->operands[1]->type, *value = &attention->operands[2]->type;
  const tl_state_info info = {.kind = TL_STATE_FULL,
                              .heads = key->dims[1].constant,
                              .key = key->dims[2].constant,
                              .value = value->dims[2].constant};
  for (int i = 0; i < f->program->states_count; i++) {
    const tl_value *state = f->program->states[i];
    if (same_state(&state->producer->state, &info)) return state;
  }
  return add_state(f, attention, &info);
}
