// A safetensors file: mapped, its header read and checked in full.
//
//   | header length, 8 bytes LE | header, JSON | data of all tensors, without holes |
//
//   {"__metadata__": {"format": "pt"},
//    "lm_head.weight": {"dtype": "BF16", "shape": [49152, 576], "data_offsets": [0, 56623104]}}
//
// After a successful open every tensor's bytes lie in the file, belong to it alone, and are what
// its dims and type need. Read only afterwards; any number of threads.
#ifndef TL_LOAD_SAFETENSORS_H
#define TL_LOAD_SAFETENSORS_H

#include "compiler/load/name_index.h"
#include "compiler/load/tensor.h"
#include "runtime/base/file.h"
#include "runtime/base/json_tree.h"

enum {
  TL_SAFETENSORS_HEADER_MAX = 100 * 1000 * 1000, // bytes; the limit of the format's own reader
  TL_SAFETENSORS_TENSORS_MAX = 1 << 20
};

typedef struct tl_safetensors {
  tl_file file;            // closed if the bytes are the caller's
  const tl_source *header; // a copy of its text, named by the file's path
  const tl_json *metadata; // of "__metadata__": an object of strings, or NULL
  tl_tensor *tensors;      // in the order of their data
  uint32_t tensors_count;
  tl_name_index names; // numbers are those of `tensors`
} tl_safetensors;

// Opens `path` (copied); everything but the mapping is on `arena`, the header's text for
// diagnostics too. TL_INPUT with all faults found (several tensors may be wrong), TL_UNSUPPORTED
// for element types this version does not know, TL_IO, TL_MEMORY. The caller closes after success;
// after a failure nothing is open.
tl_status tl_safetensors_open(tl_arena *arena, const char *path, tl_safetensors *out_file,
                              tl_diag *diag) TL_CHECKED;

// The same for bytes in memory, which must outlive the result; `name` is copied.
tl_status tl_safetensors_read(tl_arena *arena, const char *name, tl_str bytes,
                              tl_safetensors *out_file, tl_diag *diag) TL_CHECKED;

// Unmaps the file; views of it end here. Accepts a zeroed or closed object.
void tl_safetensors_close(tl_safetensors *file);

// The tensor called `name`, or NULL.
const tl_tensor *tl_safetensors_find(const tl_safetensors *file, tl_str name);

#endif
