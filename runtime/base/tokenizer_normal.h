// Changes of text: growing buffers, replacement of matches, maps of characters, normal forms.
//
// The encoder and the compiler (for added tokens that are matched in normalized text) share these,
// so that both sides normalize alike. Texts are valid UTF-8 before and after.
#ifndef TL_BASE_TOKENIZER_NORMAL_H
#define TL_BASE_TOKENIZER_NORMAL_H

#include "runtime/base/arena.h"
#include "runtime/base/tokenizer_match.h"

enum { TL_TEXT_BYTES_MAX = 1 << 30 }; // of a text at any step

// A growing text; its memory comes from `arena` and is reused when `length` is set back to 0.
typedef struct tl_text_buffer {
  tl_arena *arena;
  char *data;
  size_t length, capacity;
} tl_text_buffer;

// Appends `text`. TL_MEMORY if the arena is exhausted or the text exceeds TL_TEXT_BYTES_MAX.
TL_CHECKED tl_status tl_text_append(tl_text_buffer *buffer, tl_str text);

// A piece of the text on its way through the steps.
typedef struct tl_text_piece {
  tl_str text;
  bool at_start; // it begins where the whole text began
} tl_text_piece;

// Runs a step that changes the text (neither ADDED nor SPLIT) on `piece`; its text is then what it
// was, or a part of that, or lies in `buffer`.
TL_CHECKED tl_status tl_text_step(const tl_tokenizer_table *table, const tl_tokenizer_step *step,
                                  tl_text_buffer *buffer, tl_text_piece *piece);

#endif
