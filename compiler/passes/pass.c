// Implementation of pass.h: the table of passes and the loop over it.
#include "compiler/passes/pass.h"

#include "compiler/passes/fuse.h"
#include "compiler/passes/simplify.h"
#include "compiler/program/verify.h"
#include "ir/text_print.h"
#include "ir/verify.h"

typedef tl_status pass_function(tl_pass_ctx *ctx, tl_module *module);

static tl_status run_simplify(tl_pass_ctx *ctx, tl_module *module) {
  return tl_pass_simplify(module->graph, ctx->scratch, ctx->diag);
}

static tl_status run_fuse(tl_pass_ctx *ctx, tl_module *module) {
  return tl_pass_fuse(module->graph, ctx->unit_max, &module->program, ctx->diag);
}

static const tl_pass_info infos[] = {
#define PASS(name, stage_in, stage_out, summary)                                                   \
  {#name, TL_STAGE_##stage_in, TL_STAGE_##stage_out, summary},
#include "compiler/passes/passes.def"
#undef PASS
};

static pass_function *const functions[] = {
#define PASS(name, ...) run_##name,
#include "compiler/passes/passes.def"
#undef PASS
};

int tl_pass_count(void) {
  return (int)(sizeof infos / sizeof *infos);
}

const tl_pass_info *tl_pass_of(int index) {
  return &infos[index];
}

int tl_pass_by_name(tl_str name) {
  for (int i = 0; i < tl_pass_count(); i++) {
    if (tl_str_is(name, infos[i].name)) return i;
  }
  return TL_PASS_NONE;
}

tl_pipeline_options tl_pipeline_defaults(void) {
  return (tl_pipeline_options){.stop_after = TL_PASS_NONE, .dump_after = TL_PASS_NONE};
}

tl_str tl_module_print(const tl_module *module, tl_arena *arena) {
  return module->program ? tl_program_print(module->program, arena)
                         : tl_text_print(module->graph, NULL, arena);
}

static tl_stage stage_of(const tl_module *module) {
  return module->program ? TL_STAGE_FUSED : TL_STAGE_GRAPH;
}

static tl_status verify(tl_pass_ctx *ctx, const tl_module *module) {
  tl_arena_reset(ctx->scratch);
  TL_TRY(tl_graph_verify(module->graph, ctx->scratch, ctx->diag));
  return module->program ? tl_program_verify(module->program, ctx->diag) : TL_OK;
}

// A fault after a pass is the pass's, whatever kind of fault the verifier calls it.
static tl_status verify_after(tl_pass_ctx *ctx, const tl_module *module, const tl_pass_info *info) {
  tl_status status = verify(ctx, module);
  if (tl_ok(status) && stage_of(module) == info->stage_out) return TL_OK;
  if (status == TL_MEMORY) return status;
  return tl_diag_error(ctx->diag, TL_INTERNAL, (tl_span){0},
                       "pass '%s' left a module that does not verify, please report this",
                       info->name);
}

static tl_status run_pass(tl_pass_ctx *ctx, tl_module *module, int index,
                          const tl_pipeline_options *options) {
  const tl_pass_info *info = &infos[index];
  if (stage_of(module) != info->stage_in) {
    return tl_diag_error(ctx->diag, TL_USAGE, (tl_span){0},
                         "pass '%s' takes another stage than the module is in", info->name);
  }
  tl_str before = options->dump ? tl_module_print(module, ctx->arena) : TL_STR("");
  if (!before.data) return tl_diag_error(ctx->diag, TL_MEMORY, (tl_span){0}, "out of memory");
  tl_arena_reset(ctx->scratch);
  tl_status status = functions[index](ctx, module); // NOLINT(*.CallAndMessage): one per pass
  if (tl_ok(status)) status = verify_after(ctx, module, info);
  if (status == TL_INTERNAL && options->dump) options->dump(options->user, info, true, before);
  return status;
}

static tl_status dump_after(tl_pass_ctx *ctx, const tl_module *module, int index,
                            const tl_pipeline_options *options) {
  bool wanted = options->dump_after == index || options->dump_after == TL_PASS_ALL;
  if (!wanted || !options->dump) return TL_OK;
  tl_arena_reset(ctx->scratch);
  tl_str text = tl_module_print(module, ctx->scratch);
  if (!text.data) return tl_diag_error(ctx->diag, TL_MEMORY, (tl_span){0}, "out of memory");
  options->dump(options->user, &infos[index], false, text);
  return TL_OK;
}

tl_status tl_pipeline_run(tl_pass_ctx *ctx, tl_module *module, const tl_pipeline_options *options) {
  int last = options->stop_after == TL_PASS_NONE ? tl_pass_count() - 1 : options->stop_after;
  TL_TRY(verify(ctx, module));
  for (int i = options->first; i <= last; i++) {
    TL_TRY(run_pass(ctx, module, i, options));
    TL_TRY(dump_after(ctx, module, i, options));
  }
  return TL_OK;
}
