// A program: what a graph becomes by fusion. Kernels in launch order, the buffers between them, and
// the statements of each; still free of any target's layout.
//
//   program @step(T, S, R) {
//     buffer %h : f32[T,576]
//     kernel @l0.attn.q : matmul %l0.x {
//       columns %l0.wq {
//         row_rms %l0.sums {count=576, eps=1e-05}
//         rope %rope.table {unit=64, pairs=32, interleaved=0}
//         store %l0.q
//       }
//     }
//   }
//
// A kernel has segments: runs of output columns that share the input rows, each with weights and
// statements of its own. Lives on the graph's arena; one thread.
#ifndef TL_COMPILER_PROGRAM_PROGRAM_H
#define TL_COMPILER_PROGRAM_PROGRAM_H

#include "ir/graph.h"
#include "runtime/base/plan.h"

enum {
  TL_STATEMENT_OPERANDS_MAX = 2,
  TL_STATEMENT_INTS_MAX = 4,
  TL_STATEMENT_REALS_MAX = 2,
  TL_STATEMENTS_MAX = 32,
  TL_SEGMENTS_MAX = 4,
  TL_SEGMENT_WEIGHTS_MAX = 2,
  TL_PROGRAM_STATES_MAX = 4,
  TL_PROGRAM_KERNELS_MAX = 1 << 16
};

typedef enum tl_statement_kind {
#define STATEMENT(NAME, ...) TL_STATEMENT_##NAME,
#include "compiler/program/statements.def"
#undef STATEMENT
  TL_STATEMENT_COUNT
} tl_statement_kind;

typedef enum tl_anchor {
#define ANCHOR(NAME, ...) TL_ANCHOR_##NAME,
#include "compiler/program/anchors.def"
#undef ANCHOR
  TL_ANCHOR_COUNT
} tl_anchor;

typedef struct tl_statement_info {
  const char *text, *operands, *ints, *reals;
  bool has_unit;
} tl_statement_info;

const tl_statement_info *tl_statement_of(tl_statement_kind kind);
const char *tl_anchor_text(tl_anchor anchor);

// Which formats a buffer is kept in where that is the target's or the KV type's choice.
typedef enum tl_buffer_role {
  TL_BUFFER_F32,   // always f32: residuals, sums, outputs
  TL_BUFFER_INPUT, // input of matmuls with weights of format `like`: the target chooses
  TL_BUFFER_QUERY, // queries: as the KV type
  TL_BUFFER_INDEX  // i32
} tl_buffer_role;

typedef struct tl_buffer {
  tl_str name;
  tl_buffer_role role;
  tl_format like;        // INPUT: format of the weights it meets
  tl_plan_symbol symbol; // T or R
  int64_t columns;
  int64_t slots; // rows for every one of the symbol: experts that each chose; 0 = 1
} tl_buffer;

// One of: a weight or table of the graph, a buffer, a state of the graph.
typedef struct tl_operand {
  const tl_value *value;   // weight, table or state
  const tl_buffer *buffer; // NULL if value is set
  double offset;           // added to each element of a vector weight when it is packed
} tl_operand;

typedef struct tl_statement {
  tl_statement_kind kind;
  tl_operand operands[TL_STATEMENT_OPERANDS_MAX];
  int64_t ints[TL_STATEMENT_INTS_MAX];
  double reals[TL_STATEMENT_REALS_MAX];
} tl_statement;

typedef struct tl_segment {
  const tl_value *weights[TL_SEGMENT_WEIGHTS_MAX]; // matmul: same shape, tile is their columns
  int weights_count;                               // side by side; gather: the table
  int64_t columns;                                 // of one weight, or of the row
  int64_t first;                                   // rows: first column of the input's row
  tl_statement statements[TL_STATEMENTS_MAX];
  int statements_count;
} tl_segment;

typedef struct tl_attention {
  const tl_value *state;
  const tl_buffer *turned; // latent: the queries' rotated part
  bool full;               // all rows of the sequence see each other
  int64_t heads, kv_heads, key, value, window, chunk;
  double scale, softcap;
} tl_attention;

// Latent attention as a whole, for kernels that are parts of it: two matmuls by heads and the
// attention between them. A device may take other ways from the queries to what comes out.
typedef struct tl_latents {
  const tl_buffer *plain, *turned;     // queries
  const tl_value *state, *key, *value; // key: heads x latent x plain; value: heads x value x latent
  double scale;
} tl_latents;

// What step-block list says the row of a gather.
typedef enum tl_gather_source {
  TL_GATHER_IDS,
  TL_GATHER_POSITIONS,
  TL_GATHER_TYPES
} tl_gather_source;

// Rows dealt to experts: each of T rows chose some, `ids` names them. A group kernel writes
// `groups`, with n = T * chosen and pairs counted row by row (pair = row * chosen + slot):
//
//   | order [n]: row of each sorted row | place [n]: sorted row of each pair |
//   | pieces [n][3]: expert, first sorted row, rows; rows = 0 after the last piece |
//
// Sorted rows lie expert by expert, in the order of their pairs; a piece is at most as many rows of
// one expert as the target says.
typedef struct tl_routing {
  const tl_buffer *ids, *groups;
  const tl_buffer *weights; // combine: of each row's experts; NULL = 1
  int64_t experts, chosen;
  bool picks; // experts: sorted row r takes input row order[r], else row r
} tl_routing;

typedef struct tl_kernel {
  tl_str name; // of the graph value the anchor made
  tl_anchor anchor;
  tl_span span;
  int layer;                 // layer + 1; 0 = outside of layers
  tl_plan_symbol symbol;     // what its rows are counted in: T or R
  const tl_buffer *input;    // rows, matmul, attention: queries; NULL else
  bool wanted_rows;          // input rows are those the step's `wanted` names
  const tl_value *table;     // rope_table: frequencies
  double factor;             // rope_table: of cosines and sines
  int64_t limit;             // rope_table: prompts longer than this have a larger base, 0 = none
  double stretch;            // rope_table: see the op rope
  tl_gather_source source;   // gather
  tl_attention attention;    // attention, latent
  const tl_latents *latents; // latent, and the heads before and after it
  tl_routing routing;        // experts, group, combine
  tl_segment segments[TL_SEGMENTS_MAX];
  int segments_count;
} tl_kernel;

typedef struct tl_program {
  tl_arena *arena;
  tl_graph *graph;
  tl_kernel **kernels;
  size_t kernels_count, kernels_capacity;
  tl_buffer **buffers;
  size_t buffers_count, buffers_capacity;
  const tl_buffer *output;
  const tl_value *states[TL_PROGRAM_STATES_MAX]; // of a step only, in no graph
  int states_count;
  bool whole; // a sequence must come whole in one step
} tl_program;

// An empty program over `graph`; NULL if the arena is exhausted.
tl_program *tl_program_create(tl_graph *graph);

// A new zeroed kernel at the end, or NULL.
tl_kernel *tl_program_add_kernel(tl_program *program, tl_anchor anchor, tl_str name);

// A new buffer, or NULL.
tl_buffer *tl_program_add_buffer(tl_program *program, const tl_buffer *buffer);

// Appends a zeroed statement to `segment`, or NULL if it is full.
tl_statement *tl_segment_add(tl_segment *segment, tl_statement_kind kind);

// The most columns that may have to stay in a matmul's tile: heads of 100 values, which share a
// border with panels of 64 only every 1600 columns, still keep their rope in the matmul.
enum { TL_UNIT_MAX = 2048 };

// Columns that must stay in one tile: least common multiple of 64 and all units; 0 if that is more
// than `limit`.
int64_t tl_kernel_unit(const tl_kernel *kernel, int64_t limit);

// One kernel's text; data is NULL if the arena is exhausted.
tl_str tl_kernel_print(const tl_kernel *kernel, tl_arena *arena);

// Canonical text, as drawn above; data is NULL if the arena is exhausted.
tl_str tl_program_print(const tl_program *program, tl_arena *arena);

#endif
