// Whole texts: the header, a statement per line, the closing brace.
#include "ir/text_lex.h"

// The line being read: what its places are counted from.
typedef struct line_origin {
  const tl_source *source;
  size_t offset;
} line_origin;

typedef struct text_reader {
  line_origin origin;
  tl_text_hooks hooks; // user = &origin
  const tl_op_table *ops;
  tl_arena *arena;
  tl_diag *diag;
  tl_graph *graph; // NULL before the header
  bool closed;
  int faults_count;
  tl_status status; // of the first fault
} text_reader;

static tl_span place_in_source(void *user, size_t offset, size_t length) {
  const line_origin *origin = user;
  return (tl_span){origin->source, origin->offset + offset, length};
}

static tl_lexer line_lexer(const text_reader *reader, tl_str line) {
  return (tl_lexer){.line = tl_text_strip(line),
                    .hooks = &reader->hooks,
                    .arena = reader->arena,
                    .diag = reader->diag};
}

static tl_status take_symbols(tl_lexer *lex, tl_symbols *symbols) {
  if (tl_lexer_accept(lex, ')')) return TL_OK;
  do {
    tl_str word;
    TL_TRY(tl_lexer_word(lex, "a symbol", &word));
    tl_span span = tl_lexer_span(lex, lex->at - word.length, lex->at);
    for (int s = 0; s < symbols->count; s++) {
      if (!tl_str_equal(symbols->names[s], word)) continue;
      return tl_diag_error(lex->diag, TL_INPUT, span, "symbol '%.*s' is declared twice",
                           TL_STR_ARG(word));
    }
    if (symbols->count == TL_SYMBOLS_MAX || word.length > TL_SYMBOL_LENGTH_MAX) {
      return tl_diag_error(lex->diag, TL_INPUT, span,
                           "a graph has at most %d symbols of at most %d characters",
                           TL_SYMBOLS_MAX, TL_SYMBOL_LENGTH_MAX);
    }
    symbols->names[symbols->count++] = word;
  } while (tl_lexer_accept(lex, ','));
  return tl_lexer_expect(lex, ')', "after the symbols");
}

// `graph @name(T, S) {`
static tl_status read_header(text_reader *reader, tl_str line) {
  tl_lexer lex = line_lexer(reader, line);
  tl_str word, name;
  tl_symbols symbols = {0};
  if (!tl_lexer_more(&lex)) return TL_OK;
  TL_TRY(tl_lexer_word(&lex, "'graph @name(symbols) {'", &word));
  if (!tl_str_is(word, "graph")) {
    lex.at -= word.length;
    return tl_lexer_unexpected(&lex, "'graph @name(symbols) {'");
  }
  TL_TRY(tl_lexer_expect(&lex, '@', "before the graph's name"));
  TL_TRY(tl_lexer_name(&lex, "the graph's name", &name));
  TL_TRY(tl_lexer_expect(&lex, '(', "before the symbols"));
  TL_TRY(take_symbols(&lex, &symbols));
  TL_TRY(tl_lexer_expect(&lex, '{', "after the symbols"));
  TL_TRY(tl_lexer_end(&lex, "after '{'"));
  reader->graph = tl_graph_create(reader->arena, reader->ops, name, &symbols);
  if (reader->graph) return TL_OK;
  return tl_diag_error(reader->diag, TL_MEMORY, tl_lexer_span(&lex, 0, lex.at), "out of memory");
}

static tl_status read_after_end(text_reader *reader, tl_str line) {
  tl_lexer lex = line_lexer(reader, line);
  if (!tl_lexer_more(&lex)) return TL_OK;
  return tl_lexer_unexpected(&lex, "nothing after the graph's '}'");
}

static tl_status read_body(text_reader *reader, tl_str line) {
  tl_lexer lex = line_lexer(reader, line);
  if (!tl_lexer_accept(&lex, '}')) {
    return tl_text_parse_line(reader->graph, line, &reader->hooks, reader->diag);
  }
  reader->closed = true;
  return tl_lexer_end(&lex, "after '}'");
}

static tl_status read_line(text_reader *reader, tl_str line) {
  if (line.length > TL_TEXT_LINE_MAX) {
    return tl_diag_error(reader->diag, TL_INPUT, place_in_source(&reader->origin, 0, 0),
                         "line of %zu bytes (limit %d)", line.length, TL_TEXT_LINE_MAX);
  }
  if (!reader->graph) return read_header(reader, line);
  return reader->closed ? read_after_end(reader, line) : read_body(reader, line);
}

static void note_fault(text_reader *reader, tl_status status) {
  if (tl_ok(status)) return;
  if (reader->faults_count++ == 0) reader->status = status;
}

// Without a header nothing below makes sense; running out of memory will not get better.
static bool may_go_on(const text_reader *reader) {
  if (reader->faults_count == 0) return true;
  return reader->graph && reader->status != TL_MEMORY && reader->faults_count < TL_TEXT_FAULTS_MAX;
}

static void read_lines(text_reader *reader, tl_str text) {
  size_t begin = 0;
  while (begin < text.length && may_go_on(reader)) {
    const char *end = memchr(text.data + begin, '\n', text.length - begin);
    size_t length = (end ? (size_t)(end - text.data) : text.length) - begin;
    reader->origin.offset = begin;
    note_fault(reader, read_line(reader, (tl_str){text.data + begin, length}));
    begin += length + 1;
  }
}

tl_status tl_text_parse(const tl_source *source, const tl_op_table *ops, tl_arena *arena,
                        tl_graph **out_graph, tl_diag *diag) {
  text_reader reader = {.origin = {source, 0}, .ops = ops, .arena = arena, .diag = diag};
  reader.hooks = (tl_text_hooks){.user = &reader.origin, .place = place_in_source};
  tl_span end = {source, source->text.length, 0};
  *out_graph = NULL;
  if (source->text.length > TL_TEXT_BYTES_MAX) {
    return tl_diag_error(diag, TL_INPUT, (tl_span){source, 0, 0}, "text of %zu bytes (limit %d)",
                         source->text.length, TL_TEXT_BYTES_MAX);
  }
  read_lines(&reader, source->text);
  if (may_go_on(&reader) && !reader.closed) {
    note_fault(&reader, tl_diag_error(diag, TL_INPUT, end, "the text ends before the graph's %s",
                                      reader.graph ? "'}'" : "header"));
  }
  if (reader.faults_count) return reader.status;
  *out_graph = reader.graph;
  return TL_OK;
}
