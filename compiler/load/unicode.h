// What the compiler knows about code points: named properties, small letters and normal forms.
//
// The data (unicode_data.inc) is what the publishers' tokenizer library answers, not the newest
// standard; tests/oracle/make_unicode.py writes it.
#ifndef TL_COMPILER_LOAD_UNICODE_H
#define TL_COMPILER_LOAD_UNICODE_H

#include "compiler/load/charset.h"
#include "runtime/base/tokenizer_table.h"

// Sets that are no property by name, each as its own user sees it.
typedef enum tl_unicode_set {
  TL_UNICODE_SPACE,       // \s of patterns
  TL_UNICODE_WORD,        // \w of patterns
  TL_UNICODE_NUMERIC,     // what Digits splits off
  TL_UNICODE_ADDED_WORD,  // what stops a single_word token, and words of Whitespace
  TL_UNICODE_ADDED_SPACE, // what added tokens, Strip and all pre-tokenizers but Split take as space
  TL_UNICODE_PUNCTUATION, // what Punctuation and BertPreTokenizer split off
  TL_UNICODE_CLEAN_REMOVED, // what clean_text of BertNormalizer removes,
  TL_UNICODE_CLEAN_SPACE,   // and turns into a space
  TL_UNICODE_HAN,           // what handle_chinese_chars puts spaces around
  TL_UNICODE_ACCENT,        // what strip_accents removes after NFD
  TL_UNICODE_MARK,          // what StripAccents removes
  TL_UNICODE_NMT_REMOVED,   //
  TL_UNICODE_NMT_SPACE,     //
} tl_unicode_set;

// Adds the code points of `which` to `set`.
TL_CHECKED tl_status tl_unicode_add(tl_arena *arena, tl_unicode_set which, tl_charset *set);

// Adds the code points that are `kind` at the borders of clusters; none for TL_CLUSTER_OTHER.
TL_CHECKED tl_status tl_unicode_add_cluster(tl_arena *arena, tl_cluster_kind kind, tl_charset *set);

// Adds the code points that the normal form may change, move, or join to what stands before them.
TL_CHECKED tl_status tl_unicode_add_form(tl_arena *arena, tl_text_form form, tl_charset *set);

// Fills `codes` (TL_CODES_COUNT of them, zeroed) with the small letter of each code point that has
// one. U+0130, whose small form is two code points, is left out.
void tl_unicode_lower(uint32_t *codes);

// Adds the code points of the property `name` (as in \p{Lu}, \p{L}, \p{Letter}, \p{Han}).
// TL_UNSUPPORTED if it is not known; nothing is reported.
TL_CHECKED tl_status tl_unicode_add_property(tl_arena *arena, tl_str name, tl_charset *set);

// Points the sections of normal forms of `table` to arrays on `arena`; compatible decompositions
// are among them only if asked for.
TL_CHECKED tl_status tl_unicode_forms(tl_arena *arena, bool compatible, tl_tokenizer_table *table);

#endif
