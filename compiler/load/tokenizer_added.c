// Added tokens, and the tokens that tokenizer_config.json names.
#include "compiler/load/tokenizer_build.h"

// The entry of `text` that counts, among the first `count`.
static const tl_build_added *find_added(const tl_build *b, tl_str text, uint32_t count) {
  for (uint32_t i = count; i > 0; i--)
    if (tl_str_equal(b->added[i - 1].text, text)) return &b->added[i - 1];
  return NULL;
}

// Id by text among added tokens and the vocabulary; TL_TOKEN_NONE.
static uint32_t find_id(const tl_build *build, tl_str text) {
  const tl_build_added *added = find_added(build, text, build->added_count);
  return added ? added->id : tl_vocabulary_find(&build->vocabulary, text);
}

static tl_status read_flag(tl_build *b, const tl_json *node, const char *key, uint32_t flag,
                           uint32_t *flags) {
  bool value;
  TL_TRY(tl_build_bool(b, node, key, false, &value));
  if (value) *flags |= flag;
  return TL_OK;
}

static tl_status read_added(tl_build *b, const tl_json *node, tl_build_added *out_added) {
  tl_build_added added = {0};
  if (!tl_json_to_string(tl_json_get(node, TL_STR("content")), &added.text))
    return tl_json_expected(b->source, node, "added token", "an object with a content", b->diag);
  if (added.text.length > TL_TOKENIZER_ADDED_BYTES_MAX)
    return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, node),
                         "an added token of %zu bytes, at most %d are supported", added.text.length,
                         TL_TOKENIZER_ADDED_BYTES_MAX);
  TL_TRY(read_flag(b, node, "lstrip", TL_ADDED_LSTRIP, &added.flags));
  TL_TRY(read_flag(b, node, "rstrip", TL_ADDED_RSTRIP, &added.flags));
  TL_TRY(read_flag(b, node, "single_word", TL_ADDED_SINGLE_WORD, &added.flags));
  TL_TRY(read_flag(b, node, "special", TL_ADDED_SPECIAL, &added.flags));
  TL_TRY(tl_build_bool(b, node, "normalized", false, &added.normalized));
  *out_added = added;
  return TL_OK;
}

// Ids as the publishers' library gives them, whatever the file says: that of the same text in the
// vocabulary, else the next one after vocabulary and added tokens.
static tl_status give_id(tl_build *b, const tl_json *node, tl_build_added *added) {
  uint32_t entries = b->vocabulary.entries_count, next = entries;
  added->id = find_id(b, added->text);
  if (added->id != TL_TOKEN_NONE) return TL_OK;
  for (uint32_t i = 0; i < b->added_count; i++)
    if (b->added[i].id >= next) next = b->added[i].id + 1;
  if (next >= TL_TOKENS_MAX)
    return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, node), "more than %d ids",
                         TL_TOKENS_MAX);
  added->id = next;
  return TL_OK;
}

// Text by text the flags of the last entry count; being special is decided by any of them.
static void settle_flags(tl_build *b) {
  for (uint32_t i = 0; i < b->added_count; i++) {
    for (uint32_t k = i + 1; k < b->added_count; k++) {
      if (b->added[k].id != b->added[i].id) continue;
      b->added[i].replaced = true;
      b->added[k].flags |= b->added[i].flags & TL_ADDED_SPECIAL;
    }
  }
}

tl_status tl_build_added_tokens(tl_build *build) {
  const tl_json *list = tl_json_get(build->root, TL_STR("added_tokens"));
  size_t count = tl_json_count(list);
  if (tl_json_kind_of(list) != TL_JSON_ARRAY && tl_json_kind_of(list) != TL_JSON_NULL)
    return tl_json_expected(build->source, list, "added_tokens", "an array", build->diag);
  if (count > TL_TOKENIZER_ADDED_MAX / 2)
    return tl_diag_error(build->diag, TL_UNSUPPORTED, tl_json_span(build->source, list),
                         "%zu added tokens, at most %d are supported", count,
                         TL_TOKENIZER_ADDED_MAX / 2);
  build->added = tl_arena_array(build->arena, count, sizeof *build->added);
  if (!build->added) return TL_MEMORY;
  for (size_t i = 0; i < count; i++) {
    const tl_json *node = tl_json_item(list, i);
    tl_build_added added = {0};
    TL_TRY(read_added(build, node, &added));
    if (added.text.length == 0) continue;
    TL_TRY(give_id(build, node, &added));
    build->added[build->added_count++] = added;
  }
  settle_flags(build);
  return TL_OK;
}

// "bos_token": "<s>" or {"content": "<s>", ..} or null.
static uint32_t named_id(const tl_build *b, const tl_json *config, const char *key) {
  const tl_json *node = tl_json_get(config, tl_str_from(key));
  tl_str text;
  if (!tl_json_to_string(node, &text) &&
      !tl_json_to_string(tl_json_get(node, TL_STR("content")), &text))
    return TL_TOKEN_NONE;
  return find_id(b, text);
}

tl_status tl_build_config(tl_build *build, const tl_source *config) {
  tl_tokenizer_header *header = &build->table.header;
  const tl_json *root = NULL;
  if (config)
    TL_TRY(tl_json_parse(build->arena, config, &(tl_json_options){.allows_duplicates = true}, &root,
                         build->diag));
  header->bos_id = named_id(build, root, "bos_token");
  header->eos_id = named_id(build, root, "eos_token");
  header->pad_id = named_id(build, root, "pad_token");
  return TL_OK;
}
