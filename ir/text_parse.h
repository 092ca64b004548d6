// Reads the text form of graphs (ir/README.md has the grammar).
//
//   graph @step(T) {                          whole texts: tl_text_parse
//     input %ids : i32[T]
//     %h = embed %ids, @embed : f32[T,576]    single statements: tl_text_parse_line, where a hook
//     output logits = %h                      says what `@embed` is
//   }
//
// Law: what parses prints to a text that parses to an equal graph; canonical text prints to itself.
// Every fault of a text is reported, one or more per line: a line that fails still defines its name
// (with the type it declares), so that later lines do not fail because of it.
#ifndef TL_IR_TEXT_PARSE_H
#define TL_IR_TEXT_PARSE_H

#include "ir/graph.h"

enum {
  TL_TEXT_BYTES_MAX = 1 << 28, // of a whole text
  TL_TEXT_LINE_MAX = 1 << 20,  // bytes of a line
  TL_TEXT_STRING_MAX = 1024,   // bytes of a string once decoded
  TL_TEXT_TABLE_MAX = 1 << 16, // numbers of a table
  TL_TEXT_FAULTS_MAX = 256,    // faulty lines after which a text is given up
};

// How a line reaches beyond itself. A zeroed struct is valid: no `@` operands, no places.
typedef struct tl_text_hooks {
  void *user; // passed to both

  // The value that the operand `@name` stands for, for example the weight of the current layer,
  // which the hook may add to `graph` on its first use. An out_value of NULL with TL_OK means that
  // the operand is absent (an optional weight that the checkpoint has not). On failure the hook
  // reports at `span`. NULL = `@name` is a fault.
  tl_status (*resolve)(void *user, tl_graph *graph, tl_str name, tl_span span, tl_value **out_value,
                       tl_diag *diag);

  // Where bytes [offset, offset + length) of the line come from; called for diagnostics and for the
  // spans of nodes. NULL = no place.
  tl_span (*place)(void *user, size_t offset, size_t length);
} tl_text_hooks;

// Parses one graph from all of `source->text`. On success *out_graph is on `arena`, and its spans
// point into `source`, which must outlive it (names are copied). On failure *out_graph is NULL and
// `diag` holds every fault. TL_INPUT for faults of the text, TL_MEMORY if the arena is exhausted.
// Types of results may be omitted; where one is given it must be what inference gives.
tl_status tl_text_parse(const tl_source *source, const tl_op_table *ops, tl_arena *arena,
                        tl_graph **out_graph, tl_diag *diag) TL_CHECKED;

// Parses one statement (no line end inside; comment and blanks allowed; an empty line is no fault)
// and appends it to `graph`. `line` may be a temporary: what is kept is copied. After a failure the
// graph holds placeholders: go on only to find more faults, then drop it.
tl_status tl_text_parse_line(tl_graph *graph, tl_str line, const tl_text_hooks *hooks,
                             tl_diag *diag) TL_CHECKED;

// Parses a weight expression such as `concat(tensor("q"), tensor("k"))` from all of `text`.
tl_status tl_text_parse_weight(tl_arena *arena, tl_str text, const tl_text_hooks *hooks,
                               tl_weight **out_weight, tl_diag *diag) TL_CHECKED;

#endif
