// The tokenizer section of a plan: everything text -> ids -> text needs, as tables.
//
// Written by compiler/load/tokenizer.c, verified and executed by runtime/text. Little endian;
// offsets count from the start of the section, which is aligned to 8; sections are aligned to 8,
// gaps are 0.
//
//   +-----------------+ 0
//   | header          |  scalars, then {offset, count} of each section below
//   +-----------------+
//   | steps           |  how a text is cut up and changed before the model, in order: ADDED (raw)
//   |                 |  -> FORM/MAP/KEYS/REPLACE .. -> ADDED (normalized) -> SPLIT/PREFIX ..
//   | patterns, cells |  what REPLACE and SPLIT look for: a literal, or an automaton over classes
//   | char_*, class_* |  code point -> class; for the automata and tests of words and spaces
//   | words, texts    |  per id: the bytes it is made from, the bytes it decodes to
//   | slots, merges   |  hash tables: bytes -> id, (left, right) -> (rank, result); and filters
//   | trie, scores    |  prefixes of words, for models that cut a word up instead of merging it
//   | added           |  tokens matched in the text itself
//   | template        |  what stands around a text, and around two
//   | map_*, form*    |  what maps make of code points; normal forms. Only if a step asks for them
//   | keys, key_texts |  what a map of characters and sequences of them looks for and makes of it
//   +-----------------+
//
// A word is either bytes (TL_MODEL_BYTES: one symbol per byte) or code points. Decoding joins the
// texts of the ids; the decode flags say what happens after.
#ifndef TL_BASE_TOKENIZER_TABLE_H
#define TL_BASE_TOKENIZER_TABLE_H

#include "runtime/base/diag.h"

#define TL_TOKENIZER_MAGIC 0x306b6f746d6c7421ull

enum {
  TL_TOKENIZER_VERSION = 3,
  TL_TOKENS_MAX = (1 << 21) - 1,      // ids fit 21 bits, and all ones is free
  TL_MERGES_MAX = 1 << 22,            // ranks fit 22 bits
  TL_TOKENIZER_STEPS_MAX = 32,        // also the depth of the encoder's recursion
  TL_TOKENIZER_PATTERNS_MAX = 64,     //
  TL_TOKENIZER_CLASSES_MAX = 255,     //
  TL_TOKENIZER_STATES_MAX = 1 << 14,  // of one automaton
  TL_TOKENIZER_ADDED_MAX = 1 << 16,   //
  TL_TOKENIZER_ADDED_BYTES_MAX = 512, // of one added token
  TL_TOKENIZER_TEMPLATE_MAX = 64,     // rows of a template
  TL_TOKENIZER_TYPES_MAX = 256,       // token types
  TL_TOKENIZER_MAPS_MAX = 8,          //
  TL_TOKENIZER_TRIE_BYTES_MAX = 1024, // of a word in the trie: a text costs as much per byte
  TL_TOKENIZER_KEY_BYTES_MAX = 512,   // the same of a key
  TL_TOKENIZER_CLUSTER_BYTES_MAX = 5, // of a cluster that is replaced as a whole
  TL_TOKENIZER_PROBES_MAX = 1 << 12,  // slots looked at before a hash table says no
  TL_CHAR_BLOCK = 128,                // code points of a block of the class map
  TL_CHAR_BLOCKS = 0x110000 / TL_CHAR_BLOCK,
};

#define TL_TOKEN_NONE 0xFFFFFFFFu // "no id" in 32 bits
#define TL_SLOT_EMPTY 0x1FFFFFu   // "no id" in the 21 bits of a word slot
#define TL_CELL_MATCH 0x8000u     // in a cell: a match ends before this character
#define TL_CELL_STATE 0x7FFFu     // in a cell: next state; 0 is dead, automata start in 1

typedef enum tl_model_kind {
  TL_MODEL_MERGES,  // byte pair encoding
  TL_MODEL_LONGEST, // the longest token at each place; else the word is unknown (WordPiece)
  TL_MODEL_BEST,    // the tokens whose scores have the highest sum (Unigram)
  TL_MODEL_WHOLE,   // the word is a token or unknown (WordLevel)
  TL_MODEL_KINDS
} tl_model_kind;

// Of the model.
enum {
  TL_MODEL_BYTES = 1,         // words are bytes, byte_ids[] their symbols
  TL_MODEL_BYTE_FALLBACK = 2, // byte_ids[] spell code points that are no token
  TL_MODEL_FUSE_UNKNOWN = 4,  // neighbours without a token become one unknown token
  TL_MODEL_SINGLES = 16,      // sums of scores are rounded to 32 bits
  TL_MODEL_WHOLE_WORDS = 8,   // a word that is a token is that token, whatever merges say
};

// Of a token (token_flags).
enum {
  TL_TOKEN_SPECIAL = 1, // left out by decoding that skips specials
  TL_TOKEN_PRESENT = 2, // the id exists
  TL_TOKEN_WHOLE = 4,   // the merges turn its own bytes into it and nothing else
  TL_TOKEN_BYTE = 8,    // stands for the one byte of its text (TL_DECODE_BYTE_RUNS)
  TL_TOKEN_CHARS = 16,  // its texts are valid UTF-8
};

// Of decoding, applied in this order.
enum {
  TL_DECODE_BYTE_RUNS = 1, // a run of byte tokens is text if valid UTF-8, else a U+FFFD per byte
  TL_DECODE_LOSSY = 2,     // broken UTF-8 of the joined text becomes U+FFFD
};

// Of a class of code points (class_flags).
enum {
  TL_CLASS_WORD = 1,  // stops a single_word token beside it
  TL_CLASS_SPACE = 2, // eaten by lstrip and rstrip, of tokens and as a step
  TL_CLASS_FORM = 4,  // << tl_text_form: it may change, or be moved or joined to what is before it
  TL_CLASS_CLUSTER_SHIFT = 8, // above: tl_cluster_kind
};

// What a character does at the borders of clusters, which are what readers take as one.
typedef enum tl_cluster_kind {
  TL_CLUSTER_OTHER,
  TL_CLUSTER_CONTROL,
  TL_CLUSTER_EXTEND,    // continues any cluster,
  TL_CLUSTER_PLAIN,     // the same, but not a chain of consonants,
  TL_CLUSTER_LINKER,    // the same, and links consonants
  TL_CLUSTER_SPACING,   // continues any cluster but of pictures
  TL_CLUSTER_JOINER,    // ZWJ
  TL_CLUSTER_PREPEND,   // is continued by anything
  TL_CLUSTER_LEAD,      // of Hangul, as the next four
  TL_CLUSTER_VOWEL,     //
  TL_CLUSTER_TAIL,      //
  TL_CLUSTER_OPEN,      // a syllable without a tail
  TL_CLUSTER_CLOSED,    // a syllable with one
  TL_CLUSTER_PICTURE,   //
  TL_CLUSTER_CONSONANT, // of a script that links them
  TL_CLUSTER_KINDS
} tl_cluster_kind;

typedef enum tl_text_form {
  TL_FORM_NFC,
  TL_FORM_NFD,
  TL_FORM_NFKC,
  TL_FORM_NFKD,
  TL_FORMS
} tl_text_form;

// Bits of a tl_text_form.
enum { TL_FORM_DECOMPOSED = 1, TL_FORM_COMPATIBLE = 2 };

// Of an added token.
enum {
  TL_ADDED_LSTRIP = 1,
  TL_ADDED_RSTRIP = 2,
  TL_ADDED_SINGLE_WORD = 4,
  TL_ADDED_SPECIAL = 8,
};

typedef enum tl_step_kind {
  TL_STEP_ADDED,   // cut out added tokens of list `pattern` (0 raw, 1 normalized)
  TL_STEP_FORM,    // normal form `behaviour` (tl_text_form)
  TL_STEP_MAP,     // each code point by what map `pattern` has for it
  TL_STEP_KEYS,    // the longest key at each place by its text; see TL_KEYS_CLUSTERS; the step's
                   // text before all that
  TL_STEP_STRIP,   // spaces, or the step's text, at the ends; see TL_STRIP_*
  TL_STEP_REPLACE, // every match of `pattern` by the step's text
  TL_STEP_PREFIX,  // the step's text before the piece; see TL_PREFIX_*
  TL_STEP_SPLIT,   // cut at the matches of `pattern`, as `behaviour` says
  TL_STEP_KINDS
} tl_step_kind;

enum {
  TL_PREFIX_UNLESS = 1,  // not if the piece begins with it
  TL_PREFIX_FIRST = 2,   // only the piece at the very start of the text
  TL_SPLIT_INVERT = 4,   // what lies between the matches counts as the match
  TL_STRIP_LEFT = 8,     //
  TL_STRIP_RIGHT = 16,   //
  TL_KEYS_CLUSTERS = 32, // a short cluster that begins with a key becomes its text, others change
                         // character by character
};

typedef enum tl_split_behaviour {
  TL_SPLIT_REMOVED,       // matches vanish
  TL_SPLIT_ISOLATED,      // matches are pieces
  TL_SPLIT_MERGED_BEFORE, // a match ends the piece before it
  TL_SPLIT_MERGED_AFTER,  // a match begins the piece after it
  TL_SPLIT_CONTIGUOUS,    // neighbouring matches are one piece
  TL_SPLIT_BEHAVIOURS
} tl_split_behaviour;

typedef struct tl_tokenizer_step {
  uint32_t kind;                     // tl_step_kind
  uint32_t pattern;                  // row of patterns
  uint32_t behaviour;                // tl_split_behaviour, or tl_text_form
  uint32_t flags;                    // TL_PREFIX_*, TL_SPLIT_INVERT, TL_STRIP_*
  uint32_t text_offset, text_length; // in pool; valid UTF-8
} tl_tokenizer_step;

typedef struct tl_tokenizer_pattern {
  uint32_t literal; // 1: bytes [offset, +length) of pool; 0: automaton of `length` states at
                    // cells[offset]
  uint32_t offset, length;
  uint32_t reserved;
} tl_tokenizer_pattern;

typedef struct tl_tokenizer_added {
  uint32_t text_offset, text_length; // in pool; valid UTF-8, never empty
  uint32_t id;
  uint32_t flags; // TL_ADDED_*
} tl_tokenizer_added;

// A slot of the merge table: 21 bits of each id, the rank in the upper bits of left (low 11) and
// right (high 11). `result` is TL_TOKEN_NONE in a free slot.
typedef struct tl_tokenizer_merge {
  uint32_t left, right, result;
} tl_tokenizer_merge;

// A code point with a combining class or a decomposition; lengths of 0 = itself.
typedef struct tl_tokenizer_form {
  uint32_t code;
  uint16_t text;       // its full canonical decomposition in form_text
  uint16_t compatible; // its full compatible one
  uint8_t count;       // of the canonical one
  uint8_t compatible_count;
  uint8_t ccc; // combining class
  uint8_t reserved;
} tl_tokenizer_form; // sorted by code

typedef struct tl_tokenizer_pair {
  uint32_t first, second, result;
} tl_tokenizer_pair; // sorted by (first, second)

// A node of a trie, of words or of keys. Its child for byte b is nodes[base + b], if that names it
// as parent.
typedef struct tl_tokenizer_node {
  uint32_t base, parent;
  uint32_t id; // of the word that ends here, row of key_texts for a key, or TL_TOKEN_NONE
} tl_tokenizer_node;

typedef struct tl_tokenizer_text {
  uint32_t offset, length; // in pool; valid UTF-8
} tl_tokenizer_text;

enum { TL_TRIE_START = 0, TL_TRIE_INNER = 1 }; // roots: words, and what continues them

typedef enum tl_template_kind {
  TL_TEMPLATE_ID,
  TL_TEMPLATE_TEXT,
  TL_TEMPLATE_PAIR
} tl_template_kind;

// A special token, the text or the second text, and the token type of what it is.
typedef struct tl_tokenizer_item {
  uint32_t kind; // tl_template_kind
  uint32_t id;
  uint32_t type; // < TL_TOKENIZER_TYPES_MAX
} tl_tokenizer_item;

// A cell of a map: 0 = the code point itself; else TL_MAP_CHANGED and the place of the text it
// becomes in pool: length in the low bits, offset above; or TL_MAP_SPACED: spaces around it.
#define TL_MAP_CHANGED 0x80000000u
#define TL_MAP_SPACED 0x40000000u
enum { TL_MAP_LENGTH_BITS = 6, TL_MAP_OFFSET_BITS = 24 };

// X(section, element type, what it holds)
#define TL_TOKENIZER_SECTION_MAP(X)                                                                \
  X(steps, tl_tokenizer_step, "in the order they run")                                             \
  X(patterns, tl_tokenizer_pattern, "")                                                            \
  X(cells, uint16_t, "automata: [states][classes + 1], the last column is the end of the text")    \
  X(char_index, uint16_t, "block of each TL_CHAR_BLOCK code points")                               \
  X(char_blocks, uint8_t, "classes, TL_CHAR_BLOCK to a block")                                     \
  X(class_flags, uint32_t, "TL_CLASS_* of each class")                                             \
  X(token_flags, uint8_t, "TL_TOKEN_* of each id")                                                 \
  X(word_offsets, uint32_t, "per id and one more: where its word begins in `words`")               \
  X(words, char, "what each id is made from; empty for ids that merges cannot make")               \
  X(text_offsets, uint32_t, "per id and one more: where its text begins in `texts`")               \
  X(texts, char, "what each id decodes to")                                                        \
  X(first_offsets, uint32_t, "the same of first_texts, or nothing")                                \
  X(first_texts, char, "what each id decodes to as the first of a text, if that is another")       \
  X(word_slots, uint32_t, "hash of a word -> id (21 bits) and 11 more bits of the hash")           \
  X(merges, tl_tokenizer_merge, "hash of (left, right) -> rank and result")                        \
  X(pair_bits, uint32_t, "set for hashes of pairs that merge")                                     \
  X(edge_bits, uint32_t, "set for hashed pairs of neighbours that some merge can join")            \
  X(char_id_index, uint16_t, "where words are characters: block of each TL_CHAR_BLOCK of them")    \
  X(char_ids, uint32_t, "ids of single characters, TL_CHAR_BLOCK to a block")                      \
  X(trie, tl_tokenizer_node, "words by prefixes, for LONGEST and BEST")                            \
  X(scores, double, "per id, for BEST")                                                            \
  X(byte_ids, uint32_t, "256 symbols, TL_TOKEN_NONE where there is none")                          \
  X(added, tl_tokenizer_added, "raw tokens, then normalized ones; each part sorted by bytes")      \
  X(added_first, uint32_t, "2 x 257: first row of each part whose first byte is >= i")             \
  X(template, tl_tokenizer_item, "for one text, then for two")                                     \
  X(map_index, uint16_t, "per map: block of each TL_CHAR_BLOCK code points")                       \
  X(map_cells, uint32_t, "TL_CHAR_BLOCK to a block")                                               \
  X(forms, tl_tokenizer_form, "")                                                                  \
  X(form_text, uint32_t, "code points of decompositions")                                          \
  X(form_pairs, tl_tokenizer_pair, "primary composites")                                           \
  X(keys, tl_tokenizer_node, "keys by prefixes, from TL_TRIE_START")                               \
  X(key_texts, tl_tokenizer_text, "what keys become")                                              \
  X(pool, char, "literals, replacements, added tokens")

typedef enum tl_tokenizer_section {
#define X(name, type, summary) TL_TOKENIZER_##name,
  TL_TOKENIZER_SECTION_MAP(X)
#undef X
      TL_TOKENIZER_SECTIONS
} tl_tokenizer_section;

typedef struct tl_tokenizer_extent {
  uint32_t offset; // bytes
  uint32_t count;  // elements
} tl_tokenizer_extent;

typedef struct tl_tokenizer_header {
  uint64_t magic;
  uint32_t version;
  uint32_t bytes;        // of the whole section
  uint32_t tokens_count; // ids are below this
  uint32_t model;        // tl_model_kind
  uint32_t model_flags;
  uint32_t decode_flags;
  uint32_t unknown_id; // TL_TOKEN_NONE = characters without a token vanish
  uint32_t bos_id, eos_id, pad_id;
  uint32_t raw_count;    // rows of `added` in the raw part
  uint32_t single_count; // rows of `template` for one text
  uint32_t strip_code;   // decoding drops up to strip_count of these at the start of the text
  uint32_t strip_count;
  uint32_t word_bytes_max; // longest word
  uint32_t word_chars_max; // LONGEST: words of more characters are unknown
  uint32_t word_probes;    // longest probe sequence of word_slots
  uint32_t merge_probes;   // longest probe sequence of merges
  double unknown_score;    // BEST
  tl_tokenizer_extent sections[TL_TOKENIZER_SECTIONS];
} tl_tokenizer_header;

// A table in memory, pointing into the section (or, in the compiler, into what it will write).
typedef struct tl_tokenizer_table {
  tl_tokenizer_header header;
#define X(name, type, summary)                                                                     \
  const type *name;                                                                                \
  uint32_t name##_count;
  TL_TOKENIZER_SECTION_MAP(X)
#undef X
} tl_tokenizer_table;

// Points `out_table` into `bytes` after checking that no use of it can read or write outside of
// tables and buffers, or loop: linear in the length, no allocation. `bytes` must be aligned to 8
// and outlive the table. TL_INPUT with one sentence if the section is damaged or of another
// version.
TL_CHECKED tl_status tl_tokenizer_table_read(tl_str bytes, tl_diag *diag,
                                             tl_tokenizer_table *out_table);

static inline uint32_t tl_merge_left(const tl_tokenizer_merge *merge) {
  return merge->left & TL_SLOT_EMPTY;
}
static inline uint32_t tl_merge_right(const tl_tokenizer_merge *merge) {
  return merge->right & TL_SLOT_EMPTY;
}
static inline uint32_t tl_merge_rank(const tl_tokenizer_merge *merge) {
  return merge->left >> 21 | (merge->right >> 21) << 11;
}

// Goes on from `*node` to its child for `byte`; false if it has none.
static inline bool tl_trie_descend(const tl_tokenizer_node *nodes, uint32_t *node, uint8_t byte) {
  uint32_t child = nodes[*node].base + byte;
  if (nodes[child].parent != *node) return false;
  *node = child;
  return true;
}

static inline uint32_t tl_map_length(uint32_t cell) {
  return cell & ((1u << TL_MAP_LENGTH_BITS) - 1);
}
static inline uint32_t tl_map_offset(uint32_t cell) {
  return cell >> TL_MAP_LENGTH_BITS & ((1u << TL_MAP_OFFSET_BITS) - 1);
}

static inline uint32_t tl_pair_hash(uint32_t a, uint32_t b) {
  uint64_t x = ((uint64_t)a << 32 | b) * 0x9E3779B97F4A7C15ull;
  x ^= x >> 29;
  return (uint32_t)(x * 0xBF58476D1CE4E5B9ull >> 32);
}

// Where the probe sequence of a merge begins, by the hash of its pair.
static inline uint32_t tl_merge_slot(uint32_t hash, uint32_t slots_count) {
  return (uint32_t)((uint64_t)hash * slots_count >> 32);
}

static inline uint32_t tl_word_hash(const char *data, size_t length) {
  uint64_t hash = length * 0x9E3779B97F4A7C15ull, part = 0;
  while (length >= 8) {
    memcpy(&part, data, 8);
    hash = (hash ^ part) * 0xBF58476D1CE4E5B9ull;
    hash ^= hash >> 31;
    data += 8;
    length -= 8;
  }
  part = 0;
  for (size_t i = 0; i < length; i++)
    part |= (uint64_t)(uint8_t)data[i] << 8 * i;
  hash = (hash ^ part) * 0x94D049BB133111EBull;
  return (uint32_t)(hash >> 32 ^ hash);
}

// The word and the text of an id below header.tokens_count.
static inline tl_str tl_token_word(const tl_tokenizer_table *table, uint32_t id) {
  uint32_t begin = table->word_offsets[id];
  return (tl_str){table->words + begin, table->word_offsets[id + 1] - begin};
}
static inline tl_str tl_token_text(const tl_tokenizer_table *table, uint32_t id) {
  uint32_t begin = table->text_offsets[id];
  return (tl_str){table->texts + begin, table->text_offsets[id + 1] - begin};
}
// The text of an id that is the first one.
static inline tl_str tl_token_first_text(const tl_tokenizer_table *table, uint32_t id) {
  if (table->first_offsets_count == 0) return tl_token_text(table, id);
  uint32_t begin = table->first_offsets[id];
  return (tl_str){table->first_texts + begin, table->first_offsets[id + 1] - begin};
}

#endif
