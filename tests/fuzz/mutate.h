// Changes inputs at random, for custom mutators: bytes, whole values of JSON, lines and words of
// texts. The same seed makes the same change. All take pieces of the input's language (strings,
// NULL after the last), change `data` of `size` bytes in place to at most `size_max` and return the
// new size.
#ifndef TL_TESTS_FUZZ_MUTATE_H
#define TL_TESTS_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

// Flips, drops, doubles or moves bytes, or puts one of `pieces` over or between them.
size_t tl_fuzz_mutate(uint8_t *data, size_t size, size_t size_max, unsigned seed,
                      const char *const *pieces);

// Copies, moves, drops and doubles values with their keys, exchanges keys, and makes values numbers
// at limits, other types or `pieces`. Of what is no JSON, changes bytes.
size_t tl_fuzz_mutate_json(uint8_t *data, size_t size, size_t size_max, unsigned seed,
                           const char *const *pieces);

// Copies, moves, drops and swaps lines or words, indents lines, and makes words numbers at limits
// or `pieces`; sometimes changes bytes.
size_t tl_fuzz_mutate_text(uint8_t *data, size_t size, size_t size_max, unsigned seed,
                           const char *const *pieces);

#endif
