// Weight expressions evaluated: any rows of a weight, read from a checkpoint as they are needed.
//
//   tl_weight_eval_bind(arena, &source, node, &eval, diag)                   finds tensors, checks
//   tl_weight_eval_rows(eval, TL_FORMAT_BF16, 0, 512, out, diag)             reads, as often as
//                                                                            wanted
//
// A weight is a stack of matrices: [E,N,K], or [N,K] with E = 1, or a vector [N] as N rows of one
// column. Rows are counted over the whole stack: row e * N + n is row n of matrix e, K numbers.
//
//           K columns
//   row 0   ........   \                 transpose   rows of the part are columns
//   row 1   ........    > matrix 0       slice       rows [begin, end) of every matrix
//   row N-1 ........   /                 concat      rows of the parts, one part after the other
//   row N   ........   \  matrix 1       stack       matrices of the part with {e} = 0, 1, ..
//                                        dequant     x[n,k] * scales[n / block, k / block]
//                                        split merge the same rows, counted as other matrices
//
// Only what is asked for is read, in pieces of at most 32 KiB or straight into `out`; a tensor is
// never held. Where no arithmetic happens the stored bits are passed on; the product of dequant is
// rounded to f32, then to the format asked for.
#ifndef TL_IR_WEIGHT_EVAL_H
#define TL_IR_WEIGHT_EVAL_H

#include "ir/graph.h"

// A tensor as its file declares it, row-major without gaps, little endian. More than three axes
// (the kernel of a convolution) are taken as a matrix of the first by all others.
typedef struct tl_weight_tensor {
  tl_format format; // a float
  int rank;
  int64_t dims[TL_RANK_MAX];
  const void *handle; // the source's own
} tl_weight_tensor;

// Where tensors are read. Called by the thread that calls tl_weight_eval_*.
typedef struct tl_weight_source {
  void *context; // passed to both

  // False if there is no tensor of that name. `name` is valid during the call.
  bool (*find)(void *context, tl_str name, tl_weight_tensor *out_tensor);

  // Copies bytes [offset, offset + count) of the tensor's data to `out`; they are within the bytes
  // that its dims and format need.
  tl_status (*read)(void *context, const tl_weight_tensor *tensor, int64_t offset, int64_t count,
                    void *out, tl_diag *diag);
} tl_weight_source;

// Parts of a stack.
enum { TL_WEIGHT_STACK_MAX = 65536 };

typedef struct tl_weight_eval tl_weight_eval;

// Binds the expression of `node`, a TL_NODE_WEIGHT, to the tensors of `source` (which must outlive
// the result) and checks that they have the declared dims; missing tensors and mismatches are
// reported at the node's span. The result is on `arena`, read only. TL_INPUT, TL_UNSUPPORTED for a
// tensor that is no float, TL_MEMORY.
tl_status tl_weight_eval_bind(tl_arena *arena, const tl_weight_source *source, const tl_node *node,
                              tl_weight_eval **out_eval, tl_diag *diag) TL_CHECKED;

// Rows of the whole stack, and numbers per row; see above.
int64_t tl_weight_eval_rows_count(const tl_weight_eval *eval);
int64_t tl_weight_eval_columns_count(const tl_weight_eval *eval);

// Writes rows [begin, end), row-major without gaps, to `out` (aligned to an element) as `format`:
// f32, bf16, f16, or the tensors' own. TL_UNSUPPORTED if the tensors' formats cannot be converted
// to it, TL_USAGE for rows that do not exist, or what the source returns. Fast for whole matrices
// and for ranges of some hundred rows; a transposed tensor is read in strips of as many columns as
// rows are asked for.
tl_status tl_weight_eval_rows(const tl_weight_eval *eval, tl_format format, int64_t begin,
                              int64_t end, void *out, tl_diag *diag) TL_CHECKED;

#endif
