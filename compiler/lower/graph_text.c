// Line by line: controls are followed, statements are rewritten and parsed.
#include "compiler/lower/graph_text.h"

#include "ir/text_parse.h"

enum { NAMES_MAX = 1 << 18, PIECES_MAX = 128, LINE_MAX_BYTES = 4096, DEPTH_MAX = 16 };

// The latest definition of a name.
typedef struct binding {
  tl_str name, full;
} binding;

// Bytes of the expanded line from `at` on come from `offset` of the node's text on.
typedef struct piece {
  size_t at, offset;
  bool is_value; // all of it is one place
} piece;

typedef struct expander {
  tl_weights *weights;
  tl_scope *scope;
  tl_graph *graph;
  binding *names;
  size_t names_count, names_capacity;
  tl_str prefix; // of names defined now
  int depth;
  const tl_yaml *node; // whose lines are read
  tl_span line_span;
  char line[LINE_MAX_BYTES]; // the statement, expanded
  size_t line_length;
  piece pieces[PIECES_MAX];
  int pieces_count;
} expander;

// A run of lines of the node's text.
typedef struct lines {
  size_t begin, end;
} lines;

static bool next_line(const expander *e, lines *rest, size_t *out_begin, size_t *out_end) {
  if (rest->begin >= rest->end) return false;
  size_t end = rest->begin;
  while (end < rest->end && e->node->text.data[end] != '\n')
    end++;
  *out_begin = rest->begin;
  *out_end = end;
  rest->begin = end + 1;
  return true;
}

static tl_str trimmed(const expander *e, size_t begin, size_t end) {
  return tl_str_trim(tl_str_slice(e->node->text, begin, end));
}

static size_t offset_in(const expander *e, tl_str part) {
  return (size_t)(part.data - e->node->text.data);
}

static tl_status fault(const expander *e, tl_str part, const char *what) {
  return tl_diag_error(e->scope->diag, TL_INPUT,
                       tl_yaml_place(e->node, offset_in(e, part), part.length), "%s", what);
}

static bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.';
}

static tl_status put(expander *e, tl_str text, size_t offset, bool is_value) {
  if (e->line_length + text.length >= LINE_MAX_BYTES || e->pieces_count == PIECES_MAX) {
    return tl_diag_error(e->scope->diag, TL_INPUT, e->line_span, "this line is too long");
  }
  e->pieces[e->pieces_count++] = (piece){e->line_length, offset, is_value};
  memcpy(e->line + e->line_length, text.data, text.length);
  e->line_length += text.length;
  return TL_OK;
}

static tl_span place(void *user, size_t offset, size_t length) {
  const expander *e = user;
  int p = 0;
  while (p + 1 < e->pieces_count && e->pieces[p + 1].at <= offset)
    p++;
  size_t inside = e->pieces[p].is_value ? 0 : offset - e->pieces[p].at;
  return tl_yaml_place(e->node, e->pieces[p].offset + inside, length);
}

static tl_status resolve(void *user, tl_graph *graph, tl_str name, tl_span span,
                         tl_value **out_value, tl_diag *diag) {
  const expander *e = user;
  (void)diag;
  return tl_weights_resolve(e->weights, graph, name, e->prefix, span, out_value);
}

static tl_str full_name(const expander *e, tl_str name) {
  for (size_t i = e->names_count; i-- > 0;) {
    if (tl_str_equal(e->names[i].name, name)) return e->names[i].full;
  }
  return name;
}

// The name a statement defines, or an empty view.
static tl_str defined_name(tl_str line) {
  static const char *const keywords[] = {"input ", "weight ", "table ", "state "};
  for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
    tl_str keyword = tl_str_from(keywords[i]);
    if (tl_str_starts_with(line, keyword)) {
      line = tl_str_trim(tl_str_slice(line, keyword.length, line.length));
    }
  }
  size_t end = 1;
  if (line.length == 0 || line.data[0] != '%') return (tl_str){0};
  while (end < line.length && is_name_byte(line.data[end]))
    end++;
  return tl_str_slice(line, 1, end);
}

static tl_status bind(expander *e, tl_str name, tl_str full) {
  for (size_t i = e->names_count; i-- > 0;) {
    if (!tl_str_equal(e->names[i].name, name)) continue;
    e->names[i].full = full;
    return TL_OK;
  }
  binding *grown = tl_arena_grow(e->scope->input->arena, e->names, &e->names_capacity,
                                 e->names_count + 1, sizeof *grown);
  if (!grown || e->names_count == NAMES_MAX) return TL_MEMORY;
  e->names = grown;
  e->names[e->names_count++] = (binding){name, full};
  return TL_OK;
}

// `$name` or `${expression}` at `at`; `*out_end` is behind it.
static tl_status put_value(expander *e, tl_str line, size_t at, size_t *out_end) {
  size_t begin = at + 1, end = begin;
  bool braces = begin < line.length && line.data[begin] == '{';
  if (braces) begin++;
  end = begin;
  while (end < line.length && (braces ? line.data[end] != '}' : is_name_byte(line.data[end])))
    end++;
  tl_expr_value value;
  size_t base = offset_in(e, line);
  TL_TRY(tl_scope_eval_part(e->scope, e->node, base + begin, base + end, &value));
  *out_end = end + (braces && end < line.length);
  if (value.kind == TL_EXPR_MISSING || value.kind == TL_EXPR_JSON) {
    return fault(e, tl_str_slice(line, at, *out_end), "this has no value that can be written here");
  }
  return put(e, tl_expr_print(&value, e->scope->input->arena), base + at, true);
}

static tl_status expand_line(expander *e, tl_str line, tl_str defined, tl_str full) {
  size_t done = 0, base = offset_in(e, line);
  e->line_length = 0;
  e->pieces_count = 0;
  for (size_t at = 0; at < line.length;) {
    char c = line.data[at];
    if (c == '#') break;
    if (c != '%' && c != '$') {
      at++;
      continue;
    }
    TL_TRY(put(e, tl_str_slice(line, done, at), base + done, false));
    size_t end = at + 1;
    if (c == '$') {
      TL_TRY(put_value(e, line, at, &end));
    } else {
      while (end < line.length && is_name_byte(line.data[end]))
        end++;
      tl_str name = tl_str_slice(line, at + 1, end);
      bool defines = name.data == defined.data;
      TL_TRY(put(e, TL_STR("%"), base + at, false));
      TL_TRY(put(e, defines ? full : full_name(e, name), base + at + 1, false));
    }
    at = done = end;
  }
  tl_str rest = tl_str_slice(line, done, line.length);
  for (size_t i = 0; i < rest.length; i++) {
    if (rest.data[i] == '#') rest.length = i;
  }
  return put(e, rest, base + done, false);
}

static tl_status run_statement(expander *e, tl_str line) {
  tl_str defined = defined_name(line), full = {0};
  if (defined.data) {
    full = tl_arena_format(e->scope->input->arena, "%.*s%.*s", TL_STR_ARG(e->prefix),
                           TL_STR_ARG(defined));
    if (!full.data) return TL_MEMORY;
  }
  TL_TRY(expand_line(e, line, defined, full));
  tl_text_hooks hooks = {e, resolve, place};
  TL_TRY(tl_text_parse_line(e->graph, (tl_str){e->line, e->line_length}, &hooks, e->scope->diag));
  return defined.data ? bind(e, defined, full) : TL_OK;
}

static tl_status run_lines(expander *e, lines all);

// Finds the line that closes the block that `rest` begins in; `*out_else` is where its else branch
// begins, or SIZE_MAX.
static bool find_close(const expander *e, lines rest, lines *out_body, lines *out_else,
                       size_t *out_after) {
  int level = 0;
  size_t begin, end, start = rest.begin;
  *out_else = (lines){0, 0};
  *out_body = (lines){start, start};
  bool in_else = false;
  while (next_line(e, &rest, &begin, &end)) {
    tl_str line = trimmed(e, begin, end);
    bool closes = tl_str_is(line, "}"), splits = tl_str_is(line, "} else {");
    bool opens =
        tl_str_starts_with(line, TL_STR("for ")) || tl_str_starts_with(line, TL_STR("when "));
    if ((closes || splits) && level == 0) {
      if (in_else) {
        *out_else = (lines){start, begin};
      } else {
        *out_body = (lines){start, begin};
      }
      if (closes) {
        *out_after = rest.begin;
        return true;
      }
      in_else = true;
      start = rest.begin;
    }
    level += opens - (closes && level > 0);
  }
  return false;
}

static tl_status run_for(expander *e, tl_str line, lines body) {
  // for NAME in A..B {
  size_t base = offset_in(e, line), at = 4, name_end = 4;
  while (name_end < line.length && is_name_byte(line.data[name_end]))
    name_end++;
  tl_str name = tl_str_slice(line, at, name_end);
  const char *in = memmem(line.data, line.length, " in ", 4);
  const char *dots = memmem(line.data, line.length, "..", 2);
  if (!in || !dots || dots < in || name.length == 0) {
    return fault(e, line, "expected: for name in first..end {");
  }
  size_t first = (size_t)(in - line.data) + 4, last = (size_t)(dots - line.data);
  tl_expr_value from, to;
  int64_t begin = 0, end = 0;
  TL_TRY(tl_scope_eval_part(e->scope, e->node, base + first, base + last, &from));
  TL_TRY(tl_scope_eval_part(e->scope, e->node, base + last + 2, base + line.length - 1, &to));
  if (!tl_expr_to_int(&from, &begin) || !tl_expr_to_int(&to, &end) || end - begin > 1 << 16) {
    return fault(e, line, "the bounds must be integers");
  }
  tl_str outer = e->prefix;
  TL_TRY(tl_scope_push(e->scope, name, begin));
  tl_status status = TL_OK;
  for (int64_t i = begin; tl_ok(status) && i < end; i++) {
    tl_scope_set(e->scope, i);
    e->prefix =
        tl_arena_format(e->scope->input->arena, "%.*sl%lld.", TL_STR_ARG(outer), (long long)i);
    status = run_lines(e, body);
    if (!tl_ok(status)) {
      tl_diag_note(e->scope->diag, "while lowering layer %lld of %lld", (long long)i,
                   (long long)end);
    }
  }
  tl_scope_pop(e->scope);
  e->prefix = outer;
  return status;
}

static tl_status run_when(expander *e, tl_str line, lines body, lines otherwise) {
  size_t base = offset_in(e, line);
  tl_expr_value value;
  TL_TRY(tl_scope_eval_part(e->scope, e->node, base + 5, base + line.length - 1, &value));
  return run_lines(e, tl_expr_truth(&value) ? body : otherwise);
}

static tl_status run_use(expander *e, tl_str line) {
  tl_str name = tl_str_trim(tl_str_slice(line, 4, line.length));
  const tl_yaml *block = tl_arch_member(e->scope->input->arch, "blocks", name);
  if (!block || !block->is_literal) return fault(e, line, "there is no block of this name");
  const tl_yaml *outer = e->node;
  e->node = block;
  tl_status status = run_lines(e, (lines){0, block->text.length});
  e->node = outer;
  return status;
}

static tl_status run_lines(expander *e, lines all) {
  size_t begin, end;
  if (e->depth == DEPTH_MAX) {
    return tl_diag_error(e->scope->diag, TL_INPUT, e->node->span, "nested deeper than %d",
                         DEPTH_MAX);
  }
  e->depth++;
  tl_status status = TL_OK;
  while (tl_ok(status) && next_line(e, &all, &begin, &end)) {
    tl_str line = trimmed(e, begin, end);
    if (line.length == 0 || line.data[0] == '#') continue;
    e->line_span = tl_yaml_place(e->node, offset_in(e, line), line.length);
    bool loop = tl_str_starts_with(line, TL_STR("for "));
    bool when = tl_str_starts_with(line, TL_STR("when "));
    if (tl_str_starts_with(line, TL_STR("use "))) {
      status = run_use(e, line);
    } else if (loop || when) {
      lines body, otherwise;
      size_t after = 0;
      if (line.data[line.length - 1] != '{' || !find_close(e, all, &body, &otherwise, &after)) {
        return fault(e, line, "this block is not closed");
      }
      all.begin = after;
      status = loop ? run_for(e, line, body) : run_when(e, line, body, otherwise);
    } else {
      status = run_statement(e, line);
    }
  }
  e->depth--;
  return status;
}

tl_status tl_graph_text_expand(tl_weights *weights, tl_graph *graph) {
  tl_scope *scope = weights->scope;
  expander *e = tl_arena_alloc(scope->input->arena, sizeof *e);
  if (!e) return TL_MEMORY;
  *e = (expander){.weights = weights, .scope = scope, .graph = graph, .prefix = TL_STR("")};
  e->node = scope->input->arch->graph;
  return run_lines(e, (lines){0, e->node->text.length});
}
