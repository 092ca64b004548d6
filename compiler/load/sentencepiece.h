// tokenizer.model: the file that a sentencepiece trainer writes, a message of protocol buffers.
//
//   pieces (text, score, kind), which kind of model they are for, how text is normalized
//
// Only what the tokenizer compiler needs is kept; fields it does not know are skipped.
#ifndef TL_COMPILER_LOAD_SENTENCEPIECE_H
#define TL_COMPILER_LOAD_SENTENCEPIECE_H

#include "runtime/base/arena.h"
#include "runtime/base/diag.h"

// As the file numbers them.
typedef enum tl_piece_kind {
  TL_PIECE_NORMAL = 1,
  TL_PIECE_UNKNOWN,
  TL_PIECE_CONTROL,
  TL_PIECE_USER, // found in the text before the model looks at it
  TL_PIECE_UNUSED,
  TL_PIECE_BYTE,
} tl_piece_kind;

typedef enum tl_piece_model { TL_PIECES_UNIGRAM = 1, TL_PIECES_BPE } tl_piece_model;

typedef struct tl_piece {
  tl_str text;
  float score;
  uint32_t kind; // tl_piece_kind
} tl_piece;

typedef struct tl_sentencepiece {
  tl_piece *pieces; // ids are indices
  uint32_t pieces_count;
  uint32_t model; // tl_piece_model
  bool byte_fallback;
  bool space_as_suffix;
  int32_t bos_id, eos_id, pad_id; // -1 = none
  bool dummy_prefix, extra_spaces_removed, spaces_escaped;
  tl_str rules_name;
  tl_str rules; // the precompiled map of characters
} tl_sentencepiece;

// Reads `source`; texts of pieces are views into it. TL_INPUT with the byte where the file is
// damaged, TL_UNSUPPORTED for a model that is neither Unigram nor BPE.
TL_CHECKED tl_status tl_sentencepiece_read(const tl_source *source, tl_arena *arena, tl_diag *diag,
                                           tl_sentencepiece *out_model);

#endif
