// What of config.json nobody asked for.
#include "compiler/lower/scope.h"

enum { DEPTH_MAX = 8, CLOSE_MAX = 4 };

// A pattern with a point is one of a path, another one of a key wherever it stands.
static bool is_ignored(const tl_scope *scope, tl_str path, tl_str key) {
  const tl_arch *arch = scope->input->arch;
  for (int part = 0; part < arch->parts_count; part++) {
    const tl_yaml *list = tl_yaml_get(tl_yaml_get(arch->parts[part], "ignore"), "config");
    for (const tl_yaml *item = list ? list->first : NULL; item; item = item->next) {
      bool is_path = memchr(item->text.data, '.', item->text.length);
      if (tl_pattern_matches(item->text, is_path ? path : key)) return true;
    }
  }
  return false;
}

// Whether `key` of `object` was read; and whether any member of `object` was.
static bool was_read(const tl_scope *scope, const tl_json *object, tl_str key) {
  for (size_t i = 0; i < scope->reads_count; i++) {
    const tl_scope_read *read = &scope->reads[i];
    if (read->object == object && tl_str_equal(read->key, key)) return true;
  }
  return false;
}

static bool was_looked_into(const tl_scope *scope, const tl_json *object) {
  for (size_t i = 0; i < scope->reads_count; i++) {
    if (scope->reads[i].object == object) return true;
  }
  return false;
}

static void note_closest(const tl_scope *scope, const tl_json *object, tl_str key) {
  size_t best = CLOSE_MAX;
  tl_str closest = {0};
  for (size_t i = 0; i < scope->reads_count; i++) {
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

static tl_status report(const tl_scope *scope, const tl_json *object, const tl_json *key,
                        tl_str path) {
  tl_diag_error(scope->diag, TL_UNSUPPORTED, tl_json_span(scope->input->config_source, key),
                "config key '%.*s' is not known to this architecture", TL_STR_ARG(path));
  note_closest(scope, object, key->string);
  return TL_UNSUPPORTED;
}

static tl_status check_object(tl_scope *scope, const tl_json *object, tl_str path, int depth);

// Objects that were looked into, also those in lists.
static tl_status check_value(tl_scope *scope, const tl_json *value, tl_str path, int depth) {
  tl_status status = TL_OK;
  if (depth == DEPTH_MAX) return TL_OK; // expressions do not reach as deep
  if (tl_json_kind_of(value) == TL_JSON_OBJECT && was_looked_into(scope, value)) {
    return check_object(scope, value, path, depth + 1);
  }
  for (size_t i = 0; tl_json_kind_of(value) == TL_JSON_ARRAY && i < tl_json_count(value); i++) {
    tl_status one = check_value(scope, tl_json_item(value, i), path, depth + 1);
    if (tl_ok(status)) status = one;
  }
  return status;
}

// What says nothing: null, false, [] and {}.
static bool is_empty(const tl_json *value) {
  switch (tl_json_kind_of(value)) {
  case TL_JSON_NULL: return true;
  case TL_JSON_BOOL: return !value->boolean;
  case TL_JSON_ARRAY:
  case TL_JSON_OBJECT: return tl_json_count(value) == 0;
  default: return false;
  }
}

static tl_status check_member(tl_scope *scope, const tl_json *object, size_t index, tl_str path,
                              int depth) {
  const tl_json *key = &object->members[index].key, *value = &object->members[index].value;
  tl_str full = key->string;
  if (path.length) {
    full = tl_arena_format(scope->input->arena, "%.*s.%.*s", TL_STR_ARG(path), TL_STR_ARG(full));
    if (!full.data) return TL_MEMORY;
  }
  if (was_read(scope, object, key->string)) return check_value(scope, value, full, depth);
  bool is_said = !is_empty(value) && !is_ignored(scope, full, key->string);
  return is_said ? report(scope, object, key, full) : TL_OK;
}

static tl_status check_object(tl_scope *scope, const tl_json *object, tl_str path, int depth) {
  tl_status status = TL_OK;
  for (size_t i = 0; i < tl_json_count(object); i++) {
    tl_status one = check_member(scope, object, i, path, depth);
    if (tl_ok(status)) status = one;
  }
  return status;
}

// What a parameter reads is known, whether or not this model needs the parameter: the width of
// experts is not in the graph of a model without them. Those that cannot be computed are not
// needed.
static void read_parameters(tl_scope *scope) {
  tl_diag *diag = scope->diag;
  scope->diag = NULL;
  scope->view = TL_SCOPE_NONE;
  for (int i = 0; i < scope->params_count; i++) {
    const tl_scope_param *param = &scope->params[i];
    tl_expr_value value;
    if (param->is_known || param->is_layer) continue;
    if (!tl_ok(tl_scope_eval(scope, param->definition, &value))) continue;
  }
  scope->view = TL_SCOPE_ALL;
  scope->diag = diag;
}

tl_status tl_scope_check_unread(tl_scope *scope) {
  read_parameters(scope);
  return check_object(scope, scope->input->config, TL_STR(""), 0);
}
