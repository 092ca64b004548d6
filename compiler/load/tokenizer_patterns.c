// Classes, automata, maps, the final order of the steps, and the sorted lists of added tokens.
#include <stdlib.h>

#include "compiler/load/tokenizer_build.h"
#include "compiler/load/unicode.h"

// An added token as it is looked for.
typedef struct sought {
  tl_str text;
  uint32_t order; // the first of equal texts counts
  uint32_t id, flags;
} sought;

static tl_status register_set(tl_build *b, tl_unicode_set which, uint32_t flag,
                              uint32_t *set_flags) {
  tl_charset set = {0};
  uint32_t index;
  TL_TRY(tl_unicode_add(b->arena, which, &set));
  TL_TRY(tl_charclasses_register(&b->classes, &set, &index));
  set_flags[index] |= flag;
  return TL_OK;
}

static tl_status register_form(tl_build *b, tl_text_form form, uint32_t *set_flags) {
  tl_charset set = {0};
  uint32_t index;
  TL_TRY(tl_unicode_add_form(b->arena, form, &set));
  TL_TRY(tl_charclasses_register(&b->classes, &set, &index));
  set_flags[index] |= (uint32_t)TL_CLASS_FORM << form;
  return TL_OK;
}

static tl_status register_clusters(tl_build *b, uint32_t *set_flags) {
  for (uint32_t kind = 1; kind < TL_CLUSTER_KINDS; kind++) {
    tl_charset set = {0};
    uint32_t index;
    TL_TRY(tl_unicode_add_cluster(b->arena, kind, &set));
    TL_TRY(tl_charclasses_register(&b->classes, &set, &index));
    set_flags[index] |= kind << TL_CLASS_CLUSTER_SHIFT;
  }
  return TL_OK;
}

static tl_status build_classes(tl_build *b) {
  uint32_t set_flags[TL_CHARSETS_MAX] = {0}, used = 0;
  for (uint32_t i = 0; i < b->added_count; i++)
    used |= b->added[i].flags;
  if (used & TL_ADDED_SINGLE_WORD)
    TL_TRY(register_set(b, TL_UNICODE_ADDED_WORD, TL_CLASS_WORD, set_flags));
  if (b->strips || used & (TL_ADDED_LSTRIP | TL_ADDED_RSTRIP))
    TL_TRY(register_set(b, TL_UNICODE_ADDED_SPACE, TL_CLASS_SPACE, set_flags));
  for (uint32_t form = 0; form < TL_FORMS; form++)
    if (b->forms >> form & 1) TL_TRY(register_form(b, form, set_flags));
  if (b->clusters) TL_TRY(register_clusters(b, set_flags));
  TL_TRY(tl_charclasses_build(&b->classes, b->arena));
  const tl_charclasses *c = &b->classes;
  uint32_t *flags = tl_arena_array(b->arena, c->classes_count, sizeof *flags);
  if (!flags) return TL_MEMORY;
  for (uint32_t class = 0; class < c->classes_count; class ++)
    for (uint32_t s = 0; s < c->sets_count; s++)
      if (c->members[(size_t)class * TL_CHARSETS_MAX + s]) flags[class] |= set_flags[s];
  b->table.char_index = c->index;
  b->table.char_index_count = TL_CHAR_BLOCKS;
  b->table.char_blocks = c->blocks;
  b->table.char_blocks_count = c->blocks_count * TL_CHAR_BLOCK;
  b->table.class_flags = flags;
  b->table.class_flags_count = c->classes_count;
  return TL_OK;
}

static tl_status build_automata(tl_build *b) {
  uint16_t *cells = NULL;
  size_t capacity = 0, count = 0;
  for (uint32_t i = 0; i < b->table.patterns_count; i++) {
    if (!b->regexes[i]) continue;
    tl_regex_context context = {b->arena, &b->classes, b->regex_spans[i], b->diag};
    tl_automaton automaton;
    TL_TRY(tl_regex_compile(&context, b->regexes[i], &automaton));
    size_t added = (size_t)automaton.states_count * (b->classes.classes_count + 1);
    cells = tl_arena_grow(b->arena, cells, &capacity, count + added, sizeof *cells);
    if (!cells) return TL_MEMORY;
    memcpy(cells + count, automaton.cells, added * sizeof *cells);
    b->patterns[i] =
        (tl_tokenizer_pattern){.offset = (uint32_t)count, .length = automaton.states_count};
    count += added;
  }
  b->table.patterns = b->patterns;
  b->table.cells = cells;
  b->table.cells_count = (uint32_t)count;
  return TL_OK;
}

// What the normalizers make of `text`, on the arena.
static tl_status normalize(tl_build *b, tl_str text, tl_str *out_text) {
  b->table.pool = b->pool.data;
  b->table.pool_count = (uint32_t)b->pool.length;
  tl_text_piece piece = {text, true};
  for (uint32_t i = 0; i < b->normalizers_count && piece.text.length; i++) {
    tl_text_buffer buffer = {.arena = b->arena};
    TL_TRY(tl_text_step(&b->table, &b->steps[i], &buffer, &piece));
  }
  *out_text = piece.text;
  return TL_OK;
}

static int order_sought(const void *a, const void *b) {
  const sought *x = a, *y = b;
  int order = tl_str_compare(x->text, y->text);
  if (order) return order;
  return x->order < y->order ? -1 : x->order > y->order;
}

static tl_status find_forms(tl_build *b) {
  for (uint32_t i = 0; i < b->added_count; i++) {
    tl_build_added *added = &b->added[i];
    added->form = added->text;
    if (added->normalized && !added->literal) TL_TRY(normalize(b, added->text, &added->form));
    if (added->form.length >= 1 && added->form.length <= TL_TOKENIZER_ADDED_BYTES_MAX) continue;
    tl_span span = tl_json_span(b->source, tl_json_get(b->root, TL_STR("added_tokens")));
    return tl_diag_error(b->diag, TL_UNSUPPORTED, span,
                         "the added token '%.*s' is %zu bytes after normalization, 1 to %d are "
                         "supported",
                         TL_STR_ARG(added->text), added->form.length, TL_TOKENIZER_ADDED_BYTES_MAX);
  }
  return TL_OK;
}

// Special tokens come before others, each in the file's order.
static uint32_t collect(const tl_build *b, bool normalized, sought *list) {
  uint32_t count = 0, kept = 0;
  for (int special = 1; special >= 0; special--) {
    for (uint32_t i = 0; i < b->added_count; i++) {
      const tl_build_added *added = &b->added[i];
      if (added->replaced || added->normalized != normalized) continue;
      if (!(added->flags & TL_ADDED_SPECIAL) != !special) continue;
      list[count] = (sought){added->form, count, added->id, added->flags};
      count++;
    }
  }
  qsort(list, count, sizeof *list, order_sought);
  for (uint32_t i = 0; i < count; i++)
    if (kept == 0 || !tl_str_equal(list[kept - 1].text, list[i].text)) list[kept++] = list[i];
  return kept;
}

static tl_status add_list(tl_build *b, const sought *list, uint32_t count, tl_tokenizer_added *rows,
                          uint32_t *first) {
  uint32_t begin = b->table.added_count, byte = 0;
  for (uint32_t i = 0; i < count; i++) {
    tl_tokenizer_added *row = &rows[begin + i];
    *row = (tl_tokenizer_added){
        .text_length = (uint32_t)list[i].text.length, .id = list[i].id, .flags = list[i].flags};
    TL_TRY(tl_build_pool(b, list[i].text, &row->text_offset));
    while (byte <= (uint8_t)list[i].text.data[0])
      first[byte++] = begin + i;
  }
  while (byte <= 256)
    first[byte++] = begin + count;
  b->table.added_count += count;
  return TL_OK;
}

static tl_status build_added(tl_build *b, uint32_t counts[2]) {
  sought *list = tl_arena_array(b->arena, b->added_count, sizeof *list);
  tl_tokenizer_added *rows = tl_arena_array(b->arena, b->added_count, sizeof *rows);
  uint32_t *first = tl_arena_array(b->arena, 2 * 257, sizeof *first);
  if (!list || !rows || !first) return TL_MEMORY;
  for (int normalized = 0; normalized < 2; normalized++) {
    counts[normalized] = collect(b, normalized, list);
    TL_TRY(add_list(b, list, counts[normalized], rows, first + (size_t)normalized * 257));
  }
  b->table.header.raw_count = counts[0];
  b->table.added = rows;
  b->table.added_first = first;
  b->table.added_first_count = 2 * 257;
  return TL_OK;
}

// [added, raw] normalizers [added, normalized] pre-tokenizers; empty lists need no step.
static void place_steps(tl_build *b, const uint32_t counts[2]) {
  uint32_t at[2] = {0, b->normalizers_count + (counts[0] > 0)};
  for (uint32_t list = 0; list < 2; list++) {
    if (counts[list] == 0) continue;
    uint32_t tail = b->table.steps_count++ - at[list];
    memmove(b->steps + at[list] + 1, b->steps + at[list], tail * sizeof *b->steps);
    b->steps[at[list]] = (tl_tokenizer_step){.kind = TL_STEP_ADDED, .pattern = list};
  }
  b->table.steps = b->steps;
}

tl_status tl_build_patterns(tl_build *build) {
  tl_status status = build_classes(build);
  if (status == TL_UNSUPPORTED)
    return tl_diag_error(build->diag, status, tl_json_span(build->source, build->root),
                         "the patterns tell more than %d classes of characters apart",
                         TL_TOKENIZER_CLASSES_MAX);
  TL_TRY(status);
  TL_TRY(build_automata(build));
  TL_TRY(tl_build_maps(build));
  bool compatible = build->forms & (1u << TL_FORM_NFKC | 1u << TL_FORM_NFKD);
  if (build->forms) TL_TRY(tl_unicode_forms(build->arena, compatible, &build->table));
  return find_forms(build);
}

tl_status tl_build_lists(tl_build *build) {
  uint32_t counts[2];
  TL_TRY(build_added(build, counts));
  place_steps(build, counts);
  build->table.pool = build->pool.data;
  build->table.pool_count = (uint32_t)build->pool.length;
  return TL_OK;
}
