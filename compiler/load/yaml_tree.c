// libyaml's events as a tree.
#include "compiler/load/yaml_tree.h"

#include <yaml.h>

typedef struct builder {
  tl_arena *arena;
  const tl_source *source;
  yaml_parser_t parser;
  size_t nodes_count;
  size_t at, index; // byte `at` of the source is character `index`, as libyaml counts
  tl_diag *diag;
} builder;

// Whether byte `at` continues a character.
static bool is_inside(tl_str text, size_t at) {
  return at < text.length && ((unsigned char)text.data[at] & 0xc0) == 0x80;
}

// Offset of a mark: libyaml counts characters, the source is bytes. Marks are close to each other,
// so the way from the last one is short.
static size_t offset_of(builder *b, const yaml_mark_t *mark) {
  tl_str text = b->source->text;
  while (b->index < mark->index && b->at < text.length) {
    do
      b->at++;
    while (is_inside(text, b->at));
    b->index++;
  }
  while (b->index > mark->index && b->at > 0) {
    do
      b->at--;
    while (b->at > 0 && is_inside(text, b->at));
    b->index--;
  }
  return b->at;
}

static tl_span span_of(builder *b, const yaml_event_t *event) {
  size_t begin = offset_of(b, &event->start_mark), end = offset_of(b, &event->end_mark);
  return (tl_span){b->source, begin, end > begin ? end - begin : 0};
}

static tl_status fault(builder *b, const yaml_event_t *event, const char *what) {
  return tl_diag_error(b->diag, TL_INPUT, span_of(b, event), "%s", what);
}

static tl_status next_event(builder *b, yaml_event_t *out_event) {
  if (yaml_parser_parse(&b->parser, out_event)) return TL_OK;
  const yaml_parser_t *p = &b->parser;
  tl_span place = {b->source, offset_of(b, &p->problem_mark), 0};
  return tl_diag_error(b->diag, p->error == YAML_MEMORY_ERROR ? TL_MEMORY : TL_INPUT, place, "%s",
                       p->problem ? p->problem : "not YAML");
}

static tl_yaml *create(builder *b, tl_yaml_kind kind, const yaml_event_t *event) {
  tl_yaml *node =
      b->nodes_count < TL_YAML_NODES_MAX ? tl_arena_alloc(b->arena, sizeof *node) : NULL;
  if (!node) {
    tl_diag_error(b->diag, TL_MEMORY, span_of(b, event), "more than %d values, or out of memory",
                  TL_YAML_NODES_MAX);
    return NULL;
  }
  b->nodes_count++;
  *node = (tl_yaml){.kind = kind, .span = span_of(b, event)};
  return node;
}

// A literal block's lines begin on the line after its `|`.
static void locate_lines(const builder *b, tl_yaml *node) {
  tl_str text = b->source->text;
  size_t at = node->span.offset;
  while (at < text.length && text.data[at] != '\n')
    at++;
  node->first_line = at + 1;
  size_t line = at + 1;
  while (line < text.length && text.data[line] == '\n')
    line++;
  while (line + node->indent < text.length && text.data[line + node->indent] == ' ')
    node->indent++;
  // Spaces that the text keeps are not indentation.
  size_t kept = 0;
  while (kept < node->text.length && node->text.data[kept] == '\n')
    kept++;
  for (; kept < node->text.length && node->text.data[kept] == ' ' && node->indent > 0; kept++)
    node->indent--;
}

static tl_status read_scalar(builder *b, const yaml_event_t *event, tl_yaml **out_node) {
  if (event->data.scalar.anchor || event->data.scalar.tag) {
    return fault(b, event, "anchors and tags are not part of this language");
  }
  tl_yaml *node = create(b, TL_YAML_SCALAR, event);
  if (!node) return TL_MEMORY;
  node->text = tl_arena_copy(
      b->arena, (tl_str){(const char *)event->data.scalar.value, event->data.scalar.length});
  yaml_scalar_style_t style = event->data.scalar.style;
  node->is_quoted =
      style == YAML_SINGLE_QUOTED_SCALAR_STYLE || style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
  node->is_literal = style == YAML_LITERAL_SCALAR_STYLE;
  if (style == YAML_FOLDED_SCALAR_STYLE) return fault(b, event, "folded scalars are not allowed");
  if (node->is_literal) locate_lines(b, node);
  *out_node = node;
  return node->text.data ? TL_OK : TL_MEMORY;
}

static tl_status read_node(builder *b, const yaml_event_t *event, int depth, tl_yaml **out_node);

static void append(tl_yaml *parent, tl_yaml *child) {
  if (parent->last) {
    parent->last->next = child;
  } else {
    parent->first = child;
  }
  parent->last = child;
  parent->count++;
}

static tl_status read_key(builder *b, const yaml_event_t *event, const tl_yaml *mapping,
                          tl_str *out_key) {
  if (event->type != YAML_SCALAR_EVENT) return fault(b, event, "a key must be a scalar");
  if (event->data.scalar.anchor || event->data.scalar.tag) {
    return fault(b, event, "anchors and tags are not part of this language");
  }
  if (mapping->count == TL_YAML_MEMBERS_MAX) {
    return tl_diag_error(b->diag, TL_MEMORY, span_of(b, event), "more than %d keys in a mapping",
                         TL_YAML_MEMBERS_MAX);
  }
  *out_key = tl_arena_copy(
      b->arena, (tl_str){(const char *)event->data.scalar.value, event->data.scalar.length});
  for (const tl_yaml *other = mapping->first; other; other = other->next) {
    if (tl_str_equal(other->key, *out_key)) return fault(b, event, "this key is here twice");
  }
  return out_key->data ? TL_OK : TL_MEMORY;
}

static tl_status read_member(builder *b, const yaml_event_t *event, tl_yaml *parent, int depth) {
  tl_str key = {0};
  tl_span key_span = span_of(b, event);
  tl_yaml *child = NULL;
  if (parent->kind == TL_YAML_SEQUENCE) {
    TL_TRY(read_node(b, event, depth, &child));
  } else {
    yaml_event_t value;
    TL_TRY(read_key(b, event, parent, &key));
    TL_TRY(next_event(b, &value));
    tl_status status = read_node(b, &value, depth, &child);
    yaml_event_delete(&value);
    TL_TRY(status);
  }
  child->key = key;
  child->key_span = key_span;
  append(parent, child);
  return TL_OK;
}

static tl_status read_children(builder *b, tl_yaml *parent, yaml_event_type_t end, int depth) {
  if (depth == TL_YAML_DEPTH_MAX) {
    return tl_diag_error(b->diag, TL_INPUT, parent->span, "nested deeper than %d",
                         TL_YAML_DEPTH_MAX);
  }
  for (;;) {
    yaml_event_t event;
    TL_TRY(next_event(b, &event));
    bool done = event.type == end;
    tl_status status = done ? TL_OK : read_member(b, &event, parent, depth + 1);
    if (done) {
      size_t stop = offset_of(b, &event.end_mark);
      parent->span.length = stop > parent->span.offset ? stop - parent->span.offset : 0;
    }
    yaml_event_delete(&event);
    if (done || !tl_ok(status)) return status;
  }
}

static tl_status read_node(builder *b, const yaml_event_t *event, int depth, tl_yaml **out_node) {
  switch (event->type) {
  case YAML_SCALAR_EVENT: return read_scalar(b, event, out_node);
  case YAML_SEQUENCE_START_EVENT:
  case YAML_MAPPING_START_EVENT: break;
  case YAML_ALIAS_EVENT: return fault(b, event, "aliases are not part of this language");
  default: return fault(b, event, "a value was expected");
  }
  bool mapping = event->type == YAML_MAPPING_START_EVENT;
  *out_node = create(b, mapping ? TL_YAML_MAPPING : TL_YAML_SEQUENCE, event);
  if (!*out_node) return TL_MEMORY;
  bool plain = mapping ? !event->data.mapping_start.anchor && !event->data.mapping_start.tag
                       : !event->data.sequence_start.anchor && !event->data.sequence_start.tag;
  if (!plain) return fault(b, event, "anchors and tags are not part of this language");
  return read_children(b, *out_node, mapping ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT,
                       depth);
}

// Stream start, document start, the node, document end, stream end.
static tl_status read_document(builder *b, const tl_yaml **out_root) {
  tl_yaml *root = NULL;
  bool done = false;
  tl_status status = TL_OK;
  while (tl_ok(status) && !done) {
    yaml_event_t event;
    TL_TRY(next_event(b, &event));
    switch (event.type) {
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT: break;
    case YAML_STREAM_END_EVENT: done = true; break;
    case YAML_DOCUMENT_START_EVENT:
      if (root) status = fault(b, &event, "a file holds one document");
      break;
    default: status = read_node(b, &event, 0, &root);
    }
    yaml_event_delete(&event);
  }
  *out_root = root;
  if (!tl_ok(status) || root) return status;
  return tl_diag_error(b->diag, TL_INPUT, (tl_span){b->source, 0, 0}, "the file is empty");
}

tl_status tl_yaml_parse(tl_arena *arena, const tl_source *source, const tl_yaml **out_root,
                        tl_diag *diag) {
  builder b = {.arena = arena, .source = source, .diag = diag};
  *out_root = NULL;
  if (source->text.length > TL_YAML_BYTES_MAX) {
    return tl_diag_error(diag, TL_MEMORY, (tl_span){source, 0, 0}, "longer than %d bytes",
                         TL_YAML_BYTES_MAX);
  }
  if (tl_str_starts_with(source->text, TL_STR("\xef\xbb\xbf"))) b.at = 3;
  if (!yaml_parser_initialize(&b.parser)) return TL_MEMORY;
  yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&b.parser, (const unsigned char *)source->text.data + b.at,
                               source->text.length - b.at);
  tl_status status = read_document(&b, out_root);
  yaml_parser_delete(&b.parser);
  return status;
}

const tl_yaml *tl_yaml_get(const tl_yaml *node, const char *key) {
  if (!node || node->kind != TL_YAML_MAPPING) return NULL;
  const tl_yaml *member = node->first;
  while (member && !tl_str_is(member->key, key))
    member = member->next;
  return member;
}

// Offset of byte `offset` of a literal block's text.
static size_t place_in_block(const tl_yaml *scalar, size_t offset) {
  tl_str text = scalar->span.source->text, block = scalar->text;
  size_t at = scalar->first_line, line_begin = 0;
  size_t until = offset < block.length ? offset : block.length;
  while (line_begin < until) { // statements and their operands ask, so each line counts
    const char *end = memchr(block.data + line_begin, '\n', until - line_begin);
    if (!end) break;
    line_begin = (size_t)(end - block.data) + 1;
    end = at < text.length ? memchr(text.data + at, '\n', text.length - at) : NULL;
    at = end ? (size_t)(end - text.data) + 1 : text.length + 1;
  }
  return at + scalar->indent + (offset - line_begin);
}

tl_span tl_yaml_place(const tl_yaml *scalar, size_t offset, size_t length) {
  size_t end = scalar->span.offset + scalar->span.length;
  size_t at = scalar->is_literal ? place_in_block(scalar, offset)
                                 : scalar->span.offset + scalar->is_quoted + offset;
  // Escapes and folded lines make texts shorter or longer than what they are written as.
  if (at > end) at = end;
  if (length > end - at) length = end - at;
  return (tl_span){scalar->span.source, at, length};
}
