// tokenizer.model as a tokenizer. Steps and tables are those of tokenizer.json; what is left over
// (decoder, template) is written down as a small tokenizer.json and read like one.
//
// Two texts that give one piece have one score, so they get one rank; of these the leftmost is
// merged first, as the publishers' library does.
#include <float.h>
#include <stdlib.h>

#include "compiler/load/sentencepiece.h"
#include "compiler/load/tokenizer_build.h"

#define MARK "\xE2\x96\x81"

static const float unknown_penalty = 10.0F;

// A piece with its place in the order of ranks.
typedef struct ranked {
  float score;
  uint32_t id;
} ranked;

static tl_status refuse(tl_build *b, const char *what) {
  return tl_diag_error(b->diag, TL_UNSUPPORTED, (tl_span){0}, "%s: %s is not supported",
                       b->source->name, what);
}

static tl_status add_vocabulary(tl_build *b, const tl_sentencepiece *m) {
  b->hidden = tl_arena_array(b->arena, m->pieces_count, sizeof *b->hidden);
  if (!b->hidden) return TL_MEMORY;
  b->table.header.unknown_id = TL_TOKEN_NONE;
  for (uint32_t id = 0; id < m->pieces_count; id++) {
    const tl_piece *piece = &m->pieces[id];
    if (piece->text.length > TL_BUILD_WORD_BYTES_MAX) return refuse(b, "a piece above 65536 bytes");
    if (tl_vocabulary_find(&b->vocabulary, piece->text) != TL_TOKEN_NONE)
      return tl_diag_error(b->diag, TL_INPUT, (tl_span){0}, "%s: two pieces are '%.*s'",
                           b->source->name, TL_STR_ARG(piece->text));
    TL_TRY(tl_vocabulary_add(&b->vocabulary, piece->text, id));
    b->hidden[id] = piece->kind != TL_PIECE_NORMAL && piece->kind != TL_PIECE_USER;
    if (piece->kind == TL_PIECE_UNKNOWN) b->table.header.unknown_id = id;
    if (piece->kind == TL_PIECE_UNUSED && m->model == TL_PIECES_BPE)
      return refuse(b, "an unused piece of a BPE model");
  }
  if (b->table.header.unknown_id != TL_TOKEN_NONE) return TL_OK;
  return tl_diag_error(b->diag, TL_INPUT, (tl_span){0}, "%s: no piece is the unknown one",
                       b->source->name);
}

static tl_status add_tokens(tl_build *b, const tl_sentencepiece *m) {
  for (uint32_t id = 0; id < m->pieces_count; id++) {
    const tl_piece *piece = &m->pieces[id];
    bool special = piece->kind == TL_PIECE_CONTROL || piece->kind == TL_PIECE_UNKNOWN;
    bool user = piece->kind == TL_PIECE_USER && m->model == TL_PIECES_BPE;
    if (!special && !user) continue;
    if (piece->text.length > TL_TOKENIZER_ADDED_BYTES_MAX)
      return refuse(b, "a token of that length that is found in the text");
    TL_TRY(tl_build_add(b, (tl_build_added){.text = piece->text,
                                            .id = id,
                                            .flags = special ? TL_ADDED_SPECIAL : 0,
                                            .normalized = user,
                                            .literal = user}));
  }
  return TL_OK;
}

// Pieces that users defined go through the normalizer as they are.
static tl_status add_rules(tl_build *b, const tl_sentencepiece *m, tl_str prefix) {
  tl_str *kept = tl_arena_array(b->arena, m->pieces_count, sizeof *kept);
  tl_build_charsmap_options options = {
      .single_spaces = m->extra_spaces_removed, .kept = kept, .prefix = prefix};
  if (!kept) return TL_MEMORY;
  for (uint32_t id = 0; id < m->pieces_count; id++)
    if (m->pieces[id].kind == TL_PIECE_USER) kept[options.kept_count++] = m->pieces[id].text;
  return tl_build_charsmap(b, NULL, m->rules, &options);
}

static tl_status add_steps(tl_build *b, const tl_sentencepiece *m) {
  tl_tokenizer_step runs = {.kind = TL_STEP_REPLACE}, mark = {.kind = TL_STEP_REPLACE};
  tl_tokenizer_step left = {.kind = TL_STEP_STRIP, .flags = TL_STRIP_LEFT};
  tl_tokenizer_step right = {.kind = TL_STEP_STRIP, .flags = TL_STRIP_RIGHT};
  tl_tokenizer_step prefix = {.kind = TL_STEP_PREFIX};
  if (m->space_as_suffix) return refuse(b, "treat_whitespace_as_suffix");
  if (!m->spaces_escaped) return refuse(b, "a normalizer that leaves spaces alone");
  // What the map makes nothing of has a prefix all the same, unless spaces at the end are removed.
  bool early = m->rules.length && m->dummy_prefix && !m->extra_spaces_removed;
  if (m->rules.length) TL_TRY(add_rules(b, m, early ? TL_STR(" ") : TL_STR("")));
  if (m->extra_spaces_removed) {
    TL_TRY(tl_build_regex(b, NULL, TL_STR(" {2,}"), &runs.pattern));
    TL_TRY(tl_build_step(b, NULL, runs, TL_STR(" ")));
    TL_TRY(tl_build_step(b, NULL, left, TL_STR(" ")));
  }
  if (m->dummy_prefix && !early) TL_TRY(tl_build_step(b, NULL, prefix, TL_STR(" ")));
  TL_TRY(tl_build_literal(b, NULL, TL_STR(" "), &mark.pattern));
  TL_TRY(tl_build_step(b, NULL, mark, TL_STR(MARK)));
  if (m->extra_spaces_removed) TL_TRY(tl_build_step(b, NULL, right, TL_STR(MARK)));
  b->normalizers_count = b->table.steps_count;
  return TL_OK;
}

static int order_ranked(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  return x->id < y->id ? -1 : x->id > y->id;
}

// All ways to join two pieces to piece `id`.
static tl_status add_joins(tl_build *b, const tl_sentencepiece *m, uint32_t id, uint32_t rank,
                           size_t *capacity) {
  tl_str text = m->pieces[id].text;
  uint32_t code;
  for (size_t at = tl_utf8_read(text.data, text.length, &code); at < text.length;
       at += tl_utf8_read(text.data + at, text.length - at, &code)) {
    uint32_t left = tl_vocabulary_find(&b->vocabulary, tl_str_slice(text, 0, at));
    uint32_t right = tl_vocabulary_find(&b->vocabulary, tl_str_slice(text, at, text.length));
    if (left == TL_TOKEN_NONE || m->pieces[left].kind != TL_PIECE_NORMAL) continue;
    if (right == TL_TOKEN_NONE || m->pieces[right].kind != TL_PIECE_NORMAL) continue;
    if (b->merges_count + 1 >= TL_MERGES_MAX) return refuse(b, "such a number of merges");
    tl_build_merge *merges =
        tl_arena_grow(b->arena, b->merges, capacity, b->merges_count + 1, sizeof *merges);
    if (!merges) return TL_MEMORY;
    b->merges = merges;
    merges[b->merges_count++] = (tl_build_merge){left, right, id, rank};
  }
  return TL_OK;
}

static tl_status add_merges(tl_build *b, const tl_sentencepiece *m) {
  ranked *order = tl_arena_array(b->arena, m->pieces_count, sizeof *order);
  uint32_t count = 0, rank = 0;
  size_t capacity = 0;
  if (!order) return TL_MEMORY;
  for (uint32_t id = 0; id < m->pieces_count; id++)
    if (!b->hidden[id]) order[count++] = (ranked){m->pieces[id].score, id};
  qsort(order, count, sizeof *order, order_ranked);
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0 && order[i].score != order[i - 1].score) rank = b->merges_count;
    TL_TRY(add_joins(b, m, order[i].id, rank, &capacity));
  }
  return TL_OK;
}

// Scores as the publishers' library sees them. Pieces that users defined beat all others; the
// highest score it knows is never below the smallest positive number.
static tl_status add_scores(tl_build *b, const tl_sentencepiece *m) {
  float lowest = FLT_MAX, highest = FLT_MIN;
  b->scores = tl_arena_array(b->arena, m->pieces_count, sizeof *b->scores);
  if (!b->scores) return TL_MEMORY;
  for (uint32_t id = 0; id < m->pieces_count; id++) {
    float score = m->pieces[id].score;
    b->scores[id] = score;
    if (m->pieces[id].kind != TL_PIECE_NORMAL) continue;
    if (score < lowest) lowest = score;
    if (score > highest) highest = score;
  }
  for (uint32_t id = 0; id < m->pieces_count; id++)
    if (m->pieces[id].kind == TL_PIECE_USER)
      b->scores[id] = (float)((float)m->pieces[id].text.length * highest - 0.1);
  b->table.header.unknown_score = lowest - unknown_penalty;
  return TL_OK;
}

static tl_status add_model(tl_build *b, const tl_sentencepiece *m) {
  bool missing;
  tl_build_bytes(b, m->byte_fallback, &missing);
  b->table.header.model = m->model == TL_PIECES_BPE ? TL_MODEL_MERGES : TL_MODEL_BEST;
  b->table.header.model_flags =
      TL_MODEL_FUSE_UNKNOWN | (m->byte_fallback ? TL_MODEL_BYTE_FALLBACK : 0);
  if (m->model == TL_PIECES_BPE) return add_merges(b, m);
  b->table.header.model_flags |= TL_MODEL_SINGLES;
  return add_scores(b, m);
}

#define TEXT(name, type) "{\"Sequence\": {\"id\": \"" name "\", \"type_id\": " type "}}"
#define SPECIAL(name, type) "{\"SpecialToken\": {\"id\": \"" name "\", \"type_id\": " type "}}"
#define BEGIN(type) SPECIAL("b", type) ","
#define END(type) "," SPECIAL("e", type)

// Decoder and template; the configuration says which special tokens there are around a text, by
// default the one that begins it.
static tl_status add_rest(tl_build *b, const tl_sentencepiece *m) {
  bool bos, eos;
  TL_TRY(tl_build_bool(b, b->config, "add_bos_token", true, &bos));
  TL_TRY(tl_build_bool(b, b->config, "add_eos_token", false, &eos));
  bos = bos && m->bos_id >= 0 && (uint32_t)m->bos_id < m->pieces_count;
  eos = eos && m->eos_id >= 0 && (uint32_t)m->eos_id < m->pieces_count;
  tl_str json = tl_arena_format(
      b->arena,
      "{\"decoder\": {\"type\": \"Sequence\", \"decoders\": ["
      "{\"type\": \"Replace\", \"pattern\": {\"String\": \"" MARK "\"}, \"content\": \" \"},"
      "{\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"},"
      "{\"type\": \"Strip\", \"content\": \" \", \"start\": %d, \"stop\": 0}]},"
      "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [%s%s%s],"
      "\"pair\": [%s%s%s,%s%s%s], \"special_tokens\": {\"b\": {\"ids\": [%d]},"
      "\"e\": {\"ids\": [%d]}}}}",
      m->extra_spaces_removed ? UINT16_MAX : m->dummy_prefix, bos ? BEGIN("0") : "", TEXT("A", "0"),
      eos ? END("0") : "", bos ? BEGIN("0") : "", TEXT("A", "0"), eos ? END("0") : "",
      bos ? BEGIN("1") : "", TEXT("B", "1"), eos ? END("1") : "", m->bos_id, m->eos_id);
  tl_source *source = tl_arena_alloc(b->arena, sizeof *source);
  if (!source || !json.data) return TL_MEMORY;
  *source = (tl_source){b->source->name, json};
  b->source = source;
  return tl_json_parse(b->arena, source, NULL, &b->root, b->diag);
}

tl_status tl_build_pieces(tl_build *build) {
  tl_sentencepiece m;
  TL_TRY(tl_sentencepiece_read(build->source, build->arena, build->diag, &m));
  TL_TRY(add_steps(build, &m));
  TL_TRY(add_vocabulary(build, &m));
  TL_TRY(add_model(build, &m));
  TL_TRY(add_tokens(build, &m));
  TL_TRY(tl_build_config_tokens(build));
  return add_rest(build, &m);
}
