// NVRTC, NVIDIA's compiler as a library: CUDA source to machine code of any GPU generation, without
// a GPU. Loaded when it is first needed, from a toolkit or from a Python wheel's folder; tlmc is
// built and runs without it.
#ifndef TL_COMPILER_CODEGEN_NVRTC_H
#define TL_COMPILER_CODEGEN_NVRTC_H

#include "runtime/base/arena.h"
#include "runtime/base/diag.h"

typedef struct tl_nvrtc tl_nvrtc;

typedef struct tl_nvrtc_source {
  const char *name;         // for errors
  tl_str text;              // ends with a NUL; includes embedded texts by path
  const char *architecture; // `sm_80` for a cubin, `compute_80` for a text that the driver compiles
} tl_nvrtc_source;

typedef struct tl_nvrtc_code {
  tl_str bytes;
  tl_str text;         // beside a cubin, what it was assembled from: the code for `compute_80`, ..
  int64_t registers;   // of a thread, as the assembler says; 0 for a text
  int64_t spill_bytes; // stored and loaded, of a thread
  int64_t stack_bytes; // of a thread
} tl_nvrtc_code;

// Looks for libnvrtc.so.12 and .13 where the system looks for libraries ($LD_LIBRARY_PATH is for a
// wheel's folder), then in /usr/local/cuda, then in nvrtc/ beside this program. TL_UNSUPPORTED says
// what to install.
tl_status tl_nvrtc_open(tl_arena *arena, tl_nvrtc **out_nvrtc, tl_diag *diag) TL_CHECKED;

// Accepts NULL.
void tl_nvrtc_close(tl_nvrtc *nvrtc);

// Everything besides a source that its code depends on: the library's version and the options.
const char *tl_nvrtc_flags(const tl_nvrtc *nvrtc);

// Compiles `source`; the code is on `arena`. TL_INTERNAL with the compiler's first words if it
// complains, and if registers were spilled or a limit was ignored: such a kernel would be slow. One
// thread.
tl_status tl_nvrtc_compile(const tl_nvrtc *nvrtc, const tl_nvrtc_source *source, tl_arena *arena,
                           tl_nvrtc_code *out_code, tl_diag *diag) TL_CHECKED;

#endif
