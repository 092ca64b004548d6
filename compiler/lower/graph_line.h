// One statement of a graph section, rewritten: names become full names, `$..` values; and back from
// the rewritten line to places in the architecture file.
//
//   %q = linear %x, @$w.q {k=$k}      ->      %l3.q = linear %l2.h, @attn.q {k=8}
//
// Private to compiler/lower.
#ifndef TL_COMPILER_LOWER_GRAPH_LINE_H
#define TL_COMPILER_LOWER_GRAPH_LINE_H

#include "compiler/lower/graph_names.h"
#include "compiler/lower/scope.h"

enum { TL_GRAPH_LINE_MAX = 4096, TL_GRAPH_PIECES_MAX = 128 };

// Bytes of the rewritten line from `at` on come from `offset` of the node's text on.
typedef struct tl_graph_piece {
  size_t at, offset, length;
  bool is_value; // all of it stands for the `length` bytes at `offset`
} tl_graph_piece;

typedef struct tl_graph_line {
  tl_scope *scope;
  const tl_graph_names *names;
  tl_str path;         // of the blocks around
  const tl_yaml *node; // whose text the statement is of
  tl_str defined;      // the name it defines, a view of the text, or empty
  tl_str full;         // what that becomes
  char data[TL_GRAPH_LINE_MAX];
  size_t length;
  tl_graph_piece pieces[TL_GRAPH_PIECES_MAX];
  int pieces_count;
} tl_graph_line;

// Bytes that words may have.
bool tl_graph_is_word_byte(char c);

// The name that a statement defines, as a view of it without the %; empty if there is none.
tl_str tl_graph_line_defined(tl_str statement);

// Fills data and pieces from the statement, a view of the node's text; the fields before are set.
tl_status tl_graph_line_write(tl_graph_line *line, tl_str statement) TL_CHECKED;

// The place of bytes of the rewritten line.
tl_span tl_graph_line_place(const tl_graph_line *line, size_t offset, size_t length);

#endif
