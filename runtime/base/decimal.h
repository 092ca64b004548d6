// Decimal numbers as text, exact and independent of the process's locale.
//
// strtod and printf read and write the decimal point of the locale that the host program has set; a
// library cannot know it. These two never show them a point.
//
//   tl_decimal_to_f64(TL_STR("1e-06"), &value)  ->  0x1.0c6f7a0b5ed8dp-20
//   tl_decimal_from_f64(0.1, text)              ->  "0.1"
#ifndef TL_BASE_DECIMAL_H
#define TL_BASE_DECIMAL_H

#include "runtime/base/str.h"

enum { TL_DECIMAL_DIGITS_MAX = 1024, TL_DECIMAL_TEXT_BYTES = 32 };

// Reads all of `s`, of the form -?digits(.digits)?([eE][+-]?digits)?, as the nearest double (ties
// to even; what is too small becomes 0). False on any other form, on more than
// TL_DECIMAL_DIGITS_MAX bytes, and on a number beyond the largest double.
bool tl_decimal_to_f64(tl_str s, double *out_value);

// Writes the shortest text of at most 17 digits that reads back to `value`, which is finite, as
// "1.0", "0.0001", "1e-05", "1e+16"; a point or an exponent tells it from an integer. Returns its
// length; the text is NUL-terminated.
size_t tl_decimal_from_f64(double value, char out_text[TL_DECIMAL_TEXT_BYTES]);

#endif
