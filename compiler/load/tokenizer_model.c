// The vocabulary and the merges of a byte pair encoding model.
#include "compiler/load/tokenizer_build.h"

enum { WORD_BYTES_MAX = 1 << 16 }; // of a vocabulary entry

static bool prints_itself(uint32_t byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

// The character that stands for `byte` in the printable alphabet.
static uint32_t byte_letter(uint8_t byte) {
  uint32_t others = 0;
  if (prints_itself(byte)) return byte;
  for (uint32_t i = 0; i < byte; i++)
    others += !prints_itself(i);
  return 256 + others;
}

bool tl_byte_text(tl_str text, char *out_bytes, size_t *out_length) {
  size_t length = 0;
  for (size_t at = 0; at < text.length;) {
    uint32_t code;
    at += tl_utf8_read(text.data + at, text.length - at, &code);
    if (code >= 256 && code <= 288) { // the 68 others: 0..32, 127..160, 173
      code -= 256;
    } else if (code >= 289 && code <= 323) {
      code = code == 323 ? 173 : code - 289 + 127;
    } else if (code >= 256 || !prints_itself(code)) {
      return false;
    }
    out_bytes[length++] = (char)code;
  }
  *out_length = length;
  return true;
}

uint32_t tl_vocabulary_find(const tl_vocabulary *vocabulary, tl_str text) {
  const tl_json *id = tl_json_get(vocabulary->entries, text);
  return id ? (uint32_t)id->integer : TL_TOKEN_NONE;
}

static tl_status check_id(tl_build *b, const tl_json *node, uint32_t *out_id) {
  int64_t id;
  if (!tl_json_to_int(node, &id) || id < 0)
    return tl_json_expected(b->source, node, "id of a token", "a number that is not negative",
                            b->diag);
  if (id >= TL_TOKENS_MAX)
    return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, node),
                         "id %lld is too high, ids must be below %d", (long long)id, TL_TOKENS_MAX);
  *out_id = (uint32_t)id;
  return TL_OK;
}

static tl_status read_vocabulary(tl_build *b, const tl_json *model) {
  const tl_json *vocab = tl_json_get(model, TL_STR("vocab"));
  tl_vocabulary *v = &b->vocabulary;
  uint32_t id = 0;
  if (tl_json_kind_of(vocab) != TL_JSON_OBJECT || vocab->count == 0)
    return tl_json_expected(b->source, vocab, "vocab", "an object with tokens", b->diag);
  for (uint32_t i = 0; i < vocab->count; i++) {
    TL_TRY(check_id(b, &vocab->members[i].value, &id));
    if (id >= v->ids_count) v->ids_count = id + 1;
  }
  v->entries = vocab;
  v->texts = tl_arena_array(b->arena, v->ids_count, sizeof *v->texts);
  if (!v->texts) return TL_MEMORY;
  for (uint32_t i = 0; i < vocab->count; i++) {
    const tl_json_member *member = &vocab->members[i];
    id = (uint32_t)member->value.integer;
    if (member->key.string.length > WORD_BYTES_MAX)
      return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, &member->key),
                           "a token of %zu bytes, at most %d are supported",
                           member->key.string.length, WORD_BYTES_MAX);
    if (v->texts[id].data)
      return tl_diag_error(b->diag, TL_INPUT, tl_json_span(b->source, &member->value),
                           "two tokens have the id %u", id);
    v->texts[id] = member->key.string;
  }
  return TL_OK;
}

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
  *out_merge = (tl_build_merge){left, right, result};
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
  char *joined = tl_arena_alloc(b->arena, 2 * WORD_BYTES_MAX);
  b->merges = tl_arena_array(b->arena, count, sizeof *b->merges);
  if (!b->merges || !joined) return TL_MEMORY;
  for (size_t i = 0; i < count; i++)
    TL_TRY(read_merge(b, tl_json_item(merges, i), joined, &b->merges[i]));
  b->merges_count = (uint32_t)count;
  return TL_OK;
}

// Symbols of bytes: a letter of the alphabet each, or <0x0A> for byte fallback. `*out_missing` says
// whether one has no symbol.
static tl_status read_bytes(tl_build *b, bool fallback, bool *out_missing) {
  *out_missing = false;
  for (uint32_t byte = 0; byte < 256; byte++) {
    char text[16];
    tl_str name = {text, tl_utf8_write(byte_letter((uint8_t)byte), text)};
    if (!b->bytes) name.length = (size_t)snprintf(text, sizeof text, "<0x%02X>", (unsigned)byte);
    bool used = b->bytes || fallback;
    b->byte_ids[byte] = used ? tl_vocabulary_find(&b->vocabulary, name) : TL_TOKEN_NONE;
    *out_missing = *out_missing || b->byte_ids[byte] == TL_TOKEN_NONE;
  }
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

tl_status tl_build_model(tl_build *build) {
  const tl_json *model = tl_json_get(build->root, TL_STR("model"));
  tl_str kind;
  bool fallback, fuse, whole, missing;
  if (!model)
    return tl_diag_error(build->diag, TL_INPUT, tl_json_span(build->source, build->root),
                         "there is no 'model', expected an object with one");
  if (tl_json_kind_of(model) != TL_JSON_OBJECT)
    return tl_json_expected(build->source, model, "model", "an object", build->diag);
  TL_TRY(tl_build_string(build, model, "type", TL_STR("BPE"), &kind));
  if (!tl_str_is(kind, "BPE")) return tl_build_unsupported(build, model, "model", kind);
  TL_TRY(refuse_options(build, model));
  TL_TRY(tl_build_bool(build, model, "byte_fallback", false, &fallback));
  TL_TRY(tl_build_bool(build, model, "fuse_unk", false, &fuse));
  TL_TRY(tl_build_bool(build, model, "ignore_merges", false, &whole));
  TL_TRY(read_vocabulary(build, model));
  TL_TRY(read_merges(build, model));
  TL_TRY(read_bytes(build, fallback, &missing));
  TL_TRY(read_unknown(build, model, missing));
  if (build->bytes && fallback && missing)
    return tl_diag_error(build->diag, TL_UNSUPPORTED, tl_json_span(build->source, model),
                         "byte_fallback after ByteLevel is not supported when bytes are missing");
  build->table.header.model_flags =
      (build->bytes ? TL_MODEL_BYTES : 0) | (fuse ? TL_MODEL_FUSE_UNKNOWN : 0) |
      (whole ? TL_MODEL_WHOLE_WORDS : 0) | (fallback && !build->bytes ? TL_MODEL_BYTE_FALLBACK : 0);
  return TL_OK;
}
