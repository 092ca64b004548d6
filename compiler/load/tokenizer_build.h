// What the parts of the tokenizer compiler share: one struct that fills up from part to part.
//
//   steps (normalizer, pre-tokenizer) -> model (vocabulary, merges) -> added tokens -> patterns
//   (classes, automata) -> texts (decoder) -> template, lists -> hashes -> write
//
// Everything lives on the build's arena. Errors point into tokenizer.json.
#ifndef TL_COMPILER_LOAD_TOKENIZER_BUILD_H
#define TL_COMPILER_LOAD_TOKENIZER_BUILD_H

#include "compiler/load/regex.h"
#include "runtime/base/json_tree.h"
#include "runtime/base/tokenizer_normal.h"

enum { TL_BUILD_NESTING_MAX = 8 }; // sequences inside of sequences

// The model's vocabulary: texts by id, ids by text.
typedef struct tl_vocabulary {
  const tl_json *entries; // the file's object: text -> id
  tl_str *texts;          // [ids_count]; data is NULL for ids that do not exist
  uint32_t ids_count;
} tl_vocabulary;

// A merge as the file lists it: ranks are indices.
typedef struct tl_build_merge {
  uint32_t left, right, result;
} tl_build_merge;

typedef struct tl_build_added {
  tl_str text;
  tl_str form; // what it is matched by and decodes to: the text, normalized if the token is
  uint32_t id;
  uint32_t flags; // TL_ADDED_*
  bool normalized;
  bool replaced; // a later entry of the same text counts
} tl_build_added;

typedef struct tl_build {
  tl_arena *arena;
  tl_diag *diag;
  const tl_source *source;
  const tl_json *root;
  tl_tokenizer_table table;
  tl_text_buffer pool;
  tl_tokenizer_step steps[TL_TOKENIZER_STEPS_MAX];
  uint32_t normalizers_count; // steps[0, ..) run before the normalized added tokens
  tl_tokenizer_pattern patterns[TL_TOKENIZER_PATTERNS_MAX];
  tl_regex_node *regexes[TL_TOKENIZER_PATTERNS_MAX]; // NULL = a literal
  tl_span regex_spans[TL_TOKENIZER_PATTERNS_MAX];
  tl_charclasses classes;
  bool composes; // a step is NFC
  bool bytes;    // words are bytes
  tl_vocabulary vocabulary;
  tl_build_merge *merges;
  uint32_t merges_count;
  tl_build_added *added;
  uint32_t added_count;
  uint32_t byte_ids[256];
  uint32_t special_ids[TL_TOKENIZER_SPECIALS_MAX];
} tl_build;

// Reads "normalizer" and "pre_tokenizer" into steps and patterns.
TL_CHECKED tl_status tl_build_steps(tl_build *build);

// Reads "model" into vocabulary, merges, model flags and the symbols of bytes.
TL_CHECKED tl_status tl_build_model(tl_build *build);

// Reads "added_tokens" (ids are given as the publishers' library does) and "post_processor".
TL_CHECKED tl_status tl_build_added_tokens(tl_build *build);
TL_CHECKED tl_status tl_build_template(tl_build *build);

// Reads "decoder" and makes texts, token flags and words of all ids.
TL_CHECKED tl_status tl_build_texts(tl_build *build);

// Builds classes and automata, and with them the forms of the added tokens.
TL_CHECKED tl_status tl_build_patterns(tl_build *build);

// Sorts the added tokens into their lists and puts the ADDED steps into place.
TL_CHECKED tl_status tl_build_lists(tl_build *build);

// Builds the hash tables and finds the words that are whole.
TL_CHECKED tl_status tl_build_hashes(tl_build *build);

// Bos, eos and pad ids as tokenizer_config.json (may be NULL) names them.
TL_CHECKED tl_status tl_build_config(tl_build *build, const tl_source *config);

// The id of `text`, or TL_TOKEN_NONE.
uint32_t tl_vocabulary_find(const tl_vocabulary *vocabulary, tl_str text);

// The bytes that a text in the printable alphabet of byte-level models stands for, written to
// `out_bytes` (at most text.length); false if a character is not of that alphabet.
bool tl_byte_text(tl_str text, char *out_bytes, size_t *out_length);

// Appends `text` to the pool. TL_MEMORY if there is no room.
TL_CHECKED tl_status tl_build_pool(tl_build *build, tl_str text, uint32_t *out_offset);

// Reports that `what` (such as "normalizer") of kind `kind` is unknown, at `node`.
tl_status tl_build_unsupported(tl_build *build, const tl_json *node, const char *what, tl_str kind);

// Members of `object`: `key` as a boolean or string. Missing and null give `fallback`, other kinds
// an error.
TL_CHECKED tl_status tl_build_bool(tl_build *build, const tl_json *object, const char *key,
                                   bool fallback, bool *out_value);
TL_CHECKED tl_status tl_build_string(tl_build *build, const tl_json *object, const char *key,
                                     tl_str fallback, tl_str *out_value);

#endif
