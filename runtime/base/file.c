// Implementation of file.h.
#include "runtime/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// Reports `errno`.
static tl_status system_fault(tl_diag *diag, const char *path, const char *doing) {
  return tl_diag_error(diag, TL_IO, (tl_span){0}, "cannot %s %s: %s", doing, path, strerror(errno));
}

static tl_status map(tl_file *file, const char *path, tl_diag *diag) {
  struct stat info;
  if (fstat(file->fd, &info) != 0) return system_fault(diag, path, "look at");
  if (!S_ISREG(info.st_mode))
    return tl_diag_error(diag, TL_IO, (tl_span){0}, "%s is %s, expected a file", path,
                         S_ISDIR(info.st_mode) ? "a folder" : "a device or pipe");
  file->bytes = (tl_str){"", 0};
  if (info.st_size == 0) return TL_OK;
  if ((uintmax_t)info.st_size > SIZE_MAX / 2)
    return tl_diag_error(diag, TL_IO, (tl_span){0}, "%s is too large to map", path);
  size_t length = (size_t)info.st_size;
  void *data = mmap(NULL, length, PROT_READ, MAP_SHARED, file->fd, 0);
  if (data == MAP_FAILED) return system_fault(diag, path, "map");
  file->bytes = (tl_str){data, length};
  return TL_OK;
}

tl_status tl_file_open(const char *path, tl_file *out_file, tl_diag *diag) {
  *out_file = TL_FILE_CLOSED;
  // Not blocking: a pipe without writer would hang here. Regular files do not mind.
  out_file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (out_file->fd < 0) return system_fault(diag, path, "open");
  tl_status status = map(out_file, path, diag);
  if (!tl_ok(status)) tl_file_close(out_file);
  return status;
}

void tl_file_close_descriptor(tl_file *file) {
  if (file->fd >= 0) close(file->fd);
  file->fd = -1;
}

void tl_file_close(tl_file *file) {
  if (file->bytes.length) munmap((void *)(uintptr_t)file->bytes.data, file->bytes.length);
  tl_file_close_descriptor(file);
  *file = TL_FILE_CLOSED;
}

void tl_file_drop(const tl_file *file, size_t offset, size_t length) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), total = file->bytes.length;
  if (offset >= total || !length) return;
  size_t end = length < total - offset ? offset + length : total;
  size_t begin = offset / page * page;
  // The kernel rounds the end up to a page; the mapping's last page belongs to it alone.
  madvise((void *)(uintptr_t)(file->bytes.data + begin), end - begin, MADV_DONTNEED);
}

tl_status tl_file_lock_shared(const tl_file *file, const char *path, tl_diag *diag) {
  int result;
  do {
    result = flock(file->fd, LOCK_SH);
  } while (result != 0 && errno == EINTR);
  bool has_locks = errno != ENOLCK && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL;
  if (result != 0 && has_locks) return system_fault(diag, path, "lock");
  return TL_OK;
}

bool tl_file_exists(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool tl_file_is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}
