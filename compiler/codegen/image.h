// A flat code image: relocatable objects laid out once, so that the runtime maps it and jumps.
//
//   | text of all objects | zeros up to a multiple of 64 KiB | constants of all objects |
//
// Everything is addressed relative to the instruction, so the image runs wherever it is mapped as
// long as the distance between its two parts is kept. Objects may hold nothing that needs a loader:
// writable data, thread-local data, tables of addresses and undefined symbols are refused.
#ifndef TL_COMPILER_CODEGEN_IMAGE_H
#define TL_COMPILER_CODEGEN_IMAGE_H

#include "runtime/base/arena.h"
#include "runtime/base/diag.h"

typedef struct tl_object {
  tl_str name;  // for errors
  tl_str bytes; // an x86-64 ELF relocatable object
} tl_object;

typedef struct tl_image {
  char *bytes;
  size_t bytes_count;
  size_t text_bytes; // of the executable part
  uint32_t *entries; // for each object: offset of its symbol tl_kernel_entry
} tl_image;

// Lays out `objects` in order on `arena`. TL_INTERNAL names the object and what it holds that an
// image cannot.
tl_status tl_image_build(const tl_object *objects, size_t count, tl_arena *arena,
                         tl_image *out_image, tl_diag *diag) TL_CHECKED;

#endif
