// A plan file, opened, mapped read-only and verified. The reader of what compiler/plan_write.c
// writes; both sides share runtime/base/plan.def.
//
// Everything that is accepted is safe to walk: all offsets, counts and row numbers have been
// checked against what they point into, so the engine checks nothing again. Read only after
// opening; any thread.
#ifndef TL_PLAN_PLAN_H
#define TL_PLAN_PLAN_H

#include "runtime/base/diag.h"
#include "runtime/base/plan.h"

typedef struct tl_plan {
  int file; // holds a shared lock; -1 = not open
  const char *name;
  const char *bytes; // the whole file
  size_t bytes_count;
  const tl_plan_header *header;
  const tl_plan_section *sections;
  tl_plan_tables tables;
} tl_plan;

// Runs `work(context, begin, end)` over [0, count) on all threads there are.
typedef void tl_plan_work(void *context, uint64_t begin, uint64_t end);
typedef struct tl_plan_crew {
  void (*run)(void *crew, uint64_t count, tl_plan_work *work, void *context);
  void *crew;
} tl_plan_crew;

typedef struct tl_plan_open_options {
  bool trust;               // weights are not verified
  const tl_plan_crew *crew; // NULL = the calling thread alone
} tl_plan_open_options;

// Opens `path`, which must outlive the plan. `options` may be NULL. One error says what is wrong
// and names the section: TL_IO, TL_INPUT for damage, TL_UNSUPPORTED for another version. On failure
// nothing stays open.
tl_status tl_plan_open(const char *path, const tl_plan_open_options *options, tl_plan *out_plan,
                       tl_diag *diag) TL_CHECKED;

// Accepts a zeroed plan.
void tl_plan_close(tl_plan *plan);

// The first section of `kind` (for code: of `target`); NULL if there is none.
const tl_plan_section *tl_plan_find(const tl_plan *plan, tl_plan_section_kind kind,
                                    uint32_t target);

// A section's bytes.
tl_str tl_plan_bytes(const tl_plan *plan, const tl_plan_section *section);

static inline const char *tl_plan_string(const tl_plan_tables *tables, uint32_t text) {
  return tables->strings + text;
}

// Reads the programs section into `out_tables` and checks every row of every table. Errors say
// `where`. Apart from files, so that fuzzers reach it.
tl_status tl_plan_tables_read(tl_str programs, uint64_t weights_bytes, const char *where,
                              tl_plan_tables *out_tables, tl_diag *diag) TL_CHECKED;

// Refuses a launch of `target` whose shape is not in `shapes`, the list behind the target's code
// (runtime/base/plan_shape.h). `tables` were read by tl_plan_tables_read.
tl_status tl_plan_tables_check_shapes(const tl_plan_tables *tables, uint32_t target, tl_str shapes,
                                      const char *where, tl_diag *diag) TL_CHECKED;

#endif
