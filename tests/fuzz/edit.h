// What the mutators of mutate.h are made of: an input that is being changed.
#ifndef TL_TESTS_FUZZ_EDIT_H
#define TL_TESTS_FUZZ_EDIT_H

#include <stddef.h>
#include <stdint.h>

// `random` is any number but 0.
typedef struct tl_edit {
  uint8_t *data;
  size_t size, size_max;
  uint32_t random;
} tl_edit;

// Bytes [begin, end) of the input.
typedef struct tl_range {
  size_t begin, end;
} tl_range;

tl_edit tl_edit_begin(uint8_t *data, size_t size, size_t size_max, unsigned seed);

// A number below `below`; 0 if that is 0.
uint32_t tl_edit_random(tl_edit *edit, size_t below);

// Puts `length` bytes, as many as there is room for, in place of `range`. `with` may lie in the
// input.
void tl_edit_replace(tl_edit *edit, tl_range range, const void *with, size_t length);

// The same with a copy of range `from`, with a string.
void tl_edit_copy(tl_edit *edit, tl_range range, tl_range from);
void tl_edit_put(tl_edit *edit, tl_range range, const char *text);

// One of a list of strings with NULL after the last.
const char *tl_edit_pick(tl_edit *edit, const char *const *list);

// Changes bytes: with libFuzzer's own mutators, if it is linked, or as tl_fuzz_mutate does.
void tl_edit_bytes(tl_edit *edit, const char *const *pieces);

#endif
