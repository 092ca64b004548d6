// The encoder: a piece of text falls through the steps depth first, down to the model. A step
// either cuts the piece or changes it; each step has one buffer, which the piece below it may point
// into.
#include "runtime/text/tokenizer.h"

#include "runtime/base/tokenizer_normal.h"
#include "runtime/base/tokenizer_words.h"

typedef struct encoder {
  const tl_tokenizer_table *table;
  bool plain_special;
  tl_words words;
  tl_text_buffer buffers[TL_TOKENIZER_STEPS_MAX];
} encoder;

// What a SPLIT has found and not passed on yet.
typedef struct splitter {
  encoder *encoder;
  uint32_t step;
  tl_text_piece piece;
  bool pending, pending_match, last_match;
  size_t begin, end; // of the pending piece
} splitter;

static tl_status run_step(encoder *e, uint32_t step, tl_text_piece piece);

static tl_status pass_on(encoder *e, uint32_t step, tl_text_piece piece, size_t begin, size_t end) {
  tl_text_piece part = {{piece.text.data + begin, end - begin}, piece.at_start && begin == 0};
  return begin < end ? run_step(e, step + 1, part) : TL_OK;
}

static bool has_class_flag(const tl_tokenizer_table *t, tl_str text, size_t at, uint32_t flag) {
  uint32_t code;
  tl_utf8_read(text.data + at, text.length - at, &code);
  return tl_class_flags_of(t, code) & flag;
}

static bool stands_alone(const tl_tokenizer_table *t, tl_str text, size_t begin, size_t end) {
  if (begin > 0 && has_class_flag(t, text, tl_utf8_before(text.data, begin), TL_CLASS_WORD))
    return false;
  return end == text.length || !has_class_flag(t, text, end, TL_CLASS_WORD);
}

static size_t skip_spaces_back(const tl_tokenizer_table *t, tl_str text, size_t at, size_t stop) {
  while (at > stop) {
    size_t before = tl_utf8_before(text.data, at);
    if (before < stop || !has_class_flag(t, text, before, TL_CLASS_SPACE)) break;
    at = before;
  }
  return at;
}

static size_t skip_spaces(const tl_tokenizer_table *t, tl_str text, size_t at) {
  while (at < text.length && has_class_flag(t, text, at, TL_CLASS_SPACE)) {
    uint32_t code;
    at += tl_utf8_read(text.data + at, text.length - at, &code);
  }
  return at;
}

static tl_status cut_added(encoder *e, uint32_t step, tl_text_piece piece) {
  const tl_tokenizer_table *t = e->table;
  tl_str text = piece.text;
  size_t from = 0, done = 0, begin = 0;
  const tl_tokenizer_added *added;
  while ((added = tl_added_find(t, t->steps[step].pattern, text, from, &begin))) {
    size_t end = from = begin + added->text_length;
    if (e->plain_special && added->flags & TL_ADDED_SPECIAL) continue;
    if (added->flags & TL_ADDED_SINGLE_WORD && !stands_alone(t, text, begin, end)) continue;
    // Spaces already eaten by the token before stay eaten; an earlier `done` is kept as it is.
    if (added->flags & TL_ADDED_LSTRIP)
      begin = begin < done ? done : skip_spaces_back(t, text, begin, done);
    if (added->flags & TL_ADDED_RSTRIP) end = skip_spaces(t, text, end);
    TL_TRY(pass_on(e, step, piece, done, begin));
    if (begin < end) TL_TRY(tl_ids_push(e->words.bpe.arena, &e->words.bpe.ids, added->id));
    done = end;
  }
  return pass_on(e, step, piece, done, text.length);
}

static tl_status flush(splitter *s) {
  if (!s->pending) return TL_OK;
  s->pending = false;
  return pass_on(s->encoder, s->step, s->piece, s->begin, s->end);
}

// Takes the next stretch of the text, a match or what lies between two.
static tl_status take_stretch(splitter *s, size_t begin, size_t end, bool match) {
  const tl_tokenizer_step *step = &s->encoder->table->steps[s->step];
  if (begin == end) return TL_OK;
  if (step->flags & TL_SPLIT_INVERT) match = !match;
  bool joins = false;
  switch (step->behaviour) {
  case TL_SPLIT_REMOVED: return match ? TL_OK : pass_on(s->encoder, s->step, s->piece, begin, end);
  case TL_SPLIT_MERGED_BEFORE: joins = match && !s->last_match; break;
  case TL_SPLIT_MERGED_AFTER: joins = !match && s->pending_match; break;
  case TL_SPLIT_CONTIGUOUS: joins = match == s->pending_match; break;
  default: return pass_on(s->encoder, s->step, s->piece, begin, end);
  }
  s->last_match = match;
  if (joins && s->pending) {
    s->end = end;
    s->pending_match = s->pending_match && match;
    return TL_OK;
  }
  TL_TRY(flush(s));
  s->begin = begin;
  s->end = end;
  s->pending = true;
  s->pending_match = match;
  return TL_OK;
}

static tl_status split(encoder *e, uint32_t step, tl_text_piece piece) {
  uint32_t pattern = e->table->steps[step].pattern;
  splitter s = {.encoder = e, .step = step, .piece = piece};
  tl_find find = {.text = piece.text, .steps_left = tl_find_budget(piece.text.length)};
  size_t done = 0;
  TL_TRY(tl_pattern_find(e->table, pattern, &find));
  while (find.found) {
    TL_TRY(take_stretch(&s, done, find.begin, false));
    TL_TRY(take_stretch(&s, find.begin, find.end, true));
    done = find.end;
    TL_TRY(tl_pattern_find(e->table, pattern, &find));
  }
  TL_TRY(take_stretch(&s, done, piece.text.length, false));
  return flush(&s);
}

// Recursion ends after steps_count <= TL_TOKENIZER_STEPS_MAX levels.
static tl_status run_step(encoder *e, uint32_t step, tl_text_piece piece) {
  const tl_tokenizer_table *t = e->table;
  if (piece.text.length == 0) return TL_OK;
  if (step == t->steps_count) return tl_word_encode(&e->words, piece.text);
  const tl_tokenizer_step *row = &t->steps[step];
  if (row->kind == TL_STEP_ADDED) return cut_added(e, step, piece);
  if (row->kind == TL_STEP_SPLIT) return split(e, step, piece);
  TL_TRY(tl_text_step(t, row, &e->buffers[step], &piece));
  return run_step(e, step + 1, piece);
}

// `*out_text` is `text` if it is valid UTF-8, else a copy with U+FFFD for every broken sequence.
static tl_status repair(tl_str text, tl_arena *arena, tl_str *out_text) {
  tl_text_buffer buffer = {.arena = arena};
  size_t copied = 0, at = 0;
  *out_text = text;
  while (at < text.length) {
    uint64_t eight = 0;
    if (at + 8 <= text.length) memcpy(&eight, text.data + at, 8);
    if (at + 8 <= text.length && !(eight & 0x8080808080808080ull)) {
      at += 8;
      continue;
    }
    uint32_t code;
    bool valid;
    size_t length = tl_utf8_check(text.data + at, text.length - at, &code, &valid);
    if (!valid) {
      TL_TRY(tl_text_append(&buffer, tl_str_slice(text, copied, at)));
      TL_TRY(tl_text_append(&buffer, TL_STR("\xEF\xBF\xBD")));
      copied = at + length;
    }
    at += length;
  }
  if (copied == 0) return TL_OK;
  TL_TRY(tl_text_append(&buffer, tl_str_slice(text, copied, text.length)));
  *out_text = (tl_str){buffer.data, buffer.length};
  return TL_OK;
}

tl_status tl_tokenizer_open(tl_str bytes, tl_diag *diag, tl_tokenizer *out_tokenizer) {
  return tl_tokenizer_table_read(bytes, diag, &out_tokenizer->table);
}

static tl_status encode_text(encoder *e, tl_str text) {
  if (text.length > TL_TEXT_BYTES_MAX) return TL_MEMORY;
  TL_TRY(repair(text, e->words.bpe.arena, &text));
  return run_step(e, 0, (tl_text_piece){text, true});
}

// One type for all ids that have none yet.
static tl_status push_types(encoder *e, tl_types *types, uint8_t type) {
  size_t count = e->words.bpe.ids.count;
  if (!types || count == types->count) return TL_OK;
  uint8_t *grown = tl_arena_grow(e->words.bpe.arena, types->items, &types->capacity, count, 1);
  if (!grown) return TL_MEMORY;
  types->items = grown;
  memset(grown + types->count, type, count - types->count);
  types->count = count;
  return TL_OK;
}

static tl_status encode(encoder *e, tl_str text, const tl_encode_options *options) {
  const tl_tokenizer_table *t = e->table;
  uint32_t begin = options->pair ? t->header.single_count : 0;
  uint32_t end = options->pair ? t->template_count : t->header.single_count;
  for (uint32_t i = begin; i < end; i++) {
    const tl_tokenizer_item *item = &t->template[i];
    if (item->kind == TL_TEMPLATE_ID) {
      if (!options->add_special) continue;
      TL_TRY(tl_ids_push(e->words.bpe.arena, &e->words.bpe.ids, item->id));
    } else {
      bool second = item->kind == TL_TEMPLATE_PAIR && options->pair;
      TL_TRY(encode_text(e, second ? *options->pair : text));
    }
    TL_TRY(push_types(e, options->out_types, (uint8_t)item->type));
  }
  return TL_OK;
}

tl_status tl_tokenizer_encode(const tl_tokenizer *tokenizer, tl_str text,
                              const tl_encode_options *options, tl_arena *arena, tl_diag *diag,
                              tl_ids *out_ids) {
  encoder e = {.table = &tokenizer->table,
               .plain_special = options->plain_special,
               .words.bpe = {.table = &tokenizer->table, .arena = arena}};
  for (int i = 0; i < TL_TOKENIZER_STEPS_MAX; i++)
    e.buffers[i].arena = arena;
  if (options->out_types) *options->out_types = (tl_types){0};
  tl_status status = encode(&e, text, options);
  *out_ids = tl_ok(status) ? e.words.bpe.ids : (tl_ids){0};
  if (status == TL_MEMORY)
    return tl_diag_error(diag, status, (tl_span){0}, "no memory left to tokenize %zu bytes",
                         text.length);
  if (status == TL_UNSUPPORTED)
    return tl_diag_error(diag, status, (tl_span){0},
                         "a pattern of the tokenizer looks at each character of this text of %zu "
                         "bytes too often; split the text",
                         text.length);
  return status;
}

int32_t tl_tokenizer_find(const tl_tokenizer *tokenizer, tl_str text) {
  const tl_tokenizer_table *t = &tokenizer->table;
  for (uint32_t list = 0; list < 2; list++) {
    size_t begin;
    const tl_tokenizer_added *added = tl_added_find(t, list, text, 0, &begin);
    if (added && begin == 0 && added->text_length == text.length) return (int32_t)added->id;
  }
  uint32_t id = text.length ? tl_word_find(t, text) : TL_TOKEN_NONE;
  return id == TL_TOKEN_NONE ? -1 : (int32_t)id;
}
