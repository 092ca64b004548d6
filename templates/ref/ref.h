// Reference templates: one C function per graph op, the meaning of ops.def in the plainest code.
//
// Everything is dense row-major f32 (weights are dequantised before), every sum is a double. A
// function may assume what the verifier checks: ranks, dims, attributes. It reads its operands,
// writes all of `result` and, where the op has a state operand, appends to it. No allocation: what
// needs room takes it from `scratch`. Pure functions of their arguments: any thread.
#ifndef TL_TEMPLATES_REF_H
#define TL_TEMPLATES_REF_H

#include "runtime/base/arena.h"

enum { TL_REF_RANK_MAX = 6, TL_REF_OPERANDS_MAX = 8, TL_REF_ATTRS_MAX = 6 };

// A dense row-major tensor: `f` for float and weight operands, `i` for ids.
typedef struct tl_ref_tensor {
  float *f;
  int32_t *i;
  int rank;
  int64_t dims[TL_REF_RANK_MAX];
} tl_ref_tensor;

// What one sequence has cached in one layer. Rows are kept for all positions from 0, also those
// that a window hides: the mask decides, not the storage.
//
//   keys    [capacity, key_width]     attention: heads * D;   latent_attention: the latent
//   values  [capacity, value_width]   attention: heads * E;   latent_attention: the shared rope key
typedef struct tl_ref_state {
  float *keys, *values;
  int64_t key_width, value_width;
  int64_t length, capacity;
} tl_ref_state;

typedef struct tl_ref_attr {
  int64_t i; // integers; the index of a choice in the order of ops.def
  double f;  // reals
} tl_ref_attr;

// The rows of one call belong to ONE sequence; the first of them continues the state's length.
typedef struct tl_ref_args {
  tl_ref_tensor operands[TL_REF_OPERANDS_MAX];
  bool present[TL_REF_OPERANDS_MAX];   // false for an optional operand that is absent
  tl_ref_attr attrs[TL_REF_ATTRS_MAX]; // in the order of ops.def, defaults filled in
  tl_ref_tensor result;                // dims set, memory provided
  tl_ref_state *state;                 // the state operand, NULL without one
  tl_arena *scratch;
} tl_ref_args;

// TL_MEMORY if scratch runs out or the state is full, TL_INPUT for an id out of range, else TL_OK.
typedef tl_status tl_ref_function(tl_ref_args *args);

// Elements of `tensor`, and of all its axes but the last.
int64_t tl_ref_elements(const tl_ref_tensor *tensor);
int64_t tl_ref_rows(const tl_ref_tensor *tensor);

// The value of activation number `kind`, in the order of the choices in ops.def.
double tl_ref_activation(int64_t kind, double x);

// Sum of a[i] * b[i] over `count` elements, in eight interleaved chains: the same on any machine.
double tl_ref_dot(const float *a, const float *b, int64_t count);

// Turns `count` scores into exp(score - max) / sum in place.
void tl_ref_softmax_row(double *scores, int64_t count);

// Appends `rows` rows of `keys` and `values` to `state`; TL_MEMORY if they do not fit.
tl_status tl_ref_state_append(tl_ref_state *state, const float *keys, const float *values,
                              int64_t rows);

// Heads the definition of an op's template: TL_REF_OP(add) { ... return TL_OK; }. Whoever has
// ops.def makes the prototypes from it (ir/reference.h), so that an op is listed in one place.
#define TL_REF_OP(name)                                                                            \
  tl_ref_function tl_ref_##name;                                                                   \
  tl_status tl_ref_##name(tl_ref_args *args)

#endif
