// Plans as text: reads what `tlmrt info --text` prints (runtime/plan/describe.h has an example), so
// that tests of the runtime need no compiler.
//
//   print(read(text)) == text          for text that was printed
//   read(print(plan)) equals the plan  as tests/lib/plan_equal.h has it
//
// Words are separated by spaces; a line that begins with `#`, `section`, `memory` or `launches`
// says nothing. Rows must come before what refers to them. Only references and enumerations are
// checked: whether the numbers make sense is for the loader (runtime/plan/tables.c) to say.
#ifndef TL_TESTS_PLAN_TEXT_H
#define TL_TESTS_PLAN_TEXT_H

#include "runtime/base/arena.h"
#include "runtime/plan/plan.h"

enum { TL_PLAN_TEXT_BYTES_MAX = 1 << 26, TL_PLAN_TEXT_ROWS_MAX = 1 << 20 };

// Reads `source` into the name and the tables of `out_plan`, which has nothing else and needs no
// closing; all of it is on `arena`. TL_INPUT with the place of the first fault, or TL_MEMORY; then
// `out_plan` is zeroed.
tl_status tl_plan_text_read(const tl_source *source, tl_arena *arena, tl_plan *out_plan,
                            tl_diag *diag) TL_CHECKED;

#endif
