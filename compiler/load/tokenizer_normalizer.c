// Normalizers as steps. What maps characters one by one is spelled as such a map.
#include "compiler/load/base64.h"
#include "compiler/load/tokenizer_build.h"

static tl_status parse_replace(tl_build *b, const tl_json *node) {
  tl_tokenizer_step step = {.kind = TL_STEP_REPLACE};
  tl_str content;
  TL_TRY(tl_build_pattern(b, node, &step.pattern));
  TL_TRY(tl_build_text(b, node, "content", &content));
  return tl_build_step(b, node, step, content);
}

static tl_status parse_prepend(tl_build *b, const tl_json *node) {
  tl_str text;
  TL_TRY(tl_build_text(b, node, "prepend", &text));
  if (text.length == 0) return TL_OK;
  return tl_build_step(b, node, (tl_tokenizer_step){.kind = TL_STEP_PREFIX}, text);
}

static tl_status add_form(tl_build *b, const tl_json *node, tl_text_form form) {
  b->forms |= 1u << form;
  return tl_build_step(b, node, (tl_tokenizer_step){.kind = TL_STEP_FORM, .behaviour = form},
                       TL_STR(""));
}

static tl_status parse_strip(tl_build *b, const tl_json *node) {
  bool left, right;
  TL_TRY(tl_build_bool(b, node, "strip_left", true, &left));
  TL_TRY(tl_build_bool(b, node, "strip_right", true, &right));
  b->strips = true;
  uint32_t flags = (left ? TL_STRIP_LEFT : 0) | (right ? TL_STRIP_RIGHT : 0);
  return tl_build_step(b, node, (tl_tokenizer_step){.kind = TL_STEP_STRIP, .flags = flags},
                       TL_STR(""));
}

static tl_status parse_precompiled(tl_build *b, const tl_json *node) {
  tl_str text, map;
  TL_TRY(tl_build_text(b, node, "precompiled_charsmap", &text));
  const tl_json *value = tl_json_get(node, TL_STR("precompiled_charsmap"));
  tl_status status = tl_base64_decode(b->arena, text, &map);
  if (status == TL_INPUT)
    return tl_json_expected(b->source, value, "precompiled_charsmap", "base64", b->diag);
  TL_TRY(status);
  return tl_build_charsmap(b, value, map, &(tl_build_charsmap_options){.clusters = true});
}

static tl_status add_lower(tl_build *b, const tl_json *node) {
  uint32_t *map;
  TL_TRY(tl_build_map_start(b, &map));
  TL_TRY(tl_build_map_lower(b, map));
  return tl_build_map_step(b, node, map);
}

static tl_status add_removal(tl_build *b, const tl_json *node, tl_unicode_set set) {
  uint32_t *map;
  TL_TRY(tl_build_map_start(b, &map));
  TL_TRY(tl_build_map_set(b, set, TL_MAP_CHANGED, map));
  return tl_build_map_step(b, node, map);
}

// Removes the characters of one set and turns those of another into spaces.
static tl_status add_cleaning(tl_build *b, const tl_json *node, tl_unicode_set removed,
                              tl_unicode_set spaces) {
  uint32_t *map, space;
  TL_TRY(tl_build_map_start(b, &map));
  TL_TRY(tl_build_map_cell(b, TL_STR(" "), &space));
  TL_TRY(tl_build_map_set(b, removed, TL_MAP_CHANGED, map));
  TL_TRY(tl_build_map_set(b, spaces, space, map));
  return tl_build_map_step(b, node, map);
}

static tl_status parse_basic(tl_build *b, const tl_json *node) {
  bool clean, han, lower, accents;
  TL_TRY(tl_build_bool(b, node, "clean_text", true, &clean));
  TL_TRY(tl_build_bool(b, node, "handle_chinese_chars", true, &han));
  TL_TRY(tl_build_bool(b, node, "lowercase", true, &lower));
  TL_TRY(tl_build_bool(b, node, "strip_accents", lower, &accents));
  if (clean) TL_TRY(add_cleaning(b, node, TL_UNICODE_CLEAN_REMOVED, TL_UNICODE_CLEAN_SPACE));
  if (han) {
    uint32_t *map;
    TL_TRY(tl_build_map_start(b, &map));
    TL_TRY(tl_build_map_set(b, TL_UNICODE_HAN, TL_MAP_CHANGED | TL_MAP_SPACED, map));
    TL_TRY(tl_build_map_step(b, node, map));
  }
  if (accents) {
    TL_TRY(add_form(b, node, TL_FORM_NFD));
    TL_TRY(add_removal(b, node, TL_UNICODE_ACCENT));
  }
  return lower ? add_lower(b, node) : TL_OK;
}

tl_status tl_build_normalizer(tl_build *build, const tl_json *node, int depth) {
  static const char *const forms[TL_FORMS] = {"NFC", "NFD", "NFKC", "NFKD"};
  tl_str kind;
  TL_TRY(tl_build_string(build, node, "type", TL_STR("?"), &kind));
  if (tl_str_is(kind, "Sequence"))
    return tl_build_list(build, node, "normalizers", depth, tl_build_normalizer);
  if (tl_str_is(kind, "Replace")) return parse_replace(build, node);
  if (tl_str_is(kind, "Prepend")) return parse_prepend(build, node);
  if (tl_str_is(kind, "Strip")) return parse_strip(build, node);
  if (tl_str_is(kind, "Lowercase")) return add_lower(build, node);
  if (tl_str_is(kind, "StripAccents")) return add_removal(build, node, TL_UNICODE_MARK);
  if (tl_str_is(kind, "Nmt"))
    return add_cleaning(build, node, TL_UNICODE_NMT_REMOVED, TL_UNICODE_NMT_SPACE);
  if (tl_str_is(kind, "Precompiled")) return parse_precompiled(build, node);
  if (tl_str_is(kind, "BertNormalizer")) return parse_basic(build, node);
  for (uint32_t form = 0; form < TL_FORMS; form++)
    if (tl_str_is(kind, forms[form])) return add_form(build, node, form);
  return tl_build_unsupported(build, node, "normalizer", kind);
}
