// Implementation of decimal.h.
#include "runtime/base/decimal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
  EXACT_DIGITS_MAX = 15, // digits whose value a double holds exactly
  EXACT_POWER_MAX = 22,  // largest power of ten that a double holds exactly
  EXPONENT_MAX = 100000, // larger ones are clamped; the result is 0 or too large either way
  PRINTED_EXPONENT_MIN = -4,
  PRINTED_EXPONENT_MAX = 16,
};

// A number taken apart: value = 0.d1d2d3... without leading zeros, as an integer of `count` digits
// times ten to the `exponent`.
typedef struct parts {
  char digits[TL_DECIMAL_DIGITS_MAX];
  size_t count;
  long exponent;
  bool negative;
} parts;

static bool is_digit(tl_str s, size_t at) {
  return at < s.length && s.data[at] >= '0' && s.data[at] <= '9';
}

// Takes the digits from `*at` on; false if there are none.
static bool take_digits(tl_str s, size_t *at, bool fraction, parts *out) {
  size_t begin = *at;
  for (; is_digit(s, *at); ++*at) {
    out->exponent -= fraction;
    if (s.data[*at] != '0' || out->count) out->digits[out->count++] = s.data[*at];
  }
  return *at > begin;
}

static bool take_exponent(tl_str s, size_t *at, parts *out) {
  bool negative = *at < s.length && s.data[*at] == '-';
  if (*at < s.length && (s.data[*at] == '-' || s.data[*at] == '+')) ++*at;
  if (!is_digit(s, *at)) return false;
  long exponent = 0;
  for (; is_digit(s, *at); ++*at) {
    exponent = exponent * 10 + (s.data[*at] - '0');
    if (exponent > EXPONENT_MAX) exponent = EXPONENT_MAX;
  }
  out->exponent += negative ? -exponent : exponent;
  return true;
}

static bool take_apart(tl_str s, parts *out) {
  size_t at = s.length && s.data[0] == '-';
  out->negative = at > 0;
  out->count = 0;
  out->exponent = 0;
  if (s.length > TL_DECIMAL_DIGITS_MAX || !take_digits(s, &at, false, out)) return false;
  if (at < s.length && s.data[at] == '.') {
    at++;
    if (!take_digits(s, &at, true, out)) return false;
  }
  if (at < s.length && (s.data[at] == 'e' || s.data[at] == 'E')) {
    at++;
    if (!take_exponent(s, &at, out)) return false;
  }
  return at == s.length;
}

// Both factors are exact doubles, so that their product or quotient is rounded once.
static double from_exact(const parts *number) {
  static const double powers[EXACT_POWER_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  int64_t digits = 0;
  for (size_t i = 0; i < number->count; i++)
    digits = digits * 10 + (number->digits[i] - '0');
  if (number->exponent < 0) return (double)digits / powers[-number->exponent];
  return (double)digits * powers[number->exponent];
}

bool tl_decimal_to_f64(tl_str s, double *out_value) {
  parts number;
  if (!take_apart(s, &number)) return false;
  double value;
  if (number.count <= EXACT_DIGITS_MAX && number.exponent <= EXACT_POWER_MAX &&
      number.exponent >= -EXACT_POWER_MAX) {
    value = from_exact(&number);
  } else {
    char text[TL_DECIMAL_DIGITS_MAX + 32];
    snprintf(text, sizeof text, "%.*se%ld", (int)number.count, number.digits, number.exponent);
    value = number.count ? strtod(text, NULL) : 0;
  }
  if (isinf(value)) return false;
  *out_value = number.negative ? -value : value;
  return true;
}

// The digits of `value` rounded to `count` of them, and its exponent: d.ddd * 10^exponent.
static void round_to_digits(double value, int count, char *digits, int *out_exponent) {
  char text[TL_DECIMAL_TEXT_BYTES + 8];
  snprintf(text, sizeof text, "%.*e", count - 1, value);
  size_t at = 0, used = 0;
  for (; text[at] && text[at] != 'e'; at++)
    if (text[at] >= '0' && text[at] <= '9') digits[used++] = text[at];
  *out_exponent = text[at] ? (int)strtol(text + at + 1, NULL, 10) : 0;
  while (used > 1 && digits[used - 1] == '0')
    used--;
  digits[used] = 0;
}

// Lays out `digits` with a point, or with an exponent where that would need many zeros.
static size_t lay_out(bool negative, const char *digits, int exponent, char *out) {
  const char *sign = negative ? "-" : "";
  int count = (int)strlen(digits), length;
  if (exponent < PRINTED_EXPONENT_MIN || exponent >= PRINTED_EXPONENT_MAX) {
    length = snprintf(out, TL_DECIMAL_TEXT_BYTES, "%s%c%s%se%c%02d", sign, digits[0],
                      count > 1 ? "." : "", digits + 1, exponent < 0 ? '-' : '+', abs(exponent));
  } else if (exponent < 0) {
    length = snprintf(out, TL_DECIMAL_TEXT_BYTES, "%s0.%.*s%s", sign, -exponent - 1, "000", digits);
  } else if (exponent + 1 >= count) {
    length = snprintf(out, TL_DECIMAL_TEXT_BYTES, "%s%s%.*s.0", sign, digits, exponent + 1 - count,
                      "0000000000000000");
  } else {
    length = snprintf(out, TL_DECIMAL_TEXT_BYTES, "%s%.*s.%s", sign, exponent + 1, digits,
                      digits + exponent + 1);
  }
  return (size_t)length;
}

size_t tl_decimal_from_f64(double value, char out_text[TL_DECIMAL_TEXT_BYTES]) {
  char digits[TL_DECIMAL_TEXT_BYTES];
  size_t length = 0;
  for (int count = EXACT_DIGITS_MAX; count <= 17; count++) {
    int exponent;
    round_to_digits(fabs(value), count, digits, &exponent);
    length = lay_out(signbit(value), digits, exponent, out_text);
    double back;
    if (tl_decimal_to_f64((tl_str){out_text, length}, &back) && back == value) break;
  }
  return length;
}
