// Expressions of templates, by precedence: choice, or, and, not, comparison, sum, ~, product,
// power, sign, then what comes behind a value: .name [..] (..) |filter, is test.
#include "runtime/text/jinja/function.h"
#include "runtime/text/jinja/parser.h"

typedef struct op_row {
  const char *text;
  tl_jinja_op op;
} op_row;

static const op_row sums[] = {{"+", TL_JINJA_ADD}, {"-", TL_JINJA_SUBTRACT}};
static const op_row products[] = {{"*", TL_JINJA_MULTIPLY},
                                  {"/", TL_JINJA_DIVIDE},
                                  {"//", TL_JINJA_FLOOR_DIVIDE},
                                  {"%", TL_JINJA_MODULO}};
static const op_row powers[] = {{"**", TL_JINJA_POWER}};
static const op_row comparisons[] = {{"==", TL_JINJA_EQUAL},  {"!=", TL_JINJA_UNEQUAL},
                                     {"<", TL_JINJA_LESS},    {"<=", TL_JINJA_LESS_EQUAL},
                                     {">", TL_JINJA_GREATER}, {">=", TL_JINJA_GREATER_EQUAL}};

static tl_status parse_unary(tl_parser *parser, bool has_filters, const tl_jinja_node **out_node);

static bool take_op(tl_parser *parser, const op_row *rows, size_t count, tl_jinja_op *out_op) {
  for (size_t i = 0; i < count; i++) {
    if (!tl_parser_skip(parser, rows[i].text)) continue;
    *out_op = rows[i].op;
    return true;
  }
  return false;
}

static tl_jinja_node *node_of(tl_parser *parser, tl_node_kind kind, const tl_jinja_node *left) {
  tl_jinja_node *node = tl_parser_node(parser, kind);
  if (node) node->left = left;
  return node;
}

static tl_status constant(tl_parser *parser, tl_datum value, const tl_jinja_node **out_node) {
  tl_jinja_node *node = tl_parser_node(parser, TL_JINJA_CONST);
  if (!node) return TL_MEMORY;
  node->constant = value;
  *out_node = node;
  return TL_OK;
}

static tl_status parse_strings(tl_parser *parser, const tl_jinja_node **out_node) {
  tl_str text = parser->token->text;
  TL_TRY(constant(parser, tl_datum_of_text(text), out_node));
  parser->token++;
  while (parser->token->kind == TL_TOKEN_STRING) {
    tl_str more = parser->token->text;
    text = tl_arena_format(parser->arena, "%.*s%.*s", TL_STR_ARG(text), TL_STR_ARG(more));
    if (!text.data) return TL_MEMORY;
    TL_TRY(constant(parser, tl_datum_of_text(text), out_node));
    parser->token++;
  }
  return TL_OK;
}

static tl_status parse_list(tl_parser *parser, const tl_jinja_node **out_node) {
  tl_jinja_node *node = tl_parser_node(parser, TL_JINJA_LIST);
  tl_node_list items = {0};
  if (!node) return TL_MEMORY;
  parser->token++;
  while (!tl_parser_is(parser, "]")) {
    const tl_jinja_node *item = NULL;
    if (items.first) TL_TRY(tl_parser_expect(parser, ","));
    if (tl_parser_is(parser, "]")) break;
    TL_TRY(tl_parse_expression(parser, true, &item));
    tl_jinja_node *holder = node_of(parser, TL_JINJA_ARGUMENT, item);
    if (!holder) return TL_MEMORY;
    tl_parser_append(&items, holder);
  }
  node->items = items.first;
  *out_node = node;
  return tl_parser_expect(parser, "]");
}

static tl_status parse_dict(tl_parser *parser, const tl_jinja_node **out_node) {
  tl_jinja_node *node = tl_parser_node(parser, TL_JINJA_DICT);
  tl_node_list items = {0};
  if (!node) return TL_MEMORY;
  parser->token++;
  while (!tl_parser_is(parser, "}")) {
    const tl_jinja_node *value = NULL;
    if (items.first) TL_TRY(tl_parser_expect(parser, ","));
    if (tl_parser_is(parser, "}")) break;
    tl_jinja_node *pair = tl_parser_node(parser, TL_JINJA_PAIR);
    if (!pair) return TL_MEMORY;
    TL_TRY(tl_parse_expression(parser, true, &pair->left));
    TL_TRY(tl_parser_expect(parser, ":"));
    TL_TRY(tl_parse_expression(parser, true, &value));
    pair->right = value;
    tl_parser_append(&items, pair);
  }
  node->items = items.first;
  *out_node = node;
  return tl_parser_expect(parser, "}");
}

static bool is_tuple_end(const tl_parser *parser, const char *end) {
  tl_token_kind kind = parser->token->kind;
  return kind == TL_TOKEN_PRINT_END || kind == TL_TOKEN_BLOCK_END || tl_parser_is(parser, ")") ||
         (end && tl_parser_is_name(parser, end));
}

// As tl_parse_tuple; nothing between brackets is an empty tuple.
static tl_status parse_items(tl_parser *parser, bool has_choice, const char *end, bool in_brackets,
                             const tl_jinja_node **out_node) {
  tl_jinja_node *tuple = tl_parser_node(parser, TL_JINJA_TUPLE);
  tl_node_list items = {0};
  bool is_tuple = false;
  if (!tuple) return TL_MEMORY;
  while (!is_tuple_end(parser, end)) {
    const tl_jinja_node *item = NULL;
    TL_TRY(tl_parse_expression(parser, has_choice, &item));
    tl_jinja_node *holder = node_of(parser, TL_JINJA_ARGUMENT, item);
    if (!holder) return TL_MEMORY;
    tl_parser_append(&items, holder);
    if (!tl_parser_skip(parser, ",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !items.first && !in_brackets) return tl_parser_fail(parser, "an expression");
  tuple->items = items.first;
  *out_node = is_tuple || !items.first ? tuple : items.first->left;
  return TL_OK;
}

tl_status tl_parse_tuple(tl_parser *parser, bool has_choice, const char *end,
                         const tl_jinja_node **out_node) {
  return parse_items(parser, has_choice, end, false, out_node);
}

static tl_status parse_word(tl_parser *parser, const tl_jinja_node **out_node) {
  tl_str word = parser->token->text;
  if (tl_str_is(word, "true") || tl_str_is(word, "True")) {
    TL_TRY(constant(parser, tl_datum_of_bool(true), out_node));
  } else if (tl_str_is(word, "false") || tl_str_is(word, "False")) {
    TL_TRY(constant(parser, tl_datum_of_bool(false), out_node));
  } else if (tl_str_is(word, "none") || tl_str_is(word, "None")) {
    TL_TRY(constant(parser, tl_datum_none(), out_node));
  } else {
    tl_jinja_node *node = NULL;
    TL_TRY(tl_parse_name(parser, &node));
    *out_node = node;
    return TL_OK;
  }
  parser->token++;
  return TL_OK;
}

static tl_status parse_primary(tl_parser *parser, const tl_jinja_node **out_node) {
  const tl_token *token = parser->token;
  tl_datum value;
  if (token->kind == TL_TOKEN_NAME) return parse_word(parser, out_node);
  if (token->kind == TL_TOKEN_STRING) return parse_strings(parser, out_node);
  if (token->kind == TL_TOKEN_INT || token->kind == TL_TOKEN_REAL) {
    value = token->kind == TL_TOKEN_INT ? tl_datum_of_int(token->integer)
                                        : tl_datum_of_real(token->real);
    TL_TRY(constant(parser, value, out_node));
    parser->token++;
    return TL_OK;
  }
  if (tl_parser_is(parser, "[")) return parse_list(parser, out_node);
  if (tl_parser_is(parser, "{")) return parse_dict(parser, out_node);
  if (!tl_parser_skip(parser, "(")) return tl_parser_fail(parser, "an expression");
  TL_TRY(parse_items(parser, true, NULL, true, out_node));
  return tl_parser_expect(parser, ")");
}

// One of the three parts of a slice; absent where there is none.
static tl_status parse_bound(tl_parser *parser, tl_node_list *parts) {
  const tl_jinja_node *bound = NULL;
  bool is_there =
      !tl_parser_is(parser, ":") && !tl_parser_is(parser, "]") && !tl_parser_is(parser, ",");
  if (is_there) {
    TL_TRY(tl_parse_expression(parser, true, &bound));
  } else {
    TL_TRY(constant(parser, (tl_datum){.kind = TL_DATUM_ABSENT}, &bound));
  }
  tl_jinja_node *holder = node_of(parser, TL_JINJA_ARGUMENT, bound);
  if (!holder) return TL_MEMORY;
  tl_parser_append(parts, holder);
  return TL_OK;
}

static tl_status parse_brackets(tl_parser *parser, const tl_jinja_node *left,
                                const tl_jinja_node **out_node) {
  tl_jinja_node *node = node_of(parser, TL_JINJA_ITEM, left);
  tl_node_list parts = {0};
  if (!node) return TL_MEMORY;
  parser->token++;
  TL_TRY(parse_bound(parser, &parts));
  bool is_slice = tl_parser_is(parser, ":");
  while (tl_parser_skip(parser, ":") && parts.last)
    TL_TRY(parse_bound(parser, &parts));
  if (tl_parser_is(parser, ",")) {
    return tl_parser_refuse(parser, parser->token, TL_UNSUPPORTED,
                            "several indices in one pair of brackets are not supported");
  }
  if (is_slice) {
    node->kind = TL_JINJA_SLICE;
    node->items = parts.first;
    int count = 0;
    for (const tl_jinja_node *part = parts.first; part; part = part->next)
      count++;
    if (count > 3) return tl_parser_fail(parser, "']'");
  } else {
    node->right = parts.first->left;
    if (node->right->kind == TL_JINJA_CONST && node->right->constant.kind == TL_DATUM_ABSENT) {
      return tl_parser_fail(parser, "an index");
    }
  }
  *out_node = node;
  return tl_parser_expect(parser, "]");
}

static tl_status parse_dot(tl_parser *parser, const tl_jinja_node *left,
                           const tl_jinja_node **out_node) {
  tl_jinja_node *node = node_of(parser, TL_JINJA_ATTRIBUTE, left);
  if (!node) return TL_MEMORY;
  parser->token++;
  *out_node = node;
  node->name = parser->token->text;
  if (parser->token->kind == TL_TOKEN_INT) {
    node->kind = TL_JINJA_ITEM;
    TL_TRY(constant(parser, tl_datum_of_int(parser->token->integer), &node->right));
  } else if (parser->token->kind != TL_TOKEN_NAME) {
    return tl_parser_fail(parser, "a name or a number");
  }
  parser->token++;
  return TL_OK;
}

static tl_status parse_argument(tl_parser *parser, tl_node_list *items) {
  tl_jinja_node *node = tl_parser_node(parser, TL_JINJA_ARGUMENT);
  if (!node) return TL_MEMORY;
  const tl_token *token = parser->token, *next = token + 1;
  if (tl_parser_skip(parser, "*")) {
    node->op = 1;
  } else if (tl_parser_skip(parser, "**")) {
    node->op = 2;
  } else if (token->kind == TL_TOKEN_NAME && next->kind == TL_TOKEN_OPERATOR &&
             tl_str_is(next->text, "=")) {
    node->name = token->text;
    parser->token += 2;
  } else if (items->last && (items->last->name.length > 0 || items->last->op)) {
    return tl_parser_fail(parser, "no argument without a name behind one with a name");
  }
  TL_TRY(tl_parse_expression(parser, true, &node->left));
  tl_parser_append(items, node);
  return TL_OK;
}

static tl_status parse_arguments(tl_parser *parser, const tl_jinja_node **out_items) {
  tl_node_list items = {0};
  TL_TRY(tl_parser_expect(parser, "("));
  while (!tl_parser_is(parser, ")")) {
    if (items.first) TL_TRY(tl_parser_expect(parser, ","));
    if (tl_parser_is(parser, ")")) break;
    TL_TRY(parse_argument(parser, &items));
  }
  *out_items = items.first;
  return tl_parser_expect(parser, ")");
}

static tl_status parse_call(tl_parser *parser, const tl_jinja_node *left,
                            const tl_jinja_node **out_node) {
  tl_jinja_node *node = node_of(parser, TL_JINJA_CALL, left);
  if (!node) return TL_MEMORY;
  *out_node = node;
  return parse_arguments(parser, &node->items);
}

static tl_status parse_postfix(tl_parser *parser, const tl_jinja_node **node) {
  while (true) {
    TL_TRY(tl_parser_enter(parser)); // what comes behind a value nests too: kept by the caller
    if (tl_parser_is(parser, ".")) {
      TL_TRY(parse_dot(parser, *node, node));
    } else if (tl_parser_is(parser, "[")) {
      TL_TRY(parse_brackets(parser, *node, node));
    } else if (tl_parser_is(parser, "(")) {
      TL_TRY(parse_call(parser, *node, node));
    } else {
      return TL_OK;
    }
  }
}

tl_status tl_parse_filters(tl_parser *parser, const tl_jinja_node *input,
                           const tl_jinja_node **out_node) {
  do {
    tl_jinja_node *node = node_of(parser, TL_JINJA_FILTER, input);
    if (!node) return TL_MEMORY;
    if (parser->token->kind != TL_TOKEN_NAME) return tl_parser_fail(parser, "the name of a filter");
    node->name = parser->token->text;
    node->function = tl_filter_find(node->name);
    if (!node->function) TL_TRY(tl_parser_miss(parser));
    parser->token++;
    if (tl_parser_is(parser, "(")) TL_TRY(parse_arguments(parser, &node->items));
    TL_TRY(tl_parser_enter(parser));
    input = node;
  } while (tl_parser_skip(parser, "|"));
  *out_node = input;
  return TL_OK;
}

// Whether the next token begins the argument of a test that is written without brackets.
static bool is_test_argument(const tl_parser *parser) {
  const tl_token *token = parser->token;
  switch (token->kind) {
  case TL_TOKEN_STRING:
  case TL_TOKEN_INT:
  case TL_TOKEN_REAL: return true;
  case TL_TOKEN_NAME:
    return !tl_str_is(token->text, "else") && !tl_str_is(token->text, "or") &&
           !tl_str_is(token->text, "and");
  default: return tl_parser_is(parser, "[") || tl_parser_is(parser, "{");
  }
}

static tl_status parse_test_arguments(tl_parser *parser, tl_jinja_node *test) {
  if (tl_parser_is(parser, "(")) return parse_arguments(parser, &test->items);
  if (!is_test_argument(parser)) return TL_OK;
  if (tl_parser_is_name(parser, "is")) return tl_parser_fail(parser, "no second test");
  // Words that end an expression are no values.
  const tl_jinja_node *value = NULL;
  int depth = parser->depth;
  TL_TRY(parse_primary(parser, &value));
  TL_TRY(parse_postfix(parser, &value));
  parser->depth = depth;
  tl_jinja_node *argument = node_of(parser, TL_JINJA_ARGUMENT, value);
  if (!argument) return TL_MEMORY;
  test->items = argument;
  return TL_OK;
}

static tl_status parse_test(tl_parser *parser, const tl_jinja_node *left,
                            const tl_jinja_node **out_node) {
  tl_jinja_node *node = node_of(parser, TL_JINJA_TEST, left);
  if (!node) return TL_MEMORY;
  parser->token++;
  bool is_negated = tl_parser_skip_name(parser, "not");
  if (parser->token->kind != TL_TOKEN_NAME) return tl_parser_fail(parser, "the name of a test");
  node->name = parser->token->text;
  node->function = tl_test_find(node->name);
  if (!node->function) TL_TRY(tl_parser_miss(parser));
  parser->token++;
  TL_TRY(parse_test_arguments(parser, node));
  *out_node = node;
  if (!is_negated) return TL_OK;
  tl_jinja_node *negation = node_of(parser, TL_JINJA_NOT, node);
  *out_node = negation;
  return negation ? TL_OK : TL_MEMORY;
}

static tl_status parse_behind(tl_parser *parser, const tl_jinja_node **node) {
  while (true) {
    if (tl_parser_skip(parser, "|")) {
      TL_TRY(tl_parse_filters(parser, *node, node));
    } else if (tl_parser_is_name(parser, "is")) {
      TL_TRY(parse_test(parser, *node, node));
    } else if (tl_parser_is(parser, "(")) {
      TL_TRY(parse_call(parser, *node, node));
    } else {
      return TL_OK;
    }
    TL_TRY(tl_parser_enter(parser));
  }
}

static tl_status parse_signed(tl_parser *parser, tl_node_kind kind,
                              const tl_jinja_node **out_node) {
  tl_jinja_node *node = tl_parser_node(parser, kind);
  if (!node) return TL_MEMORY;
  parser->token++;
  *out_node = node;
  return parse_unary(parser, false, &node->left);
}

static tl_status parse_unary(tl_parser *parser, bool has_filters, const tl_jinja_node **out_node) {
  int depth = parser->depth;
  TL_TRY(tl_parser_enter(parser));
  if (tl_parser_is(parser, "-")) {
    TL_TRY(parse_signed(parser, TL_JINJA_NEGATE, out_node));
  } else if (tl_parser_is(parser, "+")) {
    TL_TRY(parse_signed(parser, TL_JINJA_PLUS, out_node));
  } else {
    TL_TRY(parse_primary(parser, out_node));
  }
  TL_TRY(parse_postfix(parser, out_node));
  if (has_filters) TL_TRY(parse_behind(parser, out_node));
  parser->depth = depth;
  return TL_OK;
}

typedef tl_status parse_level(tl_parser *parser, const tl_jinja_node **out_node);

// Operators of one level, from left to right. A chain is a tree as deep as it is long.
static tl_status parse_chain(tl_parser *parser, const op_row *rows, size_t count,
                             parse_level *operand, const tl_jinja_node **out_node) {
  tl_jinja_op op;
  int depth = parser->depth;
  TL_TRY(operand(parser, out_node));
  while (take_op(parser, rows, count, &op)) {
    TL_TRY(tl_parser_enter(parser));
    tl_jinja_node *node = node_of(parser, TL_JINJA_BINARY, *out_node);
    if (!node) return TL_MEMORY;
    node->op = (uint8_t)op;
    TL_TRY(operand(parser, &node->right));
    *out_node = node;
  }
  parser->depth = depth;
  return TL_OK;
}

#define ROWS(table) table, sizeof(table) / sizeof(table)[0]

static tl_status parse_operand(tl_parser *parser, const tl_jinja_node **out_node) {
  return parse_unary(parser, true, out_node);
}

static tl_status parse_power(tl_parser *parser, const tl_jinja_node **out_node) {
  return parse_chain(parser, ROWS(powers), parse_operand, out_node);
}

static tl_status parse_product(tl_parser *parser, const tl_jinja_node **out_node) {
  return parse_chain(parser, ROWS(products), parse_power, out_node);
}

static tl_status parse_concat(tl_parser *parser, const tl_jinja_node **out_node) {
  tl_node_list items = {0};
  TL_TRY(parse_product(parser, out_node));
  if (!tl_parser_is(parser, "~")) return TL_OK;
  tl_jinja_node *node = tl_parser_node(parser, TL_JINJA_CONCAT);
  tl_jinja_node *holder = node_of(parser, TL_JINJA_ARGUMENT, *out_node);
  if (!node || !holder) return TL_MEMORY;
  tl_parser_append(&items, holder);
  while (tl_parser_skip(parser, "~")) {
    const tl_jinja_node *item = NULL;
    TL_TRY(parse_product(parser, &item));
    holder = node_of(parser, TL_JINJA_ARGUMENT, item);
    if (!holder) return TL_MEMORY;
    tl_parser_append(&items, holder);
  }
  node->items = items.first;
  *out_node = node;
  return TL_OK;
}

static tl_status parse_sum(tl_parser *parser, const tl_jinja_node **out_node) {
  return parse_chain(parser, ROWS(sums), parse_concat, out_node);
}

static bool take_comparison(tl_parser *parser, tl_jinja_op *out_op) {
  if (take_op(parser, ROWS(comparisons), out_op)) return true;
  *out_op = TL_JINJA_IN;
  if (tl_parser_skip_name(parser, "in")) return true;
  const tl_token *next = parser->token + 1;
  if (!tl_parser_is_name(parser, "not") || next->kind != TL_TOKEN_NAME ||
      !tl_str_is(next->text, "in")) {
    return false;
  }
  parser->token += 2;
  *out_op = TL_JINJA_NOT_IN;
  return true;
}

static tl_status parse_comparison(tl_parser *parser, const tl_jinja_node **out_node) {
  tl_node_list operands = {0};
  tl_jinja_op op;
  TL_TRY(parse_sum(parser, out_node));
  while (take_comparison(parser, &op)) {
    tl_jinja_node *operand = tl_parser_node(parser, TL_JINJA_OPERAND);
    if (!operand) return TL_MEMORY;
    operand->op = (uint8_t)op;
    TL_TRY(parse_sum(parser, &operand->left));
    tl_parser_append(&operands, operand);
  }
  if (!operands.first) return TL_OK;
  tl_jinja_node *node = node_of(parser, TL_JINJA_COMPARE, *out_node);
  if (!node) return TL_MEMORY;
  node->items = operands.first;
  *out_node = node;
  return TL_OK;
}

static tl_status parse_not(tl_parser *parser, const tl_jinja_node **out_node) {
  if (!tl_parser_is_name(parser, "not")) return parse_comparison(parser, out_node);
  tl_jinja_node *node = tl_parser_node(parser, TL_JINJA_NOT);
  if (!node) return TL_MEMORY;
  parser->token++;
  *out_node = node;
  TL_TRY(tl_parser_enter(parser));
  TL_TRY(parse_not(parser, &node->left));
  parser->depth--;
  return TL_OK;
}

static tl_status parse_logic(tl_parser *parser, const char *word, tl_node_kind kind,
                             parse_level *operand, const tl_jinja_node **out_node) {
  int depth = parser->depth;
  TL_TRY(operand(parser, out_node));
  while (tl_parser_skip_name(parser, word)) {
    TL_TRY(tl_parser_enter(parser));
    tl_jinja_node *node = node_of(parser, kind, *out_node);
    if (!node) return TL_MEMORY;
    TL_TRY(operand(parser, &node->right));
    *out_node = node;
  }
  parser->depth = depth;
  return TL_OK;
}

static tl_status parse_and(tl_parser *parser, const tl_jinja_node **out_node) {
  return parse_logic(parser, "and", TL_JINJA_AND, parse_not, out_node);
}

static tl_status parse_or(tl_parser *parser, const tl_jinja_node **out_node) {
  return parse_logic(parser, "or", TL_JINJA_OR, parse_and, out_node);
}

tl_status tl_parse_expression(tl_parser *parser, bool has_choice, const tl_jinja_node **out_node) {
  int depth = parser->depth, missing = parser->missing_count;
  TL_TRY(tl_parser_enter(parser));
  TL_TRY(parse_or(parser, out_node));
  while (has_choice && tl_parser_skip_name(parser, "if")) {
    tl_jinja_node *node = node_of(parser, TL_JINJA_CHOICE, *out_node);
    if (!node) return TL_MEMORY;
    TL_TRY(tl_parser_enter(parser));
    TL_TRY(parse_or(parser, &node->right));
    if (tl_parser_skip_name(parser, "else")) {
      TL_TRY(tl_parse_expression(parser, true, &node->third));
    }
    tl_parser_allow_missing(parser, missing);
    *out_node = node;
  }
  parser->depth = depth;
  return TL_OK;
}
