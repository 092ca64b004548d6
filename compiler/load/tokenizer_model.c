// The kinds of models, and those that are little more than their vocabulary.
#include "compiler/load/tokenizer_build.h"

// Below the lowest score of a token, for the best path of Unigram.
static const double unknown_penalty = 10.0;

static tl_status read_unknown(tl_build *b, const tl_json *model, tl_str fallback) {
  tl_str unknown;
  TL_TRY(tl_build_string(b, model, "unk_token", fallback, &unknown));
  b->table.header.unknown_id = tl_vocabulary_find(&b->vocabulary, unknown);
  if (b->table.header.unknown_id != TL_TOKEN_NONE) return TL_OK;
  const tl_json *place = tl_json_get(model, TL_STR("unk_token"));
  return tl_diag_error(b->diag, TL_INPUT, tl_json_span(b->source, place ? place : model),
                       "the unknown token is not in the vocabulary");
}

tl_status tl_build_longest(tl_build *build, const tl_json *model) {
  const tl_json *limit = tl_json_get(model, TL_STR("max_input_chars_per_word"));
  int64_t chars = 100;
  if (limit && (!tl_json_to_int(limit, &chars) || chars < 0 || chars > INT32_MAX))
    return tl_json_expected(build->source, limit, "max_input_chars_per_word", "a number",
                            build->diag);
  build->table.header.word_chars_max = (uint32_t)chars;
  TL_TRY(tl_build_string(build, model, "continuing_subword_prefix", TL_STR("##"),
                         &build->inner_prefix));
  return read_unknown(build, model, TL_STR("[UNK]"));
}

tl_status tl_build_best(tl_build *build, const tl_json *model) {
  const tl_json *node = tl_json_get(model, TL_STR("unk_id"));
  tl_tokenizer_header *header = &build->table.header;
  int64_t unknown = -1;
  bool fallback, missing;
  TL_TRY(tl_build_bool(build, model, "byte_fallback", false, &fallback));
  if (!tl_json_to_int(node, &unknown) || unknown < 0 || unknown >= build->vocabulary.ids_count)
    return tl_json_expected(build->source, node ? node : model, "unk_id", "an id of the vocabulary",
                            build->diag);
  tl_build_bytes(build, fallback, &missing);
  double lowest = build->scores[0];
  for (uint32_t i = 1; i < build->vocabulary.ids_count; i++)
    if (build->scores[i] < lowest) lowest = build->scores[i];
  header->unknown_id = (uint32_t)unknown;
  header->unknown_score = lowest - unknown_penalty;
  header->model_flags = TL_MODEL_FUSE_UNKNOWN | (fallback ? TL_MODEL_BYTE_FALLBACK : 0);
  return TL_OK;
}

tl_status tl_build_whole(tl_build *build, const tl_json *model) {
  return read_unknown(build, model, TL_STR("<unk>"));
}

// Files without a "type" are told apart as the publishers' library does.
static tl_str guess_kind(const tl_json *model) {
  if (tl_json_get(model, TL_STR("merges"))) return TL_STR("BPE");
  if (tl_json_get(model, TL_STR("unk_id"))) return TL_STR("Unigram");
  return tl_json_get(model, TL_STR("continuing_subword_prefix")) ? TL_STR("WordPiece")
                                                                 : TL_STR("WordLevel");
}

tl_status tl_build_model(tl_build *build) {
  static const struct {
    const char *kind;
    tl_model_kind model;
    tl_status (*read)(tl_build *, const tl_json *);
  } kinds[TL_MODEL_KINDS] = {{"BPE", TL_MODEL_MERGES, tl_build_merging},
                             {"WordPiece", TL_MODEL_LONGEST, tl_build_longest},
                             {"Unigram", TL_MODEL_BEST, tl_build_best},
                             {"WordLevel", TL_MODEL_WHOLE, tl_build_whole}};
  const tl_json *model = tl_json_get(build->root, TL_STR("model"));
  tl_str kind;
  if (!model)
    return tl_diag_error(build->diag, TL_INPUT, tl_json_span(build->source, build->root),
                         "there is no 'model', expected an object with one");
  if (tl_json_kind_of(model) != TL_JSON_OBJECT)
    return tl_json_expected(build->source, model, "model", "an object", build->diag);
  TL_TRY(tl_build_string(build, model, "type", guess_kind(model), &kind));
  for (size_t i = 0; i < TL_MODEL_KINDS; i++) {
    if (!tl_str_is(kind, kinds[i].kind)) continue;
    build->table.header.model = kinds[i].model;
    if (build->bytes && kinds[i].model != TL_MODEL_MERGES)
      return tl_diag_error(build->diag, TL_UNSUPPORTED, tl_json_span(build->source, model),
                           "model '%s' after ByteLevel is not supported", kinds[i].kind);
    TL_TRY(tl_build_vocabulary(build, model));
    return kinds[i].read(build, model);
  }
  return tl_build_unsupported(build, model, "model", kind);
}
