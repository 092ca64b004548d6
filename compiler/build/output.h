// Where a plan may be written. Asked before anything is read, so that an hour's build does not end
// at a wrong path, and so that a path that was mixed up does not cost the file that is there.
#ifndef TL_COMPILER_BUILD_OUTPUT_H
#define TL_COMPILER_BUILD_OUTPUT_H

#include "runtime/base/diag.h"

// TL_USAGE if `path` is empty or names a file that is neither empty nor a plan, which would be
// replaced; TL_IO if it is no file or its folder cannot be written to. What changes until the plan
// is written is found then.
tl_status tl_build_check_output(const char *path, tl_diag *diag) TL_CHECKED;

#endif
