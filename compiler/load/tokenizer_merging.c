// Byte pair encoding: its merges and options.
#include "compiler/load/tokenizer_build.h"

// A merge is ["a", "b"] or "a b".
static tl_status read_parts(tl_build *b, const tl_json *node, tl_str parts[2]) {
  tl_str text;
  if (tl_json_count(node) == 2 && tl_json_to_string(tl_json_item(node, 0), &parts[0]) &&
      tl_json_to_string(tl_json_item(node, 1), &parts[1]))
    return TL_OK;
  if (!tl_json_to_string(node, &text))
    return tl_json_expected(b->source, node, "merge", "two strings", b->diag);
  const char *space = memchr(text.data, ' ', text.length);
  size_t cut = space ? (size_t)(space - text.data) : text.length;
  parts[0] = tl_str_slice(text, 0, cut);
  parts[1] = tl_str_slice(text, cut + 1, text.length);
  if (!space || memchr(parts[1].data, ' ', parts[1].length))
    return tl_diag_error(b->diag, TL_INPUT, tl_json_span(b->source, node),
                         "a merge has two parts with one space between them");
  return TL_OK;
}

static tl_status read_merge(tl_build *b, const tl_json *node, char *joined,
                            tl_build_merge *out_merge) {
  tl_str parts[2] = {TL_STR(""), TL_STR("")};
  TL_TRY(read_parts(b, node, parts));
  uint32_t left = tl_vocabulary_find(&b->vocabulary, parts[0]);
  uint32_t right = tl_vocabulary_find(&b->vocabulary, parts[1]), result = TL_TOKEN_NONE;
  if (left != TL_TOKEN_NONE && right != TL_TOKEN_NONE) {
    memcpy(joined, parts[0].data, parts[0].length);
    memcpy(joined + parts[0].length, parts[1].data, parts[1].length);
    result =
        tl_vocabulary_find(&b->vocabulary, (tl_str){joined, parts[0].length + parts[1].length});
  }
  if (result == TL_TOKEN_NONE)
    return tl_diag_error(b->diag, TL_INPUT, tl_json_span(b->source, node),
                         "a merge of, or into, a token that is not in the vocabulary");
  *out_merge = (tl_build_merge){left, right, result, 0};
  return TL_OK;
}

static tl_status read_merges(tl_build *b, const tl_json *model) {
  const tl_json *merges = tl_json_get(model, TL_STR("merges"));
  size_t count = tl_json_count(merges);
  if (tl_json_kind_of(merges) != TL_JSON_ARRAY)
    return tl_json_expected(b->source, merges, "merges", "an array", b->diag);
  if (count >= TL_MERGES_MAX)
    return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, merges),
                         "%zu merges, fewer than %d are supported", count, TL_MERGES_MAX);
  char *joined = tl_arena_alloc(b->arena, 2 * TL_BUILD_WORD_BYTES_MAX);
  b->merges = tl_arena_array(b->arena, count, sizeof *b->merges);
  if (!b->merges || !joined) return TL_MEMORY;
  for (size_t i = 0; i < count; i++) {
    TL_TRY(read_merge(b, tl_json_item(merges, i), joined, &b->merges[i]));
    b->merges[i].rank = (uint32_t)i;
  }
  b->merges_count = (uint32_t)count;
  return TL_OK;
}

static tl_status read_unknown(tl_build *b, const tl_json *model, bool missing) {
  tl_str unknown;
  TL_TRY(tl_build_string(b, model, "unk_token", (tl_str){NULL, 0}, &unknown));
  b->table.header.unknown_id = TL_TOKEN_NONE;
  if (!unknown.data) return TL_OK;
  b->table.header.unknown_id = tl_vocabulary_find(&b->vocabulary, unknown);
  if (b->table.header.unknown_id != TL_TOKEN_NONE || (b->bytes && !missing)) return TL_OK;
  return tl_diag_error(b->diag, TL_INPUT,
                       tl_json_span(b->source, tl_json_get(model, TL_STR("unk_token"))),
                       "the unknown token is not in the vocabulary");
}

static tl_status refuse_options(tl_build *b, const tl_json *model) {
  static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
  for (int i = 0; i < 2; i++) {
    tl_str affix;
    TL_TRY(tl_build_string(b, model, affixes[i], TL_STR(""), &affix));
    if (affix.length) return tl_build_unsupported(b, model, affixes[i], affix);
  }
  const tl_json *dropout = tl_json_get(model, TL_STR("dropout"));
  double rate = 0;
  if (tl_json_kind_of(dropout) == TL_JSON_NULL) return TL_OK;
  if (tl_json_to_real(dropout, &rate) && rate == 0) return TL_OK;
  return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, dropout),
                       "dropout makes tokens random and is not supported");
}

tl_status tl_build_merging(tl_build *build, const tl_json *model) {
  bool fallback, fuse, whole, missing;
  TL_TRY(refuse_options(build, model));
  TL_TRY(tl_build_bool(build, model, "byte_fallback", false, &fallback));
  TL_TRY(tl_build_bool(build, model, "fuse_unk", false, &fuse));
  TL_TRY(tl_build_bool(build, model, "ignore_merges", false, &whole));
  TL_TRY(read_merges(build, model));
  tl_build_bytes(build, fallback, &missing);
  TL_TRY(read_unknown(build, model, missing));
  if (build->bytes && fallback && missing)
    return tl_diag_error(build->diag, TL_UNSUPPORTED, tl_json_span(build->source, model),
                         "byte_fallback after ByteLevel is not supported when bytes are missing");
  build->table.header.model_flags =
      (build->bytes ? TL_MODEL_BYTES : 0) | (fuse ? TL_MODEL_FUSE_UNKNOWN : 0) |
      (whole ? TL_MODEL_WHOLE_WORDS : 0) | (fallback && !build->bytes ? TL_MODEL_BYTE_FALLBACK : 0);
  return TL_OK;
}
