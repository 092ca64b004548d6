// Implementation of output.h.
#include "compiler/build/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/plan.h"

// Whether the file begins like a plan. One that cannot be read is none as far as is known.
static bool begins_as_plan(const char *path) {
  uint64_t magic = 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool is_plan = read(fd, &magic, sizeof magic) == sizeof magic && magic == TL_PLAN_MAGIC;
  close(fd);
  return is_plan;
}

static tl_status check_file(const char *path, const struct stat *info, tl_diag *diag) {
  if (!S_ISREG(info->st_mode)) {
    return tl_diag_error(diag, TL_IO, (tl_span){0}, "%s is %s, expected a file", path,
                         S_ISDIR(info->st_mode) ? "a folder" : "a device or pipe");
  }
  if (info->st_size == 0 || begins_as_plan(path)) return TL_OK;
  return tl_diag_error(diag, TL_USAGE, (tl_span){0},
                       "%s is there and is no plan: remove it, or name another file with -o", path);
}

static tl_status check_folder(const char *path, tl_diag *diag) {
  char folder[PATH_MAX];
  const char *slash = strrchr(path, '/');
  int length = slash ? (int)(slash + 1 - path) : 1;
  if (length >= (int)sizeof folder) return TL_OK; // the writer says so
  snprintf(folder, sizeof folder, "%.*s", length, slash ? path : ".");
  if (access(folder, W_OK | X_OK) == 0) return TL_OK;
  return tl_diag_error(diag, TL_IO, (tl_span){0}, "cannot write %s: its folder: %s", path,
                       strerror(errno));
}

tl_status tl_build_check_output(const char *path, tl_diag *diag) {
  struct stat info;
  if (!path[0]) return tl_diag_error(diag, TL_USAGE, (tl_span){0}, "the path behind -o is empty");
  if (stat(path, &info) == 0) TL_TRY(check_file(path, &info, diag));
  return check_folder(path, diag);
}
