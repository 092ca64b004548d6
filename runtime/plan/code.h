// Machine code of a plan, made executable without ever being writable at the same time.
//
// Three ways, tried in order: straight from the file; from a sealed memory file (where the plan
// lies on a filesystem mounted noexec); from anonymous memory that is made executable once it is
// filled.
#ifndef TL_PLAN_CODE_H
#define TL_PLAN_CODE_H

#include "runtime/base/diag.h"

typedef enum tl_code_way {
  TL_CODE_FILE,
  TL_CODE_MEMORY_FILE,
  TL_CODE_ANONYMOUS,
  TL_CODE_WAYS_COUNT
} tl_code_way;

typedef struct tl_code {
  const char *bytes; // text, then constants; NULL = nothing is mapped
  size_t bytes_count;
  tl_code_way way; // that worked
} tl_code;

typedef struct tl_code_source {
  int file;          // descriptor of the plan
  const char *name;  // of the plan, for errors
  uint64_t offset;   // of the image in the file, a multiple of 64 KiB
  const char *bytes; // the verified image
  size_t bytes_count;
  size_t text_bytes; // executable part; the rest is mapped read-only
} tl_code_source;

// Maps `source`, trying `first` and the ways after it. TL_IO tells what forbade it and what to
// change. Release with tl_code_unmap.
tl_status tl_code_map(const tl_code_source *source, tl_code_way first, tl_code *out_code,
                      tl_diag *diag) TL_CHECKED;

// Accepts a zeroed or failed mapping.
void tl_code_unmap(tl_code *code);

#endif
