// Pre-tokenizers as steps. Kinds with a fixed pattern of their own are spelled here as the patterns
// they stand for.
#include "compiler/load/tokenizer_build.h"

// What ByteLevel splits at when it is asked to.
static const char words_pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+"
    "|\\s+(?!\\S)|\\s+";

static tl_status read_behaviour(tl_build *b, const tl_json *node, tl_str fallback,
                                uint32_t *out_behaviour) {
  static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
                                      "Contiguous"};
  tl_str behaviour;
  TL_TRY(tl_build_string(b, node, "behavior", fallback, &behaviour));
  for (uint32_t i = 0; i < TL_SPLIT_BEHAVIOURS; i++) {
    if (!tl_str_is(behaviour, names[i])) continue;
    *out_behaviour = i;
    return TL_OK;
  }
  return tl_build_unsupported(b, node, "behavior of a split", behaviour);
}

static tl_status parse_split(tl_build *b, const tl_json *node) {
  tl_tokenizer_step step = {.kind = TL_STEP_SPLIT};
  bool invert;
  TL_TRY(tl_build_pattern(b, node, &step.pattern));
  TL_TRY(read_behaviour(b, node, TL_STR("?"), &step.behaviour));
  TL_TRY(tl_build_bool(b, node, "invert", false, &invert));
  step.flags = invert ? TL_SPLIT_INVERT : 0;
  return tl_build_step(b, node, step, TL_STR(""));
}

// Cuts at the characters of a set.
static tl_status add_set_split(tl_build *b, const tl_json *node, tl_unicode_set set,
                               uint32_t behaviour) {
  tl_tokenizer_step step = {.kind = TL_STEP_SPLIT, .behaviour = behaviour};
  TL_TRY(tl_build_set(b, node, set, &step.pattern));
  return tl_build_step(b, node, step, TL_STR(""));
}

static tl_status parse_digits(tl_build *b, const tl_json *node) {
  bool single;
  TL_TRY(tl_build_bool(b, node, "individual_digits", false, &single));
  return add_set_split(b, node, TL_UNICODE_NUMERIC,
                       single ? TL_SPLIT_ISOLATED : TL_SPLIT_CONTIGUOUS);
}

static tl_status parse_punctuation(tl_build *b, const tl_json *node) {
  uint32_t behaviour = TL_SPLIT_ISOLATED;
  TL_TRY(read_behaviour(b, node, TL_STR("Isolated"), &behaviour));
  return add_set_split(b, node, TL_UNICODE_PUNCTUATION, behaviour);
}

static tl_status add_regex_split(tl_build *b, const tl_json *node, const char *pattern) {
  tl_tokenizer_step step = {.kind = TL_STEP_SPLIT, .behaviour = TL_SPLIT_ISOLATED};
  TL_TRY(tl_build_regex(b, node, tl_str_from(pattern), &step.pattern));
  return tl_build_step(b, node, step, TL_STR(""));
}

// Words and what lies between them; spaces vanish.
static tl_status parse_whitespace(tl_build *b, const tl_json *node) {
  TL_TRY(add_set_split(b, node, TL_UNICODE_ADDED_SPACE, TL_SPLIT_REMOVED));
  return add_set_split(b, node, TL_UNICODE_ADDED_WORD, TL_SPLIT_CONTIGUOUS);
}

static tl_status parse_whitespace_split(tl_build *b, const tl_json *node) {
  return add_set_split(b, node, TL_UNICODE_ADDED_SPACE, TL_SPLIT_REMOVED);
}

static tl_status parse_basic(tl_build *b, const tl_json *node) {
  TL_TRY(add_set_split(b, node, TL_UNICODE_ADDED_SPACE, TL_SPLIT_REMOVED));
  return add_set_split(b, node, TL_UNICODE_PUNCTUATION, TL_SPLIT_ISOLATED);
}

static tl_status parse_delimiter(tl_build *b, const tl_json *node) {
  tl_tokenizer_step step = {.kind = TL_STEP_SPLIT, .behaviour = TL_SPLIT_REMOVED};
  tl_str delimiter;
  TL_TRY(tl_build_text(b, node, "delimiter", &delimiter));
  TL_TRY(tl_build_literal(b, node, delimiter, &step.pattern));
  return tl_build_step(b, node, step, TL_STR(""));
}

static tl_status parse_fixed_length(tl_build *b, const tl_json *node) {
  const tl_json *value = tl_json_get(node, TL_STR("length"));
  int64_t length = 5;
  if (value && (!tl_json_to_int(value, &length) || length < 1 || length > TL_REGEX_REPEAT_MAX))
    return tl_json_expected(b->source, value, "length", "a number from 1 to 1000", b->diag);
  char pattern[32];
  snprintf(pattern, sizeof pattern, "[\\s\\S]{1,%d}", (int)length);
  return add_regex_split(b, node, pattern);
}

static tl_status parse_byte_level(tl_build *b, const tl_json *node) {
  bool prefix, split;
  TL_TRY(tl_build_bool(b, node, "add_prefix_space", true, &prefix));
  TL_TRY(tl_build_bool(b, node, "use_regex", true, &split));
  tl_tokenizer_step space = {.kind = TL_STEP_PREFIX, .flags = TL_PREFIX_UNLESS};
  if (prefix) TL_TRY(tl_build_step(b, node, space, TL_STR(" ")));
  if (split) TL_TRY(add_regex_split(b, node, words_pattern));
  b->bytes = true;
  return TL_OK;
}

// After such a step it is no longer known which piece begins where the text began.
static bool forgets_start(uint32_t kind) {
  return kind == TL_STEP_PREFIX || kind == TL_STEP_MAP || kind == TL_STEP_STRIP;
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
    if (forgets_start(b->steps[i].kind))
      return tl_build_unsupported(b, node, "prepend_scheme after a change of the text", scheme);
  tl_tokenizer_step replace = {.kind = TL_STEP_REPLACE};
  tl_tokenizer_step before = {.kind = TL_STEP_PREFIX,
                              .flags = TL_PREFIX_UNLESS | (first ? TL_PREFIX_FIRST : 0)};
  tl_tokenizer_step split = {.kind = TL_STEP_SPLIT, .behaviour = TL_SPLIT_MERGED_AFTER};
  TL_TRY(tl_build_literal(b, node, TL_STR(" "), &replace.pattern));
  TL_TRY(tl_build_step(b, node, replace, mark));
  if (!never) TL_TRY(tl_build_step(b, node, before, mark));
  if (!cuts) return TL_OK;
  TL_TRY(tl_build_literal(b, node, mark, &split.pattern));
  return tl_build_step(b, node, split, TL_STR(""));
}

tl_status tl_build_cutter(tl_build *build, const tl_json *node, int depth) {
  static const struct {
    const char *kind;
    tl_status (*parse)(tl_build *, const tl_json *);
  } cutters[] = {{"Split", parse_split},
                 {"Digits", parse_digits},
                 {"ByteLevel", parse_byte_level},
                 {"Metaspace", parse_metaspace},
                 {"BertPreTokenizer", parse_basic},
                 {"Punctuation", parse_punctuation},
                 {"Whitespace", parse_whitespace},
                 {"WhitespaceSplit", parse_whitespace_split},
                 {"CharDelimiterSplit", parse_delimiter},
                 {"FixedLength", parse_fixed_length}};
  tl_str kind;
  TL_TRY(tl_build_string(build, node, "type", TL_STR("?"), &kind));
  if (tl_str_is(kind, "Sequence"))
    return tl_build_list(build, node, "pretokenizers", depth, tl_build_cutter);
  if (build->bytes)
    return tl_diag_error(build->diag, TL_UNSUPPORTED, tl_json_span(build->source, node),
                         "pre-tokenizer '%.*s' after ByteLevel is not supported",
                         (int)(kind.length < 60 ? kind.length : 60), kind.data);
  for (size_t i = 0; i < sizeof cutters / sizeof *cutters; i++)
    if (tl_str_is(kind, cutters[i].kind)) return cutters[i].parse(build, node);
  return tl_build_unsupported(build, node, "pre-tokenizer", kind);
}
