// The inside of tl_kv, shared by kv.c (pages and sequences), kv_prefix.c (the index) and the tests'
// checker. Lists are numbers, not pointers; NONE ends them.
//
//   | tl_kv | sequences | tables[g][sequence][page] | pages[g] .. | entries | ids | buckets |
#ifndef TL_ENGINE_KV_STATE_H
#define TL_ENGINE_KV_STATE_H

#include "runtime/engine/kv.h"

enum { TL_KV_NONE = -1 };

typedef struct tl_kv_page {
  int32_t refs;
  int32_t owner;      // index entry that holds one of the references
  int32_t prev, next; // of the group's idle list; `next` also of the free list
} tl_kv_page;

typedef struct tl_kv_group {
  tl_kv_group_config config;
  tl_kv_page *pages;
  int32_t free_head, free_count;
  int32_t oldest, newest, idle_count; // pages that only the index holds
  int32_t *tables;                    // [sequences_max][pages_max]
} tl_kv_group;

typedef struct tl_kv_sequence {
  bool used;
  int32_t length;
  int32_t tail;                // index entry of its newest published page
  int32_t published;           // pages from the start that the index holds
  int32_t kept[TL_GROUPS_MAX]; // first page not given up yet
} tl_kv_sequence;

// A whole page of ids after those of its parent. Lives while it has pages, children or sequences.
typedef struct tl_kv_entry {
  uint64_t hash; // of salt and all ids from the start
  uint64_t salt;
  int32_t parent; // NONE = the first page
  int32_t users;  // children, and sequences whose tail it is
  int32_t next;   // of its bucket or of the free list
  int32_t pages[TL_GROUPS_MAX];
} tl_kv_entry;

struct tl_kv {
  tl_kv_config config;
  int32_t pages_max;
  tl_kv_group groups[TL_GROUPS_MAX];
  tl_kv_sequence *sequences;
  tl_kv_entry *entries;
  int32_t *ids; // [prefixes_max][TL_PAGE_TOKENS]
  int32_t *buckets;
  int32_t buckets_count; // a power of two, 0 without an index
  int32_t entry_free;
  int32_t entries_count; // in use
};

static inline int32_t *tl_kv_table(const tl_kv *kv, int32_t sequence, int32_t group) {
  return kv->groups[group].tables + (int64_t)sequence * kv->pages_max;
}

static inline bool tl_kv_knows(const tl_kv *kv, int32_t sequence) {
  return sequence >= 0 && sequence < kv->config.sequences_max && kv->sequences[sequence].used;
}

// True if a group's rows look at every earlier position.
static inline bool tl_kv_sees_all(const tl_kv_group *group) {
  return group->config.kind == TL_PLAN_GROUP_FULL || group->config.kind == TL_PLAN_GROUP_LATENT;
}

// Page that holds the first position that the row at `position` looks at.
int32_t tl_kv_first_page(const tl_kv_group *group, int32_t position);

// One reference more or less.
void tl_kv_page_hold(tl_kv_group *group, int32_t page);
void tl_kv_page_drop(tl_kv_group *group, int32_t page);

// The index entry `entry` starts to hold `page`, which it names already.
void tl_kv_page_own(tl_kv_group *group, int32_t page, int32_t entry);

// The index gives up its page of `group` that is longest unused, which is then free, and with it
// all pages of the entry if the entry has become useless. There must be one.
void tl_kv_evict(tl_kv *kv, int32_t group);

// Moves the sequence's tail up to its first `pages` pages.
void tl_kv_tail_cut(tl_kv *kv, tl_kv_sequence *sequence, int32_t pages);

#endif
