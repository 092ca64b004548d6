// What `tlmrt tune` measured, kept beside a plan as PLAN.tune: which way of a set (base/plan.h) is
// the fastest for so many rows of a step, on the GPU where it was measured.
//
//   tlmc tuning 1
//   plan 3f0a..                  the plan's digest
//   device 9.0 NVIDIA H200       as the device calls itself
//   way 0 1 8 0 8 0              program, set, rows; then the way by its launches' guard: the
//   way 0 1 64 33 64 0           least T, the most T, and what it says of a library
//   sum 0123456789abcdef         XXH3 of all bytes before this line
//
// A way is for the rows behind those of the line before it of the same set, up to its own. For
// more rows than were measured, and for sets without a line, guards say what runs, as they do
// without the file: it is never needed. Read strictly; who finds anything wrong with it does
// without it.
#ifndef TL_PLAN_TUNING_H
#define TL_PLAN_TUNING_H

#include "runtime/base/arena.h"
#include "runtime/base/hash.h"
#include "runtime/plan/plan.h"

enum {
  TL_TUNING_VERSION = 1,
  TL_TUNING_DEVICE_BYTES = 160,
  TL_TUNING_WAYS_MAX = 4096,
  TL_TUNING_BYTES_MAX = 1 << 19
};

typedef struct tl_tuning_way {
  uint32_t program, set; // row of the program table; set of its launches
  uint32_t rows;         // at most
  uint32_t guard_min, guard_max, guard_library;
} tl_tuning_way;

typedef struct tl_tuning {
  uint8_t plan[TL_SHA256_BYTES];
  char device[TL_TUNING_DEVICE_BYTES]; // without control characters
  tl_tuning_way ways[TL_TUNING_WAYS_MAX];
  uint32_t ways_count;
} tl_tuning;

// Whether a launch of the way's set belongs to the way.
static inline bool tl_tuning_has(const tl_tuning_way *way, const tl_plan_launch *launch) {
  return launch->set == way->set && launch->guard_min == way->guard_min &&
         launch->guard_max == way->guard_max && launch->guard_library == way->guard_library;
}

// The way that a launch of `set` has for a step of `rows` rows; NULL = guards say it. Accepts NULL
// for `tuning`.
const tl_tuning_way *tl_tuning_find(const tl_tuning *tuning, uint32_t program, uint32_t set,
                                    uint32_t rows);

// Adds what was measured for more rows than everything before it of its set. False if there is no
// room for more.
bool tl_tuning_add(tl_tuning *tuning, const tl_tuning_way *way) TL_CHECKED;

// Reads what tl_tuning_print made. TL_INPUT without a sentence for anything else.
tl_status tl_tuning_parse(tl_str text, tl_tuning *out_tuning) TL_CHECKED;

// The file's text on `arena`. TL_MEMORY if it is full.
tl_status tl_tuning_print(const tl_tuning *tuning, tl_arena *arena, tl_str *out_text) TL_CHECKED;

// True if each way is one of the launches of its program, which is for `target`.
bool tl_tuning_fits(const tl_tuning *tuning, const tl_plan_tables *tables, uint32_t target);

// Reads the file beside the plan `path`. TL_OK with `out_found` false if there is none. TL_IO, or
// TL_INPUT for one that is damaged, with a sentence that names it.
tl_status tl_tuning_read(const char *path, tl_tuning *out_tuning, bool *out_found,
                         tl_diag *diag) TL_CHECKED;

// Writes it in one piece: killed at any moment, the name holds what it held before or all of the
// new file. TL_IO, TL_MEMORY.
tl_status tl_tuning_write(const tl_tuning *tuning, const char *path, tl_diag *diag) TL_CHECKED;

#endif
