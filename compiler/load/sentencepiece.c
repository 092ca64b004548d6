// A reader for the few messages of the file, field by field, without a schema compiler.
#include "compiler/load/sentencepiece.h"

#include "runtime/base/tokenizer_table.h"
#include "runtime/base/utf8.h"

// How a field is written.
enum { WIRE_NUMBER = 0, WIRE_EIGHT = 1, WIRE_BYTES = 2, WIRE_FOUR = 5 };

// Fields of the messages.
enum {
  MODEL_PIECES = 1,
  MODEL_TRAINER = 2,
  MODEL_NORMALIZER = 3,
  PIECE_TEXT = 1,
  PIECE_SCORE = 2,
  PIECE_KIND = 3,
  TRAINER_MODEL = 3,
  TRAINER_SUFFIX = 24,
  TRAINER_BYTES = 35,
  TRAINER_BOS = 41,
  TRAINER_EOS = 42,
  TRAINER_PAD = 43,
  NORMALIZER_NAME = 1,
  NORMALIZER_MAP = 2,
  NORMALIZER_PREFIX = 3,
  NORMALIZER_EXTRA = 4,
  NORMALIZER_ESCAPE = 5,
};

typedef struct reader {
  const tl_source *source;
  tl_diag *diag;
  tl_arena *arena;
  size_t pieces_capacity;
} reader;

// One field of a message: a number, or bytes.
typedef struct field {
  uint32_t number, wire;
  uint64_t value;
  tl_str bytes;
} field;

static tl_status fail(const reader *r, const char *at, const char *what) {
  const tl_source *name_only = r->source; // the bytes are no text to show
  return tl_diag_error(r->diag, TL_INPUT, (tl_span){0}, "%s: %s at byte %zu: no tokenizer.model",
                       name_only->name, what, (size_t)(at - name_only->text.data));
}

static tl_status take_number(const reader *r, tl_str *rest, uint64_t *out_value) {
  uint64_t value = 0;
  for (size_t i = 0; i < 10 && i < rest->length; i++) {
    uint8_t byte = (uint8_t)rest->data[i];
    value |= (uint64_t)(byte & 0x7F) << 7 * i;
    if (byte & 0x80) continue;
    *rest = (tl_str){rest->data + i + 1, rest->length - i - 1};
    *out_value = value;
    return TL_OK;
  }
  return fail(r, rest->data, "a number without end");
}

static tl_status take_field(const reader *r, tl_str *rest, field *out_field) {
  const char *begin = rest->data;
  uint64_t key = 0, length = 0;
  TL_TRY(take_number(r, rest, &key));
  *out_field = (field){.number = (uint32_t)(key >> 3), .wire = key & 7};
  switch (out_field->wire) {
  case WIRE_NUMBER: return take_number(r, rest, &out_field->value);
  case WIRE_EIGHT: length = 8; break;
  case WIRE_FOUR: length = 4; break;
  case WIRE_BYTES: TL_TRY(take_number(r, rest, &length)); break;
  default: return fail(r, begin, "an unknown kind of field");
  }
  if (length > rest->length) return fail(r, begin, "a field that ends after the file");
  out_field->bytes = (tl_str){rest->data, length};
  *rest = (tl_str){rest->data + length, rest->length - length};
  return TL_OK;
}

static tl_status read_piece(const reader *r, tl_str message, tl_piece *piece) {
  const char *begin = message.data;
  *piece = (tl_piece){.text = {begin, 0}, .kind = TL_PIECE_NORMAL};
  while (message.length) {
    field f;
    TL_TRY(take_field(r, &message, &f));
    if (f.number == PIECE_TEXT && f.wire == WIRE_BYTES) piece->text = f.bytes;
    if (f.number == PIECE_KIND && f.wire == WIRE_NUMBER)
      piece->kind = f.value > TL_PIECE_BYTE ? 0 : (uint32_t)f.value;
    // NOLINTNEXTLINE(*.NonNullParamChecker): four bytes were taken
    if (f.number == PIECE_SCORE && f.wire == WIRE_FOUR) memcpy(&piece->score, f.bytes.data, 4);
  }
  if (piece->kind == 0) return fail(r, begin, "a piece of an unknown kind");
  if (piece->score != piece->score) return fail(r, begin, "a piece whose score is no number");
  if (piece->text.length == 0 || !tl_utf8_is_valid(piece->text))
    return fail(r, begin, "a piece whose text is empty or not UTF-8");
  return TL_OK;
}

static tl_status read_trainer(const reader *r, tl_str message, tl_sentencepiece *m) {
  while (message.length) {
    field f;
    TL_TRY(take_field(r, &message, &f));
    if (f.wire != WIRE_NUMBER) continue;
    switch (f.number) { /* tidy: table */
    case TRAINER_MODEL: m->model = f.value > UINT32_MAX ? 0 : (uint32_t)f.value; break;
    case TRAINER_SUFFIX: m->space_as_suffix = f.value; break;
    case TRAINER_BYTES: m->byte_fallback = f.value; break;
    case TRAINER_BOS: m->bos_id = (int32_t)f.value; break;
    case TRAINER_EOS: m->eos_id = (int32_t)f.value; break;
    case TRAINER_PAD: m->pad_id = (int32_t)f.value; break;
    default: break;
    }
  }
  return TL_OK;
}

static tl_status read_normalizer(const reader *r, tl_str message, tl_sentencepiece *m) {
  while (message.length) {
    field f;
    TL_TRY(take_field(r, &message, &f));
    if (f.number == NORMALIZER_NAME && f.wire == WIRE_BYTES) m->rules_name = f.bytes;
    if (f.number == NORMALIZER_MAP && f.wire == WIRE_BYTES) m->rules = f.bytes;
    if (f.wire != WIRE_NUMBER) continue;
    if (f.number == NORMALIZER_PREFIX) m->dummy_prefix = f.value;
    if (f.number == NORMALIZER_EXTRA) m->extra_spaces_removed = f.value;
    if (f.number == NORMALIZER_ESCAPE) m->spaces_escaped = f.value;
  }
  return TL_OK;
}

static tl_status read_model(reader *r, tl_sentencepiece *m) {
  tl_str rest = r->source->text;
  while (rest.length) {
    field f;
    const char *begin = rest.data;
    TL_TRY(take_field(r, &rest, &f));
    if (f.wire != WIRE_BYTES) continue;
    if (f.number == MODEL_TRAINER) TL_TRY(read_trainer(r, f.bytes, m));
    if (f.number == MODEL_NORMALIZER) TL_TRY(read_normalizer(r, f.bytes, m));
    if (f.number != MODEL_PIECES) continue;
    if (m->pieces_count == TL_TOKENS_MAX) return fail(r, begin, "more than 2^21 - 1 pieces");
    tl_piece *pieces = tl_arena_grow(r->arena, m->pieces, &r->pieces_capacity, m->pieces_count + 1,
                                     sizeof *pieces);
    if (!pieces) return TL_MEMORY;
    m->pieces = pieces;
    TL_TRY(read_piece(r, f.bytes, &pieces[m->pieces_count]));
    m->pieces_count++;
  }
  return TL_OK;
}

tl_status tl_sentencepiece_read(const tl_source *source, tl_arena *arena, tl_diag *diag,
                                tl_sentencepiece *out_model) {
  reader r = {.source = source, .diag = diag, .arena = arena};
  *out_model = (tl_sentencepiece){.model = TL_PIECES_UNIGRAM,
                                  .bos_id = 1,
                                  .eos_id = 2,
                                  .pad_id = -1,
                                  .dummy_prefix = true,
                                  .extra_spaces_removed = true,
                                  .spaces_escaped = true};
  TL_TRY(read_model(&r, out_model));
  if (out_model->pieces_count == 0) return fail(&r, source->text.data, "no pieces");
  if (out_model->model == TL_PIECES_UNIGRAM || out_model->model == TL_PIECES_BPE) return TL_OK;
  return tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0},
                       "%s: model kind %u is not supported, only Unigram (1) and BPE (2) are",
                       source->name, out_model->model);
}
