// Kernels that were compiled before: a file for each in $XDG_CACHE_HOME/tlmc or ~/.cache/tlmc,
// named by a hash of all that its code was made from. Nothing depends on it but time: a file that
// is missing, damaged or cannot be written is as if there were no cache.
//
//   { "tlmckern", registers, bytes of code } code, XXH3 of both
#ifndef TL_COMPILER_CODEGEN_KERNEL_CACHE_H
#define TL_COMPILER_CODEGEN_KERNEL_CACHE_H

#include "runtime/base/arena.h"
#include "runtime/base/hash.h"

enum { TL_KERNEL_CACHE_PATH_BYTES = 4096 };

// Where the code of one kernel lies; empty if there is no place for a cache.
typedef struct tl_kernel_cache_entry {
  char path[TL_KERNEL_CACHE_PATH_BYTES];
} tl_kernel_cache_entry;

typedef struct tl_kernel_code {
  tl_str bytes;
  int64_t registers; // of a thread; 0 where its compiler does not say
} tl_kernel_code;

// The entry of a kernel; into `made_from`, which is finished, went all that its code depends on:
// source, target, options, the compiler's version. Any thread.
void tl_kernel_cache_find(tl_sha256 *made_from, tl_kernel_cache_entry *out_entry);

// True if it was there; the code is on `arena`. Any thread.
bool tl_kernel_cache_get(const tl_kernel_cache_entry *entry, tl_arena *arena,
                         tl_kernel_code *out_code);

// Keeps `code`, whole or not at all. Any thread of any number of processes.
void tl_kernel_cache_put(const tl_kernel_cache_entry *entry, const tl_kernel_code *code);

#endif
