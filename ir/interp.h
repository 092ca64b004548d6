// The interpreter: runs a graph for one sequence on templates/ref. The oracle of all tests.
//
//   tl_interp_options options = {.load = tl_weight_loader_load, .context = &loader};
//   tl_interp_create(arena, graph, &options, &interp, diag)
//   tl_interp_run(interp, &(tl_interp_call){.symbols = {T, 1, R}, .inputs = in, ...}, diag)
//   logits = tl_interp_output(interp, TL_STR("logits"))
//   tl_interp_destroy(interp)
//
// Activations are stored as f32, sums are doubles, weights come as f32 from a callback when an op
// needs them and are forgotten after it. Linear layers, routed experts and embeddings ask for their
// weights in slices, and a value is freed after its last use, so that the memory needed is that of
// the widest moment of a graph, not that of the model. States live from call to call: a prompt may
// be given in chunks of any size and continued token by token. An interpreter is used by one
// thread.
#ifndef TL_IR_INTERP_H
#define TL_IR_INTERP_H

#include "ir/graph.h"
#include "templates/ref/ref.h"

// Positions a state may hold.
enum { TL_INTERP_POSITIONS_MAX = 1 << 24 };

// Elements [begin, end) of the first axis of a weight: rows of [N,K], matrices of [E,N,K], numbers
// of a vector.
typedef struct tl_interp_request {
  const tl_node *node; // the weight: its expression, declared type and place
  int64_t begin, end;
} tl_interp_request;

// Writes the elements asked for to `out`, row-major, as f32. Reports its faults at the node's
// span.
typedef tl_status tl_interp_load(void *context, const tl_interp_request *request, float *out,
                                 tl_diag *diag);

typedef struct tl_interp_options {
  tl_interp_load *load; // may be NULL for a graph without weights
  void *context;        // passed to `load`
  size_t bytes_max;     // memory for values, states and slices of weights together; 0 = no limit
} tl_interp_options;

// One input of a call, row-major, read during the call only. `f` for inputs of a float format
// (always as f32), `i` for i32; the other is NULL.
typedef struct tl_interp_input {
  tl_str name;
  const float *f;
  const int32_t *i;
  int64_t count; // elements given; must be what the input's type has
} tl_interp_input;

typedef struct tl_interp_call {
  int64_t symbols[TL_SYMBOLS_MAX]; // in the order of the graph's symbols
  const tl_interp_input *inputs;
  int inputs_count;
} tl_interp_call;

typedef struct tl_interp tl_interp;

// An interpreter for `graph`, which it verifies and which must outlive it. The object is on
// `arena`, the memory it works in is its own until tl_interp_destroy. TL_INPUT if the graph does
// not verify, TL_UNSUPPORTED for cross states.
tl_status tl_interp_create(tl_arena *arena, const tl_graph *graph, const tl_interp_options *options,
                           tl_interp **out_interp, tl_diag *diag) TL_CHECKED;

// Frees values and states; `interp` may be NULL. The object itself stays on its arena.
void tl_interp_destroy(tl_interp *interp);

// Runs the whole graph once. Its rows continue the sequence: row r is at position
// tl_interp_length + r of every state. TL_USAGE for inputs that are missing, unknown or of another
// size, TL_INPUT for an id out of range, TL_MEMORY if a limit is hit, or what `load` returns. After
// a failure the states are what they were before the call, and there are no outputs.
tl_status tl_interp_run(tl_interp *interp, const tl_interp_call *call, tl_diag *diag) TL_CHECKED;

// An output of the last call, valid until the next one; NULL if there is none of that name.
const tl_ref_tensor *tl_interp_output(const tl_interp *interp, tl_str name);

// Positions in the states; the same in all of them. 0 without states.
int64_t tl_interp_length(const tl_interp *interp);

// Forgets all positions from `length` on; without effect if there are fewer. 0 = a new sequence.
void tl_interp_truncate(tl_interp *interp, int64_t length);

// The most bytes that were in use at once since tl_interp_create.
size_t tl_interp_peak_bytes(const tl_interp *interp);

#endif
