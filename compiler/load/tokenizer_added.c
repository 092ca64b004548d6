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

tl_status tl_build_add(tl_build *build, tl_build_added added) {
  if (build->added_count == TL_TOKENIZER_ADDED_MAX / 2)
    return tl_diag_error(build->diag, TL_UNSUPPORTED, (tl_span){build->source, 0, 0},
                         "more than %d added tokens", TL_TOKENIZER_ADDED_MAX / 2);
  tl_build_added *tokens = tl_arena_grow(build->arena, build->added, &build->added_capacity,
                                         build->added_count + 1, sizeof *tokens);
  if (!tokens) return TL_MEMORY;
  build->added = tokens;
  tokens[build->added_count++] = added;
  return TL_OK;
}

tl_status tl_build_added_tokens(tl_build *build) {
  const tl_json *list = tl_json_get(build->root, TL_STR("added_tokens"));
  size_t count = tl_json_count(list);
  if (tl_json_kind_of(list) != TL_JSON_ARRAY && tl_json_kind_of(list) != TL_JSON_NULL)
    return tl_json_expected(build->source, list, "added_tokens", "an array", build->diag);
  for (size_t i = 0; i < count; i++) {
    const tl_json *node = tl_json_item(list, i);
    tl_build_added added = {0};
    TL_TRY(read_added(build, node, &added));
    if (added.text.length == 0) continue;
    TL_TRY(give_id(build, node, &added));
    TL_TRY(tl_build_add(build, added));
  }
  settle_flags(build);
  return TL_OK;
}

// {"32000": {"content": "<image>", ..}, ..}
tl_status tl_build_config_tokens(tl_build *build) {
  const tl_source *source = build->source;
  const tl_json *tokens = tl_json_get(build->config, TL_STR("added_tokens_decoder"));
  if (tl_json_kind_of(tokens) != TL_JSON_OBJECT) return TL_OK;
  build->source = build->config_source; // where errors are
  for (uint32_t i = 0; i < tokens->count; i++) {
    const tl_json_member *member = &tokens->members[i];
    tl_build_added added = {0};
    int64_t id;
    TL_TRY(read_added(build, &member->value, &added));
    if (!tl_str_to_i64(member->key.string, &id) || id < 0 || id >= TL_TOKENS_MAX)
      return tl_json_expected(build->source, &member->key, "id of a token", "a number below 2^21",
                              build->diag);
    added.id = (uint32_t)id;
    bool known = added.id < build->vocabulary.ids_count || added.text.length == 0;
    if (!known) TL_TRY(tl_build_add(build, added)); // the model says what its own tokens are
  }
  build->source = source;
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

void tl_build_names(tl_build *build) {
  tl_tokenizer_header *header = &build->table.header;
  header->bos_id = named_id(build, build->config, "bos_token");
  header->eos_id = named_id(build, build->config, "eos_token");
  header->pad_id = named_id(build, build->config, "pad_token");
}
