// What the parts of the tokenizer compiler share: one struct that fills up from part to part.
//
//   steps (normalizer, pre-tokenizer) -> model (vocabulary, merges) -> added tokens -> patterns
//   (classes, automata, maps) -> texts (decoder) -> template, lists -> hashes, trie -> write
//
// Everything lives on the build's arena. Errors point into tokenizer.json.
#ifndef TL_COMPILER_LOAD_TOKENIZER_BUILD_H
#define TL_COMPILER_LOAD_TOKENIZER_BUILD_H

#include "compiler/load/regex.h"
#include "compiler/load/unicode.h"
#include "runtime/base/json_tree.h"
#include "runtime/base/tokenizer_normal.h"

enum {
  TL_BUILD_NESTING_MAX = 8,          // sequences inside of sequences
  TL_BUILD_WORD_BYTES_MAX = 1 << 16, // of a vocabulary entry
};

// The model's vocabulary: texts by id, ids by text. Zeroed is empty.
typedef struct tl_vocabulary {
  tl_arena *arena;
  tl_str *texts; // [ids_count]; data is NULL for ids that do not exist
  uint32_t ids_count, entries_count;
  size_t texts_capacity;
  uint32_t *slots; // hash of a text -> id, TL_TOKEN_NONE = free
  uint32_t slots_count;
} tl_vocabulary;

// The lowest rank is merged first, and of equal ones the leftmost.
typedef struct tl_build_merge {
  uint32_t left, right, result, rank;
} tl_build_merge;

typedef struct tl_build_added {
  tl_str text;
  tl_str form; // what it is matched by and decodes to: the text, normalized if the token is
  uint32_t id;
  uint32_t flags; // TL_ADDED_*
  bool normalized;
  bool replaced; // a later entry of the same text counts
  bool literal;  // matched in the normalized text as it is
} tl_build_added;

typedef struct tl_build {
  tl_arena *arena;
  tl_diag *diag;
  const tl_source *source;
  const tl_json *root;            // of tokenizer.json, or what stands for it
  const tl_source *config_source; // tokenizer_config.json, or NULL
  const tl_json *config;
  tl_tokenizer_table table;
  tl_text_buffer pool;
  tl_tokenizer_step steps[TL_TOKENIZER_STEPS_MAX];
  uint32_t normalizers_count; // steps[0, ..) run before the normalized added tokens
  tl_tokenizer_pattern patterns[TL_TOKENIZER_PATTERNS_MAX];
  tl_regex_node *regexes[TL_TOKENIZER_PATTERNS_MAX]; // NULL = a literal
  tl_span regex_spans[TL_TOKENIZER_PATTERNS_MAX];
  tl_charclasses classes;
  uint32_t *maps[TL_TOKENIZER_MAPS_MAX]; // cells of all code points
  uint32_t maps_count;
  uint32_t forms; // bit i: a step is the tl_text_form i
  bool strips;    // a step is STRIP
  bool clusters;  // a step is KEYS by clusters
  bool bytes;     // words are bytes
  tl_vocabulary vocabulary;
  tl_build_merge *merges;
  uint32_t merges_count;
  double *scores;      // [vocabulary.ids_count], for TL_MODEL_BEST
  tl_str inner_prefix; // TL_MODEL_LONGEST: what tokens that continue a word begin with
  bool *hidden;        // [vocabulary.ids_count]: the model makes no word of it; NULL = none
  tl_build_added *added;
  uint32_t added_count;
  size_t added_capacity;
  uint32_t byte_ids[256];
  tl_tokenizer_item template[2 * TL_TOKENIZER_TEMPLATE_MAX];
} tl_build;

// Reads "normalizer" and "pre_tokenizer" into steps and patterns.
TL_CHECKED tl_status tl_build_steps(tl_build *build);

// The two halves of that, in their own files.
TL_CHECKED tl_status tl_build_normalizer(tl_build *build, const tl_json *node, int depth);
TL_CHECKED tl_status tl_build_cutter(tl_build *build, const tl_json *node, int depth);

// Reads "model" into vocabulary, model flags, the symbols of bytes, and merges or scores.
TL_CHECKED tl_status tl_build_model(tl_build *build);

// The parts of that: the model's "vocab", and how each kind is read.
TL_CHECKED tl_status tl_build_vocabulary(tl_build *build, const tl_json *model);
TL_CHECKED tl_status tl_build_merging(tl_build *build, const tl_json *model);
TL_CHECKED tl_status tl_build_longest(tl_build *build, const tl_json *model);
TL_CHECKED tl_status tl_build_best(tl_build *build, const tl_json *model);
TL_CHECKED tl_status tl_build_whole(tl_build *build, const tl_json *model);

// Finds the symbols of bytes: a letter of the printable alphabet each if words are bytes, else
// <0x0A> if `fallback`. `*out_missing` says whether one has none.
void tl_build_bytes(tl_build *build, bool fallback, bool *out_missing);

// Reads "added_tokens" (ids are given as the publishers' library does) and "post_processor".
TL_CHECKED tl_status tl_build_added_tokens(tl_build *build);
TL_CHECKED tl_status tl_build_template(tl_build *build);

// Reads "decoder" and makes texts, token flags and words of all ids.
TL_CHECKED tl_status tl_build_texts(tl_build *build);

// Builds classes and automata, and with them the forms of the added tokens.
TL_CHECKED tl_status tl_build_patterns(tl_build *build);

// Sorts the added tokens into their lists and puts the ADDED steps into place.
TL_CHECKED tl_status tl_build_lists(tl_build *build);

// Makes the tries of LONGEST and BEST.
TL_CHECKED tl_status tl_build_trie(tl_build *build);

// A text in a trie; of equal ones the highest id counts.
typedef struct tl_build_key {
  tl_str text;
  uint32_t id;
} tl_build_key;

// Makes the trie `keys` of all of `keys`, which are sorted. TL_MEMORY.
TL_CHECKED tl_status tl_build_keys(tl_build *build, tl_build_key *keys, uint32_t count);

// Adds a KEYS step for `map`, a map of characters as sentencepiece precompiles it. `node` is where
// errors are shown, or NULL.
typedef struct tl_build_charsmap_options {
  bool clusters;      // as `tokenizers` does it, not as sentencepiece
  bool single_spaces; // refuse texts with two spaces in a row
  const tl_str *kept; // texts that the map leaves as they are
  tl_str prefix;      // before what the map makes of any text, also if that is nothing
  uint32_t kept_count;
} tl_build_charsmap_options;
TL_CHECKED tl_status tl_build_charsmap(tl_build *build, const tl_json *node, tl_str map,
                                       const tl_build_charsmap_options *options);

// Builds the hash tables and finds the words that are whole.
TL_CHECKED tl_status tl_build_hashes(tl_build *build);

// Bos, eos and pad ids as tokenizer_config.json names them.
void tl_build_names(tl_build *build);

// Reads tokenizer.model, which is `source`, into everything up to the added tokens; `source` and
// `root` are then those of the rest.
TL_CHECKED tl_status tl_build_pieces(tl_build *build);

// Adds an added token; and those of tokenizer_config.json beyond the vocabulary.
TL_CHECKED tl_status tl_build_add(tl_build *build, tl_build_added added);
TL_CHECKED tl_status tl_build_config_tokens(tl_build *build);

// Adds `text` with `id`, which is below TL_TOKENS_MAX; of equal texts the last one is found.
// TL_MEMORY.
TL_CHECKED tl_status tl_vocabulary_add(tl_vocabulary *vocabulary, tl_str text, uint32_t id);

// The id of `text`, or TL_TOKEN_NONE.
uint32_t tl_vocabulary_find(const tl_vocabulary *vocabulary, tl_str text);

// The bytes that a text in the printable alphabet of byte-level models stands for, written to
// `out_bytes` (at most text.length); false if a character is not of that alphabet.
bool tl_byte_text(tl_str text, char *out_bytes, size_t *out_length);

// Appends `text` to the pool. TL_MEMORY if there is no room.
TL_CHECKED tl_status tl_build_pool(tl_build *build, tl_str text, uint32_t *out_offset);

// A map that changes nothing yet.
TL_CHECKED tl_status tl_build_map_start(tl_build *build, uint32_t **out_map);

// Lets the map turn the characters of `set` into `cell`, or letters into small ones.
TL_CHECKED tl_status tl_build_map_set(tl_build *build, tl_unicode_set set, uint32_t cell,
                                      uint32_t *map);
TL_CHECKED tl_status tl_build_map_lower(tl_build *build, uint32_t *map);

// A cell for `text` (fewer than 64 bytes). TL_MEMORY if the pool is full.
TL_CHECKED tl_status tl_build_map_cell(tl_build *build, tl_str text, uint32_t *out_cell);

// Adds a MAP step, or lets the step before it, if it is one, do both.
TL_CHECKED tl_status tl_build_map_step(tl_build *build, const tl_json *node, uint32_t *map);

// Folds the maps into blocks.
TL_CHECKED tl_status tl_build_maps(tl_build *build);

// Adds a step with its text.
TL_CHECKED tl_status tl_build_step(tl_build *build, const tl_json *node, tl_tokenizer_step step,
                                   tl_str text);

// Patterns: a literal, a regex, one character of a set, or what "pattern" of `owner` says.
TL_CHECKED tl_status tl_build_literal(tl_build *build, const tl_json *node, tl_str text,
                                      uint32_t *out_index);
TL_CHECKED tl_status tl_build_regex(tl_build *build, const tl_json *node, tl_str text,
                                    uint32_t *out_index);
TL_CHECKED tl_status tl_build_set(tl_build *build, const tl_json *node, tl_unicode_set which,
                                  uint32_t *out_index);
TL_CHECKED tl_status tl_build_pattern(tl_build *build, const tl_json *owner, uint32_t *out_index);

// Runs `parse` over the array `key` of a Sequence, one deeper.
TL_CHECKED tl_status tl_build_list(tl_build *build, const tl_json *node, const char *key, int depth,
                                   tl_status (*parse)(tl_build *, const tl_json *, int));

// Reports that `what` (such as "normalizer") of kind `kind` is unknown, at `node`.
tl_status tl_build_unsupported(tl_build *build, const tl_json *node, const char *what, tl_str kind);

// Members of `object`: `key` as a boolean or string. Missing and null give `fallback`, other kinds
// an error.
TL_CHECKED tl_status tl_build_bool(tl_build *build, const tl_json *object, const char *key,
                                   bool fallback, bool *out_value);
TL_CHECKED tl_status tl_build_string(tl_build *build, const tl_json *object, const char *key,
                                     tl_str fallback, tl_str *out_value);

// The same, but the string must be there.
TL_CHECKED tl_status tl_build_text(tl_build *build, const tl_json *object, const char *key,
                                   tl_str *out_value);

#endif
