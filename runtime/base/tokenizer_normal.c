// Replacement, maps of characters, spaces at the ends, prefixes.
#include "runtime/base/tokenizer_form.h"
#include "runtime/base/tokenizer_keys.h"

tl_status tl_text_append(tl_text_buffer *buffer, tl_str text) {
  if (text.length > TL_TEXT_BYTES_MAX - buffer->length) return TL_MEMORY;
  size_t length = buffer->length + text.length;
  if (length > buffer->capacity) {
    char *grown = tl_arena_grow(buffer->arena, buffer->data, &buffer->capacity, length, 1);
    if (!grown) return TL_MEMORY;
    buffer->data = grown;
  }
  if (text.length) memcpy(buffer->data + buffer->length, text.data, text.length);
  buffer->length = length;
  return TL_OK;
}

// Whether the text still begins where it did after its first match is replaced. The publishers'
// library counts a replacement as standing where the last character it replaced stood.
static bool keeps_start(const tl_find *first, tl_str with) {
  uint32_t code;
  return !first->found || first->begin > 0 ||
         (with.length && tl_utf8_read(first->text.data, first->text.length, &code) == first->end);
}

static tl_status replace(const tl_tokenizer_table *t, uint32_t pattern, tl_str with,
                         tl_text_buffer *buffer, tl_text_piece *piece) {
  tl_str text = piece->text;
  tl_find find = {.text = text, .steps_left = tl_find_budget(text.length)};
  size_t copied = 0;
  buffer->length = 0;
  TL_TRY(tl_pattern_find(t, pattern, &find));
  piece->at_start = piece->at_start && keeps_start(&find, with);
  while (find.found) {
    TL_TRY(tl_text_append(buffer, tl_str_slice(text, copied, find.begin)));
    TL_TRY(tl_text_append(buffer, with));
    copied = find.end;
    TL_TRY(tl_pattern_find(t, pattern, &find));
  }
  TL_TRY(tl_text_append(buffer, tl_str_slice(text, copied, text.length)));
  piece->text = (tl_str){buffer->data, buffer->length};
  return TL_OK;
}

// The cell of a code point outside of ASCII, and the bytes it covers.
static uint32_t cell_at(const tl_tokenizer_table *t, const uint16_t *index, tl_str text, size_t at,
                        size_t *out_length) {
  uint32_t code;
  *out_length = tl_utf8_read(text.data + at, text.length - at, &code);
  return t->map_cells[(size_t)index[code / TL_CHAR_BLOCK] * TL_CHAR_BLOCK + code % TL_CHAR_BLOCK];
}

static tl_status append_cell(const tl_tokenizer_table *t, uint32_t cell, tl_str itself,
                             tl_text_buffer *buffer) {
  if (!(cell & TL_MAP_SPACED))
    return tl_text_append(buffer, (tl_str){t->pool + tl_map_offset(cell), tl_map_length(cell)});
  TL_TRY(tl_text_append(buffer, TL_STR(" ")));
  TL_TRY(tl_text_append(buffer, itself));
  return tl_text_append(buffer, TL_STR(" "));
}

static tl_status map(const tl_tokenizer_table *t, uint32_t which, tl_text_buffer *buffer,
                     tl_text_piece *piece) {
  const uint16_t *index = t->map_index + (size_t)which * TL_CHAR_BLOCKS;
  const uint32_t *ascii = t->map_cells + (size_t)index[0] * TL_CHAR_BLOCK;
  tl_str text = piece->text;
  size_t copied = 0, length = 1;
  buffer->length = 0;
  for (size_t at = 0; at < text.length; at += length) {
    uint8_t byte = (uint8_t)text.data[at];
    length = 1;
    uint32_t cell = byte < 0x80 ? ascii[byte] : cell_at(t, index, text, at, &length);
    if (!cell) continue;
    TL_TRY(tl_text_append(buffer, tl_str_slice(text, copied, at)));
    TL_TRY(append_cell(t, cell, tl_str_slice(text, at, at + length), buffer));
    copied = at + length;
  }
  if (copied == 0) return TL_OK;
  TL_TRY(tl_text_append(buffer, tl_str_slice(text, copied, text.length)));
  piece->text = (tl_str){buffer->data, buffer->length};
  return TL_OK;
}

static bool is_space_at(const tl_tokenizer_table *t, tl_str text, size_t at, size_t *out_length) {
  uint32_t code;
  *out_length = tl_utf8_read(text.data + at, text.length - at, &code);
  return tl_class_flags_of(t, code) & TL_CLASS_SPACE;
}

static tl_str strip_spaces(const tl_tokenizer_table *t, uint32_t flags, tl_str text) {
  size_t begin = 0, end = text.length, length;
  while (flags & TL_STRIP_LEFT && begin < end && is_space_at(t, text, begin, &length))
    begin += length;
  while (flags & TL_STRIP_RIGHT && end > begin) {
    size_t before = tl_utf8_before(text.data, end);
    if (!is_space_at(t, text, before, &length)) break;
    end = before;
  }
  return tl_str_slice(text, begin, end);
}

static tl_str strip(const tl_tokenizer_table *t, const tl_tokenizer_step *step, tl_str text) {
  tl_str what = {t->pool + step->text_offset, step->text_length};
  if (what.length == 0) return strip_spaces(t, step->flags, text);
  while (step->flags & TL_STRIP_LEFT && tl_str_starts_with(text, what))
    text = tl_str_slice(text, what.length, text.length);
  while (step->flags & TL_STRIP_RIGHT && tl_str_ends_with(text, what))
    text = tl_str_slice(text, 0, text.length - what.length);
  return text;
}

static tl_status prefix(tl_str with, uint32_t flags, tl_text_buffer *buffer, tl_text_piece *piece) {
  if (flags & TL_PREFIX_UNLESS && tl_str_starts_with(piece->text, with)) return TL_OK;
  if (flags & TL_PREFIX_FIRST && !piece->at_start) return TL_OK;
  buffer->length = 0;
  TL_TRY(tl_text_append(buffer, with));
  TL_TRY(tl_text_append(buffer, piece->text));
  piece->text = (tl_str){buffer->data, buffer->length};
  return TL_OK;
}

tl_status tl_text_step(const tl_tokenizer_table *table, const tl_tokenizer_step *step,
                       tl_text_buffer *buffer, tl_text_piece *piece) {
  tl_str with = {table->pool + step->text_offset, step->text_length};
  switch (step->kind) {
  case TL_STEP_FORM: return tl_text_form_apply(table, step->behaviour, buffer, &piece->text);
  case TL_STEP_MAP: return map(table, step->pattern, buffer, piece);
  case TL_STEP_KEYS: return tl_text_keys_apply(table, step, buffer, &piece->text);
  case TL_STEP_REPLACE: return replace(table, step->pattern, with, buffer, piece);
  case TL_STEP_STRIP: piece->text = strip(table, step, piece->text); return TL_OK;
  default: return prefix(with, step->flags, buffer, piece);
  }
}
