// Loads the driver's functions by name.
#include "runtime/device/cuda/driver.h"

#include <dlfcn.h>
#include <string.h>

enum { VERSION_MIN = 12000 }; // launches with attributes; graphs are instantiated with flags

static tl_status find_functions(tl_cuda_driver *driver, tl_diag *diag) {
#define X(field, symbol, parameters)                                                               \
  void *at_##field = dlsym(driver->library, #symbol);                                              \
  if (!at_##field) {                                                                               \
    return tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0},                                       \
                         "the NVIDIA driver is too old: it has no " #symbol                        \
                         "; install one for CUDA 12 or later");                                    \
  }                                                                                                \
  memcpy(&driver->field, &at_##field, sizeof at_##field);
  TL_CUDA_FUNCTION_MAP(X)
#undef X
  return TL_OK;
}

static tl_status start(const tl_cuda_driver *driver, tl_diag *diag) {
  int version = 0, count = 0;
  if (driver->init(0) != 0 || driver->device_count(&count) != 0 || count == 0) {
    return tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0},
                         "the NVIDIA driver finds no GPU: see that `nvidia-smi` lists one, or use "
                         "--device cpu");
  }
  if (driver->version(&version) == 0 && version >= VERSION_MIN) return TL_OK;
  return tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0},
                       "the NVIDIA driver is made for CUDA %d.%d: install one for CUDA 12 or later",
                       version / 1000, version % 1000 / 10);
}

tl_status tl_cuda_driver_open(tl_cuda_driver *out_driver, tl_diag *diag) {
  *out_driver = (tl_cuda_driver){.library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL)};
  if (!out_driver->library) {
    return tl_diag_error(diag, TL_UNSUPPORTED, (tl_span){0},
                         "there is no NVIDIA driver (libcuda.so.1): install one, or use "
                         "--device cpu");
  }
  tl_status status = find_functions(out_driver, diag);
  if (tl_ok(status)) status = start(out_driver, diag);
  if (!tl_ok(status)) tl_cuda_driver_close(out_driver);
  return status;
}

void tl_cuda_driver_close(tl_cuda_driver *driver) {
  if (driver->library) dlclose(driver->library);
  *driver = (tl_cuda_driver){0};
}

tl_status tl_cuda_check(const tl_cuda_driver *driver, tl_cuda_result result, const char *what,
                        tl_diag *diag) {
  const char *name = NULL;
  if (result == 0) return TL_OK;
  if (driver->error_name(result, &name) != 0 || !name) name = "an unknown error";
  return tl_diag_error(diag, result == TL_CUDA_OUT_OF_MEMORY ? TL_MEMORY : TL_IO, (tl_span){0},
                       "the GPU's driver could not %s: %s (%d)", what, name, result);
}
