// Tables behind status.h, expanded from the one list there.
#include "runtime/base/status.h"

static const char *const texts[] = {
#define X(name, exit_code, text, use) text,
    TL_STATUS_MAP(X)
#undef X
};

static const int exit_codes[] = {
#define X(name, exit_code, text, use) exit_code,
    TL_STATUS_MAP(X)
#undef X
};

const char *tl_status_text(tl_status status) {
  return (unsigned)status < TL_STATUS_COUNT ? texts[status] : "unknown status";
}

int tl_status_exit_code(tl_status status) {
  return (unsigned)status < TL_STATUS_COUNT ? exit_codes[status] : exit_codes[TL_INTERNAL];
}
