// Decodes the strings of ops.def into tl_op_info rows.
//
//   "x:f[..,K] w:w[N,K]? -> y:x[..,N]"  -> operands, result
//   "eps:f=1e-06 kind:silu|relu"        -> attributes
#include "ir/op.h"

typedef struct op_row {
  const char *name, *signature, *attrs, *flops, *effects;
  double tolerance;
  const char *decomposition, *summary;
} op_row;

static const op_row rows[] = {
#define OP(name, signature, attrs, flops, effects, tolerance, decomposition, summary)              \
  {#name, signature, attrs, flops, effects, tolerance, decomposition, summary},
#include "ir/ops.def"
#undef OP
};

// Takes the part of `*text` up to `separator` (or all of it) and moves past it.
static tl_str take_until(tl_str *text, char separator) {
  size_t at = 0;
  while (at < text->length && text->data[at] != separator)
    at++;
  tl_str part = tl_str_slice(*text, 0, at);
  *text = tl_str_slice(*text, at + 1, text->length);
  return part;
}

static bool decode_shape(tl_str text, tl_shape_pattern *shape) {
  while (text.length) {
    if (shape->count == TL_RANK_MAX) return false;
    tl_str part = take_until(&text, ',');
    tl_pattern *pattern = &shape->dims[shape->count++];
    pattern->name = part;
    pattern->kind = TL_PATTERN_NAME;
    if (tl_str_is(part, "..")) pattern->kind = TL_PATTERN_REST;
    if (tl_str_is(part, "_")) pattern->kind = TL_PATTERN_ANY;
    if (part.length > 1 && part.data[0] == '$') {
      pattern->kind = TL_PATTERN_ATTR;
      pattern->name = tl_str_slice(part, 1, part.length);
    }
    if (part.length == 0) return false;
  }
  return true;
}

// Splits `name:class[shape]?` into its parts.
static bool split_operand(tl_str text, tl_str *name, tl_str *class, tl_str *shape) {
  *name = take_until(&text, ':');
  *class = take_until(&text, '[');
  if (text.length && text.data[text.length - 1] == ']') text.length--;
  *shape = text;
  return name->length && class->length;
}

static bool decode_operand(tl_str text, tl_operand_info *operand) {
  operand->optional = tl_str_ends_with(text, TL_STR("?"));
  if (operand->optional) text.length--;
  tl_str class, shape;
  if (!split_operand(text, &operand->name, &class, &shape)) return false;
  static const char letters[] = "fwis"; // in the order of tl_operand_class
  const char *letter = class.length == 1 ? memchr(letters, class.data[0], 4) : NULL;
  if (!letter) return false;
  operand->class = (tl_operand_class)(letter - letters);
  return decode_shape(shape, &operand->shape);
}

static bool decode_result(tl_str text, tl_op_info *info) {
  tl_str class, shape;
  if (!split_operand(text, &info->result_name, &class, &shape)) return false;
  info->result_like = -1;
  for (int i = 0; i < info->operands_count; i++) {
    if (tl_str_equal(info->operands[i].name, class)) info->result_like = i;
  }
  if (info->result_like < 0 && !tl_format_from_text(class, &info->result_format)) return false;
  info->result_by_rule = tl_str_is(shape, "@");
  return info->result_by_rule || decode_shape(shape, &info->result_shape);
}

static bool decode_signature(tl_str text, tl_op_info *info) {
  while (text.length && !tl_str_starts_with(text, TL_STR("-> "))) {
    if (info->operands_count == TL_OPERANDS_MAX) return false;
    tl_operand_info *operand = &info->operands[info->operands_count++];
    if (!decode_operand(take_until(&text, ' '), operand)) return false;
    if (!operand->optional) info->operands_required = info->operands_count;
  }
  return text.length > 3 && decode_result(tl_str_slice(text, 3, text.length), info);
}

static bool decode_choices(tl_str kinds, tl_attr_info *attr) {
  attr->kind = TL_ATTR_CHOICE;
  while (kinds.length) {
    if (attr->choices_count == TL_CHOICES_MAX) return false;
    attr->choices[attr->choices_count++] = take_until(&kinds, '|');
  }
  return attr->choices_count > 1;
}

static bool decode_default(tl_str text, tl_attr_info *attr) {
  attr->value.s = text;
  if (attr->kind == TL_ATTR_INT) return tl_str_to_i64(text, &attr->value.i);
  if (attr->kind == TL_ATTR_REAL) return tl_str_to_f64(text, &attr->value.f);
  if (attr->kind == TL_ATTR_TEXT) return true;
  for (int c = 0; c < attr->choices_count; c++) {
    if (!tl_str_equal(attr->choices[c], text)) continue;
    attr->value.i = c;
    return true;
  }
  return false;
}

static bool decode_attr(tl_str text, tl_attr_info *attr) {
  attr->name = take_until(&text, ':');
  tl_str kind = take_until(&text, '=');
  bool known = true;
  if (tl_str_is(kind, "i"))
    attr->kind = TL_ATTR_INT;
  else if (tl_str_is(kind, "f"))
    attr->kind = TL_ATTR_REAL;
  else if (tl_str_is(kind, "s"))
    attr->kind = TL_ATTR_TEXT;
  else
    known = decode_choices(kind, attr);
  attr->has_default = text.length > 0;
  return known && attr->name.length && (!attr->has_default || decode_default(text, attr));
}

static bool decode_row(const op_row *row, tl_op_info *info) {
  info->name = tl_str_from(row->name);
  info->flops = tl_str_from(row->flops);
  info->tolerance = row->tolerance;
  info->decomposition = tl_str_from(row->decomposition);
  info->summary = tl_str_from(row->summary);
  if (!decode_signature(tl_str_from(row->signature), info)) return false;
  tl_str attrs = tl_str_from(row->attrs);
  while (attrs.length) {
    if (info->attrs_count == TL_ATTRS_MAX) return false;
    if (!decode_attr(take_until(&attrs, ' '), &info->attrs[info->attrs_count++])) return false;
  }
  info->effect_operand = -1;
  for (int i = 0; i < info->operands_count; i++) {
    if (tl_str_is(info->operands[i].name, row->effects)) info->effect_operand = i;
  }
  return info->summary.length > 0 && (info->effect_operand >= 0 || row->effects[0] == 0);
}

tl_status tl_op_table_init(tl_op_table *table, tl_diag *diag) {
  memset(table, 0, sizeof *table);
  for (int i = 0; i < TL_OP_COUNT; i++) {
    table->ops[i].id = (tl_op)i;
    if (decode_row(&rows[i], &table->ops[i])) continue;
    return tl_diag_error(diag, TL_INTERNAL, (tl_span){0}, "ops.def: row '%s' is malformed",
                         rows[i].name);
  }
  return TL_OK;
}

const tl_op_info *tl_op_by_name(const tl_op_table *table, tl_str name) {
  for (int i = 0; i < TL_OP_COUNT; i++) {
    if (tl_str_equal(table->ops[i].name, name)) return &table->ops[i];
  }
  return NULL;
}

int tl_op_attr_index(const tl_op_info *info, tl_str name) {
  for (int i = 0; i < info->attrs_count; i++) {
    if (tl_str_equal(info->attrs[i].name, name)) return i;
  }
  return -1;
}

bool tl_attr_equal(const tl_attr_info *info, const tl_attr_value *a, const tl_attr_value *b) {
  if (info->kind == TL_ATTR_TEXT) return tl_str_equal(a->s, b->s);
  if (info->kind == TL_ATTR_REAL) return memcmp(&a->f, &b->f, sizeof a->f) == 0;
  return a->i == b->i;
}
