// Looks for the library by the names of its versions, the newest first.
#include "runtime/device/cuda/blas.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum { MAJOR = 10000, MINOR = 100 };

typedef struct candidate {
  const char *file;
  size_t major;
} candidate;

static const candidate candidates[] = {{"libcublasLt.so.13", 13}, {"libcublasLt.so.12", 12}};

static bool find_functions(void *library, tl_blas *blas) {
#define X(field, symbol, result, parameters)                                                       \
  void *at_##field = dlsym(library, #symbol);                                                      \
  if (!at_##field) return false;                                                                   \
  memcpy(&blas->field, &at_##field, sizeof at_##field);
  TL_BLAS_FUNCTION_MAP(X)
#undef X
  return true;
}

// One that cannot be used is left in the process like the others: it may hold what it does not give
// back when it is unloaded.
static bool start(const candidate *own, void *library, tl_blas *blas, char *why, size_t why_bytes) {
  if (!find_functions(library, blas)) {
    snprintf(why, why_bytes, "%s has not all functions", own->file);
    return false;
  }
  size_t version = blas->version();
  if (version / MAJOR != own->major) {
    snprintf(why, why_bytes, "%s is version %zu.%zu, not %zu", own->file, version / MAJOR,
             version % MAJOR / MINOR, own->major);
    return false;
  }
  tl_blas_result result = blas->create(&blas->handle);
  if (result != 0 || !blas->handle) {
    snprintf(why, why_bytes, "%s does not start: %s", own->file, blas->status_name(result));
    blas->handle = NULL;
    return false;
  }
  snprintf(blas->name, sizeof blas->name, "cuBLASLt %zu.%zu.%zu", version / MAJOR,
           version % MAJOR / MINOR, version % MINOR);
  return true;
}

bool tl_blas_open(tl_blas *out_blas, char *out_why, size_t why_bytes) {
  bool is_found = false;
  char why[128];
  for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
    *out_blas = (tl_blas){0};
    void *library = dlopen(candidates[i].file, RTLD_NOW | RTLD_LOCAL);
    if (!library) continue;
    if (start(&candidates[i], library, out_blas, why, sizeof why)) return true;
    if (!is_found) snprintf(out_why, why_bytes, "%s", why); // of the newest
    is_found = true;
  }
  if (!is_found) snprintf(out_why, why_bytes, "there is no cuBLASLt (libcublasLt.so.13 or .12)");
  *out_blas = (tl_blas){0};
  return false;
}

void tl_blas_close(tl_blas *blas) {
  if (blas->handle) blas->destroy(blas->handle);
  *blas = (tl_blas){0};
}
