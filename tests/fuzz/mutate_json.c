// Values of JSON, found by a scan that takes any text: a list of where they are, then one of them
// is changed as a whole, so that what comes out is mostly JSON again.
#include "tests/fuzz/edit.h"
#include "tests/fuzz/mutate.h"

enum { ITEMS_MAX = 4096, DEPTH_MAX = 64 };

// A value; a member of an object begins with its key.
typedef struct item {
  tl_range value, key; // an empty key in an array
} item;

static item items[ITEMS_MAX];
static size_t items_count;

static const char *const values[] = {
    "null", "true",  "false", "0",          "-1",         "1",
    "2",    "0.5",   "1e308", "2147483648", "4294967296", "9223372036854775807",
    "\"\"", "\"a\"", "[]",    "{}",         "[[0]]",      NULL};

static int is_blank(uint8_t c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int ends_scalar(uint8_t c) {
  return is_blank(c) || c == ',' || c == ':' || c == '{' || c == '}' || c == '[' || c == ']' ||
         c == '"';
}

// The end of the string or scalar that begins at `at`.
static size_t scalar_end(const tl_edit *edit, size_t at) {
  const uint8_t *data = edit->data;
  if (data[at] != '"') {
    do
      at++;
    while (at < edit->size && !ends_scalar(data[at]));
    return at;
  }
  for (at++; at < edit->size && data[at] != '"'; at++)
    at += data[at] == '\\';
  return at < edit->size ? at + 1 : edit->size;
}

// Adds a value from `begin`; its end is for the caller to set.
static item *add(size_t begin, tl_range *key) {
  item *new = &items[items_count++];
  new->value = (tl_range){begin, begin};
  new->key = key->end > key->begin ? *key : (tl_range){begin, begin};
  *key = (tl_range){0, 0};
  return new;
}

// Fills `items`.
static void scan(const tl_edit *edit) {
  item *open[DEPTH_MAX];
  int depth = 0;
  tl_range key = {0, 0};
  items_count = 0;
  for (size_t at = 0; at < edit->size && items_count < ITEMS_MAX;) {
    uint8_t c = edit->data[at];
    size_t end = at + 1;
    if ((c == '{' || c == '[') && depth < DEPTH_MAX) {
      open[depth] = add(at, &key);
      open[depth++]->value.end = edit->size;
    } else if ((c == '}' || c == ']') && depth > 0) {
      open[--depth]->value.end = end;
    } else if (!is_blank(c) && c != ',' && c != ':') {
      end = scalar_end(edit, at);
      size_t next = end;
      while (next < edit->size && is_blank(edit->data[next]))
        next++;
      if (c == '"' && next < edit->size && edit->data[next] == ':') {
        key = (tl_range){at, end};
      } else {
        add(at, &key)->value.end = end;
      }
    }
    at = end;
  }
}

static void drop(tl_edit *edit, tl_range range) {
  size_t next = range.end;
  while (next < edit->size && is_blank(edit->data[next]))
    next++;
  if (next < edit->size && edit->data[next] == ',') {
    range.end = next + 1;
  } else {
    size_t before = range.begin;
    while (before > 0 && is_blank(edit->data[before - 1]))
      before--;
    if (before > 0 && edit->data[before - 1] == ',') range.begin = before - 1;
  }
  tl_edit_put(edit, range, "");
}

static void change(tl_edit *edit, const char *const *pieces) {
  scan(edit);
  if (items_count == 0) {
    tl_edit_bytes(edit, pieces);
    return;
  }
  const item *a = &items[tl_edit_random(edit, items_count)];
  const item *b = &items[tl_edit_random(edit, items_count)];
  tl_range whole = {a->key.begin, a->value.end}, after = {a->value.end, a->value.end};
  switch (tl_edit_random(edit, 8)) {
  case 0:
  case 1: tl_edit_put(edit, a->value, tl_edit_pick(edit, values)); break;
  case 2: tl_edit_put(edit, a->value, tl_edit_pick(edit, pieces)); break;
  case 3: tl_edit_copy(edit, a->value, b->value); break;
  case 4: tl_edit_copy(edit, a->key, b->key); break;
  case 5: drop(edit, whole); break;
  case 6: // as the next one
    tl_edit_copy(edit, after, (tl_range){b->key.begin, b->value.end});
    tl_edit_put(edit, after, ",");
    break;
  default: // a byte of a scalar: other digits and words
    if (a->value.end - a->value.begin < 32) {
      size_t at = a->value.begin + tl_edit_random(edit, a->value.end - a->value.begin);
      edit->data[at] = (uint8_t)"0123456789.-+eE\"\\_aA"[tl_edit_random(edit, 20)];
    } else {
      tl_edit_bytes(edit, pieces);
    }
  }
}

size_t tl_fuzz_mutate_json(uint8_t *data, size_t size, size_t size_max, unsigned seed,
                           const char *const *pieces) {
  tl_edit edit = tl_edit_begin(data, size, size_max, seed);
  if (tl_edit_random(&edit, 5) == 0) {
    tl_edit_bytes(&edit, pieces);
    return edit.size;
  }
  for (uint32_t n = 1 + tl_edit_random(&edit, 2); n > 0; n--)
    change(&edit, pieces);
  return edit.size;
}
