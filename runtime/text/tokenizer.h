// Text to ids, on the tokenizer tables of a plan.
//
// The result is what the publishers' tokenizer gives: compiled tables, no interpretation of files
// at run time. A tokenizer is read-only after opening and may be shared by threads; each call takes
// its memory from the caller's arena and nothing else.
//
//   tl_tokenizer tokenizer;
//   tl_tokenizer_open(section, &diag, &tokenizer);
//   tl_tokenizer_encode(&tokenizer, TL_STR("hello"), &(tl_encode_options){.add_special = true},
//                       &arena, &diag, &ids);
#ifndef TL_TEXT_TOKENIZER_H
#define TL_TEXT_TOKENIZER_H

#include "runtime/base/tokenizer_bpe.h"

typedef struct tl_tokenizer {
  tl_tokenizer_table table;
} tl_tokenizer;

// Token types, one for each id.
typedef struct tl_types {
  uint8_t *items;
  size_t count, capacity;
} tl_types;

typedef struct tl_encode_options {
  bool add_special;    // put the template's ids (such as bos) around the text
  bool plain_special;  // special tokens spelled out in the text are plain text
  const tl_str *pair;  // a second text, or NULL
  tl_types *out_types; // where the types go, on the same arena; or NULL
} tl_encode_options;

// Verifies the section completely and points into it; `bytes` must be aligned to 8 and outlive the
// tokenizer. Linear in the length (milliseconds), nothing is built or allocated. TL_INPUT if
// damaged.
TL_CHECKED tl_status tl_tokenizer_open(tl_str bytes, tl_diag *diag, tl_tokenizer *out_tokenizer);

// Ids of `text`, and of the pair if there is one, on `arena`. Broken UTF-8 is read as U+FFFD, one
// per broken sequence. TL_MEMORY if the arena's limit is hit or a text is above TL_TEXT_BYTES_MAX,
// TL_UNSUPPORTED if a pattern of the tokenizer would take quadratic time on this text; both with a
// sentence in `diag`.
TL_CHECKED tl_status tl_tokenizer_encode(const tl_tokenizer *tokenizer, tl_str text,
                                         const tl_encode_options *options, tl_arena *arena,
                                         tl_diag *diag, tl_ids *out_ids);

// The id of an added token or of a vocabulary entry with exactly this text; -1 if there is none.
// Where words are bytes the text is the bytes, not their printable stand-ins.
int32_t tl_tokenizer_find(const tl_tokenizer *tokenizer, tl_str text);

#endif
