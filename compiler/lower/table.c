// Implementation of table.h.
#include "compiler/lower/table.h"

#include <math.h>

#include "ir/text_parse.h"

static tl_status number_at(tl_scope *scope, const tl_yaml *value, int64_t j, float *out) {
  tl_expr_value number;
  double real = 0;
  tl_scope_set(scope, j);
  TL_TRY(tl_scope_eval(scope, value, &number));
  if (!tl_expr_to_real(&number, &real)) {
    return tl_diag_error(scope->diag, TL_INPUT, value->span, "this is %s, not a number",
                         tl_expr_kind_text(&number));
  }
  *out = (float)real;
  if (isfinite(*out)) return TL_OK;
  return tl_diag_error(scope->diag, TL_INPUT, value->span, "number %lld is too large for f32",
                       (long long)j);
}

static tl_status fill(tl_scope *scope, const tl_yaml *definition, float *numbers, int64_t count) {
  const tl_yaml *value = tl_yaml_get(definition, "value");
  int outer = scope->locals_count;
  TL_TRY(tl_scope_let(scope, tl_yaml_get(definition, "let")));
  tl_scope_local index = {.name = TL_STR("j"), .is_loop = true};
  TL_TRY(tl_scope_push(scope, &index, definition->span));
  tl_status status = TL_OK;
  scope->single = true;
  for (int64_t j = 0; tl_ok(status) && j < count; j++)
    status = number_at(scope, value, j, &numbers[j]);
  scope->single = false;
  tl_scope_pop(scope, outer);
  scope->lets_count = 0;
  return status;
}

tl_status tl_table_add(tl_scope *scope, tl_graph *graph, const tl_yaml *definition,
                       tl_value **out_value) {
  const tl_yaml *length = tl_yaml_get(definition, "length");
  int64_t count = 0;
  TL_TRY(tl_scope_int(scope, length, &count));
  if (count <= 0 || count > TL_TEXT_TABLE_MAX) {
    return tl_diag_error(scope->diag, TL_INPUT, length->span,
                         "a table of %lld numbers (1 to %d are possible)", (long long)count,
                         TL_TEXT_TABLE_MAX);
  }
  float *numbers = tl_arena_array(scope->input->arena, (size_t)count, sizeof *numbers);
  if (!numbers) return TL_MEMORY;
  TL_TRY(fill(scope, definition, numbers, count));
  tl_type type = {.format = TL_FORMAT_F32, .rank = 1, .dims = {tl_dim_of(count)}};
  tl_node node = {.kind = TL_NODE_TABLE, .span = definition->span, .table = numbers}, *added = NULL;
  TL_TRY(tl_graph_add(graph, &node, definition->key, &type, &added, scope->diag));
  *out_value = added->result;
  return TL_OK;
}
