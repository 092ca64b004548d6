// What Python's str knows of characters: spaces, case, and which of them repr writes as they are.
#ifndef TL_TEXT_JINJA_UNICODE_H
#define TL_TEXT_JINJA_UNICODE_H

#include "runtime/base/utf8.h"

enum { TL_CASE_CODES_MAX = 3 }; // that one character becomes

typedef enum tl_case { TL_CASE_UPPER, TL_CASE_LOWER, TL_CASE_TITLE } tl_case;

// str.isspace.
bool tl_unicode_is_space(uint32_t code);

// Whether str.splitlines ends a line here.
bool tl_unicode_is_line_end(uint32_t code);

// str.isprintable.
bool tl_unicode_is_printable(uint32_t code);

// The character in another case; returns how many codes it becomes. Final sigmas are the caller's.
int tl_unicode_to_case(uint32_t code, tl_case to, uint32_t out_codes[TL_CASE_CODES_MAX]);

// Bytes of the whitespace that `text` begins or ends with.
size_t tl_unicode_space_before(tl_str text);
size_t tl_unicode_space_after(tl_str text);

// Code points of a valid text.
size_t tl_unicode_length(tl_str text);

// Byte offset of code point `index` (at most the length) of a valid text.
size_t tl_unicode_offset(tl_str text, size_t index);

#endif
