// Decoding: texts of tokens -> byte runs -> repair of UTF-8 -> strip -> out.
#include "runtime/text/decoder.h"

static const tl_str replacement = {"\xEF\xBF\xBD", 3};

static void restart(tl_decoder *d) {
  d->started = false;
  d->strip_left = d->table->header.strip_count;
  d->run.length = d->tail.length = 0;
}

void tl_decoder_init(tl_decoder *decoder, const tl_tokenizer *tokenizer, bool skip_special,
                     tl_arena *arena) {
  *decoder = (tl_decoder){.table = &tokenizer->table, .skip_special = skip_special};
  decoder->run.arena = arena;
  decoder->tail.arena = arena;
  decoder->out.arena = arena;
  restart(decoder);
}

static tl_status strip(tl_decoder *d, tl_str text) {
  while (d->strip_left && text.length) {
    uint32_t code;
    size_t length = tl_utf8_read(text.data, text.length, &code);
    d->strip_left = code == d->table->header.strip_code ? d->strip_left - 1 : 0;
    if (code == d->table->header.strip_code) text = tl_str_slice(text, length, text.length);
  }
  return tl_text_append(&d->out, text);
}

// Whether the `covered` bytes at the end of a text may be the beginning of a sequence.
static bool is_unfinished(tl_str text, size_t at, size_t covered) {
  return at + covered == text.length && covered < tl_utf8_lead_of((uint8_t)text.data[at]).length;
}

static tl_status repair(tl_decoder *d, tl_str text) {
  TL_TRY(tl_text_append(&d->tail, text));
  text = (tl_str){d->tail.data, d->tail.length};
  size_t copied = 0, at = 0;
  while (at < text.length) {
    uint32_t code;
    bool valid;
    size_t length = tl_utf8_check(text.data + at, text.length - at, &code, &valid);
    if (!valid) {
      if (is_unfinished(text, at, length)) break;
      TL_TRY(strip(d, tl_str_slice(text, copied, at)));
      TL_TRY(strip(d, replacement));
      copied = at + length;
    }
    at += length;
  }
  TL_TRY(strip(d, tl_str_slice(text, copied, at)));
  memmove(d->tail.data, text.data + at, text.length - at);
  d->tail.length = text.length - at;
  return TL_OK;
}

// `chars`: the text is valid UTF-8.
static tl_status emit(tl_decoder *d, tl_str text, bool chars) {
  if (text.length == 0) return TL_OK;
  if (chars && d->tail.length == 0)
    return d->strip_left ? strip(d, text) : tl_text_append(&d->out, text);
  return d->table->header.decode_flags & TL_DECODE_LOSSY ? repair(d, text) : strip(d, text);
}

static tl_status end_run(tl_decoder *d) {
  tl_str run = {d->run.data, d->run.length};
  d->run.length = 0;
  if (run.length == 0) return TL_OK;
  if (tl_utf8_is_valid(run)) return emit(d, run, true);
  for (size_t i = 0; i < run.length; i++)
    TL_TRY(emit(d, replacement, true));
  return TL_OK;
}

static tl_status take(tl_decoder *d, int32_t id) {
  const tl_tokenizer_header *header = &d->table->header;
  if (id < 0 || (uint32_t)id >= header->tokens_count) return TL_OK;
  uint8_t flags = d->table->token_flags[id];
  if (!(flags & TL_TOKEN_PRESENT) || (d->skip_special && flags & TL_TOKEN_SPECIAL)) return TL_OK;
  bool first = !d->started;
  d->started = true;
  tl_str text =
      first ? tl_token_first_text(d->table, (uint32_t)id) : tl_token_text(d->table, (uint32_t)id);
  if (flags & TL_TOKEN_BYTE) return tl_text_append(&d->run, text);
  TL_TRY(end_run(d));
  return emit(d, text, flags & TL_TOKEN_CHARS);
}

static tl_status end(tl_decoder *d) {
  tl_status status = end_run(d);
  if (tl_ok(status) && d->tail.length) status = strip(d, replacement);
  restart(d);
  return status;
}

tl_status tl_decoder_push(tl_decoder *decoder, int32_t id, tl_str *out_text) {
  decoder->out.length = 0;
  tl_status status = take(decoder, id);
  *out_text = (tl_str){decoder->out.data, decoder->out.length};
  return status;
}

tl_status tl_decoder_finish(tl_decoder *decoder, tl_str *out_text) {
  decoder->out.length = 0;
  tl_status status = end(decoder);
  *out_text = (tl_str){decoder->out.data, decoder->out.length};
  return status;
}

tl_status tl_tokenizer_decode(const tl_tokenizer *tokenizer, const int32_t *ids, size_t count,
                              bool skip_special, tl_arena *arena, tl_str *out_text) {
  tl_decoder decoder;
  tl_decoder_init(&decoder, tokenizer, skip_special, arena);
  tl_status status = TL_OK;
  for (size_t i = 0; tl_ok(status) && i < count; i++)
    status = take(&decoder, ids[i]);
  if (tl_ok(status)) status = end(&decoder);
  *out_text = (tl_str){decoder.out.data, decoder.out.length};
  return status;
}
