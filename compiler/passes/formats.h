// The pass that gives every weight the format it will have in the plan.
//
//   Requires: a graph whose weights have their checkpoint's formats.
//   Ensures:  matrices have formats kernels read; vectors keep theirs (targets take them as f32).
//   Example:  f8e4m3 blocks, dequantised  ->  bf16;   --weights int8  ->  q8g32
#ifndef TL_COMPILER_PASSES_FORMATS_H
#define TL_COMPILER_PASSES_FORMATS_H

#include "ir/graph.h"

// What --weights says.
typedef enum tl_weights_choice {
  TL_WEIGHTS_AUTO, // the checkpoint's own; what was dequantised becomes bf16
  TL_WEIGHTS_F32,
  TL_WEIGHTS_BF16,
  TL_WEIGHTS_F16,
  TL_WEIGHTS_INT8
} tl_weights_choice;

// Sets the formats. `*out_lossy` is the number of matrices that lose precision.
tl_status tl_pass_formats(tl_graph *graph, tl_weights_choice choice, int64_t *out_lossy,
                          tl_diag *diag) TL_CHECKED;

#endif
