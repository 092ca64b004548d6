// Models that cut words up. The best cut is found from left to right: for each place the best way
// to get there, which is extended by all tokens that begin there.
#include "runtime/base/tokenizer_words.h"

#include "runtime/base/utf8.h"

// The best way to a place: the last token on it, and where that begins.
struct tl_word_path {
  double score;
  size_t begin; // SIZE_MAX = no way yet
  size_t next;  // once the best way to the end is known: the place after this one on it
  uint32_t id;
};

// Length of the longest token at the start of `text`, 0 if there is none.
static size_t find_longest(const tl_tokenizer_table *t, uint32_t root, tl_str text,
                           uint32_t *out_id) {
  uint32_t node = root;
  size_t length = 0, limit = t->header.word_bytes_max;
  if (limit > text.length) limit = text.length;
  for (size_t i = 0; i < limit && tl_trie_descend(t->trie, &node, (uint8_t)text.data[i]); i++) {
    if (t->trie[node].id == TL_TOKEN_NONE) continue;
    *out_id = t->trie[node].id;
    length = i + 1;
  }
  return length;
}

static bool has_more_chars(tl_str word, size_t limit) {
  size_t count = 0;
  for (size_t i = 0; i < word.length; i++)
    count += ((uint8_t)word.data[i] & 0xC0) != 0x80;
  return count > limit;
}

static tl_status push(tl_words *w, uint32_t id) {
  return id == TL_TOKEN_NONE ? TL_OK : tl_ids_push(w->bpe.arena, &w->bpe.ids, id);
}

static uint32_t find_word(const tl_tokenizer_table *t, tl_str word) {
  return word.length > t->header.word_bytes_max ? TL_TOKEN_NONE : tl_word_find(t, word);
}

static tl_status encode_longest(tl_words *w, tl_str word) {
  const tl_tokenizer_table *t = w->bpe.table;
  size_t before = w->bpe.ids.count, limit = t->header.word_chars_max;
  if (word.length > limit && has_more_chars(word, limit)) return push(w, t->header.unknown_id);
  uint32_t id = find_word(t, word);
  if (id != TL_TOKEN_NONE) return push(w, id);
  for (size_t at = 0; at < word.length;) {
    tl_str rest = {word.data + at, word.length - at};
    size_t length = find_longest(t, at ? TL_TRIE_INNER : TL_TRIE_START, rest, &id);
    if (length == 0) {
      w->bpe.ids.count = before;
      return push(w, t->header.unknown_id);
    }
    TL_TRY(push(w, id));
    at += length;
  }
  return TL_OK;
}

static void offer(const tl_tokenizer_table *t, tl_word_path *to, size_t begin, uint32_t id,
                  double score) {
  if (t->header.model_flags & TL_MODEL_SINGLES) score = (float)score;
  if (to->begin != SIZE_MAX && score <= to->score) return;
  *to = (tl_word_path){.score = score, .begin = begin, .id = id};
}

// Offers every token that begins at `at`; where no token is one character, the unknown one is.
static void extend(const tl_tokenizer_table *t, tl_word_path *paths, tl_str word, size_t at,
                   size_t char_length) {
  uint32_t node = TL_TRIE_START;
  double score = paths[at].score;
  bool known = false;
  size_t limit =
      word.length - at < t->header.word_bytes_max ? word.length : at + t->header.word_bytes_max;
  for (size_t end = at; end < limit && tl_trie_descend(t->trie, &node, (uint8_t)word.data[end]);) {
    uint32_t id = t->trie[node].id;
    end++;
    if (id == TL_TOKEN_NONE) continue;
    offer(t, &paths[end], at, id, t->scores[id] + score);
    known = known || end - at == char_length;
  }
  if (!known)
    offer(t, &paths[at + char_length], at, t->header.unknown_id, t->header.unknown_score + score);
}

// What no token spells: bytes, if all of them have tokens.
static tl_status push_unknown(tl_words *w, tl_str text) {
  const tl_tokenizer_table *t = w->bpe.table;
  uint32_t id = find_word(t, text);
  bool spelled = id == TL_TOKEN_NONE && t->header.model_flags & TL_MODEL_BYTE_FALLBACK;
  for (size_t i = 0; spelled && i < text.length; i++)
    spelled = t->byte_ids[(uint8_t)text.data[i]] != TL_TOKEN_NONE;
  if (!spelled) return push(w, id == TL_TOKEN_NONE ? t->header.unknown_id : id);
  for (size_t i = 0; i < text.length; i++)
    TL_TRY(push(w, t->byte_ids[(uint8_t)text.data[i]]));
  return TL_OK;
}

static tl_status push_best(tl_words *w, tl_str word) {
  const tl_tokenizer_table *t = w->bpe.table;
  tl_word_path *paths = w->paths;
  for (size_t end = word.length; end > 0; end = paths[end].begin)
    paths[paths[end].begin].next = end;
  for (size_t at = 0, end; at < word.length; at = end) {
    end = paths[at].next;
    uint32_t id = paths[end].id;
    if (id != t->header.unknown_id) {
      TL_TRY(push(w, id));
      continue;
    }
    while (t->header.model_flags & TL_MODEL_FUSE_UNKNOWN && end < word.length &&
           paths[paths[end].next].id == id)
      end = paths[end].next;
    TL_TRY(push_unknown(w, tl_str_slice(word, at, end)));
  }
  return TL_OK;
}

static tl_status encode_best(tl_words *w, tl_str word) {
  const tl_tokenizer_table *t = w->bpe.table;
  uint32_t whole = w->bpe.skip_whole ? TL_TOKEN_NONE : find_word(t, word);
  if (whole != TL_TOKEN_NONE && t->token_flags[whole] & TL_TOKEN_WHOLE) return push(w, whole);
  tl_word_path *paths =
      tl_arena_grow(w->bpe.arena, w->paths, &w->paths_capacity, word.length + 1, sizeof *paths);
  if (!paths) return TL_MEMORY;
  w->paths = paths;
  for (size_t i = 0; i <= word.length; i++)
    paths[i] = (tl_word_path){.begin = SIZE_MAX};
  for (size_t at = 0; at < word.length;) {
    uint32_t code;
    size_t length = tl_utf8_read(word.data + at, word.length - at, &code);
    extend(t, paths, word, at, length);
    at += length;
  }
  return push_best(w, word);
}

static tl_status encode_whole(tl_words *w, tl_str word) {
  uint32_t id = find_word(w->bpe.table, word);
  return push(w, id == TL_TOKEN_NONE ? w->bpe.table->header.unknown_id : id);
}

tl_status tl_word_encode(tl_words *words, tl_str word) {
  switch (words->bpe.table->header.model) {
  case TL_MODEL_LONGEST: return encode_longest(words, word);
  case TL_MODEL_BEST: return encode_best(words, word);
  case TL_MODEL_WHOLE: return encode_whole(words, word);
  default: return tl_bpe_encode(&words->bpe, word);
  }
}
