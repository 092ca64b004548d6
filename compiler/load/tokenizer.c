// The order of the parts, what they share, and the layout of the section.
#include "compiler/load/tokenizer.h"

#include "compiler/load/tokenizer_build.h"

tl_status tl_build_unsupported(tl_build *build, const tl_json *node, const char *what,
                               tl_str kind) {
  return tl_diag_error(build->diag, TL_UNSUPPORTED, tl_json_span(build->source, node),
                       "%s '%.*s' is not supported", what,
                       (int)(kind.length < 60 ? kind.length : 60), kind.data);
}

tl_status tl_build_bool(tl_build *build, const tl_json *object, const char *key, bool fallback,
                        bool *out_value) {
  const tl_json *node = tl_json_get(object, tl_str_from(key));
  *out_value = fallback;
  if (tl_json_kind_of(node) == TL_JSON_NULL || tl_json_to_bool(node, out_value)) return TL_OK;
  return tl_json_expected(build->source, node, key, "true or false", build->diag);
}

tl_status tl_build_string(tl_build *build, const tl_json *object, const char *key, tl_str fallback,
                          tl_str *out_value) {
  const tl_json *node = tl_json_get(object, tl_str_from(key));
  *out_value = fallback;
  if (tl_json_kind_of(node) == TL_JSON_NULL || tl_json_to_string(node, out_value)) return TL_OK;
  return tl_json_expected(build->source, node, key, "a string", build->diag);
}

tl_status tl_build_text(tl_build *build, const tl_json *object, const char *key,
                        tl_str *out_value) {
  const tl_json *value = tl_json_get(object, tl_str_from(key));
  if (tl_json_to_string(value, out_value)) return TL_OK;
  return tl_json_expected(build->source, value ? value : object, key, "a string", build->diag);
}

tl_status tl_build_pool(tl_build *build, tl_str text, uint32_t *out_offset) {
  *out_offset = (uint32_t)build->pool.length;
  return tl_text_append(&build->pool, text);
}

static void count_tokens(tl_build *b) {
  uint32_t count = b->vocabulary.ids_count;
  for (uint32_t i = 0; i < b->added_count; i++)
    if (b->added[i].id >= count) count = b->added[i].id + 1;
  b->table.header.tokens_count = count;
}

static tl_status write_section(tl_build *b, tl_str *out_section) {
  tl_tokenizer_table *t = &b->table;
  uint64_t bytes = (sizeof t->header + 7) / 8 * 8;
  t->header.magic = TL_TOKENIZER_MAGIC;
  t->header.version = TL_TOKENIZER_VERSION;
#define X(name, type, summary)                                                                     \
  t->header.sections[TL_TOKENIZER_##name] =                                                        \
      (tl_tokenizer_extent){(uint32_t)bytes, t->name##_count};                                     \
  bytes = (bytes + (uint64_t)t->name##_count * sizeof(type) + 7) / 8 * 8;
  TL_TOKENIZER_SECTION_MAP(X)
#undef X
  if (bytes > UINT32_MAX)
    return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, b->root),
                         "the tokenizer tables would take %llu bytes", (unsigned long long)bytes);
  char *data = tl_arena_alloc(b->arena, bytes);
  if (!data) return TL_MEMORY;
  t->header.bytes = (uint32_t)bytes;
  memcpy(data, &t->header, sizeof t->header);
#define X(name, type, summary)                                                                     \
  if (t->name##_count)                                                                             \
    memcpy(data + t->header.sections[TL_TOKENIZER_##name].offset, t->name,                         \
           t->name##_count * sizeof(type));
  TL_TOKENIZER_SECTION_MAP(X)
#undef X
  *out_section = (tl_str){data, bytes};
  return TL_OK;
}

static tl_status read_files(tl_build *b, bool pieces) {
  if (b->config_source)
    TL_TRY(tl_json_parse(b->arena, b->config_source, &(tl_json_options){.allows_duplicates = true},
                         &b->config, b->diag));
  if (pieces) return tl_build_pieces(b);
  TL_TRY(tl_json_parse(b->arena, b->source, NULL, &b->root, b->diag));
  TL_TRY(tl_build_steps(b));
  TL_TRY(tl_build_model(b));
  return tl_build_added_tokens(b);
}

static tl_status run_parts(tl_build *b, bool pieces) {
  TL_TRY(read_files(b, pieces));
  count_tokens(b);
  TL_TRY(tl_build_patterns(b));
  TL_TRY(tl_build_texts(b));
  TL_TRY(tl_build_template(b));
  tl_build_names(b);
  TL_TRY(tl_build_lists(b));
  TL_TRY(tl_build_trie(b));
  return tl_build_hashes(b);
}

static tl_status compile(tl_build *b, bool pieces, tl_str *out_section) {
  tl_tokenizer_table check;
  *out_section = (tl_str){NULL, 0};
  b->pool.arena = b->vocabulary.arena = b->arena;
  b->pool.data = tl_arena_alloc(b->arena, 1); // never NULL, so that empty texts have an address
  tl_status status = b->pool.data ? run_parts(b, pieces) : TL_MEMORY;
  if (tl_ok(status)) status = write_section(b, out_section);
  if (status == TL_MEMORY && b->diag && b->diag->count == 0)
    return tl_diag_error(b->diag, status, (tl_span){b->source, 0, 0},
                         "not enough memory to compile this tokenizer");
  if (tl_ok(status)) status = tl_tokenizer_table_read(*out_section, b->diag, &check);
  if (!tl_ok(status)) *out_section = (tl_str){NULL, 0};
  return status;
}

tl_status tl_tokenizer_compile(const tl_source *tokenizer_json, const tl_source *config_json,
                               tl_arena *arena, tl_diag *diag, tl_str *out_section) {
  tl_build *b = tl_arena_alloc(arena, sizeof *b);
  *out_section = (tl_str){NULL, 0};
  if (!b) return TL_MEMORY;
  *b = (tl_build){
      .arena = arena, .diag = diag, .source = tokenizer_json, .config_source = config_json};
  return compile(b, false, out_section);
}

tl_status tl_tokenizer_compile_pieces(const tl_source *tokenizer_model,
                                      const tl_source *config_json, tl_arena *arena, tl_diag *diag,
                                      tl_str *out_section) {
  tl_build *b = tl_arena_alloc(arena, sizeof *b);
  *out_section = (tl_str){NULL, 0};
  if (!b) return TL_MEMORY;
  *b = (tl_build){
      .arena = arena, .diag = diag, .source = tokenizer_model, .config_source = config_json};
  return compile(b, true, out_section);
}
