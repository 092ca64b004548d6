// What the fuser knows of each value: who uses it and which buffers hold it. Views (split_heads,
// merge_heads) share everything with what they view.
#ifndef TL_COMPILER_PASSES_FUSE_VALUES_H
#define TL_COMPILER_PASSES_FUSE_VALUES_H

#include "compiler/program/program.h"
#include "ir/value_map.h"

enum { TL_FUSE_INPUTS_MAX = 4 };

typedef struct tl_fuse_value {
  tl_node **users; // ops and outputs, in program order, views replaced by their users
  int users_count;
  const tl_buffer *f32, *query;
  const tl_buffer *inputs[TL_FUSE_INPUTS_MAX]; // role INPUT, by `like`
  int inputs_count;
  const tl_buffer *sums;     // of a value whose norm was folded: partial sums of squares
  const tl_buffer *index;    // of ids: chosen columns
  const tl_routing *routing; // of ids that rows were dealt by, and of rows that were
  bool folded;               // a norm whose result is input buffer times 1/rms of `sums`
  bool done;                 // some kernel does the op that makes it
  bool waits;                // a key or value that its kernel could not store into the state
  int kernel;                // that makes its buffers; -1 = none yet
} tl_fuse_value;

typedef struct tl_fuse_values {
  tl_value_map map;     // roots to items
  tl_fuse_value *items; // in program order
} tl_fuse_values;

// Collects the users of all values of `graph`.
tl_status tl_fuse_values_init(tl_fuse_values *values, const tl_graph *graph,
                              tl_arena *arena) TL_CHECKED;

// What is known of `value` or of what it views; never NULL for a value of the graph.
tl_fuse_value *tl_fuse_value_of(const tl_fuse_values *values, const tl_value *value);

// What `value` views, in the end.
const tl_value *tl_fuse_root(const tl_value *value);

static inline bool tl_node_is(const tl_node *node, tl_op op) {
  return node && node->kind == TL_NODE_OP && node->op->id == op;
}

#endif
