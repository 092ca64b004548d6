// YAML as a tree with places: the subset that architecture files are written in.
//
//   params:
//     width: config.hidden_size           scalar, mapping, sequence
//   graph: |
//     %h = embed %ids, @embed             literal block: its places point into the file
//
// Anchors, aliases, tags, several documents and duplicate keys are refused. Nodes are on an arena
// and never change; the source must outlive them.
#ifndef TL_COMPILER_LOAD_YAML_TREE_H
#define TL_COMPILER_LOAD_YAML_TREE_H

#include "runtime/base/arena.h"
#include "runtime/base/diag.h"

enum {
  TL_YAML_BYTES_MAX = 1 << 22,
  TL_YAML_DEPTH_MAX = 32,
  TL_YAML_NODES_MAX = 1 << 18,
  TL_YAML_MEMBERS_MAX = 4096 // of a mapping
};

typedef enum tl_yaml_kind { TL_YAML_SCALAR, TL_YAML_SEQUENCE, TL_YAML_MAPPING } tl_yaml_kind;

typedef struct tl_yaml tl_yaml;
struct tl_yaml {
  tl_yaml_kind kind;
  tl_span span;
  tl_str text;       // of a scalar, decoded
  bool is_quoted;    // a quoted scalar is always text
  bool is_literal;   // a literal block: its lines are lines of the source, indented
  size_t first_line; // literal: offset of its first line in the source
  size_t indent;     // literal: bytes before each line
  tl_str key;        // of a mapping's member
  tl_span key_span;
  tl_yaml *next;         // in its sequence or mapping
  tl_yaml *first, *last; // children, in the text's order
  size_t count;
};

// Parses all of `source`. TL_INPUT with the place of the first fault, TL_MEMORY at a limit.
tl_status tl_yaml_parse(tl_arena *arena, const tl_source *source, const tl_yaml **out_root,
                        tl_diag *diag) TL_CHECKED;

// Member of a mapping; NULL if there is none or `node` is NULL or no mapping.
const tl_yaml *tl_yaml_get(const tl_yaml *node, const char *key);

// Where bytes [offset, offset + length) of a scalar's text lie in the source, within the scalar.
// Exact for plain scalars of one line and for literal blocks, close otherwise.
tl_span tl_yaml_place(const tl_yaml *scalar, size_t offset, size_t length);

#endif
