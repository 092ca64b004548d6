// String views: a pointer and a length, never owning, not NUL-terminated.
//
// Everything read from a file is a view into that file's bytes until an arena copies it.
#ifndef TL_BASE_STR_H
#define TL_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct tl_str {
  const char *data;
  size_t length;
} tl_str;

#define TL_STR(literal) ((tl_str){(literal), sizeof(literal) - 1})
// For printf's "%.*s".
#define TL_STR_ARG(s) (int)(s).length, (s).data

static inline tl_str tl_str_from(const char *text) {
  return (tl_str){text, text ? strlen(text) : 0};
}

static inline bool tl_str_equal(tl_str a, tl_str b) {
  return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static inline bool tl_str_is(tl_str a, const char *text) {
  return tl_str_equal(a, tl_str_from(text));
}

static inline bool tl_str_starts_with(tl_str a, tl_str prefix) {
  return a.length >= prefix.length && tl_str_equal((tl_str){a.data, prefix.length}, prefix);
}

static inline bool tl_str_ends_with(tl_str a, tl_str suffix) {
  return a.length >= suffix.length &&
         tl_str_equal((tl_str){a.data + a.length - suffix.length, suffix.length}, suffix);
}

// Bytes [begin, end) of `s`; both are clamped to its length.
tl_str tl_str_slice(tl_str s, size_t begin, size_t end);

// `s` without leading and trailing spaces, tabs and line ends.
tl_str tl_str_trim(tl_str s);

// Byte order; a prefix sorts before what it is a prefix of. For qsort-like uses.
int tl_str_compare(tl_str a, tl_str b);

// Reads all of `s` as a decimal integer with optional sign. False on anything else or overflow.
bool tl_str_to_i64(tl_str s, int64_t *out_value);

// Reads all of `s` as a decimal floating-point number (C locale). False on anything else.
bool tl_str_to_f64(tl_str s, double *out_value);

// Number of single-character edits between `a` and `b`, at most `limit` (for "closest name" notes).
size_t tl_str_distance(tl_str a, tl_str b, size_t limit);

#endif
