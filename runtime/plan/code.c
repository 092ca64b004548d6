// The three ways to executable memory.
#include "runtime/plan/code.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U // Linux 6.3: says that the file is meant to be executable
#endif

#include "runtime/base/plan.h"

// Bytes from the start of the image that are mapped executable: whole 64 KiB units.
static size_t executable_bytes(const tl_code_source *source) {
  size_t unit = TL_PLAN_CODE_BYTES;
  size_t bytes = (source->text_bytes + unit - 1) / unit * unit;
  return bytes < source->bytes_count ? bytes : source->bytes_count;
}

static bool protect_text(const tl_code_source *source, char *map) {
  return mprotect(map, executable_bytes(source), PROT_READ | PROT_EXEC) == 0;
}

static char *map_descriptor(const tl_code_source *source, int file, uint64_t offset) {
  char *map = mmap(NULL, source->bytes_count, PROT_READ, MAP_PRIVATE, file, (off_t)offset);
  if (map == MAP_FAILED) return NULL;
  if (protect_text(source, map)) return map;
  int reason = errno;
  munmap(map, source->bytes_count);
  errno = reason;
  return NULL;
}

static bool write_all(int file, const char *bytes, size_t count) {
  for (size_t done = 0; done < count;) {
    ssize_t written = write(file, bytes + done, count - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    done += (size_t)written;
  }
  return true;
}

static char *map_memory_file(const tl_code_source *source) {
  int file = memfd_create("tlmc-code", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  if (file < 0 && errno == EINVAL) {
    file = memfd_create("tlmc-code", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  }
  if (file < 0) return NULL;
  int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  bool ready =
      write_all(file, source->bytes, source->bytes_count) && fcntl(file, F_ADD_SEALS, seals) == 0;
  char *map = ready ? map_descriptor(source, file, 0) : NULL;
  int reason = errno;
  close(file);
  errno = reason;
  return map;
}

static char *map_anonymous(const tl_code_source *source) {
  char *map =
      mmap(NULL, source->bytes_count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) return NULL;
  memcpy(map, source->bytes, source->bytes_count);
  if (mprotect(map, source->bytes_count, PROT_READ) == 0 && protect_text(source, map)) return map;
  int reason = errno;
  munmap(map, source->bytes_count);
  errno = reason;
  return NULL;
}

tl_status tl_code_map(const tl_code_source *source, tl_code_way first, tl_code *out_code,
                      tl_diag *diag) {
  *out_code = (tl_code){0};
  for (int way = (int)first; way < TL_CODE_WAYS_COUNT; way++) {
    char *map = way == TL_CODE_FILE          ? map_descriptor(source, source->file, source->offset)
                : way == TL_CODE_MEMORY_FILE ? map_memory_file(source)
                                             : map_anonymous(source);
    if (!map) continue;
    *out_code = (tl_code){map, source->bytes_count, (tl_code_way)way};
    return TL_OK;
  }
  return tl_diag_error(diag, TL_IO, (tl_span){0},
                       "%s: its code cannot be made executable (%s): the file lies on a "
                       "filesystem mounted noexec and the system's policy forbids executable "
                       "memory (SELinux execmem, or a service's MemoryDenyWriteExecute)",
                       source->name, strerror(errno));
}

void tl_code_unmap(tl_code *code) {
  if (code->bytes) munmap((char *)code->bytes, code->bytes_count);
  *code = (tl_code){0};
}
