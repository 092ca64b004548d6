// What normalizers and pre-tokenizers share: steps and their patterns.
#include "compiler/load/tokenizer_build.h"

tl_status tl_build_step(tl_build *build, const tl_json *node, tl_tokenizer_step step, tl_str text) {
  if (build->table.steps_count == TL_TOKENIZER_STEPS_MAX - 2) // two are kept for added tokens
    return tl_diag_error(build->diag, TL_UNSUPPORTED, tl_json_span(build->source, node),
                         "more than %d normalizers and pre-tokenizers", TL_TOKENIZER_STEPS_MAX - 2);
  TL_TRY(tl_build_pool(build, text, &step.text_offset));
  step.text_length = (uint32_t)text.length;
  build->steps[build->table.steps_count++] = step;
  return TL_OK;
}

static tl_regex_context regex_context(tl_build *b, tl_span span) {
  return (tl_regex_context){b->arena, &b->classes, span, b->diag};
}

static tl_status add_pattern(tl_build *b, const tl_json *node, tl_tokenizer_pattern pattern,
                             tl_regex_node *regex, uint32_t *out_index) {
  uint32_t index = b->table.patterns_count;
  if (index == TL_TOKENIZER_PATTERNS_MAX)
    return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, node),
                         "more than %d patterns", TL_TOKENIZER_PATTERNS_MAX);
  b->patterns[index] = pattern;
  b->regexes[index] = regex;
  b->regex_spans[index] = tl_json_span(b->source, node);
  b->table.patterns_count++;
  *out_index = index;
  return TL_OK;
}

tl_status tl_build_literal(tl_build *build, const tl_json *node, tl_str text, uint32_t *out_index) {
  tl_tokenizer_pattern pattern = {.literal = 1, .length = (uint32_t)text.length};
  if (text.length == 0)
    return tl_diag_error(build->diag, TL_UNSUPPORTED, tl_json_span(build->source, node),
                         "a pattern that is the empty text is not supported");
  TL_TRY(tl_build_pool(build, text, &pattern.offset));
  return add_pattern(build, node, pattern, NULL, out_index);
}

tl_status tl_build_regex(tl_build *build, const tl_json *node, tl_str text, uint32_t *out_index) {
  tl_regex_context context = regex_context(build, tl_json_span(build->source, node));
  tl_regex_node *root;
  TL_TRY(tl_regex_parse(&context, text, &root));
  return add_pattern(build, node, (tl_tokenizer_pattern){0}, root, out_index);
}

tl_status tl_build_set(tl_build *build, const tl_json *node, tl_unicode_set which,
                       uint32_t *out_index) {
  tl_charset set = {0};
  tl_regex_node *root;
  TL_TRY(tl_unicode_add(build->arena, which, &set));
  tl_regex_context context = regex_context(build, tl_json_span(build->source, node));
  TL_TRY(tl_regex_from_set(&context, &set, &root));
  return add_pattern(build, node, (tl_tokenizer_pattern){0}, root, out_index);
}

// {"String": ..} or {"Regex": ..}
tl_status tl_build_pattern(tl_build *build, const tl_json *owner, uint32_t *out_index) {
  const tl_json *node = tl_json_get(owner, TL_STR("pattern"));
  tl_str text;
  const tl_json *literal = tl_json_get(node, TL_STR("String"));
  const tl_json *regex = tl_json_get(node, TL_STR("Regex"));
  if (tl_json_to_string(literal, &text)) return tl_build_literal(build, literal, text, out_index);
  if (tl_json_to_string(regex, &text)) return tl_build_regex(build, regex, text, out_index);
  return tl_json_expected(build->source, node ? node : owner, "pattern",
                          "an object with a String or a Regex", build->diag);
}

tl_status tl_build_list(tl_build *build, const tl_json *node, const char *key, int depth,
                        tl_status (*parse)(tl_build *, const tl_json *, int)) {
  const tl_json *list = tl_json_get(node, tl_str_from(key));
  if (tl_json_kind_of(list) != TL_JSON_ARRAY)
    return tl_json_expected(build->source, list ? list : node, key, "an array", build->diag);
  if (depth == TL_BUILD_NESTING_MAX)
    return tl_diag_error(build->diag, TL_UNSUPPORTED, tl_json_span(build->source, node),
                         "sequences are nested more than %d deep", TL_BUILD_NESTING_MAX);
  for (size_t i = 0; i < tl_json_count(list); i++)
    TL_TRY(parse(build, tl_json_item(list, i), depth + 1));
  return TL_OK;
}

tl_status tl_build_steps(tl_build *build) {
  const tl_json *normalizer = tl_json_get(build->root, TL_STR("normalizer"));
  const tl_json *cutter = tl_json_get(build->root, TL_STR("pre_tokenizer"));
  if (tl_json_kind_of(normalizer) != TL_JSON_NULL)
    TL_TRY(tl_build_normalizer(build, normalizer, 0));
  build->normalizers_count = build->table.steps_count;
  if (tl_json_kind_of(cutter) != TL_JSON_NULL) TL_TRY(tl_build_cutter(build, cutter, 0));
  return TL_OK;
}
