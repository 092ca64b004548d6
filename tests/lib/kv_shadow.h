// A stand-in for KV memory, and a checker of the bookkeeping above it.
//
// The shadow keeps one id per position of every page, as a device would keep keys and values.
// Writing a step's rows and reading a sequence back through its tables must give its ids: a page
// shared too long, copied too late or freed too early shows as a wrong id.
#ifndef TL_TESTS_KV_SHADOW_H
#define TL_TESTS_KV_SHADOW_H

#include "runtime/engine/kv_state.h"
#include "tests/lib/check.h"

typedef struct kv_shadow {
  tl_kv *kv;
  void *memory;
  int32_t *cells[TL_GROUPS_MAX]; // [page][TL_PAGE_TOKENS]
} kv_shadow;

static inline void shadow_open(kv_shadow *shadow, const tl_kv_config *config) {
  size_t bytes = tl_kv_bytes_needed(config);
  CHECK(bytes > 0);
  shadow->memory = malloc(bytes);
  memset(shadow->memory, 0xa5, bytes);
  CHECK(tl_kv_init(config, shadow->memory, bytes, &shadow->kv, NULL) == TL_OK);
  for (int32_t g = 0; g < config->groups_count; g++)
    shadow->cells[g] = calloc((size_t)config->groups[g].pages_count, TL_PAGE_TOKENS * 4);
}

static inline void shadow_close(kv_shadow *shadow) {
  for (int32_t g = 0; g < shadow->kv->config.groups_count; g++)
    free(shadow->cells[g]);
  free(shadow->memory);
}

static inline void shadow_copy(kv_shadow *shadow, const tl_kv_copy *copies, int32_t count) {
  for (int32_t i = 0; i < count; i++) {
    int32_t *cells = shadow->cells[copies[i].group];
    memcpy(cells + (int64_t)copies[i].to * TL_PAGE_TOKENS,
           cells + (int64_t)copies[i].from * TL_PAGE_TOKENS, TL_PAGE_TOKENS * sizeof *cells);
  }
}

// The step's rows: positions [begin, end) of the sequence get their ids.
static inline void shadow_write(kv_shadow *shadow, int32_t sequence, const int32_t *ids,
                                int32_t begin, int32_t end) {
  for (int32_t g = 0; g < shadow->kv->config.groups_count; g++)
    for (int32_t p = begin; p < end; p++) {
      int32_t page = tl_kv_pages(shadow->kv, sequence, g)[p / TL_PAGE_TOKENS];
      CHECK(page >= 0 && shadow->kv->groups[g].pages[page].refs == 1);
      shadow->cells[g][(int64_t)page * TL_PAGE_TOKENS + p % TL_PAGE_TOKENS] = ids[p];
    }
}

// What the row at `position` looks at must be the sequence's ids.
static inline void shadow_check(const kv_shadow *shadow, int32_t sequence, const int32_t *ids,
                                int32_t position) {
  for (int32_t g = 0; g < shadow->kv->config.groups_count; g++) {
    const tl_kv_group_config *group = &shadow->kv->config.groups[g];
    int32_t first = 0;
    if (group->kind == TL_PLAN_GROUP_WINDOW) first = position - group->span + 1;
    if (group->kind == TL_PLAN_GROUP_CHUNK) first = position / group->span * group->span;
    for (int32_t p = first < 0 ? 0 : first; p < position; p++) {
      int32_t page = tl_kv_pages(shadow->kv, sequence, g)[p / TL_PAGE_TOKENS];
      CHECK(page >= 0);
      CHECK(shadow->cells[g][(int64_t)page * TL_PAGE_TOKENS + p % TL_PAGE_TOKENS] == ids[p]);
    }
  }
}

static inline void verify_group(const tl_kv *kv, int32_t g) {
  const tl_kv_group *group = &kv->groups[g];
  int32_t *refs = calloc((size_t)group->config.pages_count, sizeof *refs);
  for (int32_t s = 0; s < kv->config.sequences_max; s++)
    for (int32_t i = 0; i < kv->pages_max; i++) {
      int32_t page = tl_kv_table(kv, s, g)[i];
      CHECK(page == -1 || kv->sequences[s].used);
      if (page != -1) refs[page]++;
    }
  int32_t held = 0, free_count = 0, idle_count = 0;
  for (int32_t b = 0; b < kv->buckets_count; b++)
    for (int32_t e = kv->buckets[b]; e != -1; e = kv->entries[e].next) {
      int32_t page = kv->entries[e].pages[g];
      if (page == -1) continue;
      CHECK(group->pages[page].owner == e);
      refs[page]++;
      held++;
    }
  for (int32_t p = 0; p < group->config.pages_count; p++) {
    CHECK(group->pages[p].refs == refs[p]);
    if (group->pages[p].owner != -1) held--;
    free_count += refs[p] == 0;
    idle_count += refs[p] == 1 && group->pages[p].owner != -1;
  }
  CHECK(held == 0 && free_count == group->free_count && idle_count == group->idle_count);
  for (int32_t p = group->free_head; p != -1; p = group->pages[p].next, free_count--)
    CHECK(refs[p] == 0);
  for (int32_t p = group->oldest; p != -1; p = group->pages[p].next, idle_count--)
    CHECK(refs[p] == 1 && (p == group->newest) == (group->pages[p].next == -1));
  CHECK(free_count == 0 && idle_count == 0);
  free(refs);
}

static inline void verify_index(const tl_kv *kv) {
  size_t count = (size_t)kv->config.prefixes_max;
  int32_t *users = calloc(count + 1, sizeof *users), used = 0, unused = 0;
  for (int32_t s = 0; s < kv->config.sequences_max; s++)
    if (kv->sequences[s].used && kv->sequences[s].tail != -1) users[kv->sequences[s].tail]++;
  for (int32_t b = 0; b < kv->buckets_count; b++)
    for (int32_t e = kv->buckets[b]; e != -1; e = kv->entries[e].next, used++)
      if (kv->entries[e].parent != -1) users[kv->entries[e].parent]++;
  for (int32_t b = 0; b < kv->buckets_count; b++)
    for (int32_t e = kv->buckets[b]; e != -1; e = kv->entries[e].next) {
      bool pages = false;
      for (int32_t g = 0; g < kv->config.groups_count; g++)
        pages = pages || kv->entries[e].pages[g] != -1;
      CHECK(kv->entries[e].users == users[e] && (users[e] > 0 || pages));
    }
  for (int32_t e = kv->entry_free; e != -1; e = kv->entries[e].next)
    unused++;
  CHECK(used == kv->entries_count && used + unused == kv->config.prefixes_max);
  free(users);
}

// Every count of the bookkeeping, made again from nothing.
static inline void kv_verify(const tl_kv *kv) {
  for (int32_t g = 0; g < kv->config.groups_count; g++)
    verify_group(kv, g);
  verify_index(kv);
  for (int32_t s = 0; s < kv->config.sequences_max; s++) {
    const tl_kv_sequence *sequence = &kv->sequences[s];
    if (!sequence->used) continue;
    int32_t depth = 0;
    for (int32_t e = sequence->tail; e != -1; e = kv->entries[e].parent)
      depth++;
    CHECK(depth == sequence->published);
    for (int32_t g = 0; g < kv->config.groups_count; g++)
      for (int32_t i = 0; i < kv->pages_max; i++)
        CHECK((tl_kv_table(kv, s, g)[i] != -1) ==
              (i >= sequence->kept[g] && i < tl_kv_pages_of(sequence->length)));
  }
}

#endif
