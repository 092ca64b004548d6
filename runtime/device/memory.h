// Memory of a device in large pieces from the system: zeroed, in huge pages where it can be, and
// committed only when it is first touched, unless asked for at once.
#ifndef TL_DEVICE_MEMORY_H
#define TL_DEVICE_MEMORY_H

#include "runtime/base/diag.h"

typedef struct tl_memory {
  char *bytes; // NULL if bytes_count is 0
  size_t bytes_count;
} tl_memory;

// Reserves `bytes` for `purpose` (named in the error); `commit` touches all of it now.
tl_status tl_memory_reserve(uint64_t bytes, const char *purpose, bool commit, tl_memory *out_memory,
                            tl_diag *diag) TL_CHECKED;

// Accepts zeroed memory.
void tl_memory_release(tl_memory *memory);

#endif
