// Normalizers and pre-tokenizers as steps. Kinds with a fixed pattern of their own are spelled here
// as the patterns they stand for.
#include "compiler/load/tokenizer_build.h"
#include "compiler/load/unicode.h"

// What ByteLevel splits at when it is asked to.
static const char words_pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+"
    "|\\s+(?!\\S)|\\s+";

static tl_status parse_normalizer(tl_build *b, const tl_json *node, int depth);
static tl_status parse_pre_tokenizer(tl_build *b, const tl_json *node, int depth);

static tl_status add_step(tl_build *b, const tl_json *node, tl_tokenizer_step step, tl_str text) {
  if (b->table.steps_count == TL_TOKENIZER_STEPS_MAX - 2) // two are kept for added tokens
    return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, node),
                         "more than %d normalizers and pre-tokenizers", TL_TOKENIZER_STEPS_MAX - 2);
  TL_TRY(tl_build_pool(b, text, &step.text_offset));
  step.text_length = (uint32_t)text.length;
  b->steps[b->table.steps_count++] = step;
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

static tl_status add_literal(tl_build *b, const tl_json *node, tl_str text, uint32_t *out_index) {
  tl_tokenizer_pattern pattern = {.literal = 1, .length = (uint32_t)text.length};
  if (text.length == 0)
    return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, node),
                         "a pattern that is the empty text is not supported");
  TL_TRY(tl_build_pool(b, text, &pattern.offset));
  return add_pattern(b, node, pattern, NULL, out_index);
}

static tl_status add_regex(tl_build *b, const tl_json *node, tl_str text, uint32_t *out_index) {
  tl_regex_context context = regex_context(b, tl_json_span(b->source, node));
  tl_regex_node *root;
  TL_TRY(tl_regex_parse(&context, text, &root));
  return add_pattern(b, node, (tl_tokenizer_pattern){0}, root, out_index);
}

// {"String": ..} or {"Regex": ..}
static tl_status parse_pattern(tl_build *b, const tl_json *owner, uint32_t *out_index) {
  const tl_json *node = tl_json_get(owner, TL_STR("pattern"));
  tl_str text;
  const tl_json *literal = tl_json_get(node, TL_STR("String"));
  const tl_json *regex = tl_json_get(node, TL_STR("Regex"));
  if (tl_json_to_string(literal, &text)) return add_literal(b, literal, text, out_index);
  if (tl_json_to_string(regex, &text)) return add_regex(b, regex, text, out_index);
  return tl_json_expected(b->source, node ? node : owner, "pattern",
                          "an object with a String or a Regex", b->diag);
}

static tl_status parse_list(tl_build *b, const tl_json *node, const char *key, int depth,
                            tl_status (*parse)(tl_build *, const tl_json *, int)) {
  const tl_json *list = tl_json_get(node, tl_str_from(key));
  if (tl_json_kind_of(list) != TL_JSON_ARRAY)
    return tl_json_expected(b->source, list ? list : node, key, "an array", b->diag);
  if (depth == TL_BUILD_NESTING_MAX)
    return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, node),
                         "sequences are nested more than %d deep", TL_BUILD_NESTING_MAX);
  for (size_t i = 0; i < tl_json_count(list); i++)
    TL_TRY(parse(b, tl_json_item(list, i), depth + 1));
  return TL_OK;
}

static tl_status parse_replace(tl_build *b, const tl_json *node) {
  tl_tokenizer_step step = {.kind = TL_STEP_REPLACE};
  tl_str content;
  TL_TRY(parse_pattern(b, node, &step.pattern));
  TL_TRY(tl_build_string(b, node, "content", (tl_str){NULL, 0}, &content));
  if (!content.data)
    return tl_json_expected(b->source, tl_json_get(node, TL_STR("content")), "content", "a string",
                            b->diag);
  return add_step(b, node, step, content);
}

static tl_status parse_prepend(tl_build *b, const tl_json *node) {
  tl_str text;
  TL_TRY(tl_build_string(b, node, "prepend", (tl_str){NULL, 0}, &text));
  if (!text.data)
    return tl_json_expected(b->source, tl_json_get(node, TL_STR("prepend")), "prepend", "a string",
                            b->diag);
  return text.length ? add_step(b, node, (tl_tokenizer_step){.kind = TL_STEP_PREFIX}, text) : TL_OK;
}

static tl_status parse_normalizer(tl_build *b, const tl_json *node, int depth) {
  tl_str kind;
  TL_TRY(tl_build_string(b, node, "type", TL_STR("?"), &kind));
  if (tl_str_is(kind, "Sequence"))
    return parse_list(b, node, "normalizers", depth, parse_normalizer);
  if (tl_str_is(kind, "Replace")) return parse_replace(b, node);
  if (tl_str_is(kind, "Prepend")) return parse_prepend(b, node);
  if (!tl_str_is(kind, "NFC")) return tl_build_unsupported(b, node, "normalizer", kind);
  b->composes = true;
  return add_step(b, node, (tl_tokenizer_step){.kind = TL_STEP_NFC}, TL_STR(""));
}

static tl_status parse_split(tl_build *b, const tl_json *node) {
  static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
                                      "Contiguous"};
  tl_tokenizer_step step = {.kind = TL_STEP_SPLIT, .behaviour = TL_SPLIT_BEHAVIOURS};
  tl_str behaviour;
  bool invert;
  TL_TRY(parse_pattern(b, node, &step.pattern));
  TL_TRY(tl_build_string(b, node, "behavior", TL_STR("?"), &behaviour));
  TL_TRY(tl_build_bool(b, node, "invert", false, &invert));
  for (uint32_t i = 0; i < TL_SPLIT_BEHAVIOURS; i++)
    if (tl_str_is(behaviour, names[i])) step.behaviour = i;
  if (step.behaviour == TL_SPLIT_BEHAVIOURS)
    return tl_build_unsupported(b, node, "behavior of a split", behaviour);
  step.flags = invert ? TL_SPLIT_INVERT : 0;
  return add_step(b, node, step, TL_STR(""));
}

static tl_status parse_digits(tl_build *b, const tl_json *node) {
  tl_charset set = {0};
  tl_regex_node *root;
  tl_tokenizer_step step = {.kind = TL_STEP_SPLIT};
  bool single;
  TL_TRY(tl_build_bool(b, node, "individual_digits", false, &single));
  TL_TRY(tl_unicode_add(b->arena, TL_UNICODE_NUMERIC, &set));
  tl_regex_context context = regex_context(b, tl_json_span(b->source, node));
  TL_TRY(tl_regex_from_set(&context, &set, &root));
  TL_TRY(add_pattern(b, node, (tl_tokenizer_pattern){0}, root, &step.pattern));
  step.behaviour = single ? TL_SPLIT_ISOLATED : TL_SPLIT_CONTIGUOUS;
  return add_step(b, node, step, TL_STR(""));
}

static tl_status parse_byte_level(tl_build *b, const tl_json *node) {
  bool prefix, split;
  TL_TRY(tl_build_bool(b, node, "add_prefix_space", true, &prefix));
  TL_TRY(tl_build_bool(b, node, "use_regex", true, &split));
  tl_tokenizer_step space = {.kind = TL_STEP_PREFIX, .flags = TL_PREFIX_UNLESS};
  tl_tokenizer_step words = {.kind = TL_STEP_SPLIT, .behaviour = TL_SPLIT_ISOLATED};
  if (prefix) TL_TRY(add_step(b, node, space, TL_STR(" ")));
  if (split) {
    TL_TRY(add_regex(b, node, tl_str_from(words_pattern), &words.pattern));
    TL_TRY(add_step(b, node, words, TL_STR("")));
  }
  b->bytes = true;
  return TL_OK;
}

static tl_status parse_metaspace(tl_build *b, const tl_json *node) {
  tl_str mark, scheme;
  bool prefix, cuts;
  TL_TRY(tl_build_string(b, node, "replacement", TL_STR("\xE2\x96\x81"), &mark));
  TL_TRY(tl_build_string(b, node, "prepend_scheme", TL_STR("always"), &scheme));
  TL_TRY(tl_build_bool(b, node, "add_prefix_space", true, &prefix));
  TL_TRY(tl_build_bool(b, node, "split", true, &cuts));
  bool first = tl_str_is(scheme, "first"), never = tl_str_is(scheme, "never") || !prefix;
  if (!first && !never && !tl_str_is(scheme, "always"))
    return tl_build_unsupported(b, node, "prepend_scheme", scheme);
  for (uint32_t i = 0; first && i < b->table.steps_count; i++)
    if (b->steps[i].kind == TL_STEP_PREFIX) // where the text began is no longer known
      return tl_build_unsupported(b, node, "prepend_scheme after a prefix", scheme);
  tl_tokenizer_step replace = {.kind = TL_STEP_REPLACE};
  tl_tokenizer_step before = {.kind = TL_STEP_PREFIX,
                              .flags = TL_PREFIX_UNLESS | (first ? TL_PREFIX_FIRST : 0)};
  tl_tokenizer_step split = {.kind = TL_STEP_SPLIT, .behaviour = TL_SPLIT_MERGED_AFTER};
  TL_TRY(add_literal(b, node, TL_STR(" "), &replace.pattern));
  TL_TRY(add_step(b, node, replace, mark));
  if (!never) TL_TRY(add_step(b, node, before, mark));
  if (!cuts) return TL_OK;
  TL_TRY(add_literal(b, node, mark, &split.pattern));
  return add_step(b, node, split, TL_STR(""));
}

static tl_status parse_pre_tokenizer(tl_build *b, const tl_json *node, int depth) {
  tl_str kind;
  TL_TRY(tl_build_string(b, node, "type", TL_STR("?"), &kind));
  if (b->bytes)
    return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, node),
                         "pre-tokenizer '%.*s' after ByteLevel is not supported",
                         (int)(kind.length < 60 ? kind.length : 60), kind.data);
  if (tl_str_is(kind, "Sequence"))
    return parse_list(b, node, "pretokenizers", depth, parse_pre_tokenizer);
  if (tl_str_is(kind, "Split")) return parse_split(b, node);
  if (tl_str_is(kind, "Digits")) return parse_digits(b, node);
  if (tl_str_is(kind, "ByteLevel")) return parse_byte_level(b, node);
  if (tl_str_is(kind, "Metaspace")) return parse_metaspace(b, node);
  return tl_build_unsupported(b, node, "pre-tokenizer", kind);
}

tl_status tl_build_steps(tl_build *build) {
  const tl_json *normalizer = tl_json_get(build->root, TL_STR("normalizer"));
  const tl_json *cutter = tl_json_get(build->root, TL_STR("pre_tokenizer"));
  if (tl_json_kind_of(normalizer) != TL_JSON_NULL) TL_TRY(parse_normalizer(build, normalizer, 0));
  build->normalizers_count = build->table.steps_count;
  if (tl_json_kind_of(cutter) != TL_JSON_NULL) TL_TRY(parse_pre_tokenizer(build, cutter, 0));
  return TL_OK;
}
