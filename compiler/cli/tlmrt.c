// Implementation of tlmrt.h.
#include "compiler/cli/tlmrt.h"

#include <errno.h>
#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXEC_FAILED = 127, NAME_BYTES = 8 };

// Puts the path of tlmrt, in the folder of this program, into `out_path` of PATH_MAX bytes.
static tl_status find(char *out_path, tl_diag *diag) {
  ssize_t length = readlink("/proc/self/exe", out_path, PATH_MAX - NAME_BYTES);
  while (length > 0 && out_path[length - 1] != '/')
    length--;
  if (length > 0) {
    memcpy(out_path + length, "tlmrt", 6);
    if (access(out_path, X_OK) == 0) return TL_OK;
  }
  return tl_diag_error(diag, TL_IO, (tl_span){0}, "there is no tlmrt beside this program");
}

tl_status tl_tlmrt_become(char **argv, tl_diag *diag) {
  char path[PATH_MAX];
  TL_TRY(find(path, diag));
  execv(path, argv);
  return tl_diag_error(diag, TL_IO, (tl_span){0}, "%s: cannot be run: %m", path);
}

static tl_status status_of(int exit_code) {
  for (int status = 0; status < TL_STATUS_COUNT; status++) {
    if (tl_status_exit_code((tl_status)status) == exit_code) return (tl_status)status;
  }
  return TL_INTERNAL;
}

static tl_status wait_for(pid_t child, const char *command, tl_diag *diag) {
  int how = 0;
  while (waitpid(child, &how, 0) < 0) {
    if (errno != EINTR) return tl_diag_error(diag, TL_IO, (tl_span){0}, "tlmrt was lost: %m");
  }
  if (WIFSIGNALED(how)) {
    return tl_diag_error(diag, TL_INTERNAL, (tl_span){0}, "`tlmrt %s` was ended by signal %d",
                         command, WTERMSIG(how));
  }
  if (WEXITSTATUS(how) == 0) return TL_OK;
  return tl_diag_error(diag, status_of(WEXITSTATUS(how)), (tl_span){0},
                       "`tlmrt %s` ended with exit code %d", command, WEXITSTATUS(how));
}

tl_status tl_tlmrt_run(char **argv, tl_diag *diag) {
  char path[PATH_MAX];
  TL_TRY(find(path, diag));
  pid_t child = fork();
  if (child < 0) return tl_diag_error(diag, TL_IO, (tl_span){0}, "tlmrt cannot be started: %m");
  if (child == 0) {
    execv(path, argv);
    _exit(EXEC_FAILED);
  }
  return wait_for(child, argv[1], diag);
}
