// The normal forms of Unicode (NFC, NFD, NFKC, NFKD), by the tables of a tokenizer.
#ifndef TL_BASE_TOKENIZER_FORM_H
#define TL_BASE_TOKENIZER_FORM_H

#include "runtime/base/tokenizer_normal.h"

// Replaces `*text` by its normal form `form` (tl_text_form): itself if nothing changes, else in
// `buffer`. Linear in its length, whatever marks it is made of.
TL_CHECKED tl_status tl_text_form_apply(const tl_tokenizer_table *table, uint32_t form,
                                        tl_text_buffer *buffer, tl_str *text);

#endif
