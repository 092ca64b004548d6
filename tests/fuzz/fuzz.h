// The interface of libFuzzer, as fuzz targets implement it and fuzz_main.c calls it.
#ifndef TL_TESTS_FUZZ_H
#define TL_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Runs one input; ends the program on a broken law. Always 0.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Changes `data` of `size` bytes in place, to at most `size_max`; returns the new size.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);

// Whether what is tested accepted the last input, as targets set it; true at the start. fuzz_main.c
// wants it of all seeds but those whose name begins with `fault`.
extern bool tl_fuzz_accepted;

#endif
