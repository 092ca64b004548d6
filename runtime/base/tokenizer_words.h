// One word in, ids out, by whatever model the tables are of.
//
// Byte pair encoding is in tokenizer_bpe.h; the other models cut a word into tokens that stand one
// after the other, found through a trie of all tokens.
#ifndef TL_BASE_TOKENIZER_WORDS_H
#define TL_BASE_TOKENIZER_WORDS_H

#include "runtime/base/tokenizer_bpe.h"

typedef struct tl_word_path tl_word_path;

// Work space for many words of one text; init in place, memory comes from bpe.arena and stays
// there.
typedef struct tl_words {
  tl_bpe bpe; // also holds the table and the ids of all models
  // Private: the best path to each place of the word.
  tl_word_path *paths;
  size_t paths_capacity;
} tl_words;

// Appends the ids of `word` to words->bpe.ids. TL_MEMORY if the arena is exhausted.
TL_CHECKED tl_status tl_word_encode(tl_words *words, tl_str word);

#endif
