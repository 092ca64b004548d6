// The search for keys, and for the ends of clusters (UAX 29, GB3 to GB11; halves of flags are no
// case of their own, as what has one is too long to be replaced as a whole).
#include "runtime/base/tokenizer_keys.h"

// A text on its way into the buffer.
typedef struct change {
  const tl_tokenizer_table *table;
  tl_text_buffer *buffer;
  tl_str text;
  size_t copied; // what lies before is in the buffer, if anything is
} change;

// What the part of a cluster before a place says about its going on there.
typedef struct cluster {
  tl_cluster_kind last;
  bool picture, joined;              // a picture and what extends it; then a joiner
  bool consonant, consonants_linked; // a consonant and what extends it; with a linker among it
} cluster;

static tl_cluster_kind kind_of(const tl_tokenizer_table *t, uint32_t code) {
  return tl_class_flags_of(t, code) >> TL_CLASS_CLUSTER_SHIFT;
}

static bool continues_hangul(tl_cluster_kind last, tl_cluster_kind next) {
  switch (last) {
  case TL_CLUSTER_LEAD:
    return next == TL_CLUSTER_LEAD || next == TL_CLUSTER_VOWEL || next == TL_CLUSTER_OPEN ||
           next == TL_CLUSTER_CLOSED;
  case TL_CLUSTER_OPEN:
  case TL_CLUSTER_VOWEL: return next == TL_CLUSTER_VOWEL || next == TL_CLUSTER_TAIL;
  case TL_CLUSTER_CLOSED:
  case TL_CLUSTER_TAIL: return next == TL_CLUSTER_TAIL;
  default: return false;
  }
}

static bool continues(const cluster *c, tl_cluster_kind next) {
  if (c->last == TL_CLUSTER_CONTROL || next == TL_CLUSTER_CONTROL) return false;
  if (next >= TL_CLUSTER_EXTEND && next <= TL_CLUSTER_JOINER) return true;
  if (c->last == TL_CLUSTER_PREPEND || continues_hangul(c->last, next)) return true;
  return (next == TL_CLUSTER_PICTURE && c->joined) ||
         (next == TL_CLUSTER_CONSONANT && c->consonants_linked);
}

static void go_on(cluster *c, tl_cluster_kind next) {
  bool extends = next == TL_CLUSTER_EXTEND || next == TL_CLUSTER_PLAIN || next == TL_CLUSTER_LINKER;
  bool was_consonant = c->consonant && (next == TL_CLUSTER_EXTEND || next == TL_CLUSTER_LINKER ||
                                        next == TL_CLUSTER_JOINER);
  c->joined = c->picture && next == TL_CLUSTER_JOINER;
  c->picture = next == TL_CLUSTER_PICTURE || (c->picture && extends);
  c->consonants_linked = was_consonant && (c->consonants_linked || next == TL_CLUSTER_LINKER);
  c->consonant = was_consonant || next == TL_CLUSTER_CONSONANT;
  c->last = next;
}

static size_t cluster_end(const tl_tokenizer_table *t, tl_str text, size_t at) {
  cluster c = {.last = TL_CLUSTER_OTHER};
  uint32_t code;
  size_t end = at + tl_utf8_read(text.data + at, text.length - at, &code);
  if (code == '\r' && end < text.length && text.data[end] == '\n') return end + 1;
  go_on(&c, kind_of(t, code));
  while (end < text.length && ((uint8_t)text.data[end] >= 0x80 || c.last == TL_CLUSTER_PREPEND)) {
    size_t length = tl_utf8_read(text.data + end, text.length - end, &code);
    tl_cluster_kind kind = kind_of(t, code);
    if (!continues(&c, kind)) break;
    go_on(&c, kind);
    end += length;
  }
  return end;
}

// The longest key at the start of `text` that ends where a character does; its length, or 0.
static size_t find_key(const tl_tokenizer_table *t, tl_str text, uint32_t *out_row) {
  uint32_t node = TL_TRIE_START;
  size_t found = 0, limit = TL_TOKENIZER_KEY_BYTES_MAX;
  if (limit > text.length) limit = text.length;
  for (size_t i = 0; i < limit && tl_trie_descend(t->keys, &node, (uint8_t)text.data[i]);) {
    i++;
    if (t->keys[node].id == TL_TOKEN_NONE) continue;
    if (i < text.length && ((uint8_t)text.data[i] & 0xC0) == 0x80) continue;
    *out_row = t->keys[node].id;
    found = i;
  }
  return found;
}

// Puts the text of a row in the place of [begin, end).
static tl_status change_part(change *c, size_t begin, size_t end, uint32_t row) {
  const tl_tokenizer_text *to = &c->table->key_texts[row];
  TL_TRY(tl_text_append(c->buffer, tl_str_slice(c->text, c->copied, begin)));
  TL_TRY(tl_text_append(c->buffer, (tl_str){c->table->pool + to->offset, to->length}));
  c->copied = end;
  return TL_OK;
}

// The longest key at each place of [begin, end); with `by_chars` only keys of one character.
static tl_status change_keys(change *c, size_t begin, size_t end, bool by_chars) {
  size_t length;
  for (size_t at = begin; at < end; at += length) {
    uint32_t code, row = 0;
    length = tl_utf8_read(c->text.data + at, end - at, &code);
    size_t found =
        find_key(c->table, tl_str_slice(c->text, at, by_chars ? at + length : end), &row);
    if (found == 0) continue;
    length = found;
    TL_TRY(change_part(c, at, at + length, row));
  }
  return TL_OK;
}

static tl_status change_clusters(change *c) {
  size_t end;
  for (size_t at = 0; at < c->text.length; at = end) {
    uint32_t row = 0;
    end = cluster_end(c->table, c->text, at);
    if (end - at <= TL_TOKENIZER_CLUSTER_BYTES_MAX &&
        find_key(c->table, tl_str_slice(c->text, at, end), &row)) {
      TL_TRY(change_part(c, at, end, row));
    } else {
      TL_TRY(change_keys(c, at, end, true));
    }
  }
  return TL_OK;
}

tl_status tl_text_keys_apply(const tl_tokenizer_table *table, const tl_tokenizer_step *step,
                             tl_text_buffer *buffer, tl_str *text) {
  change c = {.table = table, .buffer = buffer, .text = *text};
  buffer->length = 0;
  TL_TRY(tl_text_append(buffer, (tl_str){table->pool + step->text_offset, step->text_length}));
  TL_TRY(step->flags & TL_KEYS_CLUSTERS ? change_clusters(&c)
                                        : change_keys(&c, 0, text->length, false));
  if (c.copied == 0 && step->text_length == 0) return TL_OK;
  TL_TRY(tl_text_append(buffer, tl_str_slice(*text, c.copied, text->length)));
  *text = (tl_str){buffer->data, buffer->length};
  return TL_OK;
}
