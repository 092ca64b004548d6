// Inputs that say when memory runs out: `#N` at the end lets N allocations succeed. So the ways
// that only a failed allocation takes are found like others, and the same input takes them again.
#ifndef TL_TESTS_FUZZ_SHORTAGE_H
#define TL_TESTS_FUZZ_SHORTAGE_H

#include "runtime/base/str.h"

// Takes `#N` off the end of the input; gives what tl_arena.fail_after wants: N, or SIZE_MAX if
// there is none.
size_t tl_shortage_take(tl_str *input);

// For mutators: what ends an input, kept while the rest is changed.
typedef struct tl_shortage {
  char text[16];
  size_t length;
} tl_shortage;

// Takes the end off `data` of `*size` bytes, and what it needs at most off `*size_max`. For one
// seed of eight it is another end than it was, or none.
tl_shortage tl_shortage_keep(const uint8_t *data, size_t *size, size_t *size_max, unsigned seed);

// Puts it back behind `size` bytes; returns the new size.
size_t tl_shortage_put(const tl_shortage *shortage, uint8_t *data, size_t size);

#endif
