// A map of characters as sentencepiece precompiles it, taken apart into its keys and texts.
//
//   | bytes of the trie, 4 | units, 4 bytes each | texts, each up to a zero byte |
//
// A unit holds the byte that leads to it, whether a key ends there, and where its children lie; the
// value of a key is the unit where the child for the zero byte would lie. Keys share ends.
#include "compiler/load/tokenizer_build.h"

enum { PLACES_MAX = 1 << 20 };

typedef struct charsmap {
  tl_build *build;
  const tl_json *node;
  const tl_build_charsmap_options *options;
  tl_str units, texts;
  char key[TL_TOKENIZER_KEY_BYTES_MAX];
  tl_build_key *keys;
  tl_tokenizer_text *rows; // of each key
  uint32_t count;
  size_t keys_capacity, rows_capacity;
} charsmap;

// A unit on the way down, and the next byte to try there.
typedef struct level {
  uint32_t children; // where they lie, before the byte is added
  uint32_t byte;
} level;

static tl_status damaged(const charsmap *m, const char *what) {
  tl_build *b = m->build;
  if (m->node)
    return tl_diag_error(b->diag, TL_INPUT, tl_json_span(b->source, m->node),
                         "the precompiled map of characters is damaged: %s", what);
  return tl_diag_error(b->diag, TL_INPUT, (tl_span){0},
                       "%s: the precompiled map of characters is damaged: %s", b->source->name,
                       what);
}

static uint32_t unit_at(const charsmap *m, uint32_t index) {
  uint32_t unit = 0; // no byte leads to it
  if (index < m->units.length / 4) memcpy(&unit, m->units.data + (size_t)index * 4, 4);
  return unit;
}

static uint32_t children_of(uint32_t index, uint32_t unit) {
  return index ^ (unit >> 10 << (unit >> 6 & 8));
}

static tl_status add_key(charsmap *m, tl_str text, tl_str becomes) {
  tl_build *b = m->build;
  tl_build_key *keys =
      tl_arena_grow(b->arena, m->keys, &m->keys_capacity, m->count + 1, sizeof *keys);
  tl_tokenizer_text *rows =
      tl_arena_grow(b->arena, m->rows, &m->rows_capacity, m->count + 1, sizeof *rows);
  if (!keys || !rows) return TL_MEMORY;
  m->keys = keys;
  m->rows = rows;
  keys[m->count] = (tl_build_key){tl_arena_copy(b->arena, text), m->count};
  if (!keys[m->count].text.data) return TL_MEMORY;
  rows[m->count].length = (uint32_t)becomes.length;
  return tl_build_pool(b, becomes, &rows[m->count++].offset);
}

// Whether a text that is kept begins `text`, which is longer or the same.
static bool begins_kept(const charsmap *m, tl_str text) {
  for (uint32_t i = 0; i < m->options->kept_count; i++)
    if (tl_str_starts_with(text, m->options->kept[i])) return true;
  return false;
}

// The key of `length` bytes that ends in a unit whose children lie at `children`.
static tl_status take_key(charsmap *m, size_t length, uint32_t children) {
  uint32_t value = unit_at(m, children) & INT32_MAX;
  tl_str key = {m->key, length};
  if (value >= m->texts.length) return damaged(m, "a text lies outside");
  tl_str text = tl_str_slice(m->texts, value, m->texts.length);
  const char *end = memchr(text.data, 0, text.length);
  if (end) text.length = (size_t)(end - text.data);
  if (!tl_utf8_is_valid(key) || !tl_utf8_is_valid(text)) return damaged(m, "no UTF-8");
  if (m->options->single_spaces && text.length && memmem(text.data, text.length, "  ", 2))
    return damaged(m, "a text with two spaces in a row");
  return begins_kept(m, key) ? TL_OK : add_key(m, key, text);
}

// Of a cluster only the shortest key that begins it counts, and long ones are not looked up.
static bool goes_deeper(const charsmap *m, size_t length, bool is_key) {
  return !m->options->clusters || (!is_key && length < TL_TOKENIZER_CLUSTER_BYTES_MAX);
}

static tl_status walk(charsmap *m) {
  level *levels = tl_arena_array(m->build->arena, sizeof m->key + 1, sizeof *levels);
  if (!levels) return TL_MEMORY;
  levels[0] = (level){children_of(0, unit_at(m, 0)), 1};
  for (size_t depth = 0, places = 0;;) {
    level *at = &levels[depth];
    if (at->byte > 255) {
      if (depth-- == 0) return TL_OK;
      continue;
    }
    uint32_t byte = at->byte++, index = at->children ^ byte, unit = unit_at(m, index);
    if ((unit & 0x800000FF) != byte) continue;
    if (places++ == PLACES_MAX) return damaged(m, "too many keys");
    m->key[depth] = (char)byte;
    uint32_t children = children_of(index, unit);
    bool is_key = unit >> 8 & 1;
    if (is_key) TL_TRY(take_key(m, depth + 1, children));
    if (!goes_deeper(m, depth + 1, is_key)) continue;
    if (++depth == sizeof m->key) return damaged(m, "a key of more than 512 bytes");
    levels[depth] = (level){children, 1};
  }
}

// Finds the parts of the map.
static tl_status open_map(charsmap *m, tl_str map) {
  uint32_t bytes = 0;
  if (map.length < 4) return damaged(m, "too short");
  memcpy(&bytes, map.data, 4);
  if (bytes % 4 || bytes > map.length - 4) return damaged(m, "its trie lies outside");
  m->units = tl_str_slice(map, 4, 4 + (size_t)bytes);
  m->texts = tl_str_slice(map, 4 + (size_t)bytes, map.length);
  return TL_OK;
}

tl_status tl_build_charsmap(tl_build *build, const tl_json *node, tl_str map,
                            const tl_build_charsmap_options *options) {
  charsmap *m = tl_arena_alloc(build->arena, sizeof *m);
  if (!m) return TL_MEMORY;
  *m = (charsmap){.build = build, .node = node, .options = options};
  if (build->table.keys_count)
    return tl_diag_error(build->diag, TL_UNSUPPORTED, tl_json_span(build->source, node),
                         "more than one precompiled map of characters");
  TL_TRY(open_map(m, map));
  TL_TRY(walk(m));
  for (uint32_t i = 0; i < options->kept_count; i++)
    TL_TRY(add_key(m, options->kept[i], options->kept[i]));
  TL_TRY(tl_build_keys(build, m->keys, m->count));
  build->table.key_texts = m->rows;
  build->table.key_texts_count = m->count;
  build->clusters = build->clusters || options->clusters;
  tl_tokenizer_step step = {.kind = TL_STEP_KEYS,
                            .flags = options->clusters ? TL_KEYS_CLUSTERS : 0};
  return tl_build_step(build, node, step, options->prefix);
}
