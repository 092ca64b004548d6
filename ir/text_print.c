// Implementation of text_print.h.
#include "ir/text_print.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/weight.h"

// Integers below this print without exponent; all of them are exact.
#define INTEGER_PRINT_MAX 1e15

typedef struct writer {
  const tl_graph *graph;
  tl_arena *arena;
  char *data;
  size_t length, capacity;
  bool failed;
  // The last place printed, so that ascending places cost one pass over their source.
  const tl_source *source;
  size_t offset, line_start;
  int line;
} writer;

static bool reserve(writer *w, size_t bytes) {
  if (w->failed) return false;
  char *data = tl_arena_grow(w->arena, w->data, &w->capacity, w->length + bytes, 1);
  w->failed = !data;
  if (data) w->data = data;
  return !w->failed;
}

static void put(writer *w, tl_str text) {
  if (text.length == 0 || !reserve(w, text.length)) return;
  memcpy(w->data + w->length, text.data, text.length);
  w->length += text.length;
}

static void put_text(writer *w, const char *text) {
  put(w, tl_str_from(text));
}

static void put_integer(writer *w, int64_t value) {
  char text[TL_NUMBER_TEXT_MAX];
  int length = snprintf(text, sizeof text, "%lld", (long long)value);
  put(w, (tl_str){text, (size_t)length});
}

static bool reads_back(const char *text, double value, bool single) {
  double read = strtod(text, NULL);
  return single ? (float)read == (float)value : read == value;
}

size_t tl_number_print(double value, bool single, char out[TL_NUMBER_TEXT_MAX]) {
  if (value == 0 && signbit(value)) return (size_t)snprintf(out, TL_NUMBER_TEXT_MAX, "-0");
  if (fabs(value) < INTEGER_PRINT_MAX && value == trunc(value)) {
    return (size_t)snprintf(out, TL_NUMBER_TEXT_MAX, "%lld", (long long)value);
  }
  int length = 0;
  for (int digits = 1; digits <= 17; digits++) {
    length = snprintf(out, TL_NUMBER_TEXT_MAX, "%.*g", digits, value);
    if (reads_back(out, value, single)) break;
  }
  return (size_t)length;
}

static void put_real(writer *w, double value, bool single) {
  char text[TL_NUMBER_TEXT_MAX];
  size_t length = tl_number_print(value, single, text);
  put(w, (tl_str){text, length});
}

static void put_string(writer *w, tl_str text) {
  put_text(w, "\"");
  for (size_t i = 0; i < text.length; i++) {
    unsigned char c = (unsigned char)text.data[i];
    char escape[8] = {(char)c, 0};
    if (c == '"' || c == '\\') snprintf(escape, sizeof escape, "\\%c", c);
    if (c == '\n') snprintf(escape, sizeof escape, "\\n");
    if (c == '\t') snprintf(escape, sizeof escape, "\\t");
    bool plain = (c >= ' ' && c <= '~') || c == '\n' || c == '\t';
    if (!plain) snprintf(escape, sizeof escape, "\\x%02x", c);
    put_text(w, escape);
  }
  put_text(w, "\"");
}

static void put_value(writer *w, const tl_value *value) {
  put_text(w, value ? "%" : "_");
  if (value) put(w, value->name);
}

static void put_type(writer *w, const tl_type *type) {
  char text[TL_TYPE_TEXT_MAX];
  size_t length = tl_type_print(type, &w->graph->symbols, text, sizeof text);
  put(w, (tl_str){text, length});
}

static void put_weight(writer *w, const tl_weight *weight) {
  put_text(w, tl_weight_kind_text(weight->kind));
  put_text(w, "(");
  if (weight->kind == TL_WEIGHT_TENSOR) put_string(w, weight->name);
  if (weight->kind == TL_WEIGHT_STACK || weight->kind == TL_WEIGHT_SPLIT) {
    put_integer(w, weight->count);
    put_text(w, ", ");
  }
  for (int i = 0; i < weight->parts_count; i++) {
    if (i) put_text(w, ", ");
    put_weight(w, weight->parts[i]);
  }
  if (weight->kind == TL_WEIGHT_SLICE) {
    put_text(w, ", ");
    put_integer(w, weight->begin);
    put_text(w, ", ");
    put_integer(w, weight->end);
  }
  if (weight->kind == TL_WEIGHT_DEQUANT) {
    put_text(w, ", ");
    put_integer(w, weight->count);
  }
  put_text(w, ")");
}

static void put_attr(writer *w, const tl_attr_info *attr, const tl_attr_value *value) {
  put(w, attr->name);
  put_text(w, "=");
  switch (attr->kind) {
  case TL_ATTR_INT: put_integer(w, value->i); break;
  case TL_ATTR_REAL: put_real(w, value->f, false); break;
  case TL_ATTR_TEXT: put_string(w, value->s); break;
  case TL_ATTR_CHOICE: put(w, attr->choices[value->i]); break;
  }
}

static void put_attrs(writer *w, const tl_node *node) {
  bool any = false;
  for (int i = 0; i < node->op->attrs_count; i++) {
    const tl_attr_info *attr = &node->op->attrs[i];
    if (attr->has_default && tl_attr_equal(attr, &attr->value, &node->attrs[i])) continue;
    put_text(w, any ? ", " : " {");
    put_attr(w, attr, &node->attrs[i]);
    any = true;
  }
  if (any) put_text(w, "}");
}

static void put_op(writer *w, const tl_node *node) {
  put_value(w, node->result);
  put_text(w, " = ");
  put(w, node->op->name);
  int count = TL_OPERANDS_MAX;
  while (count > 0 && !node->operands[count - 1])
    count--;
  for (int i = 0; i < count; i++) {
    put_text(w, i ? ", " : " ");
    put_value(w, node->operands[i]);
  }
  put_attrs(w, node);
  put_text(w, " : ");
  put_type(w, &node->result->type);
}

static void put_declaration(writer *w, const tl_node *node, const char *word) {
  put_text(w, word);
  put_text(w, " ");
  put_value(w, node->result);
  put_text(w, " : ");
  if (node->kind != TL_NODE_STATE) put_type(w, &node->result->type);
}

static void put_state(writer *w, const tl_state_info *state) {
  put_text(w, tl_state_kind_text(state->kind));
  put_text(w, " {heads=");
  put_integer(w, state->heads);
  put_text(w, ", key=");
  put_integer(w, state->key);
  put_text(w, ", value=");
  put_integer(w, state->value);
  if (state->span) {
    put_text(w, ", span=");
    put_integer(w, state->span);
  }
  put_text(w, "}");
}

static void put_table(writer *w, const tl_node *node) {
  int64_t count = tl_type_elements(&node->result->type, (int64_t[TL_SYMBOLS_MAX]){0});
  put_text(w, " = [");
  for (int64_t i = 0; i < count; i++) {
    if (i) put_text(w, ", ");
    put_real(w, (double)node->table[i], true);
  }
  put_text(w, "]");
}

static void put_output(writer *w, const tl_node *node) {
  put_text(w, "output ");
  put(w, node->output_name);
  put_text(w, " = ");
  put_value(w, node->operands[0]);
}

static void put_node(writer *w, const tl_node *node) {
  switch (node->kind) {
  case TL_NODE_INPUT: put_declaration(w, node, "input"); break;
  case TL_NODE_WEIGHT:
    put_declaration(w, node, "weight");
    put_text(w, " = ");
    put_weight(w, node->weight);
    break;
  case TL_NODE_TABLE:
    put_declaration(w, node, "table");
    put_table(w, node);
    break;
  case TL_NODE_STATE:
    put_declaration(w, node, "state");
    put_state(w, &node->state);
    break;
  case TL_NODE_OP: put_op(w, node); break;
  case TL_NODE_OUTPUT: put_output(w, node); break;
  }
}

static void put_place(writer *w, const tl_span *span) {
  if (!span->source) return;
  if (span->source != w->source || span->offset < w->offset) {
    w->source = span->source;
    w->offset = w->line_start = 0;
    w->line = 1;
  }
  tl_str text = span->source->text;
  for (; w->offset < span->offset && w->offset < text.length; w->offset++) {
    if (text.data[w->offset] != '\n') continue;
    w->line++;
    w->line_start = w->offset + 1;
  }
  put_text(w, "  # ");
  put_text(w, span->source->name);
  put_text(w, ":");
  put_integer(w, w->line);
  put_text(w, ":");
  put_integer(w, (int64_t)(w->offset - w->line_start) + 1);
}

static void put_header(writer *w, const tl_graph *graph) {
  put_text(w, "graph @");
  put(w, graph->name);
  put_text(w, "(");
  for (int s = 0; s < graph->symbols.count; s++) {
    if (s) put_text(w, ", ");
    put(w, graph->symbols.names[s]);
  }
  put_text(w, ") {\n");
}

static tl_str finish(const writer *w) {
  return w->failed ? (tl_str){NULL, 0} : (tl_str){w->data, w->length};
}

tl_str tl_text_print(const tl_graph *graph, const tl_text_print_options *options, tl_arena *arena) {
  writer w = {.graph = graph, .arena = arena};
  put_header(&w, graph);
  for (size_t i = 0; i < graph->nodes_count && !w.failed; i++) {
    put_text(&w, "  ");
    put_node(&w, graph->nodes[i]);
    if (options && options->locations) put_place(&w, &graph->nodes[i]->span);
    put_text(&w, "\n");
  }
  put_text(&w, "}\n");
  return finish(&w);
}
