// Tests: what stands behind `is`.
#include "runtime/text/jinja/globals.h"
#include "runtime/text/jinja/render.h"

static tl_status answer(tl_render *render, bool value, tl_datum *out) {
  *out = tl_datum_of_bool(value);
  return tl_render_charge(render, 1);
}

// A test that looks at the kind of the value alone.
#define KIND_TEST(name, condition)                                                                 \
  static tl_status name(tl_render *render, const tl_call *call, tl_datum *out) {                   \
    tl_datum_kind kind = (tl_datum_kind)call->self.kind;                                           \
    return answer(render, condition, out);                                                         \
  }

KIND_TEST(is_defined, kind != TL_DATUM_UNDEFINED)
KIND_TEST(is_undefined, kind == TL_DATUM_UNDEFINED)
KIND_TEST(is_none, kind == TL_DATUM_NONE)
KIND_TEST(is_boolean, kind == TL_DATUM_BOOL)
KIND_TEST(is_true, kind == TL_DATUM_BOOL && call->self.boolean)
KIND_TEST(is_false, kind == TL_DATUM_BOOL && !call->self.boolean)
KIND_TEST(is_integer, kind == TL_DATUM_INT || kind == TL_DATUM_BIG)
KIND_TEST(is_float, kind == TL_DATUM_REAL)
KIND_TEST(is_number, tl_datum_is_number(&call->self) || kind == TL_DATUM_BIG)
KIND_TEST(is_string, kind == TL_DATUM_TEXT)
KIND_TEST(is_escaped, kind == TL_DATUM_TEXT && call->self.flavour)
KIND_TEST(is_mapping, kind == TL_DATUM_DICT)
KIND_TEST(is_iterable, kind == TL_DATUM_TEXT || kind == TL_DATUM_LIST || kind == TL_DATUM_DICT ||
                           kind == TL_DATUM_RANGE || kind == TL_DATUM_UNDEFINED ||
                           kind == TL_DATUM_LOOP)
KIND_TEST(is_sequence, kind == TL_DATUM_TEXT || kind == TL_DATUM_DICT || kind == TL_DATUM_RANGE ||
                           kind == TL_DATUM_UNDEFINED ||
                           (kind == TL_DATUM_LIST && call->self.flavour <= TL_DATUM_AS_TUPLE))
KIND_TEST(is_callable, kind == TL_DATUM_UNDEFINED || kind == TL_DATUM_MACRO ||
                           kind == TL_DATUM_FUNCTION || kind == TL_DATUM_METHOD ||
                           kind == TL_DATUM_LOOP || kind == TL_DATUM_JOINER)

static tl_status is_sameas(tl_render *render, const tl_call *call, tl_datum *out) {
  return answer(render, tl_datum_same(&call->self, &call->args[0]), out);
}

static tl_status compare(tl_render *render, const tl_call *call, tl_jinja_op op, tl_datum *out) {
  bool value;
  TL_TRY(tl_datum_compare(render, op, &call->self, &call->args[0], &value));
  return answer(render, value, out);
}

#define COMPARE_TEST(name, op)                                                                     \
  static tl_status name(tl_render *render, const tl_call *call, tl_datum *out) {                   \
    return compare(render, call, op, out);                                                         \
  }

COMPARE_TEST(is_equal, TL_JINJA_EQUAL)
COMPARE_TEST(is_unequal, TL_JINJA_UNEQUAL)
COMPARE_TEST(is_less, TL_JINJA_LESS)
COMPARE_TEST(is_less_equal, TL_JINJA_LESS_EQUAL)
COMPARE_TEST(is_greater, TL_JINJA_GREATER)
COMPARE_TEST(is_greater_equal, TL_JINJA_GREATER_EQUAL)
COMPARE_TEST(is_in, TL_JINJA_IN)

static tl_status remainder_is(tl_render *render, const tl_call *call, const tl_datum *divisor,
                              int64_t wanted, tl_datum *out) {
  tl_datum rest, expected = tl_datum_of_int(wanted);
  bool is_equal;
  TL_TRY(tl_datum_operate(render, TL_JINJA_MODULO, &call->self, divisor, &rest));
  TL_TRY(tl_datum_equal(render, &rest, &expected, &is_equal));
  return answer(render, is_equal, out);
}

static tl_status is_odd(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum two = tl_datum_of_int(2);
  return remainder_is(render, call, &two, 1, out);
}

static tl_status is_even(tl_render *render, const tl_call *call, tl_datum *out) {
  tl_datum two = tl_datum_of_int(2);
  return remainder_is(render, call, &two, 0, out);
}

static tl_status is_divisible(tl_render *render, const tl_call *call, tl_datum *out) {
  return remainder_is(render, call, &call->args[0], 0, out);
}

// Whether there are letters in one case, and none in the other; of ASCII only.
static tl_status case_is(tl_render *render, const tl_call *call, char wanted, tl_datum *out) {
  tl_str text;
  bool has_wanted = false, has_other = false;
  TL_TRY(tl_datum_to_str(render, &call->self, &text));
  TL_TRY(tl_render_charge_text(render, text.length));
  for (size_t i = 0; i < text.length; i++) {
    if ((uint8_t)text.data[i] >= 0x80) {
      return tl_render_fail(render, "the case of characters beyond ASCII is not supported");
    }
    bool is_letter = (text.data[i] | 32) >= 'a' && (text.data[i] | 32) <= 'z';
    bool is_lower = text.data[i] & 32;
    has_wanted |= is_letter && is_lower == (wanted == 'a');
    has_other |= is_letter && is_lower != (wanted == 'a');
  }
  return answer(render, has_wanted && !has_other, out);
}

static tl_status is_lower(tl_render *render, const tl_call *call, tl_datum *out) {
  return case_is(render, call, 'a', out);
}

static tl_status is_upper(tl_render *render, const tl_call *call, tl_datum *out) {
  return case_is(render, call, 'A', out);
}

const tl_function_row tl_test_rows[] = {
    {"defined", "", 0, is_defined},
    {"undefined", "", 0, is_undefined},
    {"none", "", 0, is_none},
    {"string", "", 0, is_string},
    {"mapping", "", 0, is_mapping},
    {"sequence", "", 0, is_sequence},
    {"iterable", "", 0, is_iterable},
    {"number", "", 0, is_number},
    {"integer", "", 0, is_integer},
    {"float", "", 0, is_float},
    {"boolean", "", 0, is_boolean},
    {"true", "", 0, is_true},
    {"false", "", 0, is_false},
    {"callable", "", 0, is_callable},
    {"escaped", "", 0, is_escaped},
    {"sameas", "other", 1, is_sameas},
    {"eq", "other", 1, is_equal},
    {"equalto", "other", 1, is_equal},
    {"ne", "other", 1, is_unequal},
    {"lt", "other", 1, is_less},
    {"lessthan", "other", 1, is_less},
    {"le", "other", 1, is_less_equal},
    {"gt", "other", 1, is_greater},
    {"greaterthan", "other", 1, is_greater},
    {"ge", "other", 1, is_greater_equal},
    {"==", "other", 1, is_equal},
    {"!=", "other", 1, is_unequal},
    {"<", "other", 1, is_less},
    {"<=", "other", 1, is_less_equal},
    {">", "other", 1, is_greater},
    {">=", "other", 1, is_greater_equal},
    {"in", "other", 1, is_in},
    {"odd", "", 0, is_odd},
    {"even", "", 0, is_even},
    {"divisibleby", "num", 1, is_divisible},
    {"lower", "", 0, is_lower},
    {"upper", "", 0, is_upper},
    {NULL, NULL, 0, NULL},
};
