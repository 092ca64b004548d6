// What is true of every program; checked after each pass that makes or changes one.
//
//   1. a buffer is stored by one kernel, and read only by kernels after it
//   2. operands are of the kinds that statements.def names, units lie in one tile, and only tiles
//      of two weights have halves
//   3. tiles of a kernel's segments come from as many weights each, of one format and width
//   4. the output is stored, with a row per wanted row
#ifndef TL_COMPILER_PROGRAM_VERIFY_H
#define TL_COMPILER_PROGRAM_VERIFY_H

#include "compiler/program/program.h"

// Reports every breach. TL_INTERNAL: only a pass can cause one.
tl_status tl_program_verify(const tl_program *program, tl_diag *diag) TL_CHECKED;

#endif
