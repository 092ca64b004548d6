// Implementation of str.h.
#include "runtime/base/str.h"

#include <stdlib.h>

enum { DISTANCE_LENGTH_MAX = 256, NUMBER_LENGTH_MAX = 64 };

tl_str tl_str_slice(tl_str s, size_t begin, size_t end) {
  if (end > s.length) end = s.length;
  if (begin > end) begin = end;
  return (tl_str){s.data + begin, end - begin};
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

tl_str tl_str_trim(tl_str s) {
  while (s.length && is_blank(s.data[0]))
    s = tl_str_slice(s, 1, s.length);
  while (s.length && is_blank(s.data[s.length - 1]))
    s.length--;
  return s;
}

int tl_str_compare(tl_str a, tl_str b) {
  size_t common = a.length < b.length ? a.length : b.length;
  int order = common ? memcmp(a.data, b.data, common) : 0;
  if (order) return order;
  return (a.length > b.length) - (a.length < b.length);
}

bool tl_str_to_i64(tl_str s, int64_t *out_value) {
  bool negative = s.length && s.data[0] == '-';
  size_t at = s.length && (s.data[0] == '-' || s.data[0] == '+');
  if (at == s.length) return false;
  int64_t value = 0;
  for (; at < s.length; at++) {
    if (s.data[at] < '0' || s.data[at] > '9') return false;
    int digit = s.data[at] - '0';
    if (__builtin_mul_overflow(value, 10, &value)) return false;
    if (__builtin_add_overflow(value, negative ? -digit : digit, &value)) return false;
  }
  *out_value = value;
  return true;
}

bool tl_str_to_f64(tl_str s, double *out_value) {
  char text[NUMBER_LENGTH_MAX];
  if (s.length == 0 || s.length >= sizeof text || is_blank(s.data[0])) return false;
  memcpy(text, s.data, s.length);
  text[s.length] = 0;
  char *end;
  *out_value = strtod(text, &end);
  return end == text + s.length;
}

size_t tl_str_distance(tl_str a, tl_str b, size_t limit) {
  size_t gap = a.length > b.length ? a.length - b.length : b.length - a.length;
  if (gap > limit || a.length > DISTANCE_LENGTH_MAX || b.length > DISTANCE_LENGTH_MAX) return limit;
  size_t row[DISTANCE_LENGTH_MAX + 1]; // distances of a[0..i) to every prefix of b
  for (size_t j = 0; j <= b.length; j++)
    row[j] = j;
  for (size_t i = 1; i <= a.length; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.length; j++) {
      size_t cost = diagonal + (a.data[i - 1] != b.data[j - 1]);
      diagonal = row[j];
      if (row[j] + 1 < cost) cost = row[j] + 1;
      if (row[j - 1] + 1 < cost) cost = row[j - 1] + 1;
      row[j] = cost;
    }
  }
  return row[b.length] < limit ? row[b.length] : limit;
}
