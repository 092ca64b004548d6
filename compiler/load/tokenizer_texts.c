// The decoder's chain, run over every token at build time: what is left for run time is joining
// texts, runs of bytes, repair of UTF-8 and a strip at the start. Some decoders treat the first
// token of a text in another way, so there may be two texts to a token.
//
//   token "<0x0A>"  -- Replace -- ByteFallback --> text "\n", flag BYTE
//   token "dog"     -- WordPiece --> text " dog", first text "dog"
#include "compiler/load/tokenizer_build.h"

enum { DECODERS_MAX = 16, TEXT_BYTES_MAX = 1 << 20 };

typedef enum decoder_kind {
  DECODE_REPLACE,
  DECODE_BYTES,     // ByteFallback
  DECODE_METASPACE, //
  DECODE_PIECES,    // WordPiece
  DECODE_SPACES,    // no decoder at all
  DECODE_STRIP,     //
  DECODE_LETTERS,   // ByteLevel
  DECODE_FUSE,
} decoder_kind;

typedef struct decoder {
  decoder_kind kind;
  tl_str from, to;      // REPLACE, METASPACE; PIECES has its prefix in `from`
  bool cleans_up;       // PIECES
  uint32_t code;        // STRIP
  uint32_t start, stop; //
  bool keeps_first;     // METASPACE: prepend_scheme never
} decoder;

// The chain up to where tokens are joined.
typedef struct chain {
  decoder items[DECODERS_MAX];
  uint32_t count;
  bool bytes, joined; // ByteFallback, then Fuse or ByteLevel, have been passed
  bool orders;        // the first token may have another text
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
  } else if (tl_str_is(kind, "WordPiece")) {
    d->kind = DECODE_PIECES;
    TL_TRY(tl_build_string(b, node, "prefix", TL_STR("##"), &d->from));
    TL_TRY(tl_build_bool(b, node, "cleanup", true, &d->cleans_up));
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
  if (c->count == DECODERS_MAX || (c->bytes && d.kind != DECODE_FUSE))
    return refuse_place(b, node, kind);
  c->joined = joins;
  c->bytes = d.kind == DECODE_BYTES;
  c->orders =
      c->orders || d.kind == DECODE_PIECES || (d.kind == DECODE_METASPACE && !d.keeps_first);
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

static tl_status replace(token *t, tl_str from, tl_str to) {
  tl_str text = text_of(t);
  t->other.length = 0;
  for (size_t at = 0; at < text.length;) {
    bool hit = tl_str_starts_with(tl_str_slice(text, at, text.length), from);
    TL_TRY(tl_text_append(&t->other, hit ? to : tl_str_slice(text, at, at + 1)));
    at += hit ? from.length : 1;
  }
  if (t->other.length > TEXT_BYTES_MAX) return TL_MEMORY;
  exchange(t);
  return TL_OK;
}

static tl_status strip(token *t, const decoder *d) {
  tl_str text = text_of(t);
  if (text.length == 0) return TL_OK;
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

static tl_status clean_up(token *t) {
  static const char *const pairs[][2] = {{" .", "."},     {" ?", "?"},           {" !", "!"},
                                         {" ,", ","},     {" ' ", "'"},          {" n't", "n't"},
                                         {" 'm", "'m"},   {" do not", " don't"}, {" 's", "'s"},
                                         {" 've", "'ve"}, {" 're", "'re"}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
    TL_TRY(replace(t, tl_str_from(pairs[i][0]), tl_str_from(pairs[i][1])));
  return TL_OK;
}

// A space before every token but the first and those that continue a word.
static tl_status decode_piece(const decoder *d, bool first, token *t) {
  tl_str text = text_of(t);
  if (!first && d->kind == DECODE_PIECES && tl_str_starts_with(text, d->from)) {
    memmove(t->text.data, t->text.data + d->from.length, text.length - d->from.length);
    t->text.length -= d->from.length;
  } else if (!first) {
    t->other.length = 0;
    TL_TRY(tl_text_append(&t->other, TL_STR(" ")));
    TL_TRY(tl_text_append(&t->other, text));
    exchange(t);
  }
  return d->cleans_up ? clean_up(t) : TL_OK;
}

static tl_status run_decoder(const decoder *d, bool first, token *t) {
  switch (d->kind) {
  case DECODE_PIECES:
  case DECODE_SPACES: return decode_piece(d, first, t);
  case DECODE_REPLACE: return replace(t, d->from, d->to);
  case DECODE_METASPACE: return replace(t, d->from, first && !d->keeps_first ? TL_STR("") : d->to);
  case DECODE_STRIP: return strip(t, d);
  case DECODE_LETTERS: return decode_letters(t);
  case DECODE_BYTES: decode_byte(t); return TL_OK;
  case DECODE_FUSE: break;
  }
  return TL_OK;
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

// Appends what `text` decodes to.
static tl_status add_text(const chain *c, tl_str text, bool first, token *t,
                          tl_text_buffer *texts) {
  t->text.length = 0;
  TL_TRY(tl_text_append(&t->text, text));
  for (uint32_t i = 0; i < c->count; i++)
    TL_TRY(run_decoder(&c->items[i], first, t));
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

// The words of all ids.
static tl_status fill_words(tl_build *b) {
  const tl_vocabulary *v = &b->vocabulary;
  uint32_t tokens = b->table.header.tokens_count;
  uint32_t *offsets = tl_arena_array(b->arena, tokens + 1, sizeof *offsets);
  // Never NULL, so that empty texts have an address.
  tl_text_buffer words = {.arena = b->arena, .data = tl_arena_alloc(b->arena, 1)};
  token t = {.text.arena = b->arena, .other.arena = b->arena};
  if (!offsets || !words.data) return TL_MEMORY;
  for (uint32_t id = 0; id < tokens; id++) {
    bool known = id < v->ids_count && v->texts[id].data;
    if (known && !(b->hidden && b->hidden[id]) && tl_vocabulary_find(v, v->texts[id]) == id)
      TL_TRY(add_word(b, v->texts[id], &t, &words));
    offsets[id + 1] = (uint32_t)words.length;
  }
  b->table.word_offsets = offsets;
  b->table.word_offsets_count = tokens + 1;
  b->table.words = words.data;
  b->table.words_count = (uint32_t)words.length;
  return TL_OK;
}

// The texts of all ids, as first ones or not; sets TL_TOKEN_BYTE in `flags`.
static tl_status fill_texts(tl_build *b, const chain *c, const tl_str *names, bool first,
                            uint8_t *flags) {
  uint32_t tokens = b->table.header.tokens_count;
  uint32_t *offsets = tl_arena_array(b->arena, tokens + 1, sizeof *offsets);
  tl_text_buffer texts = {.arena = b->arena, .data = tl_arena_alloc(b->arena, 1)};
  token t = {.text.arena = b->arena, .other.arena = b->arena};
  if (!offsets || !texts.data) return TL_MEMORY;
  for (uint32_t id = 0; id < tokens; id++) {
    t.flags = 0;
    uint32_t begin = offsets[id];
    if (names[id].data) TL_TRY(add_text(c, names[id], first, &t, &texts));
    bool chars = tl_utf8_is_valid((tl_str){texts.data + begin, texts.length - begin});
    if (!chars) flags[id] &= (uint8_t)~TL_TOKEN_CHARS;
    if (first && t.flags != (flags[id] & TL_TOKEN_BYTE))
      return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, b->root),
                           "token %u stands for a byte at some places of a text only", id);
    flags[id] |= t.flags;
    offsets[id + 1] = (uint32_t)texts.length;
  }
  *(first ? &b->table.first_offsets : &b->table.text_offsets) = offsets;
  *(first ? &b->table.first_offsets_count : &b->table.text_offsets_count) = tokens + 1;
  *(first ? &b->table.first_texts : &b->table.texts) = texts.data;
  *(first ? &b->table.first_texts_count : &b->table.texts_count) = (uint32_t)texts.length;
  return TL_OK;
}

tl_status tl_build_texts(tl_build *build) {
  const tl_json *node = tl_json_get(build->root, TL_STR("decoder"));
  uint32_t tokens = build->table.header.tokens_count;
  chain c = {0};
  tl_str *names = tl_arena_array(build->arena, tokens, sizeof *names);
  uint8_t *flags = tl_arena_array(build->arena, tokens, 1);
  if (!names || !flags) return TL_MEMORY;
  if (tl_json_kind_of(node) == TL_JSON_NULL) {
    c = (chain){.items = {{.kind = DECODE_SPACES}}, .count = 1, .orders = true};
  } else {
    TL_TRY(add_decoder(build, node, 0, &c));
  }
  TL_TRY(fill_words(build));
  TL_TRY(name_ids(build, names, flags));
  for (uint32_t id = 0; id < tokens; id++)
    flags[id] |= TL_TOKEN_CHARS;
  TL_TRY(fill_texts(build, &c, names, false, flags));
  if (c.orders) TL_TRY(fill_texts(build, &c, names, true, flags));
  build->table.token_flags = flags;
  build->table.token_flags_count = tokens;
  return TL_OK;
}
