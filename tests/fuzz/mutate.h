// Changes bytes of an input at random, with pieces of its language at hand; the same seed makes the
// same change. For the custom mutators of targets whose inputs need repair after a change (lengths,
// hashes) and for runs without libFuzzer.
#ifndef TL_TESTS_FUZZ_MUTATE_H
#define TL_TESTS_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

// One change of `data`, of `size` bytes, to at most `size_max`: flips, drops, doubles, moves bytes,
// or puts one of `pieces` (strings, NULL after the last) over or between them. Returns the new
// size.
size_t tl_fuzz_mutate(uint8_t *data, size_t size, size_t size_max, unsigned seed,
                      const char *const *pieces);

#endif
