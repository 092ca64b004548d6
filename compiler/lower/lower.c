// The steps of lowering, in order.
#include "compiler/lower/lower.h"

#include "compiler/lower/graph_text.h"

// Section `refuse`: conditions under which this description is not true of the model.
static tl_status check_refusals(tl_scope *scope) {
  const tl_arch *arch = scope->input->arch;
  for (int part = 0; part < arch->parts_count; part++) {
    const tl_yaml *list = tl_yaml_get(arch->parts[part], "refuse");
    for (const tl_yaml *item = list ? list->first : NULL; item; item = item->next) {
      const tl_yaml *when = tl_yaml_get(item, "when"), *say = tl_yaml_get(item, "say");
      bool refused = false;
      if (!when || !say) {
        return tl_diag_error(scope->diag, TL_INPUT, item->span, "a refusal needs 'when' and 'say'");
      }
      TL_TRY(tl_scope_truth(scope, when, &refused));
      if (!refused) continue;
      tl_span span = {scope->input->config_source, 0, 0};
      tl_diag_error(scope->diag, TL_UNSUPPORTED, span, "%.*s", TL_STR_ARG(say->text));
      tl_diag_note(scope->diag, "%s: when %.*s", when->span.source->name, TL_STR_ARG(when->text));
      return TL_UNSUPPORTED;
    }
  }
  return TL_OK;
}

static tl_status read_facts(tl_scope *scope, tl_model *model) {
  TL_TRY(tl_scope_param_int(scope, "vocabulary", 0, &model->vocabulary));
  TL_TRY(tl_scope_param_int(scope, "outputs", model->vocabulary, &model->outputs));
  TL_TRY(tl_scope_param_int(scope, "context", 0, &model->context));
  TL_TRY(tl_scope_param_int(scope, "types", 0, &model->types));
  if (model->vocabulary > 0 && model->context > 0 && model->outputs > 0) return TL_OK;
  return tl_diag_error(scope->diag, TL_INPUT, scope->input->arch->parts[0]->span,
                       "parameters 'vocabulary', 'context' and 'outputs' must be positive");
}

tl_status tl_lower(const tl_lower_input *input, tl_model *out_model, tl_diag *diag) {
  static const char *const names[] = {"T", "S", "R"};
  tl_symbols symbols = {.count = 3};
  for (int i = 0; i < symbols.count; i++)
    symbols.names[i] = tl_str_from(names[i]);
  tl_scope *scope = tl_arena_alloc(input->arena, sizeof *scope);
  tl_weights weights;
  if (!scope) return TL_MEMORY;
  *out_model = (tl_model){.task = input->arch->task};
  TL_TRY(tl_scope_init(scope, input, diag));
  TL_TRY(check_refusals(scope));
  TL_TRY(read_facts(scope, out_model));
  TL_TRY(tl_weights_init(&weights, scope));
  out_model->graph = tl_graph_create(input->arena, input->ops, TL_STR("step"), &symbols);
  if (!out_model->graph) return TL_MEMORY;
  TL_TRY(tl_graph_text_expand(&weights, out_model->graph));
  // Patterns of tensors read the config too, so they come first.
  tl_status status = tl_weights_check_unused(&weights);
  tl_status unread = tl_scope_check_unread(scope);
  return tl_ok(status) ? unread : status;
}
