// Verification of a tokenizer section: after it, the encoder and the decoder need no checks.
#include "runtime/base/tokenizer_table.h"

#include "runtime/base/utf8.h"

static bool is_scalar(uint32_t code) {
  return code < TL_CODES_COUNT && (code < 0xD800 || code > 0xDFFF);
}

static bool is_id(const tl_tokenizer_table *t, uint32_t id) {
  return id < t->header.tokens_count;
}

static bool is_id_or_none(const tl_tokenizer_table *t, uint32_t id) {
  return id == TL_TOKEN_NONE || is_id(t, id);
}

static bool is_power_of_two(uint32_t value) {
  return value && (value & (value - 1)) == 0;
}

static bool in_pool(const tl_tokenizer_table *t, uint32_t offset, uint32_t length) {
  return offset <= t->pool_count && length <= t->pool_count - offset &&
         tl_utf8_is_valid((tl_str){t->pool + offset, length});
}

static bool check_offsets(const uint32_t *offsets, uint32_t count, uint32_t tokens,
                          uint32_t bytes) {
  if (count != tokens + 1 || offsets[0] != 0 || offsets[tokens] != bytes) return false;
  bool rising = true;
  for (uint32_t i = 0; i < tokens; i++)
    rising &= offsets[i] <= offsets[i + 1];
  return rising;
}

static bool check_tokens(const tl_tokenizer_table *t) {
  uint32_t tokens = t->header.tokens_count;
  return tokens >= 1 && tokens <= TL_TOKENS_MAX && t->token_flags_count == tokens &&
         check_offsets(t->word_offsets, t->word_offsets_count, tokens, t->words_count) &&
         check_offsets(t->text_offsets, t->text_offsets_count, tokens, t->texts_count) &&
         (t->first_offsets_count == 0 ||
          check_offsets(t->first_offsets, t->first_offsets_count, tokens, t->first_texts_count));
}

// Where words are characters, each has an id or TL_TOKEN_NONE.
static bool check_chars(const tl_tokenizer_table *t) {
  const tl_tokenizer_header *h = &t->header;
  if (h->model != TL_MODEL_MERGES || h->model_flags & TL_MODEL_BYTES) return true;
  bool good = t->char_id_index_count == TL_CHAR_BLOCKS;
  for (uint32_t i = 0; good && i < TL_CHAR_BLOCKS; i++)
    good = t->char_id_index[i] < t->char_ids_count / TL_CHAR_BLOCK;
  for (uint32_t i = 0; i < t->char_ids_count; i++)
    good &= is_id_or_none(t, t->char_ids[i]);
  return good;
}

// No step from a node leaves the trie; what nodes name is below `ids_count`.
static bool check_trie(const tl_tokenizer_node *nodes, uint32_t count, uint32_t ids_count) {
  bool good = true;
  for (uint32_t i = 0; i < count; i++)
    good &=
        nodes[i].base <= count - 256 && (nodes[i].id == TL_TOKEN_NONE || nodes[i].id < ids_count);
  return good;
}

static bool check_keys(const tl_tokenizer_table *t) {
  bool good = t->keys_count == 0 || t->keys_count >= 257;
  for (uint32_t i = 0; good && i < t->key_texts_count; i++)
    good = in_pool(t, t->key_texts[i].offset, t->key_texts[i].length);
  return good && check_trie(t->keys, t->keys_count, t->key_texts_count);
}

// Both roots are there.
static bool check_model(const tl_tokenizer_table *t) {
  const tl_tokenizer_header *h = &t->header;
  bool cuts = h->model == TL_MODEL_LONGEST || h->model == TL_MODEL_BEST;
  if (h->model >= TL_MODEL_KINDS || (cuts && t->trie_count < 258)) return false;
  if (cuts && h->word_bytes_max > TL_TOKENIZER_TRIE_BYTES_MAX) return false;
  if (h->model != TL_MODEL_MERGES && h->model_flags & TL_MODEL_BYTES) return false;
  if (h->model == TL_MODEL_BEST && t->scores_count != h->tokens_count) return false;
  return check_trie(t->trie, t->trie_count, h->tokens_count);
}

static bool check_hashes(const tl_tokenizer_table *t) {
  if (!is_power_of_two(t->word_slots_count) || !is_power_of_two(t->edge_bits_count) ||
      !is_power_of_two(t->pair_bits_count))
    return false;
  if (t->merges_count < 1 || t->header.word_probes > TL_TOKENIZER_PROBES_MAX ||
      t->header.merge_probes > TL_TOKENIZER_PROBES_MAX)
    return false;
  uint32_t tokens = t->header.tokens_count;
  bool good = true;
  for (uint32_t i = 0; i < t->word_slots_count; i++) {
    uint32_t id = t->word_slots[i] & TL_SLOT_EMPTY;
    good &= id == TL_SLOT_EMPTY || id < tokens;
  }
  for (uint32_t i = 0; i < t->merges_count; i++)
    good &= t->merges[i].result == TL_TOKEN_NONE || t->merges[i].result < tokens;
  return good;
}

static bool check_classes(const tl_tokenizer_table *t) {
  uint32_t classes = t->class_flags_count, blocks = t->char_blocks_count / TL_CHAR_BLOCK;
  if (classes < 1 || classes > TL_TOKENIZER_CLASSES_MAX || t->char_index_count != TL_CHAR_BLOCKS)
    return false;
  bool good = true;
  for (uint32_t i = 0; i < TL_CHAR_BLOCKS; i++)
    good &= t->char_index[i] < blocks;
  for (uint32_t i = 0; i < t->char_blocks_count; i++)
    good &= t->char_blocks[i] < classes;
  return good;
}

static bool check_pattern(const tl_tokenizer_table *t, const tl_tokenizer_pattern *pattern) {
  if (pattern->literal == 1) return pattern->length && in_pool(t, pattern->offset, pattern->length);
  uint32_t width = t->class_flags_count + 1, states = pattern->length;
  if (pattern->literal != 0 || states < 2 || states > TL_TOKENIZER_STATES_MAX) return false;
  if (pattern->offset > t->cells_count || t->cells_count - pattern->offset < states * width)
    return false;
  bool good = true;
  for (uint32_t i = 0; i < states * width; i++)
    good &= (t->cells[pattern->offset + i] & TL_CELL_STATE) < states;
  return good;
}

static bool check_step(const tl_tokenizer_table *t, const tl_tokenizer_step *step) {
  bool good = step->kind < TL_STEP_KINDS && step->behaviour < TL_SPLIT_BEHAVIOURS &&
              in_pool(t, step->text_offset, step->text_length);
  if (step->kind == TL_STEP_ADDED) return good && step->pattern < 2;
  if (step->kind == TL_STEP_FORM) return good && step->behaviour < TL_FORMS;
  if (step->kind == TL_STEP_MAP) return good && step->pattern < t->map_index_count / TL_CHAR_BLOCKS;
  if (step->kind == TL_STEP_KEYS) return good && t->keys_count;
  if (step->kind == TL_STEP_REPLACE || step->kind == TL_STEP_SPLIT)
    return good && step->pattern < t->patterns_count;
  return good;
}

static bool check_steps(const tl_tokenizer_table *t) {
  bool good =
      t->patterns_count <= TL_TOKENIZER_PATTERNS_MAX && t->steps_count <= TL_TOKENIZER_STEPS_MAX;
  for (uint32_t i = 0; good && i < t->patterns_count; i++)
    good = check_pattern(t, &t->patterns[i]);
  for (uint32_t i = 0; good && i < t->steps_count; i++)
    good = check_step(t, &t->steps[i]);
  return good;
}

// Rows [begin, end) are sorted, and first[b] is the first of them whose first byte is >= b.
static bool check_added_part(const tl_tokenizer_table *t, uint32_t begin, uint32_t end,
                             const uint32_t *first) {
  tl_str before = {NULL, 0};
  uint32_t byte = 0;
  for (uint32_t i = begin; i < end; i++) {
    const tl_tokenizer_added *added = &t->added[i];
    if (added->text_length < 1 || added->text_length > TL_TOKENIZER_ADDED_BYTES_MAX ||
        !in_pool(t, added->text_offset, added->text_length) || !is_id(t, added->id))
      return false;
    tl_str text = {t->pool + added->text_offset, added->text_length};
    if (i > begin && tl_str_compare(before, text) >= 0) return false;
    while (byte <= (uint8_t)text.data[0])
      if (first[byte++] != i) return false;
    before = text;
  }
  while (byte <= 256)
    if (first[byte++] != end) return false;
  return true;
}

static bool check_added(const tl_tokenizer_table *t) {
  return t->added_count <= TL_TOKENIZER_ADDED_MAX && t->header.raw_count <= t->added_count &&
         t->added_first_count == 2 * 257 &&
         check_added_part(t, 0, t->header.raw_count, t->added_first) &&
         check_added_part(t, t->header.raw_count, t->added_count, t->added_first + 257);
}

static bool check_maps(const tl_tokenizer_table *t) {
  bool good = t->map_index_count % TL_CHAR_BLOCKS == 0 &&
              t->map_index_count / TL_CHAR_BLOCKS <= TL_TOKENIZER_MAPS_MAX;
  for (uint32_t i = 0; i < t->map_index_count; i++)
    good &= t->map_index[i] < t->map_cells_count / TL_CHAR_BLOCK;
  for (uint32_t i = 0; good && i < t->map_cells_count; i++) {
    uint32_t cell = t->map_cells[i];
    if (cell == 0 || cell == (TL_MAP_CHANGED | TL_MAP_SPACED)) continue;
    good = cell >> (TL_MAP_LENGTH_BITS + TL_MAP_OFFSET_BITS) == 2 &&
           in_pool(t, tl_map_offset(cell), tl_map_length(cell));
  }
  return good;
}

static bool check_forms(const tl_tokenizer_table *t) {
  bool good = true;
  for (uint32_t i = 0; i < t->form_text_count; i++)
    good &= is_scalar(t->form_text[i]);
  for (uint32_t i = 0; i < t->forms_count; i++) {
    const tl_tokenizer_form *row = &t->forms[i];
    good &= (uint32_t)row->text + row->count <= t->form_text_count;
    good &= (uint32_t)row->compatible + row->compatible_count <= t->form_text_count;
    good &= i == 0 || row->code > t->forms[i - 1].code;
  }
  for (uint32_t i = 0; i < t->form_pairs_count; i++)
    good &= is_scalar(t->form_pairs[i].result);
  return good;
}

static bool check_template(const tl_tokenizer_table *t) {
  bool good = t->template_count <= 2 * TL_TOKENIZER_TEMPLATE_MAX &&
              t->header.single_count <= t->template_count;
  for (uint32_t i = 0; good && i < t->template_count; i++) {
    const tl_tokenizer_item *item = &t->template[i];
    good = item->type < TL_TOKENIZER_TYPES_MAX &&
           (item->kind == TL_TEMPLATE_TEXT || item->kind == TL_TEMPLATE_PAIR ||
            (item->kind == TL_TEMPLATE_ID && is_id(t, item->id)));
  }
  return good;
}

static bool check_ids(const tl_tokenizer_table *t) {
  const tl_tokenizer_header *h = &t->header;
  bool good = t->byte_ids_count == 256 && is_id_or_none(t, h->unknown_id) &&
              is_id_or_none(t, h->bos_id) && is_id_or_none(t, h->eos_id) &&
              is_id_or_none(t, h->pad_id) && is_scalar(h->strip_code);
  for (uint32_t i = 0; good && i < 256; i++)
    good = is_id_or_none(t, t->byte_ids[i]);
  return good;
}

static bool check_extents(const tl_tokenizer_header *header) {
  static const uint32_t sizes[] = {
#define X(name, type, summary) sizeof(type),
      TL_TOKENIZER_SECTION_MAP(X)
#undef X
  };
  for (int i = 0; i < TL_TOKENIZER_SECTIONS; i++) {
    tl_tokenizer_extent extent = header->sections[i];
    uint64_t end = extent.offset + (uint64_t)extent.count * sizes[i];
    if (extent.offset % 8 || extent.offset < sizeof *header || end > header->bytes) return false;
  }
  return true;
}

static tl_status refuse(tl_diag *diag, const char *what) {
  return tl_diag_error(diag, TL_INPUT, (tl_span){0},
                       "the tokenizer tables are damaged: %s; build the plan again", what);
}

tl_status tl_tokenizer_table_read(tl_str bytes, tl_diag *diag, tl_tokenizer_table *out_table) {
  tl_tokenizer_table *t = out_table;
  *t = (tl_tokenizer_table){0};
  if (bytes.length < sizeof t->header) return refuse(diag, "too short");
  if ((uintptr_t)bytes.data % 8) return refuse(diag, "not aligned to 8");
  memcpy(&t->header, bytes.data, sizeof t->header);
  if (t->header.magic != TL_TOKENIZER_MAGIC) return refuse(diag, "no magic number");
  if (t->header.version != TL_TOKENIZER_VERSION)
    return tl_diag_error(diag, TL_INPUT, (tl_span){0},
                         "the tokenizer tables have version %u, this program reads %d; build the "
                         "plan again",
                         t->header.version, TL_TOKENIZER_VERSION);
  if (t->header.bytes != bytes.length || !check_extents(&t->header))
    return refuse(diag, "a section lies outside");
#define X(name, type, summary)                                                                     \
  t->name = (const type *)(bytes.data + t->header.sections[TL_TOKENIZER_##name].offset);           \
  t->name##_count = t->header.sections[TL_TOKENIZER_##name].count;
  TL_TOKENIZER_SECTION_MAP(X)
#undef X
  if (!check_tokens(t)) return refuse(diag, "token texts");
  if (!check_hashes(t)) return refuse(diag, "hash tables");
  if (!check_model(t) || !check_chars(t)) return refuse(diag, "the model");
  if (!check_classes(t)) return refuse(diag, "character classes");
  if (!check_steps(t)) return refuse(diag, "steps or patterns");
  if (!check_added(t)) return refuse(diag, "added tokens");
  if (!check_maps(t) || !check_keys(t)) return refuse(diag, "maps of characters");
  if (!check_forms(t)) return refuse(diag, "normal forms");
  if (!check_template(t)) return refuse(diag, "the template");
  if (!check_ids(t)) return refuse(diag, "ids");
  return TL_OK;
}
