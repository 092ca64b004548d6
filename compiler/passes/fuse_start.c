// What every kernel begins with: a name, a layer, rows, a segment.
#include "compiler/passes/fuse_start.h"

tl_status tl_fuse_unsupported(const tl_fuser *f, const tl_node *node, const char *why) {
  return tl_diag_error(f->diag, TL_UNSUPPORTED, node->span, "op %.*s: %s",
                       TL_STR_ARG(node->op->name), why);
}

// `l12.attn.q` is in layer 13 of those counted from 1.
static int layer_of(tl_str name) {
  int64_t layer = 0;
  size_t end = 1;
  while (end < name.length && name.data[end] != '.')
    end++;
  bool found = name.length > 2 && name.data[0] == 'l' && end < name.length &&
               tl_str_to_i64(tl_str_slice(name, 1, end), &layer);
  return found && layer >= 0 && layer < 1 << 20 ? (int)layer + 1 : 0;
}

tl_kernel *tl_fuse_start(tl_fuser *f, tl_anchor anchor, const tl_node *node) {
  tl_kernel *kernel = tl_program_add_kernel(f->program, anchor, node->result->name);
  if (!kernel) return NULL;
  kernel->span = node->span;
  kernel->layer = layer_of(node->result->name);
  kernel->symbol = TL_PLAN_SYMBOL_T;
  return kernel;
}

tl_fuse_source tl_fuse_source_of(const tl_fuser *f, const tl_value *value) {
  tl_fuse_source s = {.value = tl_fuse_root(value)};
  for (int step = 0; step < 2; step++) {
    const tl_node *node = s.value->producer;
    if (!s.wanted && tl_node_is(node, TL_OP_select_rows)) {
      s.wanted = true;
      s.value = tl_fuse_root(node->operands[0]);
    }
  }
  if (tl_fuse_value_of(&f->values, s.value)->folded) {
    s.norm = s.value->producer;
    s.wanted |= tl_node_is(tl_fuse_root(s.norm->operands[0])->producer, TL_OP_select_rows);
  }
  return s;
}

tl_plan_symbol tl_fuse_symbol_of(const tl_fuse_source *s, const tl_buffer *buffer) {
  return s->wanted ? TL_PLAN_SYMBOL_R : buffer->symbol;
}

tl_growth tl_fuse_growth_of(tl_kernel *kernel, const tl_value *value, bool whole_rows) {
  tl_segment *segment = &kernel->segments[kernel->segments_count++];
  segment->columns = tl_fuse_row_columns(&value->type);
  return (tl_growth){kernel, segment, whole_rows, value, 0};
}

tl_status tl_fuse_need_input(tl_fuser *f, const tl_node *node, const tl_value *value,
                             tl_format like, const tl_buffer **out_buffer) {
  tl_fuse_value *item = tl_fuse_value_of(&f->values, value);
  *out_buffer = tl_fuse_input_of(item, like);
  if (*out_buffer) return TL_OK;
  if (!item->f32 || item->f32->slots > 1) {
    return tl_fuse_unsupported(f, node, "its input is nowhere stored");
  }
  tl_kernel *kernel = tl_fuse_start(f, TL_ANCHOR_ROWS, node);
  if (!kernel) return TL_MEMORY;
  kernel->input = item->f32;
  kernel->symbol = item->f32->symbol;
  tl_growth g = tl_fuse_growth_of(kernel, value, true);
  tl_buffer buffer = *item->f32;
  buffer.name = tl_arena_format(f->program->arena, "%.*s.in", TL_STR_ARG(buffer.name));
  buffer.role = TL_BUFFER_INPUT;
  buffer.like = like;
  tl_buffer *added = tl_program_add_buffer(f->program, &buffer);
  if (!added || item->inputs_count == TL_FUSE_INPUTS_MAX) return TL_MEMORY;
  tl_segment_add(g.segment, TL_STATEMENT_STORE)->operands[0].buffer = added;
  item->inputs[item->inputs_count++] = *out_buffer = added;
  return TL_OK;
}
