// Kernels that were compiled before: a file for each in $XDG_CACHE_HOME/tlmc or ~/.cache/tlmc,
// named by a hash of all that its code was made from. Nothing depends on it but time: a file that
// is missing, damaged or cannot be written is as if there were no cache.
//
//   { "tlmckern", registers, bytes of code } code, XXH3 of both
#ifndef TL_COMPILER_CODEGEN_KERNEL_CACHE_H
#define TL_COMPILER_CODEGEN_KERNEL_CACHE_H

#include "compiler/codegen/nvrtc.h"

enum { TL_KERNEL_CACHE_PATH_BYTES = 4096 };

// Where the code of one source lies; empty if there is no place for a cache.
typedef struct tl_kernel_cache_entry {
  char path[TL_KERNEL_CACHE_PATH_BYTES];
} tl_kernel_cache_entry;

// The entry for `source`, compiled by `nvrtc` with the embedded texts as they are. Any thread.
void tl_kernel_cache_find(const tl_nvrtc *nvrtc, const tl_nvrtc_source *source,
                          tl_kernel_cache_entry *out_entry);

// True if it was there; the code is on `arena`.
bool tl_kernel_cache_get(const tl_kernel_cache_entry *entry, tl_arena *arena,
                         tl_nvrtc_code *out_code);

// Keeps `code`, whole or not at all. Any number of processes at once.
void tl_kernel_cache_put(const tl_kernel_cache_entry *entry, const tl_nvrtc_code *code);

#endif
