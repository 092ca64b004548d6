// Implementation of graph_text.h: line by line, controls are followed, statements are rewritten and
// parsed.
#include "compiler/lower/graph_text.h"

#include "compiler/lower/graph_line.h"
#include "ir/text_parse.h"

// Text is read again in each turn of a loop, and what takes no text is counted as some.
enum { DEPTH_MAX = 16, LOOP_MAX = 4096, TEXT_BYTES_MAX = 1 << 27, TURN_BYTES = 64 };

typedef struct expander {
  tl_weights *weights;
  tl_scope *scope;
  tl_graph *graph;
  tl_graph_names names;
  tl_str layer_prefix; // of loops: before the names of values and of weights of a layer
  tl_str path;         // of blocks: before the names of values
  int depth;
  int64_t bytes_left;
  tl_graph_line line; // the current statement; its node is the text being read
} expander;

// A run of lines of the node's text.
typedef struct lines {
  size_t begin, end;
} lines;

// A line without its comment and blanks. False at the end.
static bool next_line(expander *e, lines *rest, tl_str *out_line) {
  tl_str text = e->line.node->text;
  if (rest->begin >= rest->end) return false;
  size_t end = rest->begin, comment = SIZE_MAX;
  char quote = 0;
  for (; end < rest->end && text.data[end] != '\n'; end++) {
    char c = text.data[end];
    if (quote) {
      quote = c == quote ? 0 : quote;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '#' && comment == SIZE_MAX) {
      comment = end;
    }
  }
  *out_line = tl_str_trim(tl_str_slice(text, rest->begin, comment < end ? comment : end));
  e->bytes_left -= (int64_t)(end + 1 - rest->begin);
  rest->begin = end + 1;
  return true;
}

static tl_status check_bytes(const expander *e) {
  if (e->bytes_left >= 0) return TL_OK;
  return tl_diag_error(e->scope->diag, TL_INPUT, e->line.node->span,
                       "the graph is longer than %d bytes, all turns of its loops counted",
                       TEXT_BYTES_MAX);
}

static size_t offset_of(const expander *e, tl_str part) {
  return (size_t)(part.data - e->line.node->text.data);
}

static tl_status fault(const expander *e, tl_str part, const char *what) {
  return tl_diag_error(e->scope->diag, TL_INPUT,
                       tl_yaml_place(e->line.node, offset_of(e, part), part.length), "%s", what);
}

static tl_status eval(expander *e, tl_str part, tl_expr_value *out) {
  size_t begin = offset_of(e, part);
  return tl_scope_eval_part(e->scope, e->line.node, begin, begin + part.length, out);
}

static tl_str joined(const expander *e, tl_str a, tl_str b) {
  return tl_arena_format(e->scope->input->arena, "%.*s%.*s", TL_STR_ARG(a), TL_STR_ARG(b));
}

static tl_span place(void *user, size_t offset, size_t length) {
  const expander *e = user;
  return tl_graph_line_place(&e->line, offset, length);
}

static tl_status resolve(void *user, tl_graph *graph, tl_str name, tl_span span,
                         tl_value **out_value, tl_diag *diag) {
  const expander *e = user;
  (void)diag;
  return tl_weights_resolve(e->weights, graph, name, e->layer_prefix, span, out_value);
}

static tl_status bind(expander *e, tl_str path, tl_str name, tl_str full) {
  if (tl_graph_names_bind(&e->names, path, name, full)) return TL_OK;
  return tl_diag_error(e->scope->diag, TL_MEMORY, e->line.node->span, "more than %d names",
                       TL_GRAPH_NAMES_MAX);
}

static tl_status run_statement(expander *e, tl_str line) {
  tl_str defined = tl_graph_line_defined(line);
  e->line.defined = defined;
  e->line.full = joined(e, joined(e, e->layer_prefix, e->path), defined);
  e->line.names = &e->names;
  e->line.path = e->path;
  if (!e->line.full.data) return TL_MEMORY;
  TL_TRY(tl_graph_line_write(&e->line, line));
  tl_text_hooks hooks = {e, resolve, place};
  TL_TRY(
      tl_text_parse_line(e->graph, (tl_str){e->line.data, e->line.length}, &hooks, e->scope->diag));
  return defined.length ? bind(e, e->path, defined, e->line.full) : TL_OK;
}

static tl_status run_lines(expander *e, lines all);

// A control with what its braces hold; `otherwise` is empty without an else.
typedef struct control {
  tl_str head; // the first line
  lines body, otherwise;
  size_t after; // where the text goes on
} control;

static bool opens_control(tl_str line) {
  return tl_str_starts_with(line, TL_STR("for ")) || tl_str_starts_with(line, TL_STR("when "));
}

// Finds the end of the control whose first line is before `rest`.
static tl_status find_close(expander *e, lines rest, control *c) {
  int level = 0;
  size_t start = rest.begin, at = rest.begin;
  bool in_else = false;
  tl_str line;
  if (c->head.data[c->head.length - 1] != '{')
    return fault(e, c->head, "'{' is missing at the end");
  for (; next_line(e, &rest, &line); at = rest.begin) {
    bool closes = tl_str_is(line, "}"), splits = tl_str_is(line, "} else {");
    if (level == 0 && (closes || splits)) {
      *(in_else ? &c->otherwise : &c->body) = (lines){start, at};
      c->after = start = rest.begin;
      if (closes) return TL_OK;
      if (in_else || tl_str_starts_with(c->head, TL_STR("for "))) {
        return fault(e, line, "'else' without 'when'");
      }
      in_else = true;
    } else {
      level += opens_control(line) - closes;
    }
  }
  return fault(e, c->head, "this is not closed: a line with '}' alone is missing");
}

static tl_status run_loop(expander *e, tl_str name, int64_t begin, int64_t end, lines body) {
  tl_str outer = e->layer_prefix;
  int locals_count = e->scope->locals_count;
  tl_scope_local variable = {.name = name, .is_loop = true};
  TL_TRY(tl_scope_push(e->scope, &variable, e->line.node->span));
  tl_status status = TL_OK;
  for (int64_t i = begin; tl_ok(status) && i < end; i++) {
    tl_scope_set(e->scope, i);
    e->layer_prefix =
        tl_arena_format(e->scope->input->arena, "%.*sl%lld.", TL_STR_ARG(outer), (long long)i);
    status = e->layer_prefix.data ? run_lines(e, body) : TL_MEMORY;
    if (!tl_ok(status)) {
      tl_diag_note(e->scope->diag, "while lowering layer %lld of %lld", (long long)i,
                   (long long)end);
    }
  }
  tl_scope_pop(e->scope, locals_count);
  e->layer_prefix = outer;
  return status;
}

// for NAME in FIRST..END {
static tl_status run_for(expander *e, const control *c) {
  tl_str head = c->head;
  size_t name_end = 4;
  while (name_end < head.length && tl_graph_is_word_byte(head.data[name_end]))
    name_end++;
  tl_str name = tl_str_slice(head, 4, name_end), range = tl_str_slice(head, name_end, head.length);
  const char *dots = memmem(range.data, range.length, "..", 2);
  if (name.length == 0 || !dots || !tl_str_starts_with(range, TL_STR(" in "))) {
    return fault(e, head, "expected: for NAME in FIRST..END {");
  }
  size_t split = (size_t)(dots - range.data);
  tl_expr_value first, last;
  int64_t begin = 0, end = 0;
  TL_TRY(eval(e, tl_str_slice(range, 4, split), &first));
  TL_TRY(eval(e, tl_str_slice(range, split + 2, range.length - 1), &last));
  if (!tl_expr_to_int(&first, &begin) || !tl_expr_to_int(&last, &end)) {
    return fault(e, head, "the bounds must be integers");
  }
  if (begin < 0 || end > LOOP_MAX || begin > end) {
    tl_diag_error(e->scope->diag, TL_INPUT,
                  tl_yaml_place(e->line.node, offset_of(e, head), head.length),
                  "a loop from %lld to %lld (0 to %d are possible)", (long long)begin,
                  (long long)end, LOOP_MAX);
    return TL_INPUT;
  }
  return run_loop(e, name, begin, end, c->body);
}

// At the config's value, if it comes from there as it is.
static tl_status no_condition(const expander *e, tl_str head, const tl_expr_value *value) {
  tl_span span = tl_yaml_place(e->line.node, offset_of(e, head), head.length);
  if (value->json) span = tl_json_span(e->scope->input->config_source, value->json);
  return tl_diag_error(e->scope->diag, TL_INPUT, span, "this is %s, expected true or false",
                       tl_expr_kind_text(value));
}

static tl_status run_control(expander *e, tl_str head, lines *rest) {
  control c = {.head = head};
  TL_TRY(find_close(e, *rest, &c));
  rest->begin = c.after;
  if (tl_str_starts_with(head, TL_STR("for "))) return run_for(e, &c);
  tl_expr_value value;
  TL_TRY(eval(e, tl_str_slice(head, 5, head.length - 1), &value));
  bool holds = false;
  if (!tl_expr_to_truth(&value, &holds)) return no_condition(e, head, &value);
  return run_lines(e, holds ? c.body : c.otherwise);
}

// The end of the argument that begins at `at`: a comma or the last parenthesis.
static size_t argument_end(tl_str list, size_t at) {
  int level = 0;
  for (; at < list.length; at++) {
    char c = list.data[at];
    if (c == '\'' || c == '"') {
      while (at + 1 < list.length && list.data[at + 1] != c)
        at++;
      at++;
    } else if (c == ',' && level == 0) {
      return at;
    }
    level += (c == '(' || c == '[') - (c == ')' || c == ']');
  }
  return list.length;
}

// `x=%value` becomes a name of the block, `w='mlp'` an argument.
static tl_status take_argument(expander *e, tl_str argument, tl_str path) {
  size_t equals = 0;
  while (equals < argument.length && tl_graph_is_word_byte(argument.data[equals]))
    equals++;
  tl_str name = tl_str_slice(argument, 0, equals);
  tl_str value = tl_str_trim(tl_str_slice(argument, equals + 1, argument.length));
  if (name.length == 0 || equals >= argument.length || argument.data[equals] != '=' ||
      value.length == 0) {
    return fault(e, argument, "an argument is NAME=%value or NAME=expression");
  }
  if (value.data[0] == '%') {
    tl_str full = tl_graph_names_find(&e->names, e->path, tl_str_slice(value, 1, value.length));
    if (tl_graph_find(e->graph, full)) return bind(e, path, name, full);
    return fault(e, value, "this value is not defined above");
  }
  tl_scope_local local = {.name = name};
  TL_TRY(eval(e, value, &local.value));
  return tl_scope_push(e->scope, &local, e->line.node->span);
}

static tl_status take_arguments(expander *e, tl_str list, tl_str path) {
  for (size_t at = 0; at < list.length;) {
    size_t end = argument_end(list, at);
    TL_TRY(take_argument(e, tl_str_trim(tl_str_slice(list, at, end)), path));
    at = end + 1;
  }
  return TL_OK;
}

static tl_status run_block(expander *e, const tl_yaml *block, tl_str use) {
  const tl_yaml *outer = e->line.node;
  tl_span span = tl_yaml_place(outer, offset_of(e, use), use.length);
  e->line.node = block;
  tl_status status = run_lines(e, (lines){0, block->text.length});
  e->line.node = outer;
  // Blocks within blocks are near the place itself.
  if (!tl_ok(status) && outer == e->scope->input->arch->graph) {
    int line, column;
    tl_diag_locate(span.source->text, span.offset, &line, &column);
    tl_diag_note(e->scope->diag, "used by %s:%d", span.source->name, line);
  }
  return status;
}

// A word, or words with dots between them.
static tl_str take_word(tl_str *rest) {
  size_t end = 0;
  while (end < rest->length && (tl_graph_is_word_byte(rest->data[end]) || rest->data[end] == '.'))
    end++;
  tl_str word = tl_str_slice(*rest, 0, end);
  *rest = tl_str_trim(tl_str_slice(*rest, end, rest->length));
  return word;
}

// use BLOCK [as NAME(arguments)]
static tl_status run_use(expander *e, tl_str line) {
  tl_str rest = tl_str_trim(tl_str_slice(line, 4, line.length)), name = take_word(&rest);
  const tl_yaml *block = tl_arch_member(e->scope->input->arch, "blocks", name);
  if (!block || !block->is_literal) return fault(e, line, "there is no block of this name");
  if (rest.length == 0) return run_block(e, block, line);
  tl_str as = take_word(&rest), target = take_word(&rest);
  bool is_list = rest.length >= 2 && rest.data[0] == '(' && rest.data[rest.length - 1] == ')';
  if (!tl_str_is(as, "as") || target.length == 0 || !is_list) {
    return fault(e, line, "expected: use BLOCK, or use BLOCK as NAME(argument=value, ..)");
  }
  tl_str outer = e->path, path = joined(e, joined(e, e->path, target), TL_STR("."));
  int locals_count = e->scope->locals_count, frame = e->scope->frame;
  if (!path.data) return TL_MEMORY;
  tl_status status = take_arguments(e, tl_str_slice(rest, 1, rest.length - 1), path);
  e->scope->frame = locals_count;
  e->path = path;
  if (tl_ok(status)) status = run_block(e, block, line);
  e->path = outer;
  e->scope->frame = frame;
  tl_scope_pop(e->scope, locals_count);
  return status;
}

static tl_status run_line(expander *e, tl_str line, lines *rest) {
  TL_TRY(check_bytes(e));
  if (line.length == 0) return TL_OK;
  if (opens_control(line)) return run_control(e, line, rest);
  return tl_str_starts_with(line, TL_STR("use ")) ? run_use(e, line) : run_statement(e, line);
}

static tl_status run_lines(expander *e, lines all) {
  if (e->depth == DEPTH_MAX) {
    return tl_diag_error(e->scope->diag, TL_INPUT, e->line.node->span,
                         "controls and blocks are nested deeper than %d", DEPTH_MAX);
  }
  e->bytes_left -= TURN_BYTES;
  tl_status status = check_bytes(e);
  tl_str line;
  e->depth++;
  while (tl_ok(status) && next_line(e, &all, &line))
    status = run_line(e, line, &all);
  e->depth--;
  return status;
}

tl_status tl_graph_text_expand(tl_weights *weights, tl_graph *graph) {
  tl_scope *scope = weights->scope;
  expander *e = tl_arena_alloc(scope->input->arena, sizeof *e);
  if (!e) return TL_MEMORY;
  *e = (expander){.weights = weights,
                  .scope = scope,
                  .graph = graph,
                  .names = {.arena = scope->input->arena},
                  .layer_prefix = TL_STR(""),
                  .path = TL_STR(""),
                  .bytes_left = TEXT_BYTES_MAX};
  e->line.scope = scope;
  e->line.node = scope->input->arch->graph;
  return run_lines(e, (lines){0, e->line.node->text.length});
}
