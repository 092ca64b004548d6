// The vocabulary: ids by text and texts by id, and the texts of single bytes.
#include "compiler/load/tokenizer_build.h"

enum { WORD_BYTES_MAX = TL_BUILD_WORD_BYTES_MAX, SLOTS_MIN = 1024 };

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

// The slot of `text`, or the free one where it belongs.
static uint32_t find_slot(const tl_vocabulary *v, tl_str text) {
  uint32_t at = tl_word_hash(text.data, text.length) & (v->slots_count - 1);
  while (v->slots[at] != TL_TOKEN_NONE && !tl_str_equal(v->texts[v->slots[at]], text))
    at = (at + 1) & (v->slots_count - 1);
  return at;
}

static tl_status grow_slots(tl_vocabulary *v) {
  const uint32_t *old = v->slots;
  uint32_t old_count = v->slots_count;
  v->slots_count = old_count ? 4 * old_count : SLOTS_MIN;
  v->slots = tl_arena_array(v->arena, v->slots_count, sizeof *v->slots);
  if (!v->slots) return TL_MEMORY;
  memset(v->slots, 0xFF, v->slots_count * sizeof *v->slots);
  for (uint32_t i = 0; i < old_count; i++)
    if (old[i] != TL_TOKEN_NONE) v->slots[find_slot(v, v->texts[old[i]])] = old[i];
  return TL_OK;
}

tl_status tl_vocabulary_add(tl_vocabulary *vocabulary, tl_str text, uint32_t id) {
  tl_vocabulary *v = vocabulary;
  if (2 * (uint64_t)v->entries_count >= v->slots_count) TL_TRY(grow_slots(v));
  tl_str *texts = tl_arena_grow(v->arena, v->texts, &v->texts_capacity, id + 1, sizeof *texts);
  if (!texts) return TL_MEMORY;
  v->texts = texts;
  texts[id] = text;
  v->slots[find_slot(v, text)] = id;
  v->entries_count++;
  if (id >= v->ids_count) v->ids_count = id + 1;
  return TL_OK;
}

uint32_t tl_vocabulary_find(const tl_vocabulary *vocabulary, tl_str text) {
  return vocabulary->slots_count ? vocabulary->slots[find_slot(vocabulary, text)] : TL_TOKEN_NONE;
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
  if (*out_id >= b->vocabulary.ids_count || !b->vocabulary.texts[id].data) return TL_OK;
  return tl_diag_error(b->diag, TL_INPUT, tl_json_span(b->source, node),
                       "two tokens have the id %u", *out_id);
}

static tl_status add_entry(tl_build *b, const tl_json *node, tl_str text, uint32_t id) {
  if (text.length > WORD_BYTES_MAX)
    return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, node),
                         "a token of %zu bytes, at most %d are supported", text.length,
                         WORD_BYTES_MAX);
  return tl_vocabulary_add(&b->vocabulary, text, id);
}

// [["text", score], ..]: ids are indices.
static tl_status read_scored(tl_build *b, const tl_json *vocab) {
  size_t count = tl_json_count(vocab);
  if (count == 0 || count > TL_TOKENS_MAX)
    return tl_json_expected(b->source, vocab, "vocab", "an array of tokens, of less than 2^21",
                            b->diag);
  b->scores = tl_arena_array(b->arena, count, sizeof *b->scores);
  if (!b->scores) return TL_MEMORY;
  for (size_t i = 0; i < count; i++) {
    const tl_json *entry = tl_json_item(vocab, i);
    tl_str text;
    if (!tl_json_to_string(tl_json_item(entry, 0), &text) ||
        !tl_json_to_real(tl_json_item(entry, 1), &b->scores[i]))
      return tl_json_expected(b->source, entry, "token", "a text and its score", b->diag);
    TL_TRY(add_entry(b, entry, text, (uint32_t)i));
  }
  return TL_OK;
}

tl_status tl_build_vocabulary(tl_build *build, const tl_json *model) {
  const tl_json *vocab = tl_json_get(model, TL_STR("vocab"));
  if (build->table.header.model == TL_MODEL_BEST) {
    if (tl_json_kind_of(vocab) == TL_JSON_ARRAY) return read_scored(build, vocab);
    return tl_json_expected(build->source, vocab ? vocab : model, "vocab", "an array", build->diag);
  }
  if (tl_json_kind_of(vocab) != TL_JSON_OBJECT || vocab->count == 0)
    return tl_json_expected(build->source, vocab, "vocab", "an object with tokens", build->diag);
  for (uint32_t i = 0; i < vocab->count; i++) {
    const tl_json_member *member = &vocab->members[i];
    uint32_t id = 0;
    TL_TRY(check_id(build, &member->value, &id));
    TL_TRY(add_entry(build, &member->key, member->key.string, id));
  }
  return TL_OK;
}

void tl_build_bytes(tl_build *build, bool fallback, bool *out_missing) {
  *out_missing = false;
  for (uint32_t byte = 0; byte < 256; byte++) {
    char text[16];
    tl_str name = {text, tl_utf8_write(byte_letter((uint8_t)byte), text)};
    if (!build->bytes)
      name.length = (size_t)snprintf(text, sizeof text, "<0x%02X>", (unsigned)byte);
    bool used = build->bytes || fallback;
    build->byte_ids[byte] = used ? tl_vocabulary_find(&build->vocabulary, name) : TL_TOKEN_NONE;
    *out_missing = *out_missing || build->byte_ids[byte] == TL_TOKEN_NONE;
  }
}
