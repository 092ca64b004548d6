// Filters on what can be iterated over.
#include "runtime/text/jinja/globals.h"
#include "runtime/text/jinja/render.h"
#include "runtime/text/jinja/unicode.h"

// An item as filters compare it: texts without regard to case, unless that matters.
static tl_status folded(tl_render *render, const tl_datum *item, bool is_exact, tl_datum *out) {
  tl_text text = {0};
  *out = *item;
  if (is_exact || item->kind != TL_DATUM_TEXT) return TL_OK;
  TL_TRY(tl_text_add_lower(render, &text, tl_datum_str(item)));
  *out = tl_text_datum(&text);
  return TL_OK;
}

// The item or, with a path, what it leads to; folded.
static tl_status key_of(tl_render *render, const tl_datum *item, const tl_datum *path,
                        bool is_exact, tl_datum *out) {
  tl_datum value = *item;
  bool has_path = path->kind != TL_DATUM_ABSENT && path->kind != TL_DATUM_NONE;
  if (has_path) TL_TRY(tl_datum_path(render, item, path, &value));
  return folded(render, &value, is_exact, out);
}

static tl_status keys_of(tl_render *render, const tl_datum_list *list, const tl_datum *path,
                         bool is_exact, tl_datum **out_keys) {
  tl_datum_list *keys = NULL;
  TL_TRY(tl_list_create(render, list->count, &keys));
  for (size_t i = 0; i < list->count; i++) {
    tl_datum key;
    TL_TRY(key_of(render, &list->items[i], path, is_exact, &key));
    TL_TRY(tl_list_add(render, keys, &key));
  }
  *out_keys = keys->items;
  return TL_OK;
}

// A list of its own, which may be changed.
static tl_status copy_of(tl_render *render, const tl_datum *value, tl_datum_list **out) {
  tl_datum_list from;
  TL_TRY(tl_list_of(render, value, &from));
  TL_TRY(tl_list_create(render, from.count, out));
  for (size_t i = 0; i < from.count; i++)
    TL_TRY(tl_list_add(render, *out, &from.items[i]));
  return TL_OK;
}

static tl_status list(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum_list *items = NULL;
  TL_TRY(copy_of(render, &call->self, &items));
  *out = tl_datum_of_list(items, TL_DATUM_AS_LIST);
  return TL_OK;
}

static tl_status first(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum_list items;
  bool is_stream = call->self.kind == TL_DATUM_LIST && call->self.flavour == TL_DATUM_AS_STREAM;
  *out = tl_datum_undefined(TL_DATUM_SENTENCE, TL_STR("No first item, sequence was empty."));
  if (is_stream) { // takes one item only
    tl_datum_list *stream = call->self.list;
    if (stream->count == 0) return TL_OK;
    *out = stream->items[0];
    stream->items++;
    stream->count--;
    stream->capacity = stream->count;
    return TL_OK;
  }
  TL_TRY(tl_list_of(render, &call->self, &items));
  if (items.count > 0) *out = items.items[0];
  return TL_OK;
}

static bool is_stream(const tl_datum *value) {
  return value->kind == TL_DATUM_LIST && value->flavour == TL_DATUM_AS_STREAM;
}

static tl_status last(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum_list items;
  if (is_stream(&call->self)) return tl_render_fail(render, "'generator' object is not reversible");
  TL_TRY(tl_list_of(render, &call->self, &items));
  *out = items.count > 0
             ? items.items[items.count - 1]
             : tl_datum_undefined(TL_DATUM_SENTENCE, TL_STR("No last item, sequence was empty."));
  return TL_OK;
}

static tl_status join(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum_list items;
  tl_str separator = TL_STR("");
  tl_text text = {0};
  if (tl_datum_is_given(&call->args[0])) {
    TL_TRY(tl_datum_to_str(render, &call->args[0], &separator));
  }
  TL_TRY(tl_list_of(render, &call->self, &items));
  for (size_t i = 0; i < items.count; i++) {
    tl_datum item;
    TL_TRY(key_of(render, &items.items[i], &call->args[1], true, &item));
    if (i > 0) TL_TRY(tl_text_add(render, &text, separator));
    TL_TRY(tl_text_add_str(render, &text, &item));
  }
  *out = tl_text_datum(&text);
  return TL_OK;
}

static tl_status reverse(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum_list *items = NULL;
  tl_text text = {0};
  TL_TRY(copy_of(render, &call->self, &items));
  for (size_t i = 0; i < items->count / 2; i++) {
    tl_datum item = items->items[i];
    items->items[i] = items->items[items->count - 1 - i];
    items->items[items->count - 1 - i] = item;
  }
  *out = tl_datum_of_list(items, is_stream(&call->self) ? TL_DATUM_AS_LIST : TL_DATUM_AS_STREAM);
  if (call->self.kind != TL_DATUM_TEXT) return TL_OK;
  for (size_t i = 0; i < items->count; i++)
    TL_TRY(tl_text_add(render, &text, tl_datum_str(&items->items[i])));
  *out = tl_text_datum(&text);
  return TL_OK;
}

static tl_status empty_stream(tl_render *render, tl_datum *out) {
  tl_datum_list *empty = NULL;
  TL_TRY(tl_list_create(render, 0, &empty));
  *out = tl_datum_of_list(empty, TL_DATUM_AS_STREAM);
  return TL_OK;
}

static tl_status items(tl_render *render, const tl_call *call, tl_datum *out) {
  static const tl_arguments none;
  if (call->self.kind == TL_DATUM_UNDEFINED) return empty_stream(render, out);
  if (call->self.kind != TL_DATUM_DICT) {
    return tl_render_fail(render, "Can only get item pairs from a mapping.");
  }
  TL_TRY(tl_function_call(render, tl_method_find(&call->self, TL_STR("items")), call->self, &none,
                          out));
  out->flavour = TL_DATUM_AS_STREAM;
  return TL_OK;
}

static tl_status sort(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum_list *list = NULL;
  tl_datum *keys = NULL;
  const tl_datum *path = &call->args[2];
  if (path->kind == TL_DATUM_TEXT && memchr(path->text, ',', path->length)) {
    return tl_render_fail(render, "sorting by several attributes is not supported");
  }
  TL_TRY(copy_of(render, &call->self, &list));
  TL_TRY(keys_of(render, list, path, tl_datum_truth(&call->args[1]), &keys));
  TL_TRY(tl_list_sort(render, list->items, keys, list->count, tl_datum_truth(&call->args[0])));
  *out = tl_datum_of_list(list, TL_DATUM_AS_LIST);
  return TL_OK;
}

static tl_status dictsort(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum pairs, copy, by = tl_datum_of_int(0);
  tl_str name = TL_STR("key");
  tl_datum *keys = NULL;
  if (tl_datum_is_given(&call->args[1])) TL_TRY(tl_datum_to_str(render, &call->args[1], &name));
  if (tl_str_is(name, "value"))
    by.integer = 1;
  else if (!tl_str_is(name, "key"))
    return tl_render_fail(render, "You can only sort by either \"key\" or \"value\"");
  if (call->self.kind != TL_DATUM_DICT) {
    return tl_render_fail(render, "'%s' object has no items", tl_datum_type_text(&call->self));
  }
  TL_TRY(items(render, call, &pairs));
  tl_call again = {.self = pairs};
  TL_TRY(list(render, &again, &copy));
  TL_TRY(keys_of(render, copy.list, &by, tl_datum_truth(&call->args[0]), &keys));
  TL_TRY(tl_list_sort(render, copy.list->items, keys, copy.list->count,
                      tl_datum_truth(&call->args[2])));
  *out = copy;
  return TL_OK;
}

// The smallest item (sign -1) or the largest (1), the first of equal ones.
static tl_status extreme(tl_render *render, const tl_call *call, int sign, tl_datum *out) {
  tl_datum_list list;
  tl_datum *keys = NULL;
  size_t best = 0;
  TL_TRY(tl_list_of(render, &call->self, &list));
  TL_TRY(keys_of(render, &list, &call->args[1], tl_datum_truth(&call->args[0]), &keys));
  for (size_t i = 1; i < list.count; i++) {
    int order;
    TL_TRY(tl_datum_order(render, &keys[i], &keys[best], &order));
    if (order == sign) best = i;
  }
  *out = list.count > 0 ? list.items[best]
                        : tl_datum_undefined(TL_DATUM_SENTENCE,
                                             TL_STR("No aggregated item, sequence was empty."));
  return TL_OK;
}

static tl_status min(tl_render *render, const tl_call *call, tl_datum *out) {
  return extreme(render, call, -1, out);
}

static tl_status max(tl_render *render, const tl_call *call, tl_datum *out) {
  return extreme(render, call, 1, out);
}

static tl_status sum(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum_list list;
  tl_datum total = tl_datum_is_given(&call->args[1]) ? call->args[1] : tl_datum_of_int(0);
  TL_TRY(tl_list_of(render, &call->self, &list));
  for (size_t i = 0; i < list.count; i++) {
    tl_datum item, next;
    TL_TRY(key_of(render, &list.items[i], &call->args[0], true, &item));
    if (total.kind == TL_DATUM_TEXT) return tl_render_fail(render, "sum() can't sum strings");
    TL_TRY(tl_datum_operate(render, TL_JINJA_ADD, &total, &item, &next));
    total = next;
  }
  *out = total;
  return TL_OK;
}

static tl_status unique(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum_list list, *kept = NULL;
  tl_datum *keys = NULL, seen, yes = tl_datum_of_bool(true);
  tl_datum_dict *dict = NULL;
  TL_TRY(tl_list_of(render, &call->self, &list));
  TL_TRY(keys_of(render, &list, &call->args[1], tl_datum_truth(&call->args[0]), &keys));
  TL_TRY(tl_dict_create(render, 0, &dict));
  TL_TRY(tl_list_create(render, 0, &kept));
  for (size_t i = 0; i < list.count; i++) {
    TL_TRY(tl_dict_get(render, dict, &keys[i], &seen));
    if (tl_datum_is_given(&seen)) continue;
    TL_TRY(tl_dict_set(render, dict, &keys[i], &yes));
    TL_TRY(tl_list_add(render, kept, &list.items[i]));
  }
  *out = tl_datum_of_list(kept, TL_DATUM_AS_STREAM);
  return TL_OK;
}

static tl_status batch(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum_list list, *batches = NULL, *current = NULL;
  int64_t width = 0;
  if (!tl_datum_to_int(&call->args[0], &width) || width < 1) {
    return tl_render_fail(render, "the count of a batch is no integer above 0");
  }
  TL_TRY(tl_list_of(render, &call->self, &list));
  TL_TRY(tl_list_create(render, 0, &batches));
  for (size_t i = 0; i < list.count; i++) {
    if (i % (size_t)width == 0) {
      TL_TRY(tl_list_create(render, 0, &current));
      tl_datum item = tl_datum_of_list(current, TL_DATUM_AS_LIST);
      TL_TRY(tl_list_add(render, batches, &item));
    }
    TL_TRY(tl_list_add(render, current, &list.items[i]));
  }
  const tl_datum *fill = &call->args[1];
  bool fills = current && fill->kind != TL_DATUM_ABSENT && fill->kind != TL_DATUM_NONE;
  while (fills && current->count < (size_t)width)
    TL_TRY(tl_list_add(render, current, fill));
  *out = tl_datum_of_list(batches, TL_DATUM_AS_STREAM);
  return TL_OK;
}

// The arguments without the first `skipped` that have no name.
static tl_arguments rest_of(const tl_arguments *given, size_t skipped) {
  tl_arguments rest = *given;
  if (skipped > 0) rest.items += skipped;
  rest.count -= skipped;
  return rest;
}

// map(attribute=.., default=..)
static tl_status map_attribute(tl_render *render, const tl_call *call, const tl_datum_list *list,
                               tl_datum_list *mapped) {
  const tl_arguments *given = call->given;
  tl_datum path = {0}, fallback = {0};
  for (size_t i = 0; i < given->named_count; i++) {
    if (tl_str_is(given->names[i], "attribute"))
      path = given->items[i];
    else if (tl_str_is(given->names[i], "default"))
      fallback = given->items[i];
    else
      return tl_render_fail(render, "map takes no argument '%.*s'", TL_STR_ARG(given->names[i]));
  }
  if (!tl_datum_is_given(&path)) return tl_render_fail(render, "map requires a filter argument");
  for (size_t i = 0; i < list->count; i++) {
    tl_datum value;
    TL_TRY(tl_datum_path(render, &list->items[i], &path, &value));
    bool is_missing = value.kind == TL_DATUM_UNDEFINED && fallback.kind != TL_DATUM_NONE;
    if (is_missing && tl_datum_is_given(&fallback)) value = fallback;
    TL_TRY(tl_list_add(render, mapped, &value));
  }
  return TL_OK;
}

static tl_status map(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum_list list, *mapped = NULL;
  const tl_arguments *given = call->given;
  if (!tl_datum_truth(&call->self)) return empty_stream(render, out); // whatever the arguments
  TL_TRY(tl_list_of(render, &call->self, &list));
  TL_TRY(tl_list_create(render, list.count, &mapped));
  *out = tl_datum_of_list(mapped, TL_DATUM_AS_STREAM);
  if (given->count == 0) return map_attribute(render, call, &list, mapped);
  const tl_datum *name = &given->items[0];
  const tl_function_row *row =
      name->kind == TL_DATUM_TEXT ? tl_filter_find(tl_datum_str(name)) : NULL;
  if (!row) return tl_render_fail(render, "map takes the name of a filter that is there");
  tl_arguments rest = rest_of(given, 1);
  for (size_t i = 0; i < list.count; i++) {
    tl_datum value;
    TL_TRY(tl_render_enter(render));
    TL_TRY(tl_function_call(render, row, list.items[i], &rest, &value));
    render->depth--;
    TL_TRY(tl_list_add(render, mapped, &value));
  }
  return TL_OK;
}

// The items, or what their attribute `path` leads to, for which a test holds or does not.
static tl_status keep(tl_render *render, const tl_call *call, bool has_path, bool wanted,
                      tl_datum *out) {
  tl_datum_list list, *kept = NULL;
  const tl_arguments *given = call->given;
  const tl_function_row *test = NULL;
  size_t at = has_path;
  if (!tl_datum_truth(&call->self)) return empty_stream(render, out);
  if (given->count < at) return tl_render_fail(render, "Missing parameter for attribute name");
  if (given->count > at) {
    const tl_datum *name = &given->items[at];
    test = name->kind == TL_DATUM_TEXT ? tl_test_find(tl_datum_str(name)) : NULL;
    if (!test) return tl_render_fail(render, "this takes the name of a test that is there");
    at++;
  }
  tl_arguments rest = rest_of(given, at);
  TL_TRY(tl_list_of(render, &call->self, &list));
  TL_TRY(tl_list_create(render, 0, &kept));
  for (size_t i = 0; i < list.count; i++) {
    tl_datum value = list.items[i], result;
    if (has_path) TL_TRY(tl_datum_path(render, &list.items[i], &given->items[0], &value));
    result = value;
    if (test) TL_TRY(tl_function_call(render, test, value, &rest, &result));
    if (tl_datum_truth(&result) == wanted) TL_TRY(tl_list_add(render, kept, &list.items[i]));
  }
  *out = tl_datum_of_list(kept, TL_DATUM_AS_STREAM);
  return TL_OK;
}

static tl_status selected(tl_render *render, const tl_call *call, tl_datum *out) {
  return keep(render, call, false, true, out);
}

static tl_status reject(tl_render *render, const tl_call *call, tl_datum *out) {
  return keep(render, call, false, false, out);
}

static tl_status selectattr(tl_render *render, const tl_call *call, tl_datum *out) {
  return keep(render, call, true, true, out);
}

static tl_status rejectattr(tl_render *render, const tl_call *call, tl_datum *out) {
  return keep(render, call, true, false, out);
}

const tl_function_row tl_list_filter_rows[] = {
    {"list", "", 0, list},
    {"first", "", 0, first},
    {"last", "", 0, last},
    {"join", "d attribute", 0, join},
    {"reverse", "", 0, reverse},
    {"items", "", 0, items},
    {"sort", "reverse case_sensitive attribute", 0, sort},
    {"dictsort", "case_sensitive by reverse", 0, dictsort},
    {"min", "case_sensitive attribute", 0, min},
    {"max", "case_sensitive attribute", 0, max},
    {"sum", "attribute start", 0, sum},
    {"unique", "case_sensitive attribute", 0, unique},
    {"batch", "linecount fill_with", 1, batch},
    {"map", NULL, 0, map},
    {"select", NULL, 0, selected},
    {"reject", NULL, 0, reject},
    {"selectattr", NULL, 0, selectattr},
    {"rejectattr", NULL, 0, rejectattr},
    {NULL, NULL, 0, NULL},
};
