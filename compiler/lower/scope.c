// Implementation of scope.h: what names mean.
#include "compiler/lower/scope.h"

// What an expression's places need: the scalar it stands in, and where it begins there.
typedef struct expression {
  tl_scope *scope;
  const tl_yaml *node;
  size_t begin;
} expression;

static tl_status add_params(tl_scope *scope, const char *section, bool is_layer) {
  const tl_arch *arch = scope->input->arch;
  for (int part = 0; part < arch->parts_count; part++) {
    const tl_yaml *mapping = tl_yaml_get(arch->parts[part], section);
    for (const tl_yaml *member = mapping ? mapping->first : NULL; member; member = member->next) {
      if (tl_arch_member(arch, section, member->key) != member) continue; // overridden
      if (scope->params_count == TL_SCOPE_PARAMS_MAX) {
        return tl_diag_error(scope->diag, TL_INPUT, member->key_span, "more than %d parameters",
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
  scope->prefix = TL_STR("");
  TL_TRY(add_params(scope, "params", false));
  return add_params(scope, "layer_params", true);
}

static void forget_layer(tl_scope *scope) {
  for (int i = 0; i < scope->params_count; i++)
    scope->params[i].is_known &= !scope->params[i].is_layer;
  for (int i = 0; i < scope->lets_count; i++)
    scope->lets[i].is_known = false;
}

tl_status tl_scope_push(tl_scope *scope, const tl_scope_local *local, tl_span span) {
  if (scope->locals_count == TL_SCOPE_LOCALS_MAX) {
    return tl_diag_error(scope->diag, TL_INPUT, span,
                         "more than %d loop variables and arguments at once", TL_SCOPE_LOCALS_MAX);
  }
  scope->locals[scope->locals_count++] = *local;
  if (local->is_loop) forget_layer(scope);
  return TL_OK;
}

void tl_scope_pop(tl_scope *scope, int count) {
  scope->locals_count = count;
  forget_layer(scope);
}

void tl_scope_set(tl_scope *scope, int64_t value) {
  scope->locals[scope->locals_count - 1].value = (tl_expr_value){.kind = TL_EXPR_INT, .i = value};
  forget_layer(scope);
}

tl_status tl_scope_let(tl_scope *scope, const tl_yaml *let) {
  scope->lets_count = 0;
  for (const tl_yaml *member = let ? let->first : NULL; member; member = member->next) {
    if (scope->lets_count == TL_SCOPE_LETS_MAX) {
      return tl_diag_error(scope->diag, TL_INPUT, member->key_span, "more than %d definitions",
                           TL_SCOPE_LETS_MAX);
    }
    scope->lets[scope->lets_count++] = (tl_scope_param){.definition = member};
  }
  return TL_OK;
}

static tl_status eval_param(tl_scope *scope, tl_scope_param *param, tl_scope_view view,
                            tl_expr_value *out) {
  const tl_yaml *definition = param->definition;
  if (!param->is_known) {
    if (param->is_busy || scope->nesting == TL_SCOPE_NESTING_MAX) {
      return tl_diag_error(scope->diag, TL_INPUT, definition->key_span, "'%.*s' is defined by %s",
                           TL_STR_ARG(definition->key),
                           param->is_busy ? "itself" : "too long a chain of parameters");
    }
    tl_scope_view outer = scope->view;
    scope->view = view;
    scope->nesting++;
    param->is_busy = true;
    tl_status status = tl_scope_eval(scope, definition, &param->value);
    param->is_busy = false;
    scope->nesting--;
    scope->view = outer;
    TL_TRY(status);
    param->is_known = true;
  }
  if (!scope->last_read) scope->last_read = param->value.json;
  *out = param->value;
  return TL_OK;
}

static const tl_scope_local *find_local(const tl_scope *scope, tl_str name) {
  for (int i = scope->locals_count - 1; i >= 0; i--) {
    const tl_scope_local *local = &scope->locals[i];
    bool visible = scope->view != TL_SCOPE_NONE &&
                   (local->is_loop || (scope->view == TL_SCOPE_ALL && i >= scope->frame));
    if (visible && tl_str_equal(local->name, name)) return local;
  }
  return NULL;
}

static tl_scope_param *find_param(tl_scope_param *params, int count, tl_str name) {
  for (int i = 0; i < count; i++) {
    if (tl_str_equal(params[i].definition->key, name)) return &params[i];
  }
  return NULL;
}

static tl_status lookup(void *user, tl_str name, bool *out_found, tl_expr_value *out,
                        tl_diag *diag) {
  tl_scope *scope = ((expression *)user)->scope;
  (void)diag;
  *out_found = true;
  tl_scope_param *let = find_param(scope->lets, scope->lets_count, name);
  if (let && scope->view == TL_SCOPE_ALL) return eval_param(scope, let, TL_SCOPE_ALL, out);
  const tl_scope_local *local = find_local(scope, name);
  if (local) {
    *out = local->value;
    return TL_OK;
  }
  tl_scope_param *param = find_param(scope->params, scope->params_count, name);
  // What is the same in all layers cannot be made of what is not.
  if (param && !(param->is_layer && scope->view == TL_SCOPE_NONE)) {
    return eval_param(scope, param, param->is_layer ? TL_SCOPE_LOOPS : TL_SCOPE_NONE, out);
  }
  if (tl_str_is(name, "config")) {
    *out = tl_expr_from_json(scope->input->config);
  } else if (tl_str_is(name, "prefix")) {
    *out = (tl_expr_value){.kind = TL_EXPR_TEXT, .text = scope->prefix};
  } else {
    *out_found = false;
  }
  return TL_OK;
}

static bool was_read(const tl_scope *scope, const tl_json *object, tl_str key) {
  for (size_t i = 0; i < scope->reads_count; i++) {
    if (scope->reads[i].object == object && tl_str_equal(scope->reads[i].key, key)) return true;
  }
  return false;
}

static void on_read(void *user, const tl_json *object, tl_str key) {
  tl_scope *scope = ((expression *)user)->scope;
  const tl_json *value = tl_json_get(object, key);
  if (value) scope->last_read = value;
  if (was_read(scope, object, key) || scope->reads_count == TL_SCOPE_READS_MAX) return;
  tl_scope_read *reads = tl_arena_grow(scope->input->arena, scope->reads, &scope->reads_capacity,
                                       scope->reads_count + 1, sizeof *reads);
  if (!reads) return; // the key will be reported as unknown: no harm is done silently
  scope->reads = reads;
  scope->reads[scope->reads_count++] = (tl_scope_read){object, key};
}

static tl_span place(void *user, size_t offset, size_t length) {
  const expression *e = user;
  return tl_yaml_place(e->node, e->begin + offset, length);
}

static tl_span origin(void *user, const tl_json *node) {
  const tl_source *config = ((expression *)user)->scope->input->config_source;
  return node ? tl_json_span(config, node) : (tl_span){config, 0, 0};
}

tl_status tl_scope_eval_part(tl_scope *scope, const tl_yaml *node, size_t begin, size_t end,
                             tl_expr_value *out) {
  expression e = {scope, node, begin};
  bool single = scope->single && scope->view == TL_SCOPE_ALL;
  tl_expr_scope names = {&e, scope->input->arena, lookup, on_read, place, origin, single};
  return tl_expr_eval(&names, tl_str_slice(node->text, begin, end), out, scope->diag);
}

tl_status tl_scope_eval(tl_scope *scope, const tl_yaml *node, tl_expr_value *out) {
  if (node->kind == TL_YAML_SCALAR) {
    return tl_scope_eval_part(scope, node, 0, node->text.length, out);
  }
  return tl_diag_error(scope->diag, TL_INPUT, node->span, "an expression was expected");
}

// Says what `node` is and should be, at the config's value if it comes from there as it is.
static tl_status fault_of_value(tl_scope *scope, const tl_yaml *node, const tl_expr_value *value,
                                tl_str is, const char *expected) {
  tl_span span = node->span;
  if (value->json) span = tl_json_span(scope->input->config_source, value->json);
  tl_diag_error(scope->diag, TL_INPUT, span, "this is %.*s, expected %s", TL_STR_ARG(is), expected);
  if (value->json) {
    tl_diag_note(scope->diag, "%s takes it as '%.*s'", node->span.source->name,
                 TL_STR_ARG(node->key.length ? node->key : node->text));
  }
  return TL_INPUT;
}

tl_status tl_scope_fault(tl_scope *scope, const tl_yaml *node, const tl_expr_value *value,
                         const char *expected) {
  tl_str is = tl_str_from(tl_expr_kind_text(value));
  return fault_of_value(scope, node, value, is, expected);
}

tl_status tl_scope_int(tl_scope *scope, const tl_yaml *node, int64_t *out) {
  tl_expr_value value;
  TL_TRY(tl_scope_eval(scope, node, &value));
  if (tl_expr_to_int(&value, out)) return TL_OK;
  if (value.kind == TL_EXPR_MISSING && value.text.data) {
    tl_diag_error(scope->diag, TL_INPUT, (tl_span){scope->input->config_source, 0, 0},
                  "%.*s is missing, an integer was expected", TL_STR_ARG(value.text));
    tl_diag_note(scope->diag, "%s takes it as '%.*s'", node->span.source->name,
                 TL_STR_ARG(node->key.length ? node->key : node->text));
    return TL_INPUT;
  }
  return tl_scope_fault(scope, node, &value, "an integer");
}

tl_status tl_scope_truth(tl_scope *scope, const tl_yaml *node, bool *out) {
  tl_expr_value value;
  TL_TRY(tl_scope_eval(scope, node, &value));
  if (tl_expr_to_truth(&value, out)) return TL_OK;
  return tl_scope_fault(scope, node, &value, "true or false");
}

tl_status tl_scope_param_int(tl_scope *scope, const char *name, int64_t least, int64_t most,
                             int64_t *out) {
  tl_scope_param *param = find_param(scope->params, scope->params_count, tl_str_from(name));
  tl_arena *arena = scope->input->arena;
  tl_expr_value value;
  if (!param) return TL_OK;
  TL_TRY(tl_scope_int(scope, param->definition, out));
  if (*out >= least && *out <= most) return TL_OK;
  TL_TRY(tl_scope_eval(scope, param->definition, &value));
  tl_str is = tl_arena_format(arena, "%lld", (long long)*out);
  tl_str expected =
      tl_arena_format(arena, "'%s' from %lld to %lld", name, (long long)least, (long long)most);
  if (!is.data || !expected.data) return TL_MEMORY;
  return fault_of_value(scope, param->definition, &value, is, expected.data);
}

tl_status tl_scope_param_json(tl_scope *scope, const char *name, const tl_json **out) {
  tl_scope_param *param = find_param(scope->params, scope->params_count, tl_str_from(name));
  tl_expr_value value = {0};
  if (param) TL_TRY(tl_scope_eval(scope, param->definition, &value));
  *out = value.json;
  return TL_OK;
}

// The next `{..}` at or after `*at`; what is inside is [out_begin, out_end) of the text.
static bool next_braces(tl_str text, size_t *at, size_t *out_begin, size_t *out_end) {
  while (*at < text.length && text.data[*at] != '{')
    ++*at;
  if (*at == text.length) return false;
  *out_begin = *out_end = *at + 1;
  while (*out_end < text.length && text.data[*out_end] != '}')
    ++*out_end;
  *at = *out_end < text.length ? *out_end + 1 : *out_end;
  return true;
}

tl_status tl_scope_fill(tl_scope *scope, const tl_yaml *node, tl_str *out) {
  tl_arena *arena = scope->input->arena;
  tl_str text = node->text;
  size_t done = 0, at = 0, begin = 0, end = 0;
  if (node->kind != TL_YAML_SCALAR) {
    return tl_diag_error(scope->diag, TL_INPUT, node->span, "a text was expected");
  }
  *out = TL_STR("");
  while (next_braces(text, &at, &begin, &end)) {
    tl_expr_value value;
    if (tl_str_is(tl_str_slice(text, begin, end), "e")) continue;
    TL_TRY(tl_scope_eval_part(scope, node, begin, end, &value));
    bool is_object =
        value.json && value.kind == TL_EXPR_JSON && tl_json_kind_of(value.json) == TL_JSON_OBJECT;
    if (value.kind == TL_EXPR_MISSING || is_object) {
      return tl_diag_error(scope->diag, TL_INPUT, tl_yaml_place(node, begin, end - begin),
                           "this is %s: it cannot be part of a text", tl_expr_kind_text(&value));
    }
    tl_str before = tl_str_slice(text, done, begin - 1), printed = tl_expr_print(&value, arena);
    *out = tl_arena_format(arena, "%.*s%.*s%.*s", TL_STR_ARG(*out), TL_STR_ARG(before),
                           TL_STR_ARG(printed));
    done = at;
  }
  tl_str rest = tl_str_slice(text, done, text.length);
  *out = tl_arena_format(arena, "%.*s%.*s", TL_STR_ARG(*out), TL_STR_ARG(rest));
  return out->data ? TL_OK : TL_MEMORY;
}

static bool is_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

const tl_json *tl_scope_no_count(tl_scope *scope, tl_str text) {
  for (size_t begin = 0, end = 0; begin < text.length; begin = ++end) {
    while (end < text.length && is_word_byte(text.data[end]))
      end++;
    tl_str name = tl_str_slice(text, begin, end);
    const tl_scope_param *param = find_param(scope->params, scope->params_count, name);
    const tl_expr_value *value = param && param->is_known ? &param->value : NULL;
    if (value && value->json && value->kind == TL_EXPR_INT && value->i <= 0) return value->json;
  }
  return NULL;
}

bool tl_scope_is_of_loop(const tl_scope *scope, const tl_yaml *node) {
  size_t at = 0, begin = 0, end = 0;
  while (next_braces(node->text, &at, &begin, &end)) {
    while (begin < end) {
      size_t word = begin;
      while (begin < end && is_word_byte(node->text.data[begin]))
        begin++;
      const tl_scope_local *local = find_local(scope, tl_str_slice(node->text, word, begin));
      if (local && local->is_loop) return true;
      begin += begin == word;
    }
  }
  return false;
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
