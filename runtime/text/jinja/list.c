// Lists, dicts and iteration.
#include "runtime/base/utf8.h"
#include "runtime/text/jinja/render.h"

enum { INDEX_MIN = 8 }; // pairs from which a dict is indexed

tl_status tl_list_create(tl_render *render, size_t capacity, tl_datum_list **out) {
  tl_datum_list *list = tl_arena_alloc(render->arena, sizeof *list);
  if (!list) return tl_render_full(render);
  TL_TRY(tl_render_charge(render, 1 + capacity / 16));
  if (capacity > 0) {
    list->items = tl_arena_array(render->arena, capacity, sizeof *list->items);
    if (!list->items) return tl_render_full(render);
    list->capacity = capacity;
  }
  *out = list;
  return TL_OK;
}

tl_status tl_list_add(tl_render *render, tl_datum_list *list, const tl_datum *item) {
  TL_TRY(tl_render_charge(render, 1));
  if (list->count == list->capacity) {
    tl_datum *items =
        tl_arena_grow(render->arena, list->items, &list->capacity, list->count + 1, sizeof *items);
    if (!items) return tl_render_full(render);
    list->items = items;
  }
  list->items[list->count++] = *item;
  return TL_OK;
}

static tl_status characters(tl_render *render, tl_str text, tl_datum_list *out) {
  uint32_t code;
  TL_TRY(tl_render_charge(render, text.length));
  for (size_t at = 0; at < text.length;) {
    size_t length = tl_utf8_read(text.data + at, text.length - at, &code);
    tl_datum item = tl_datum_of_text(tl_str_slice(text, at, at + length));
    TL_TRY(tl_list_add(render, out, &item));
    at += length;
  }
  return TL_OK;
}

tl_status tl_list_of(tl_render *render, const tl_datum *value, tl_datum_list *out) {
  *out = (tl_datum_list){0};
  switch ((tl_datum_kind)value->kind) {
  case TL_DATUM_UNDEFINED: return TL_OK;
  case TL_DATUM_LIST:
    *out = *value->list;
    if (value->flavour == TL_DATUM_AS_STREAM) value->list->count = 0;
    return tl_render_charge(render, 1 + out->count / 16);
  case TL_DATUM_TEXT: return characters(render, tl_datum_str(value), out);
  case TL_DATUM_RANGE:
    for (int64_t i = 0; i < value->range->count; i++) {
      tl_datum item = tl_datum_of_int(value->range->start + i * value->range->step);
      TL_TRY(tl_list_add(render, out, &item));
    }
    return TL_OK;
  case TL_DATUM_DICT:
    for (size_t i = 0; i < value->dict->count; i++)
      TL_TRY(tl_list_add(render, out, &value->dict->pairs[i].key));
    return TL_OK;
  default: return tl_render_fail(render, "'%s' object is not iterable", tl_datum_type_text(value));
  }
}

// ---- Dicts

static uint64_t hash_bytes(tl_str text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < text.length; i++)
    hash = (hash ^ (uint8_t)text.data[i]) * 0x100000001b3u;
  return hash ^ hash >> 29;
}

// Equal keys have equal hashes: 1, 1.0 and true are one key.
static uint64_t hash_of(const tl_datum *key) {
  int64_t integer;
  if (key->kind == TL_DATUM_TEXT || key->kind == TL_DATUM_BIG) return hash_bytes(tl_datum_str(key));
  if (tl_datum_to_int(key, &integer)) return (uint64_t)integer * 0x9e3779b97f4a7c15u;
  if (key->kind != TL_DATUM_REAL) return key->kind;
  bool is_whole =
      key->real >= -9e15 && key->real <= 9e15 && key->real == (double)(int64_t)key->real;
  if (is_whole) return (uint64_t)(int64_t)key->real * 0x9e3779b97f4a7c15u;
  uint64_t bits;
  memcpy(&bits, &key->real, sizeof bits);
  return bits * 0x9e3779b97f4a7c15u;
}

static bool can_be_key(const tl_datum *key) {
  if (key->kind != TL_DATUM_LIST) {
    return key->kind != TL_DATUM_DICT && key->kind != TL_DATUM_NAMESPACE;
  }
  if (key->flavour != TL_DATUM_AS_TUPLE) return false;
  for (size_t i = 0; i < key->list->count; i++) {
    if (!can_be_key(&key->list->items[i])) return false;
  }
  return true;
}

static bool is_text_key(const tl_datum *key, tl_str text) {
  return key->kind == TL_DATUM_TEXT && tl_str_equal(tl_datum_str(key), text);
}

// The row of a key; `count` if there is none.
static tl_status find_row(tl_render *render, const tl_datum_dict *dict, const tl_datum *key,
                          size_t *out_row) {
  bool is_equal = false;
  uint64_t slot = hash_of(key) & dict->index_mask;
  for (size_t i = 0; dict->index || i < dict->count; i++) {
    size_t row = i;
    if (dict->index) {
      uint32_t entry = dict->index[(slot + i) & dict->index_mask];
      if (entry == 0) break;
      row = entry - 1;
    }
    TL_TRY(tl_render_charge(render, 1));
    TL_TRY(tl_datum_equal(render, &dict->pairs[row].key, key, &is_equal));
    if (!is_equal) continue;
    *out_row = row;
    return TL_OK;
  }
  *out_row = dict->count;
  return TL_OK;
}

static void index_row(tl_datum_dict *dict, size_t row) {
  uint64_t slot = hash_of(&dict->pairs[row].key);
  while (dict->index[slot & dict->index_mask])
    slot++;
  dict->index[slot & dict->index_mask] = (uint32_t)row + 1;
}

// Keeps the index at most half full.
static tl_status grow_index(tl_render *render, tl_datum_dict *dict) {
  if (dict->count < INDEX_MIN || (dict->index && dict->count * 2 <= dict->index_mask)) return TL_OK;
  size_t size = INDEX_MIN * 4;
  while (size < dict->count * 4)
    size *= 2;
  TL_TRY(tl_render_charge(render, size));
  dict->index = tl_arena_array(render->arena, size, sizeof *dict->index);
  if (!dict->index) return tl_render_full(render);
  dict->index_mask = size - 1;
  for (size_t i = 0; i < dict->count; i++)
    index_row(dict, i);
  return TL_OK;
}

tl_status tl_dict_create(tl_render *render, size_t capacity, tl_datum_dict **out) {
  tl_datum_dict *dict = tl_arena_alloc(render->arena, sizeof *dict);
  if (!dict) return tl_render_full(render);
  TL_TRY(tl_render_charge(render, 1 + capacity / 16));
  if (capacity > 0) {
    dict->pairs = tl_arena_array(render->arena, capacity, sizeof *dict->pairs);
    if (!dict->pairs) return tl_render_full(render);
    dict->capacity = capacity;
  }
  *out = dict;
  return TL_OK;
}

tl_status tl_dict_set(tl_render *render, tl_datum_dict *dict, const tl_datum *key,
                      const tl_datum *value) {
  size_t row;
  if (!can_be_key(key)) {
    return tl_render_fail(render, "unhashable type: '%s'", tl_datum_type_text(key));
  }
  TL_TRY(find_row(render, dict, key, &row));
  if (row == dict->count) {
    tl_datum_pair *pairs =
        tl_arena_grow(render->arena, dict->pairs, &dict->capacity, row + 1, sizeof *pairs);
    if (!pairs) return tl_render_full(render);
    dict->pairs = pairs;
    pairs[row].key = *key;
    dict->count++;
    if (dict->index && dict->count * 2 <= dict->index_mask) index_row(dict, row);
    TL_TRY(grow_index(render, dict));
  }
  dict->pairs[row].value = *value;
  return TL_OK;
}

tl_status tl_dict_get(tl_render *render, const tl_datum_dict *dict, const tl_datum *key,
                      tl_datum *out) {
  size_t row;
  *out = (tl_datum){0};
  if (!can_be_key(key)) {
    return tl_render_fail(render, "unhashable type: '%s'", tl_datum_type_text(key));
  }
  TL_TRY(find_row(render, dict, key, &row));
  if (row < dict->count) *out = dict->pairs[row].value;
  return TL_OK;
}

tl_datum tl_dict_find(const tl_datum_dict *dict, tl_str key) {
  if (!dict->index) {
    for (size_t i = 0; i < dict->count; i++) {
      if (is_text_key(&dict->pairs[i].key, key)) return dict->pairs[i].value;
    }
    return (tl_datum){0};
  }
  for (uint64_t slot = hash_bytes(key);; slot++) {
    uint32_t entry = dict->index[slot & dict->index_mask];
    if (entry == 0) return (tl_datum){0};
    if (is_text_key(&dict->pairs[entry - 1].key, key)) return dict->pairs[entry - 1].value;
  }
}

// ---- JSON

// JSON's numbers as Python reads them: digits alone are an integer of any size.
static tl_datum number_from_json(const tl_source *source, const tl_json *node) {
  tl_str text = tl_str_slice(source->text, node->offset, node->offset + (size_t)node->length);
  for (size_t i = text.length > 0 && text.data[0] == '-'; i < text.length; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return tl_datum_of_real(node->real);
  }
  if (tl_str_is(text, "-0")) return tl_datum_of_int(0);
  tl_datum big = tl_datum_of_text(text);
  big.kind = TL_DATUM_BIG;
  return big;
}

static tl_status dict_from_json(tl_render *render, const tl_source *source, const tl_json *node,
                                tl_datum *out) {
  tl_datum_dict *dict = NULL;
  TL_TRY(tl_dict_create(render, node->count, &dict));
  for (size_t i = 0; i < node->count; i++) {
    tl_datum key = tl_datum_of_text(node->members[i].key.string), value;
    TL_TRY(tl_datum_from_json(render, source, &node->members[i].value, &value));
    TL_TRY(tl_dict_set(render, dict, &key, &value));
  }
  *out = (tl_datum){.kind = TL_DATUM_DICT, .dict = dict};
  return TL_OK;
}

tl_status tl_datum_from_json(tl_render *render, const tl_source *source, const tl_json *node,
                             tl_datum *out) {
  tl_datum_list *list = NULL;
  TL_TRY(tl_render_charge(render, 1));
  switch (tl_json_kind_of(node)) {
  case TL_JSON_NULL: *out = tl_datum_none(); return TL_OK;
  case TL_JSON_BOOL: *out = tl_datum_of_bool(node->boolean); return TL_OK;
  case TL_JSON_INT: *out = tl_datum_of_int(node->integer); return TL_OK;
  case TL_JSON_REAL: *out = number_from_json(source, node); return TL_OK;
  case TL_JSON_STRING: *out = tl_datum_of_text(node->string); return TL_OK;
  case TL_JSON_OBJECT: return dict_from_json(render, source, node, out);
  case TL_JSON_ARRAY: break;
  }
  TL_TRY(tl_list_create(render, node->count, &list));
  for (size_t i = 0; i < node->count; i++) {
    tl_datum item;
    TL_TRY(tl_datum_from_json(render, source, &node->items[i], &item));
    TL_TRY(tl_list_add(render, list, &item));
  }
  *out = tl_datum_of_list(list, TL_DATUM_AS_LIST);
  return TL_OK;
}

// ---- Sorting

typedef struct sorting {
  tl_render *render;
  tl_datum *items, *keys, *other_items, *other_keys;
  bool is_reverse;
} sorting;

// Merges [begin, middle) and [middle, end), equal ones in the order they have.
static tl_status merge(sorting *s, size_t begin, size_t middle, size_t end) {
  size_t left = begin, right = middle;
  for (size_t at = begin; at < end; at++) {
    int order = -1;
    if (left < middle && right < end) {
      TL_TRY(tl_datum_order(s->render, &s->keys[right], &s->keys[left], &order));
      if (s->is_reverse) order = -order;
      order = order < 0 ? 1 : -1;
    } else if (left == middle) {
      order = 1;
    }
    size_t from = order > 0 ? right++ : left++;
    s->other_items[at] = s->items[from];
    s->other_keys[at] = s->keys[from];
  }
  memcpy(s->items + begin, s->other_items + begin, (end - begin) * sizeof *s->items);
  memcpy(s->keys + begin, s->other_keys + begin, (end - begin) * sizeof *s->keys);
  return TL_OK;
}

tl_status tl_list_sort(tl_render *render, tl_datum *items, const tl_datum *keys, size_t count,
                       bool is_reverse) {
  if (count < 2) return TL_OK;
  tl_datum *room = tl_arena_array(render->arena, count * 3, sizeof *room);
  if (!room) return tl_render_full(render);
  sorting s = {render, items, room, room + count, room + 2 * count, is_reverse};
  memcpy(s.keys, keys, count * sizeof *keys);
  for (size_t width = 1; width < count; width *= 2) {
    TL_TRY(tl_render_charge(render, count));
    for (size_t begin = 0; begin + width < count; begin += 2 * width) {
      size_t end = begin + 2 * width < count ? begin + 2 * width : count;
      TL_TRY(merge(&s, begin, begin + width, end));
    }
  }
  return TL_OK;
}
