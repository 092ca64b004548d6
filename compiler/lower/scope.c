// Lazy parameters.
#include "compiler/lower/scope.h"

// What an expression's places need: the scalar it stands in, and where it begins there.
typedef struct expression {
  tl_scope *scope;
  const tl_yaml *node;
  size_t begin;
} expression;

static tl_status add_params(tl_scope *scope, const char *section, bool is_layer) {
  for (int part = 0; part < scope->input->arch->parts_count; part++) {
    const tl_yaml *mapping = tl_yaml_get(scope->input->arch->parts[part], section);
    for (const tl_yaml *member = mapping ? mapping->first : NULL; member; member = member->next) {
      if (tl_arch_member(scope->input->arch, section, member->key) != member) continue;
      if (scope->params_count == TL_SCOPE_PARAMS_MAX || member->kind != TL_YAML_SCALAR) {
        return tl_diag_error(scope->diag, TL_INPUT, member->span,
                             "a parameter is one expression, and there are at most %d",
                             TL_SCOPE_PARAMS_MAX);
      }
      scope->params[scope->params_count++] =
          (tl_scope_param){.definition = member, .is_layer = is_layer};
    }
  }
  return TL_OK;
}

tl_status tl_scope_init(tl_scope *scope, const tl_lower_input *input, tl_diag *diag) {
  memset(scope, 0, sizeof *scope);
  scope->input = input;
  scope->diag = diag;
  TL_TRY(add_params(scope, "params", false));
  return add_params(scope, "layer_params", true);
}

static void forget_layer(tl_scope *scope) {
  for (int i = 0; i < scope->params_count; i++) {
    if (scope->params[i].is_layer) scope->params[i].is_known = false;
  }
}

tl_status tl_scope_push(tl_scope *scope, tl_str name, int64_t value) {
  if (scope->variables_count == TL_SCOPE_LOOPS_MAX) {
    return tl_diag_error(scope->diag, TL_INPUT, (tl_span){0}, "loops deeper than %d",
                         TL_SCOPE_LOOPS_MAX);
  }
  scope->variables[scope->variables_count++] = (tl_scope_variable){name, value};
  forget_layer(scope);
  return TL_OK;
}

void tl_scope_pop(tl_scope *scope) {
  scope->variables_count--;
  forget_layer(scope);
}

void tl_scope_set(tl_scope *scope, int64_t value) {
  scope->variables[scope->variables_count - 1].value = value;
  forget_layer(scope);
}

static tl_status eval_param(tl_scope *scope, tl_scope_param *param, tl_expr_value *out) {
  if (!param->is_known) {
    if (param->is_busy) {
      return tl_diag_error(scope->diag, TL_INPUT, param->definition->key_span,
                           "parameter '%.*s' is defined by itself",
                           TL_STR_ARG(param->definition->key));
    }
    param->is_busy = true;
    tl_status status = tl_scope_eval(scope, param->definition, &param->value);
    param->is_busy = false;
    TL_TRY(status);
    param->is_known = true;
  }
  *out = param->value;
  return TL_OK;
}

static tl_status lookup(void *user, tl_str name, bool *out_found, tl_expr_value *out,
                        tl_diag *diag) {
  tl_scope *scope = ((expression *)user)->scope;
  (void)diag;
  *out_found = true;
  for (int i = scope->variables_count - 1; i >= 0; i--) {
    if (!tl_str_equal(scope->variables[i].name, name)) continue;
    *out = (tl_expr_value){.kind = TL_EXPR_INT, .i = scope->variables[i].value};
    return TL_OK;
  }
  for (const tl_yaml *let = scope->let ? scope->let->first : NULL; let; let = let->next) {
    // A definition may use those before it only, so that there are no cycles.
    if (let == ((expression *)user)->node) break;
    if (tl_str_equal(let->key, name)) return tl_scope_eval(scope, let, out);
  }
  for (int i = 0; i < scope->params_count; i++) {
    if (!tl_str_equal(scope->params[i].definition->key, name)) continue;
    return eval_param(scope, &scope->params[i], out);
  }
  if (tl_str_is(name, "config")) {
    *out = tl_expr_from_json(scope->input->config);
    return TL_OK;
  }
  *out_found = false;
  return TL_OK;
}

static void on_read(void *user, const tl_json *object, tl_str key) {
  tl_scope *scope = ((expression *)user)->scope;
  for (int i = 0; i < scope->reads_count; i++) {
    if (scope->reads[i].object == object && tl_str_equal(scope->reads[i].key, key)) return;
  }
  if (scope->reads_count < TL_SCOPE_READS_MAX) {
    scope->reads[scope->reads_count++] = (tl_scope_read){object, key};
  }
}

static tl_span place(void *user, size_t offset, size_t length) {
  const expression *e = user;
  return tl_yaml_place(e->node, e->begin + offset, length);
}

tl_status tl_scope_eval_part(tl_scope *scope, const tl_yaml *node, size_t begin, size_t end,
                             tl_expr_value *out) {
  expression e = {scope, node, begin};
  tl_expr_scope names = {&e, scope->input->arena, lookup, on_read, place};
  return tl_expr_eval(&names, tl_str_slice(node->text, begin, end), out, scope->diag);
}

tl_status tl_scope_eval(tl_scope *scope, const tl_yaml *node, tl_expr_value *out) {
  if (node->kind == TL_YAML_SCALAR) {
    return tl_scope_eval_part(scope, node, 0, node->text.length, out);
  }
  return tl_diag_error(scope->diag, TL_INPUT, node->span, "an expression was expected");
}

tl_status tl_scope_int(tl_scope *scope, const tl_yaml *node, int64_t *out) {
  tl_expr_value value;
  TL_TRY(tl_scope_eval(scope, node, &value));
  if (tl_expr_to_int(&value, out)) return TL_OK;
  return tl_diag_error(scope->diag, TL_INPUT, node->span, "an integer was expected, this is %s",
                       tl_expr_kind_text(&value));
}

tl_status tl_scope_truth(tl_scope *scope, const tl_yaml *node, bool *out) {
  tl_expr_value value;
  TL_TRY(tl_scope_eval(scope, node, &value));
  *out = tl_expr_truth(&value);
  return TL_OK;
}

tl_status tl_scope_param_int(tl_scope *scope, const char *name, int64_t missing, int64_t *out) {
  *out = missing;
  for (int i = 0; i < scope->params_count; i++) {
    if (!tl_str_is(scope->params[i].definition->key, name)) continue;
    return tl_scope_int(scope, scope->params[i].definition, out);
  }
  return TL_OK;
}

tl_status tl_scope_fill(tl_scope *scope, const tl_yaml *node, tl_str text, tl_str *out) {
  tl_arena *arena = scope->input->arena;
  size_t done = 0;
  *out = TL_STR("");
  for (size_t at = 0; at < text.length; at++) {
    if (text.data[at] != '{') continue;
    size_t end = at;
    while (end < text.length && text.data[end] != '}')
      end++;
    tl_str inner = tl_str_slice(text, at + 1, end);
    if (tl_str_is(inner, "e") || tl_str_is(inner, "prefix")) continue;
    // The text is a part of the node's own, so places can be told.
    size_t offset = (size_t)(inner.data - node->text.data);
    tl_expr_value value;
    TL_TRY(tl_scope_eval_part(scope, node, offset, offset + inner.length, &value));
    tl_str before = tl_str_slice(text, done, at), printed = tl_expr_print(&value, arena);
    *out = tl_arena_format(arena, "%.*s%.*s%.*s", TL_STR_ARG(*out), TL_STR_ARG(before),
                           TL_STR_ARG(printed));
    at = end;
    done = end + 1;
  }
  tl_str rest = tl_str_slice(text, done, text.length);
  *out = tl_arena_format(arena, "%.*s%.*s", TL_STR_ARG(*out), TL_STR_ARG(rest));
  return out->data ? TL_OK : TL_MEMORY;
}

bool tl_pattern_matches(tl_str pattern, tl_str text) {
  size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
  while (t < text.length) {
    if (p < pattern.length && pattern.data[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.length && pattern.data[p] == text.data[t]) {
      p++;
      t++;
    } else if (star != SIZE_MAX) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.length && pattern.data[p] == '*')
    p++;
  return p == pattern.length;
}

static bool was_read(const tl_scope *scope, const tl_json *object, tl_str key) {
  for (int i = 0; i < scope->reads_count; i++) {
    if (scope->reads[i].object == object && tl_str_equal(scope->reads[i].key, key)) return true;
  }
  return false;
}

static bool is_ignored(const tl_scope *scope, tl_str path) {
  const tl_arch *arch = scope->input->arch;
  for (int part = 0; part < arch->parts_count; part++) {
    const tl_yaml *list = tl_yaml_get(tl_yaml_get(arch->parts[part], "ignore"), "config");
    for (const tl_yaml *item = list ? list->first : NULL; item; item = item->next) {
      if (tl_pattern_matches(item->text, path)) return true;
    }
  }
  return false;
}

static void note_closest(tl_scope *scope, const tl_json *object, tl_str key) {
  size_t best = 4;
  tl_str closest = {0};
  for (int i = 0; i < scope->reads_count; i++) {
    if (scope->reads[i].object != object) continue;
    size_t distance = tl_str_distance(key, scope->reads[i].key, best);
    if (distance >= best) continue;
    best = distance;
    closest = scope->reads[i].key;
  }
  if (closest.data) {
    tl_diag_note(scope->diag, "the closest key that is known is '%.*s'", TL_STR_ARG(closest));
  }
  tl_diag_note(scope->diag, "if it does not change what is computed, add it to ignore.config of %s",
               scope->input->arch->parts[0]->span.source->name);
}

static tl_status check_object(tl_scope *scope, const tl_json *object, tl_str path, int depth) {
  tl_status status = TL_OK;
  for (size_t i = 0; i < tl_json_count(object); i++) {
    const tl_json *value = &object->members[i].value;
    tl_str key = object->members[i].key.string;
    tl_str full = path.length ? tl_arena_format(scope->input->arena, "%.*s.%.*s", TL_STR_ARG(path),
                                                TL_STR_ARG(key))
                              : key;
    if (!full.data) return TL_MEMORY;
    if (was_read(scope, object, key)) {
      bool looked_into = false;
      for (int r = 0; r < scope->reads_count; r++)
        looked_into |= scope->reads[r].object == value;
      if (looked_into && tl_json_kind_of(value) == TL_JSON_OBJECT && depth < 8) {
        tl_status one = check_object(scope, value, full, depth + 1);
        if (tl_ok(status)) status = one;
      }
      continue;
    }
    bool empty = tl_json_kind_of(value) == TL_JSON_NULL ||
                 (tl_json_kind_of(value) == TL_JSON_BOOL && !value->boolean);
    if (empty || is_ignored(scope, full)) continue;
    status = tl_diag_error(scope->diag, TL_UNSUPPORTED,
                           tl_json_span(scope->input->config_source, &object->members[i].key),
                           "config key '%.*s' is not known to this architecture", TL_STR_ARG(full));
    note_closest(scope, object, key);
  }
  return status;
}

tl_status tl_scope_check_unread(tl_scope *scope) {
  return check_object(scope, scope->input->config, TL_STR(""), 0);
}
