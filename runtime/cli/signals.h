// Signals of tlmrt: an interrupt ends a generation cleanly, a damaged mapping ends the program with
// one line.
//
//   tl_cli_signals_install();              SIGINT ends the program at once, as without a handler
//   tl_cli_signals_defer();                from here on it asks the command to stop
//   while (!tl_cli_interrupted()) step();  a second SIGINT ends the program at once
//
// Handlers can reach nothing but static objects: the two flags in signals.c are the only mutable
// state of the executable that is not on a stack or an arena.
#ifndef TL_CLI_SIGNALS_H
#define TL_CLI_SIGNALS_H

#include <stdbool.h>

enum { TL_CLI_INTERRUPTED_EXIT = 130 }; // 128 + SIGINT, what shells expect

// SIGINT exits, SIGBUS says that the plan was truncated and exits as TL_IO, SIGPIPE ends the
// program without a word, SIGXFSZ does nothing: the write says it.
void tl_cli_signals_install(void);

// From now on the first SIGINT only sets what tl_cli_interrupted returns.
void tl_cli_signals_defer(void);

bool tl_cli_interrupted(void);

// The same, and forgets it.
bool tl_cli_signals_take(void);

#endif
