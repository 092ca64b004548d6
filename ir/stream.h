// Ops whose weight is too large to be held: run slice by slice. Used by interp.c only.
//
//   linear         rows of w [N,K] in slices, each gives its columns of y
//   expert_linear  one matrix of w [E,N,K] after the other, each with the rows routed to it
//   embed          the rows of w asked for
#ifndef TL_IR_STREAM_H
#define TL_IR_STREAM_H

#include "ir/interp.h"

// One use of such an op.
typedef struct tl_stream {
  const tl_ref_args *args; // of the whole op; the weight has dims but no numbers
  const tl_node *weight;
  tl_ref_function *function; // the op's reference template
  tl_interp_load *load;
  void *context; // of load
  tl_diag *diag; // of load
} tl_stream;

// Fills the result of `args`. TL_INPUT for an id out of range, TL_MEMORY if the scratch of `args`
// is exhausted, or what load returns; only load reports.
typedef tl_status tl_stream_function(const tl_stream *stream);

// How `op` is run in slices, NULL if it is run as a whole; `out_operand` is the operand sliced.
tl_stream_function *tl_stream_of(tl_op op, int *out_operand);

#endif
