// Expressions of a parsed template.
#include "runtime/text/jinja/render.h"

static tl_status name_value(tl_render *render, const tl_jinja_node *node, tl_datum *out) {
  *out = tl_render_get(render->scope, node->symbol);
  if (out->kind != TL_DATUM_ABSENT) return TL_OK;
  const tl_function_row *row = tl_function_find(node->name);
  *out = row ? (tl_datum){.kind = TL_DATUM_FUNCTION, .function = row}
             : tl_datum_undefined(TL_DATUM_NO_NAME, node->name);
  return TL_OK;
}

static tl_status attribute(tl_render *render, const tl_jinja_node *node, tl_datum *out) {
  tl_datum object;
  TL_TRY(tl_render_value(render, node->left, &object));
  render->at = node;
  return tl_datum_attribute(render, &object, node->name, out);
}

static tl_status item(tl_render *render, const tl_jinja_node *node, tl_datum *out) {
  tl_datum object, key;
  TL_TRY(tl_render_value(render, node->left, &object));
  TL_TRY(tl_render_value(render, node->right, &key));
  render->at = node;
  return tl_datum_item(render, &object, &key, out);
}

static tl_status slice(tl_render *render, const tl_jinja_node *node, tl_datum *out) {
  tl_datum object, bounds[3] = {{0}, {0}, {0}};
  TL_TRY(tl_render_value(render, node->left, &object));
  int i = 0;
  for (const tl_jinja_node *part = node->items; part && i < 3; part = part->next)
    TL_TRY(tl_render_value(render, part->left, &bounds[i++]));
  render->at = node;
  return tl_datum_slice(render, &object, bounds, out);
}

static tl_status binary(tl_render *render, const tl_jinja_node *node, tl_datum *out) {
  tl_datum left, right;
  TL_TRY(tl_render_value(render, node->left, &left));
  TL_TRY(tl_render_value(render, node->right, &right));
  render->at = node;
  return tl_datum_operate(render, (tl_jinja_op)node->op, &left, &right, out);
}

static tl_status concat(tl_render *render, const tl_jinja_node *node, tl_datum *out) {
  tl_str sum = TL_STR(""), part;
  for (const tl_jinja_node *at = node->items; at; at = at->next) {
    tl_datum value;
    TL_TRY(tl_render_value(render, at->left, &value));
    render->at = node;
    TL_TRY(tl_datum_to_str(render, &value, &part));
    if (at == node->items)
      sum = part;
    else
      TL_TRY(tl_datum_join(render, sum, part, &sum));
  }
  *out = tl_datum_of_text(sum);
  return TL_OK;
}

static tl_status compare(tl_render *render, const tl_jinja_node *node, tl_datum *out) {
  tl_datum left, right;
  bool holds = true;
  TL_TRY(tl_render_value(render, node->left, &left));
  for (const tl_jinja_node *at = node->items; at && holds; at = at->next) {
    TL_TRY(tl_render_value(render, at->left, &right));
    render->at = node;
    TL_TRY(tl_datum_compare(render, (tl_jinja_op)at->op, &left, &right, &holds));
    left = right;
  }
  *out = tl_datum_of_bool(holds);
  return TL_OK;
}

static tl_status truth(tl_render *render, const tl_jinja_node *node, bool *out) {
  tl_datum value;
  TL_TRY(tl_render_value(render, node, &value));
  *out = tl_datum_truth(&value);
  return TL_OK;
}

static tl_status logic(tl_render *render, const tl_jinja_node *node, tl_datum *out) {
  TL_TRY(tl_render_value(render, node->left, out));
  if (tl_datum_truth(out) == (node->kind == TL_JINJA_OR)) return TL_OK;
  return tl_render_value(render, node->right, out);
}

static tl_status negation(tl_render *render, const tl_jinja_node *node, tl_datum *out) {
  bool value;
  TL_TRY(truth(render, node->left, &value));
  *out = tl_datum_of_bool(!value);
  return TL_OK;
}

static tl_status choice(tl_render *render, const tl_jinja_node *node, tl_datum *out) {
  bool value;
  TL_TRY(truth(render, node->right, &value));
  if (value) return tl_render_value(render, node->left, out);
  if (node->third) return tl_render_value(render, node->third, out);
  *out =
      tl_datum_undefined(TL_DATUM_SENTENCE, TL_STR("the condition is false and there is no else"));
  return TL_OK;
}

static tl_status sign(tl_render *render, const tl_jinja_node *node, tl_datum *out) {
  tl_datum value, negative;
  TL_TRY(tl_render_value(render, node->left, &value));
  render->at = node;
  TL_TRY(tl_datum_negate(render, &value, &negative));
  if (node->kind == TL_JINJA_NEGATE)
    *out = negative;
  else
    *out = value.kind == TL_DATUM_BOOL ? tl_datum_of_int(value.boolean) : value;
  return TL_OK;
}

static tl_status list(tl_render *render, const tl_jinja_node *node, tl_datum *out) {
  tl_datum_list *list = NULL;
  TL_TRY(tl_list_create(render, 0, &list));
  for (const tl_jinja_node *at = node->items; at; at = at->next) {
    tl_datum value;
    TL_TRY(tl_render_value(render, at->left, &value));
    TL_TRY(tl_list_add(render, list, &value));
  }
  *out = tl_datum_of_list(list, node->kind == TL_JINJA_LIST ? TL_DATUM_AS_LIST : TL_DATUM_AS_TUPLE);
  return TL_OK;
}

static tl_status dict(tl_render *render, const tl_jinja_node *node, tl_datum *out) {
  tl_datum_dict *dict = NULL;
  TL_TRY(tl_dict_create(render, 0, &dict));
  for (const tl_jinja_node *at = node->items; at; at = at->next) {
    tl_datum key, value;
    TL_TRY(tl_render_value(render, at->left, &key));
    TL_TRY(tl_render_value(render, at->right, &value));
    render->at = node;
    TL_TRY(tl_dict_set(render, dict, &key, &value));
  }
  *out = (tl_datum){.kind = TL_DATUM_DICT, .dict = dict};
  return TL_OK;
}

static tl_status apply(tl_render *render, const tl_jinja_node *node, tl_datum self, tl_datum *out) {
  tl_arguments args;
  TL_TRY(tl_call_arguments(render, node->items, &args));
  render->at = node;
  if (!node->function) {
    return tl_render_fail(render, "the filter or test '%.*s' is not supported",
                          TL_STR_ARG(node->name));
  }
  return tl_function_call(render, node->function, self, &args, out);
}

static tl_status filter_or_test(tl_render *render, const tl_jinja_node *node, tl_datum *out) {
  tl_datum self;
  TL_TRY(tl_render_value(render, node->left, &self));
  return apply(render, node, self, out);
}

tl_status tl_render_filter(tl_render *render, const tl_jinja_node *node, tl_str text,
                           tl_datum *out) {
  tl_datum self = tl_datum_of_text(text);
  TL_TRY(tl_render_enter(render));
  if (node->left) TL_TRY(tl_render_filter(render, node->left, text, &self));
  render->depth--;
  return apply(render, node, self, out);
}

static tl_status value_of(tl_render *render, const tl_jinja_node *node, tl_datum *out) {
  switch ((tl_node_kind)node->kind) {
  case TL_JINJA_CONST: *out = node->constant; return TL_OK;
  case TL_JINJA_NAME: return name_value(render, node, out);
  case TL_JINJA_ATTRIBUTE: return attribute(render, node, out);
  case TL_JINJA_ITEM: return item(render, node, out);
  case TL_JINJA_SLICE: return slice(render, node, out);
  case TL_JINJA_CALL: return tl_call_node(render, node, NULL, out);
  case TL_JINJA_FILTER:
  case TL_JINJA_TEST: return filter_or_test(render, node, out);
  case TL_JINJA_NOT: return negation(render, node, out);
  case TL_JINJA_NEGATE:
  case TL_JINJA_PLUS: return sign(render, node, out);
  case TL_JINJA_BINARY: return binary(render, node, out);
  case TL_JINJA_AND:
  case TL_JINJA_OR: return logic(render, node, out);
  case TL_JINJA_CONCAT: return concat(render, node, out);
  case TL_JINJA_COMPARE: return compare(render, node, out);
  case TL_JINJA_CHOICE: return choice(render, node, out);
  case TL_JINJA_LIST:
  case TL_JINJA_TUPLE: return list(render, node, out);
  case TL_JINJA_DICT: return dict(render, node, out);
  default: return tl_render_fail(render, "this is no expression");
  }
}

tl_status tl_render_value(tl_render *render, const tl_jinja_node *node, tl_datum *out) {
  *out = (tl_datum){0};
  render->at = node;
  TL_TRY(tl_render_charge(render, 1));
  TL_TRY(tl_render_enter(render));
  TL_TRY(value_of(render, node, out));
  render->depth--;
  return TL_OK;
}
