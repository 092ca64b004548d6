// tokenizer.json or tokenizer.model -> the tokenizer section of a plan
// (runtime/base/tokenizer_table.h).
//
// What the file says is turned into tables once: patterns into automata, merges into a hash table,
// the decoder's chain into one text per id. A kind of normalizer, pre-tokenizer, model,
// post-processor or decoder that has no exact counterpart in the tables is an error that names it
// and its place.
//
//   tl_tokenizer_compile(&tokenizer_json, &tokenizer_config_json, arena, &diag, &section)
#ifndef TL_COMPILER_LOAD_TOKENIZER_H
#define TL_COMPILER_LOAD_TOKENIZER_H

#include "runtime/base/arena.h"
#include "runtime/base/diag.h"

// Compiles `tokenizer_json`; `config_json` (tokenizer_config.json, may be NULL) only names the bos,
// eos and pad tokens. `*out_section` lies on `arena`, aligned to 16; equal inputs give equal bytes.
// Truncation and padding in the file are left to the caller of the tokenizer. TL_INPUT for a file
// that contradicts itself, TL_UNSUPPORTED for kinds and patterns outside of what the tables can
// say.
TL_CHECKED tl_status tl_tokenizer_compile(const tl_source *tokenizer_json,
                                          const tl_source *config_json, tl_arena *arena,
                                          tl_diag *diag, tl_str *out_section);

// The same of a sentencepiece model, for folders without tokenizer.json. `config_json` also has
// tokens beyond the vocabulary (added_tokens_decoder), add_bos_token and add_eos_token. Encoding is
// that of sentencepiece, but for control symbols, which are found in the text as special tokens;
// decoding is that of the tokenizer.json which such models are converted to.
TL_CHECKED tl_status tl_tokenizer_compile_pieces(const tl_source *tokenizer_model,
                                                 const tl_source *config_json, tl_arena *arena,
                                                 tl_diag *diag, tl_str *out_section);

#endif
