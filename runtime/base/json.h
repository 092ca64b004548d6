// A strict pull reader of JSON (RFC 8259): hands out one token after the other, with its place.
//
//   tl_json_reader reader;
//   tl_json_reader_init(&reader, &source, diag);
//   do {
//     TL_TRY(tl_json_next(&reader, &token));
//   } while (token.kind != TL_JSON_END);
//
// A key is followed by its value's tokens; commas and colons are checked and not shown. Text must
// be UTF-8 and escapes must name characters, so a string token is always decodable. Needs no memory
// but the reader's own; a tree on top of it is in json_tree.h. One reader, one thread.
#ifndef TL_BASE_JSON_H
#define TL_BASE_JSON_H

#include "runtime/base/arena.h"
#include "runtime/base/diag.h"

enum {
  TL_JSON_DEPTH_MAX = 128,    // arrays and objects inside each other
  TL_JSON_NUMBER_MAX = 1024,  // bytes of a number
  TL_JSON_BYTES_MAX = 1 << 30 // bytes of a text; offsets fit 32 bits
};

typedef enum tl_json_token_kind {
  TL_JSON_END, // the text is over; every further call gives it again
  TL_JSON_TOKEN_NULL,
  TL_JSON_TOKEN_FALSE,
  TL_JSON_TOKEN_TRUE,
  TL_JSON_TOKEN_INT,  // digits only, and the value fits int64_t
  TL_JSON_TOKEN_REAL, // any other number; -0 too, and integers beyond int64_t (rounded)
  TL_JSON_TOKEN_STRING,
  TL_JSON_TOKEN_KEY, // a string before a colon
  TL_JSON_TOKEN_ARRAY_BEGIN,
  TL_JSON_TOKEN_ARRAY_END,
  TL_JSON_TOKEN_OBJECT_BEGIN,
  TL_JSON_TOKEN_OBJECT_END
} tl_json_token_kind;

typedef struct tl_json_token {
  tl_json_token_kind kind;
  bool has_escapes;      // of a string or key
  size_t offset, length; // of the token in the text; strings with their quotes
  int64_t integer;       // of an int
  double real;           // of an int or real
} tl_json_token;

typedef struct tl_json_reader {
  const tl_source *source;
  tl_diag *diag;
  size_t at;
  int expected;                        // what may come next; private
  int depth;                           // arrays and objects now open
  tl_status status;                    // of the first fault; sticky
  bool is_object[TL_JSON_DEPTH_MAX];   // of each open one, outermost first
  size_t opened_at[TL_JSON_DEPTH_MAX]; // its offset
} tl_json_reader;

// `source` and `diag` (may be NULL) must outlive the reader. Nothing is read yet.
void tl_json_reader_init(tl_json_reader *reader, const tl_source *source, tl_diag *diag);

// The next token. TL_INPUT with one diagnostic at the first fault, then the same status without
// one; TL_MEMORY if the text is longer than TL_JSON_BYTES_MAX.
tl_status tl_json_next(tl_json_reader *reader, tl_json_token *out_token) TL_CHECKED;

// The characters of a string or key token: a view into the text if it has no escapes, else decoded
// on `arena`. May contain NUL. TL_MEMORY if the arena is full.
tl_status tl_json_token_string(tl_arena *arena, const tl_source *source, const tl_json_token *token,
                               tl_str *out_string) TL_CHECKED;

#endif
