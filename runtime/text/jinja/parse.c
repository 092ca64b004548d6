// Statements of templates, and what parsing shares: tokens, nodes, symbols.
#include <stdarg.h>
#include <stdio.h>

#include "runtime/base/utf8.h"
#include "runtime/text/jinja/parser.h"

// Reads statements and text up to a block whose first word is one of `ends` (separated by spaces),
// and moves behind that word; without `ends` to the end of the text.
static tl_status parse_body(tl_parser *parser, const char *ends, const tl_jinja_node **out_items);

tl_status tl_parser_refuse(tl_parser *parser, const tl_token *token, tl_status status,
                           const char *format, ...) {
  char text[TL_DIAG_TEXT_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return tl_diag_error(parser->diag, status,
                       (tl_span){parser->source, token->offset, token->end - token->offset}, "%s",
                       text);
}

tl_status tl_parser_fail(tl_parser *parser, const char *expected) {
  const tl_token *token = parser->token;
  tl_str found = tl_str_slice(parser->source->text, token->offset, token->end);
  if (found.length > 40) found.length = 40;
  if (token->kind == TL_TOKEN_END) {
    return tl_parser_refuse(parser, token, TL_INPUT, "the template ends, expected %s", expected);
  }
  if (token->kind == TL_TOKEN_DATA) found = TL_STR("text");
  return tl_parser_refuse(parser, token, TL_INPUT, "'%.*s' found, expected %s", TL_STR_ARG(found),
                          expected);
}

tl_jinja_node *tl_parser_node(tl_parser *parser, tl_node_kind kind) {
  tl_jinja_node *node = tl_arena_alloc(parser->arena, sizeof *node);
  if (node) {
    node->kind = (uint8_t)kind;
    node->offset = parser->token->offset;
  }
  return node;
}

void tl_parser_append(tl_node_list *list, tl_jinja_node *node) {
  if (list->last)
    list->last->next = node;
  else
    list->first = node;
  list->last = node;
}

tl_status tl_parser_symbol(tl_parser *parser, tl_str name, uint16_t *out_symbol) {
  for (size_t i = 0; i < parser->symbols_count; i++) {
    if (!tl_str_equal(parser->symbols[i], name)) continue;
    *out_symbol = (uint16_t)i;
    return TL_OK;
  }
  if (parser->symbols_count == TL_JINJA_SYMBOLS_MAX) {
    return tl_parser_refuse(parser, parser->token, TL_MEMORY, "more than %d different names",
                            TL_JINJA_SYMBOLS_MAX);
  }
  tl_str *symbols = tl_arena_grow(parser->arena, parser->symbols, &parser->symbols_capacity,
                                  parser->symbols_count + 1, sizeof *symbols);
  if (!symbols) return TL_MEMORY;
  parser->symbols = symbols;
  *out_symbol = (uint16_t)parser->symbols_count;
  symbols[parser->symbols_count++] = name;
  return TL_OK;
}

bool tl_parser_is(const tl_parser *parser, const char *op) {
  return parser->token->kind == TL_TOKEN_OPERATOR && tl_str_is(parser->token->text, op);
}

bool tl_parser_is_name(const tl_parser *parser, const char *name) {
  return parser->token->kind == TL_TOKEN_NAME && tl_str_is(parser->token->text, name);
}

bool tl_parser_skip(tl_parser *parser, const char *op) {
  bool is_it = tl_parser_is(parser, op);
  parser->token += is_it;
  return is_it;
}

bool tl_parser_skip_name(tl_parser *parser, const char *name) {
  bool is_it = tl_parser_is_name(parser, name);
  parser->token += is_it;
  return is_it;
}

tl_status tl_parser_expect(tl_parser *parser, const char *op) {
  char expected[8];
  if (tl_parser_skip(parser, op)) return TL_OK;
  snprintf(expected, sizeof expected, "'%s'", op);
  return tl_parser_fail(parser, expected);
}

tl_status tl_parser_miss(tl_parser *parser) {
  if (parser->missing_count == TL_PARSER_MISSING_MAX) {
    return tl_parser_refuse(parser, parser->token, TL_UNSUPPORTED,
                            "more than %d filters and tests that are not supported",
                            TL_PARSER_MISSING_MAX);
  }
  parser->missing[parser->missing_count++] = (tl_missing){parser->token, false};
  return TL_OK;
}

void tl_parser_allow_missing(tl_parser *parser, int count) {
  int kept = count;
  for (int i = count; i < parser->missing_count; i++) {
    if (parser->missing[i].is_fault) parser->missing[kept++] = parser->missing[i];
  }
  parser->missing_count = kept;
}

void tl_parser_forbid_missing(tl_parser *parser, int count) {
  for (int i = count; i < parser->missing_count; i++)
    parser->missing[i].is_fault = true;
}

tl_status tl_parser_enter(tl_parser *parser) {
  if (++parser->depth <= TL_JINJA_NESTING_MAX) return TL_OK;
  return tl_parser_refuse(parser, parser->token, TL_MEMORY,
                          "more than %d blocks and expressions inside each other",
                          TL_JINJA_NESTING_MAX);
}

static tl_status expect_block_end(tl_parser *parser) {
  if (parser->token->kind != TL_TOKEN_BLOCK_END) return tl_parser_fail(parser, "'%}'");
  parser->token++;
  return TL_OK;
}

// The body of a block whose own words end here: `%} items {% end %}`.
static tl_status parse_block(tl_parser *parser, const char *end, const tl_jinja_node **out_items) {
  int missing = parser->missing_count;
  TL_TRY(expect_block_end(parser));
  TL_TRY(parse_body(parser, end, out_items));
  tl_parser_forbid_missing(parser, missing);
  return expect_block_end(parser);
}

tl_status tl_parse_name(tl_parser *parser, tl_jinja_node **out_node) {
  tl_jinja_node *node = tl_parser_node(parser, TL_JINJA_NAME);
  if (!node) return TL_MEMORY;
  if (parser->token->kind != TL_TOKEN_NAME) return tl_parser_fail(parser, "a name");
  node->name = parser->token->text;
  TL_TRY(tl_parser_symbol(parser, node->name, &node->symbol));
  if (node->symbol < TL_JINJA_SYMBOLS_KNOWN) parser->uses |= 1 << node->symbol;
  parser->token++;
  *out_node = node;
  return TL_OK;
}

// One name, one member, or targets in brackets.
static tl_status parse_one_target(tl_parser *parser, bool allows_members,
                                  const tl_jinja_node **out_node) {
  static const char *const constants[] = {"true", "false", "none", "True", "False", "None"};
  if (tl_parser_skip(parser, "(")) {
    TL_TRY(tl_parser_enter(parser));
    TL_TRY(tl_parse_target(parser, allows_members, out_node));
    parser->depth--;
    return tl_parser_expect(parser, ")");
  }
  for (size_t i = 0; i < sizeof constants / sizeof constants[0]; i++) {
    if (tl_parser_is_name(parser, constants[i])) return tl_parser_fail(parser, "a name");
  }
  tl_jinja_node *node = NULL;
  TL_TRY(tl_parse_name(parser, &node));
  if (allows_members && tl_parser_skip(parser, ".")) {
    node->kind = TL_JINJA_MEMBER;
    if (parser->token->kind != TL_TOKEN_NAME) return tl_parser_fail(parser, "a name");
    node->name = parser->token->text;
    parser->token++;
  }
  *out_node = node;
  return TL_OK;
}

tl_status tl_parse_target(tl_parser *parser, bool allows_members, const tl_jinja_node **out_node) {
  tl_jinja_node *tuple = tl_parser_node(parser, TL_JINJA_TUPLE);
  tl_node_list items = {0};
  bool is_tuple = false;
  if (!tuple) return TL_MEMORY;
  do {
    if (items.first && parser->token->kind != TL_TOKEN_NAME && !tl_parser_is(parser, "(")) break;
    tl_jinja_node *holder = tl_parser_node(parser, TL_JINJA_ARGUMENT);
    if (!holder) return TL_MEMORY;
    TL_TRY(parse_one_target(parser, allows_members, &holder->left));
    tl_parser_append(&items, holder);
    is_tuple |= tl_parser_is(parser, ",");
  } while (tl_parser_skip(parser, ","));
  tuple->items = items.first;
  *out_node = is_tuple ? tuple : items.first->left;
  return TL_OK;
}

static tl_status parse_if(tl_parser *parser, tl_jinja_node *node) {
  tl_node_list others = {0};
  tl_jinja_node *branch = node;
  int missing = parser->missing_count;
  node->kind = TL_JINJA_IF;
  TL_TRY(tl_parse_tuple(parser, false, NULL, &branch->left));
  while (true) {
    TL_TRY(expect_block_end(parser));
    TL_TRY(parse_body(parser, branch->left ? "elif else endif" : "endif", &branch->items));
    tl_str word = parser->token[-1].text;
    if (tl_str_is(word, "endif")) break;
    branch = tl_parser_node(parser, TL_JINJA_IF);
    if (!branch) return TL_MEMORY;
    if (tl_str_is(word, "elif")) TL_TRY(tl_parse_tuple(parser, false, NULL, &branch->left));
    tl_parser_append(&others, branch);
  }
  node->others = others.first;
  tl_parser_allow_missing(parser, missing);
  return expect_block_end(parser);
}

static tl_status parse_for(tl_parser *parser, tl_jinja_node *node) {
  node->kind = TL_JINJA_FOR;
  TL_TRY(tl_parse_target(parser, false, &node->left));
  if (!tl_parser_skip_name(parser, "in")) return tl_parser_fail(parser, "'in'");
  TL_TRY(tl_parse_tuple(parser, false, "recursive", &node->right));
  int missing = parser->missing_count;
  if (tl_parser_skip_name(parser, "if")) TL_TRY(tl_parse_expression(parser, true, &node->third));
  node->op = tl_parser_skip_name(parser, "recursive");
  TL_TRY(expect_block_end(parser));
  parser->loops++;
  TL_TRY(parse_body(parser, "else endfor", &node->items));
  parser->loops--;
  bool has_else = tl_str_is(parser->token[-1].text, "else");
  TL_TRY(has_else ? parse_block(parser, "endfor", &node->others) : expect_block_end(parser));
  tl_parser_forbid_missing(parser, missing);
  return TL_OK;
}

static tl_status parse_set(tl_parser *parser, tl_jinja_node *node) {
  node->kind = TL_JINJA_SET;
  TL_TRY(tl_parse_target(parser, true, &node->left));
  if (tl_parser_skip(parser, "=")) {
    TL_TRY(tl_parse_tuple(parser, true, NULL, &node->right));
    return expect_block_end(parser);
  }
  node->kind = TL_JINJA_SET_BLOCK;
  if (tl_parser_skip(parser, "|")) TL_TRY(tl_parse_filters(parser, NULL, &node->right));
  return parse_block(parser, "endset", &node->items);
}

// (a, b=1)
static tl_status parse_parameters(tl_parser *parser, const tl_jinja_node **out_params) {
  tl_node_list params = {0};
  TL_TRY(tl_parser_expect(parser, "("));
  while (!tl_parser_is(parser, ")")) {
    if (params.first) TL_TRY(tl_parser_expect(parser, ","));
    tl_jinja_node *node = NULL;
    TL_TRY(tl_parse_name(parser, &node));
    node->kind = TL_JINJA_PARAMETER; // NOLINT(*.NullDereference): tl_parse_name made it
    if (tl_parser_skip(parser, "=")) {
      TL_TRY(tl_parse_expression(parser, true, &node->left));
    } else if (params.last && params.last->left) {
      return tl_parser_fail(parser, "a default, as the parameter before has one");
    }
    tl_parser_append(&params, node);
  }
  *out_params = params.first;
  return tl_parser_expect(parser, ")");
}

// The body of a macro or a caller: loops outside of it are none inside. Notes which of the known
// names it uses.
static tl_status parse_macro_body(tl_parser *parser, const char *end, tl_jinja_node *node) {
  int loops = parser->loops, uses = parser->uses;
  parser->loops = parser->uses = 0;
  TL_TRY(parse_block(parser, end, &node->items));
  node->op = (uint8_t)parser->uses;
  parser->loops = loops;
  parser->uses |= uses;
  return TL_OK;
}

static tl_status parse_macro(tl_parser *parser, tl_jinja_node *node) {
  tl_jinja_node *name = NULL;
  TL_TRY(tl_parse_name(parser, &name));
  node->kind = TL_JINJA_MACRO;
  node->name = name->name; // NOLINT(*.NullDereference): tl_parse_name made it
  node->symbol = name->symbol;
  TL_TRY(parse_parameters(parser, &node->params));
  return parse_macro_body(parser, "endmacro", node);
}

static tl_status parse_call_block(tl_parser *parser, tl_jinja_node *node) {
  node->kind = TL_JINJA_CALL_BLOCK;
  node->name = TL_STR("caller");
  if (tl_parser_is(parser, "(")) TL_TRY(parse_parameters(parser, &node->params));
  const tl_token *token = parser->token;
  TL_TRY(tl_parse_expression(parser, true, &node->left));
  if (node->left->kind != TL_JINJA_CALL) {
    return tl_parser_refuse(parser, token, TL_INPUT, "a call block calls a macro: 'name(..)'");
  }
  return parse_macro_body(parser, "endcall", node);
}

static tl_status parse_with(tl_parser *parser, tl_jinja_node *node) {
  tl_node_list params = {0};
  node->kind = TL_JINJA_WITH;
  while (parser->token->kind != TL_TOKEN_BLOCK_END) {
    if (params.first) TL_TRY(tl_parser_expect(parser, ","));
    tl_jinja_node *param = tl_parser_node(parser, TL_JINJA_PARAMETER);
    if (!param) return TL_MEMORY;
    TL_TRY(parse_one_target(parser, false, &param->left));
    TL_TRY(tl_parser_expect(parser, "="));
    TL_TRY(tl_parse_expression(parser, true, &param->right));
    tl_parser_append(&params, param);
  }
  node->params = params.first;
  return parse_block(parser, "endwith", &node->items);
}

static tl_status parse_filter_block(tl_parser *parser, tl_jinja_node *node) {
  node->kind = TL_JINJA_FILTER_BLOCK;
  TL_TRY(tl_parse_filters(parser, NULL, &node->right));
  return parse_block(parser, "endfilter", &node->items);
}

static tl_status parse_generation(tl_parser *parser, tl_jinja_node *node) {
  node->kind = TL_JINJA_GENERATION;
  return parse_macro_body(parser, "endgeneration", node);
}

static tl_status parse_jump(tl_parser *parser, tl_jinja_node *node, tl_node_kind kind) {
  node->kind = (uint8_t)kind;
  if (parser->loops == 0) {
    return tl_parser_refuse(parser, parser->token - 1, TL_INPUT, "this is outside of loops");
  }
  return expect_block_end(parser);
}

static tl_status parse_break(tl_parser *parser, tl_jinja_node *node) {
  return parse_jump(parser, node, TL_JINJA_BREAK);
}

static tl_status parse_continue(tl_parser *parser, tl_jinja_node *node) {
  return parse_jump(parser, node, TL_JINJA_CONTINUE);
}

typedef struct statement_row {
  const char *word;
  tl_status (*parse)(tl_parser *parser, tl_jinja_node *node);
} statement_row;

static const statement_row statements[] = {
    {"if", parse_if},           {"for", parse_for},
    {"set", parse_set},         {"macro", parse_macro},
    {"call", parse_call_block}, {"filter", parse_filter_block},
    {"with", parse_with},       {"generation", parse_generation},
    {"break", parse_break},     {"continue", parse_continue},
};

// The statement whose first word is the next token.
static tl_status parse_statement(tl_parser *parser, tl_node_list *items) {
  tl_jinja_node *node = tl_parser_node(parser, TL_JINJA_DATA);
  if (!node) return TL_MEMORY;
  if (parser->token->kind != TL_TOKEN_NAME) return tl_parser_fail(parser, "a statement");
  for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
    if (!tl_parser_skip_name(parser, statements[i].word)) continue;
    TL_TRY(tl_parser_enter(parser));
    TL_TRY(statements[i].parse(parser, node));
    parser->depth--;
    tl_parser_append(items, node);
    return TL_OK;
  }
  return tl_parser_refuse(parser, parser->token, TL_UNSUPPORTED,
                          "there is no statement '%.*s' here", TL_STR_ARG(parser->token->text));
}

static tl_status parse_print(tl_parser *parser, tl_node_list *items) {
  tl_jinja_node *node = tl_parser_node(parser, TL_JINJA_PRINT);
  if (!node) return TL_MEMORY;
  parser->token++;
  TL_TRY(tl_parse_tuple(parser, true, NULL, &node->left));
  if (parser->token->kind != TL_TOKEN_PRINT_END) return tl_parser_fail(parser, "'}}'");
  parser->token++;
  tl_parser_append(items, node);
  return TL_OK;
}

// Whether the next token is one of the words.
static bool is_one_of(const tl_parser *parser, const char *words) {
  tl_str word = parser->token->text;
  if (parser->token->kind != TL_TOKEN_NAME) return false;
  for (const char *at = words; *at;) {
    size_t length = strcspn(at, " ");
    if (word.length == length && memcmp(at, word.data, length) == 0) return true;
    at += length + (at[length] == ' ');
  }
  return false;
}

static tl_status parse_body(tl_parser *parser, const char *ends, const tl_jinja_node **out_items) {
  tl_node_list items = {0};
  while (parser->token->kind != TL_TOKEN_END) {
    if (parser->token->kind == TL_TOKEN_DATA) {
      tl_jinja_node *node = tl_parser_node(parser, TL_JINJA_DATA);
      if (!node) return TL_MEMORY;
      node->name = parser->token->text;
      parser->token++;
      tl_parser_append(&items, node);
    } else if (parser->token->kind == TL_TOKEN_PRINT_BEGIN) {
      TL_TRY(parse_print(parser, &items));
    } else {
      parser->token++;
      *out_items = items.first;
      if (ends && is_one_of(parser, ends)) {
        parser->token++;
        return TL_OK;
      }
      TL_TRY(parse_statement(parser, &items));
    }
  }
  *out_items = items.first;
  if (!ends) return TL_OK;
  char expected[64];
  snprintf(expected, sizeof expected, "one of: %s", ends);
  return tl_parser_fail(parser, expected);
}

// As jinja2 reads a text: line ends of all systems are one, and the last one is not part of it.
static tl_status normalize(tl_arena *arena, const tl_source *source, tl_source *out_source) {
  char *text = tl_arena_alloc(arena, source->text.length + 1);
  size_t length = 0;
  if (!text) return TL_MEMORY;
  for (size_t i = 0; i < source->text.length; i++) {
    char c = source->text.data[i];
    bool is_pair = c == '\r' && i + 1 < source->text.length && source->text.data[i + 1] == '\n';
    if (!is_pair) text[length++] = c == '\r' ? '\n' : c;
  }
  if (length > 0 && text[length - 1] == '\n') length--;
  *out_source = (tl_source){source->name, {text, length}};
  return TL_OK;
}

static tl_status add_known_symbols(tl_parser *parser) {
#define ADD_SYMBOL(name, text) TL_STR(text),
  static const tl_str known[] = {TL_JINJA_SYMBOL_MAP(ADD_SYMBOL)};
  uint16_t symbol;
  for (size_t i = 0; i < TL_JINJA_SYMBOLS_KNOWN; i++)
    TL_TRY(tl_parser_symbol(parser, known[i], &symbol));
  return TL_OK;
}

tl_status tl_jinja_parse(tl_arena *arena, const tl_source *source,
                         const tl_jinja_template **out_template, tl_diag *diag) {
  tl_token *tokens = NULL;
  tl_jinja_template *template = tl_arena_alloc(arena, sizeof *template);
  if (!template) return TL_MEMORY;
  if (source->text.length > TL_JINJA_BYTES_MAX) {
    return tl_diag_error(diag, TL_MEMORY, (tl_span){source, 0, 0},
                         "the template has %zu bytes, at most %d are read", source->text.length,
                         TL_JINJA_BYTES_MAX);
  }
  if (!tl_utf8_is_valid(source->text)) {
    return tl_diag_error(diag, TL_INPUT, (tl_span){source, 0, 0}, "the template is not UTF-8");
  }
  TL_TRY(normalize(arena, source, &template->source));
  TL_TRY(tl_tokens_read(arena, &template->source, diag, &tokens));
  tl_parser parser = {.arena = arena, .source = &template->source, .diag = diag, .token = tokens};
  TL_TRY(add_known_symbols(&parser));
  TL_TRY(parse_body(&parser, NULL, &template->items));
  if (parser.missing_count > 0) {
    const tl_token *token = parser.missing[0].token;
    return tl_parser_refuse(&parser, token, TL_UNSUPPORTED,
                            "the filter or test '%.*s' is not supported", TL_STR_ARG(token->text));
  }
  template->symbols = parser.symbols;
  template->symbols_count = (uint32_t)parser.symbols_count;
  *out_template = template;
  return TL_OK;
}
