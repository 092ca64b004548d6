// The tries of words as one array: the children of a node lie where it says, each at its byte, and
// name their parent, so that many nodes share the gaps of others.
#include <stdlib.h>

#include "compiler/load/tokenizer_build.h"

enum { NODES_MAX = 1 << 28 };

typedef struct trie {
  tl_arena *arena;
  tl_tokenizer_node *nodes;
  size_t capacity;
  uint32_t count;        // of nodes, 256 free ones at the end included
  uint32_t first_free;   // no node before it is free
  tl_build_key *entries; // of all tries, each part sorted
} trie;

// Entries [begin, end) share their first `depth` bytes, which lead to `node`.
typedef struct range {
  uint32_t begin, end, depth, node;
} range;

static int order_entries(const void *a, const void *b) {
  const tl_build_key *x = a, *y = b;
  int order = tl_str_compare(x->text, y->text);
  return order ? order : (x->id > y->id) - (x->id < y->id);
}

static tl_status reserve(trie *t, uint32_t count) {
  if (count <= t->count) return TL_OK;
  if (count > NODES_MAX) return TL_MEMORY;
  tl_tokenizer_node *nodes = tl_arena_grow(t->arena, t->nodes, &t->capacity, count, sizeof *nodes);
  if (!nodes) return TL_MEMORY;
  t->nodes = nodes;
  for (; t->count < count; t->count++)
    nodes[t->count] = (tl_tokenizer_node){0, TL_TOKEN_NONE, TL_TOKEN_NONE};
  return TL_OK;
}

// Roots have no parent, and are not free.
static bool is_free(const trie *t, uint32_t node) {
  return node > TL_TRIE_INNER && t->nodes[node].parent == TL_TOKEN_NONE;
}

// The lowest base under which all of `bytes` are free. Gaps in crowded stretches would be looked at
// again and again, so they are given up.
static tl_status find_base(trie *t, const uint8_t *bytes, uint32_t count, uint32_t *out_base) {
  uint32_t at = t->first_free > bytes[0] ? t->first_free : bytes[0], taken = 0, seen = 0;
  for (;; at++) {
    TL_TRY(reserve(t, at + 512));
    seen++;
    if (!is_free(t, at)) {
      taken++;
      continue;
    }
    uint32_t base = at - bytes[0], fits = 1;
    while (fits < count && is_free(t, base + bytes[fits]))
      fits++;
    if (fits < count) continue;
    bool crowded = count == 1 ? at == t->first_free : seen > 64 && taken > seen / 20 * 19;
    if (crowded) t->first_free = at;
    *out_base = base;
    return TL_OK;
  }
}

// Makes the children of a range's node; `ranges` gets theirs.
static tl_status add_children(trie *t, range r, range *ranges, uint32_t *out_count) {
  uint8_t bytes[256];
  uint32_t count = 0, base;
  while (r.begin < r.end && t->entries[r.begin].text.length == r.depth)
    t->nodes[r.node].id = t->entries[r.begin++].id;
  for (uint32_t i = r.begin; i < r.end; i++) {
    uint8_t byte = (uint8_t)t->entries[i].text.data[r.depth];
    if (count == 0 || bytes[count - 1] != byte) {
      bytes[count] = byte;
      ranges[count++] = (range){.begin = i, .depth = r.depth + 1};
    }
    ranges[count - 1].end = i + 1;
  }
  *out_count = count;
  if (count == 0) return TL_OK;
  TL_TRY(find_base(t, bytes, count, &base));
  t->nodes[r.node].base = base;
  for (uint32_t i = 0; i < count; i++) {
    ranges[i].node = base + bytes[i];
    t->nodes[ranges[i].node].parent = r.node;
  }
  return TL_OK;
}

static tl_status add_words(trie *t, range all) {
  range *stack = NULL;
  size_t capacity = 0, depth = 1;
  range children[256];
  stack = tl_arena_grow(t->arena, stack, &capacity, 1024, sizeof *stack);
  if (!stack) return TL_MEMORY;
  stack[0] = all;
  while (depth) {
    uint32_t count;
    TL_TRY(add_children(t, stack[--depth], children, &count));
    stack = tl_arena_grow(t->arena, stack, &capacity, depth + count, sizeof *stack);
    if (!stack) return TL_MEMORY;
    for (uint32_t i = count; i > 0; i--)
      stack[depth++] = children[i - 1];
  }
  return TL_OK;
}

// Words that begin with `prefix`, without it, sorted; returns how many.
static uint32_t collect(const tl_build *b, tl_str prefix, tl_build_key *entries) {
  uint32_t count = 0;
  for (uint32_t id = 0; id < b->vocabulary.ids_count; id++) {
    tl_str text = b->vocabulary.texts[id];
    if (!text.data || (b->hidden && b->hidden[id]) ||
        tl_vocabulary_find(&b->vocabulary, text) != id)
      continue;
    if (!tl_str_starts_with(text, prefix) || text.length == prefix.length) continue;
    entries[count++] = (tl_build_key){tl_str_slice(text, prefix.length, text.length), id};
  }
  qsort(entries, count, sizeof *entries, order_entries);
  return count;
}

tl_status tl_build_trie(tl_build *build) {
  uint32_t model = build->table.header.model, words = build->vocabulary.ids_count;
  trie t = {.arena = build->arena};
  if (model != TL_MODEL_LONGEST && model != TL_MODEL_BEST) return TL_OK;
  t.entries = tl_arena_array(build->arena, 2 * (size_t)words, sizeof *t.entries);
  if (!t.entries) return TL_MEMORY;
  for (uint32_t id = 0; id < words; id++)
    if (build->vocabulary.texts[id].length > TL_TOKENIZER_TRIE_BYTES_MAX)
      return tl_diag_error(
          build->diag, TL_UNSUPPORTED, tl_json_span(build->source, build->root),
          "token %u has %zu bytes, at most %d are supported for this kind of model", id,
          build->vocabulary.texts[id].length, TL_TOKENIZER_TRIE_BYTES_MAX);
  TL_TRY(reserve(&t, 512));
  uint32_t count = collect(build, TL_STR(""), t.entries);
  TL_TRY(add_words(&t, (range){0, count, 0, TL_TRIE_START}));
  if (model == TL_MODEL_LONGEST) {
    uint32_t inner = collect(build, build->inner_prefix, t.entries + count);
    TL_TRY(add_words(&t, (range){count, count + inner, 0, TL_TRIE_INNER}));
  }
  build->table.trie = t.nodes;
  build->table.trie_count = t.count;
  return TL_OK;
}

tl_status tl_build_keys(tl_build *build, tl_build_key *keys, uint32_t count) {
  trie t = {.arena = build->arena, .entries = keys};
  if (count) qsort(keys, count, sizeof *keys, order_entries);
  TL_TRY(reserve(&t, 512));
  TL_TRY(add_words(&t, (range){0, count, 0, TL_TRIE_START}));
  build->table.keys = t.nodes;
  build->table.keys_count = t.count;
  return TL_OK;
}
