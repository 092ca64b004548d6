// Inversion lists and the partition they induce.
#include "compiler/load/charset.h"

#include "runtime/base/hash.h"
#include "runtime/base/tokenizer_table.h"
#include "runtime/base/utf8.h"

static tl_status push_bound(tl_arena *arena, tl_charset *set, uint32_t bound) {
  uint32_t *grown =
      tl_arena_grow(arena, set->bounds, &set->capacity, set->count + 1, sizeof *grown);
  if (!grown) return TL_MEMORY;
  set->bounds = grown;
  set->bounds[set->count++] = bound;
  return TL_OK;
}

tl_status tl_charset_add(tl_arena *arena, tl_charset *set, uint32_t begin, uint32_t end) {
  if (begin >= end) return TL_OK;
  if (set->count && set->bounds[set->count - 1] == begin) { // runs often touch
    set->bounds[set->count - 1] = end;
    return TL_OK;
  }
  if (set->count == 0 || set->bounds[set->count - 1] < begin) {
    TL_TRY(push_bound(arena, set, begin));
    return push_bound(arena, set, end);
  }
  uint32_t bounds[2] = {begin, end};
  return tl_charset_unite(arena, set, &(tl_charset){.bounds = bounds, .count = 2});
}

tl_status tl_charset_unite(tl_arena *arena, tl_charset *set, const tl_charset *other) {
  tl_charset joined = {0};
  size_t a = 0, b = 0;
  bool inside = false;
  while (a < set->count || b < other->count) {
    uint32_t at = a < set->count ? set->bounds[a] : TL_CODES_COUNT + 1;
    if (b < other->count && other->bounds[b] < at) at = other->bounds[b];
    if (a < set->count && set->bounds[a] == at) a++;
    if (b < other->count && other->bounds[b] == at) b++;
    bool now = a % 2 || b % 2;
    if (now != inside) TL_TRY(push_bound(arena, &joined, at));
    inside = now;
  }
  *set = joined;
  return TL_OK;
}

tl_status tl_charset_negate(tl_arena *arena, tl_charset *set) {
  tl_charset negated = {0};
  size_t first = set->count && set->bounds[0] == 0;
  if (!first) TL_TRY(push_bound(arena, &negated, 0));
  for (size_t i = first; i < set->count; i++)
    TL_TRY(push_bound(arena, &negated, set->bounds[i]));
  if (negated.count && negated.bounds[negated.count - 1] == TL_CODES_COUNT) {
    negated.count--;
  } else {
    TL_TRY(push_bound(arena, &negated, TL_CODES_COUNT));
  }
  *set = negated;
  return TL_OK;
}

bool tl_charset_has(const tl_charset *set, uint32_t code) {
  size_t low = 0, high = set->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (set->bounds[middle] <= code) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low % 2;
}

tl_status tl_charclasses_register(tl_charclasses *classes, const tl_charset *set,
                                  uint32_t *out_index) {
  for (uint32_t i = 0; i < classes->sets_count; i++) {
    const tl_charset *have = &classes->sets[i];
    if (have->count != set->count) continue;
    if (set->count && memcmp(have->bounds, set->bounds, set->count * sizeof *set->bounds) != 0)
      continue;
    *out_index = i;
    return TL_OK;
  }
  if (classes->sets_count == TL_CHARSETS_MAX) return TL_UNSUPPORTED;
  *out_index = classes->sets_count;
  classes->sets[classes->sets_count++] = *set;
  return TL_OK;
}

// Which sets a character is in, and a hash of that: most classes differ in it.
typedef struct membership {
  uint8_t in[TL_CHARSETS_MAX];
  uint64_t hash;
} membership;

static void change_membership(membership *m, uint32_t set) {
  m->in[set] ^= 1;
  m->hash ^= tl_hash64(&set, sizeof set, 0);
}

// The class with these memberships, made if it is new; TL_TOKENIZER_CLASSES_MAX if there is no
// room.
static uint32_t find_class(tl_charclasses *c, const membership *m, uint64_t *hashes) {
  for (uint32_t i = 0; i < c->classes_count; i++)
    if (hashes[i] == m->hash &&
        memcmp(c->members + (size_t)i * TL_CHARSETS_MAX, m->in, c->sets_count) == 0)
      return i;
  if (c->classes_count == TL_TOKENIZER_CLASSES_MAX) return TL_TOKENIZER_CLASSES_MAX;
  memcpy(c->members + (size_t)c->classes_count * TL_CHARSETS_MAX, m->in, TL_CHARSETS_MAX);
  hashes[c->classes_count] = m->hash;
  return c->classes_count++;
}

// Fills `class_of` for all code points, walking all inversion lists at once.
static tl_status classify(tl_charclasses *c, uint8_t *class_of) {
  size_t next[TL_CHARSETS_MAX] = {0};
  membership members = {{0}, 0};
  uint64_t hashes[TL_TOKENIZER_CLASSES_MAX] = {0};
  for (uint32_t code = 0; code < TL_CODES_COUNT;) {
    uint32_t stop = TL_CODES_COUNT;
    for (uint32_t s = 0; s < c->sets_count; s++) {
      const tl_charset *set = &c->sets[s];
      if (next[s] < set->count && set->bounds[next[s]] == code) {
        change_membership(&members, s);
        next[s]++;
      }
      if (next[s] < set->count && set->bounds[next[s]] < stop) stop = set->bounds[next[s]];
    }
    uint32_t class = find_class(c, &members, hashes);
    if (class == TL_TOKENIZER_CLASSES_MAX) return TL_UNSUPPORTED;
    memset(class_of + code, (int)class, stop - code);
    code = stop;
  }
  return TL_OK;
}

static bool is_block(const tl_charclasses *c, uint32_t index, const uint8_t *block) {
  return memcmp(c->blocks + (size_t)index * TL_CHAR_BLOCK, block, TL_CHAR_BLOCK) == 0;
}

static tl_status fold_blocks(tl_charclasses *c, tl_arena *arena, const uint8_t *class_of) {
  c->index = tl_arena_array(arena, TL_CHAR_BLOCKS, sizeof *c->index);
  c->blocks = tl_arena_array(arena, TL_CODES_COUNT, 1);
  uint64_t *hashes = tl_arena_array(arena, TL_CHAR_BLOCKS, sizeof *hashes);
  if (!c->index || !c->blocks || !hashes) return TL_MEMORY;
  for (uint32_t b = 0; b < TL_CHAR_BLOCKS; b++) {
    const uint8_t *block = class_of + (size_t)b * TL_CHAR_BLOCK;
    if (b > 0 && is_block(c, c->index[b - 1], block)) { // most are like the one before
      c->index[b] = c->index[b - 1];
      continue;
    }
    uint64_t hash = tl_hash64(block, TL_CHAR_BLOCK, 0);
    uint32_t same = 0;
    while (same < c->blocks_count && (hashes[same] != hash || !is_block(c, same, block)))
      same++;
    if (same == c->blocks_count) {
      memcpy(c->blocks + (size_t)c->blocks_count++ * TL_CHAR_BLOCK, block, TL_CHAR_BLOCK);
      hashes[same] = hash;
    }
    c->index[b] = (uint16_t)same;
  }
  return TL_OK;
}

tl_status tl_charclasses_build(tl_charclasses *classes, tl_arena *arena) {
  classes->members = tl_arena_array(arena, TL_TOKENIZER_CLASSES_MAX, TL_CHARSETS_MAX);
  uint8_t *class_of = tl_arena_array(arena, TL_CODES_COUNT, 1);
  if (!classes->members || !class_of) return TL_MEMORY;
  TL_TRY(classify(classes, class_of));
  return fold_blocks(classes, arena, class_of);
}
