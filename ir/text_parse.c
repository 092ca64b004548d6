// Implementation of text_parse.h: statements, one per line.
//
// A line that fails still defines its name: with the declared type where there is one, else with
// the rank POISONED, and then faults that only follow from it are not reported.
#include "ir/text_parse.h"

#include "ir/text_lex.h"

enum { POISONED = -1, NEAR_MAX = 3 };

typedef struct parser {
  tl_lexer lex;
  tl_graph *graph;
  tl_str name;   // defined by the line, empty before it is known
  tl_type type;  // declared by the line; POISONED before it is known
  bool poisoned; // an operand is poisoned: infer nothing
  tl_span operand_spans[TL_OPERANDS_MAX];
} parser;

static tl_span span_behind(const parser *p, size_t begin) {
  return tl_lexer_span(&p->lex, begin, p->lex.at);
}

static tl_span line_span(const parser *p) {
  size_t begin = 0;
  while (begin < p->lex.line.length && p->lex.line.data[begin] == ' ')
    begin++;
  return tl_lexer_span(&p->lex, begin, p->lex.line.length);
}

// Edits from which on another name is not close any more; short names are close to too many.
static size_t near_limit(tl_str name) {
  size_t limit = 1 + name.length / 3;
  return limit < NEAR_MAX ? limit : NEAR_MAX;
}

// Names the defined value closest to `name`, if one is close.
static void note_near_name(const parser *p, tl_str name) {
  tl_str best = {0};
  size_t best_distance = near_limit(name);
  tl_diag *diag = p->lex.diag;
  if (!diag || diag->dropped) return;
  for (size_t i = 0; i < p->graph->nodes_count; i++) {
    const tl_value *value = p->graph->nodes[i]->result;
    size_t distance = value ? tl_str_distance(value->name, name, best_distance) : best_distance;
    if (distance >= best_distance) continue;
    best = value->name;
    best_distance = distance;
  }
  if (best.length) tl_diag_note(diag, "closest name is '%%%.*s'", TL_STR_ARG(best));
}

// `%name` at the cursor, to be defined by this line.
static tl_status take_definition(parser *p) {
  tl_lexer *lex = &p->lex;
  tl_str name;
  TL_TRY(tl_lexer_expect(lex, '%', "before the name to define"));
  size_t begin = lex->at;
  TL_TRY(tl_lexer_name(lex, "a name after '%'", &name));
  if (!tl_graph_find(p->graph, name)) {
    p->name = name;
    return TL_OK;
  }
  return tl_diag_error(lex->diag, TL_INPUT, span_behind(p, begin - 1), "%%%.*s is defined twice",
                       TL_STR_ARG(name));
}

// `: type`
static tl_status take_type(parser *p) {
  tl_type type;
  TL_TRY(tl_lexer_expect(&p->lex, ':', "before the type"));
  TL_TRY(tl_lexer_type(&p->lex, &p->graph->symbols, &type));
  p->type = type;
  return TL_OK;
}

static tl_status take_value(parser *p, size_t begin, tl_value **out_value) {
  tl_str name;
  TL_TRY(tl_lexer_name(&p->lex, "a name after '%'", &name));
  *out_value = tl_graph_find(p->graph, name);
  if (*out_value) {
    p->poisoned |= (*out_value)->type.rank == POISONED;
    return TL_OK;
  }
  p->poisoned = true;
  tl_diag_error(p->lex.diag, TL_INPUT, span_behind(p, begin), "%%%.*s is not defined above",
                TL_STR_ARG(name));
  note_near_name(p, name);
  return TL_INPUT;
}

static tl_status take_hooked(parser *p, size_t begin, tl_value **out_value) {
  tl_lexer *lex = &p->lex;
  const tl_text_hooks *hooks = lex->hooks;
  tl_str name;
  TL_TRY(tl_lexer_name(lex, "a name after '@'", &name));
  tl_status status = TL_INPUT;
  if (hooks->resolve) {
    status =
        hooks->resolve(hooks->user, p->graph, name, span_behind(p, begin), out_value, lex->diag);
  } else {
    tl_diag_error(lex->diag, TL_INPUT, span_behind(p, begin),
                  "'@%.*s' has no meaning here, expected '%%' and a name", TL_STR_ARG(name));
  }
  p->poisoned |= !tl_ok(status) || (*out_value && (*out_value)->type.rank == POISONED);
  return status;
}

// `%name`, `@name` or `_` (absent). Undefined names are reported and the line goes on.
static tl_status take_operand(parser *p, tl_value **out_value, tl_status *worst) {
  tl_lexer *lex = &p->lex;
  char next = tl_lexer_peek(lex);
  size_t begin = lex->at;
  if (next != '%' && next != '@' && next != '_') {
    return tl_lexer_unexpected(lex, "an operand: %name or _ for none");
  }
  lex->at++;
  if (next == '_') return TL_OK;
  tl_status status =
      next == '%' ? take_value(p, begin, out_value) : take_hooked(p, begin, out_value);
  // A fault of grammar has no name behind it: the cursor stands still and the line is lost.
  if (!tl_ok(status) && lex->at == begin + 1) return status;
  if (!tl_ok(status)) *worst = status;
  return TL_OK;
}

static tl_status take_operands(parser *p, tl_node *node, tl_status *worst) {
  tl_lexer *lex = &p->lex;
  int count = 0;
  do {
    tl_lexer_peek(lex);
    size_t begin = lex->at;
    tl_value *value = NULL;
    TL_TRY(take_operand(p, &value, worst));
    if (count == node->op->operands_count) {
      return tl_diag_error(lex->diag, TL_INPUT, span_behind(p, begin),
                           "%.*s takes at most %d operands", TL_STR_ARG(node->op->name), count);
    }
    p->operand_spans[count] = span_behind(p, begin);
    node->operands[count++] = value;
  } while (tl_lexer_accept(lex, ','));
  return TL_OK;
}

static tl_status unknown_attr(const parser *p, const tl_op_info *info, tl_str word) {
  tl_diag *diag = p->lex.diag;
  tl_diag_error(diag, TL_INPUT, span_behind(p, p->lex.at - word.length),
                "%.*s has no attribute '%.*s'", TL_STR_ARG(info->name), TL_STR_ARG(word));
  tl_str list = {0};
  for (int i = 0; i < info->attrs_count; i++) {
    list = tl_arena_format(p->lex.arena, "%.*s%s%.*s", TL_STR_ARG(list), i ? ", " : "",
                           TL_STR_ARG(info->attrs[i].name));
  }
  if (info->attrs_count) tl_diag_note(diag, "it has %.*s", TL_STR_ARG(list));
  return TL_INPUT;
}

static tl_status take_choice(parser *p, const tl_attr_info *attr, tl_attr_value *out_value) {
  tl_str word;
  TL_TRY(tl_lexer_word(&p->lex, "a word", &word));
  for (int c = 0; c < attr->choices_count; c++) {
    if (!tl_str_equal(attr->choices[c], word)) continue;
    *out_value = (tl_attr_value){.i = c, .s = attr->choices[c]};
    return TL_OK;
  }
  tl_diag_error(p->lex.diag, TL_INPUT, span_behind(p, p->lex.at - word.length),
                "'%.*s' is no choice of '%.*s'", TL_STR_ARG(word), TL_STR_ARG(attr->name));
  tl_str list = {0};
  for (int c = 0; c < attr->choices_count; c++) {
    list = tl_arena_format(p->lex.arena, "%.*s%s%.*s", TL_STR_ARG(list), c ? ", " : "",
                           TL_STR_ARG(attr->choices[c]));
  }
  tl_diag_note(p->lex.diag, "choices are %.*s", TL_STR_ARG(list));
  return TL_INPUT;
}

static tl_status take_attr_value(parser *p, const tl_attr_info *attr, tl_attr_value *out_value) {
  switch (attr->kind) {
  case TL_ATTR_INT: return tl_lexer_integer(&p->lex, "an integer", &out_value->i);
  case TL_ATTR_REAL: return tl_lexer_real(&p->lex, "a number", &out_value->f);
  case TL_ATTR_TEXT: return tl_lexer_string(&p->lex, "a string", &out_value->s);
  case TL_ATTR_CHOICE: return take_choice(p, attr, out_value);
  }
  return TL_INTERNAL;
}

static tl_status take_attr(parser *p, tl_node *node, bool *given) {
  tl_lexer *lex = &p->lex;
  tl_str word;
  TL_TRY(tl_lexer_word(lex, "an attribute", &word));
  int index = tl_op_attr_index(node->op, word);
  if (index < 0) return unknown_attr(p, node->op, word);
  if (given[index]) {
    return tl_diag_error(lex->diag, TL_INPUT, span_behind(p, lex->at - word.length),
                         "attribute '%.*s' is given twice", TL_STR_ARG(word));
  }
  given[index] = true;
  TL_TRY(tl_lexer_expect(lex, '=', "after the attribute"));
  return take_attr_value(p, &node->op->attrs[index], &node->attrs[index]);
}

// `{name=value, ..}`, may be absent.
static tl_status take_attrs(parser *p, tl_node *node, bool *given) {
  if (!tl_lexer_accept(&p->lex, '{')) return TL_OK;
  do {
    TL_TRY(take_attr(p, node, given));
  } while (tl_lexer_accept(&p->lex, ','));
  return tl_lexer_expect(&p->lex, '}', "after the attributes");
}

static tl_status take_op(parser *p, const tl_op_info **out_op) {
  tl_str word;
  TL_TRY(tl_lexer_word(&p->lex, "an op", &word));
  *out_op = tl_op_by_name(p->graph->ops, word);
  if (*out_op) return TL_OK;
  tl_diag_error(p->lex.diag, TL_INPUT, span_behind(p, p->lex.at - word.length), "unknown op '%.*s'",
                TL_STR_ARG(word));
  const tl_op_info *best = NULL;
  size_t best_distance = near_limit(word);
  for (int i = 0; i < TL_OP_COUNT; i++) {
    const tl_op_info *info = &p->graph->ops->ops[i];
    size_t distance = tl_str_distance(info->name, word, best_distance);
    if (distance >= best_distance) continue;
    best = info;
    best_distance = distance;
  }
  if (best) tl_diag_note(p->lex.diag, "closest op is '%.*s'", TL_STR_ARG(best->name));
  return TL_INPUT;
}

static tl_status check_declared(parser *p, const tl_node *node, size_t type_begin) {
  if (p->type.rank == POISONED || tl_type_equal(&p->type, &node->result->type)) return TL_OK;
  char declared[TL_TYPE_TEXT_MAX], inferred[TL_TYPE_TEXT_MAX];
  tl_type_print(&p->type, &p->graph->symbols, declared, sizeof declared);
  tl_type_print(&node->result->type, &p->graph->symbols, inferred, sizeof inferred);
  node->result->type.rank = POISONED;
  return tl_diag_error(p->lex.diag, TL_INPUT, span_behind(p, type_begin),
                       "declared %s but %.*s gives %s", declared, TL_STR_ARG(node->op->name),
                       inferred);
}

// Whether all is there that inference looks at.
static bool is_complete(const tl_node *node, const bool *given) {
  const tl_op_info *info = node->op;
  bool complete = true;
  for (int i = 0; i < info->attrs_count; i++)
    complete &= given[i] || info->attrs[i].has_default;
  for (int i = 0; i < info->operands_count; i++)
    complete &= node->operands[i] || info->operands[i].optional;
  return complete;
}

// Inference with a place for each operand. What is missing altogether is left to tl_graph_add_op.
static tl_status check_operands(parser *p, const tl_node *node, const bool *given) {
  const tl_op_info *info = node->op;
  const tl_type *types[TL_OPERANDS_MAX] = {0};
  tl_attr_value attrs[TL_ATTRS_MAX];
  if (!is_complete(node, given)) return TL_OK;
  for (int i = 0; i < info->operands_count; i++) {
    const tl_value *value = node->operands[i];
    bool is_state = value && value->producer->kind == TL_NODE_STATE;
    if (value && is_state != (info->operands[i].class == TL_OPERAND_STATE)) {
      return tl_diag_error(p->lex.diag, TL_INPUT, p->operand_spans[i],
                           "operand '%.*s' of %.*s %s a state", TL_STR_ARG(info->operands[i].name),
                           TL_STR_ARG(info->name), is_state ? "is" : "must be");
    }
    types[i] = value && !is_state ? &value->type : NULL;
  }
  for (int i = 0; i < info->attrs_count; i++)
    attrs[i] = given[i] ? node->attrs[i] : info->attrs[i].value;
  tl_op_call call = {.info = info,
                     .operands = types,
                     .attrs = attrs,
                     .symbols = &p->graph->symbols,
                     .span = node->span,
                     .operand_spans = p->operand_spans};
  tl_type type;
  return tl_op_infer(&call, &type, p->lex.diag);
}

// `%name = op %a, %b {attr=1} : type`
static tl_status parse_op(parser *p) {
  tl_node node = {.kind = TL_NODE_OP, .span = line_span(p)}, *added = NULL;
  bool given[TL_ATTRS_MAX] = {0};
  tl_status worst = TL_OK;
  tl_lexer *lex = &p->lex;
  TL_TRY(take_definition(p));
  TL_TRY(tl_lexer_expect(lex, '=', "after the name"));
  TL_TRY(take_op(p, &node.op));
  TL_TRY(take_operands(p, &node, &worst));
  TL_TRY(take_attrs(p, &node, given));
  bool typed = tl_lexer_peek(lex) == ':';
  size_t type_begin = lex->at + 1;
  if (typed) {
    TL_TRY(take_type(p));
    while (lex->line.data[type_begin] == ' ')
      type_begin++;
  }
  TL_TRY(tl_lexer_end(lex, "after the op"));
  if (p->poisoned || !tl_ok(worst)) return tl_ok(worst) ? TL_INPUT : worst;
  TL_TRY(check_operands(p, &node, given));
  TL_TRY(tl_graph_add_op(p->graph, &node, given, p->name, &added, lex->diag));
  return check_declared(p, added, type_begin);
}

// `input %name : type`
static tl_status parse_input(parser *p) {
  tl_node node = {.kind = TL_NODE_INPUT, .span = line_span(p)};
  TL_TRY(take_definition(p));
  TL_TRY(take_type(p));
  TL_TRY(tl_lexer_end(&p->lex, "after the type"));
  return tl_graph_add(p->graph, &node, p->name, &p->type, NULL, p->lex.diag);
}

// `weight %name : type = expression`
static tl_status parse_weight_line(parser *p) {
  tl_node node = {.kind = TL_NODE_WEIGHT, .span = line_span(p)};
  TL_TRY(take_definition(p));
  TL_TRY(take_type(p));
  TL_TRY(tl_lexer_expect(&p->lex, '=', "after the type"));
  TL_TRY(tl_lexer_weight(&p->lex, &node.weight));
  TL_TRY(tl_lexer_end(&p->lex, "after the weight"));
  return tl_graph_add(p->graph, &node, p->name, &p->type, NULL, p->lex.diag);
}

static tl_status take_numbers(parser *p, float *numbers, int64_t count) {
  tl_lexer *lex = &p->lex;
  for (int64_t i = 0; i < count; i++) {
    double value;
    size_t begin;
    if (i) TL_TRY(tl_lexer_expect(lex, ',', "before the next number"));
    tl_lexer_peek(lex);
    begin = lex->at;
    TL_TRY(tl_lexer_real(lex, "a number", &value));
    numbers[i] = (float)value;
    if (!__builtin_isfinite(numbers[i])) {
      return tl_diag_error(lex->diag, TL_INPUT, span_behind(p, begin),
                           "the number is too large for f32");
    }
  }
  return tl_lexer_expect(lex, ']', "after as many numbers as the type says");
}

static tl_status check_table_type(parser *p, size_t begin, int64_t *out_count) {
  const tl_type *type = &p->type;
  bool constant = type->rank > 0 && type->format == TL_FORMAT_F32;
  for (int i = 0; i < type->rank; i++)
    constant &= tl_dim_is_constant(type->dims[i]);
  if (!constant) {
    return tl_diag_error(p->lex.diag, TL_INPUT, span_behind(p, begin),
                         "a table is f32 with constant dims");
  }
  *out_count = tl_type_elements(type, (int64_t[TL_SYMBOLS_MAX]){0});
  if (*out_count <= TL_TEXT_TABLE_MAX) return TL_OK;
  return tl_diag_error(p->lex.diag, TL_INPUT, span_behind(p, begin),
                       "a table has at most %d numbers", TL_TEXT_TABLE_MAX);
}

// `table %name : f32[2] = [1, 0.5]`
static tl_status parse_table(parser *p) {
  tl_node node = {.kind = TL_NODE_TABLE, .span = line_span(p)};
  tl_lexer *lex = &p->lex;
  int64_t count = 0;
  TL_TRY(take_definition(p));
  tl_lexer_peek(lex);
  size_t begin = lex->at;
  TL_TRY(take_type(p));
  TL_TRY(check_table_type(p, begin, &count));
  TL_TRY(tl_lexer_expect(lex, '=', "after the type"));
  TL_TRY(tl_lexer_expect(lex, '[', "before the numbers"));
  float *numbers = tl_arena_array(p->graph->arena, (size_t)count, sizeof *numbers);
  if (!numbers) return tl_diag_error(lex->diag, TL_MEMORY, node.span, "out of memory");
  TL_TRY(take_numbers(p, numbers, count));
  TL_TRY(tl_lexer_end(lex, "after the table"));
  node.table = numbers;
  return tl_graph_add(p->graph, &node, p->name, &p->type, NULL, lex->diag);
}

static tl_status take_state_field(parser *p, tl_state_info *state, unsigned *given) {
  static const char *const names[] = {"heads", "key", "value", "span"};
  int64_t *const fields[] = {&state->heads, &state->key, &state->value, &state->span};
  tl_str word;
  TL_TRY(tl_lexer_word(&p->lex, "heads, key, value or span", &word));
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    if (!tl_str_is(word, names[i])) continue;
    if (*given & 1u << i) break;
    *given |= 1u << i;
    TL_TRY(tl_lexer_expect(&p->lex, '=', "after the field"));
    return tl_lexer_integer(&p->lex, "an integer", fields[i]);
  }
  return tl_diag_error(p->lex.diag, TL_INPUT, span_behind(p, p->lex.at - word.length),
                       "expected each of heads, key, value and span at most once, found '%.*s'",
                       TL_STR_ARG(word));
}

static tl_status take_state_kind(parser *p, tl_state_kind *out_kind) {
  tl_str word;
  TL_TRY(tl_lexer_word(&p->lex, "a kind of state", &word));
  for (int k = 0; k < TL_STATE_COUNT; k++) {
    *out_kind = (tl_state_kind)k;
    if (tl_str_is(word, tl_state_kind_text(*out_kind))) return TL_OK;
  }
  return tl_diag_error(p->lex.diag, TL_INPUT, span_behind(p, p->lex.at - word.length),
                       "unknown kind of state '%.*s', expected full, window, chunk, latent or "
                       "cross",
                       TL_STR_ARG(word));
}

// `state %name : kind {heads=3, key=64, value=64}`
static tl_status parse_state(parser *p) {
  tl_node node = {.kind = TL_NODE_STATE, .span = line_span(p)};
  unsigned given = 0;
  TL_TRY(take_definition(p));
  TL_TRY(tl_lexer_expect(&p->lex, ':', "before the kind of state"));
  TL_TRY(take_state_kind(p, &node.state.kind));
  TL_TRY(tl_lexer_expect(&p->lex, '{', "after the kind of state"));
  do {
    TL_TRY(take_state_field(p, &node.state, &given));
  } while (tl_lexer_accept(&p->lex, ','));
  TL_TRY(tl_lexer_expect(&p->lex, '}', "after the fields"));
  TL_TRY(tl_lexer_end(&p->lex, "after the state"));
  return tl_graph_add(p->graph, &node, p->name, &(tl_type){0}, NULL, p->lex.diag);
}

// `output name = %value`
static tl_status parse_output(parser *p) {
  tl_node node = {.kind = TL_NODE_OUTPUT, .span = line_span(p)};
  tl_lexer *lex = &p->lex;
  tl_status worst = TL_OK;
  tl_str name;
  TL_TRY(tl_lexer_name(lex, "the name of an output", &name));
  TL_TRY(tl_lexer_expect(lex, '=', "after the name"));
  tl_lexer_peek(lex);
  size_t begin = lex->at;
  TL_TRY(take_operand(p, &node.operands[0], &worst));
  TL_TRY(tl_lexer_end(lex, "after the output"));
  TL_TRY(worst);
  if (!node.operands[0]) {
    return tl_diag_error(lex->diag, TL_INPUT, span_behind(p, begin), "an output needs a value");
  }
  node.output_name = tl_arena_copy(p->graph->arena, name);
  if (!node.output_name.data)
    return tl_diag_error(lex->diag, TL_MEMORY, node.span, "out of memory");
  return tl_graph_add(p->graph, &node, TL_STR(""), &(tl_type){0}, NULL, lex->diag);
}

static tl_status parse_statement(parser *p) {
  static const struct {
    const char *word;
    tl_status (*parse)(parser *p);
  } statements[] = {{"input", parse_input},
                    {"weight", parse_weight_line},
                    {"table", parse_table},
                    {"state", parse_state},
                    {"output", parse_output}};
  static const char wanted[] = "a statement: input, weight, table, state, output or %name";
  char next = tl_lexer_peek(&p->lex);
  size_t begin = p->lex.at;
  tl_str word;
  if (next == 0) return TL_OK;
  if (next == '%') return parse_op(p);
  TL_TRY(tl_lexer_word(&p->lex, wanted, &word));
  for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
    if (tl_str_is(word, statements[i].word)) return statements[i].parse(p);
  }
  p->lex.at = begin;
  return tl_lexer_unexpected(&p->lex, wanted);
}

// Defines what a faulty line would have, so that its users are checked as far as possible.
static void define_placeholder(parser *p) {
  if (p->name.length == 0 || tl_graph_find(p->graph, p->name)) return;
  tl_node node = {.kind = TL_NODE_INPUT};
  tl_status status = tl_graph_add(p->graph, &node, p->name, &p->type, NULL, NULL);
  (void)status; // there is a fault already
}

tl_status tl_text_parse_line(tl_graph *graph, tl_str line, const tl_text_hooks *hooks,
                             tl_diag *diag) {
  static const tl_text_hooks no_hooks;
  parser p = {.lex = {.hooks = hooks ? hooks : &no_hooks, .arena = graph->arena, .diag = diag},
              .graph = graph,
              .type = {.rank = POISONED}};
  if (line.length > TL_TEXT_LINE_MAX) {
    return tl_diag_error(diag, TL_INPUT, tl_lexer_span(&p.lex, 0, 0),
                         "line of %zu bytes (limit %d)", line.length, TL_TEXT_LINE_MAX);
  }
  p.lex.line = tl_text_strip(line);
  tl_status status = parse_statement(&p);
  if (!tl_ok(status)) define_placeholder(&p);
  return status;
}
