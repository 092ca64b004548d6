// What post-processors put around a text, and around two: rows of a template.
#include "compiler/load/tokenizer_build.h"

// Rows for one text and for two.
typedef struct template {
  tl_tokenizer_item items[2][TL_TOKENIZER_TEMPLATE_MAX];
  uint32_t counts[2];
  bool made; // by a processor that adds ids
}
template;

static tl_status push_item(tl_build *b, const tl_json *node, template *t, int pair,
                           tl_tokenizer_item item) {
  if (t->counts[pair] == TL_TOKENIZER_TEMPLATE_MAX)
    return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, node),
                         "a template with more than %d ids", TL_TOKENIZER_TEMPLATE_MAX);
  t->items[pair][t->counts[pair]++] = item;
  return TL_OK;
}

static tl_status read_id(tl_build *b, const tl_json *node, const tl_json *id_node,
                         uint32_t *out_id) {
  int64_t id;
  if (!tl_json_to_int(id_node, &id) || id < 0 || id >= b->table.header.tokens_count)
    return tl_json_expected(b->source, id_node ? id_node : node, "id in the template",
                            "an id of the tokenizer", b->diag);
  *out_id = (uint32_t)id;
  return TL_OK;
}

static tl_status read_type(tl_build *b, const tl_json *node, uint32_t *out_type) {
  const tl_json *value = tl_json_get(node, TL_STR("type_id"));
  int64_t type = 0;
  if (value && (!tl_json_to_int(value, &type) || type < 0 || type >= TL_TOKENIZER_TYPES_MAX))
    return tl_json_expected(b->source, value, "type_id", "a number below 256", b->diag);
  *out_type = (uint32_t)type;
  return TL_OK;
}

// The ids of a special token, by its name.
static tl_status push_special(tl_build *b, const tl_json *processor, const tl_json *special,
                              template *t, int pair) {
  tl_str name;
  tl_tokenizer_item item = {.kind = TL_TEMPLATE_ID};
  TL_TRY(tl_build_text(b, special, "id", &name));
  TL_TRY(read_type(b, special, &item.type));
  const tl_json *entry = tl_json_get(tl_json_get(processor, TL_STR("special_tokens")), name);
  const tl_json *list = tl_json_get(entry, TL_STR("ids"));
  if (tl_json_count(list) == 0)
    return tl_diag_error(b->diag, TL_INPUT, tl_json_span(b->source, special),
                         "special_tokens has no ids for '%.*s'",
                         (int)(name.length < 60 ? name.length : 60), name.data);
  for (size_t i = 0; i < tl_json_count(list); i++) {
    TL_TRY(read_id(b, special, tl_json_item(list, i), &item.id));
    TL_TRY(push_item(b, special, t, pair, item));
  }
  return TL_OK;
}

// {"SpecialToken": {..}} or {"Sequence": {"id": "A", "type_id": 0}}
static tl_status read_item(tl_build *b, const tl_json *processor, const tl_json *node, template *t,
                           int pair) {
  const tl_json *special = tl_json_get(node, TL_STR("SpecialToken"));
  const tl_json *sequence = tl_json_get(node, TL_STR("Sequence"));
  tl_tokenizer_item item = {.kind = TL_TEMPLATE_TEXT};
  tl_str name;
  if (special) return push_special(b, processor, special, t, pair);
  if (!sequence)
    return tl_json_expected(b->source, node, "item of a template", "a SpecialToken or a Sequence",
                            b->diag);
  TL_TRY(tl_build_text(b, sequence, "id", &name));
  TL_TRY(read_type(b, sequence, &item.type));
  if (tl_str_is(name, "B") && pair) item.kind = TL_TEMPLATE_PAIR;
  if (tl_str_is(name, "A") || item.kind == TL_TEMPLATE_PAIR)
    return push_item(b, sequence, t, pair, item);
  return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, sequence),
                       "a template must be of the text A%s and special tokens",
                       pair ? ", the text B" : "");
}

static tl_status read_template(tl_build *b, const tl_json *node, template *t) {
  static const char *const keys[] = {"single", "pair"};
  for (int pair = 0; pair < 2; pair++) {
    const tl_json *list = tl_json_get(node, tl_str_from(keys[pair]));
    if (tl_json_kind_of(list) != TL_JSON_ARRAY)
      return tl_json_expected(b->source, list ? list : node, keys[pair], "an array", b->diag);
    for (size_t i = 0; i < tl_json_count(list); i++)
      TL_TRY(read_item(b, node, tl_json_item(list, i), t, pair));
  }
  return TL_OK;
}

// Rows spelled by a text: c and s are the ids of {"cls": ["<s>", 0], "sep": ["</s>", 2]}, A and B
// the texts, a digit is the type of all that follows.
static tl_status read_spelled(tl_build *b, const tl_json *node, const char *rows, template *t,
                              int pair) {
  tl_tokenizer_item cls = {TL_TEMPLATE_ID, 0, 0}, sep = cls;
  uint32_t type = 0;
  TL_TRY(read_id(b, node, tl_json_item(tl_json_get(node, TL_STR("cls")), 1), &cls.id));
  TL_TRY(read_id(b, node, tl_json_item(tl_json_get(node, TL_STR("sep")), 1), &sep.id));
  for (; *rows; rows++) {
    tl_tokenizer_item item = *rows == 'c' ? cls : sep;
    if (*rows == 'A') item.kind = TL_TEMPLATE_TEXT;
    if (*rows == 'B') item.kind = TL_TEMPLATE_PAIR;
    if (*rows == '1') type = 1;
    item.type = type;
    if (*rows != '1') TL_TRY(push_item(b, node, t, pair, item));
  }
  return TL_OK;
}

static tl_status read_processor(tl_build *b, const tl_json *node, int depth, template *t) {
  tl_str kind;
  TL_TRY(tl_build_string(b, node, "type", TL_STR("?"), &kind));
  if (tl_str_is(kind, "Sequence") && depth < TL_BUILD_NESTING_MAX) {
    const tl_json *list = tl_json_get(node, TL_STR("processors"));
    for (size_t i = 0; i < tl_json_count(list); i++)
      TL_TRY(read_processor(b, tl_json_item(list, i), depth + 1, t));
    return TL_OK;
  }
  if (tl_str_is(kind, "ByteLevel")) return TL_OK; // changes offsets only
  bool one = tl_str_is(kind, "BertProcessing"), two = tl_str_is(kind, "RobertaProcessing");
  if (!one && !two && !tl_str_is(kind, "TemplateProcessing"))
    return tl_build_unsupported(b, node, "post-processor", kind);
  if (t->made)
    return tl_diag_error(b->diag, TL_UNSUPPORTED, tl_json_span(b->source, node),
                         "a second post-processor that adds ids is not supported");
  t->made = true;
  if (!one && !two) return read_template(b, node, t);
  TL_TRY(read_spelled(b, node, "cAs", t, 0));
  return read_spelled(b, node, one ? "cAs1Bs" : "cAssBs", t, 1);
}

tl_status tl_build_template(tl_build *build) {
  const tl_json *node = tl_json_get(build->root, TL_STR("post_processor"));
  template t = {0};
  if (tl_json_kind_of(node) != TL_JSON_NULL) TL_TRY(read_processor(build, node, 0, &t));
  if (!t.made) {
    TL_TRY(push_item(build, node, &t, 0, (tl_tokenizer_item){TL_TEMPLATE_TEXT, 0, 0}));
    TL_TRY(push_item(build, node, &t, 1, (tl_tokenizer_item){TL_TEMPLATE_TEXT, 0, 0}));
    TL_TRY(push_item(build, node, &t, 1, (tl_tokenizer_item){TL_TEMPLATE_PAIR, 0, 1}));
  }
  memcpy(build->template, t.items[0], t.counts[0] * sizeof *t.items[0]);
  memcpy(build->template + t.counts[0], t.items[1], t.counts[1] * sizeof *t.items[1]);
  build->table.header.single_count = t.counts[0];
  build->table.template = build->template;
  build->table.template_count = t.counts[0] + t.counts[1];
  return TL_OK;
}
