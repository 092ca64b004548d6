// The graph: nodes in program order, values with names, all on one arena.
//
//   graph @step(T, S, R) {
//     input %ids : i32[T]
//     weight %embed : bf16[49152,576] = tensor("model.embed_tokens.weight")
//     table %rope : f32[2] = [1, 0.01]
//     state %l0.kv : full {heads=3, key=64, value=64}
//     %h = embed %ids, %embed : f32[T,576]
//     output logits = %h
//   }
//
// A graph is used by one thread. Nothing is freed before its arena.
#ifndef TL_IR_GRAPH_H
#define TL_IR_GRAPH_H

#include "ir/op.h"

enum {
  TL_NAME_MAX = 128,
  TL_WEIGHT_PARTS_MAX = 16,
  TL_OUTPUTS_MAX = 16,
  TL_GRAPH_NODES_MAX = 1 << 20
};

// X(name, text, summary): how long a state keeps what it was given.
#define TL_STATE_MAP(X)                                                                            \
  X(FULL, "full", "every position")                                                                \
  X(WINDOW, "window", "the last `span` positions")                                                 \
  X(CHUNK, "chunk", "positions of the current chunk of `span`")                                    \
  X(LATENT, "latent", "every position, one compressed row for all heads")                          \
  X(CROSS, "cross", "rows of another program, written once")

typedef enum tl_state_kind {
#define X(name, text, summary) TL_STATE_##name,
  TL_STATE_MAP(X)
#undef X
      TL_STATE_COUNT
} tl_state_kind;

// What a position of one layer caches: `heads` keys of `key` values and `heads` values of `value`.
typedef struct tl_state_info {
  tl_state_kind kind;
  int64_t heads, key, value;
  int64_t span; // tokens of a window or chunk, 0 = unlimited
} tl_state_info;

// How a weight comes from the checkpoint's tensors; dims are [N,K] or [E,N,K].
typedef enum tl_weight_kind {
  TL_WEIGHT_TENSOR,    // tensor("name"): the checkpoint's tensor, `{e}` = the stack's index
  TL_WEIGHT_TRANSPOSE, // transpose(x): swaps the last two axes
  TL_WEIGHT_SLICE,     // slice(x, begin, end): rows of the next-to-last axis (or of a vector)
  TL_WEIGHT_CONCAT,    // concat(x, ..): along the next-to-last axis (or of vectors)
  TL_WEIGHT_STACK,     // stack(count, x): a new first axis, x with {e} = 0..count-1
  TL_WEIGHT_DEQUANT,   // dequant(x, scales, block): f8 blocks times their scales
  TL_WEIGHT_SPLIT,     // split(count, x): the rows of a matrix as a stack of `count` equal parts
  TL_WEIGHT_MERGE      // merge(x): the matrices of a stack one below the other
} tl_weight_kind;

typedef struct tl_weight tl_weight;
struct tl_weight {
  tl_weight_kind kind;
  tl_str name; // of a tensor
  tl_weight *parts[TL_WEIGHT_PARTS_MAX];
  int parts_count;
  int64_t begin, end; // slice
  int64_t count;      // stack, split; block of dequant
};

typedef struct tl_node tl_node;

typedef struct tl_value {
  tl_str name; // without the %
  tl_type type;
  tl_node *producer;
  int uses_count;
} tl_value;

typedef enum tl_node_kind {
  TL_NODE_INPUT,
  TL_NODE_WEIGHT,
  TL_NODE_TABLE,
  TL_NODE_STATE,
  TL_NODE_OP,
  TL_NODE_OUTPUT
} tl_node_kind;

struct tl_node {
  tl_node_kind kind;
  tl_span span;     // where it comes from: a line of YAML or of IR text
  tl_value *result; // NULL for outputs
  const tl_op_info *op;
  tl_value *operands[TL_OPERANDS_MAX]; // NULL = absent; outputs use the first
  tl_attr_value attrs[TL_ATTRS_MAX];
  tl_weight *weight;
  const float *table; // as many as the result's type says
  tl_state_info state;
  tl_str output_name;
};

typedef struct tl_graph {
  tl_arena *arena;
  const tl_op_table *ops;
  tl_str name;
  tl_symbols symbols;
  tl_node **nodes;
  size_t nodes_count, nodes_capacity;
  tl_value **slots; // open-addressing map from name to value
  size_t slots_count, slots_used;
} tl_graph;

// An empty graph on `arena`, which must outlive it. NULL if the arena is exhausted.
tl_graph *tl_graph_create(tl_arena *arena, const tl_op_table *ops, tl_str name,
                          const tl_symbols *symbols);

// NULL if there is no such value.
tl_value *tl_graph_find(const tl_graph *graph, tl_str name);

// Appends a node whose fields (all but result) are in `node`; defines `name` with `type` unless it
// is an output. TL_INPUT if the name is taken or the type is faulty, TL_MEMORY if the arena or the
// node limit is exhausted.
tl_status tl_graph_add(tl_graph *graph, const tl_node *node, tl_str name, const tl_type *type,
                       tl_node **out_node, tl_diag *diag) TL_CHECKED;

// Appends an op: fills defaults (attributes with `attrs_given[i]` false), infers the type, defines
// `name`. `operands` and `attrs` are in table order.
tl_status tl_graph_add_op(tl_graph *graph, const tl_node *node, const bool *attrs_given,
                          tl_str name, tl_node **out_node, tl_diag *diag) TL_CHECKED;

// Removes every op, weight, table and state that no output needs, and counts all uses anew: what a
// pass calls after it has rewired operands or unhooked nodes. Inputs stay. Takes no memory.
void tl_graph_sweep(tl_graph *graph);

// A weight expression node on the graph's arena; NULL if it is exhausted.
tl_weight *tl_weight_create(tl_arena *arena, tl_weight_kind kind);

const char *tl_state_kind_text(tl_state_kind kind);

#endif
