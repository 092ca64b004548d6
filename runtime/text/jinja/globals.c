// The functions that every template has: range, dict, namespace, cycler, joiner, raise_exception,
// strftime_now; and the methods of what they give.
#include "runtime/text/jinja/globals.h"

#include "runtime/text/jinja/render.h"

enum { RANGE_MAX = 100000 }; // items, as the sandbox allows

static tl_status make_range(tl_render *render, const tl_call *call, tl_datum *out) {
  int64_t values[3] = {0, 0, 1};
  for (int i = 0; i < 3; i++) {
    if (!tl_datum_is_given(&call->args[i])) continue;
    if (!tl_datum_to_int(&call->args[i], &values[i])) {
      return tl_render_fail(render, "'%s' object cannot be interpreted as an integer",
                            tl_datum_type_text(&call->args[i]));
    }
  }
  if (!tl_datum_is_given(&call->args[1])) {
    values[1] = values[0];
    values[0] = 0;
  }
  int64_t step = values[2], span;
  if (step == 0) return tl_render_fail(render, "range() arg 3 must not be zero");
  bool overflows = __builtin_sub_overflow(step > 0 ? values[1] : values[0],
                                          step > 0 ? values[0] : values[1], &span);
  int64_t stride = step > 0 ? step : step == INT64_MIN ? INT64_MAX : -step;
  int64_t count = overflows ? INT64_MAX : span > 0 ? (span - 1) / stride + 1 : 0;
  if (count > RANGE_MAX) {
    return tl_render_fail(render, "Range too big. The sandbox blocks ranges larger than %d.",
                          RANGE_MAX);
  }
  tl_datum_range *range = tl_arena_alloc(render->arena, sizeof *range);
  if (!range) return tl_render_full(render);
  *range = (tl_datum_range){values[0], step, count, values[1], false};
  *out = (tl_datum){.kind = TL_DATUM_RANGE, .range = range};
  return TL_OK;
}

// dict(pairs or a dict, name=value ..)
static tl_status make_dict(tl_render *render, const tl_call *call, tl_datum *out) {
  const tl_arguments *given = call->given;
  tl_datum_dict *dict = NULL;
  if (given->count > 1) return tl_render_fail(render, "dict takes at most one argument");
  TL_TRY(tl_dict_create(render, 0, &dict));
  if (given->count == 1 && given->items[0].kind == TL_DATUM_DICT) {
    const tl_datum_dict *from = given->items[0].dict;
    for (size_t i = 0; i < from->count; i++)
      TL_TRY(tl_dict_set(render, dict, &from->pairs[i].key, &from->pairs[i].value));
  } else if (given->count == 1) {
    tl_datum_list list, pair;
    TL_TRY(tl_list_of(render, &given->items[0], &list));
    for (size_t i = 0; i < list.count; i++) {
      TL_TRY(tl_list_of(render, &list.items[i], &pair));
      if (pair.count != 2) return tl_render_fail(render, "dict takes pairs");
      TL_TRY(tl_dict_set(render, dict, &pair.items[0], &pair.items[1]));
    }
  }
  for (size_t i = 0; i < given->named_count; i++) {
    tl_datum key = tl_datum_of_text(given->names[i]);
    TL_TRY(tl_dict_set(render, dict, &key, &given->items[given->count + i]));
  }
  *out = (tl_datum){.kind = TL_DATUM_DICT, .dict = dict};
  return TL_OK;
}

tl_status tl_namespace_check(tl_render *render, const tl_datum *name) {
  if (name->kind != TL_DATUM_TEXT || name->length == 0 || name->text[0] != '_') return TL_OK;
  return tl_render_fail(render, "a namespace takes no attribute with an underscore first: '%.*s'",
                        TL_STR_ARG(tl_datum_str(name)));
}

static tl_status make_namespace(tl_render *render, const tl_call *call, tl_datum *out) {
  TL_TRY(make_dict(render, call, out));
  out->kind = TL_DATUM_NAMESPACE;
  for (size_t i = 0; i < out->dict->count; i++)
    TL_TRY(tl_namespace_check(render, &out->dict->pairs[i].key));
  return TL_OK;
}

static tl_status make_cycler(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_cycler *cycler = tl_arena_alloc(render->arena, sizeof *cycler);
  if (!cycler) return tl_render_full(render);
  if (call->given->count == 0)
    return tl_render_fail(render, "at least one item has to be provided");
  for (size_t i = 0; i < call->given->count; i++)
    TL_TRY(tl_list_add(render, &cycler->items, &call->given->items[i]));
  *out = (tl_datum){.kind = TL_DATUM_CYCLER, .cycler = cycler};
  return TL_OK;
}

static tl_status make_joiner(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_cycler *joiner = tl_arena_alloc(render->arena, sizeof *joiner);
  tl_datum separator = call->args[0];
  if (!joiner) return tl_render_full(render);
  if (!tl_datum_is_given(&separator)) separator = tl_datum_of_text(TL_STR(", "));
  TL_TRY(tl_list_add(render, &joiner->items, &separator));
  *out = (tl_datum){.kind = TL_DATUM_JOINER, .cycler = joiner};
  return TL_OK;
}

static tl_status raise_exception(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_str message;
  (void)out;
  TL_TRY(tl_datum_to_str(render, &call->args[0], &message));
  if (message.length == 0 || message.data[0] == 0) {
    return tl_render_fail(render, "raise_exception was called without a message");
  }
  return tl_render_fail(render, "%.*s", TL_STR_ARG(message));
}

static tl_status strftime_now(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_text text = {0};
  if (call->args[0].kind != TL_DATUM_TEXT) {
    return tl_render_fail(render, "strftime_now takes a format");
  }
  TL_TRY(tl_text_add_time(render, &text, tl_datum_str(&call->args[0])));
  *out = tl_text_datum(&text);
  return TL_OK;
}

static tl_status cycler_next(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_cycler *cycler = call->self.cycler;
  *out = cycler->items.items[cycler->at];
  cycler->at = (cycler->at + 1) % cycler->items.count;
  return tl_render_charge(render, 1);
}

static tl_status cycler_reset(tl_render *render, const tl_call *call, tl_datum *out) {
  call->self.cycler->at = 0;
  *out = tl_datum_none();
  return tl_render_charge(render, 1);
}

static tl_status loop_cycle(tl_render *render, const tl_call *call, tl_datum *out) {
  const tl_arguments *given = call->given;
  if (given->count == 0) return tl_render_fail(render, "no items for cycling given");
  *out = given->items[call->self.loop->at % given->count];
  return TL_OK;
}

static tl_status loop_changed(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_loop *loop = call->self.loop;
  tl_datum_list *list = NULL;
  bool is_equal = false;
  TL_TRY(tl_list_create(render, 0, &list));
  for (size_t i = 0; i < call->given->count; i++)
    TL_TRY(tl_list_add(render, list, &call->given->items[i]));
  tl_datum value = tl_datum_of_list(list, TL_DATUM_AS_TUPLE);
  if (tl_datum_is_given(&loop->changed)) {
    TL_TRY(tl_datum_equal(render, &loop->changed, &value, &is_equal));
  }
  loop->changed = value;
  *out = tl_datum_of_bool(!is_equal);
  return TL_OK;
}

const tl_function_row tl_global_rows[] = {
    {"range", "/start /stop /step", 1, make_range},
    {"dict", NULL, 0, make_dict},
    {"namespace", NULL, 0, make_namespace},
    {"cycler", NULL, 0, make_cycler},
    {"joiner", "sep", 0, make_joiner},
    {"raise_exception", "message", 1, raise_exception},
    {"strftime_now", "format", 1, strftime_now},
    {NULL, NULL, 0, NULL},
};

const tl_function_row tl_cycler_rows[] = {
    {"next", "", 0, cycler_next}, {"reset", "", 0, cycler_reset}, {NULL, NULL, 0, NULL}};

const tl_function_row tl_loop_rows[] = {
    {"cycle", NULL, 0, loop_cycle}, {"changed", NULL, 0, loop_changed}, {NULL, NULL, 0, NULL}};
