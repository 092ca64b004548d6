// The tlmrt beside this program: what needs a runtime is done by it, as the compiler links none.
//
//   char *argv[] = {"tlmrt", "logits", "a.plan", .., NULL};
//   TL_TRY(tl_tlmrt_run(argv, diag));
#ifndef TL_COMPILER_CLI_TLMRT_H
#define TL_COMPILER_CLI_TLMRT_H

#include "runtime/base/diag.h"

// Replaces this process by tlmrt. Returns only if that fails: TL_IO.
tl_status tl_tlmrt_become(char **argv, tl_diag *diag) TL_CHECKED;

// Runs tlmrt and waits for it; it shares stdin, stdout and stderr, so what goes wrong it says
// itself: a failure of its own comes back as the status of its exit code, with a diagnostic that
// names the command. `argv` ends with NULL; argv[0] is "tlmrt", argv[1] the command.
tl_status tl_tlmrt_run(char **argv, tl_diag *diag) TL_CHECKED;

#endif
