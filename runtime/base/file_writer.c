// Implementation of file_writer.h.
#include "runtime/base/file_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
  FILE_MODE = 0666,
  LINK_ATTEMPTS_MAX = 200,
  LINK_WAIT_NS = 10 * 1000 * 1000,
  PIECE_BYTES = 128 << 10, // of one system call: above, the page cache is filled at half the speed
  START_BYTES = 1 << 20    // writes as long as this are sent to the disk at once
};

static tl_status system_fault(const tl_file_writer *writer, const char *doing, tl_diag *diag) {
  return tl_diag_error(diag, TL_IO, (tl_span){0}, "cannot %s %s: %s", doing, writer->path,
                       strerror(errno));
}

static tl_status other_writer(const tl_file_writer *writer, tl_diag *diag) {
  return tl_diag_error(diag, TL_IO, (tl_span){0}, "another process is writing %s just now",
                       writer->path);
}

// Takes the lock that tells a live writer's file from remains. True where there are no locks.
static bool try_lock(int fd) {
  return flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

// Whether the temporary's name still leads to the open file `fd`.
static bool is_named_by_temporary(const tl_file_writer *writer, int fd) {
  struct stat named, open_file;
  return fstatat(writer->folder_fd, writer->temporary, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         fstat(fd, &open_file) == 0 && named.st_ino == open_file.st_ino &&
         named.st_dev == open_file.st_dev;
}

// Removes the temporary of a killed writer. False if a live writer holds it. The name is checked
// again under the lock: another process may have cleaned up and made a new one in between.
static bool remove_remains(const tl_file_writer *writer) {
  int fd =
      openat(writer->folder_fd, writer->temporary, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return errno == ENOENT;
  bool is_free = try_lock(fd);
  if (is_free && is_named_by_temporary(writer, fd))
    unlinkat(writer->folder_fd, writer->temporary, 0);
  close(fd);
  return is_free;
}

// Cuts writer->path into folder and name, following a link that is there already.
static tl_status split_path(tl_file_writer *writer, const char *path, tl_diag *diag) {
  char real[PATH_MAX];
  struct stat info;
  if ((size_t)snprintf(writer->path, sizeof writer->path, "%s", path) >= sizeof writer->path)
    return tl_diag_error(diag, TL_IO, (tl_span){0}, "the path has more than %d bytes",
                         TL_FILE_PATH_MAX - 1);
  if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode)) {
    if (!realpath(path, real)) return system_fault(writer, "follow the link", diag);
    path = real;
  }
  if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
    return tl_diag_error(diag, TL_IO, (tl_span){0}, "%s is %s, expected a file", path,
                         S_ISDIR(info.st_mode) ? "a folder" : "a device or pipe");
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  size_t length = strlen(name);
  if (!length || length + sizeof ".tmp" > sizeof writer->temporary)
    return tl_diag_error(diag, TL_IO, (tl_span){0},
                         "%s does not end in a file name of 1 to 251 "
                         "bytes",
                         writer->path);
  memcpy(writer->name, name, length + 1);
  snprintf(writer->temporary, sizeof writer->temporary, "%s.tmp", name);
  char folder[TL_FILE_PATH_MAX];
  snprintf(folder, sizeof folder, "%.*s", slash ? (int)(name - path) : 1, slash ? path : ".");
  writer->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return writer->folder_fd < 0 ? system_fault(writer, "open the folder of", diag) : TL_OK;
}

// Room for "/proc/self/fd/" and a number.
typedef struct proc_path {
  char text[40];
} proc_path;

static proc_path proc_path_of(int fd) {
  proc_path path;
  snprintf(path.text, sizeof path.text, "/proc/self/fd/%d", fd);
  return path;
}

// An unnamed file, if the system can make one and name it later.
static bool open_unnamed(tl_file_writer *writer) {
  writer->fd = openat(writer->folder_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, FILE_MODE);
  if (writer->fd < 0) return false;
  if (access(proc_path_of(writer->fd).text, F_OK) == 0) {
    (void)try_lock(writer->fd);
    return true;
  }
  close(writer->fd);
  writer->fd = -1;
  return false;
}

static tl_status open_named(tl_file_writer *writer, tl_diag *diag) {
  writer->fd = openat(writer->folder_fd, writer->temporary,
                      O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
  if (writer->fd < 0)
    return errno == EEXIST ? other_writer(writer, diag) : system_fault(writer, "write", diag);
  // Between these two calls another writer may have taken the file for remains.
  if (!try_lock(writer->fd) || !is_named_by_temporary(writer, writer->fd))
    return other_writer(writer, diag);
  writer->is_named = true;
  return TL_OK;
}

static tl_status open_steps(tl_file_writer *writer, const char *path, bool unnamed, tl_diag *diag) {
  *writer = (tl_file_writer){.folder_fd = -1, .fd = -1};
  TL_TRY(split_path(writer, path, diag));
  if (!remove_remains(writer)) return other_writer(writer, diag);
  return unnamed && open_unnamed(writer) ? TL_OK : open_named(writer, diag);
}

tl_status tl_file_writer_open(const char *path, tl_file_writer *out_writer, tl_diag *diag) {
  tl_status status = open_steps(out_writer, path, true, diag);
  if (!tl_ok(status)) tl_file_writer_close(out_writer);
  return status;
}

tl_status tl_file_writer_open_named(const char *path, tl_file_writer *out_writer, tl_diag *diag) {
  tl_status status = open_steps(out_writer, path, false, diag);
  if (!tl_ok(status)) tl_file_writer_close(out_writer);
  return status;
}

tl_status tl_file_writer_write(const tl_file_writer *writer, uint64_t offset, const void *data,
                               size_t bytes, tl_diag *diag) {
  const char *from = data;
  uint64_t begin = offset;
  while (bytes) {
    size_t piece = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
    ssize_t written = pwrite(writer->fd, from, piece, (off_t)offset);
    if (written < 0 && errno == EINTR) continue;
    if (written == 0) errno = EIO;
    if (written <= 0) return system_fault(writer, "write", diag);
    from += written;
    offset += (uint64_t)written;
    bytes -= (size_t)written;
  }
  // The disk works while the rest is made, so that the sync at the end is short. Only a hint.
  if (offset - begin >= START_BYTES)
    (void)sync_file_range(writer->fd, (off_t)begin, (off_t)(offset - begin), SYNC_FILE_RANGE_WRITE);
  return TL_OK;
}

// Gives the unnamed file its temporary name. Another writer of the same path may be between its
// link and its rename, which takes moments.
static tl_status link_temporary(tl_file_writer *writer, tl_diag *diag) {
  proc_path self = proc_path_of(writer->fd);
  for (int attempt = 0; attempt < LINK_ATTEMPTS_MAX; attempt++) {
    if (linkat(AT_FDCWD, self.text, writer->folder_fd, writer->temporary, AT_SYMLINK_FOLLOW) == 0) {
      writer->is_named = true;
      return TL_OK;
    }
    if (errno != EEXIST) return system_fault(writer, "link", diag);
    if (remove_remains(writer)) continue;
    nanosleep(&(struct timespec){0, LINK_WAIT_NS}, NULL);
  }
  return other_writer(writer, diag);
}

tl_status tl_file_writer_publish(tl_file_writer *writer, tl_diag *diag) {
  if (!writer->is_named) TL_TRY(link_temporary(writer, diag));
  if (renameat(writer->folder_fd, writer->temporary, writer->folder_fd, writer->name) != 0)
    return system_fault(writer, "rename the new version of", diag);
  writer->is_named = false;
  writer->has_commit = true;
  return TL_OK;
}

tl_status tl_file_writer_commit(tl_file_writer *writer, tl_diag *diag) {
  if (fsync(writer->fd) != 0) return system_fault(writer, "write", diag);
  TL_TRY(tl_file_writer_publish(writer, diag));
  // Some file systems cannot sync a folder; the rename is done either way.
  (void)fsync(writer->folder_fd);
  return TL_OK;
}

void tl_file_writer_close(tl_file_writer *writer) {
  if (writer->is_named) unlinkat(writer->folder_fd, writer->temporary, 0);
  if (writer->fd >= 0) close(writer->fd);
  if (writer->folder_fd >= 0) close(writer->folder_fd);
  *writer = (tl_file_writer){.folder_fd = -1, .fd = -1};
}
