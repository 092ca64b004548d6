// Implementation of lower.h: the steps, in order.
#include "compiler/lower/lower.h"

#include "compiler/lower/graph_text.h"

enum { LAYERS_MAX = 4096 };

// A refusal is shown where the config says what is refused, if it says it.
static tl_status refuse(tl_scope *scope, const tl_yaml *item, const tl_yaml *say) {
  const tl_source *config = scope->input->config_source;
  tl_span span =
      scope->last_read ? tl_json_span(config, scope->last_read) : (tl_span){config, 0, 0};
  tl_str text;
  TL_TRY(tl_scope_fill(scope, say, &text));
  tl_diag_error(scope->diag, TL_UNSUPPORTED, span, "%.*s", TL_STR_ARG(text));
  tl_diag_note(scope->diag, "%s: when %.*s", item->span.source->name,
               TL_STR_ARG(tl_yaml_get(item, "when")->text));
  return TL_UNSUPPORTED;
}

// A refusal with `tensors` is of checkpoints that have one whose name matches.
static tl_status refuse_tensor(tl_scope *scope, const tl_yaml *pattern, const tl_yaml *say) {
  const tl_checkpoint *checkpoint = scope->input->checkpoint;
  tl_str text;
  TL_TRY(tl_scope_fill(scope, say, &text));
  for (uint32_t i = 0; checkpoint && i < checkpoint->tensors_count; i++) {
    const tl_tensor *tensor = checkpoint->tensors[i];
    if (!tl_pattern_matches(pattern->text, tensor->name)) continue;
    return tl_diag_error(scope->diag, TL_UNSUPPORTED, tensor->span, "tensor '%.*s': %.*s",
                         TL_STR_ARG(tensor->name), TL_STR_ARG(text));
  }
  return TL_OK;
}

static tl_status check_refusal(tl_scope *scope, const tl_yaml *item) {
  const tl_yaml *when = tl_yaml_get(item, "when"), *say = tl_yaml_get(item, "say");
  const tl_yaml *tensors = tl_yaml_get(item, "tensors");
  bool is_refused = false;
  scope->last_read = NULL;
  TL_TRY(tl_scope_truth(scope, when, &is_refused));
  if (!is_refused) return TL_OK;
  return tensors ? refuse_tensor(scope, tensors, say) : refuse(scope, item, say);
}

// Section `refuse`: conditions under which this description is not true of the model. With
// `for: i`, in any layer.
static tl_status check_refusals(tl_scope *scope, const tl_yaml *list, int64_t layers) {
  for (const tl_yaml *item = list ? list->first : NULL; item; item = item->next) {
    const tl_yaml *each = tl_yaml_get(item, "for");
    tl_scope_local layer = {.is_loop = true, .value = {.kind = TL_EXPR_INT}};
    if (!each) {
      TL_TRY(check_refusal(scope, item));
      continue;
    }
    layer.name = each->text;
    TL_TRY(tl_scope_push(scope, &layer, item->span));
    for (int64_t i = 0; i < layers; i++) {
      tl_scope_set(scope, i);
      TL_TRY(check_refusal(scope, item));
    }
    tl_scope_pop(scope, 0);
  }
  return TL_OK;
}

static tl_status check_config(tl_scope *scope) {
  const tl_arch *arch = scope->input->arch;
  int64_t layers = 0;
  TL_TRY(tl_scope_param_int(scope, "layers", 1, LAYERS_MAX, &layers));
  for (int part = 0; part < arch->parts_count; part++)
    TL_TRY(check_refusals(scope, tl_yaml_get(arch->parts[part], "refuse"), layers));
  return TL_OK;
}

// Ids that end a text: one, or a list.
static tl_status read_stops(tl_scope *scope, const tl_json **out) {
  TL_TRY(tl_scope_param_json(scope, "stops", out));
  if (tl_json_kind_of(*out) == TL_JSON_NULL || tl_json_holds_ints(*out)) return TL_OK;
  return tl_diag_error(scope->diag, TL_INPUT, tl_json_span(scope->input->config_source, *out),
                       "ids that end a text must be an integer or a list of integers");
}

static tl_status read_facts(tl_scope *scope, tl_model *model) {
  TL_TRY(tl_scope_param_int(scope, "vocabulary", 1, INT32_MAX, &model->vocabulary));
  model->outputs = model->vocabulary;
  TL_TRY(tl_scope_param_int(scope, "outputs", 1, INT32_MAX, &model->outputs));
  TL_TRY(tl_scope_param_int(scope, "context", 1, INT32_MAX, &model->context));
  TL_TRY(tl_scope_param_int(scope, "reach", 1, INT32_MAX, &model->context));
  TL_TRY(tl_scope_param_int(scope, "types", 0, INT32_MAX, &model->types));
  TL_TRY(read_stops(scope, &model->stops));
  if (model->vocabulary > 0 && model->context > 0) return TL_OK;
  return tl_diag_error(scope->diag, TL_INPUT, scope->input->arch->parts[0]->span,
                       "an architecture needs the parameters 'vocabulary' and 'context'");
}

static tl_graph *create_graph(const tl_lower_input *input) {
  const tl_symbols symbols = {.names = {TL_STR("T"), TL_STR("S"), TL_STR("R")}, .count = 3};
  return tl_graph_create(input->arena, input->ops, TL_STR("step"), &symbols);
}

tl_status tl_lower(const tl_lower_input *input, tl_model *out_model, tl_diag *diag) {
  tl_scope *scope = tl_arena_alloc(input->arena, sizeof *scope);
  tl_weights weights;
  if (!scope) return TL_MEMORY;
  *out_model = (tl_model){.task = input->arch->task};
  TL_TRY(tl_scope_init(scope, input, diag));
  TL_TRY(check_config(scope));
  TL_TRY(read_facts(scope, out_model));
  TL_TRY(tl_weights_init(&weights, scope));
  out_model->graph = create_graph(input);
  if (!out_model->graph) return TL_MEMORY;
  TL_TRY(tl_graph_text_expand(&weights, out_model->graph));
  // Patterns of tensors read the config too, so they come first.
  tl_status status = tl_weights_check_unused(&weights);
  tl_status unread = tl_scope_check_unread(scope);
  return tl_ok(status) ? unread : status;
}
