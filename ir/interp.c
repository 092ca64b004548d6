// Implementation of interp.h: one pass over the nodes in program order.
//
// Every value that is alive owns an arena, so that it can be freed on its own; what a single op
// needs (weights, slices, the template's scratch) lies on one more, freed after the op.
#include "ir/interp.h"

#include "ir/reference.h"
#include "ir/stream.h"
#include "ir/value_map.h"
#include "ir/verify.h"

_Static_assert((int)TL_REF_RANK_MAX == TL_RANK_MAX && (int)TL_REF_OPERANDS_MAX == TL_OPERANDS_MAX &&
                   (int)TL_REF_ATTRS_MAX == TL_ATTRS_MAX,
               "a reference call holds any call of an op");

enum { STATE_CAPACITY_MIN = 64 };

// A value of the graph during a run.
typedef struct slot {
  tl_ref_tensor tensor; // dims always; numbers while alive, never for weights that ops load
  tl_arena arena;       // what the numbers lie on, unless they are the caller's or the graph's
  tl_ref_state state;   // of a state, on the same arena
  int64_t length_before;
  int uses_count, uses_left;
} slot;

struct tl_interp {
  const tl_graph *graph;
  tl_interp_options options;
  tl_value_map map; // value -> slot
  slot *slots;
  size_t slots_count;
  tl_arena scratch; // of the op that runs
  size_t bytes_now, bytes_peak;
  bool load_failed; // and has reported why
  bool has_outputs;
};

static slot *slot_of(const tl_interp *interp, const tl_value *value) {
  return tl_value_map_find(&interp->map, value);
}

static bool is_kind(const tl_value *value, tl_node_kind kind) {
  return value->producer->kind == kind;
}

static size_t bytes_left(const tl_interp *interp) {
  size_t max = interp->options.bytes_max ? interp->options.bytes_max : SIZE_MAX;
  return max > interp->bytes_now ? max - interp->bytes_now : 0;
}

// Books what `arena` has grown by since it had `before` bytes.
static void book(tl_interp *interp, const tl_arena *arena, size_t before) {
  interp->bytes_now += arena->total_bytes - before;
  if (interp->bytes_now > interp->bytes_peak) interp->bytes_peak = interp->bytes_now;
}

static void *take(tl_interp *interp, tl_arena *arena, int64_t count, size_t element_bytes) {
  size_t before = arena->total_bytes;
  arena->limit_bytes = before + bytes_left(interp);
  if (arena->limit_bytes < before) arena->limit_bytes = SIZE_MAX;
  void *data = count == INT64_MAX ? NULL : tl_arena_array(arena, (size_t)count, element_bytes);
  book(interp, arena, before);
  return data;
}

static void give(tl_interp *interp, tl_arena *arena) {
  interp->bytes_now -= arena->total_bytes;
  tl_arena_finish(arena);
}

static void free_values(tl_interp *interp) {
  for (size_t i = 0; i < interp->graph->nodes_count; i++) {
    const tl_value *value = interp->graph->nodes[i]->result;
    if (!value || is_kind(value, TL_NODE_STATE)) continue;
    slot *s = slot_of(interp, value);
    give(interp, &s->arena);
    s->tensor = (tl_ref_tensor){0};
  }
  interp->has_outputs = false;
}

static tl_status no_memory(const tl_node *node, tl_diag *diag) {
  tl_str name = node->result ? node->result->name : node->output_name;
  return tl_diag_error(diag, TL_MEMORY, node->span, "%%%.*s does not fit into the memory limit",
                       TL_STR_ARG(name));
}

static tl_status add_slot(tl_interp *interp, const tl_node *node, tl_diag *diag) {
  if (node->kind == TL_NODE_STATE && node->state.kind == TL_STATE_CROSS) {
    return tl_diag_error(diag, TL_UNSUPPORTED, node->span, "the interpreter has no cross states");
  }
  for (int i = 0; i < TL_OPERANDS_MAX; i++) {
    if (node->operands[i]) slot_of(interp, node->operands[i])->uses_count++;
  }
  if (!node->result) return TL_OK;
  slot *s = &interp->slots[interp->slots_count++];
  tl_arena_init(&s->arena, SIZE_MAX);
  if (node->kind == TL_NODE_STATE) {
    s->state.key_width = node->state.heads * node->state.key;
    s->state.value_width = node->state.heads * node->state.value;
  }
  tl_value_map_add(&interp->map, node->result, s);
  return TL_OK;
}

tl_status tl_interp_create(tl_arena *arena, const tl_graph *graph, const tl_interp_options *options,
                           tl_interp **out_interp, tl_diag *diag) {
  tl_arena scratch;
  tl_arena_init(&scratch, SIZE_MAX);
  tl_status status = tl_graph_verify(graph, &scratch, diag);
  tl_arena_finish(&scratch);
  if (!tl_ok(status)) return status;
  tl_interp *interp = tl_arena_alloc(arena, sizeof *interp);
  slot *slots = tl_arena_array(arena, graph->nodes_count, sizeof *slots);
  if (!interp || !slots) return tl_diag_error(diag, TL_MEMORY, (tl_span){0}, "out of memory");
  *interp = (tl_interp){.graph = graph, .options = *options, .slots = slots};
  tl_arena_init(&interp->scratch, SIZE_MAX);
  if (!tl_value_map_init(&interp->map, graph->nodes_count, arena)) {
    return tl_diag_error(diag, TL_MEMORY, (tl_span){0}, "out of memory");
  }
  for (size_t i = 0; i < graph->nodes_count; i++)
    TL_TRY(add_slot(interp, graph->nodes[i], diag));
  *out_interp = interp;
  return TL_OK;
}

void tl_interp_destroy(tl_interp *interp) {
  if (!interp) return;
  for (size_t i = 0; i < interp->slots_count; i++)
    give(interp, &interp->slots[i].arena);
  give(interp, &interp->scratch);
}

static void set_dims(tl_ref_tensor *tensor, const tl_type *type, const int64_t *symbols) {
  *tensor = (tl_ref_tensor){.rank = type->rank};
  for (int i = 0; i < type->rank; i++)
    tensor->dims[i] = tl_dim_value(type->dims[i], symbols);
}

// Gives the tensor of `value` room for its numbers on the slot's own arena.
static tl_status make_room(tl_interp *interp, const tl_value *value, const int64_t *symbols,
                           tl_diag *diag) {
  slot *s = slot_of(interp, value);
  set_dims(&s->tensor, &value->type, symbols);
  int64_t count = tl_type_elements(&value->type, symbols);
  void *data = take(interp, &s->arena, count, sizeof(float));
  if (!data) return no_memory(value->producer, diag);
  if (value->type.format == TL_FORMAT_I32) {
    s->tensor.i = data;
  } else {
    s->tensor.f = data;
  }
  return TL_OK;
}

static tl_status load_weight(void *context, const tl_interp_request *request, float *out,
                             tl_diag *diag) {
  tl_interp *interp = context;
  tl_status status;
  if (interp->options.load) {
    status = interp->options.load(interp->options.context, request, out, diag);
  } else {
    status = tl_diag_error(diag, TL_USAGE, request->node->span, "there is nothing to load %%%.*s",
                           TL_STR_ARG(request->node->result->name));
  }
  interp->load_failed = !tl_ok(status);
  return status;
}

// All of a weight, on the scratch of the op that runs.
static tl_status load_whole(tl_interp *interp, const tl_node *weight, tl_ref_tensor *tensor,
                            tl_diag *diag) {
  tensor->f = take(interp, &interp->scratch, tl_ref_elements(tensor), sizeof(float));
  if (!tensor->f) return no_memory(weight, diag);
  tl_interp_request request = {weight, 0, tensor->dims[0]};
  return load_weight(interp, &request, tensor->f, diag);
}

static tl_status reserve_state(tl_interp *interp, const tl_node *node, slot *s, int64_t rows,
                               tl_diag *diag) {
  tl_ref_state *state = &s->state;
  int64_t wanted = state->length + rows;
  if (wanted <= state->capacity) return TL_OK;
  if (wanted > TL_INTERP_POSITIONS_MAX) {
    return tl_diag_error(diag, TL_MEMORY, node->span, "a sequence has at most %d positions",
                         TL_INTERP_POSITIONS_MAX);
  }
  int64_t capacity = state->capacity ? state->capacity * 2 : STATE_CAPACITY_MIN;
  if (capacity < wanted) capacity = wanted;
  tl_arena arena;
  tl_arena_init(&arena, SIZE_MAX);
  int64_t keys_count = 0, values_count = 0;
  bool large = __builtin_mul_overflow(capacity, state->key_width, &keys_count) ||
               __builtin_mul_overflow(capacity, state->value_width, &values_count);
  float *keys = large ? NULL : take(interp, &arena, keys_count, sizeof *keys);
  float *values = large ? NULL : take(interp, &arena, values_count, sizeof *values);
  if (!keys || !values) {
    give(interp, &arena);
    return no_memory(node, diag);
  }
  if (state->length) {
    memcpy(keys, state->keys, (size_t)(state->length * state->key_width) * sizeof *keys);
    memcpy(values, state->values, (size_t)(state->length * state->value_width) * sizeof *values);
  }
  give(interp, &s->arena);
  s->arena = arena;
  state->keys = keys;
  state->values = values;
  state->capacity = capacity;
  return TL_OK;
}

// A run in progress.
typedef struct run {
  tl_interp *interp;
  const tl_interp_call *call;
  tl_diag *diag;
} run;

static tl_status bind_operand(const run *r, const tl_node *node, int operand, bool in_slices,
                              tl_ref_args *args) {
  const tl_value *value = node->operands[operand];
  slot *s = slot_of(r->interp, value);
  tl_ref_tensor *tensor = &args->operands[operand];
  args->present[operand] = true;
  if (is_kind(value, TL_NODE_STATE)) {
    args->state = &s->state;
    return reserve_state(r->interp, value->producer, s, args->operands[0].dims[0], r->diag);
  }
  *tensor = s->tensor;
  if (!is_kind(value, TL_NODE_WEIGHT)) return TL_OK;
  set_dims(tensor, &value->type, r->call->symbols);
  return in_slices ? TL_OK : load_whole(r->interp, value->producer, tensor, r->diag);
}

// What a template's status means; the templates know no sentences.
static tl_status explain(const run *r, const tl_node *node, tl_status status) {
  if (tl_ok(status) || r->interp->load_failed) return status;
  if (status == TL_MEMORY) return no_memory(node, r->diag);
  tl_str name = node->op->name;
  return tl_diag_error(r->diag, status, node->span, "%.*s: an id is out of range",
                       TL_STR_ARG(name));
}

static tl_status call_template(const run *r, const tl_node *node, int sliced, tl_ref_args *args) {
  tl_interp *interp = r->interp;
  tl_ref_function *function = tl_op_reference(node->op->id);
  size_t before = interp->scratch.total_bytes;
  interp->scratch.limit_bytes = bytes_left(interp);
  if (interp->scratch.limit_bytes < SIZE_MAX - before) interp->scratch.limit_bytes += before;
  args->scratch = &interp->scratch;
  tl_status status;
  if (sliced < 0) {
    status = function(args);
  } else {
    tl_stream stream = {args,   node->operands[sliced]->producer, function, load_weight, interp,
                        r->diag};
    int operand;
    status = tl_stream_of(node->op->id, &operand)(&stream);
  }
  book(interp, &interp->scratch, before);
  return explain(r, node, status);
}

static tl_status compute(const run *r, const tl_node *node) {
  tl_ref_args args = {0};
  int sliced = -1;
  if (!tl_stream_of(node->op->id, &sliced) || !is_kind(node->operands[sliced], TL_NODE_WEIGHT)) {
    sliced = -1;
  }
  for (int i = 0; i < node->op->operands_count; i++) {
    if (node->operands[i]) TL_TRY(bind_operand(r, node, i, i == sliced, &args));
  }
  for (int i = 0; i < node->op->attrs_count; i++)
    args.attrs[i] = (tl_ref_attr){node->attrs[i].i, node->attrs[i].f};
  TL_TRY(make_room(r->interp, node->result, r->call->symbols, r->diag));
  args.result = slot_of(r->interp, node->result)->tensor;
  return call_template(r, node, sliced, &args);
}

static tl_status run_op(const run *r, const tl_node *node) {
  tl_status status = compute(r, node);
  give(r->interp, &r->interp->scratch);
  for (int i = 0; i < TL_OPERANDS_MAX; i++) {
    const tl_value *value = node->operands[i];
    if (!value || is_kind(value, TL_NODE_STATE)) continue;
    slot *s = slot_of(r->interp, value);
    if (--s->uses_left == 0) give(r->interp, &s->arena);
  }
  return status;
}

static const tl_interp_input *find_input(const tl_interp_call *call, tl_str name) {
  for (int i = 0; i < call->inputs_count; i++) {
    if (tl_str_equal(call->inputs[i].name, name)) return &call->inputs[i];
  }
  return NULL;
}

static tl_status bind_input(const run *r, const tl_node *node) {
  const tl_value *value = node->result;
  const tl_interp_input *input = find_input(r->call, value->name);
  bool is_int = value->type.format == TL_FORMAT_I32;
  if (!input || !(is_int ? (const void *)input->i : (const void *)input->f)) {
    return tl_diag_error(r->diag, TL_USAGE, node->span, "input %%%.*s is not given as %s",
                         TL_STR_ARG(value->name), is_int ? "i32" : "f32");
  }
  int64_t count = tl_type_elements(&value->type, r->call->symbols);
  if (input->count != count) {
    return tl_diag_error(r->diag, TL_USAGE, node->span,
                         "input %%%.*s has %lld elements, expected %lld", TL_STR_ARG(value->name),
                         (long long)input->count, (long long)count);
  }
  tl_ref_tensor *tensor = &slot_of(r->interp, value)->tensor;
  set_dims(tensor, &value->type, r->call->symbols);
  tensor->f = is_int ? NULL : (float *)(uintptr_t)input->f; // read only, as all operands
  tensor->i = is_int ? (int32_t *)(uintptr_t)input->i : NULL;
  return TL_OK;
}

// An output that no op computes must outlive the caller's memory: it is copied or loaded.
static tl_status keep_output(const run *r, const tl_node *node) {
  const tl_value *value = node->operands[0];
  slot *s = slot_of(r->interp, value);
  if (s->arena.head) return TL_OK; // an op's result, or kept already
  tl_ref_tensor from = s->tensor;
  TL_TRY(make_room(r->interp, value, r->call->symbols, r->diag));
  if (is_kind(value, TL_NODE_WEIGHT)) {
    tl_interp_request request = {value->producer, 0, s->tensor.dims[0]};
    return load_weight(r->interp, &request, s->tensor.f, r->diag);
  }
  size_t bytes = (size_t)tl_ref_elements(&s->tensor) * sizeof(float);
  if (from.i && bytes) memcpy(s->tensor.i, from.i, bytes);
  if (from.f && bytes) memcpy(s->tensor.f, from.f, bytes);
  return TL_OK;
}

static tl_status run_node(const run *r, const tl_node *node) {
  if (node->kind == TL_NODE_INPUT) return bind_input(r, node);
  if (node->kind == TL_NODE_OP) return run_op(r, node);
  if (node->kind == TL_NODE_OUTPUT) return keep_output(r, node);
  if (node->kind == TL_NODE_TABLE) {
    tl_ref_tensor *tensor = &slot_of(r->interp, node->result)->tensor;
    set_dims(tensor, &node->result->type, r->call->symbols);
    tensor->f = (float *)(uintptr_t)node->table; // read only, as all operands
  }
  return TL_OK;
}

static tl_status check_call(const run *r) {
  const tl_graph *graph = r->interp->graph;
  for (int s = 0; s < graph->symbols.count; s++) {
    int64_t value = r->call->symbols[s];
    if (value >= 0 && value <= TL_INTERP_POSITIONS_MAX) continue;
    return tl_diag_error(r->diag, TL_USAGE, (tl_span){0}, "symbol %.*s is %lld, expected 0 to %d",
                         TL_STR_ARG(graph->symbols.names[s]), (long long)value,
                         TL_INTERP_POSITIONS_MAX);
  }
  for (int i = 0; i < r->call->inputs_count; i++) {
    const tl_value *value = tl_graph_find(graph, r->call->inputs[i].name);
    if (value && is_kind(value, TL_NODE_INPUT)) continue;
    return tl_diag_error(r->diag, TL_USAGE, (tl_span){0}, "the graph has no input %%%.*s",
                         TL_STR_ARG(r->call->inputs[i].name));
  }
  return TL_OK;
}

tl_status tl_interp_run(tl_interp *interp, const tl_interp_call *call, tl_diag *diag) {
  run r = {interp, call, diag};
  TL_TRY(check_call(&r));
  free_values(interp);
  interp->load_failed = false;
  for (size_t i = 0; i < interp->slots_count; i++) {
    interp->slots[i].uses_left = interp->slots[i].uses_count;
    interp->slots[i].length_before = interp->slots[i].state.length;
  }
  tl_status status = TL_OK;
  for (size_t i = 0; tl_ok(status) && i < interp->graph->nodes_count; i++)
    status = run_node(&r, interp->graph->nodes[i]);
  interp->has_outputs = tl_ok(status);
  if (tl_ok(status)) return TL_OK;
  free_values(interp);
  for (size_t i = 0; i < interp->slots_count; i++)
    interp->slots[i].state.length = interp->slots[i].length_before;
  return status;
}

const tl_ref_tensor *tl_interp_output(const tl_interp *interp, tl_str name) {
  for (size_t i = 0; interp->has_outputs && i < interp->graph->nodes_count; i++) {
    const tl_node *node = interp->graph->nodes[i];
    if (node->kind != TL_NODE_OUTPUT || !tl_str_equal(node->output_name, name)) continue;
    return &slot_of(interp, node->operands[0])->tensor;
  }
  return NULL;
}

int64_t tl_interp_length(const tl_interp *interp) {
  int64_t length = 0;
  for (size_t i = 0; i < interp->slots_count; i++) {
    int64_t here = interp->slots[i].state.length;
    if (here > length) length = here;
  }
  return length;
}

void tl_interp_truncate(tl_interp *interp, int64_t length) {
  if (length < 0) length = 0;
  for (size_t i = 0; i < interp->slots_count; i++) {
    tl_ref_state *state = &interp->slots[i].state;
    if (state->length > length) state->length = length;
  }
}

size_t tl_interp_peak_bytes(const tl_interp *interp) {
  return interp->bytes_peak;
}
