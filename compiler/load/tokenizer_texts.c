// The decoder's chain, run over every token at build time: what is left for run time is joining
// texts, runs of bytes, repair of UTF-8 and a strip at the start.
//
//   token "<0x0A>"  -- Replace -- ByteFallback --> text "\n", flag BYTE
#include "compiler/load/tokenizer_build.h"

enum { DECODERS_MAX = 16, TEXT_BYTES_MAX = 1 << 20 };

typedef enum decoder_kind {
  DECODE_REPLACE,
  DECODE_BYTES,     // ByteFallback
  DECODE_METASPACE, //
  DECODE_STRIP,     //
  DECODE_LETTERS,   // ByteLevel
  DECODE_FUSE,
} decoder_kind;

typedef struct decoder {
  decoder_kind kind;
  tl_str from, to;      // REPLACE, METASPACE
  uint32_t code;        // STRIP
  uint32_t start, stop; //
  bool keeps_first;     // METASPACE: prepend_scheme never
} decoder;

// The chain up to where tokens are joined.
typedef struct chain {
  decoder items[DECODERS_MAX];
  uint32_t count;
  bool bytes, joined; // ByteFallback, then Fuse or ByteLevel, have been passed
  bool marked;        // Metaspace has been passed
} chain;

// The text of one token on its way.
typedef struct token {
  tl_text_buffer text, other;
  uint8_t flags;
} token;

static tl_status expect_string(tl_build *b, const tl_json *node, const char *key, tl_str *out) {
  const tl_json *value = tl_json_get(node, tl_str_from(key));
  if (tl_json_to_string(value, out)) return TL_OK;
  return tl_json_expected(b->source, value ? value : node, key, "a string", b->diag);
}

static tl_status read_count(tl_build *b, const tl_json *node, const char *key, uint32_t *out) {
  const tl_json *value = tl_json_get(node, tl_str_from(key));
  int64_t count = 0;
  if (!tl_json_to_int(value, &count) || count < 0 || count > UINT16_MAX)
    return tl_json_expected(b->source, value ? value : node, key, "a small number", b->diag);
  *out = (uint32_t)count;
  return TL_OK;
}

static tl_status read_strip(tl_build *b, const tl_json *node, decoder *d) {
  tl_str content;
  TL_TRY(expect_string(b, node, "content", &content));
  TL_TRY(read_count(b, node, "start", &d->start));
  TL_TRY(read_count(b, node, "stop", &d->stop));
  d->kind = DECODE_STRIP;
  if (content.length && tl_utf8_read(content.data, content.length, &d->code) == content.length)
    return TL_OK;
  return tl_json_expected(b->source, tl_json_get(node, TL_STR("content")), "content",
                          "one character", b->diag);
}

static tl_status read_decoder(tl_build *b, const tl_json *node, tl_str kind, decoder *d) {
  if (tl_str_is(kind, "Fuse")) {
    d->kind = DECODE_FUSE;
  } else if (tl_str_is(kind, "ByteLevel")) {
    d->kind = DECODE_LETTERS;
  } else if (tl_str_is(kind, "ByteFallback")) {
    d->kind = DECODE_BYTES;
  } else if (tl_str_is(kind, "Strip")) {
    return read_strip(b, node, d);
  } else if (tl_str_is(kind, "Replace")) {
    d->kind = DECODE_REPLACE;
    const tl_json *pattern = tl_json_get(node, TL_STR("pattern"));
    TL_TRY(expect_string(b, node, "content", &d->to));
    if (!tl_json_to_string(tl_json_get(pattern, TL_STR("String")), &d->from) || !d->from.length)
      return tl_build_unsupported(b, node, "pattern of a decoder", TL_STR("Regex or empty"));
  } else if (tl_str_is(kind, "Metaspace")) {
    tl_str scheme;
    bool prefix;
    d->kind = DECODE_METASPACE;
    d->to = TL_STR(" ");
    TL_TRY(tl_build_string(b, node, "replacement", TL_STR("\xE2\x96\x81"), &d->from));
    TL_TRY(tl_build_string(b, node, "prepend_scheme", TL_STR("always"), &scheme));
    TL_TRY(tl_build_bool(b, node, "add_prefix_space", true, &prefix));
    d->keeps_first = tl_str_is(scheme, "never") || !prefix;
    if (!d->from.length) return tl_build_unsupported(b, node, "replacement", TL_STR(""));
  } else {
    return tl_build_unsupported(b, node, "decoder", kind);
  }
  return TL_OK;
}

static tl_status refuse_place(tl_build *b, const tl_json *node, tl_str kind) {
  return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, node),
                       "decoder '%.*s' at this place of the chain is not supported",
                       (int)(kind.length < 60 ? kind.length : 60), kind.data);
}

// After the tokens are joined only a strip at the start is left to do.
static tl_status add_joined(tl_build *b, const tl_json *node, tl_str kind, const decoder *d) {
  tl_tokenizer_header *header = &b->table.header;
  if (d->kind == DECODE_FUSE) return TL_OK;
  if (d->kind != DECODE_STRIP || d->stop || header->strip_count) return refuse_place(b, node, kind);
  header->strip_code = d->code;
  header->strip_count = d->start;
  return TL_OK;
}

static tl_status add_decoder(tl_build *b, const tl_json *node, int depth, chain *c) {
  tl_str kind;
  decoder d = {0};
  TL_TRY(tl_build_string(b, node, "type", TL_STR("?"), &kind));
  if (tl_str_is(kind, "Sequence") && depth < TL_BUILD_NESTING_MAX) {
    const tl_json *list = tl_json_get(node, TL_STR("decoders"));
    for (size_t i = 0; i < tl_json_count(list); i++)
      TL_TRY(add_decoder(b, tl_json_item(list, i), depth + 1, c));
    return TL_OK;
  }
  TL_TRY(read_decoder(b, node, kind, &d));
  if (c->joined) return add_joined(b, node, kind, &d);
  bool joins = d.kind == DECODE_FUSE || d.kind == DECODE_LETTERS;
  if (c->count == DECODERS_MAX || ((c->bytes || c->marked) && d.kind != DECODE_FUSE))
    return refuse_place(b, node, kind);
  c->joined = joins;
  c->bytes = d.kind == DECODE_BYTES;
  c->marked = d.kind == DECODE_METASPACE && !d.keeps_first;
  if (d.kind == DECODE_BYTES) b->table.header.decode_flags |= TL_DECODE_BYTE_RUNS;
  if (d.kind == DECODE_LETTERS) b->table.header.decode_flags |= TL_DECODE_LOSSY;
  c->items[c->count++] = d;
  return TL_OK;
}

static tl_str text_of(const token *t) {
  return (tl_str){t->text.data, t->text.length};
}

static void exchange(token *t) {
  tl_text_buffer text = t->text;
  t->text = t->other;
  t->other = text;
}

static tl_status replace(token *t, const decoder *d, uint32_t *out_count) {
  tl_str text = text_of(t);
  *out_count = 0;
  t->other.length = 0;
  for (size_t at = 0; at < text.length;) {
    bool hit = tl_str_starts_with(tl_str_slice(text, at, text.length), d->from);
    tl_str part = hit ? d->to : tl_str_slice(text, at, at + 1);
    TL_TRY(tl_text_append(&t->other, part));
    at += hit ? d->from.length : 1;
    *out_count += hit;
  }
  if (t->other.length > TEXT_BYTES_MAX) return TL_MEMORY;
  exchange(t);
  return TL_OK;
}

static tl_status strip(token *t, const decoder *d) {
  tl_str text = text_of(t);
  uint32_t code;
  size_t begin = 0;
  for (uint32_t i = 0; i < d->start && begin < text.length; i++) {
    size_t length = tl_utf8_read(text.data + begin, text.length - begin, &code);
    if (code != d->code) break;
    begin += length;
  }
  size_t end = text.length;
  for (uint32_t i = 0; i < d->stop && end > begin; i++) {
    size_t before = tl_utf8_before(text.data, end);
    tl_utf8_read(text.data + before, end - before, &code);
    if (code != d->code) break;
    end = before;
  }
  memmove(t->text.data, t->text.data + begin, end - begin);
  t->text.length = end - begin;
  return TL_OK;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// "<0x0A>" becomes its byte; the number may have a sign, as the publishers' library reads it.
static void decode_byte(token *t) {
  tl_str text = text_of(t);
  if (text.length != 6 || memcmp(text.data, "<0x", 3) != 0 || text.data[5] != '>') return;
  int high = text.data[3] == '+' ? 0 : hex_digit(text.data[3]), low = hex_digit(text.data[4]);
  if (high < 0 || low < 0) return;
  t->text.data[0] = (char)(high * 16 + low);
  t->text.length = 1;
  t->flags |= TL_TOKEN_BYTE;
}

static tl_status decode_letters(token *t) {
  tl_str text = text_of(t);
  size_t length;
  t->other.length = 0;
  TL_TRY(tl_text_append(&t->other, text));
  if (tl_byte_text(text, t->other.data, &length)) {
    t->other.length = length;
    exchange(t);
  }
  return TL_OK;
}

static tl_status run_decoder(tl_build *b, const decoder *d, token *t) {
  uint32_t count;
  if (t->text.length == 0) return TL_OK;
  switch (d->kind) {
  case DECODE_REPLACE: return replace(t, d, &count);
  case DECODE_STRIP: return strip(t, d);
  case DECODE_LETTERS: return decode_letters(t);
  case DECODE_BYTES: decode_byte(t); return TL_OK;
  case DECODE_FUSE: return TL_OK;
  case DECODE_METASPACE: break;
  }
  bool spaced = memchr(t->text.data, ' ', t->text.length);
  TL_TRY(replace(t, d, &count));
  if (count == 0 || d->keeps_first) return TL_OK;
  t->flags |= TL_TOKEN_DROP_SPACES;
  if (!spaced) return TL_OK;
  return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, b->root),
                       "a token with both a space and its replacement is not supported");
}

// The word that merges can make: the text itself, or the bytes it stands for.
static tl_status add_word(tl_build *b, tl_str text, token *t, tl_text_buffer *words) {
  size_t length;
  if (!b->bytes) return tl_text_append(words, text);
  t->text.length = 0;
  TL_TRY(tl_text_append(&t->text, text));
  if (!text.length || !tl_byte_text(text, t->text.data, &length)) return TL_OK;
  return tl_text_append(words, (tl_str){t->text.data, length});
}

static tl_status add_text(tl_build *b, const chain *c, tl_str text, token *t,
                          tl_text_buffer *texts) {
  t->text.length = 0;
  TL_TRY(tl_text_append(&t->text, text));
  for (uint32_t i = 0; i < c->count; i++)
    TL_TRY(run_decoder(b, &c->items[i], t));
  return tl_text_append(texts, text_of(t));
}

// A token is special if it reads as one of the special tokens does in the file.
static bool is_special(const tl_build *b, const tl_build_added *added) {
  if (!added->normalized) return added->flags & TL_ADDED_SPECIAL;
  for (uint32_t i = 0; i < b->added_count; i++)
    if (b->added[i].flags & TL_ADDED_SPECIAL && tl_str_equal(b->added[i].text, added->form))
      return true;
  return false;
}

// Texts of all ids as the file names them, added tokens over vocabulary.
static tl_status name_ids(tl_build *b, tl_str *names, uint8_t *flags) {
  uint32_t tokens = b->table.header.tokens_count;
  for (uint32_t id = 0; id < b->vocabulary.ids_count; id++)
    names[id] = b->vocabulary.texts[id];
  for (uint32_t i = 0; i < b->added_count; i++) {
    const tl_build_added *added = &b->added[i];
    if (added->replaced) continue;
    names[added->id] = added->form;
    if (is_special(b, added)) flags[added->id] |= TL_TOKEN_SPECIAL;
  }
  for (uint32_t id = 0; id < tokens; id++)
    if (names[id].data) flags[id] |= TL_TOKEN_PRESENT;
  return TL_OK;
}

static tl_status fill(tl_build *b, const chain *c, tl_text_buffer *words, tl_text_buffer *texts) {
  uint32_t tokens = b->table.header.tokens_count;
  tl_str *names = tl_arena_array(b->arena, tokens, sizeof *names);
  uint8_t *flags = tl_arena_array(b->arena, tokens, 1);
  uint32_t *word_offsets = tl_arena_array(b->arena, tokens + 1, sizeof *word_offsets);
  uint32_t *text_offsets = tl_arena_array(b->arena, tokens + 1, sizeof *text_offsets);
  if (!names || !flags || !word_offsets || !text_offsets) return TL_MEMORY;
  token t = {.text.arena = b->arena, .other.arena = b->arena};
  TL_TRY(name_ids(b, names, flags));
  for (uint32_t id = 0; id < tokens; id++) {
    bool known = id < b->vocabulary.ids_count && b->vocabulary.texts[id].data;
    if (known) TL_TRY(add_word(b, b->vocabulary.texts[id], &t, words));
    t.flags = flags[id];
    if (names[id].data) TL_TRY(add_text(b, c, names[id], &t, texts));
    flags[id] = t.flags;
    word_offsets[id + 1] = (uint32_t)words->length;
    text_offsets[id + 1] = (uint32_t)texts->length;
  }
  b->table.token_flags = flags;
  b->table.token_flags_count = tokens;
  b->table.word_offsets = word_offsets;
  b->table.text_offsets = text_offsets;
  b->table.word_offsets_count = b->table.text_offsets_count = tokens + 1;
  return TL_OK;
}

tl_status tl_build_texts(tl_build *build) {
  const tl_json *node = tl_json_get(build->root, TL_STR("decoder"));
  chain c = {0};
  // Never NULL, so that empty texts have an address.
  tl_text_buffer words = {.arena = build->arena, .data = tl_arena_alloc(build->arena, 1)};
  tl_text_buffer texts = {.arena = build->arena, .data = tl_arena_alloc(build->arena, 1)};
  if (!words.data || !texts.data) return TL_MEMORY;
  if (tl_json_kind_of(node) == TL_JSON_NULL) {
    build->table.header.decode_flags = TL_DECODE_SPACED;
  } else {
    TL_TRY(add_decoder(build, node, 0, &c));
  }
  TL_TRY(fill(build, &c, &words, &texts));
  build->table.words = words.data;
  build->table.words_count = (uint32_t)words.length;
  build->table.texts = texts.data;
  build->table.texts_count = (uint32_t)texts.length;
  return TL_OK;
}
