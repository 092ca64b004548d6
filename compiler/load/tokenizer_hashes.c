// The hash tables of words and merges, the filter of neighbours, and which words are whole.
#include "compiler/load/tokenizer_build.h"
#include "runtime/base/tokenizer_words.h"

enum { EDGE_WORDS_MAX = 1 << 15 };

static tl_status crowded(tl_build *b) {
  return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, b->root),
                       "more than %d tokens or merges have the same hash", TL_TOKENIZER_PROBES_MAX);
}

static tl_status build_words(tl_build *b) {
  tl_tokenizer_header *header = &b->table.header;
  uint32_t count = 64, tokens = header->tokens_count;
  while (count < 2 * tokens)
    count *= 2;
  uint32_t *slots = tl_arena_array(b->arena, count, sizeof *slots);
  if (!slots) return TL_MEMORY;
  memset(slots, 0xFF, count * sizeof *slots);
  for (uint32_t id = 0; id < tokens; id++) {
    tl_str word = tl_token_word(&b->table, id);
    if (word.length == 0) continue;
    if (word.length > header->word_bytes_max) header->word_bytes_max = (uint32_t)word.length;
    uint32_t hash = tl_word_hash(word.data, word.length), at = hash & (count - 1), probes = 0;
    for (; (slots[at] & TL_SLOT_EMPTY) != TL_SLOT_EMPTY; at = (at + 1) & (count - 1))
      if (++probes > TL_TOKENIZER_PROBES_MAX) return crowded(b);
    if (probes > header->word_probes) header->word_probes = probes;
    slots[at] = id | (hash >> 21) << 21;
  }
  b->table.word_slots = slots;
  b->table.word_slots_count = count;
  return TL_OK;
}

static tl_status build_merges(tl_build *b) {
  uint32_t count = b->merges_count + b->merges_count / 3 + 1;
  uint32_t words = 1;
  while (words * 4 < b->merges_count) // eight bits to a merge
    words *= 2;
  uint32_t *bits = tl_arena_array(b->arena, words, sizeof *bits);
  tl_tokenizer_merge *slots = tl_arena_array(b->arena, count, sizeof *slots);
  if (!slots || !bits) return TL_MEMORY;
  memset(slots, 0xFF, count * sizeof *slots);
  for (uint32_t i = 0; i < b->merges_count; i++) {
    const tl_build_merge *m = &b->merges[i];
    uint32_t hash = tl_pair_hash(m->left, m->right), bit = hash & (words * 32 - 1);
    uint32_t at = tl_merge_slot(hash, count), probes = 0;
    bits[bit / 32] |= 1u << bit % 32;
    for (; slots[at].result != TL_TOKEN_NONE; at = at + 1 == count ? 0 : at + 1) {
      if (tl_merge_left(&slots[at]) == m->left && tl_merge_right(&slots[at]) == m->right) break;
      if (++probes > TL_TOKENIZER_PROBES_MAX) return crowded(b);
    }
    if (probes > b->table.header.merge_probes) b->table.header.merge_probes = probes;
    // Of a merge that is listed twice, the last one counts.
    slots[at] =
        (tl_tokenizer_merge){m->left | m->rank << 21, m->right | (m->rank >> 11) << 21, m->result};
  }
  b->table.pair_bits = bits;
  b->table.pair_bits_count = words;
  b->table.merges = slots;
  b->table.merges_count = count;
  return TL_OK;
}

// Ids of words that are one character, in blocks; block 0 has none.
static tl_status build_chars(tl_build *b) {
  uint16_t *index = tl_arena_array(b->arena, TL_CHAR_BLOCKS, sizeof *index);
  uint32_t *ids = NULL, code, blocks = 1;
  size_t capacity = 0;
  if (b->table.header.model != TL_MODEL_MERGES || b->bytes) return TL_OK;
  ids = tl_arena_grow(b->arena, ids, &capacity, TL_CHAR_BLOCK, sizeof *ids);
  if (!ids || !index) return TL_MEMORY;
  memset(ids, 0xFF, TL_CHAR_BLOCK * sizeof *ids);
  for (uint32_t id = 0; id < b->vocabulary.ids_count; id++) {
    tl_str word = tl_token_word(&b->table, id);
    if (!word.length || tl_utf8_read(word.data, word.length, &code) != word.length) continue;
    uint32_t block = index[code / TL_CHAR_BLOCK];
    if (block == 0) {
      block = blocks++;
      ids = tl_arena_grow(b->arena, ids, &capacity, (size_t)blocks * TL_CHAR_BLOCK, sizeof *ids);
      if (!ids) return TL_MEMORY;
      memset(ids + (size_t)block * TL_CHAR_BLOCK, 0xFF, TL_CHAR_BLOCK * sizeof *ids);
      index[code / TL_CHAR_BLOCK] = (uint16_t)block;
    }
    ids[(size_t)block * TL_CHAR_BLOCK + code % TL_CHAR_BLOCK] = id;
  }
  b->table.char_id_index = index;
  b->table.char_id_index_count = TL_CHAR_BLOCKS;
  b->table.char_ids = ids;
  b->table.char_ids_count = blocks * TL_CHAR_BLOCK;
  return TL_OK;
}

// The first or the last byte or code point of a word.
static uint32_t border(const tl_build *b, tl_str word, bool last) {
  uint32_t code = 0;
  if (b->bytes) return (uint8_t)word.data[last ? word.length - 1 : 0];
  size_t at = last ? tl_utf8_before(word.data, word.length) : 0;
  tl_utf8_read(word.data + at, word.length - at, &code);
  return code;
}

// Symbols that do not stand for their own text can be neighbours of anything.
static void mark_opaque(const tl_build *b, uint8_t *opaque) {
  uint32_t count = b->table.header.tokens_count, unknown = b->table.header.unknown_id;
  memset(opaque, 0, count);
  if (unknown < count) opaque[unknown] = 1;
  for (uint32_t i = 0; i < 256 && b->table.header.model_flags & TL_MODEL_BYTE_FALLBACK; i++)
    if (b->byte_ids[i] < count) opaque[b->byte_ids[i]] = 1;
}

// Whether a character can vanish, and so let its neighbours meet: no symbol, no unknown token.
static bool has_vanishing(const tl_build *b) {
  bool missing = false;
  for (uint32_t i = 0; i < 256; i++)
    missing = missing || b->byte_ids[i] == TL_TOKEN_NONE;
  return missing && b->table.header.unknown_id == TL_TOKEN_NONE;
}

static tl_status build_edges(tl_build *b) {
  uint32_t words = 32;
  while (words * 16 < b->merges_count && words < EDGE_WORDS_MAX)
    words *= 2;
  uint32_t *bits = tl_arena_array(b->arena, words, sizeof *bits);
  uint8_t *opaque = tl_arena_array(b->arena, b->table.header.tokens_count, 1);
  if (!bits || !opaque) return TL_MEMORY;
  mark_opaque(b, opaque);
  bool vanishing = has_vanishing(b);
  for (uint32_t i = 0; i < b->merges_count; i++) {
    const tl_build_merge *m = &b->merges[i];
    tl_str left = tl_token_word(&b->table, m->left), right = tl_token_word(&b->table, m->right);
    if (vanishing || opaque[m->left] || opaque[m->right]) {
      memset(bits, 0xFF, words * sizeof *bits);
    } else if (left.length && right.length) {
      uint32_t bit = tl_edge_bit(border(b, left, true), border(b, right, false), words);
      bits[bit / 32] |= 1u << bit % 32;
    }
  }
  b->table.edge_bits = bits;
  b->table.edge_bits_count = words;
  return TL_OK;
}

// Runs the model over every word; those that end in their own id need not be merged at run time.
static tl_status find_whole(tl_build *b) {
  uint8_t *flags = tl_arena_array(b->arena, b->table.header.tokens_count, 1);
  tl_words words = {.bpe = {.table = &b->table, .arena = b->arena, .skip_whole = true}};
  tl_ids *ids = &words.bpe.ids;
  if (!flags) return TL_MEMORY;
  memcpy(flags, b->table.token_flags, b->table.header.tokens_count);
  for (uint32_t id = 0; id < b->table.header.tokens_count; id++) {
    tl_str word = tl_token_word(&b->table, id);
    if (word.length == 0) continue;
    ids->count = 0;
    TL_TRY(tl_word_encode(&words, word));
    if (ids->count == 1 && (uint32_t)ids->items[0] == id) flags[id] |= TL_TOKEN_WHOLE;
  }
  b->table.token_flags = flags;
  return TL_OK;
}

// Scores of all ids; those of added tokens outside of the vocabulary are never asked for.
static tl_status pad_scores(tl_build *b) {
  if (b->table.header.model != TL_MODEL_BEST) return TL_OK;
  double *scores = tl_arena_array(b->arena, b->table.header.tokens_count, sizeof *scores);
  if (!scores) return TL_MEMORY;
  memcpy(scores, b->scores, b->vocabulary.ids_count * sizeof *scores);
  b->table.scores = scores;
  b->table.scores_count = b->table.header.tokens_count;
  return TL_OK;
}

tl_status tl_build_hashes(tl_build *build) {
  build->table.byte_ids = build->byte_ids;
  build->table.byte_ids_count = 256;
  TL_TRY(build_words(build));
  TL_TRY(build_merges(build));
  TL_TRY(build_chars(build));
  TL_TRY(build_edges(build));
  TL_TRY(pad_scores(build));
  return find_whole(build);
}
