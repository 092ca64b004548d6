// Ids to text, all at once or one id at a time with exactly the same bytes.
//
// A stream holds back what later ids may still change: an unfinished UTF-8 sequence, and a run of
// byte tokens, which is text only if the whole run is. Without a broken sequence in between, what
// comes out is always whole characters.
//
//   tl_decoder decoder;
//   tl_decoder_init(&decoder, &tokenizer, true, &arena);
//   for (...) { tl_decoder_push(&decoder, id, &text); print(text); }
//   tl_decoder_finish(&decoder, &text); print(text);
#ifndef TL_TEXT_DECODER_H
#define TL_TEXT_DECODER_H

#include "runtime/base/tokenizer_normal.h"
#include "runtime/text/tokenizer.h"

// One request's decoder; used by one thread. Fields are private.
typedef struct tl_decoder {
  const tl_tokenizer_table *table;
  bool skip_special;
  bool started;        // a token has been taken
  uint32_t strip_left; // characters that may still be stripped
  tl_text_buffer run;  // bytes of a run of byte tokens
  tl_text_buffer tail; // an unfinished sequence, then the bytes looked at
  tl_text_buffer out;
} tl_decoder;

// `skip_special` leaves special tokens out. Memory comes from `arena` when ids are pushed.
void tl_decoder_init(tl_decoder *decoder, const tl_tokenizer *tokenizer, bool skip_special,
                     tl_arena *arena);

// Takes one id. `*out_text` holds the bytes that are certain now, until the next call; it may be
// empty. Ids that do not exist decode to nothing. TL_MEMORY if the arena is exhausted.
TL_CHECKED tl_status tl_decoder_push(tl_decoder *decoder, int32_t id, tl_str *out_text);

// Ends the text: gives what was held back, and makes the decoder ready for another text.
TL_CHECKED tl_status tl_decoder_finish(tl_decoder *decoder, tl_str *out_text);

// The text of `count` ids, on `arena`.
TL_CHECKED tl_status tl_tokenizer_decode(const tl_tokenizer *tokenizer, const int32_t *ids,
                                         size_t count, bool skip_special, tl_arena *arena,
                                         tl_str *out_text);

#endif
