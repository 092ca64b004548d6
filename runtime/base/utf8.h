// UTF-8, one code point at a time, with the replacement every decoder of the world agrees on.
//
// A broken sequence is cut at the longest prefix that could have begun a valid one and reads as one
// U+FFFD; so "\xF0\x9F" at the end of a text is one replacement, "\xED\xA0\x80" is three.
//
//   size_t at = 0;
//   while (at < text.length) at += tl_utf8_read(text.data + at, text.length - at, &code);
#ifndef TL_BASE_UTF8_H
#define TL_BASE_UTF8_H

#include "runtime/base/str.h"

enum { TL_UTF8_REPLACEMENT = 0xFFFD, TL_UTF8_BYTES_MAX = 4, TL_CODES_COUNT = 0x110000 };

// How a byte can begin a sequence: its length and the limits of the second byte.
typedef struct tl_utf8_lead {
  uint8_t length; // 0 = cannot begin a sequence
  uint8_t second_min, second_max;
} tl_utf8_lead;

static inline tl_utf8_lead tl_utf8_lead_of(uint8_t byte) {
  if (byte < 0x80) return (tl_utf8_lead){1, 0, 0};
  if (byte < 0xC2 || byte > 0xF4) return (tl_utf8_lead){0, 0, 0};
  if (byte < 0xE0) return (tl_utf8_lead){2, 0x80, 0xBF};
  if (byte < 0xF0) return (tl_utf8_lead){3, byte == 0xE0 ? 0xA0 : 0x80, byte == 0xED ? 0x9F : 0xBF};
  return (tl_utf8_lead){4, byte == 0xF0 ? 0x90 : 0x80, byte == 0xF4 ? 0x8F : 0xBF};
}

// Reads the code point, or U+FFFD, at `data` (`length` >= 1 bytes); returns the bytes it covers.
// `*out_valid` says whether they were a whole sequence.
static inline size_t tl_utf8_check(const char *data, size_t length, uint32_t *out_code,
                                   bool *out_valid) {
  uint8_t first = (uint8_t)data[0];
  tl_utf8_lead lead = tl_utf8_lead_of(first);
  *out_valid = lead.length == 1;
  *out_code = lead.length == 1 ? first : TL_UTF8_REPLACEMENT;
  if (lead.length <= 1) return 1;
  uint32_t code = first & (0x7Fu >> lead.length);
  for (size_t i = 1; i < lead.length; i++) {
    uint8_t byte = i < length ? (uint8_t)data[i] : 0;
    bool fits = i == 1 ? byte >= lead.second_min && byte <= lead.second_max : (byte & 0xC0) == 0x80;
    if (!fits) return i;
    code = code << 6 | (byte & 0x3F);
  }
  *out_code = code;
  *out_valid = true;
  return lead.length;
}

static inline size_t tl_utf8_read(const char *data, size_t length, uint32_t *out_code) {
  bool valid;
  return tl_utf8_check(data, length, out_code, &valid);
}

// Writes `code` (a scalar value) to `out_bytes`, which has room for four; returns how many.
static inline size_t tl_utf8_write(uint32_t code, char *out_bytes) {
  if (code < 0x80) {
    out_bytes[0] = (char)code;
    return 1;
  }
  size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (size_t i = length - 1; i > 0; i--) {
    out_bytes[i] = (char)(0x80 | (code & 0x3F));
    code >>= 6;
  }
  out_bytes[0] = (char)((0xF00u >> length & 0xFF) | code);
  return length;
}

// Whether all of `text` is valid UTF-8.
static inline bool tl_utf8_is_valid(tl_str text) {
  bool valid = true;
  uint32_t code;
  for (size_t at = 0; valid && at < text.length;)
    at += tl_utf8_check(text.data + at, text.length - at, &code, &valid);
  return valid;
}

// The start of the code point that ends before `at` (>= 1), in valid UTF-8.
static inline size_t tl_utf8_before(const char *data, size_t at) {
  at--;
  while (at > 0 && ((uint8_t)data[at] & 0xC0) == 0x80)
    at--;
  return at;
}

#endif
