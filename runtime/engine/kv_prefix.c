// The prefix index: a tree whose nodes are whole pages of ids, found through a hash table.
//
// An entry is confirmed by its parent's number and its own ids; the parent was confirmed before it,
// so equality of the whole prefix follows page by page. A window's page may be missing from an
// entry: its prefix can then be used only by going deeper, to a border whose window is all there.
#include "runtime/engine/kv_state.h"

static uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
  hash ^= hash >> 32;
  hash *= 0xd6e8feb86659fd93u;
  return hash ^ hash >> 29;
}

static uint64_t hash_page(const tl_kv *kv, int32_t parent, uint64_t salt, const int32_t *ids) {
  uint64_t hash = parent == TL_KV_NONE ? mix(0, salt) : kv->entries[parent].hash;
  for (int i = 0; i < TL_PAGE_TOKENS; i += 2)
    hash = mix(hash, (uint64_t)(uint32_t)ids[i] << 32 | (uint32_t)ids[i + 1]);
  return hash;
}

static int32_t *bucket_of(const tl_kv *kv, uint64_t hash) {
  return &kv->buckets[hash & (uint64_t)(kv->buckets_count - 1)];
}

static int32_t *ids_of(const tl_kv *kv, int32_t entry) {
  return kv->ids + (int64_t)entry * TL_PAGE_TOKENS;
}

// The entry of the page `ids` after `parent`; NONE if there is none.
static int32_t find(const tl_kv *kv, int32_t parent, uint64_t salt, const int32_t *ids) {
  if (kv->buckets_count == 0) return TL_KV_NONE;
  uint64_t hash = hash_page(kv, parent, salt, ids);
  for (int32_t e = *bucket_of(kv, hash); e != TL_KV_NONE; e = kv->entries[e].next) {
    const tl_kv_entry *entry = &kv->entries[e];
    if (entry->hash == hash && entry->parent == parent && entry->salt == salt &&
        memcmp(ids_of(kv, e), ids, TL_PAGE_TOKENS * sizeof *ids) == 0)
      return e;
  }
  return TL_KV_NONE;
}

static bool has_pages(const tl_kv *kv, const tl_kv_entry *entry) {
  for (int32_t g = 0; g < kv->config.groups_count; g++)
    if (entry->pages[g] != TL_KV_NONE) return true;
  return false;
}

// Frees entries without pages and users, from `e` upwards.
static void collect(tl_kv *kv, int32_t e) {
  while (e != TL_KV_NONE && kv->entries[e].users == 0 && !has_pages(kv, &kv->entries[e])) {
    tl_kv_entry *entry = &kv->entries[e];
    int32_t *link = bucket_of(kv, entry->hash);
    while (*link != e)
      link = &kv->entries[*link].next;
    *link = entry->next;
    int32_t parent = entry->parent;
    entry->next = kv->entry_free;
    kv->entry_free = e;
    kv->entries_count--;
    if (parent != TL_KV_NONE) kv->entries[parent].users--;
    e = parent;
  }
}

static void entry_give_up(tl_kv *kv, int32_t e, int32_t g) {
  tl_kv_group *group = &kv->groups[g];
  int32_t page = kv->entries[e].pages[g];
  if (page == TL_KV_NONE) return;
  kv->entries[e].pages[g] = TL_KV_NONE;
  // The extra reference takes an idle page out of its list before it loses its owner.
  tl_kv_page_hold(group, page);
  group->pages[page].owner = TL_KV_NONE;
  tl_kv_page_drop(group, page);
  tl_kv_page_drop(group, page);
}

static void entry_give_up_all(tl_kv *kv, int32_t e) {
  for (int32_t g = 0; g < kv->config.groups_count; g++)
    entry_give_up(kv, e, g);
  collect(kv, e);
}

void tl_kv_evict(tl_kv *kv, int32_t group) {
  tl_kv_group *from = &kv->groups[group];
  int32_t e = from->pages[from->oldest].owner;
  if (tl_kv_sees_all(from)) {
    entry_give_up_all(kv, e);
    return;
  }
  entry_give_up(kv, e, group);
  collect(kv, e);
}

void tl_kv_forget(tl_kv *kv) {
  for (int32_t g = 0; g < kv->config.groups_count; g++)
    while (kv->groups[g].idle_count > 0)
      tl_kv_evict(kv, g);
}

void tl_kv_tail_cut(tl_kv *kv, tl_kv_sequence *sequence, int32_t pages) {
  int32_t before = sequence->tail, after = before;
  for (; sequence->published > pages; sequence->published--)
    after = kv->entries[after].parent;
  if (after == before) return;
  sequence->tail = after;
  if (after != TL_KV_NONE) kv->entries[after].users++;
  kv->entries[before].users--;
  collect(kv, before);
}

// Makes room for one entry by giving up the page that is longest unused.
static void entries_evict(tl_kv *kv) {
  int32_t g = 0;
  while (g + 1 < kv->config.groups_count && !tl_kv_sees_all(&kv->groups[g]))
    g++;
  const tl_kv_group *group = &kv->groups[g];
  if (group->oldest != TL_KV_NONE) entry_give_up_all(kv, group->pages[group->oldest].owner);
}

// A new entry after the sequence's tail, still without pages; NONE if there is no room.
static int32_t entry_add(tl_kv *kv, int32_t parent, uint64_t salt, const int32_t *ids) {
  if (kv->entry_free == TL_KV_NONE) entries_evict(kv);
  int32_t e = kv->entry_free;
  if (e == TL_KV_NONE) return e;
  tl_kv_entry *entry = &kv->entries[e];
  kv->entry_free = entry->next;
  kv->entries_count++;
  *entry = (tl_kv_entry){.salt = salt, .parent = parent};
  entry->hash = hash_page(kv, parent, salt, ids);
  memcpy(ids_of(kv, e), ids, TL_PAGE_TOKENS * sizeof *ids);
  for (int32_t g = 0; g < TL_GROUPS_MAX; g++)
    entry->pages[g] = TL_KV_NONE;
  int32_t *bucket = bucket_of(kv, entry->hash);
  entry->next = *bucket;
  *bucket = e;
  if (parent != TL_KV_NONE) kv->entries[parent].users++;
  return e;
}

// Makes table and entry agree on page `index`: the entry's page wins, a missing one is taken over.
static void share_page(tl_kv *kv, int32_t sequence, int32_t index, int32_t e) {
  for (int32_t g = 0; g < kv->config.groups_count; g++) {
    tl_kv_group *group = &kv->groups[g];
    int32_t *own = &tl_kv_table(kv, sequence, g)[index], *known = &kv->entries[e].pages[g];
    if (*own == TL_KV_NONE || *own == *known) continue;
    if (*known != TL_KV_NONE) {
      tl_kv_page_hold(group, *known);
      tl_kv_page_drop(group, *own);
      *own = *known;
    } else if (group->pages[*own].owner == TL_KV_NONE) {
      *known = *own;
      tl_kv_page_own(group, *own, e);
    }
  }
}

// True if the index could hold all of page `index` that rows of full groups look at.
static bool can_publish(const tl_kv *kv, int32_t sequence, int32_t index) {
  for (int32_t g = 0; g < kv->config.groups_count; g++) {
    int32_t page = tl_kv_table(kv, sequence, g)[index];
    bool taken = page == TL_KV_NONE || kv->groups[g].pages[page].owner != TL_KV_NONE;
    if (taken && tl_kv_sees_all(&kv->groups[g])) return false;
  }
  return true;
}

void tl_kv_publish(tl_kv *kv, int32_t sequence, uint64_t salt, const int32_t *ids,
                   int32_t ids_count) {
  if (!tl_kv_knows(kv, sequence) || kv->config.groups_count == 0) return;
  tl_kv_sequence *s = &kv->sequences[sequence];
  int32_t whole = (ids_count < s->length ? ids_count : s->length) / TL_PAGE_TOKENS;
  while (s->published < whole) {
    const int32_t *page_ids = ids + (int64_t)s->published * TL_PAGE_TOKENS;
    int32_t e = find(kv, s->tail, salt, page_ids);
    if (e == TL_KV_NONE && can_publish(kv, sequence, s->published))
      e = entry_add(kv, s->tail, salt, page_ids);
    if (e == TL_KV_NONE) return;
    share_page(kv, sequence, s->published, e);
    kv->entries[e].users++;
    if (s->tail != TL_KV_NONE) kv->entries[s->tail].users--;
    s->tail = e;
    s->published++;
  }
}

// The deepest entry of the prefix whose border can be resumed from; its depth in pages.
static int32_t deepest(const tl_kv *kv, uint64_t salt, const int32_t *ids, int32_t whole,
                       int32_t *out_entry) {
  int32_t run[TL_GROUPS_MAX] = {0}; // pages in a row that the index has, up to here
  int32_t best = 0, parent = TL_KV_NONE;
  *out_entry = TL_KV_NONE;
  for (int32_t depth = 1; depth <= whole; depth++) {
    int32_t e = find(kv, parent, salt, ids + (int64_t)(depth - 1) * TL_PAGE_TOKENS);
    if (e == TL_KV_NONE) break;
    bool complete = true;
    for (int32_t g = 0; g < kv->config.groups_count; g++) {
      run[g] = kv->entries[e].pages[g] == TL_KV_NONE ? 0 : run[g] + 1;
      int32_t first = tl_kv_first_page(&kv->groups[g], depth * TL_PAGE_TOKENS);
      complete = complete && run[g] >= depth - first;
    }
    if (complete) {
      best = depth;
      *out_entry = e;
    }
    parent = e;
  }
  return best;
}

int32_t tl_kv_match(tl_kv *kv, int32_t sequence, uint64_t salt, const int32_t *ids,
                    int32_t ids_count) {
  if (tl_kv_length(kv, sequence) != 0 || kv->config.groups_count == 0) return 0;
  if (ids_count > kv->config.length_max) ids_count = kv->config.length_max;
  tl_kv_sequence *s = &kv->sequences[sequence];
  int32_t e, depth = deepest(kv, salt, ids, ids_count / TL_PAGE_TOKENS, &e);
  if (depth == 0) return 0;
  s->length = depth * TL_PAGE_TOKENS;
  s->published = depth;
  s->tail = e;
  kv->entries[e].users++;
  for (int32_t g = 0; g < kv->config.groups_count; g++)
    s->kept[g] = tl_kv_first_page(&kv->groups[g], s->length);
  for (int32_t i = depth; i-- > 0; e = kv->entries[e].parent)
    for (int32_t g = 0; g < kv->config.groups_count; g++) {
      if (i < s->kept[g]) continue;
      int32_t page = kv->entries[e].pages[g];
      tl_kv_page_hold(&kv->groups[g], page);
      tl_kv_table(kv, sequence, g)[i] = page;
    }
  return s->length;
}
