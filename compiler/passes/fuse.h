// The pass that turns a graph into a program of kernels (program.h).
//
//   Requires: a verified graph.
//   Ensures:  every op's work is done by exactly one kernel; kernels are in an order in which each
//             reads only what earlier ones stored.
//   Example:  rmsnorm -> linear x3 -> split_heads, rope -> attention      becomes
//             ..: sums, mul_vector, store    matmul of three segments: row_rms, rope, store ..
//
// A norm before matmuls disappears: its producer stores x * gamma and sums of squares, the matmuls
// scale their rows (design: 1/rms commutes with the matmul). What no matmul can hold becomes a
// `rows` kernel of its own, so any graph of supported ops has a program.
#ifndef TL_COMPILER_PASSES_FUSE_H
#define TL_COMPILER_PASSES_FUSE_H

#include "compiler/program/program.h"

// Makes `*out_program` on the graph's arena. `unit_max`: how many columns the device's matmuls can
// keep together in a tile, at most TL_UNIT_MAX. TL_UNSUPPORTED at the span of an op that no kernel
// does yet, TL_MEMORY if the arena is exhausted.
tl_status tl_pass_fuse(tl_graph *graph, int64_t unit_max, tl_program **out_program,
                       tl_diag *diag) TL_CHECKED;

#endif
