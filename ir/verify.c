// Implementation of verify.h: one pass in program order, then one over the uses.
#include "ir/verify.h"

#include "ir/op_rules.h"
#include "ir/text_lex.h"
#include "ir/value_map.h"
#include "ir/weight.h"

// What is known of a value once it is defined.
typedef struct value_record {
  int uses_count;
  bool typed;    // its type can be looked at
  bool appended; // a state that an op has appended to
} value_record;

typedef struct verifier {
  const tl_graph *graph;
  tl_value_map values;
  value_record *records;
  size_t records_used;
  const tl_node *outputs[TL_OUTPUTS_MAX];
  int outputs_count;
  tl_diag *diag;
  tl_status status;
} verifier;

#define FAULT(v, node, ...)                                                                        \
  ((v)->status = tl_diag_error((v)->diag, TL_INPUT, (node)->span, __VA_ARGS__))

// False if the type cannot be looked at.
static bool check_type(verifier *v, const tl_node *node) {
  const tl_type *type = &node->result->type;
  tl_str name = node->result->name;
  if (type->rank < 0 || type->rank > TL_RANK_MAX || (unsigned)type->format >= TL_FORMAT_COUNT) {
    FAULT(v, node, "%%%.*s has no type", TL_STR_ARG(name));
    return false;
  }
  const char *fault = tl_type_fault(type);
  if (fault) FAULT(v, node, "%%%.*s: %s", TL_STR_ARG(name), fault);
  for (int i = 0; i < type->rank; i++) {
    for (int s = v->graph->symbols.count; s < TL_SYMBOLS_MAX; s++) {
      if (type->dims[i].coefs[s])
        FAULT(v, node, "%%%.*s has an undeclared symbol", TL_STR_ARG(name));
    }
  }
  return !fault;
}

static void define(verifier *v, const tl_node *node, bool typed) {
  const tl_value *value = node->result;
  if (value->producer != node || tl_graph_find(v->graph, value->name) != value) {
    FAULT(v, node, "%%%.*s is not the graph's value of that name", TL_STR_ARG(value->name));
  }
  if (!tl_name_is_valid(value->name)) {
    FAULT(v, node, "'%.*s' is no name: letters, digits, '_' and '.', a letter or '_' first",
          TL_STR_ARG(value->name));
  }
  value_record *record = &v->records[v->records_used++];
  record->typed = typed;
  tl_value_map_add(&v->values, value, record);
}

static bool dims_are_constant(const tl_type *type) {
  bool constant = type->rank > 0;
  for (int i = 0; i < type->rank; i++)
    constant &= tl_dim_is_constant(type->dims[i]);
  return constant;
}

static void check_input(verifier *v, const tl_node *node) {
  tl_format_class class = tl_format_of(node->result->type.format)->class;
  if (class == TL_CLASS_QUANT) {
    FAULT(v, node, "an input is f32, bf16, another float or i32, not %.*s",
          TL_STR_ARG(tl_format_of(node->result->type.format)->text));
  }
}

static void check_weight(verifier *v, const tl_node *node) {
  const tl_type *type = &node->result->type;
  if (!dims_are_constant(type)) {
    FAULT(v, node, "a weight has constant dims");
    return;
  }
  if (type->format == TL_FORMAT_I32) FAULT(v, node, "a weight may not be i32");
  const char *fault = node->weight ? tl_weight_fault(node->weight, type) : "there is no expression";
  if (fault) FAULT(v, node, "weight %%%.*s: %s", TL_STR_ARG(node->result->name), fault);
}

static void check_table(verifier *v, const tl_node *node) {
  const tl_type *type = &node->result->type;
  if (!dims_are_constant(type) || type->format != TL_FORMAT_F32 || !node->table) {
    FAULT(v, node, "a table is f32 with constant dims");
    return;
  }
  int64_t count = tl_type_elements(type, (int64_t[TL_SYMBOLS_MAX]){0});
  if (count > TL_TEXT_TABLE_MAX) {
    FAULT(v, node, "a table has at most %d numbers", TL_TEXT_TABLE_MAX);
    return;
  }
  for (int64_t i = 0; i < count; i++) {
    if (__builtin_isfinite(node->table[i])) continue;
    FAULT(v, node, "number %lld of the table is not finite", (long long)i);
    return;
  }
}

static bool is_size(int64_t value) {
  return value >= 1 && value <= TL_DIM_MAX;
}

static void check_state(verifier *v, const tl_node *node) {
  const tl_state_info *state = &node->state;
  if ((unsigned)state->kind >= TL_STATE_COUNT) {
    FAULT(v, node, "unknown kind of state");
    return;
  }
  bool spans = state->kind == TL_STATE_WINDOW || state->kind == TL_STATE_CHUNK;
  if (!is_size(state->heads) || !is_size(state->key) || !is_size(state->value)) {
    FAULT(v, node, "heads, key and value of a state must be at least 1");
  }
  if (spans && !is_size(state->span)) {
    FAULT(v, node, "a %s needs a span of at least 1", tl_state_kind_text(state->kind));
  }
  if (!spans && state->span) {
    FAULT(v, node, "a %s state has no span", tl_state_kind_text(state->kind));
  }
  if (state->kind == TL_STATE_LATENT && state->heads != 1) {
    FAULT(v, node, "a latent state has one head");
  }
}

// Counts the uses and checks presence and class of the operands; false if inference makes no sense.
static bool check_operands(verifier *v, const tl_node *node, const tl_type **out_types) {
  bool usable = true;
  for (int i = 0; i < TL_OPERANDS_MAX; i++) {
    const tl_operand_info *info = i < node->op->operands_count ? &node->op->operands[i] : NULL;
    const tl_value *value = node->operands[i];
    if (!value && info && !info->optional) {
      FAULT(v, node, "%.*s needs the operand '%.*s'", TL_STR_ARG(node->op->name),
            TL_STR_ARG(info->name));
      usable = false;
    }
    if (!value) continue;
    value_record *record = tl_value_map_find(&v->values, value);
    if (!record || !info) {
      FAULT(v, node,
            record ? "%.*s has an operand too many" : "operand of %.*s is not defined above",
            TL_STR_ARG(node->op->name));
      usable = false;
      continue;
    }
    record->uses_count++;
    usable &= record->typed;
    bool is_state = value->producer->kind == TL_NODE_STATE;
    if (is_state != (info->class == TL_OPERAND_STATE)) {
      FAULT(v, node, "operand '%.*s' of %.*s %s a state", TL_STR_ARG(info->name),
            TL_STR_ARG(node->op->name), is_state ? "is" : "must be");
      usable = false;
    }
    if (info->class == TL_OPERAND_WEIGHT && value->producer->kind == TL_NODE_OP) {
      FAULT(v, node, "operand '%.*s' of %.*s is computed, expected a weight",
            TL_STR_ARG(info->name), TL_STR_ARG(node->op->name));
    }
    out_types[i] = is_state ? NULL : &value->type;
  }
  return usable;
}

static bool check_attrs(verifier *v, const tl_node *node) {
  for (int i = 0; i < node->op->attrs_count; i++) {
    const tl_attr_info *attr = &node->op->attrs[i];
    bool in_range = node->attrs[i].i >= 0 && node->attrs[i].i < attr->choices_count;
    if (attr->kind != TL_ATTR_CHOICE || in_range) continue;
    FAULT(v, node, "attribute '%.*s' is none of its choices", TL_STR_ARG(attr->name));
    return false;
  }
  return true;
}

static void check_append(verifier *v, const tl_node *node) {
  int operand = node->op->effect_operand;
  const tl_value *state = operand < 0 ? NULL : node->operands[operand];
  if (!state) return;
  value_record *record = tl_value_map_find(&v->values, state);
  if (record->appended) {
    FAULT(v, node, "%%%.*s is appended to twice in a step, give each op a state of its own",
          TL_STR_ARG(state->name));
  }
  record->appended = true;
}

static void check_op(verifier *v, const tl_node *node) {
  const tl_type *types[TL_OPERANDS_MAX] = {0};
  bool operands_usable = check_operands(v, node, types);
  if (!operands_usable || !check_attrs(v, node)) return;
  check_append(v, node);
  tl_op_call call = {.info = node->op,
                     .operands = types,
                     .attrs = node->attrs,
                     .symbols = &v->graph->symbols,
                     .span = node->span};
  tl_type inferred;
  tl_status status = tl_op_infer(&call, &inferred, v->diag);
  if (!tl_ok(status)) {
    v->status = status;
    return;
  }
  if (!tl_type_equal(&inferred, &node->result->type)) {
    char is[TL_TYPE_TEXT_MAX], gives[TL_TYPE_TEXT_MAX];
    tl_type_print(&node->result->type, &v->graph->symbols, is, sizeof is);
    tl_type_print(&inferred, &v->graph->symbols, gives, sizeof gives);
    FAULT(v, node, "declared %s but %.*s gives %s", is, TL_STR_ARG(node->op->name), gives);
  }
  const char *fault = tl_op_fault(node);
  if (fault) FAULT(v, node, "%.*s: %s", TL_STR_ARG(node->op->name), fault);
}

static void check_output_name(verifier *v, const tl_node *node) {
  if (!tl_name_is_valid(node->output_name)) {
    FAULT(v, node, "'%.*s' is no name of an output", TL_STR_ARG(node->output_name));
  }
  for (int i = 0; i < v->outputs_count; i++) {
    if (!tl_str_equal(v->outputs[i]->output_name, node->output_name)) continue;
    FAULT(v, node, "there are two outputs '%.*s'", TL_STR_ARG(node->output_name));
    return;
  }
  if (v->outputs_count == TL_OUTPUTS_MAX) {
    FAULT(v, node, "a graph has at most %d outputs", TL_OUTPUTS_MAX);
    return;
  }
  v->outputs[v->outputs_count++] = node;
}

static void check_output(verifier *v, const tl_node *node) {
  const tl_value *value = node->operands[0];
  value_record *record = value ? tl_value_map_find(&v->values, value) : NULL;
  if (!record) {
    FAULT(v, node, "output '%.*s' is not defined above", TL_STR_ARG(node->output_name));
    return;
  }
  record->uses_count++;
  if (value->producer->kind == TL_NODE_STATE) {
    FAULT(v, node, "a state cannot be an output");
  }
  check_output_name(v, node);
}

static void check_kind(verifier *v, const tl_node *node) {
  switch (node->kind) {
  case TL_NODE_INPUT: check_input(v, node); break;
  case TL_NODE_WEIGHT: check_weight(v, node); break;
  case TL_NODE_TABLE: check_table(v, node); break;
  case TL_NODE_STATE: check_state(v, node); break;
  case TL_NODE_OP: check_op(v, node); break;
  case TL_NODE_OUTPUT: check_output(v, node); break;
  }
}

static void check_node(verifier *v, size_t index) {
  const tl_node *node = v->graph->nodes[index];
  if ((node->kind == TL_NODE_OUTPUT) != !node->result || (node->kind == TL_NODE_OP && !node->op)) {
    FAULT(v, node, "a node of the graph is malformed");
    return;
  }
  bool typed = !node->result || check_type(v, node);
  if (typed) check_kind(v, node);
  if (node->result) define(v, node, typed);
}

static void check_use(verifier *v, const tl_node *node) {
  static const char *const words[] = {
      [TL_NODE_WEIGHT] = "weight", [TL_NODE_TABLE] = "table", [TL_NODE_STATE] = "state",
      [TL_NODE_OP] = "result",     [TL_NODE_INPUT] = "input", [TL_NODE_OUTPUT] = "output",
  };
  const value_record *record = node->result ? tl_value_map_find(&v->values, node->result) : NULL;
  if (!record) return;
  if (record->uses_count == 0 && node->kind != TL_NODE_INPUT) {
    FAULT(v, node, "%s %%%.*s is never used", words[node->kind], TL_STR_ARG(node->result->name));
  } else if (record->uses_count != node->result->uses_count) {
    FAULT(v, node, "%%%.*s has %d uses but counts %d, a pass must sweep after it rewires",
          TL_STR_ARG(node->result->name), record->uses_count, node->result->uses_count);
  }
}

tl_status tl_graph_verify(const tl_graph *graph, tl_arena *scratch, tl_diag *diag) {
  verifier v = {.graph = graph, .diag = diag};
  v.records = tl_arena_array(scratch, graph->nodes_count + 1, sizeof *v.records);
  if (!v.records || !tl_value_map_init(&v.values, graph->nodes_count, scratch)) {
    return tl_diag_error(diag, TL_MEMORY, (tl_span){0}, "out of memory");
  }
  bool has_output = false;
  for (size_t i = 0; i < graph->nodes_count; i++) {
    check_node(&v, i);
    has_output |= graph->nodes[i]->kind == TL_NODE_OUTPUT;
  }
  for (size_t i = 0; i < graph->nodes_count; i++)
    check_use(&v, graph->nodes[i]);
  if (!has_output && tl_ok(v.status)) {
    tl_span place = graph->nodes_count ? graph->nodes[graph->nodes_count - 1]->span : (tl_span){0};
    v.status = tl_diag_error(diag, TL_INPUT, place, "the graph has no output");
  }
  return v.status;
}
