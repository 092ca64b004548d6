// Memory of kernels under test: registered ranges of global memory, the block's arena with its
// record of who used each word, and copies that take place as late as they may.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/cuda/state.h"

// ---- ranges

// The last range that begins at or before `at`, or -1.
static int range_before(const tl_shim *shim, uintptr_t at) {
  int low = 0, high = shim->ranges_count;
  while (low < high) {
    int middle = (low + high) / 2;
    if (shim->ranges[middle].begin <= at) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low - 1;
}

static void forget(tl_range *range) {
  free(range->exchanged);
  free(range->written);
}

bool tl_shim_memory(tl_shim *shim, const void *pointer, size_t bytes, int flags, const char *name) {
  uintptr_t begin = (uintptr_t)pointer;
  int before = range_before(shim, begin), next = before + 1;
  if (bytes > UINTPTR_MAX - begin) return false;
  bool again = before >= 0 && shim->ranges[before].begin == begin;
  if (before >= 0 && !again && begin - shim->ranges[before].begin < shim->ranges[before].bytes)
    return false;
  if (next < shim->ranges_count && shim->ranges[next].begin - begin < bytes) return false;
  if (!again) {
    if (shim->ranges_count == TL_RANGES_MAX) return false;
    before = next;
    memmove(&shim->ranges[next + 1], &shim->ranges[next],
            (size_t)(shim->ranges_count - next) * sizeof *shim->ranges);
    shim->ranges_count++;
  }
  tl_range *range = &shim->ranges[before];
  if (again) forget(range);
  *range = (tl_range){.begin = begin, .bytes = bytes, .flags = flags};
  if (flags & TL_SHIM_EXCHANGE)
    range->exchanged = tl_shim_need(calloc(bytes / 4 + 1, sizeof *range->exchanged));
  if (flags & TL_SHIM_KEPT) range->written = tl_shim_need(calloc(bytes / 4 + 1, 1));
  snprintf(range->name, sizeof range->name, "%s", name);
  return true;
}

void tl_shim_memory_clear(tl_shim *shim) {
  for (int i = 0; i < shim->ranges_count; i++)
    forget(&shim->ranges[i]);
  shim->ranges_count = 0;
  shim->range_last = 0;
}

// Whether both the pointer that a kernel was given and what it accesses are in the range.
static bool holds(const tl_range *range, uintptr_t base, uintptr_t at, size_t bytes) {
  return base >= range->begin && base - range->begin <= range->bytes && at >= range->begin &&
         at - range->begin <= range->bytes && bytes <= range->bytes - (at - range->begin);
}

// Says which range was meant: that of the base, or else the one before.
static _Noreturn void fail_bounds(tl_shim *shim, const tl_site *site, uintptr_t base, uintptr_t at,
                                  tl_u32 bytes) {
  int meant = range_before(shim, base);
  if (meant < 0)
    tl_shim_fail(shim, site, "bounds: %u bytes at %#zx, below all ranges", bytes, (size_t)at);
  const tl_range *range = &shim->ranges[meant];
  tl_shim_fail(shim, site, "bounds: %u bytes at offset %lld of %s, which has %zu", bytes,
               (long long)(at - range->begin), range->name, range->bytes);
}

// Whether a read of [at, at + bytes) need not wait for earlier launches.
static bool is_kept(const tl_range *range, uintptr_t at, tl_u32 bytes) {
  return range->written &&
         !memchr(range->written + (at - range->begin) / 4, 1, (bytes + 3) / 4 + (at % 4 != 0));
}

// The range of an access to [at, at + bytes) that is in order.
static const tl_range *check_global(tl_shim *shim, const tl_site *site, const void *base,
                                    uintptr_t at, tl_u32 bytes, int need) {
  uintptr_t begin = (uintptr_t)base;
  const tl_range *range = &shim->ranges[shim->range_last];
  if (shim->range_last >= shim->ranges_count || !holds(range, begin, at, bytes)) {
    int found = range_before(shim, begin);
    if (found < 0 || !holds(&shim->ranges[found], begin, at, bytes))
      fail_bounds(shim, site, begin, at, bytes);
    shim->range_last = found;
    range = &shim->ranges[found];
  }
  if ((range->flags & need) != need)
    tl_shim_fail(shim, site, "bounds: %s may not be %s", range->name,
                 need & TL_SHIM_WRITE ? "written" : "read");
  bool waits = range->flags & TL_SHIM_EARLIER && !tl_shim_running(shim)->waited;
  if (waits && (need & TL_SHIM_WRITE || !is_kept(range, at, bytes)))
    tl_shim_fail(shim, site, "early: %s comes from an earlier launch that was not waited for",
                 range->name);
  if (range->written && need & TL_SHIM_WRITE)
    memset(range->written + (at - range->begin) / 4, 1, (bytes + 3) / 4);
  if (shim->traffic && need & TL_SHIM_READ) tl_traffic_add(shim->traffic, at, bytes);
  return range;
}

void *tl_shim_element(tl_shim *shim, const tl_site *site, const void *base, tl_i64 index,
                      tl_u32 bytes, int need) {
  uintptr_t at = (uintptr_t)base + (uintptr_t)index * bytes;
  const tl_range *range = check_global(shim, site, base, at, bytes, need);
  if (at % bytes)
    tl_shim_fail(shim, site, "alignment: %u bytes at offset %zu of %s", bytes,
                 (size_t)(at - range->begin), range->name);
  if (range->exchanged)
    tl_exchange_touch(shim, site, range, at, bytes, (need & TL_SHIM_WRITE) != 0);
  return (void *)at;
}

void tl_shim_load(const tl_site *site, const void *base, tl_i64 index, void *out, tl_u32 bytes) {
  memcpy(out, tl_shim_element(tl_shim_current, site, base, index, bytes, TL_SHIM_READ), bytes);
}

void tl_shim_store(const tl_site *site, void *base, tl_i64 index, const void *in, tl_u32 bytes) {
  memcpy(tl_shim_element(tl_shim_current, site, base, index, bytes, TL_SHIM_WRITE), in, bytes);
}

void tl_shim_stream(const tl_site *site, const void *base, tl_i64 index, void *out, tl_u32 bytes) {
  tl_shim *shim = tl_shim_current;
  const void *at = tl_shim_element(shim, site, base, index, bytes, TL_SHIM_READ);
  const tl_range *range = &shim->ranges[shim->range_last];
  if (range->flags & TL_SHIM_WRITE)
    tl_shim_fail(shim, site, "bounds: %s may be written, its lines are not kept true", range->name);
  memcpy(out, at, bytes);
}

void tl_global_check(tl_shim *shim, const tl_site *site, const void *from, tl_u32 bytes) {
  check_global(shim, site, from, (uintptr_t)from, bytes, TL_SHIM_READ);
}

void tl_global_check_async(tl_shim *shim, const tl_site *site, const void *from, tl_u32 bytes) {
  uintptr_t at = (uintptr_t)from;
  const tl_range *range = check_global(shim, site, from, at, bytes, TL_SHIM_READ);
  bool is_old = !(range->flags & TL_SHIM_EARLIER) || is_kept(range, at, bytes);
  if (!is_old && !tl_shim_running(shim)->fenced)
    tl_shim_fail(shim, site, "fence: %s comes from an earlier launch, with no fence since",
                 range->name);
}

// ---- the arena

static void check_shared(tl_shim *shim, const tl_site *site, tl_u32 at, tl_u32 bytes) {
  int64_t end = (int64_t)at + bytes;
  if (end > shim->grid.shared_bytes)
    tl_shim_fail(shim, site, "bounds: %u bytes at offset %u of shared memory, which has %lld",
                 bytes, at, (long long)shim->grid.shared_bytes);
  if (at % bytes)
    tl_shim_fail(shim, site, "alignment: %u bytes at offset %u of shared memory", bytes, at);
}

// The running warp, counted in its block.
static int warp_of(const tl_shim *shim) {
  return shim->thread % shim->grid.threads / TL_LANES;
}

static _Noreturn void fail_race(tl_shim *shim, const tl_site *site, const tl_word *word,
                                bool write) {
  int warp = warp_of(shim);
  bool other_wrote = word->writer && word->writer != (uint32_t)warp + 1;
  int other = other_wrote ? (int)word->writer - 1 : __builtin_ctz(word->readers & ~(1u << warp));
  const tl_site *place = other_wrote ? word->written : word->read;
  tl_shim_fail(shim, site,
               "race: warp %d %s shared memory at offset %d, warp %d %s it, no barrier between; "
               "%s:%d: %s",
               warp, write ? "writes" : "reads", (int)(word - tl_shim_block_of(shim)->words) * 4,
               other, other_wrote ? "wrote" : "read", place->file, place->line, place->operation);
}

static _Noreturn void fail_cluster_race(tl_shim *shim, const tl_site *site, tl_u32 at) {
  tl_shim_fail(shim, site,
               "race: shared memory at offset %u, two blocks use it, no barrier of the cluster "
               "between",
               at);
}

// Another block's write and any other use of a word are a barrier of the cluster apart.
static void touch_from_afar(tl_shim *shim, const tl_site *site, tl_block_data *block, tl_u32 at) {
  tl_word *word = &block->words[at / 4];
  int warp = shim->thread / TL_LANES;
  bool is_own = word->others == shim->epoch && word->other == warp;
  if (word->own == shim->epoch || (word->others == shim->epoch && !is_own))
    fail_cluster_race(shim, site, at);
  word->others = shim->epoch;
  word->other = warp;
}

// Lanes of one warp, which ran one after another.
static void check_lanes(tl_shim *shim, const tl_site *site, const tl_word *word, bool write) {
  int warp = shim->thread / TL_LANES, lane = shim->thread % TL_LANES;
  uint32_t turn = shim->warps[warp].turn, meeting = shim->warps[warp].meetings;
  bool wrote = word->writer && word->written_turn == turn && word->written_lane != lane;
  bool read = write && word->readers && word->read_meeting == meeting && word->read_lane != lane;
  if (!wrote && !read) return;
  const tl_site *place = wrote ? word->written : word->read;
  tl_shim_fail(shim, site,
               "race: a lane %s shared memory at offset %d, lane %d %s it, no barrier of the warp "
               "between; %s:%d: %s",
               write ? "writes" : "reads", (int)(word - tl_shim_block_of(shim)->words) * 4,
               wrote ? word->written_lane : word->read_lane, wrote ? "wrote" : "read", place->file,
               place->line, place->operation);
}

static void note_read(tl_shim *shim, const tl_site *site, tl_word *word) {
  int lane = shim->thread % TL_LANES;
  uint32_t meeting = shim->warps[shim->thread / TL_LANES].meetings;
  bool another = word->readers && word->read_meeting == meeting && word->read_lane != lane;
  word->read_lane = another ? -1 : lane;
  word->read_meeting = meeting;
  word->readers |= 1u << warp_of(shim);
  word->read = site;
}

void tl_shared_touch(tl_shim *shim, const tl_site *site, tl_u32 at, tl_u32 bytes, bool write) {
  check_shared(shim, site, at, bytes);
  tl_block_data *block = tl_shim_block_of(shim);
  if (shim->boxes_count && tl_box_over(shim, block, at, bytes))
    tl_shim_fail(shim, site, "copy: a box is under way to offset %u", at);
  uint32_t warp = (uint32_t)warp_of(shim), bit = 1u << warp;
  tl_word *end = &block->words[(at + bytes + 3) / 4];
  for (tl_word *word = &block->words[at / 4]; word < end; word++) {
    if (word->others == shim->epoch) fail_cluster_race(shim, site, at);
    word->own = shim->epoch;
    if (word->epoch != block->epoch) {
      word->epoch = block->epoch;
      word->readers = word->writer = 0;
    }
    if (word->writer && word->writer != warp + 1) fail_race(shim, site, word, write);
    if (write && word->readers & ~bit) fail_race(shim, site, word, write);
    check_lanes(shim, site, word, write);
    if (!write) {
      note_read(shim, site, word);
      continue;
    }
    word->writer = warp + 1;
    word->written = site;
    word->written_lane = shim->thread % TL_LANES;
    word->written_turn = shim->warps[shim->thread / TL_LANES].turn;
    word->plain = block->number;
    word->plain_warp = warp;
  }
}

void tl_async_touch(tl_shim *shim, const tl_site *site, tl_u32 at, tl_u32 bytes, bool write) {
  tl_block_data *block = tl_shim_block_of(shim);
  if ((int64_t)at + bytes > shim->grid.shared_bytes)
    tl_shim_fail(shim, site, "bounds: %u bytes at offset %u of shared memory, which has %lld",
                 bytes, at, (long long)shim->grid.shared_bytes);
  if (tl_box_over(shim, block, at, bytes))
    tl_shim_fail(shim, site, "copy: a box is under way to offset %u", at);
  uint32_t own = 1u << warp_of(shim);
  for (tl_word *word = &block->words[at / 4]; word < &block->words[(at + bytes) / 4]; word++) {
    if (word->plain == block->number)
      tl_shim_fail(shim, site, "fence: offset %u was written with no fence since", at);
    if (!write || word->epoch != block->epoch) continue;
    if (word->readers & ~own || (word->writer && 1u << (word->writer - 1) != own))
      fail_race(shim, site, word, true);
  }
}

void tl_shim_boxes_begin(void) {
  tl_shim *shim = tl_shim_current;
  tl_block_data *block = tl_shim_block_of(shim);
  tl_thread_data *thread = tl_shim_running(shim);
  thread->fenced = thread->waited;
  for (int64_t i = 0; i < shim->grid.shared_bytes / 4; i++) {
    tl_word *word = &block->words[i];
    if (word->plain == block->number && word->plain_warp == (uint32_t)warp_of(shim))
      word->plain = 0;
  }
}

void tl_shim_get(const tl_site *site, tl_u32 at, void *out, tl_u32 bytes) {
  tl_shim *shim = tl_shim_current;
  tl_shared_touch(shim, site, at, bytes, false);
  memcpy(out, tl_shim_block_of(shim)->shared + at, bytes);
}

// What the thread's own copies bring comes before or after what it writes itself; other threads'
// copies are writes of theirs, with no barrier between.
static void check_own_copies(tl_shim *shim, const tl_site *site, tl_u32 at, tl_u32 bytes) {
  const tl_thread_data *thread = tl_shim_running(shim);
  for (int i = 0; i < thread->copies_count; i++) {
    tl_u32 to = thread->copies[(thread->copies_begin + i) % TL_COPIES_MAX].at;
    if (at < to + TL_COPY_BYTES && to < at + bytes)
      tl_shim_fail(shim, site, "copy: one is under way to offset %u", at);
  }
}

void tl_shim_put(const tl_site *site, tl_u32 at, const void *in, tl_u32 bytes) {
  tl_shim *shim = tl_shim_current;
  tl_shared_touch(shim, site, at, bytes, true);
  check_own_copies(shim, site, at, bytes);
  memcpy(tl_shim_block_of(shim)->shared + at, in, bytes);
}

void tl_shim_cluster_put_f32(const tl_site *site, tl_i32 rank, tl_u32 at, float value) {
  tl_shim *shim = tl_shim_current;
  if (rank < 0 || rank >= shim->cluster)
    tl_shim_fail(shim, site, "bounds: there is no block %d in the cluster", rank);
  tl_block_data *block = &shim->blocks[rank];
  check_shared(shim, site, at, sizeof value);
  if (shim->epoch == shim->epoch_begun)
    tl_shim_fail(shim, site, "early: block %d need not run yet", rank);
  if (!block->live) tl_shim_fail(shim, site, "bounds: block %d has ended", rank);
  touch_from_afar(shim, site, block, at);
  memcpy(block->shared + at, &value, sizeof value);
}

// ---- copies

void tl_shim_copy(const tl_site *site, tl_u32 at, const void *from, tl_u32 bytes) {
  tl_shim *shim = tl_shim_current;
  tl_thread_data *thread = tl_shim_running(shim);
  if (bytes > TL_COPY_BYTES) tl_shim_fail(shim, site, "copy: of %u bytes", bytes);
  if ((uintptr_t)from % TL_COPY_BYTES)
    tl_shim_fail(shim, site, "alignment: a copy's source at %p", from);
  if (bytes) check_global(shim, site, from, (uintptr_t)from, bytes, TL_SHIM_READ);
  if (thread->copies_count == TL_COPIES_MAX)
    tl_shim_fail(shim, site, "copy: more than %d under way", TL_COPIES_MAX);
  tl_shared_touch(shim, site, at, TL_COPY_BYTES, true);
  memset(tl_shim_block_of(shim)->shared + at, TL_POISON, TL_COPY_BYTES);
  int slot = (thread->copies_begin + thread->copies_count++) % TL_COPIES_MAX;
  thread->copies[slot] = (tl_copy){site, from, at, bytes, thread->groups};
}

void tl_shim_copy_commit(void) {
  tl_shim_running(tl_shim_current)->groups++;
}

void tl_shim_copy_wait(tl_i32 left) {
  tl_shim *shim = tl_shim_current;
  tl_thread_data *thread = tl_shim_running(shim);
  while (thread->copies_count) {
    const tl_copy *copy = &thread->copies[thread->copies_begin];
    if ((int64_t)copy->group >= (int64_t)thread->groups - left) return;
    tl_shared_touch(shim, copy->site, copy->at, TL_COPY_BYTES, true);
    unsigned char *to = tl_shim_block_of(shim)->shared + copy->at;
    memset(to, 0, TL_COPY_BYTES);
    memcpy(to, copy->from, copy->bytes);
    thread->copies_begin = (thread->copies_begin + 1) % TL_COPIES_MAX;
    thread->copies_count--;
  }
}

void tl_copies_check(tl_shim *shim) {
  const tl_thread_data *thread = tl_shim_running(shim);
  if (thread->copies_count)
    tl_shim_fail(shim, thread->copies[thread->copies_begin].site,
                 "copy: %d under way when the thread ended", thread->copies_count);
}
