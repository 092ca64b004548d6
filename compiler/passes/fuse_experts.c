// Routed experts: rows are grouped by expert once per layer, matmuls work on the sorted rows, a
// last kernel adds each row's experts in the order of their choice.
#include "compiler/passes/fuse_start.h"

// The group kernel of `ids`, which is added when the first matmul wants it.
static tl_status group_rows(tl_fuser *f, const tl_node *node, const tl_routing **out_routing) {
  const tl_value *ids = node->operands[1];
  tl_fuse_value *item = tl_fuse_value_of(&f->values, ids);
  *out_routing = item->routing;
  if (item->routing) return TL_OK;
  if (!item->index) return tl_fuse_unsupported(f, node, "its ids come from no group_topk");
  tl_routing *routing = tl_arena_alloc(f->program->arena, sizeof *routing);
  tl_kernel *kernel = tl_fuse_start(f, TL_ANCHOR_GROUP, node);
  if (!routing || !kernel) return TL_MEMORY;
  *routing = (tl_routing){.ids = item->index,
                          .experts = node->operands[2]->type.dims[0].constant,
                          .chosen = ids->type.dims[1].constant};
  tl_buffer buffer = {
      .role = TL_BUFFER_INDEX, .symbol = TL_PLAN_SYMBOL_T, .columns = 5 * routing->chosen};
  buffer.name = tl_arena_format(f->program->arena, "%.*s.groups", TL_STR_ARG(ids->name));
  kernel->name = buffer.name;
  kernel->routing = *routing;
  tl_growth g = tl_fuse_growth_of(kernel, node->result, true);
  g.segment->columns = buffer.columns;
  routing->groups = tl_program_add_buffer(f->program, &buffer);
  if (!routing->groups) return TL_MEMORY;
  tl_segment_add(g.segment, TL_STATEMENT_STORE)->operands[0].buffer = routing->groups;
  item->routing = *out_routing = routing;
  return TL_OK;
}

// The only user of a value, NULL if there are more.
static tl_node *user_of(const tl_fuser *f, const tl_value *value) {
  const tl_fuse_value *item = tl_fuse_value_of(&f->values, value);
  return item->users_count == 1 ? item->users[0] : NULL;
}

// What scales the matmul's result and alone uses it, NULL if nothing does.
static tl_node *scaling_of(const tl_fuser *f, const tl_node *node) {
  tl_node *user = user_of(f, node->result);
  return tl_node_is(user, TL_OP_scale_choices) && user->operands[0] == node->result ? user : NULL;
}

// The other half of a gated pair: the same rows, experts, shape and scales, and a glu that alone
// uses both.
static tl_node *partner_of(const tl_fuser *f, const tl_node *node, tl_node **out_glu) {
  const tl_node *scaling = scaling_of(f, node);
  const tl_value *own = scaling ? scaling->result : node->result;
  tl_node *glu = user_of(f, own);
  if (!tl_node_is(glu, TL_OP_glu)) return NULL;
  tl_node *last = glu->operands[glu->operands[0] == own]->producer, *other = last;
  if (scaling) {
    bool same = tl_node_is(last, TL_OP_scale_choices) && last->operands[1] == scaling->operands[1];
    if (!same || !user_of(f, last->result)) return NULL;
    other = last->operands[0]->producer;
  }
  if (!tl_node_is(other, TL_OP_expert_linear) || other == node) return NULL;
  if (tl_fuse_root(other->operands[0]) != tl_fuse_root(node->operands[0])) return NULL;
  if (other->operands[1] != node->operands[1]) return NULL;
  if (!user_of(f, other->result)) return NULL;
  *out_glu = glu;
  return tl_type_equal(&other->operands[2]->type, &node->operands[2]->type) ? other : NULL;
}

// Takes over the scales of the choices, of a partner too.
static tl_status scale(tl_fuser *f, tl_growth *g, const tl_node *node, const tl_node *other) {
  tl_node *scaling = scaling_of(f, node);
  if (!scaling) return TL_OK;
  const tl_buffer *scales = tl_fuse_value_of(&f->values, scaling->operands[1])->f32;
  if (!scales) return tl_fuse_unsupported(f, scaling, "its scales are nowhere stored");
  tl_statement *statement = tl_segment_add(g->segment, TL_STATEMENT_SCALE_CHOICE);
  statement->operands[0].buffer = g->kernel->routing.groups;
  statement->operands[1].buffer = scales;
  statement->ints[0] = g->kernel->routing.chosen;
  tl_fuse_value_of(&f->values, scaling->result)->done = true;
  if (other) tl_fuse_value_of(&f->values, scaling_of(f, other)->result)->done = true;
  g->value = scaling->result;
  return TL_OK;
}

tl_status tl_fuse_experts(tl_fuser *f, tl_node *node) {
  const tl_type *weight = &node->operands[2]->type;
  const tl_fuse_value *from = tl_fuse_value_of(&f->values, node->operands[0]);
  const tl_routing *routing;
  const tl_buffer *input;
  TL_TRY(group_rows(f, node, &routing));
  if (from->routing && from->routing != routing) {
    return tl_fuse_unsupported(f, node, "its rows were dealt by other ids");
  }
  TL_TRY(tl_fuse_need_input(f, node, node->operands[0], weight->format, &input));
  tl_kernel *kernel = tl_fuse_start(f, TL_ANCHOR_EXPERTS, node);
  if (!kernel) return TL_MEMORY;
  kernel->input = input;
  kernel->routing = *routing;
  kernel->routing.ids = NULL;
  kernel->routing.picks = input->slots <= 1 && !from->routing;
  tl_node *glu = NULL, *other = partner_of(f, node, &glu);
  tl_growth g = tl_fuse_growth_of(kernel, node->result, false);
  const tl_node *scaling = scaling_of(f, node);
  const tl_value *own = scaling ? scaling->result : node->result;
  const tl_node *gate = glu && glu->operands[0] != own ? other : node;
  g.segment->weights[g.segment->weights_count++] = gate->operands[2];
  g.segment->columns = weight->dims[1].constant;
  g.slots = routing->chosen;
  TL_TRY(scale(f, &g, node, other));
  if (other) {
    g.segment->weights[g.segment->weights_count++] = (gate == node ? other : node)->operands[2];
    tl_segment_add(g.segment, TL_STATEMENT_GLU)->ints[0] = glu->attrs[0].i;
    tl_fuse_value_of(&f->values, other->result)->done = true;
    tl_fuse_value_of(&f->values, glu->result)->done = true;
    g.value = glu->result;
  }
  TL_TRY(tl_fuse_grow(f, &g));
  tl_fuse_value_of(&f->values, g.value)->routing = routing;
  return TL_OK;
}

tl_status tl_fuse_combine(tl_fuser *f, const tl_node *node) {
  const tl_fuse_value *rows = tl_fuse_value_of(&f->values, node->operands[0]);
  const tl_buffer *weights = NULL;
  if (node->operands[1]) weights = tl_fuse_value_of(&f->values, node->operands[1])->f32;
  if (!rows->f32 || !rows->routing || (node->operands[1] && !weights)) {
    return tl_fuse_unsupported(f, node, "its rows come from no expert_linear");
  }
  tl_kernel *kernel = tl_fuse_start(f, TL_ANCHOR_COMBINE, node);
  if (!kernel) return TL_MEMORY;
  kernel->input = rows->f32;
  kernel->routing = *rows->routing;
  kernel->routing.ids = NULL;
  kernel->routing.weights = weights;
  tl_growth g = tl_fuse_growth_of(kernel, node->result, true);
  return tl_fuse_grow(f, &g);
}
