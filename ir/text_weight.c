// Parser of weight expressions: `stack(8, transpose(tensor("experts.{e}.up")))`. One row per
// function says its arguments; the text is the only thing that decides the kind.
#include <stdio.h>

#include "ir/text_lex.h"
#include "ir/weight.h"

static tl_status parse_weight(tl_lexer *lexer, int depth, tl_weight **out_weight);

// Reads `, integer` (or the integer alone if it is the `first` argument).
static tl_status take_number(tl_lexer *lexer, const char *what, bool first, int64_t *out_value) {
  if (!first) TL_TRY(tl_lexer_expect(lexer, ',', "before the next argument"));
  return tl_lexer_integer(lexer, what, out_value);
}

static tl_status take_parts(tl_lexer *lexer, int depth, int count, tl_weight *weight) {
  for (int i = 0; i < count; i++) {
    if (i) TL_TRY(tl_lexer_expect(lexer, ',', "before the next argument"));
    TL_TRY(parse_weight(lexer, depth + 1, &weight->parts[weight->parts_count++]));
  }
  return TL_OK;
}

static tl_status take_all_parts(tl_lexer *lexer, int depth, tl_weight *weight) {
  do {
    if (weight->parts_count == TL_WEIGHT_PARTS_MAX) {
      return tl_diag_error(lexer->diag, TL_INPUT, tl_lexer_span(lexer, lexer->at, lexer->at),
                           "concat takes at most %d parts", TL_WEIGHT_PARTS_MAX);
    }
    TL_TRY(parse_weight(lexer, depth + 1, &weight->parts[weight->parts_count++]));
  } while (tl_lexer_accept(lexer, ','));
  return TL_OK;
}

static tl_status take_arguments(tl_lexer *lexer, int depth, tl_weight *weight) {
  switch (weight->kind) {
  case TL_WEIGHT_TENSOR: return tl_lexer_string(lexer, "a tensor name in quotes", &weight->name);
  case TL_WEIGHT_TRANSPOSE: return take_parts(lexer, depth, 1, weight);
  case TL_WEIGHT_SLICE:
    TL_TRY(take_parts(lexer, depth, 1, weight));
    TL_TRY(take_number(lexer, "the first row", false, &weight->begin));
    return take_number(lexer, "the row to stop before", false, &weight->end);
  case TL_WEIGHT_CONCAT: return take_all_parts(lexer, depth, weight);
  case TL_WEIGHT_STACK:
    TL_TRY(take_number(lexer, "how many to stack", true, &weight->count));
    TL_TRY(tl_lexer_expect(lexer, ',', "before the next argument"));
    return take_parts(lexer, depth, 1, weight);
  case TL_WEIGHT_SPLIT:
    TL_TRY(take_number(lexer, "how many parts", true, &weight->count));
    TL_TRY(tl_lexer_expect(lexer, ',', "before the next argument"));
    return take_parts(lexer, depth, 1, weight);
  case TL_WEIGHT_MERGE: return take_parts(lexer, depth, 1, weight);
  case TL_WEIGHT_DEQUANT:
    TL_TRY(take_parts(lexer, depth, 2, weight));
    return take_number(lexer, "the size of a block", false, &weight->count);
  }
  return TL_INTERNAL;
}

static tl_status take_kind(tl_lexer *lexer, tl_weight_kind *out_kind) {
  tl_str word;
  TL_TRY(tl_lexer_word(
      lexer, "a weight: tensor, transpose, slice, concat, stack, dequant, split or merge", &word));
  for (int k = 0; k < TL_WEIGHT_KINDS_COUNT; k++) {
    *out_kind = (tl_weight_kind)k;
    if (tl_str_is(word, tl_weight_kind_text(*out_kind))) return TL_OK;
  }
  size_t begin = lexer->at - word.length;
  return tl_diag_error(lexer->diag, TL_INPUT, tl_lexer_span(lexer, begin, lexer->at),
                       "unknown weight function, expected tensor, transpose, slice, concat, stack, "
                       "dequant, split or merge");
}

static tl_status parse_weight(tl_lexer *lexer, int depth, tl_weight **out_weight) {
  tl_weight_kind kind;
  TL_TRY(take_kind(lexer, &kind));
  if (depth == TL_WEIGHT_DEPTH_MAX) {
    return tl_diag_error(lexer->diag, TL_INPUT, tl_lexer_span(lexer, lexer->at, lexer->at),
                         "weight functions are nested deeper than %d", TL_WEIGHT_DEPTH_MAX);
  }
  tl_weight *weight = tl_weight_create(lexer->arena, kind);
  if (!weight) {
    return tl_diag_error(lexer->diag, TL_MEMORY, tl_lexer_span(lexer, 0, lexer->at),
                         "out of memory");
  }
  char where[32];
  snprintf(where, sizeof where, "after '%s'", tl_weight_kind_text(kind));
  TL_TRY(tl_lexer_expect(lexer, '(', where));
  TL_TRY(take_arguments(lexer, depth, weight));
  snprintf(where, sizeof where, "to end '%s'", tl_weight_kind_text(kind));
  TL_TRY(tl_lexer_expect(lexer, ')', where));
  *out_weight = weight;
  return TL_OK;
}

tl_status tl_lexer_weight(tl_lexer *lexer, tl_weight **out_weight) {
  return parse_weight(lexer, 0, out_weight);
}

tl_status tl_text_parse_weight(tl_arena *arena, tl_str text, const tl_text_hooks *hooks,
                               tl_weight **out_weight, tl_diag *diag) {
  static const tl_text_hooks no_hooks;
  tl_lexer lexer = {.line = tl_text_strip(text),
                    .hooks = hooks ? hooks : &no_hooks,
                    .arena = arena,
                    .diag = diag};
  TL_TRY(tl_lexer_weight(&lexer, out_weight));
  return tl_lexer_end(&lexer, "after the weight");
}
