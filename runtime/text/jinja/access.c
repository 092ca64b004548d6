// Attributes, items and slices of values.
#include "runtime/text/jinja/render.h"
#include "runtime/text/jinja/unicode.h"

static tl_datum missing(const tl_datum *object, tl_str name) {
  tl_datum value = tl_datum_undefined(TL_DATUM_NO_ITEM, name);
  value.owner = object->kind;
  return value;
}

static tl_status bind_method(tl_render *render, const tl_datum *self, const tl_function_row *row,
                             tl_datum *out) {
  tl_method *method = tl_arena_alloc(render->arena, sizeof *method);
  if (!method) return tl_render_full(render);
  *method = (tl_method){row, *self};
  *out = (tl_datum){.kind = TL_DATUM_METHOD, .method = method};
  return TL_OK;
}

// Fields of `loop`; absent if there is no such field.
static tl_datum loop_field(const tl_datum *object, tl_str name) {
  const tl_loop *loop = object->loop;
  int64_t at = (int64_t)loop->at, count = (int64_t)loop->count;
  if (tl_str_is(name, "index0")) return tl_datum_of_int(at);
  if (tl_str_is(name, "index")) return tl_datum_of_int(at + 1);
  if (tl_str_is(name, "first")) return tl_datum_of_bool(at == 0);
  if (tl_str_is(name, "last")) return tl_datum_of_bool(at + 1 == count);
  if (tl_str_is(name, "length")) return tl_datum_of_int(count);
  if (tl_str_is(name, "revindex")) return tl_datum_of_int(count - at);
  if (tl_str_is(name, "revindex0")) return tl_datum_of_int(count - at - 1);
  if (tl_str_is(name, "depth")) return tl_datum_of_int(loop->depth + 1);
  if (tl_str_is(name, "depth0")) return tl_datum_of_int(loop->depth);
  if (tl_str_is(name, "previtem")) {
    return at > 0 ? loop->items[at - 1]
                  : tl_datum_undefined(TL_DATUM_SENTENCE, TL_STR("there is no previous item"));
  }
  if (tl_str_is(name, "nextitem")) {
    return at + 1 < count ? loop->items[at + 1]
                          : tl_datum_undefined(TL_DATUM_SENTENCE, TL_STR("there is no next item"));
  }
  return (tl_datum){0};
}

// What Python finds as an attribute: fields and methods. Absent if there is none.
static tl_status find_attribute(tl_render *render, const tl_datum *object, tl_str name,
                                tl_datum *out) {
  *out = (tl_datum){0};
  const tl_function_row *row = tl_method_find(object, name);
  if (row) return bind_method(render, object, row, out);
  if (tl_method_is_hidden(object, name)) {
    *out = tl_datum_undefined(TL_DATUM_UNSAFE, name);
    out->owner = object->kind;
  } else if (object->kind == TL_DATUM_LOOP) {
    *out = loop_field(object, name);
  } else if (object->kind == TL_DATUM_NAMESPACE) {
    *out = tl_dict_find(object->dict, name);
  } else if (object->kind == TL_DATUM_MACRO && tl_str_is(name, "name")) {
    *out = tl_datum_of_text(object->macro->node->name);
  } else if (object->kind == TL_DATUM_CYCLER && tl_str_is(name, "current")) {
    *out = object->cycler->items.items[object->cycler->at];
  }
  return TL_OK;
}

tl_status tl_datum_attribute(tl_render *render, const tl_datum *object, tl_str name,
                             tl_datum *out) {
  TL_TRY(tl_render_charge(render, 1));
  if (object->kind == TL_DATUM_UNDEFINED) return tl_render_undefined(render, object);
  TL_TRY(find_attribute(render, object, name, out));
  if (out->kind == TL_DATUM_ABSENT && object->kind == TL_DATUM_DICT) {
    *out = tl_dict_find(object->dict, name);
  }
  if (out->kind == TL_DATUM_ABSENT) *out = missing(object, name);
  return TL_OK;
}

// Item `index` of a sequence; false if `object` is none. Counts from the end if negative.
static bool index_of(int64_t index, size_t count, size_t *out_index) {
  if (index < 0) index += (int64_t)count;
  *out_index = (size_t)index;
  return index >= 0 && index < (int64_t)count;
}

static tl_status character_at(tl_render *render, const tl_datum *object, int64_t index,
                              tl_datum *out) {
  tl_str text = tl_datum_str(object);
  size_t at;
  TL_TRY(tl_render_charge_text(render, text.length));
  if (!index_of(index, tl_unicode_length(text), &at)) return TL_OK;
  size_t begin = tl_unicode_offset(text, at);
  tl_str rest = tl_str_slice(text, begin, text.length);
  *out = tl_datum_of_text(tl_str_slice(rest, 0, tl_unicode_offset(rest, 1)));
  out->flavour = object->flavour;
  return TL_OK;
}

static bool is_indexed_list(const tl_datum *value) {
  return value->kind == TL_DATUM_LIST && value->flavour <= TL_DATUM_AS_TUPLE;
}

// object[key] as Python does it; absent where Python raises a lookup or type error.
static tl_status find_item(tl_render *render, const tl_datum *object, const tl_datum *key,
                           tl_datum *out) {
  int64_t index;
  size_t at;
  *out = (tl_datum){0};
  if (object->kind == TL_DATUM_DICT) {
    bool is_hashable = key->kind != TL_DATUM_LIST && key->kind != TL_DATUM_DICT;
    return is_hashable ? tl_dict_get(render, object->dict, key, out) : TL_OK;
  }
  if (!tl_datum_to_int(key, &index)) return TL_OK;
  if (object->kind == TL_DATUM_TEXT) return character_at(render, object, index, out);
  if (is_indexed_list(object) && index_of(index, object->list->count, &at)) {
    *out = object->list->items[at];
  }
  if (object->kind == TL_DATUM_RANGE && index_of(index, (size_t)object->range->count, &at)) {
    *out = tl_datum_of_int(object->range->start + (int64_t)at * object->range->step);
  }
  return TL_OK;
}

tl_status tl_datum_item(tl_render *render, const tl_datum *object, const tl_datum *key,
                        tl_datum *out) {
  tl_str name = TL_STR("");
  TL_TRY(tl_render_charge(render, 1));
  if (object->kind == TL_DATUM_UNDEFINED) return tl_render_undefined(render, object);
  TL_TRY(find_item(render, object, key, out));
  if (key->kind == TL_DATUM_TEXT) {
    name = tl_datum_str(key);
    if (out->kind == TL_DATUM_ABSENT) TL_TRY(find_attribute(render, object, name, out));
  } else if (out->kind == TL_DATUM_ABSENT && key->kind == TL_DATUM_INT) {
    TL_TRY(tl_datum_to_str(render, key, &name));
  }
  if (out->kind == TL_DATUM_ABSENT) *out = missing(object, name);
  return TL_OK;
}

tl_status tl_datum_path(tl_render *render, const tl_datum *object, const tl_datum *path,
                        tl_datum *out) {
  int64_t index;
  *out = *object;
  if (path->kind != TL_DATUM_TEXT) return tl_datum_item(render, object, path, out);
  tl_str rest = tl_datum_str(path);
  for (bool is_last = false; !is_last;) {
    const char *dot = memchr(rest.data, '.', rest.length);
    size_t length = dot ? (size_t)(dot - rest.data) : rest.length;
    tl_datum from = *out, key = tl_datum_of_text(tl_str_slice(rest, 0, length));
    bool is_index = length > 0 && rest.data[0] >= '0' && rest.data[0] <= '9' &&
                    tl_str_to_i64(tl_datum_str(&key), &index);
    if (is_index) key = tl_datum_of_int(index);
    TL_TRY(tl_datum_item(render, &from, &key, out));
    rest = tl_str_slice(rest, length + 1, rest.length);
    is_last = !dot;
  }
  return TL_OK;
}

// ---- Slices

typedef struct slice {
  int64_t start, step, count, stop;
} slice;

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

// The slice's items of a sequence of `count`, as Python chooses them.
static slice slice_of(const int64_t *start, const int64_t *stop, int64_t step, int64_t count) {
  int64_t low = step > 0 ? 0 : -1, high = step > 0 ? count : count - 1;
  int64_t first = step > 0 ? low : high, last = step > 0 ? high : low;
  if (start) first = clamp(*start < 0 ? *start + count : *start, low, high);
  if (stop) last = clamp(*stop < 0 ? *stop + count : *stop, low, high);
  int64_t span = step > 0 ? last - first : first - last;
  int64_t stride = step > 0 ? step : step == INT64_MIN ? INT64_MAX : -step;
  return (slice){first, step, span > 0 ? (span - 1) / stride + 1 : 0, last};
}

static tl_status slice_text(tl_render *render, const tl_datum *object, slice part, tl_datum *out) {
  tl_str text = tl_datum_str(object);
  tl_text parts = {0};
  if (part.count == 0) {
    *out = tl_datum_of_text(TL_STR(""));
  } else if (part.step == 1) {
    size_t begin = tl_unicode_offset(text, (size_t)part.start);
    tl_str rest = tl_str_slice(text, begin, text.length);
    *out = tl_datum_of_text(tl_str_slice(rest, 0, tl_unicode_offset(rest, (size_t)part.count)));
  } else {
    tl_datum_list list;
    TL_TRY(tl_list_of(render, object, &list));
    for (int64_t i = 0; i < part.count; i++)
      TL_TRY(tl_text_add(render, &parts, tl_datum_str(&list.items[part.start + i * part.step])));
    *out = tl_text_datum(&parts);
  }
  out->flavour = object->flavour;
  return TL_OK;
}

static tl_status slice_list(tl_render *render, const tl_datum *object, slice part, tl_datum *out) {
  tl_datum_list *list = NULL;
  TL_TRY(tl_list_create(render, (size_t)part.count, &list));
  for (int64_t i = 0; i < part.count; i++)
    TL_TRY(tl_list_add(render, list, &object->list->items[part.start + i * part.step]));
  *out = tl_datum_of_list(list, (tl_datum_flavour)object->flavour);
  return TL_OK;
}

// The number at `index` of a range; false if it is beyond 64 bits, as one behind the last may be.
static bool add_steps(const tl_datum_range *range, int64_t index, int64_t *out) {
  int64_t far;
  return !__builtin_mul_overflow(index, range->step, &far) &&
         !__builtin_add_overflow(range->start, far, out);
}

static tl_status slice_range(tl_render *render, const tl_datum *object, slice part, tl_datum *out) {
  const tl_datum_range *from = object->range;
  tl_datum_range *range = tl_arena_alloc(render->arena, sizeof *range);
  if (!range) return tl_render_full(render);
  *range = (tl_datum_range){.count = part.count, .is_beyond = from->is_beyond};
  range->is_beyond |= !add_steps(from, part.start, &range->start);
  range->is_beyond |= !add_steps(from, part.stop, &range->stop);
  range->is_beyond |= __builtin_mul_overflow(from->step, part.step, &range->step);
  *out = (tl_datum){.kind = TL_DATUM_RANGE, .range = range};
  return TL_OK;
}

tl_status tl_datum_slice(tl_render *render, const tl_datum *object, const tl_datum bounds[3],
                         tl_datum *out) {
  int64_t values[3] = {0, 0, 1}, count = 0;
  bool is_given[3];
  if (object->kind == TL_DATUM_UNDEFINED) return tl_render_undefined(render, object);
  bool is_text = object->kind == TL_DATUM_TEXT;
  if (is_text) {
    TL_TRY(tl_render_charge_text(render, object->length));
    count = (int64_t)tl_unicode_length(tl_datum_str(object));
  } else if (is_indexed_list(object)) {
    count = (int64_t)object->list->count;
  } else if (object->kind == TL_DATUM_RANGE) {
    count = object->range->count;
  } else {
    return tl_render_fail(render, "'%s' object has no slices", tl_datum_type_text(object));
  }
  for (int i = 0; i < 3; i++) {
    is_given[i] = bounds[i].kind != TL_DATUM_ABSENT && bounds[i].kind != TL_DATUM_NONE;
    if (is_given[i] && !tl_datum_to_int(&bounds[i], &values[i])) {
      return tl_render_fail(render, "slice indices must be integers");
    }
    values[i] = clamp(values[i], -INT32_MAX, INT32_MAX);
  }
  if (values[2] == 0) return tl_render_fail(render, "slice step cannot be zero");
  slice part =
      slice_of(is_given[0] ? &values[0] : NULL, is_given[1] ? &values[1] : NULL, values[2], count);
  if (is_text) return slice_text(render, object, part, out);
  return object->kind == TL_DATUM_RANGE ? slice_range(render, object, part, out)
                                        : slice_list(render, object, part, out);
}
