// Calls: arguments, macros, and everything else that can be called.
#include <stdio.h>

#include "runtime/text/jinja/render.h"

// ---- Arguments

static tl_status add_names(tl_render *render, tl_datum_list *items, tl_str **names,
                           size_t *capacity, size_t first) {
  size_t count = items->count - first;
  tl_str *grown = tl_arena_grow(render->arena, *names, capacity, count, sizeof **names);
  if (!grown) return tl_render_full(render);
  *names = grown;
  return TL_OK;
}

// Adds `value` to the named arguments; a mapping with all its members.
static tl_status add_named(tl_render *render, tl_datum_list *items, tl_arguments *args,
                           const tl_jinja_node *node, size_t *capacity) {
  tl_datum value;
  tl_str *names = (tl_str *)args->names;
  TL_TRY(tl_render_value(render, node->left, &value));
  if (node->op == 0) {
    TL_TRY(tl_list_add(render, items, &value));
    TL_TRY(add_names(render, items, &names, capacity, args->count));
    names[args->named_count++] = node->name;
  } else if (value.kind != TL_DATUM_DICT) {
    return tl_render_fail(render, "argument after ** must be a mapping, not %s",
                          tl_datum_type_text(&value));
  } else {
    for (size_t i = 0; i < value.dict->count; i++) {
      const tl_datum_pair *pair = &value.dict->pairs[i];
      if (pair->key.kind != TL_DATUM_TEXT)
        return tl_render_fail(render, "keywords must be strings");
      TL_TRY(tl_list_add(render, items, &pair->value));
      TL_TRY(add_names(render, items, &names, capacity, args->count));
      names[args->named_count++] = tl_datum_str(&pair->key);
    }
  }
  args->names = names;
  return TL_OK;
}

tl_status tl_call_arguments(tl_render *render, const tl_jinja_node *nodes, tl_arguments *out) {
  tl_datum_list items = {0}, more;
  size_t capacity = 0;
  *out = (tl_arguments){0};
  for (const tl_jinja_node *node = nodes; node; node = node->next) {
    tl_datum value;
    if (node->name.length > 0 || node->op == 2) continue;
    TL_TRY(tl_render_value(render, node->left, &value));
    if (node->op == 0) {
      TL_TRY(tl_list_add(render, &items, &value));
      continue;
    }
    TL_TRY(tl_list_of(render, &value, &more));
    for (size_t i = 0; i < more.count; i++)
      TL_TRY(tl_list_add(render, &items, &more.items[i]));
  }
  out->count = items.count;
  for (const tl_jinja_node *node = nodes; node; node = node->next) {
    bool is_named = node->name.length > 0 || node->op == 2;
    if (is_named) TL_TRY(add_named(render, &items, out, node, &capacity));
  }
  out->items = items.items;
  return TL_OK;
}

// The place of a name among words; -1 if it is not there.
static int word_index(const char *words, tl_str name) {
  int index = 0;
  for (const char *at = words; *at; index++) {
    size_t length = strcspn(at, " ");
    if (name.length == length && memcmp(at, name.data, length) == 0) return index;
    at += length + (at[length] == ' ');
  }
  return -1;
}

static size_t words_count(const char *words) {
  size_t count = *words != '\0';
  for (const char *at = words; *at; at++)
    count += *at == ' ';
  return count;
}

static tl_status bind(tl_render *render, const tl_function_row *row, const tl_arguments *given,
                      tl_call *call) {
  size_t count = words_count(row->parameters);
  if (given->count > count) {
    return tl_render_fail(render, "%s takes at most %zu arguments, %zu given", row->name, count,
                          given->count);
  }
  for (size_t i = 0; i < given->count; i++)
    call->args[i] = given->items[i];
  for (size_t i = 0; i < given->named_count; i++) {
    int index = word_index(row->parameters, given->names[i]);
    if (index < 0 || tl_datum_is_given(&call->args[index])) {
      return tl_render_fail(render, "%s takes no argument '%.*s' here", row->name,
                            TL_STR_ARG(given->names[i]));
    }
    call->args[index] = given->items[given->count + i];
  }
  for (int i = 0; i < row->required; i++) {
    if (!tl_datum_is_given(&call->args[i])) {
      return tl_render_fail(render, "%s needs %d arguments", row->name, row->required);
    }
  }
  return TL_OK;
}

tl_status tl_function_call(tl_render *render, const tl_function_row *row, tl_datum self,
                           const tl_arguments *given, tl_datum *out) {
  tl_call call = {.row = row, .self = self, .given = given};
  if (row->parameters) TL_TRY(bind(render, row, given, &call));
  return row->run(render, &call, out);
}

// ---- Macros

// The named argument of a parameter; moves it out of `args` by giving it no name.
static tl_datum take_named(const tl_arguments *args, tl_str *names, tl_str name) {
  for (size_t i = 0; i < args->named_count; i++) {
    if (!names[i].data || !tl_str_equal(names[i], name)) continue;
    names[i] = (tl_str){0};
    return args->items[args->count + i];
  }
  return (tl_datum){0};
}

static tl_status bind_parameters(tl_render *render, const tl_macro *macro, const tl_arguments *args,
                                 tl_str *names, size_t *out_bound) {
  size_t index = 0;
  for (const tl_jinja_node *node = macro->node->params; node; node = node->next, index++) {
    tl_datum value = take_named(args, names, node->name);
    if (index < args->count) {
      if (tl_datum_is_given(&value)) {
        return tl_render_fail(render, "macro '%.*s' got two values for '%.*s'",
                              TL_STR_ARG(macro->node->name), TL_STR_ARG(node->name));
      }
      value = args->items[index];
    } else if (!tl_datum_is_given(&value) && node->left) {
      TL_TRY(tl_render_value(render, node->left, &value));
    } else if (!tl_datum_is_given(&value)) {
      value = tl_datum_undefined(TL_DATUM_NO_NAME, node->name);
    }
    TL_TRY(tl_render_set(render, render->scope, node->symbol, &value));
  }
  *out_bound = index < args->count ? index : args->count;
  return TL_OK;
}

static tl_status bind_varargs(tl_render *render, const tl_macro *macro, const tl_arguments *args,
                              size_t bound) {
  tl_datum_list *rest = NULL;
  bool is_used = macro->node->op & 1 << TL_JINJA_SYMBOL_VARARGS;
  if (bound < args->count && !is_used) {
    return tl_render_fail(render, "macro '%.*s' takes not more than %zu arguments",
                          TL_STR_ARG(macro->node->name), bound);
  }
  if (!is_used) return TL_OK;
  TL_TRY(tl_list_create(render, args->count - bound, &rest));
  for (size_t i = bound; i < args->count; i++)
    TL_TRY(tl_list_add(render, rest, &args->items[i]));
  tl_datum value = tl_datum_of_list(rest, TL_DATUM_AS_TUPLE);
  return tl_render_set(render, render->scope, TL_JINJA_SYMBOL_VARARGS, &value);
}

static tl_status bind_kwargs(tl_render *render, const tl_macro *macro, const tl_arguments *args,
                             const tl_str *names) {
  tl_datum_dict *rest = NULL;
  bool is_used = macro->node->op & 1 << TL_JINJA_SYMBOL_KWARGS;
  TL_TRY(tl_dict_create(render, 0, &rest));
  for (size_t i = 0; i < args->named_count; i++) {
    if (!names[i].data) continue;
    tl_datum key = tl_datum_of_text(names[i]);
    if (!is_used) {
      return tl_render_fail(render, "macro '%.*s' takes no keyword argument '%.*s'",
                            TL_STR_ARG(macro->node->name), TL_STR_ARG(names[i]));
    }
    TL_TRY(tl_dict_set(render, rest, &key, &args->items[args->count + i]));
  }
  if (!is_used) return TL_OK;
  tl_datum value = {.kind = TL_DATUM_DICT, .dict = rest};
  return tl_render_set(render, render->scope, TL_JINJA_SYMBOL_KWARGS, &value);
}

static tl_status bind_caller(tl_render *render, const tl_macro *macro, const tl_arguments *args,
                             tl_str *names) {
  if (!(macro->node->op & 1 << TL_JINJA_SYMBOL_CALLER)) return TL_OK;
  tl_datum value = take_named(args, names, TL_STR("caller"));
  if (!tl_datum_is_given(&value)) {
    value = tl_datum_undefined(TL_DATUM_SENTENCE, TL_STR("No caller defined"));
  }
  return tl_render_set(render, render->scope, TL_JINJA_SYMBOL_CALLER, &value);
}

static tl_status call_macro(tl_render *render, const tl_macro *macro, const tl_arguments *args,
                            tl_datum *out) {
  tl_render_scope *outer = render->scope;
  size_t bound = 0;
  tl_str text, *names = NULL;
  if (args->named_count > 0) {
    names = tl_arena_array(render->arena, args->named_count, sizeof *names);
    if (!names) return tl_render_full(render);
    // NOLINTNEXTLINE(*.NonNullParamChecker): there are as many names
    memcpy(names, args->names, args->named_count * sizeof *names);
  }
  if (!tl_render_open_scope(render, macro->scope)) return tl_render_full(render);
  TL_TRY(bind_parameters(render, macro, args, names, &bound));
  TL_TRY(bind_caller(render, macro, args, names));
  TL_TRY(bind_varargs(render, macro, args, bound));
  TL_TRY(bind_kwargs(render, macro, args, names));
  TL_TRY(tl_render_capture(render, macro->node->items, &text));
  render->scope = outer;
  *out = tl_datum_of_text(text);
  return TL_OK;
}

// ---- Other callables

// loop(items) in a recursive loop: the block again, as text.
static tl_status call_loop(tl_render *render, const tl_loop *loop, const tl_arguments *args,
                           tl_datum *out) {
  tl_render_scope *scope = render->scope;
  tl_text text = {0}, *outer = render->out;
  if (!loop->node->op || args->count != 1 || args->named_count > 0) {
    return tl_render_fail(render, "only a recursive loop can be called, with one argument");
  }
  render->out = &text;
  render->scope = loop->scope;
  TL_TRY(tl_render_loop(render, loop->node, &args->items[0], loop->depth + 1));
  render->scope = scope;
  render->out = outer;
  *out = tl_text_datum(&text);
  return TL_OK;
}

// The separator, but nothing the first time.
static tl_datum call_joiner(tl_cycler *joiner) {
  return joiner->at++ == 0 ? tl_datum_of_text(TL_STR("")) : joiner->items.items[0];
}

static tl_status call_object(tl_render *render, const tl_datum *function, const tl_arguments *args,
                             tl_datum *out) {
  static const tl_datum nothing;
  switch ((tl_datum_kind)function->kind) {
  case TL_DATUM_MACRO: return call_macro(render, function->macro, args, out);
  case TL_DATUM_FUNCTION: return tl_function_call(render, function->function, nothing, args, out);
  case TL_DATUM_METHOD:
    return tl_function_call(render, function->method->row, function->method->self, args, out);
  case TL_DATUM_LOOP: return call_loop(render, function->loop, args, out);
  case TL_DATUM_JOINER: *out = call_joiner(function->cycler); return TL_OK;
  case TL_DATUM_UNDEFINED: return tl_render_undefined(render, function);
  default:
    return tl_render_fail(render, "'%s' object is not callable", tl_datum_type_text(function));
  }
}

tl_status tl_call_value(tl_render *render, const tl_datum *function, const tl_arguments *args,
                        tl_datum *out) {
  TL_TRY(tl_render_enter(render));
  TL_TRY(call_object(render, function, args, out));
  render->depth--;
  return TL_OK;
}

tl_status tl_call_node(tl_render *render, const tl_jinja_node *node, const tl_macro *caller,
                       tl_datum *out) {
  tl_datum function;
  tl_arguments args;
  TL_TRY(tl_render_value(render, node->left, &function));
  TL_TRY(tl_call_arguments(render, node->items, &args));
  render->at = node;
  if (caller) {
    size_t count = args.count + args.named_count;
    tl_datum *items = tl_arena_array(render->arena, count + 1, sizeof *items);
    tl_str *names = tl_arena_array(render->arena, args.named_count + 1, sizeof *names);
    if (!items || !names) return tl_render_full(render);
    if (count) memcpy(items, args.items, count * sizeof *items);
    // NOLINTNEXTLINE(*.NonNullParamChecker): there are as many names
    if (args.named_count) memcpy(names, args.names, args.named_count * sizeof *names);
    items[count] = (tl_datum){.kind = TL_DATUM_MACRO, .macro = caller};
    names[args.named_count] = TL_STR("caller");
    args = (tl_arguments){items, names, args.count, args.named_count + 1};
  }
  return tl_call_value(render, &function, &args, out);
}
