// Implementation of graph_line.h.
#include "compiler/lower/graph_line.h"

bool tl_graph_is_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// As attributes take it; a text of digits would be taken for a number.
static bool is_word(tl_str text) {
  for (size_t i = 0; i < text.length; i++) {
    if (!tl_graph_is_word_byte(text.data[i])) return false;
  }
  return text.length > 0 && !(text.data[0] >= '0' && text.data[0] <= '9');
}

// Bytes that names of values may have.
static bool is_name_byte(char c) {
  return tl_graph_is_word_byte(c) || c == '.';
}

tl_str tl_graph_line_defined(tl_str statement) {
  static const char *const keywords[] = {"input ", "weight ", "table ", "state "};
  for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
    tl_str keyword = tl_str_from(keywords[i]);
    if (!tl_str_starts_with(statement, keyword)) continue;
    statement = tl_str_trim(tl_str_slice(statement, keyword.length, statement.length));
    break;
  }
  if (statement.length == 0 || statement.data[0] != '%') return (tl_str){0};
  size_t end = 1;
  while (end < statement.length && is_name_byte(statement.data[end]))
    end++;
  return tl_str_slice(statement, 1, end);
}

static size_t offset_of(const tl_graph_line *line, tl_str part) {
  return (size_t)(part.data - line->node->text.data);
}

// Appends `text`, which stands for `source` of the node's text.
static tl_status put(tl_graph_line *line, tl_str text, tl_str source, bool is_value) {
  if (line->length + text.length > TL_GRAPH_LINE_MAX || line->pieces_count == TL_GRAPH_PIECES_MAX) {
    return tl_diag_error(line->scope->diag, TL_INPUT,
                         tl_yaml_place(line->node, offset_of(line, source), source.length),
                         "this statement is too long");
  }
  line->pieces[line->pieces_count++] =
      (tl_graph_piece){line->length, offset_of(line, source), source.length, is_value};
  memcpy(line->data + line->length, text.data, text.length);
  line->length += text.length;
  return TL_OK;
}

// `$name` or `${expression}` at `at`; `*out_end` is behind it.
static tl_status put_value(tl_graph_line *line, tl_str text, size_t at, size_t *out_end) {
  size_t begin = at + 1;
  bool braces = begin < text.length && text.data[begin] == '{';
  begin += braces;
  size_t end = begin;
  while (end < text.length &&
         (braces ? text.data[end] != '}' : tl_graph_is_word_byte(text.data[end])))
    end++;
  *out_end = end + (braces && end < text.length);
  tl_str source = tl_str_slice(text, at, *out_end);
  tl_expr_value value;
  size_t base = offset_of(line, text);
  TL_TRY(tl_scope_eval_part(line->scope, line->node, base + begin, base + end, &value));
  if (value.kind == TL_EXPR_MISSING || value.kind == TL_EXPR_JSON || value.kind == TL_EXPR_NULL) {
    return tl_diag_error(line->scope->diag, TL_INPUT,
                         tl_yaml_place(line->node, base + at, source.length),
                         "this is %s: it cannot be written here", tl_expr_kind_text(&value));
  }
  if (value.kind == TL_EXPR_TEXT && !is_word(value.text)) {
    return tl_scope_fault(line->scope, line->node, &value, "a word or a number");
  }
  tl_str printed = tl_expr_print(&value, line->scope->input->arena);
  return printed.data ? put(line, printed, source, true) : TL_MEMORY;
}

// `%name` at `at`.
static tl_status put_name(tl_graph_line *line, tl_str text, size_t at, size_t *out_end) {
  size_t end = at + 1;
  while (end < text.length && is_name_byte(text.data[end]))
    end++;
  *out_end = end;
  tl_str name = tl_str_slice(text, at + 1, end);
  bool defines = name.data == line->defined.data;
  tl_str full = defines ? line->full : tl_graph_names_find(line->names, line->path, name);
  TL_TRY(put(line, TL_STR("%"), tl_str_slice(text, at, end), true));
  return put(line, full, tl_str_slice(text, at, end), true);
}

static size_t skip_quoted(tl_str text, size_t at) {
  for (at++; at < text.length && text.data[at] != '"'; at++)
    at += text.data[at] == '\\';
  return at < text.length ? at + 1 : text.length;
}

tl_status tl_graph_line_write(tl_graph_line *line, tl_str statement) {
  size_t done = 0, at = 0;
  line->length = 0;
  line->pieces_count = 0;
  while (at < statement.length && statement.data[at] != '#') {
    char c = statement.data[at];
    if (c == '"') {
      at = skip_quoted(statement, at);
    } else if (c == '%' || c == '$') {
      tl_str copied = tl_str_slice(statement, done, at);
      TL_TRY(put(line, copied, copied, false));
      TL_TRY(c == '$' ? put_value(line, statement, at, &done)
                      : put_name(line, statement, at, &done));
      at = done;
    } else {
      at++;
    }
  }
  tl_str rest = tl_str_slice(statement, done, at);
  return put(line, rest, rest, false);
}

tl_span tl_graph_line_place(const tl_graph_line *line, size_t offset, size_t length) {
  if (line->pieces_count == 0) return line->node->span;
  int first = 0, last;
  while (first + 1 < line->pieces_count && line->pieces[first + 1].at <= offset)
    first++;
  last = first;
  while (last + 1 < line->pieces_count && line->pieces[last + 1].at < offset + length)
    last++;
  const tl_graph_piece *a = &line->pieces[first], *b = &line->pieces[last];
  size_t begin = a->offset + (a->is_value ? 0 : offset - a->at);
  size_t end = b->is_value ? b->offset + b->length : b->offset + (offset + length - b->at);
  return tl_yaml_place(line->node, begin, end > begin ? end - begin : 0);
}
