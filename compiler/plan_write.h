// Writes a plan file: lays its sections out, packs the weights on several threads, hashes all of
// it.
//
//   threads      | take the next 8 MiB of weights -> fill -> checksum each MiB -> write |  repeat
//   at the end   | other sections, header -> sync -> rename over `path` |
//
// The bytes do not depend on `jobs` nor on the machine. Killed at any moment, `path` is untouched
// or whole. Memory: 8 MiB and the filler's scratch per job, and 8 bytes per MiB of weights.
#ifndef TL_COMPILER_PLAN_WRITE_H
#define TL_COMPILER_PLAN_WRITE_H

#include "runtime/base/arena.h"
#include "runtime/base/diag.h"
#include "runtime/base/plan.h"

enum {
  TL_PLAN_JOBS_MAX = 64,
  TL_PLAN_BATCH_BYTES = 8 << 20, // weights filled at once; a multiple of TL_PLAN_CHECKSUM_BYTES
  TL_PLAN_FILL_BYTES = 24 << 20  // what a filler may take of its scratch
};

// Writes bytes [begin, end) of the weights section to `out`, which is zeroed. `begin` is a multiple
// of TL_PLAN_BATCH_BYTES, and so is `end` unless it is the section's. `scratch` is reset after each
// call. Called by all jobs at once, with a scratch and a sink each.
typedef tl_status tl_plan_fill(void *context, uint64_t begin, uint64_t end, char *out,
                               tl_arena *scratch, tl_diag *diag);

typedef struct tl_plan_parts {
  tl_str meta;                  // JSON
  tl_str tokenizer;             // runtime/base/tokenizer_table.h; empty = none
  tl_str chat_template;         // empty = none
  const tl_plan_tables *tables; //
  const tl_str *images;         // code of each row of the target table, without the shapes
  tl_plan_fill *fill;           // NULL = a skeleton; the tables' has_weights says the same
  void *fill_context;           //
} tl_plan_parts;

// Writes `path` with `jobs` threads (1 to TL_PLAN_JOBS_MAX). `scratch` holds what is built on the
// way. TL_IO, TL_MEMORY, TL_USAGE for a wrong number of jobs, TL_INTERNAL if the parts contradict
// each other, or what `fill` returns; then `path` is as it was.
tl_status tl_plan_write(const tl_plan_parts *parts, const char *path, int jobs, tl_arena *scratch,
                        tl_diag *diag) TL_CHECKED;

#endif
