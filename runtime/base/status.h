// Status codes: every fallible function returns one.
//
// A status says which kind of thing went wrong; the sentence for the user is in the tl_diag sink
// that travels with the call. Assertions are for our own bugs, statuses for the world's.
#ifndef TL_BASE_STATUS_H
#define TL_BASE_STATUS_H

// X(name, exit code of the executables, text, when to use it rather than its neighbour)
#define TL_STATUS_MAP(X)                                                                           \
  X(OK, 0, "ok", "nothing went wrong")                                                             \
  X(USAGE, 2, "usage", "the command line or an API argument; the files are fine")                  \
  X(INPUT, 3, "bad input", "a file the user gave is malformed or contradicts itself")              \
  X(UNSUPPORTED, 4, "unsupported", "well formed, but this version cannot do it")                   \
  X(IO, 5, "input/output", "the operating system refused to open, read, map or write")             \
  X(MEMORY, 6, "out of memory", "a reservation failed, or a declared limit was hit")               \
  X(DEVICE, 7, "device", "an accelerator or its driver failed")                                    \
  X(CANCELLED, 8, "cancelled", "the caller asked to stop; partial results are valid")              \
  X(INTERNAL, 70, "internal error", "our bug: an invariant of the program does not hold")

typedef enum tl_status {
#define TL_STATUS_ENUM(name, exit_code, text, use) TL_##name,
  TL_STATUS_MAP(TL_STATUS_ENUM)
#undef TL_STATUS_ENUM
      TL_STATUS_COUNT
} tl_status;

#define TL_CHECKED __attribute__((warn_unused_result))

static inline int tl_ok(tl_status status) {
  return status == TL_OK;
}

// Static text of `status`; never NULL, also for a value outside the enum.
const char *tl_status_text(tl_status status);

// Exit code the executables use for `status`.
int tl_status_exit_code(tl_status status);

// Returns from the calling function on failure. Only where the caller owns nothing that must be
// released (code that lives on arenas); elsewhere chain `if (tl_ok(status)) status = next();`.
#define TL_TRY(expr)                                                                               \
  do {                                                                                             \
    tl_status tl_try_status = (expr);                                                              \
    if (tl_try_status != TL_OK) return tl_try_status;                                              \
  } while (0)

#endif
