// The meta section of a plan: what it was made from, as JSON.
#ifndef TL_COMPILER_BUILD_META_H
#define TL_COMPILER_BUILD_META_H

#include <limits.h>

#include "compiler/build/build.h"

// The own name of the folder or file `path`, also of `.`; a view into `path` or `room`.
tl_str tl_build_model_name(const char *path, char room[PATH_MAX]);

// Nothing in it depends on the machine, the time or where the folder lies.
tl_status tl_build_meta(tl_build *build, const tl_build_options *options,
                        tl_str *out_text) TL_CHECKED;

#endif
