// Implementation of arch_check.h: a table of forms, walked along the tree.
#include "compiler/lower/arch_check.h"

#include "compiler/lower/expr.h"

// What a node must be. A mapping has the members of its rows; `*` stands for any name.
typedef enum form {
  FORM_TEXT,
  FORM_TEXTS,        // a text or a list of texts
  FORM_LIST,         // of texts
  FORM_EXPRESSION,   //
  FORM_EXPRESSIONS,  // a list of expressions
  FORM_BLOCK,        // a literal block
  FORM_MAPPING,      //
  FORM_MAPPING_LIST, // a list of mappings
} form;

typedef struct rule {
  const char *path; // of keys, dots between
  form form;
  bool is_required; // where its mapping is
} rule;

static const rule rules[] = {
    {"architectures", FORM_LIST, false},
    {"task", FORM_TEXT, false},
    {"about", FORM_TEXT, false},
    {"include", FORM_LIST, false},
    {"params", FORM_MAPPING, false},
    {"params.*", FORM_EXPRESSION, false},
    {"layer_params", FORM_MAPPING, false},
    {"layer_params.*", FORM_EXPRESSION, false},
    {"tables", FORM_MAPPING, false},
    {"tables.*", FORM_MAPPING, false},
    {"tables.*.length", FORM_EXPRESSION, true},
    {"tables.*.let", FORM_MAPPING, false},
    {"tables.*.let.*", FORM_EXPRESSION, false},
    {"tables.*.value", FORM_EXPRESSION, true},
    {"prefix", FORM_LIST, false},
    {"weights", FORM_MAPPING, false},
    {"weights.*", FORM_MAPPING, false},
    {"weights.*.from", FORM_TEXTS, true},
    {"weights.*.shape", FORM_EXPRESSIONS, true},
    {"weights.*.when", FORM_EXPRESSION, false},
    {"weights.*.optional", FORM_EXPRESSION, false},
    {"weights.*.tied", FORM_MAPPING, false},
    {"weights.*.tied.to", FORM_TEXT, true},
    {"weights.*.tied.when", FORM_EXPRESSION, true},
    {"quantised", FORM_MAPPING, false},
    {"quantised.scale", FORM_TEXT, true},
    {"quantised.block", FORM_EXPRESSION, true},
    {"refuse", FORM_MAPPING_LIST, false},
    {"refuse.for", FORM_TEXT, false},
    {"refuse.when", FORM_EXPRESSION, true},
    {"refuse.tensors", FORM_TEXT, false},
    {"refuse.say", FORM_TEXT, true},
    {"ignore", FORM_MAPPING, false},
    {"ignore.config", FORM_LIST, false},
    {"ignore.tensors", FORM_LIST, false},
    {"blocks", FORM_MAPPING, false},
    {"blocks.*", FORM_BLOCK, false},
    {"graph", FORM_BLOCK, false},
};

enum { RULES_COUNT = sizeof rules / sizeof *rules, CLOSE_MAX = 4 };

typedef struct checker {
  tl_arena *arena;
  tl_diag *diag;
  const tl_yaml *node; // the expression being checked
} checker;

static tl_status check_node(checker *c, const tl_yaml *node, const rule *is);

static tl_status no_lookup(void *user, tl_str name, bool *out_found, tl_expr_value *out_value,
                           tl_diag *diag) {
  (void)user, (void)name, (void)out_value, (void)diag;
  *out_found = false;
  return TL_OK;
}

static tl_span place(void *user, size_t offset, size_t length) {
  const checker *c = user;
  return tl_yaml_place(c->node, offset, length);
}

static tl_status wrong_form(const checker *c, const tl_yaml *node, const rule *is) {
  static const char *const texts[] = {
      "a text",        "a text or a list of texts", "a list of texts",
      "an expression", "a list of expressions",     "a literal block (name: |)",
      "a mapping",     "a list of mappings"};
  return tl_diag_error(c->diag, TL_INPUT, node->span, "%s must be %s", is->path, texts[is->form]);
}

static tl_status check_expression(checker *c, const tl_yaml *node, const rule *is) {
  tl_expr_scope scope = {.user = c, .arena = c->arena, .lookup = no_lookup, .place = place};
  if (node->kind != TL_YAML_SCALAR) return wrong_form(c, node, is);
  c->node = node;
  return tl_expr_check(&scope, node->text, c->diag);
}

static tl_status check_items(checker *c, const tl_yaml *list, const rule *is) {
  tl_status status = TL_OK;
  for (const tl_yaml *item = list->first; item; item = item->next) {
    tl_status one = TL_OK;
    if (is->form == FORM_EXPRESSIONS) {
      one = check_expression(c, item, is);
    } else if (item->kind != TL_YAML_SCALAR) {
      one = wrong_form(c, item, is);
    }
    if (tl_ok(status)) status = one;
  }
  return status;
}

// The rule of member `key` of the mapping with rule `parent` (NULL = the file); NULL if there is
// none.
static const rule *member_rule(const rule *parent, tl_str key) {
  tl_str base = parent ? tl_str_from(parent->path) : TL_STR("");
  for (int i = 0; i < RULES_COUNT; i++) {
    tl_str path = tl_str_from(rules[i].path);
    if (!tl_str_starts_with(path, base)) continue;
    tl_str rest = tl_str_slice(path, base.length, path.length);
    if (parent && !tl_str_starts_with(rest, TL_STR("."))) continue;
    rest = tl_str_slice(rest, parent ? 1 : 0, rest.length);
    if (tl_str_equal(rest, key) || tl_str_is(rest, "*")) return &rules[i];
  }
  return NULL;
}

// The last key of a rule's path if it is a member of `parent`, else nothing.
static tl_str key_under(const rule *is, const rule *parent) {
  tl_str path = tl_str_from(is->path), base = parent ? tl_str_from(parent->path) : TL_STR("");
  if (!tl_str_starts_with(path, base)) return (tl_str){0};
  tl_str rest = tl_str_slice(path, base.length, path.length);
  if (parent && !tl_str_starts_with(rest, TL_STR("."))) return (tl_str){0};
  rest = tl_str_slice(rest, parent ? 1 : 0, rest.length);
  return memchr(rest.data, '.', rest.length) ? (tl_str){0} : rest;
}

static tl_status unknown_key(const checker *c, const tl_yaml *member, const rule *parent) {
  size_t best = CLOSE_MAX;
  tl_str closest = {0};
  for (int i = 0; i < RULES_COUNT; i++) {
    tl_str key = key_under(&rules[i], parent);
    size_t distance = key.length ? tl_str_distance(member->key, key, best) : best;
    if (distance >= best) continue;
    best = distance;
    closest = key;
  }
  tl_diag_error(c->diag, TL_INPUT, member->key_span, "%s has no key '%.*s'",
                parent ? parent->path : "an architecture", TL_STR_ARG(member->key));
  if (closest.length) tl_diag_note(c->diag, "the closest is '%.*s'", TL_STR_ARG(closest));
  return TL_INPUT;
}

static tl_status check_mapping(checker *c, const tl_yaml *mapping, const rule *parent) {
  tl_status status = TL_OK;
  for (const tl_yaml *member = mapping->first; member; member = member->next) {
    const rule *is = member_rule(parent, member->key);
    tl_status one = is ? check_node(c, member, is) : unknown_key(c, member, parent);
    if (tl_ok(status)) status = one;
  }
  for (int i = 0; parent && i < RULES_COUNT; i++) {
    tl_str key = rules[i].is_required ? key_under(&rules[i], parent) : (tl_str){0};
    if (!key.length || tl_yaml_get(mapping, key.data)) continue;
    tl_status one = tl_diag_error(c->diag, TL_INPUT, mapping->span, "%s needs '%.*s'", parent->path,
                                  TL_STR_ARG(key));
    if (tl_ok(status)) status = one;
  }
  return status;
}

static tl_status check_mappings(checker *c, const tl_yaml *list, const rule *is) {
  tl_status status = TL_OK;
  for (const tl_yaml *item = list->first; item; item = item->next) {
    tl_status one =
        item->kind == TL_YAML_MAPPING ? check_mapping(c, item, is) : wrong_form(c, item, is);
    if (tl_ok(status)) status = one;
  }
  return status;
}

static tl_status check_node(checker *c, const tl_yaml *node, const rule *is) {
  bool is_text = node->kind == TL_YAML_SCALAR, is_list = node->kind == TL_YAML_SEQUENCE;
  bool fits = false;
  switch (is->form) {
  case FORM_TEXT: fits = is_text; break;
  case FORM_TEXTS: fits = is_text || (is_list && node->count > 0); break;
  case FORM_LIST:
  case FORM_EXPRESSIONS:
  case FORM_MAPPING_LIST: fits = is_list; break;
  case FORM_EXPRESSION: return check_expression(c, node, is);
  case FORM_BLOCK: fits = node->is_literal; break;
  case FORM_MAPPING: fits = node->kind == TL_YAML_MAPPING; break;
  }
  if (!fits) return wrong_form(c, node, is);
  if (is->form == FORM_MAPPING) return check_mapping(c, node, is);
  if (is->form == FORM_MAPPING_LIST) return check_mappings(c, node, is);
  return is_list ? check_items(c, node, is) : TL_OK;
}

tl_status tl_arch_check(tl_arena *arena, const tl_yaml *part, tl_diag *diag) {
  checker c = {.arena = arena, .diag = diag};
  if (part->kind == TL_YAML_MAPPING) return check_mapping(&c, part, NULL);
  return tl_diag_error(diag, TL_INPUT, part->span, "a mapping of sections was expected");
}
