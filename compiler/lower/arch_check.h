// What can be told of an architecture file without a config: forms and keys of all definitions, and
// the grammar of all expressions. Private to compiler/lower; part of loading.
#ifndef TL_COMPILER_LOWER_ARCH_CHECK_H
#define TL_COMPILER_LOWER_ARCH_CHECK_H

#include "compiler/lower/arch.h"

// Checks one part, an object of sections. Reports all faults; TL_INPUT if there are any.
tl_status tl_arch_check(tl_arena *arena, const tl_yaml *part, tl_diag *diag) TL_CHECKED;

#endif
