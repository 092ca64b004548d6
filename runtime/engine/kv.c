// Pages and sequences. Pages of a sequence are given back from the deepest to the first, so that in
// the idle lists a page is always older than those it builds on and eviction eats chains from their
// ends.
#include "runtime/engine/kv.h"

#include "runtime/engine/kv_state.h"

enum { ALIGNMENT = 16 };

// ---------------------------------------------------------------------------------------------
// Memory

// Hands out parts of a block; with a NULL base it only counts.
typedef struct cursor {
  char *base;
  size_t used;
  bool overflow;
} cursor;

static void *carve(cursor *c, size_t count, size_t element_bytes) {
  size_t bytes, end, start = c->used;
  if (__builtin_mul_overflow(count, element_bytes, &bytes) ||
      __builtin_add_overflow(start, bytes, &end) || end > SIZE_MAX - ALIGNMENT) {
    c->overflow = true;
    return NULL;
  }
  c->used = (end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  return c->base ? c->base + start : NULL;
}

static bool within(int32_t value, int32_t least, int32_t most) {
  return value >= least && value <= most;
}

static bool config_is_valid(const tl_kv_config *config) {
  if (!within(config->groups_count, 0, TL_GROUPS_MAX) ||
      !within(config->sequences_max, 1, TL_KV_SEQUENCES_MAX) ||
      !within(config->length_max, 1, TL_KV_LENGTH_MAX) ||
      !within(config->rollback, 0, TL_KV_LENGTH_MAX) ||
      !within(config->prefixes_max, 0, TL_KV_PREFIXES_MAX))
    return false;
  for (int32_t g = 0; g < config->groups_count; g++) {
    const tl_kv_group_config *group = &config->groups[g];
    bool spans = group->kind == TL_PLAN_GROUP_WINDOW || group->kind == TL_PLAN_GROUP_CHUNK;
    if (!within(group->pages_count, 1, TL_KV_PAGES_MAX) || (spans && group->span < 1)) return false;
  }
  return true;
}

static int32_t buckets_for(int32_t entries) {
  int32_t count = entries ? 16 : 0;
  while (count && count < entries)
    count *= 2;
  return count;
}

// Places everything behind `kv`; the pointers are meaningless if the cursor only counts.
static void lay_out(tl_kv *kv, const tl_kv_config *config, cursor *c) {
  size_t sequences = (size_t)config->sequences_max, entries = (size_t)config->prefixes_max;
  size_t table = sequences * (size_t)tl_kv_pages_of(config->length_max);
  kv->sequences = carve(c, sequences, sizeof *kv->sequences);
  for (int32_t g = 0; g < config->groups_count; g++) {
    kv->groups[g].tables = carve(c, table, sizeof *kv->groups[g].tables);
    kv->groups[g].pages = carve(c, (size_t)config->groups[g].pages_count, sizeof(tl_kv_page));
  }
  kv->entries = carve(c, entries, sizeof *kv->entries);
  kv->ids = carve(c, entries, TL_PAGE_TOKENS * sizeof *kv->ids);
  kv->buckets = carve(c, (size_t)buckets_for(config->prefixes_max), sizeof *kv->buckets);
}

size_t tl_kv_bytes_needed(const tl_kv_config *config) {
  if (!config_is_valid(config)) return 0;
  tl_kv counted = {0};
  cursor c = {0};
  carve(&c, 1, sizeof counted);
  lay_out(&counted, config, &c);
  return c.overflow ? 0 : c.used;
}

static void fill(int32_t *items, size_t count, int32_t value) {
  for (size_t i = 0; i < count; i++)
    items[i] = value;
}

static void group_init(tl_kv *kv, int32_t g) {
  tl_kv_group *group = &kv->groups[g];
  group->config = kv->config.groups[g];
  group->oldest = group->newest = TL_KV_NONE;
  group->free_head = 0;
  group->free_count = group->config.pages_count;
  for (int32_t p = 0; p < group->free_count; p++)
    group->pages[p] = (tl_kv_page){.owner = TL_KV_NONE, .prev = TL_KV_NONE, .next = p + 1};
  group->pages[group->free_count - 1].next = TL_KV_NONE;
  fill(group->tables, (size_t)kv->config.sequences_max * (size_t)kv->pages_max, TL_KV_NONE);
}

static void index_init(tl_kv *kv) {
  int32_t count = kv->config.prefixes_max;
  kv->entry_free = count ? 0 : TL_KV_NONE;
  for (int32_t e = 0; e < count; e++)
    kv->entries[e].next = e + 1 < count ? e + 1 : TL_KV_NONE;
  kv->buckets_count = buckets_for(count);
  fill(kv->buckets, (size_t)kv->buckets_count, TL_KV_NONE);
}

tl_status tl_kv_init(const tl_kv_config *config, void *memory, size_t bytes, tl_kv **out_kv,
                     tl_diag *diag) {
  *out_kv = NULL;
  size_t needed = tl_kv_bytes_needed(config);
  if (needed == 0)
    return tl_diag_error(diag, TL_USAGE, (tl_span){0}, "KV configuration is out of its limits");
  if (bytes < needed || (uintptr_t)memory % ALIGNMENT != 0)
    return tl_diag_error(diag, TL_USAGE, (tl_span){0},
                         "KV bookkeeping needs %zu bytes aligned to %d, was given %zu", needed,
                         (int)ALIGNMENT, bytes);
  for (int32_t g = 0; g < config->groups_count; g++)
    if ((unsigned)config->groups[g].kind > TL_PLAN_GROUP_LATENT)
      return tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0},
                           "KV group %d is of kind %d, which this version cannot keep", g,
                           (int)config->groups[g].kind);
  cursor c = {.base = memory};
  tl_kv *kv = carve(&c, 1, sizeof *kv);
  *kv = (tl_kv){.config = *config, .pages_max = tl_kv_pages_of(config->length_max)};
  lay_out(kv, config, &c);
  memset(kv->sequences, 0, (size_t)config->sequences_max * sizeof *kv->sequences);
  for (int32_t g = 0; g < config->groups_count; g++)
    group_init(kv, g);
  index_init(kv);
  *out_kv = kv;
  return TL_OK;
}

// ---------------------------------------------------------------------------------------------
// Pages

static bool is_idle(const tl_kv_page *page) {
  return page->refs == 1 && page->owner != TL_KV_NONE;
}

static void idle_add(tl_kv_group *group, int32_t page) {
  tl_kv_page *p = &group->pages[page];
  p->prev = group->newest;
  p->next = TL_KV_NONE;
  if (group->newest != TL_KV_NONE)
    group->pages[group->newest].next = page;
  else
    group->oldest = page;
  group->newest = page;
  group->idle_count++;
}

static void idle_remove(tl_kv_group *group, int32_t page) {
  tl_kv_page *p = &group->pages[page];
  if (p->prev != TL_KV_NONE)
    group->pages[p->prev].next = p->next;
  else
    group->oldest = p->next;
  if (p->next != TL_KV_NONE)
    group->pages[p->next].prev = p->prev;
  else
    group->newest = p->prev;
  group->idle_count--;
}

void tl_kv_page_hold(tl_kv_group *group, int32_t page) {
  tl_kv_page *p = &group->pages[page];
  if (is_idle(p)) idle_remove(group, page);
  p->refs++;
}

void tl_kv_page_drop(tl_kv_group *group, int32_t page) {
  tl_kv_page *p = &group->pages[page];
  p->refs--;
  if (is_idle(p)) {
    idle_add(group, page);
  } else if (p->refs == 0) {
    p->next = group->free_head;
    group->free_head = page;
    group->free_count++;
  }
}

void tl_kv_page_own(tl_kv_group *group, int32_t page, int32_t entry) {
  group->pages[page].refs++;
  group->pages[page].owner = entry;
}

// A page with one reference; the caller has made sure that there is one.
static int32_t page_take(tl_kv *kv, int32_t g) {
  tl_kv_group *group = &kv->groups[g];
  if (group->free_count == 0) tl_kv_evict(kv, g);
  int32_t page = group->free_head;
  group->free_head = group->pages[page].next;
  group->free_count--;
  group->pages[page].refs = 1;
  return page;
}

int32_t tl_kv_first_page(const tl_kv_group *group, int32_t position) {
  int32_t span = group->config.span, first = 0;
  if (group->config.kind == TL_PLAN_GROUP_WINDOW && position >= span) first = position - span + 1;
  if (group->config.kind == TL_PLAN_GROUP_CHUNK) first = position / span * span;
  return first / TL_PAGE_TOKENS;
}

// ---------------------------------------------------------------------------------------------
// Sequences

// Gives back pages [begin, end) of a table, the deepest first.
static void pages_give_back(tl_kv *kv, int32_t sequence, int32_t g, int32_t begin, int32_t end) {
  int32_t *table = tl_kv_table(kv, sequence, g);
  for (int32_t i = end; i-- > begin;) {
    if (table[i] != TL_KV_NONE) tl_kv_page_drop(&kv->groups[g], table[i]);
    table[i] = TL_KV_NONE;
  }
}

int32_t tl_kv_open(tl_kv *kv) {
  for (int32_t s = 0; s < kv->config.sequences_max; s++) {
    if (kv->sequences[s].used) continue;
    kv->sequences[s] = (tl_kv_sequence){.used = true, .tail = TL_KV_NONE};
    return s;
  }
  return -1;
}

int32_t tl_kv_fork(tl_kv *kv, int32_t sequence) {
  if (!tl_kv_knows(kv, sequence)) return -1;
  int32_t other = tl_kv_open(kv);
  if (other < 0) return -1;
  const tl_kv_sequence *from = &kv->sequences[sequence];
  kv->sequences[other] = *from;
  if (from->tail != TL_KV_NONE) kv->entries[from->tail].users++;
  for (int32_t g = 0; g < kv->config.groups_count; g++) {
    const int32_t *source = tl_kv_table(kv, sequence, g);
    int32_t *target = tl_kv_table(kv, other, g);
    for (int32_t i = from->kept[g]; i < tl_kv_pages_of(from->length); i++) {
      target[i] = source[i];
      if (source[i] != TL_KV_NONE) tl_kv_page_hold(&kv->groups[g], source[i]);
    }
  }
  return other;
}

bool tl_kv_release(tl_kv *kv, int32_t sequence) {
  if (!tl_kv_knows(kv, sequence)) return false;
  tl_kv_sequence *s = &kv->sequences[sequence];
  for (int32_t g = 0; g < kv->config.groups_count; g++)
    pages_give_back(kv, sequence, g, s->kept[g], tl_kv_pages_of(s->length));
  tl_kv_tail_cut(kv, s, 0);
  s->used = false;
  return true;
}

int32_t tl_kv_length(const tl_kv *kv, int32_t sequence) {
  return tl_kv_knows(kv, sequence) ? kv->sequences[sequence].length : -1;
}

void tl_kv_trim(tl_kv *kv, int32_t sequence) {
  if (!tl_kv_knows(kv, sequence)) return;
  tl_kv_sequence *s = &kv->sequences[sequence];
  int32_t position = s->length > kv->config.rollback ? s->length - kv->config.rollback : 0;
  for (int32_t g = 0; g < kv->config.groups_count; g++) {
    int32_t first = tl_kv_first_page(&kv->groups[g], position);
    if (first <= s->kept[g]) continue;
    pages_give_back(kv, sequence, g, s->kept[g], first);
    s->kept[g] = first;
  }
}

uint32_t tl_kv_copies_due(const tl_kv *kv, int32_t sequence) {
  uint32_t due = 0;
  if (!tl_kv_knows(kv, sequence)) return due;
  int32_t length = kv->sequences[sequence].length;
  if (length % TL_PAGE_TOKENS == 0) return due;
  for (int32_t g = 0; g < kv->config.groups_count; g++) {
    int32_t page = tl_kv_table(kv, sequence, g)[length / TL_PAGE_TOKENS];
    if (kv->groups[g].pages[page].refs > 1) due |= 1u << g;
  }
  return due;
}

tl_status tl_kv_append(tl_kv *kv, int32_t sequence, int32_t rows,
                       tl_kv_copy out_copies[TL_GROUPS_MAX], int32_t *out_copies_count) {
  *out_copies_count = 0;
  if (!tl_kv_knows(kv, sequence) || rows < 1) return TL_USAGE;
  tl_kv_sequence *s = &kv->sequences[sequence];
  if (rows > kv->config.length_max - s->length) return TL_MEMORY;
  tl_kv_trim(kv, sequence);
  uint32_t due = tl_kv_copies_due(kv, sequence);
  int32_t begin = tl_kv_pages_of(s->length), end = tl_kv_pages_of(s->length + rows);
  for (int32_t g = 0; g < kv->config.groups_count; g++)
    if (end - begin + (int32_t)(due >> g & 1) > tl_kv_pages_free(kv, g)) return TL_MEMORY;
  for (int32_t g = 0; g < kv->config.groups_count; g++) {
    int32_t *table = tl_kv_table(kv, sequence, g);
    if (due >> g & 1) {
      tl_kv_copy copy = {.group = g, .from = table[begin - 1], .to = page_take(kv, g)};
      tl_kv_page_drop(&kv->groups[g], copy.from);
      table[begin - 1] = copy.to;
      out_copies[(*out_copies_count)++] = copy;
    }
    for (int32_t i = begin; i < end; i++)
      table[i] = page_take(kv, g);
  }
  s->length += rows;
  return TL_OK;
}

tl_status tl_kv_truncate(tl_kv *kv, int32_t sequence, int32_t length) {
  if (!tl_kv_knows(kv, sequence)) return TL_USAGE;
  tl_kv_sequence *s = &kv->sequences[sequence];
  if (length < 0 || length > s->length) return TL_USAGE;
  for (int32_t g = 0; g < kv->config.groups_count; g++)
    if (length > 0 && tl_kv_first_page(&kv->groups[g], length) < s->kept[g]) return TL_USAGE;
  for (int32_t g = 0; g < kv->config.groups_count; g++) {
    int32_t begin = tl_kv_pages_of(length);
    if (begin < s->kept[g]) begin = s->kept[g];
    pages_give_back(kv, sequence, g, begin, tl_kv_pages_of(s->length));
    if (length == 0) s->kept[g] = 0;
  }
  s->length = length;
  tl_kv_tail_cut(kv, s, length / TL_PAGE_TOKENS);
  return TL_OK;
}

const int32_t *tl_kv_pages(const tl_kv *kv, int32_t sequence, int32_t group) {
  if (!tl_kv_knows(kv, sequence) || group < 0 || group >= kv->config.groups_count) return NULL;
  return tl_kv_table(kv, sequence, group);
}

int32_t tl_kv_pages_max(const tl_kv *kv) {
  return kv->pages_max;
}

int32_t tl_kv_pages_free(const tl_kv *kv, int32_t group) {
  return kv->groups[group].free_count + kv->groups[group].idle_count;
}

int32_t tl_kv_pages_held_max(const tl_kv_config *config, int32_t group, int32_t rows_max) {
  const tl_kv_group_config *g = &config->groups[group];
  int64_t most = tl_kv_pages_of(config->length_max);
  if (g->kind != TL_PLAN_GROUP_WINDOW && g->kind != TL_PLAN_GROUP_CHUNK) return (int32_t)most;
  // The span may begin and end in the middle of a page.
  int64_t seen = ((int64_t)g->span + config->rollback + rows_max) / TL_PAGE_TOKENS + 2;
  return (int32_t)(seen < most ? seen : most);
}
