// KV bookkeeping: which page of each group holds which positions of which sequence. Pure: it never
// touches device memory and never allocates; everything lies in one block given at the start.
//
// A page is TL_PAGE_TOKENS positions of all layers of one group. Pages are counted references:
// sequences share them after a fork or a prefix match, and the prefix index holds pages of finished
// prompts until somebody needs the room. A page that is shared is never written; append says which
// pages have to be copied first.
//
//   tables, per group and sequence              prefix index: a tree of whole pages of ids
//     sequence 0 | 7 | 3 | 9 |-1 |                root(salt 0)
//     sequence 1 | 7 | 3 | 4 |-1 |   (forked)      +- entry 0: ids[64], page 7 of group 0, ..
//     sequence 2 |-1 |-1 | 5 | 8 |   (window)      |   +- entry 1: ids[64], page 3 of group 0, ..
//
// Invariant: references of a page = table entries + index entries that name it; free pages have
// none, pages that only the index holds are in a list from the longest to the shortest unused.
// One thread at a time.
#ifndef TL_ENGINE_KV_H
#define TL_ENGINE_KV_H

#include "runtime/base/diag.h"
#include "runtime/base/plan.h"

enum {
  TL_KV_PAGES_MAX = 1 << 24,     // of a group
  TL_KV_SEQUENCES_MAX = 1 << 16, //
  TL_KV_LENGTH_MAX = 1 << 30,    // positions of a sequence
  TL_KV_PREFIXES_MAX = 1 << 24,  // entries of the index
};

typedef struct tl_kv tl_kv;

typedef struct tl_kv_group_config {
  tl_plan_group_kind kind; // CROSS is not supported
  int32_t span;            // positions of a window or chunk, >= 1; ignored for the others
  int32_t pages_count;     // that exist, >= 1
} tl_kv_group_config;

typedef struct tl_kv_config {
  tl_kv_group_config groups[TL_GROUPS_MAX];
  int32_t groups_count;  // 0 = a model without KV: only lengths are kept
  int32_t sequences_max; // >= 1
  int32_t length_max;    // positions of a sequence, >= 1
  int32_t rollback;      // positions that truncate can always take back, >= 0
  int32_t prefixes_max;  // entries of the index; 0 = none
} tl_kv_config;

// Before the next step, page `from` of `group` must be copied to page `to`; in the order given.
typedef struct tl_kv_copy {
  int32_t group, from, to;
} tl_kv_copy;

// Bytes that tl_kv_init needs; 0 if the configuration is out of its limits.
size_t tl_kv_bytes_needed(const tl_kv_config *config);

// Sets up `memory` (aligned to 16, `bytes` >= tl_kv_bytes_needed) with no sequence and all pages
// free; it belongs to the result until its end of life. TL_UNSUPPORTED for a group kind, TL_USAGE
// for the rest.
TL_CHECKED tl_status tl_kv_init(const tl_kv_config *config, void *memory, size_t bytes,
                                tl_kv **out_kv, tl_diag *diag);

// The number of a new, empty sequence, the lowest that is free; -1 if all are taken.
int32_t tl_kv_open(tl_kv *kv);

// A new sequence with the content of `sequence`, sharing all pages; -1 if all are taken or if
// `sequence` is unknown.
int32_t tl_kv_fork(tl_kv *kv, int32_t sequence);

// Ends a sequence. False if it is unknown.
bool tl_kv_release(tl_kv *kv, int32_t sequence);

// Positions of the sequence; -1 if it is unknown.
int32_t tl_kv_length(const tl_kv *kv, int32_t sequence);

// Makes room for `rows` (>= 1) more positions and counts them to the length. Writes the copies that
// must precede the step, at most one per group, to `out_copies`. TL_MEMORY if a group has too few
// pages or the sequence would be too long, TL_USAGE for an unknown sequence; then the length is as
// before and no copy is due.
TL_CHECKED tl_status tl_kv_append(tl_kv *kv, int32_t sequence, int32_t rows,
                                  tl_kv_copy out_copies[TL_GROUPS_MAX], int32_t *out_copies_count);

// Forgets positions from `length` on. TL_USAGE if the sequence is unknown, if `length` is outside
// 0 .. its length, or if a window or chunk has already dropped what its next row would look at;
// that never happens for 0 or within `rollback` of the greatest length so far.
TL_CHECKED tl_status tl_kv_truncate(tl_kv *kv, int32_t sequence, int32_t length);

// Gives up pages of windows and chunks that neither the next row nor one after `rollback` can look
// at. Append does it too; call it after a step so that the free counts are up to date.
void tl_kv_trim(tl_kv *kv, int32_t sequence);

// Puts the whole pages of the sequence's first `ids_count` ids into the index; their rows must have
// run, and `salt` and the ids must be those of all earlier calls. Where the index knows a page
// already, the sequence changes over to it and gives up its own. Without room it does less.
void tl_kv_publish(tl_kv *kv, int32_t sequence, uint64_t salt, const int32_t *ids,
                   int32_t ids_count);

// Gives the empty `sequence` the longest run of whole pages of `ids` that the index holds for
// `salt`; returns its new length, a multiple of TL_PAGE_TOKENS, 0 if there is none. Ids are
// compared, a hash alone never decides. Pass one id less than the prompt has, so that a row is left
// to run.
int32_t tl_kv_match(tl_kv *kv, int32_t sequence, uint64_t salt, const int32_t *ids,
                    int32_t ids_count);

// Empties the index, except for what running sequences hold.
void tl_kv_forget(tl_kv *kv);

// Page table of the sequence: tl_kv_pages_max entries, -1 where there is no page. Valid until the
// next call that changes the sequence; NULL if it or the group is unknown.
const int32_t *tl_kv_pages(const tl_kv *kv, int32_t sequence, int32_t group);

// Entries of a page table.
int32_t tl_kv_pages_max(const tl_kv *kv);

// Pages of the group that append can still take: free ones and those that only the index holds.
int32_t tl_kv_pages_free(const tl_kv *kv, int32_t group);

// Bit g is set if the next row of the sequence needs an extra page of group g, because the page it
// would write to is shared.
uint32_t tl_kv_copies_due(const tl_kv *kv, int32_t sequence);

// Pages of a group that one sequence holds at most while at most `rows_max` rows are appended at a
// time: what a pool of pages must have for each sequence that is to run undisturbed.
int32_t tl_kv_pages_held_max(const tl_kv_config *config, int32_t group, int32_t rows_max);

// Pages that hold `positions` positions.
static inline int32_t tl_kv_pages_of(int32_t positions) {
  return positions / TL_PAGE_TOKENS + (positions % TL_PAGE_TOKENS != 0);
}

#endif
