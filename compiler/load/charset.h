// Sets of code points, and the classes that a number of sets cut Unicode into.
//
// A set is an inversion list: rising code points where membership changes, so {[0x41, 0x5B)} is the
// capital letters. Classes are what the automata step on: two code points are in one class if no
// registered set tells them apart.
#ifndef TL_COMPILER_LOAD_CHARSET_H
#define TL_COMPILER_LOAD_CHARSET_H

#include "runtime/base/arena.h"

enum { TL_CHARSETS_MAX = 256 }; // registered sets of one tokenizer

typedef struct tl_charset {
  uint32_t *bounds; // on the arena of whoever made it
  size_t count, capacity;
} tl_charset;

// Sets registered by the patterns of a tokenizer, then the classes they make.
typedef struct tl_charclasses {
  tl_charset sets[TL_CHARSETS_MAX];
  uint32_t sets_count;
  // After tl_charclasses_build:
  uint32_t classes_count;
  uint8_t *members; // [classes_count][TL_CHARSETS_MAX]: is the class in the set?
  uint16_t *index;  // TL_CHAR_BLOCKS blocks
  uint8_t *blocks;
  uint32_t blocks_count;
} tl_charclasses;

// Adds [begin, end) to `set`; TL_MEMORY if the arena is exhausted.
TL_CHECKED tl_status tl_charset_add(tl_arena *arena, tl_charset *set, uint32_t begin, uint32_t end);

// Adds all of `other` to `set`.
TL_CHECKED tl_status tl_charset_unite(tl_arena *arena, tl_charset *set, const tl_charset *other);

// Turns `set` into all other code points.
TL_CHECKED tl_status tl_charset_negate(tl_arena *arena, tl_charset *set);

bool tl_charset_has(const tl_charset *set, uint32_t code);

// Registers `set` (kept by reference) and gives its index; equal sets share one. TL_UNSUPPORTED if
// there are more than TL_CHARSETS_MAX.
TL_CHECKED tl_status tl_charclasses_register(tl_charclasses *classes, const tl_charset *set,
                                             uint32_t *out_index);

// Makes the classes. TL_UNSUPPORTED if there are more than TL_TOKENIZER_CLASSES_MAX.
TL_CHECKED tl_status tl_charclasses_build(tl_charclasses *classes, tl_arena *arena);

#endif
