// CPU launches: which template, with which constants and arguments.
#include "compiler/codegen/cpu_plan.h"

#include <stdio.h>

#include "compiler/codegen/memory.h"
#include "compiler/passes/fuse.h"
#include "templates/cpu/constants.h"
#include "templates/cpu/panel.h"

enum {
  MATMUL_ROWS = 128, // rows of one item: panels stay in L2 over them
  OTHER_ROWS = 4,
  STATE_ARGS = 3 // a state operand is its address, bytes from page to page, group
};

typedef struct builder {
  const tl_program *program;
  tl_plan_builder *tables;
  tl_cpu_plan *plan;
  uint32_t kv_types;
  uint32_t (*rows)[TL_PLAN_KV_COUNT]; // of the buffer table, by number in the program
  tl_memory_life *lives;              // of the buffer table's rows
  const tl_value **states;            // in order of the state table
  uint32_t launch;                    // number of the one that is being made
  tl_diag *diag;
} builder;

static int64_t round_up(int64_t value, int64_t to) {
  return (value + to - 1) / to * to;
}

// What a matmul with weights of `format` reads.
static tl_format input_format(tl_format format) {
  return format == TL_FORMAT_BF16 ? TL_FORMAT_BF16 : TL_FORMAT_F32;
}

static tl_format kv_format(tl_plan_kv_type kv) {
  return kv == TL_PLAN_KV_BF16 ? TL_FORMAT_BF16 : TL_FORMAT_F32;
}

static int64_t element_bytes(tl_format format) {
  return tl_format_of(format)->bits / 8;
}

static tl_status cpu_format(builder *b, tl_format format, tl_span span, int64_t *out_format) {
  switch ((int)format) {
  case TL_FORMAT_F32: *out_format = TL_CPU_F32; return TL_OK;
  case TL_FORMAT_BF16: *out_format = TL_CPU_BF16; return TL_OK;
  case TL_FORMAT_F16: *out_format = TL_CPU_F16; return TL_OK;
  case TL_FORMAT_Q8G32: *out_format = TL_CPU_Q8G32; return TL_OK;
  default:
    return tl_diag_error(b->diag, TL_UNSUPPORTED, span, "no cpu kernel reads %.*s weights yet",
                         TL_STR_ARG(tl_format_of(format)->text));
  }
}

static tl_format buffer_format(const tl_buffer *buffer, tl_plan_kv_type kv) {
  if (buffer->role == TL_BUFFER_INPUT) return input_format(buffer->like);
  return buffer->role == TL_BUFFER_QUERY ? kv_format(kv) : TL_FORMAT_F32;
}

static int64_t row_bytes(const tl_buffer *buffer, tl_plan_kv_type kv) {
  return round_up(buffer->columns, 64) * element_bytes(buffer_format(buffer, kv));
}

static void add_buffer(builder *b, uint32_t index, tl_plan_kv_type kv) {
  const tl_buffer *buffer = b->program->buffers[index];
  tl_plan_buffer row = {.name = tl_plan_text(b->tables, buffer->name),
                        .symbol = buffer->symbol,
                        .columns = (uint32_t)buffer->columns,
                        .row_bytes = (uint64_t)row_bytes(buffer, kv)};
  row.format = tl_plan_text(b->tables, tl_format_of(buffer_format(buffer, kv))->text);
  b->rows[index][kv] = tl_plan_add_buffer(b->tables, &row);
}

static tl_status add_buffers(builder *b) {
  size_t count = b->program->buffers_count;
  b->rows = tl_arena_array(b->program->arena, count + 1, sizeof *b->rows);
  b->lives = tl_arena_array(b->program->arena, 2 * count + 1, sizeof *b->lives);
  if (!b->rows || !b->lives) return TL_MEMORY;
  for (size_t i = 0; i < 2 * count; i++)
    b->lives[i].first = UINT32_MAX;
  for (uint32_t i = 0; i < count; i++) {
    add_buffer(b, i, TL_PLAN_KV_F32);
    b->rows[i][TL_PLAN_KV_BF16] = b->rows[i][TL_PLAN_KV_F32];
    if (b->program->buffers[i]->role == TL_BUFFER_QUERY) add_buffer(b, i, TL_PLAN_KV_BF16);
  }
  return TL_OK;
}

static uint32_t buffer_row(builder *b, const tl_buffer *buffer, tl_plan_kv_type kv) {
  size_t index = 0;
  while (index < b->program->buffers_count && b->program->buffers[index] != buffer)
    index++;
  uint32_t row = b->rows[index][kv];
  tl_memory_life *life = &b->lives[row];
  if (b->launch < life->first) life->first = b->launch;
  if (b->launch > life->last) life->last = b->launch;
  return row;
}

static tl_plan_group_kind group_kind(tl_state_kind kind) {
  switch (kind) {
  case TL_STATE_WINDOW: return TL_PLAN_GROUP_WINDOW;
  case TL_STATE_CHUNK: return TL_PLAN_GROUP_CHUNK;
  case TL_STATE_LATENT: return TL_PLAN_GROUP_LATENT;
  case TL_STATE_CROSS: return TL_PLAN_GROUP_CROSS;
  default: return TL_PLAN_GROUP_FULL;
  }
}

static tl_status group_of(builder *b, const tl_node *node, uint32_t *out_group) {
  uint32_t kind = group_kind(node->state.kind), span = (uint32_t)node->state.span;
  for (*out_group = 0; *out_group < b->tables->groups_count; ++*out_group) {
    const tl_plan_group *group = &b->tables->groups[*out_group];
    if (group->kind == kind && group->span == span) return TL_OK;
  }
  if (*out_group == TL_GROUPS_MAX) {
    return tl_diag_error(b->diag, TL_UNSUPPORTED, node->span, "more than %d kinds of state",
                         TL_GROUPS_MAX);
  }
  *out_group = tl_plan_add_group(b->tables, &(tl_plan_group){.kind = kind, .span = span});
  return TL_OK;
}

static tl_status add_state(builder *b, const tl_node *node) {
  uint32_t group = 0;
  TL_TRY(group_of(b, node, &group));
  const tl_state_info *info = &node->state;
  tl_plan_state row = {.name = tl_plan_text(b->tables, node->result->name),
                       .group = group,
                       .heads = (uint32_t)info->heads,
                       .key = (uint32_t)info->key,
                       .value = (uint32_t)info->value};
  for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++) {
    int bytes = (int)element_bytes(kv_format((tl_plan_kv_type)kv));
    uint64_t *page_bytes = &b->tables->groups[group].page_bytes[kv];
    row.offset[kv] = *page_bytes;
    *page_bytes += (uint64_t)(info->heads * (tl_page_key_bytes(info->key, bytes) +
                                             tl_page_value_bytes(info->value, bytes)));
  }
  b->states[b->tables->states_count] = node->result;
  tl_plan_add_state(b->tables, &row);
  return TL_OK;
}

static tl_status add_states(builder *b) {
  const tl_graph *graph = b->program->graph;
  b->states = tl_arena_array(b->program->arena, graph->nodes_count + 1, sizeof *b->states);
  if (!b->states) return TL_MEMORY;
  for (size_t i = 0; i < graph->nodes_count; i++) {
    if (graph->nodes[i]->kind == TL_NODE_STATE) TL_TRY(add_state(b, graph->nodes[i]));
  }
  return TL_OK;
}

static uint32_t state_row(const builder *b, const tl_value *state) {
  uint32_t row = 0;
  while (row < b->tables->states_count && b->states[row] != state)
    row++;
  return row;
}

// A launch while its arguments and constants are collected.
typedef struct draft {
  builder *b;
  const tl_kernel *kernel;
  tl_plan_kv_type kv;
  tl_spec *spec;
  tl_plan_launch launch;
  uint32_t scratch_bytes;
  int args_count;
} draft;

static void arg(draft *d, tl_plan_arg_kind kind, uint32_t index, int64_t value) {
  tl_plan_add_arg(d->b->tables, &(tl_plan_arg){kind, index, value});
  d->args_count++;
}

static void arg_weight(draft *d, const tl_value *value, double offset, tl_plan_layout layout) {
  arg(d, TL_PLAN_ARG_WEIGHT, tl_plan_weight_of(d->b->tables, value, offset, layout), 0);
}

static void arg_buffer(draft *d, const tl_buffer *buffer) {
  arg(d, TL_PLAN_ARG_BUFFER, buffer_row(d->b, buffer, d->kv), 0);
}

static void arg_state(draft *d, const tl_value *state) {
  uint32_t row = state_row(d->b, state);
  arg(d, TL_PLAN_ARG_STATE, row, 0);
  arg(d, TL_PLAN_ARG_PAGE_BYTES, row, 0);
  arg(d, TL_PLAN_ARG_GROUP, row, 0);
}

static void constant(draft *d, const char *name, int64_t value) {
  d->spec->constants[d->spec->constants_count++] = (tl_spec_constant){.name = name, .i = value};
}

static void constant_real(draft *d, const char *name, double value) {
  d->spec->constants[d->spec->constants_count++] =
      (tl_spec_constant){.name = name, .is_real = true, .f = value};
}

static int64_t format_code(const draft *d, const tl_buffer *buffer) {
  return buffer_format(buffer, d->kv) == TL_FORMAT_BF16 ? TL_CPU_BF16 : TL_CPU_F32;
}

static void add_call(draft *d, int segment, const tl_statement *statement) {
  const tl_statement_info *info = tl_statement_of(statement->kind);
  tl_spec_call call = {
      .kind = statement->kind, .first_arg = d->args_count, .real = statement->reals[0]};
  memcpy(call.ints, statement->ints, sizeof call.ints);
  for (int i = 0; info->operands[i]; i++) {
    const tl_operand *operand = &statement->operands[i];
    if (operand->buffer) {
      arg_buffer(d, operand->buffer);
      call.row_bytes = row_bytes(operand->buffer, d->kv);
      call.format = format_code(d, operand->buffer);
    } else if (operand->value->producer->kind == TL_NODE_STATE) {
      const tl_state_info *state = &operand->value->producer->state;
      arg_state(d, operand->value);
      call.format = d->kv == TL_PLAN_KV_BF16 ? TL_CPU_BF16 : TL_CPU_F32;
      call.key = state->key;
      call.value = state->value;
    } else {
      arg_weight(d, operand->value, operand->offset, TL_PLAN_LAYOUT_VECTOR);
    }
  }
  if (statement->kind == TL_STATEMENT_ROW_RMS) {
    const tl_buffer *sums = statement->operands[0].buffer;
    call.ints[1] = sums->columns; // NOLINT(*.NullDereference): program/verify.c saw to it
    call.ints[2] = d->kernel->wanted_rows && sums->symbol == TL_PLAN_SYMBOL_T;
  }
  d->spec->calls[segment][d->spec->calls_count[segment]++] = call;
}

static void add_calls(draft *d) {
  d->spec->segments_count = d->kernel->segments_count;
  for (int s = 0; s < d->kernel->segments_count; s++) {
    for (int i = 0; i < d->kernel->segments[s].statements_count; i++)
      add_call(d, s, &d->kernel->segments[s].statements[i]);
  }
}

static void set_rows(draft *d, int64_t block) {
  constant(d, "T_SYMBOL_R", d->kernel->symbol == TL_PLAN_SYMBOL_R);
  constant(d, "T_WANTED", d->kernel->wanted_rows);
  constant(d, "T_BLOCK", block);
  d->launch.grid_symbol = d->kernel->symbol;
  d->launch.grid_rows = (uint32_t)block;
  d->launch.grid_items = 1;
}

static void set_input(draft *d) {
  constant(d, "T_INPUT", format_code(d, d->kernel->input));
  constant(d, "T_INPUT_BYTES", row_bytes(d->kernel->input, d->kv));
  arg_buffer(d, d->kernel->input);
}

static tl_status draft_matmul(draft *d) {
  const tl_kernel *kernel = d->kernel;
  const tl_segment *first = &kernel->segments[0];
  const tl_type *type = &first->weights[0]->type;
  int64_t unit = tl_kernel_unit(kernel, TL_FUSE_UNIT_MAX), format = 0, units = 0;
  TL_TRY(cpu_format(d->b, type->format, kernel->span, &format));
  set_rows(d, MATMUL_ROWS);
  set_input(d);
  constant(d, "T_WEIGHT", format);
  constant(d, "T_COLUMNS", type->dims[1].constant);
  constant(d, "T_UNIT", unit / 64);
  constant(d, "T_WEIGHTS", first->weights_count);
  constant(d, "T_SEGMENTS", kernel->segments_count);
  for (int s = 0; s < kernel->segments_count; s++) {
    int64_t columns = kernel->segments[s].weights[0]->type.dims[0].constant;
    units += (columns + unit - 1) / unit;
    arg(d, TL_PLAN_ARG_INT, 0, units);
    d->launch.flops +=
        (uint64_t)(2 * columns * type->dims[1].constant * kernel->segments[s].weights_count);
  }
  for (int s = 0; s < kernel->segments_count; s++) {
    const tl_segment *segment = &kernel->segments[s];
    arg(d, TL_PLAN_ARG_INT, 0, segment->weights[0]->type.dims[0].constant);
    for (int w = 0; w < segment->weights_count; w++)
      arg_weight(d, segment->weights[w], 0, TL_PLAN_LAYOUT_PANEL64);
  }
  d->launch.grid_items = (uint32_t)units;
  d->scratch_bytes = (uint32_t)(TL_TILE_ROWS * unit * first->weights_count * 4);
  add_calls(d);
  return TL_OK;
}

static tl_status draft_rows(draft *d) {
  set_rows(d, OTHER_ROWS);
  set_input(d);
  constant(d, "T_COLUMNS", d->kernel->input->columns);
  d->scratch_bytes = (uint32_t)(round_up(d->kernel->input->columns, 64) * 4);
  add_calls(d);
  return TL_OK;
}

static tl_status draft_gather(draft *d) {
  const tl_value *weight = d->kernel->segments[0].weights[0];
  int64_t format = 0;
  TL_TRY(cpu_format(d->b, weight->type.format, d->kernel->span, &format));
  set_rows(d, OTHER_ROWS);
  constant(d, "T_WEIGHT", format);
  constant(d, "T_COLUMNS", weight->type.dims[1].constant);
  arg(d, TL_PLAN_ARG_INT, 0, weight->type.dims[0].constant);
  arg_weight(d, weight, 0, TL_PLAN_LAYOUT_PANEL64);
  d->scratch_bytes = (uint32_t)(round_up(weight->type.dims[1].constant, 64) * 4);
  add_calls(d);
  return TL_OK;
}

static const tl_buffer *only_store(const tl_kernel *kernel) {
  return kernel->segments[0].statements[0].operands[0].buffer;
}

static tl_status draft_attention(draft *d) {
  const tl_attention *a = &d->kernel->attention;
  const tl_buffer *out = only_store(d->kernel);
  if (a->key % 2) {
    return tl_diag_error(d->b->diag, TL_UNSUPPORTED, d->kernel->span,
                         "heads of an odd number of values (%lld) have no cpu kernel",
                         (long long)a->key);
  }
  constant(d, "T_INPUT", format_code(d, out));
  constant(d, "T_CACHE", d->kv == TL_PLAN_KV_BF16 ? TL_CPU_BF16 : TL_CPU_F32);
  constant(d, "T_KEY", a->key);
  constant(d, "T_VALUE", a->value);
  constant(d, "T_HEADS", a->kv_heads);
  constant(d, "T_QUERIES", a->heads / a->kv_heads);
  constant(d, "T_WINDOW", a->window);
  constant(d, "T_CHUNK", a->chunk);
  constant_real(d, "T_SCALE", a->scale);
  constant_real(d, "T_SOFTCAP", a->softcap);
  arg_buffer(d, d->kernel->input);
  arg_buffer(d, out);
  arg_state(d, a->state);
  arg(d, TL_PLAN_ARG_INT, 0, row_bytes(d->kernel->input, d->kv));
  arg(d, TL_PLAN_ARG_INT, 0, row_bytes(out, d->kv));
  d->launch.grid_symbol = TL_PLAN_SYMBOL_A;
  d->launch.grid_items = (uint32_t)a->kv_heads;
  d->launch.grid_rows = 1;
  // Scores, weights, two sums, queries; values of one step of the tile unit.
  int64_t value = round_up(a->value, 16), row = 64 * 2 + value * 2 + round_up(a->key, 16);
  d->scratch_bytes = (uint32_t)((TL_QUERY_ROWS * row + TL_TILES_STEP / 2 * value) * 4);
  return TL_OK;
}

static tl_status draft_table(draft *d) {
  const tl_buffer *out = only_store(d->kernel);
  set_rows(d, OTHER_ROWS);
  constant(d, "T_PAIRS", d->kernel->table->type.dims[0].constant);
  constant_real(d, "T_FACTOR", d->kernel->factor);
  constant(d, "T_INPUT_BYTES", row_bytes(out, d->kv));
  arg_weight(d, d->kernel->table, 0, TL_PLAN_LAYOUT_VECTOR);
  arg_buffer(d, out);
  return TL_OK;
}

static tl_status fill(draft *d) {
  switch (d->kernel->anchor) {
  case TL_ANCHOR_MATMUL: return draft_matmul(d);
  case TL_ANCHOR_ROWS: return draft_rows(d);
  case TL_ANCHOR_GATHER: return draft_gather(d);
  case TL_ANCHOR_ATTENTION: return draft_attention(d);
  case TL_ANCHOR_ROPE_TABLE: return draft_table(d);
  default: return TL_INTERNAL;
  }
}

// Whether anything in `kernel` is kept in the KV type.
static bool depends_on_kv(const tl_kernel *kernel) {
  if (kernel->anchor == TL_ANCHOR_ATTENTION) return true;
  for (int s = 0; s < kernel->segments_count; s++) {
    for (int i = 0; i < kernel->segments[s].statements_count; i++) {
      const tl_statement *statement = &kernel->segments[s].statements[i];
      const tl_buffer *buffer = statement->operands[0].buffer;
      if (statement->kind == TL_STATEMENT_STORE_KEY ||
          statement->kind == TL_STATEMENT_STORE_VALUE ||
          (buffer && buffer->role == TL_BUFFER_QUERY)) {
        return true;
      }
    }
  }
  return false;
}

// The number of a spec with this text, added if it is new.
static tl_status spec_index(builder *b, const draft *d, uint32_t *out_index) {
  tl_arena *arena = b->program->arena;
  tl_cpu_plan *plan = b->plan;
  tl_str text = tl_spec_print(d->spec, arena);
  for (*out_index = 0; *out_index < plan->specs_count; ++*out_index) {
    if (tl_str_equal(plan->texts[*out_index], text)) return TL_OK;
  }
  size_t count = plan->specs_count + 1;
  tl_spec **specs = tl_arena_grow(arena, plan->specs, &plan->specs_capacity, count, sizeof *specs);
  if (specs) plan->specs = specs;
  tl_str *texts = tl_arena_grow(arena, plan->texts, &plan->texts_capacity, count, sizeof *texts);
  if (texts) plan->texts = texts;
  uint32_t *bytes =
      tl_arena_grow(arena, plan->scratch_bytes, &plan->scratch_capacity, count, sizeof *bytes);
  if (bytes) plan->scratch_bytes = bytes;
  tl_spec *copy = tl_arena_alloc(arena, sizeof *copy);
  if (!specs || !texts || !bytes || !copy || !text.data) return TL_MEMORY;
  *copy = *d->spec;
  specs[plan->specs_count] = copy;
  texts[plan->specs_count] = text;
  bytes[plan->specs_count++] = d->scratch_bytes;
  return TL_OK;
}

static tl_status add_launch(builder *b, const tl_kernel *kernel, uint32_t kv_types) {
  tl_spec spec = {.anchor = kernel->anchor};
  draft d = {.b = b, .kernel = kernel, .spec = &spec};
  d.kv = kv_types & 1u << TL_PLAN_KV_F32 ? TL_PLAN_KV_F32 : TL_PLAN_KV_BF16;
  d.launch = (tl_plan_launch){.name = tl_plan_text(b->tables, kernel->name),
                              .kind = TL_PLAN_LAUNCH_KERNEL,
                              .guard_kv = kv_types,
                              .guard_max = UINT32_MAX,
                              .layer = (uint32_t)kernel->layer,
                              .first_arg = (uint32_t)b->tables->args_count};
  d.launch.text = tl_plan_text(b->tables, tl_kernel_print(kernel, b->program->arena));
  TL_TRY(fill(&d));
  d.launch.args_count = (uint32_t)d.args_count;
  TL_TRY(spec_index(b, &d, &d.launch.kernel));
  tl_cpu_plan *plan = b->plan;
  tl_plan_launch *grown = tl_arena_grow(b->program->arena, plan->launches, &plan->launches_capacity,
                                        plan->launches_count + 1, sizeof *grown);
  if (!grown) return TL_MEMORY;
  plan->launches = grown;
  plan->launches[plan->launches_count++] = d.launch;
  return TL_OK;
}

static tl_status add_launches(builder *b) {
  for (size_t i = 0; i < b->program->kernels_count; i++) {
    const tl_kernel *kernel = b->program->kernels[i];
    b->launch = (uint32_t)i;
    if (!depends_on_kv(kernel)) {
      TL_TRY(add_launch(b, kernel, b->kv_types));
      continue;
    }
    for (uint32_t kv = 0; kv < TL_PLAN_KV_COUNT; kv++) {
      if (b->kv_types & 1u << kv) TL_TRY(add_launch(b, kernel, 1u << kv));
    }
  }
  return TL_OK;
}

tl_status tl_cpu_plan_build(const tl_program *program, uint32_t kv_types, tl_plan_builder *tables,
                            tl_cpu_plan *out_plan, tl_diag *diag) {
  *out_plan = (tl_cpu_plan){0};
  builder b = {
      .program = program, .tables = tables, .plan = out_plan, .kv_types = kv_types, .diag = diag};
  TL_TRY(add_buffers(&b));
  TL_TRY(add_states(&b));
  TL_TRY(add_launches(&b));
  // The output is read after the last launch.
  out_plan->output = buffer_row(&b, program->output, TL_PLAN_KV_F32);
  b.lives[out_plan->output].last = UINT32_MAX;
  return tl_memory_place(tables->buffers, b.lives, (uint32_t)tables->buffers_count,
                         out_plan->arena_bytes, program->arena);
}
