// Finds functions by their names; methods of dicts and lists.
#include "runtime/text/jinja/globals.h"
#include "runtime/text/jinja/render.h"

static const tl_function_row *find(const tl_function_row *rows, tl_str name) {
  for (; rows->name; rows++) {
    if (tl_str_is(name, rows->name)) return rows;
  }
  return NULL;
}

const tl_function_row *tl_filter_find(tl_str name) {
  const tl_function_row *row = find(tl_text_filter_rows, name);
  if (!row) row = find(tl_list_filter_rows, name);
  return row ? row : find(tl_value_filter_rows, name);
}

const tl_function_row *tl_test_find(tl_str name) {
  return find(tl_test_rows, name);
}

const tl_function_row *tl_function_find(tl_str name) {
  return find(tl_global_rows, name);
}

const tl_function_row *tl_method_find(const tl_datum *self, tl_str name) {
  switch ((tl_datum_kind)self->kind) {
  case TL_DATUM_TEXT: return find(tl_text_method_rows, name);
  case TL_DATUM_DICT: return find(tl_dict_method_rows, name);
  case TL_DATUM_LIST:
    return self->flavour <= TL_DATUM_AS_TUPLE ? find(tl_list_method_rows, name) : NULL;
  case TL_DATUM_CYCLER: return find(tl_cycler_rows, name);
  case TL_DATUM_LOOP: return find(tl_loop_rows, name);
  default: return NULL;
  }
}

bool tl_method_is_hidden(const tl_datum *self, tl_str name) {
  static const char *const of_lists[] = {"append", "clear",  "extend",  "insert",
                                         "pop",    "remove", "reverse", "sort"};
  static const char *const of_dicts[] = {"clear", "pop", "popitem", "setdefault", "update"};
  bool is_list = self->kind == TL_DATUM_LIST && self->flavour == TL_DATUM_AS_LIST;
  for (size_t i = 0; is_list && i < sizeof of_lists / sizeof of_lists[0]; i++) {
    if (tl_str_is(name, of_lists[i])) return true;
  }
  bool is_dict = self->kind == TL_DATUM_DICT;
  for (size_t i = 0; is_dict && i < sizeof of_dicts / sizeof of_dicts[0]; i++) {
    if (tl_str_is(name, of_dicts[i])) return true;
  }
  return tl_str_starts_with(name, TL_STR("__"));
}

static tl_status dict_get(tl_render *render, const tl_call *call, tl_datum *out) {
  TL_TRY(tl_dict_get(render, call->self.dict, &call->args[0], out));
  if (tl_datum_is_given(out)) return TL_OK;
  *out = tl_datum_is_given(&call->args[1]) ? call->args[1] : tl_datum_none();
  return TL_OK;
}

// Keys, values or pairs of the dict.
static tl_status dict_list(tl_render *render, const tl_call *call, tl_datum_flavour flavour,
                           tl_datum *out) {
  const tl_datum_dict *dict = call->self.dict;
  tl_datum_list *list = NULL, *pair = NULL;
  TL_TRY(tl_list_create(render, dict->count, &list));
  for (size_t i = 0; i < dict->count; i++) {
    tl_datum item = flavour == TL_DATUM_AS_KEYS ? dict->pairs[i].key : dict->pairs[i].value;
    if (flavour == TL_DATUM_AS_ITEMS) {
      TL_TRY(tl_list_create(render, 2, &pair));
      TL_TRY(tl_list_add(render, pair, &dict->pairs[i].key));
      TL_TRY(tl_list_add(render, pair, &dict->pairs[i].value));
      item = tl_datum_of_list(pair, TL_DATUM_AS_TUPLE);
    }
    TL_TRY(tl_list_add(render, list, &item));
  }
  *out = tl_datum_of_list(list, flavour);
  return TL_OK;
}

static tl_status dict_keys(tl_render *render, const tl_call *call, tl_datum *out) {
  return dict_list(render, call, TL_DATUM_AS_KEYS, out);
}

static tl_status dict_values(tl_render *render, const tl_call *call, tl_datum *out) {
  return dict_list(render, call, TL_DATUM_AS_VALUES, out);
}

static tl_status dict_items(tl_render *render, const tl_call *call, tl_datum *out) {
  return dict_list(render, call, TL_DATUM_AS_ITEMS, out);
}

// Nothing changes a container: a copy is the same.
static tl_status copy(tl_render *render, const tl_call *call, tl_datum *out) {
  *out = call->self;
  return tl_render_charge(render, 1);
}

static tl_status list_count(tl_render *render, const tl_call *call, tl_datum *out) {
  const tl_datum_list *list = call->self.list;
  int64_t count = 0;
  for (size_t i = 0; i < list->count; i++) {
    bool is_equal;
    TL_TRY(tl_datum_equal(render, &list->items[i], &call->args[0], &is_equal));
    count += is_equal;
  }
  *out = tl_datum_of_int(count);
  return TL_OK;
}

static tl_status list_index(tl_render *render, const tl_call *call, tl_datum *out) {
  const tl_datum_list *list = call->self.list;
  for (size_t i = 0; i < list->count; i++) {
    bool is_equal;
    TL_TRY(tl_datum_equal(render, &list->items[i], &call->args[0], &is_equal));
    if (!is_equal) continue;
    *out = tl_datum_of_int((int64_t)i);
    return TL_OK;
  }
  return tl_render_fail(render, "the value is not in the list");
}

const tl_function_row tl_dict_method_rows[] = {
    {"get", "/key /default", 1, dict_get}, {"items", "", 0, dict_items}, {"keys", "", 0, dict_keys},
    {"values", "", 0, dict_values},        {"copy", "", 0, copy},        {NULL, NULL, 0, NULL},
};

const tl_function_row tl_list_method_rows[] = {
    {"count", "/value", 1, list_count},
    {"index", "/value", 1, list_index},
    {"copy", "", 0, copy},
    {NULL, NULL, 0, NULL},
};
