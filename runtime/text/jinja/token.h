// A template's text as tokens: all whitespace rules are applied here, the parser sees none.
#ifndef TL_TEXT_JINJA_TOKEN_H
#define TL_TEXT_JINJA_TOKEN_H

#include "runtime/base/arena.h"
#include "runtime/base/diag.h"

typedef enum tl_token_kind {
  TL_TOKEN_END,
  TL_TOKEN_DATA, // text outside of tags
  TL_TOKEN_PRINT_BEGIN,
  TL_TOKEN_PRINT_END,
  TL_TOKEN_BLOCK_BEGIN,
  TL_TOKEN_BLOCK_END,
  TL_TOKEN_NAME,
  TL_TOKEN_STRING, // decoded
  TL_TOKEN_INT,
  TL_TOKEN_REAL,
  TL_TOKEN_OPERATOR // `text` is it
} tl_token_kind;

typedef struct tl_token {
  tl_token_kind kind;
  uint32_t offset, end; // in the source
  tl_str text;
  int64_t integer;
  double real;
} tl_token;

// Tokens of `source`, whose line ends are single; the last one is END. TL_INPUT with one diagnostic
// at what is no token or has no end.
TL_CHECKED tl_status tl_tokens_read(tl_arena *arena, const tl_source *source, tl_diag *diag,
                                    tl_token **out_tokens);

#endif
