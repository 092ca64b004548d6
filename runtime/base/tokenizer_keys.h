// Maps of characters and of sequences of them, as sentencepiece precompiles them: keys in a trie.
#ifndef TL_BASE_TOKENIZER_KEYS_H
#define TL_BASE_TOKENIZER_KEYS_H

#include "runtime/base/tokenizer_normal.h"

// Replaces `*text` by the step's text and what the keys make of it: itself if nothing changes, else
// in `buffer`. With TL_KEYS_CLUSTERS as `tokenizers` does it, else as sentencepiece does: the
// longest key at each place. Linear in its length, times TL_TOKENIZER_KEY_BYTES_MAX at worst.
TL_CHECKED tl_status tl_text_keys_apply(const tl_tokenizer_table *table,
                                        const tl_tokenizer_step *step, tl_text_buffer *buffer,
                                        tl_str *text);

#endif
