// Work on texts that filters and methods share.
#ifndef TL_TEXT_JINJA_TEXT_WORK_H
#define TL_TEXT_JINJA_TEXT_WORK_H

#include "runtime/text/jinja/render.h"

typedef enum tl_strip { TL_STRIP_LEFT = 1, TL_STRIP_RIGHT = 2, TL_STRIP_BOTH = 3 } tl_strip;

typedef enum tl_pad { TL_PAD_LEFT, TL_PAD_RIGHT, TL_PAD_BOTH } tl_pad; // where the padding goes

typedef struct tl_replacement {
  tl_str from, to;
  int64_t count; // at most; negative = all
} tl_replacement;

typedef struct tl_padding {
  int64_t width; // in characters
  tl_str with;   // one character
  tl_pad where;
} tl_padding;

// Without the characters of `characters` (absent or none = whitespace) at its ends.
TL_CHECKED tl_status tl_text_trim(tl_render *render, tl_str text, const tl_datum *characters,
                                  tl_strip ends, tl_str *out);

// str.replace.
TL_CHECKED tl_status tl_text_replace(tl_render *render, tl_str text, tl_replacement replacement,
                                     tl_text *out);

// str.splitlines: adds the lines to `lines`, with their ends if asked for.
TL_CHECKED tl_status tl_text_lines(tl_render *render, tl_str text, bool keeps_ends,
                                   tl_datum_list *lines);

TL_CHECKED tl_status tl_text_pad(tl_render *render, tl_str text, tl_padding padding, tl_text *out);

// Byte offset of the first, or last, `part` in `text`; -1 if there is none.
int64_t tl_text_find(tl_str text, tl_str part, bool is_last);

// str.format.
TL_CHECKED tl_status tl_text_add_formatted(tl_render *render, tl_str format,
                                           const tl_arguments *args, tl_text *out);

#endif
