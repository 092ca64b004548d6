// Buffers, states and launches of a program, one launch per variant and KV type.
#include "compiler/codegen/drafts.h"

#include "compiler/codegen/memory.h"
#include "runtime/base/hash.h"

enum {
  OWN_MAX = 64 // buffers of a device's own
};

struct tl_drafter {
  const tl_program *program;
  const tl_draft_rules *rules;
  tl_plan_builder *tables;
  tl_drafts *drafts;
  tl_draft_choice choice;
  uint32_t (*rows)[TL_PLAN_KV_COUNT]; // of the buffer table, by number in the program
  uint32_t buffers_first;             // row of the first: those before are another device's
  tl_memory_life *lives;              // of the rows from there on
  const tl_value **states;            // in order of the state table
  uint32_t own_first, own_count;      // buffers of a device's own lie behind the program's
  uint32_t name, text;                // of the kernel's launches, once one of them exists
  uint32_t products;                  // row + 1 of the kernel's own buffer, once a launch has one
  uint32_t launch;                    // number of the kernel that launches are made for
  uint64_t *sets;                     // hash of the ways of each
  size_t sets_count, sets_capacity;
  tl_diag *diag;
};

static tl_format kv_format(tl_plan_kv_type kv) {
  return kv == TL_PLAN_KV_BF16 ? TL_FORMAT_BF16 : TL_FORMAT_F32;
}

// What a matmul with weights of `format` reads.
static tl_format input_format(tl_format format) {
  return format == TL_FORMAT_BF16 ? TL_FORMAT_BF16 : TL_FORMAT_F32;
}

static int64_t element_bytes(tl_format format) {
  return tl_format_of(format)->bits / 8;
}

// ---- buffers

tl_format tl_draft_format(const tl_buffer *buffer, tl_plan_kv_type kv) {
  if (buffer->role == TL_BUFFER_INDEX) return TL_FORMAT_I32;
  if (buffer->role == TL_BUFFER_INPUT) return input_format(buffer->like);
  return buffer->role == TL_BUFFER_QUERY ? kv_format(kv) : TL_FORMAT_F32;
}

static int64_t row_bytes(const tl_drafter *b, const tl_buffer *buffer, tl_plan_kv_type kv) {
  tl_format format = tl_draft_format(buffer, kv);
  if (format == TL_FORMAT_BF16 && b->rules->wide_bf16) format = TL_FORMAT_F32;
  return tl_round_up(buffer->columns, 64) * element_bytes(format);
}

int64_t tl_draft_row_bytes(const tl_draft *draft, const tl_buffer *buffer) {
  return row_bytes(draft->drafter, buffer, draft->kv);
}

static void add_buffer(tl_drafter *b, uint32_t index, tl_plan_kv_type kv) {
  const tl_buffer *buffer = b->program->buffers[index];
  tl_plan_buffer row = {.name = tl_plan_text(b->tables, buffer->name),
                        .symbol = buffer->symbol,
                        .columns = (uint32_t)buffer->columns,
                        .row_bytes = (uint64_t)row_bytes(b, buffer, kv)};
  if (buffer->slots > 1) { // rows of all slots are one of the plan's
    row.columns = (uint32_t)(tl_round_up(buffer->columns, 64) * buffer->slots);
    row.row_bytes *= (uint64_t)buffer->slots;
  }
  row.format = tl_plan_text(b->tables, tl_format_of(tl_draft_format(buffer, kv))->text);
  b->rows[index][kv] = tl_plan_add_buffer(b->tables, &row);
}

static tl_status add_buffers(tl_drafter *b) {
  size_t count = b->program->buffers_count;
  size_t most = 2 * count + b->program->kernels_count + OWN_MAX;
  b->buffers_first = (uint32_t)b->tables->buffers_count;
  b->rows = tl_arena_array(b->program->arena, count + 1, sizeof *b->rows);
  b->lives = tl_arena_array(b->program->arena, most, sizeof *b->lives);
  if (!b->rows || !b->lives) return TL_MEMORY;
  for (size_t i = 0; i < most; i++)
    b->lives[i].first = UINT32_MAX;
  for (uint32_t i = 0; i < count; i++) {
    add_buffer(b, i, TL_PLAN_KV_F32);
    b->rows[i][TL_PLAN_KV_BF16] = b->rows[i][TL_PLAN_KV_F32];
    if (b->program->buffers[i]->role == TL_BUFFER_QUERY) add_buffer(b, i, TL_PLAN_KV_BF16);
  }
  b->own_first = (uint32_t)b->tables->buffers_count;
  return TL_OK;
}

static tl_memory_life *life_of(const tl_drafter *b, uint32_t row) {
  return &b->lives[row - b->buffers_first];
}

static uint32_t buffer_row(tl_drafter *b, const tl_buffer *buffer, tl_plan_kv_type kv) {
  size_t index = 0;
  while (index < b->program->buffers_count && b->program->buffers[index] != buffer)
    index++;
  uint32_t row = b->rows[index][kv];
  tl_memory_life *life = life_of(b, row);
  if (b->launch < life->first) life->first = b->launch;
  if (b->launch > life->last) life->last = b->launch;
  return row;
}

// ---- states

static tl_plan_group_kind group_kind(tl_state_kind kind) {
  switch (kind) {
  case TL_STATE_WINDOW: return TL_PLAN_GROUP_WINDOW;
  case TL_STATE_CHUNK: return TL_PLAN_GROUP_CHUNK;
  case TL_STATE_LATENT: return TL_PLAN_GROUP_LATENT;
  case TL_STATE_CROSS: return TL_PLAN_GROUP_CROSS;
  default: return TL_PLAN_GROUP_FULL;
  }
}

static tl_status group_of(tl_drafter *b, const tl_node *node, uint32_t *out_group) {
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

static int64_t head_bytes(const tl_drafter *b, int64_t key, int64_t value, int bytes) {
  int64_t own = b->rules->head_bytes(key, value, bytes);
  int64_t other = b->choice.other ? b->choice.other->head_bytes(key, value, bytes) : 0;
  return own > other ? own : other;
}

// The row of a state that another device's drafts added; the count of rows if there is none.
static uint32_t shared_state(const tl_drafter *b, const tl_node *node) {
  const tl_plan_builder *tables = b->tables;
  uint32_t row = 0;
  while (row < tables->states_count &&
         !tl_str_is(node->result->name, tables->strings + tables->states[row].name))
    row++;
  return row;
}

static tl_status add_state(tl_drafter *b, const tl_node *node) {
  uint32_t group = 0, shared = shared_state(b, node);
  b->states[shared] = node->result;
  if (shared < b->tables->states_count) return TL_OK;
  TL_TRY(group_of(b, node, &group));
  const tl_state_info *info = &node->state;
  tl_plan_state row = {.name = tl_plan_text(b->tables, node->result->name),
                       .group = group,
                       .heads = (uint32_t)info->heads,
                       .key = (uint32_t)info->key,
                       .value = (uint32_t)info->value};
  for (int kv = 0; kv < TL_PLAN_KV_COUNT; kv++) {
    int bytes = (int)element_bytes(kv_format((tl_plan_kv_type)kv));
    // A latent row is a key that serves as value too.
    bool latent = info->kind == TL_STATE_LATENT;
    int64_t key = latent ? info->key + info->value : info->key, value = latent ? 0 : info->value;
    uint64_t *page_bytes = &b->tables->groups[group].page_bytes[kv];
    row.offset[kv] = *page_bytes;
    *page_bytes += (uint64_t)(info->heads * head_bytes(b, key, value, bytes));
  }
  tl_plan_add_state(b->tables, &row);
  return TL_OK;
}

static tl_status add_states(tl_drafter *b) {
  const tl_graph *graph = b->program->graph;
  b->states = tl_arena_array(b->program->arena, graph->nodes_count + TL_PROGRAM_STATES_MAX,
                             sizeof *b->states);
  if (!b->states) return TL_MEMORY;
  for (size_t i = 0; i < graph->nodes_count; i++) {
    if (graph->nodes[i]->kind == TL_NODE_STATE) TL_TRY(add_state(b, graph->nodes[i]));
  }
  for (int i = 0; i < b->program->states_count; i++)
    TL_TRY(add_state(b, b->program->states[i]->producer));
  return TL_OK;
}

static uint32_t state_row(const tl_drafter *b, const tl_value *state) {
  uint32_t row = 0;
  while (row < b->tables->states_count && b->states[row] != state)
    row++;
  return row;
}

// ---- what a launch is given

void tl_draft_arg(tl_draft *draft, tl_plan_arg_kind kind, uint32_t index, int64_t value) {
  tl_plan_add_arg(draft->drafter->tables, &(tl_plan_arg){kind, index, value});
  draft->args_count++;
}

void tl_draft_arg_weight(tl_draft *draft, const tl_value *value, double offset,
                         tl_plan_layout layout) {
  uint32_t row = tl_plan_weight_of(draft->drafter->tables, value, offset, layout);
  tl_draft_arg(draft, TL_PLAN_ARG_WEIGHT, row, 0);
}

void tl_draft_arg_buffer(tl_draft *draft, const tl_buffer *buffer) {
  tl_draft_arg(draft, TL_PLAN_ARG_BUFFER, buffer_row(draft->drafter, buffer, draft->kv), 0);
}

void tl_draft_arg_weight_map(tl_draft *draft, const tl_value *value, int64_t box_rows) {
  uint32_t row = tl_plan_weight_of(draft->drafter->tables, value, 0, TL_PLAN_LAYOUT_ROWS);
  tl_draft_arg(draft, TL_PLAN_ARG_WEIGHT_MAP, row, box_rows);
}

void tl_draft_arg_buffer_map(tl_draft *draft, const tl_buffer *buffer, int64_t box_rows) {
  uint32_t row = buffer_row(draft->drafter, buffer, draft->kv);
  tl_draft_arg(draft, TL_PLAN_ARG_BUFFER_MAP, row, box_rows);
}

static bool is_called(const tl_drafter *b, uint32_t row, const char *name, int64_t bytes) {
  const tl_plan_buffer *buffer = &b->tables->buffers[row];
  return buffer->row_bytes == (uint64_t)bytes &&
         strcmp(b->tables->strings + buffer->name, name) == 0;
}

uint32_t tl_draft_arg_own(tl_draft *draft, const char *name, tl_plan_symbol symbol, int64_t bytes) {
  tl_drafter *b = draft->drafter;
  int64_t row_bytes = tl_round_up(bytes, 64);
  uint32_t count = (uint32_t)b->tables->buffers_count, row = b->own_first;
  while (row < count && !is_called(b, row, name, row_bytes))
    row++;
  if (row == count && b->own_count < OWN_MAX) {
    tl_plan_buffer added = {.name = tl_plan_text(b->tables, tl_str_from(name)),
                            .format = tl_plan_text(b->tables, tl_format_of(TL_FORMAT_I32)->text),
                            .symbol = symbol,
                            .columns = (uint32_t)(row_bytes / 4),
                            .row_bytes = (uint64_t)row_bytes};
    row = tl_plan_add_buffer(b->tables, &added);
    b->own_count++;
    *life_of(b, row) = (tl_memory_life){0, UINT32_MAX};
  }
  b->tables->failed |= row == count && row >= b->tables->buffers_count;
  tl_draft_arg(draft, TL_PLAN_ARG_BUFFER, row, 0);
  return row;
}

void tl_draft_arg_products(tl_draft *draft, int64_t columns) {
  tl_drafter *b = draft->drafter;
  if (b->products == 0) {
    tl_str name =
        tl_arena_format(b->program->arena, "%.*s.products", TL_STR_ARG(draft->kernel->name));
    tl_plan_buffer added = {.name = tl_plan_text(b->tables, name),
                            .format = tl_plan_text(b->tables, tl_format_of(TL_FORMAT_F32)->text),
                            .symbol = draft->kernel->symbol,
                            .columns = (uint32_t)columns,
                            .row_bytes = (uint64_t)(columns * element_bytes(TL_FORMAT_F32))};
    b->tables->failed |= !name.data;
    b->products = tl_plan_add_buffer(b->tables, &added) + 1;
    *life_of(b, b->products - 1) = (tl_memory_life){b->launch, b->launch};
  }
  tl_draft_arg(draft, TL_PLAN_ARG_BUFFER, b->products - 1, 0);
}

tl_plan_weight tl_draft_matrix(const tl_draft *draft, const tl_value *value, uint32_t *out_row) {
  tl_plan_builder *tables = draft->drafter->tables;
  *out_row = tl_plan_weight_of(tables, value, 0, TL_PLAN_LAYOUT_ROWS);
  return tables->failed ? (tl_plan_weight){0} : tables->weights[*out_row];
}

bool tl_draft_matrix_follows(const tl_draft *draft, uint32_t row) {
  return tl_plan_weight_follows(draft->drafter->tables, row);
}

void tl_draft_arg_state(tl_draft *draft, const tl_value *state) {
  uint32_t row = state_row(draft->drafter, state);
  tl_draft_arg(draft, TL_PLAN_ARG_STATE, row, 0);
  tl_draft_arg(draft, TL_PLAN_ARG_PAGE_BYTES, row, 0);
  tl_draft_arg(draft, TL_PLAN_ARG_GROUP, row, 0);
}

void tl_draft_constant(tl_draft *draft, const char *name, int64_t value) {
  tl_spec *spec = draft->spec;
  spec->constants[spec->constants_count++] = (tl_spec_constant){.name = name, .i = value};
}

void tl_draft_real(tl_draft *draft, const char *name, double value) {
  tl_spec *spec = draft->spec;
  spec->constants[spec->constants_count++] =
      (tl_spec_constant){.name = name, .is_real = true, .f = value};
}

int64_t tl_draft_is_bf16(const tl_draft *draft, const tl_buffer *buffer) {
  tl_format format = buffer ? tl_draft_format(buffer, draft->kv) : kv_format(draft->kv);
  return format == TL_FORMAT_BF16;
}

void tl_draft_grid(tl_draft *draft, int64_t items, int64_t rows) {
  draft->launch.grid_symbol = draft->kernel->symbol;
  draft->launch.grid_items = (uint32_t)items;
  draft->launch.grid_rows = (uint32_t)rows;
}

const tl_buffer *tl_draft_only_store(const tl_kernel *kernel) {
  return kernel->segments[0].statements[0].operands[0].buffer;
}

static void add_call(tl_draft *d, int segment, const tl_statement *statement) {
  const tl_statement_info *info = tl_statement_of(statement->kind);
  tl_spec_call call = {
      .kind = statement->kind, .first_arg = d->args_count, .real = statement->reals[0]};
  memcpy(call.ints, statement->ints, sizeof call.ints);
  for (int i = 0; info->operands[i]; i++) {
    const tl_operand *operand = &statement->operands[i];
    if (operand->buffer) {
      tl_draft_arg_buffer(d, operand->buffer);
      call.row_bytes = tl_draft_row_bytes(d, operand->buffer);
      call.format = tl_draft_is_bf16(d, operand->buffer);
    } else if (!operand->value) {
      tl_draft_arg(d, TL_PLAN_ARG_INT, 0, 0); // an absent vector
    } else if (operand->value->producer->kind == TL_NODE_STATE) {
      const tl_state_info *state = &operand->value->producer->state;
      tl_draft_arg_state(d, operand->value);
      call.format = tl_draft_is_bf16(d, NULL);
      call.key = state->key;
      call.value = state->value;
    } else {
      tl_draft_arg_weight(d, operand->value, operand->offset, TL_PLAN_LAYOUT_VECTOR);
    }
  }
  if (statement->kind == TL_STATEMENT_ROW_RMS) {
    const tl_buffer *sums = statement->operands[0].buffer;
    call.ints[1] = sums->columns; // NOLINT(*.NullDereference): program/verify.c saw to it
    call.ints[2] = d->kernel->wanted_rows && sums->symbol == TL_PLAN_SYMBOL_T;
  }
  if (statement->kind == TL_STATEMENT_STORE && d->drafter->rules->store_is_told) {
    tl_draft_arg(d, TL_PLAN_ARG_INT, 0, call.row_bytes);
    call.row_bytes = 0;
  }
  d->spec->calls[segment][d->spec->calls_count[segment]++] = call;
}

void tl_draft_calls(tl_draft *d) {
  tl_draft_calls_from(d, 0);
}

void tl_draft_calls_from(tl_draft *d, int first) {
  d->spec->segments_count = d->kernel->segments_count;
  for (int s = 0; s < d->kernel->segments_count; s++) {
    for (int i = first; i < d->kernel->segments[s].statements_count; i++)
      add_call(d, s, &d->kernel->segments[s].statements[i]);
  }
}

void tl_draft_attention(tl_draft *d) {
  const tl_attention *a = &d->kernel->attention;
  const tl_buffer *out = tl_draft_only_store(d->kernel);
  tl_draft_constant(d, "T_KEY", a->key);
  tl_draft_constant(d, "T_VALUE", a->value);
  tl_draft_constant(d, "T_HEADS", a->kv_heads);
  tl_draft_constant(d, "T_QUERIES", a->heads / a->kv_heads);
  tl_draft_constant(d, "T_WINDOW", a->window);
  tl_draft_constant(d, "T_CHUNK", a->chunk);
  tl_draft_constant(d, "T_FULL", a->full);
  tl_draft_real(d, "T_SCALE", a->scale);
  tl_draft_real(d, "T_SOFTCAP", a->softcap);
  tl_draft_arg_buffer(d, d->kernel->input);
  tl_draft_arg_buffer(d, out);
  tl_draft_arg_state(d, a->state);
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, tl_draft_row_bytes(d, d->kernel->input));
  tl_draft_arg(d, TL_PLAN_ARG_INT, 0, tl_draft_row_bytes(d, out));
  d->launch.grid_symbol = TL_PLAN_SYMBOL_A;
  d->launch.grid_items = (uint32_t)a->kv_heads;
  d->launch.grid_rows = 1;
}

void tl_draft_table(tl_draft *d) {
  const tl_buffer *out = tl_draft_only_store(d->kernel);
  tl_draft_constant(d, "T_PAIRS", d->kernel->table->type.dims[0].constant);
  tl_draft_real(d, "T_FACTOR", d->kernel->factor);
  tl_draft_constant(d, "T_LIMIT", d->kernel->limit);
  tl_draft_real(d, "T_STRETCH", d->kernel->stretch);
  tl_draft_constant(d, "T_INPUT_BYTES", tl_draft_row_bytes(d, out));
  tl_draft_arg_weight(d, d->kernel->table, 0, TL_PLAN_LAYOUT_VECTOR);
  tl_draft_arg_buffer(d, out);
}

// ---- launches

// Whether anything in `kernel` is kept in the KV type.
bool tl_draft_depends_on_kv(const tl_kernel *kernel) {
  if (kernel->attention.state || kernel->latents) return true;
  for (int s = 0; s < kernel->segments_count; s++) {
    for (int i = 0; i < kernel->segments[s].statements_count; i++) {
      const tl_statement *statement = &kernel->segments[s].statements[i];
      const tl_buffer *buffer = statement->operands[0].buffer;
      if (statement->kind == TL_STATEMENT_STORE_KEY ||
          statement->kind == TL_STATEMENT_STORE_VALUE ||
          statement->kind == TL_STATEMENT_STORE_LATENT ||
          (buffer && buffer->role == TL_BUFFER_QUERY)) {
        return true;
      }
    }
  }
  return false;
}

// The number of a kernel with this text, added if it is new.
static tl_status kernel_index(tl_drafter *b, const tl_draft *d, uint32_t *out_index) {
  tl_arena *arena = b->program->arena;
  tl_drafts *drafts = b->drafts;
  tl_str text = tl_spec_print(d->spec, arena);
  if (text.data && d->drafted.template) {
    text = tl_arena_format(arena, "%s: %.*s", d->drafted.template, TL_STR_ARG(text));
  }
  if (!text.data) return TL_MEMORY;
  for (*out_index = 0; *out_index < drafts->kernels_count; ++*out_index) {
    if (!tl_str_equal(drafts->kernels[*out_index].text, text)) continue;
    drafts->kernels[*out_index].classes |= d->drafted.classes;
    return TL_OK;
  }
  tl_drafted *grown = tl_arena_grow(arena, drafts->kernels, &drafts->kernels_capacity,
                                    drafts->kernels_count + 1, sizeof *grown);
  tl_spec *copy = tl_arena_alloc(arena, sizeof *copy);
  if (!grown || !copy) return TL_MEMORY;
  *copy = *d->spec;
  drafts->kernels = grown;
  grown[drafts->kernels_count] = d->drafted;
  grown[drafts->kernels_count].spec = copy;
  grown[drafts->kernels_count++].text = text;
  return TL_OK;
}

static tl_status add_launch(tl_drafter *b, const tl_kernel *kernel, uint32_t kv_types,
                            int variant) {
  tl_spec spec = {.anchor = kernel->anchor};
  tl_draft d = {
      .drafter = b, .kernel = kernel, .spec = &spec, .classes = b->choice.classes, .diag = b->diag};
  d.kv = kv_types & 1u << TL_PLAN_KV_F32 ? TL_PLAN_KV_F32 : TL_PLAN_KV_BF16;
  d.launch = (tl_plan_launch){.kind = TL_PLAN_LAUNCH_KERNEL,
                              .guard_kv = kv_types,
                              .guard_max = UINT32_MAX,
                              .layer = (uint32_t)kernel->layer,
                              .first_arg = (uint32_t)b->tables->args_count};
  d.drafted.classes = UINT32_MAX;
  TL_TRY(kernel->anchor == TL_ANCHOR_CANDIDATES
             ? b->rules->fill_candidates(&d, &b->drafts->best, &b->drafts->candidates)
             : b->rules->fill(&d, variant));
  if (d.drafted.classes == 0) return TL_OK; // there is none of this number
  if (!b->text) {
    b->name = tl_plan_text(b->tables, kernel->name);
    b->text = tl_plan_text(b->tables, tl_kernel_print(kernel, b->program->arena));
  }
  d.launch.name = b->name;
  d.launch.text = b->text;
  d.launch.args_count = (uint32_t)d.args_count;
  d.launch.set = d.is_way; // numbered when all ways are there
  TL_TRY(kernel_index(b, &d, &d.launch.kernel));
  tl_drafts *drafts = b->drafts;
  tl_drafted_launch *grown =
      tl_arena_grow(b->program->arena, drafts->launches, &drafts->launches_capacity,
                    drafts->launches_count + 1, sizeof *grown);
  if (!grown) return TL_MEMORY;
  drafts->launches = grown;
  drafts->launches[drafts->launches_count++] = (tl_drafted_launch){d.launch, d.drafted.classes};
  return TL_OK;
}

// What ways are alike in: everything but which weights and buffers they are given.
static uint64_t way_hash(const tl_drafter *b, const tl_drafted_launch *launch, uint64_t seed) {
  const tl_plan_launch *row = &launch->row;
  uint64_t own[] = {launch->classes, row->kind,      row->kernel,        row->guard_kv,
                    row->guard_min,  row->guard_max, row->guard_library, row->grid_symbol,
                    row->grid_items, row->grid_rows, row->flops,         row->args_count};
  seed = tl_hash64(own, sizeof own, seed);
  for (uint32_t i = 0; i < row->args_count; i++) {
    const tl_plan_arg *arg = &b->tables->args[row->first_arg + i];
    uint64_t words[6] = {arg->kind, (uint64_t)arg->value};
    if (arg->kind == TL_PLAN_ARG_WEIGHT || arg->kind == TL_PLAN_ARG_WEIGHT_MAP) {
      const tl_plan_weight *weight = &b->tables->weights[arg->index];
      words[2] = (uint64_t)weight->rows;
      words[3] = (uint64_t)weight->columns;
      words[4] = (uint64_t)weight->stride;
    } else if (arg->kind == TL_PLAN_ARG_BUFFER || arg->kind == TL_PLAN_ARG_BUFFER_MAP) {
      words[5] = b->tables->buffers[arg->index].row_bytes;
    }
    seed = tl_hash64(words, sizeof words, seed);
  }
  return seed;
}

// Numbers the set of the launches from `first` on: it is an earlier one if all ways are alike.
static tl_status number_set(tl_drafter *b, size_t first) {
  tl_drafts *drafts = b->drafts;
  uint64_t hash = 0;
  size_t set = 0, ways = 0;
  if (b->tables->failed) return TL_MEMORY; // rows are missing
  for (size_t i = first; i < drafts->launches_count; i++) {
    if (!drafts->launches[i].row.set) continue;
    hash = way_hash(b, &drafts->launches[i], hash);
    ways++;
  }
  if (ways == 0) return TL_OK;
  while (set < b->sets_count && b->sets[set] != hash)
    set++;
  if (set == b->sets_count) {
    uint64_t *grown = tl_arena_grow(b->program->arena, b->sets, &b->sets_capacity,
                                    b->sets_count + 1, sizeof *grown);
    if (!grown) return TL_MEMORY;
    b->sets = grown;
    b->sets[b->sets_count++] = hash;
  }
  for (size_t i = first; i < drafts->launches_count; i++) {
    if (drafts->launches[i].row.set) drafts->launches[i].row.set = (uint32_t)set + 1;
  }
  return TL_OK;
}

static tl_status add_variants(tl_drafter *b, const tl_kernel *kernel, uint32_t kv_types) {
  int count = b->rules->variants(kernel);
  size_t first = b->drafts->launches_count;
  for (int variant = 0; variant < count; variant++)
    TL_TRY(add_launch(b, kernel, kv_types, variant));
  return number_set(b, first);
}

static tl_status add_launches(tl_drafter *b) {
  for (size_t i = 0; i < b->program->kernels_count; i++) {
    const tl_kernel *kernel = b->program->kernels[i];
    b->launch = (uint32_t)i;
    b->text = b->products = 0;
    if (!tl_draft_depends_on_kv(kernel)) {
      TL_TRY(add_variants(b, kernel, b->choice.kv_types));
      continue;
    }
    for (uint32_t kv = 0; kv < TL_PLAN_KV_COUNT; kv++) {
      if (b->choice.kv_types & 1u << kv) TL_TRY(add_variants(b, kernel, 1u << kv));
    }
  }
  return TL_OK;
}

// A kernel that no program has: it reads the output when all is done.
static tl_status add_candidates(tl_drafter *b) {
  if (!b->rules->fill_candidates) return TL_OK;
  tl_kernel *kernel = tl_arena_alloc(b->program->arena, sizeof *kernel);
  if (!kernel) return TL_MEMORY;
  *kernel = (tl_kernel){.name = TL_STR("candidates"),
                        .anchor = TL_ANCHOR_CANDIDATES,
                        .symbol = TL_PLAN_SYMBOL_R,
                        .input = b->program->output};
  b->launch = (uint32_t)b->program->kernels_count;
  b->text = 0;
  return add_launch(b, kernel, b->choice.kv_types, 0);
}

tl_status tl_drafts_build(const tl_program *program, tl_draft_choice choice,
                          const tl_draft_rules *rules, tl_plan_builder *tables,
                          tl_drafts *out_drafts, tl_diag *diag) {
  *out_drafts = (tl_drafts){0};
  tl_drafter b = {.program = program,
                  .rules = rules,
                  .tables = tables,
                  .drafts = out_drafts,
                  .choice = choice,
                  .diag = diag};
  tables->readers = 1u << rules->device;
  TL_TRY(add_buffers(&b));
  TL_TRY(add_states(&b));
  TL_TRY(add_launches(&b));
  TL_TRY(add_candidates(&b));
  out_drafts->whole = program->whole;
  // The output is read after the last launch.
  out_drafts->output = buffer_row(&b, program->output, TL_PLAN_KV_F32);
  life_of(&b, out_drafts->output)->last = UINT32_MAX;
  return tl_memory_place(tables->buffers + b.buffers_first, b.lives,
                         (uint32_t)tables->buffers_count - b.buffers_first, out_drafts->arena_bytes,
                         program->arena);
}

// Adds the rows of the kernels that are wanted; `numbers` says which row became of each.
static void add_kernels(const tl_drafts *drafts, uint32_t classes, tl_plan_target *target,
                        tl_plan_kernel *kernels, uint32_t *numbers, tl_plan_builder *tables) {
  for (size_t i = 0; i < drafts->kernels_count; i++) {
    const tl_drafted *drafted = &drafts->kernels[i];
    if (!(drafted->classes & classes)) continue;
    kernels[i].name = tl_plan_text(tables, drafted->text);
    kernels[i].target = (uint32_t)tables->targets_count;
    kernels[i].scratch_bytes = drafted->scratch_bytes;
    kernels[i].threads = drafted->block.threads;
    kernels[i].shared_bytes = drafted->block.shared_bytes;
    kernels[i].blocks = drafted->block.blocks;
    if (drafted->scratch_bytes > target->scratch_bytes) {
      target->scratch_bytes = drafted->scratch_bytes;
    }
    numbers[i] = tl_plan_add_kernel(tables, &kernels[i]);
  }
}

tl_status tl_drafts_add_target(const tl_drafts *drafts, uint32_t classes,
                               const tl_plan_target *target, tl_plan_kernel *kernels,
                               tl_plan_builder *tables) {
  tl_plan_target row = *target;
  tl_plan_program program = {.name = tl_plan_text(tables, TL_STR("step")),
                             .target = (uint32_t)tables->targets_count,
                             .first_launch = (uint32_t)tables->launchs_count,
                             .output = drafts->output,
                             .whole = drafts->whole,
                             .best = drafts->best,
                             .candidates = drafts->candidates};
  uint32_t *numbers = tl_arena_array(tables->arena, drafts->kernels_count + 1, sizeof *numbers);
  if (!numbers) return TL_MEMORY;
  add_kernels(drafts, classes, &row, kernels, numbers, tables);
  tl_plan_add_target(tables, &row);
  for (size_t i = 0; i < drafts->launches_count; i++) {
    tl_plan_launch launch = drafts->launches[i].row;
    if (!(drafts->launches[i].classes & classes)) continue;
    launch.kernel = numbers[launch.kernel];
    tl_plan_add_launch(tables, &launch);
    program.launches_count++;
  }
  memcpy(program.arena_bytes, drafts->arena_bytes, sizeof drafts->arena_bytes);
  tl_plan_add_program(tables, &program);
  return TL_OK;
}
