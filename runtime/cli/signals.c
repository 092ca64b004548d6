// Implementation of signals.h. Handlers call nothing but write and _exit.
#include "runtime/cli/signals.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/status.h"

static volatile sig_atomic_t is_deferred, is_interrupted;

static void on_interrupt(int signal) {
  (void)signal;
  if (!is_deferred || is_interrupted) _exit(TL_CLI_INTERRUPTED_EXIT);
  is_interrupted = 1;
}

static void on_bus_error(int signal) {
  static const char text[] = "error: the plan file was truncated or could not be read while it was "
                             "in use; build it again, and replace a plan by renaming only\n";
  (void)signal;
  ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
  (void)written; // there is nobody left to tell
  _exit(tl_status_exit_code(TL_IO));
}

void tl_cli_signals_install(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  sigemptyset(&action.sa_mask);
  action.sa_handler = on_interrupt; // no SA_RESTART: a read from a terminal ends too
  sigaction(SIGINT, &action, NULL);
  action.sa_handler = on_bus_error;
  sigaction(SIGBUS, &action, NULL);
  action.sa_handler = SIG_DFL;
  sigaction(SIGPIPE, &action, NULL);
  action.sa_handler = SIG_IGN; // a file that may not grow is an error of the write
  sigaction(SIGXFSZ, &action, NULL);
}

void tl_cli_signals_defer(void) {
  is_deferred = 1;
}

bool tl_cli_signals_take(void) {
  bool was_interrupted = is_interrupted;
  is_interrupted = 0;
  return was_interrupted;
}

bool tl_cli_interrupted(void) {
  return is_interrupted;
}
