// Implementation of memory.h: anonymous mappings.
#include "runtime/device/memory.h"

#include <errno.h>
#include <sys/mman.h>

tl_status tl_memory_reserve(uint64_t bytes, const char *purpose, bool commit, tl_memory *out_memory,
                            tl_diag *diag) {
  *out_memory = (tl_memory){0};
  if (bytes == 0) return TL_OK;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void *map = bytes > SIZE_MAX / 2
                  ? MAP_FAILED
                  : mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (map != MAP_FAILED) {
    madvise(map, (size_t)bytes, MADV_HUGEPAGE);
    *out_memory = (tl_memory){map, (size_t)bytes};
    if (!commit || madvise(map, (size_t)bytes, MADV_POPULATE_WRITE) == 0 || errno == EINVAL) {
      return TL_OK;
    }
    tl_memory_release(out_memory);
  }
  return tl_diag_error(diag, TL_MEMORY, (tl_span){0}, "cannot reserve %.1f MiB for %s: %s",
                       (double)bytes / (1 << 20), purpose, strerror(errno));
}

void tl_memory_release(tl_memory *memory) {
  if (memory->bytes) munmap(memory->bytes, memory->bytes_count);
  *memory = (tl_memory){0};
}
