// Implementation of cuda_sources.h.
#include "tests/ops/cuda_sources.h"

#include "compiler/codegen/cuda_plan.h"
#include "compiler/codegen/cuda_source.h"
#include "runtime/base/target.h"
#include "tests/lib/check.h"

// A module's place, with no code for a GPU in it; its source follows.
static const char no_code[] = "";

const char *tl_cuda_sources_emit(tl_graph_case *c, int target) {
  uint32_t class = tl_cuda_class(target);
  size_t count = c->drafts.kernels_count, bytes = 0;
  tl_plan_kernel *kernels = tl_arena_array(&c->arena, count, sizeof *kernels);
  tl_str *sources = tl_arena_array(&c->arena, count, sizeof *sources);
  CHECK(kernels && sources);
  for (size_t i = 0; i < count; i++) {
    const tl_drafted *drafted = &c->drafts.kernels[i];
    if (!(drafted->classes & class)) continue;
    sources[i] = tl_cuda_source_print(drafted->spec, drafted->template, &c->arena);
    CHECK(sources[i].data);
    kernels[i] = (tl_plan_kernel){.offset = (uint32_t)bytes,
                                  .module_bytes = sizeof no_code,
                                  .source_bytes = (uint32_t)sources[i].length + 1};
    bytes += sizeof no_code + sources[i].length + 1;
  }
  char *code = tl_arena_alloc(&c->arena, bytes);
  CHECK(code);
  for (size_t i = 0; i < count; i++) {
    if (!sources[i].data) continue;
    memcpy(code + kernels[i].offset, no_code, sizeof no_code);
    memcpy(code + kernels[i].offset + sizeof no_code, sources[i].data, sources[i].length + 1);
  }
  tl_str name = tl_str_from(tl_target_of(target)->text);
  tl_plan_target row = {.name = tl_plan_text(&c->builder, name),
                        .code_bytes = (uint32_t)bytes,
                        .text_bytes = (uint32_t)bytes};
  tl_graph_case_must(c, tl_drafts_add_target(&c->drafts, class, &row, kernels, &c->builder));
  return code;
}
