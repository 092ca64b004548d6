// Starting a kernel: where an anchor's rows come from, and the segment that then grows.
#ifndef TL_COMPILER_PASSES_FUSE_START_H
#define TL_COMPILER_PASSES_FUSE_START_H

#include "compiler/passes/fuse_grow.h"

// Where an anchor's rows come from: through select_rows, through a folded norm.
typedef struct tl_fuse_source {
  const tl_value *value;
  bool wanted;
  const tl_node *norm;
} tl_fuse_source;

tl_fuse_source tl_fuse_source_of(const tl_fuser *fuser, const tl_value *value);

// TL_UNSUPPORTED, told at the op.
tl_status tl_fuse_unsupported(const tl_fuser *fuser, const tl_node *node,
                              const char *why) TL_CHECKED;

// A kernel named like the node's result whose rows are counted in T; NULL if memory is exhausted.
tl_kernel *tl_fuse_start(tl_fuser *fuser, tl_anchor anchor, const tl_node *node);

// A new segment of `kernel` whose tile holds `value`.
tl_growth tl_fuse_growth_of(tl_kernel *kernel, const tl_value *value, bool whole_rows);

// The symbol that rows from `source` in `buffer` are counted in.
tl_plan_symbol tl_fuse_symbol_of(const tl_fuse_source *source, const tl_buffer *buffer);

// The buffer of `value` that matmuls with weights of format `like` read; a kernel that copies it
// into their format is added for the rare value that was not known to need it when it was made.
tl_status tl_fuse_need_input(tl_fuser *fuser, const tl_node *node, const tl_value *value,
                             tl_format like, const tl_buffer **out_buffer) TL_CHECKED;

// Ops with anchors of their own, in files of their own.
tl_status tl_fuse_attention(tl_fuser *fuser, const tl_node *node) TL_CHECKED;
tl_status tl_fuse_latent(tl_fuser *fuser, const tl_node *node) TL_CHECKED;
tl_status tl_fuse_experts(tl_fuser *fuser, tl_node *node) TL_CHECKED;
tl_status tl_fuse_combine(tl_fuser *fuser, const tl_node *node) TL_CHECKED;

#endif
