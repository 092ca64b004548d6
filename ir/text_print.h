// Writes the canonical text of a graph, the form drawn at the head of graph.h.
//
//   %l0.n = rmsnorm %h, %l0.norm {eps=1e-05} : f32[T,576]
//
// One node per line in program order; attributes in table order, defaults left out; numbers as the
// shortest text that reads back to the same value. Equal graphs print to equal bytes.
#ifndef TL_IR_TEXT_PRINT_H
#define TL_IR_TEXT_PRINT_H

#include "ir/graph.h"

enum { TL_NUMBER_TEXT_MAX = 40 };

typedef struct tl_text_print_options {
  bool locations; // ends each line with `# file:line:column` where its node has a place
} tl_text_print_options;

// The text on `arena`, ending in a line end; data is NULL if the arena is exhausted. `options` may
// be NULL. Accepts graphs that do not verify.
tl_str tl_text_print(const tl_graph *graph, const tl_text_print_options *options, tl_arena *arena);

// Writes the shortest decimal that reads back as `value`; integers without point or exponent.
// `single` asks only that it reads back as the same float. Returns the length.
size_t tl_number_print(double value, bool single, char out[TL_NUMBER_TEXT_MAX]);

#endif
