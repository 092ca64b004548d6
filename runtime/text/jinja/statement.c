// Statements of a parsed template, scopes, and the rendering as a whole.
#include <stdarg.h>
#include <stdio.h>

#include "runtime/text/jinja/render.h"

enum { STEP_BYTES = 16 };

tl_status tl_render_fail(tl_render *render, const char *format, ...) {
  char text[TL_DIAG_TEXT_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  tl_span span = {&render->template->source, render->at ? render->at->offset : 0, 0};
  return tl_diag_error(render->diag, TL_INPUT, span, "%s", text);
}

static tl_status limit(tl_render *render, const char *what) {
  tl_span span = {&render->template->source, render->at ? render->at->offset : 0, 0};
  return tl_diag_error(render->diag, TL_MEMORY, span, "the chat template %s", what);
}

void tl_render_say_full(tl_render *render) {
  (void)limit(render, "makes more text than fits into a request's memory");
}

tl_status tl_render_charge(tl_render *render, size_t steps) {
  if (steps > (size_t)render->steps) {
    return limit(render, "takes too many steps for this conversation");
  }
  render->steps -= (int64_t)steps;
  return TL_OK;
}

tl_status tl_render_charge_text(tl_render *render, size_t bytes) {
  return tl_render_charge(render, 1 + bytes / STEP_BYTES);
}

tl_status tl_render_enter(tl_render *render) {
  if (++render->depth <= TL_JINJA_DEPTH_MAX) return TL_OK;
  return limit(render, "goes too deep: a macro that calls itself, or a value inside of itself");
}

tl_status tl_render_undefined(tl_render *render, const tl_datum *value) {
  tl_datum owner = {.kind = (uint8_t)value->owner};
  tl_str text = tl_datum_str(value);
  switch ((tl_datum_why)value->flavour) {
  case TL_DATUM_NO_NAME: return tl_render_fail(render, "'%.*s' is undefined", TL_STR_ARG(text));
  case TL_DATUM_UNSAFE:
    return tl_render_fail(render, "access to attribute '%.*s' of '%s' object is unsafe",
                          TL_STR_ARG(text), tl_datum_type_text(&owner));
  case TL_DATUM_SENTENCE: return tl_render_fail(render, "%.*s", TL_STR_ARG(text));
  case TL_DATUM_NO_ITEM: break;
  }
  return tl_render_fail(render, "'%s object' has no attribute '%.*s'", tl_datum_type_text(&owner),
                        TL_STR_ARG(text));
}

// ---- Scopes

tl_render_scope *tl_render_open_scope(tl_render *render, tl_render_scope *outer) {
  tl_render_scope *scope = tl_arena_alloc(render->arena, sizeof *scope);
  if (!scope) return NULL;
  scope->outer = outer;
  render->scope = scope;
  return scope;
}

tl_status tl_render_set(tl_render *render, tl_render_scope *scope, uint16_t symbol,
                        const tl_datum *value) {
  for (size_t i = 0; i < scope->count; i++) {
    if (scope->bindings[i].symbol != symbol) continue;
    scope->bindings[i].value = *value;
    return TL_OK;
  }
  tl_binding *bindings = tl_arena_grow(render->arena, scope->bindings, &scope->capacity,
                                       scope->count + 1, sizeof *bindings);
  if (!bindings) return tl_render_full(render);
  scope->bindings = bindings;
  bindings[scope->count++] = (tl_binding){symbol, *value};
  return TL_OK;
}

tl_datum tl_render_get(const tl_render_scope *scope, uint16_t symbol) {
  for (; scope; scope = scope->outer) {
    for (size_t i = 0; i < scope->count; i++) {
      if (scope->bindings[i].symbol == symbol) return scope->bindings[i].value;
    }
  }
  return (tl_datum){0};
}

// ---- Assignment

static tl_status assign_items(tl_render *render, const tl_jinja_node *target,
                              const tl_datum *value);

static tl_status assign(tl_render *render, const tl_jinja_node *target, const tl_datum *value) {
  if (target->kind == TL_JINJA_NAME) {
    return tl_render_set(render, render->scope, target->symbol, value);
  }
  if (target->kind == TL_JINJA_TUPLE) return assign_items(render, target, value);
  render->at = target;
  tl_datum object = tl_render_get(render->scope, target->symbol);
  if (object.kind != TL_DATUM_NAMESPACE) {
    return tl_render_fail(render, "cannot assign attribute on non-namespace object");
  }
  tl_datum key = tl_datum_of_text(target->name);
  TL_TRY(tl_namespace_check(render, &key));
  return tl_dict_set(render, object.dict, &key, value);
}

static tl_status assign_items(tl_render *render, const tl_jinja_node *target,
                              const tl_datum *value) {
  tl_datum_list list;
  size_t wanted = 0;
  TL_TRY(tl_list_of(render, value, &list));
  for (const tl_jinja_node *part = target->items; part; part = part->next)
    wanted++;
  if (list.count != wanted) {
    return tl_render_fail(render, "%zu values to unpack, expected %zu", list.count, wanted);
  }
  const tl_datum *item = list.items;
  TL_TRY(tl_render_enter(render));
  for (const tl_jinja_node *part = target->items; part; part = part->next)
    TL_TRY(assign(render, part->left, item++));
  render->depth--;
  return TL_OK;
}

// ---- Blocks

tl_status tl_render_capture(tl_render *render, const tl_jinja_node *items, tl_str *out_text) {
  tl_text text = {0}, *outer = render->out;
  tl_jump jump;
  render->out = &text;
  TL_TRY(tl_render_items(render, items, &jump));
  render->out = outer;
  *out_text = (tl_str){text.length ? text.data : "", text.length};
  return TL_OK;
}

// The text of a block with names of its own.
static tl_status capture_block(tl_render *render, const tl_jinja_node *items, tl_str *out_text) {
  tl_render_scope *outer = render->scope;
  if (!tl_render_open_scope(render, outer)) return tl_render_full(render);
  TL_TRY(tl_render_capture(render, items, out_text));
  render->scope = outer;
  return TL_OK;
}

static tl_status print(tl_render *render, const tl_jinja_node *node) {
  tl_datum value;
  TL_TRY(tl_render_value(render, node->left, &value));
  render->at = node->left;
  return tl_text_add_str(render, render->out, &value);
}

static tl_status branch(tl_render *render, const tl_jinja_node *node, tl_jump *out_jump) {
  for (const tl_jinja_node *at = node; at; at = at == node ? node->others : at->next) {
    tl_datum value = tl_datum_of_bool(true);
    if (at->left) TL_TRY(tl_render_value(render, at->left, &value));
    if (tl_datum_truth(&value)) return tl_render_items(render, at->items, out_jump);
  }
  return TL_OK;
}

// The items that the block's condition lets through, each bound to the target in an own scope.
static tl_status keep_items(tl_render *render, const tl_jinja_node *node, tl_datum_list *list) {
  tl_datum_list *kept = NULL;
  tl_render_scope *outer = render->scope;
  TL_TRY(tl_list_create(render, 0, &kept));
  for (size_t i = 0; i < list->count; i++) {
    tl_datum value;
    if (!tl_render_open_scope(render, outer)) return tl_render_full(render);
    TL_TRY(assign(render, node->left, &list->items[i]));
    TL_TRY(tl_render_value(render, node->third, &value));
    if (tl_datum_truth(&value)) TL_TRY(tl_list_add(render, kept, &list->items[i]));
  }
  render->scope = outer;
  *list = *kept;
  return TL_OK;
}

static tl_status run_else(tl_render *render, const tl_jinja_node *node, tl_render_scope *outer) {
  tl_jump jump;
  if (!tl_render_open_scope(render, outer)) return tl_render_full(render);
  TL_TRY(tl_render_items(render, node->others, &jump));
  render->scope = outer;
  return TL_OK;
}

tl_status tl_render_loop(tl_render *render, const tl_jinja_node *node, const tl_datum *value,
                         int depth) {
  tl_render_scope *outer = render->scope;
  tl_datum_list list;
  TL_TRY(tl_list_of(render, value, &list));
  if (node->third) TL_TRY(keep_items(render, node, &list));
  tl_loop *loop = tl_arena_alloc(render->arena, sizeof *loop);
  if (!loop) return tl_render_full(render);
  *loop = (tl_loop){node, outer, list.items, 0, list.count, depth, {0}};
  tl_datum self = {.kind = TL_DATUM_LOOP, .loop = loop};
  tl_jump jump = TL_JUMP_NONE;
  tl_render_scope *scope = NULL; // of the last round; nobody keeps it if no macro was made in it
  int64_t captures = 0;
  for (; loop->at < loop->count && jump != TL_JUMP_BREAK; loop->at++) {
    TL_TRY(tl_render_charge(render, 1));
    if (!scope || render->captures != captures) scope = tl_render_open_scope(render, outer);
    if (!scope) return tl_render_full(render);
    captures = render->captures;
    scope->count = 0;
    render->scope = scope;
    TL_TRY(tl_render_set(render, scope, TL_JINJA_SYMBOL_LOOP, &self));
    render->at = node;
    TL_TRY(assign(render, node->left, &list.items[loop->at]));
    TL_TRY(tl_render_items(render, node->items, &jump));
  }
  render->scope = outer;
  return loop->count == 0 && node->others ? run_else(render, node, outer) : TL_OK;
}

static tl_status set(tl_render *render, const tl_jinja_node *node) {
  tl_datum value = {0};
  tl_str text = {0};
  if (node->kind == TL_JINJA_SET) {
    TL_TRY(tl_render_value(render, node->right, &value));
  } else {
    TL_TRY(capture_block(render, node->items, &text));
    value = tl_datum_of_text(text);
    if (node->right) TL_TRY(tl_render_filter(render, node->right, text, &value));
  }
  render->at = node;
  return assign(render, node->left, &value);
}

static tl_status define_macro(tl_render *render, const tl_jinja_node *node) {
  tl_macro *macro = tl_arena_alloc(render->arena, sizeof *macro);
  if (!macro) return tl_render_full(render);
  render->captures++;
  *macro = (tl_macro){node, render->scope};
  tl_datum value = {.kind = TL_DATUM_MACRO, .macro = macro};
  return tl_render_set(render, render->scope, node->symbol, &value);
}

static tl_status call_block(tl_render *render, const tl_jinja_node *node) {
  tl_macro *caller = tl_arena_alloc(render->arena, sizeof *caller);
  tl_datum value = {0};
  if (!caller) return tl_render_full(render);
  render->captures++;
  *caller = (tl_macro){node, render->scope};
  TL_TRY(tl_call_node(render, node->left, caller, &value));
  return tl_text_add_str(render, render->out, &value);
}

static tl_status filter_block(tl_render *render, const tl_jinja_node *node) {
  tl_datum value = {0};
  tl_str text = {0};
  TL_TRY(capture_block(render, node->items, &text));
  TL_TRY(tl_render_filter(render, node->right, text, &value));
  return tl_text_add_str(render, render->out, &value);
}

// Values of `with` are made in the scope around it.
static tl_status with(tl_render *render, const tl_jinja_node *node, tl_jump *out_jump) {
  tl_render_scope *outer = render->scope, *inner = tl_render_open_scope(render, outer);
  if (!inner) return tl_render_full(render);
  for (const tl_jinja_node *param = node->params; param; param = param->next) {
    tl_datum value = {0};
    render->scope = outer;
    TL_TRY(tl_render_value(render, param->right, &value));
    render->scope = inner;
    TL_TRY(assign(render, param->left, &value));
  }
  TL_TRY(tl_render_items(render, node->items, out_jump));
  render->scope = outer;
  return TL_OK;
}

static tl_status generation(tl_render *render, const tl_jinja_node *node) {
  tl_str text = {0};
  TL_TRY(capture_block(render, node->items, &text));
  return tl_text_add(render, render->out, text);
}

static tl_status run(tl_render *render, const tl_jinja_node *node, tl_jump *out_jump) {
  tl_datum value;
  switch ((tl_node_kind)node->kind) {
  case TL_JINJA_DATA: return tl_text_add(render, render->out, node->name);
  case TL_JINJA_PRINT: return print(render, node);
  case TL_JINJA_IF: return branch(render, node, out_jump);
  case TL_JINJA_FOR:
    TL_TRY(tl_render_value(render, node->right, &value));
    return tl_render_loop(render, node, &value, 0);
  case TL_JINJA_SET:
  case TL_JINJA_SET_BLOCK: return set(render, node);
  case TL_JINJA_MACRO: return define_macro(render, node);
  case TL_JINJA_CALL_BLOCK: return call_block(render, node);
  case TL_JINJA_FILTER_BLOCK: return filter_block(render, node);
  case TL_JINJA_WITH: return with(render, node, out_jump);
  case TL_JINJA_GENERATION: return generation(render, node);
  case TL_JINJA_BREAK: *out_jump = TL_JUMP_BREAK; return TL_OK;
  case TL_JINJA_CONTINUE: *out_jump = TL_JUMP_CONTINUE; return TL_OK;
  default: return tl_render_fail(render, "this is no statement");
  }
}

tl_status tl_render_items(tl_render *render, const tl_jinja_node *items, tl_jump *out_jump) {
  *out_jump = TL_JUMP_NONE;
  for (const tl_jinja_node *node = items; node && *out_jump == TL_JUMP_NONE; node = node->next) {
    render->at = node;
    TL_TRY(tl_render_charge(render, 1));
    TL_TRY(tl_render_enter(render));
    TL_TRY(run(render, node, out_jump));
    render->depth--;
  }
  return TL_OK;
}

// The variables that the template has names for.
static tl_status set_variables(tl_render *render, const tl_jinja_variables *set) {
  const tl_jinja_template *template = render->template;
  for (uint32_t i = 0; i < template->symbols_count; i++) {
    const tl_json *node = tl_json_get(set->object, template->symbols[i]);
    if (!node) continue;
    tl_datum value;
    TL_TRY(tl_datum_from_json(render, set->source, node, &value));
    TL_TRY(tl_render_set(render, render->scope, (uint16_t)i, &value));
  }
  return TL_OK;
}

tl_status tl_jinja_render(const tl_jinja_template *template, const tl_jinja_input *input,
                          tl_arena *arena, tl_diag *diag, tl_str *out_text) {
  tl_text text = {0};
  tl_jump jump;
  tl_render render = {.template = template,
                      .arena = arena,
                      .diag = diag,
                      .out = &text,
                      .now = input->now,
                      .steps = input->steps_max > 0 ? input->steps_max : TL_JINJA_STEPS_MAX};
  if (!tl_render_open_scope(&render, NULL)) return tl_render_full(&render);
  for (size_t i = 0; i < input->sets_count; i++)
    TL_TRY(set_variables(&render, &input->sets[i]));
  TL_TRY(tl_render_items(&render, template->items, &jump));
  *out_text = (tl_str){text.length ? text.data : "", text.length};
  return TL_OK;
}
