// What the compiler knows about code points: named properties and canonical composition.
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
  TL_UNICODE_ADDED_WORD,  // what stops a single_word token
  TL_UNICODE_ADDED_SPACE, // what lstrip and rstrip eat
  TL_UNICODE_NFC,         // what composition may change, or join to what stands before it
} tl_unicode_set;

// Adds the code points of `which` to `set`.
TL_CHECKED tl_status tl_unicode_add(tl_arena *arena, tl_unicode_set which, tl_charset *set);

// Adds the code points of the property `name` (as in \p{Lu}, \p{L}, \p{Letter}, \p{Han}).
// TL_UNSUPPORTED if it is not known; nothing is reported.
TL_CHECKED tl_status tl_unicode_add_property(tl_arena *arena, tl_str name, tl_charset *set);

// Points the nfc sections of `table` to arrays on `arena`.
TL_CHECKED tl_status tl_unicode_nfc(tl_arena *arena, tl_tokenizer_table *table);

#endif
