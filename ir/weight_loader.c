// Implementation of weight_loader.h.
#include "ir/weight_loader.h"

void tl_weight_loader_init(tl_weight_loader *loader, const tl_weight_source *source) {
  *loader = (tl_weight_loader){.source = source};
  tl_arena_init(&loader->arena, SIZE_MAX);
}

void tl_weight_loader_finish(tl_weight_loader *loader) {
  tl_arena_finish(&loader->arena);
  loader->node = NULL;
}

static tl_status bind(tl_weight_loader *loader, const tl_node *node, tl_diag *diag) {
  if (loader->node == node) return TL_OK;
  tl_arena_reset(&loader->arena);
  loader->node = NULL;
  TL_TRY(tl_weight_eval_bind(&loader->arena, loader->source, node, &loader->eval, diag));
  loader->node = node;
  return TL_OK;
}

tl_status tl_weight_loader_load(void *loader, const tl_interp_request *request, float *out,
                                tl_diag *diag) {
  tl_weight_loader *self = loader;
  TL_TRY(bind(self, request->node, diag));
  // Rows are counted over all matrices of a stack; the request counts matrices.
  const tl_type *type = &request->node->result->type;
  int64_t rows = type->rank == 3 ? type->dims[1].constant : 1;
  return tl_weight_eval_rows(self->eval, TL_FORMAT_F32, request->begin * rows, request->end * rows,
                             out, diag);
}
