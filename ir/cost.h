// What a graph costs at given symbol values: the roofline's inputs, from the op table alone.
//
//   tl_cost_point point = {.symbols = {1, 1, 1}, .sequences = 1, .context = 4096, ...};
//   tl_graph_cost(graph, &point, &cost)      decode of one token at position 4095
//
// Counted is what a perfect machine moves: every operand and result once per op, weights once per
// op that reads them (embed reads the rows asked for, routed experts at most one per row and slot).
// Pure: any thread.
#ifndef TL_IR_COST_H
#define TL_IR_COST_H

#include "ir/graph.h"

typedef struct tl_cost_point {
  int64_t symbols[TL_SYMBOLS_MAX]; // in the order of the graph's symbols
  int64_t sequences;               // whose states are read
  int64_t context;                 // positions a row sees, itself included
  tl_format cache_format;          // how states are stored
} tl_cost_point;

// Sums saturate at INT64_MAX.
typedef struct tl_cost {
  int64_t flops;
  int64_t weight_bytes;     // weights and tables read
  int64_t activation_bytes; // read and written between ops
  int64_t state_bytes;      // read and appended
} tl_cost;

// The cost of one op node; zero for other nodes.
tl_cost tl_node_cost(const tl_graph *graph, const tl_node *node, const tl_cost_point *point);

// The sum over all nodes of a graph that verifies. `point` must not hold negative numbers.
tl_cost tl_graph_cost(const tl_graph *graph, const tl_cost_point *point);

#endif
