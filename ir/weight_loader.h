// Gives an interpreter its weights from a checkpoint: a tl_interp_load over a tl_weight_source.
//
//   tl_weight_loader loader;
//   tl_weight_loader_init(&loader, &source);
//   tl_interp_options options = {.load = tl_weight_loader_load, .context = &loader};
//   ...
//   tl_weight_loader_finish(&loader);
//
// The weight asked for last stays bound, as an interpreter asks for its slices in a row: a loader
// serves one graph.
#ifndef TL_IR_WEIGHT_LOADER_H
#define TL_IR_WEIGHT_LOADER_H

#include "ir/interp.h"
#include "ir/weight_eval.h"

typedef struct tl_weight_loader {
  const tl_weight_source *source;
  tl_arena arena;      // holds `eval`
  const tl_node *node; // that `eval` is bound to, or NULL
  tl_weight_eval *eval;
} tl_weight_loader;

// `source` must outlive the loader.
void tl_weight_loader_init(tl_weight_loader *loader, const tl_weight_source *source);

// Accepts a zeroed loader.
void tl_weight_loader_finish(tl_weight_loader *loader);

// A tl_interp_load; `loader` is a tl_weight_loader.
tl_status tl_weight_loader_load(void *loader, const tl_interp_request *request, float *out,
                                tl_diag *diag);

#endif
