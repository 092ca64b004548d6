// Statuses and sentences of the public interface, and option structs of other versions.
#include <stdarg.h>
#include <stdio.h>

#include "runtime/engine/session.h"

static tlmc_status public_status(tl_status status) {
  switch (status) {
  case TL_OK: return TLMC_OK;
  case TL_USAGE: return TLMC_USAGE;
  case TL_INPUT: return TLMC_INPUT;
  case TL_UNSUPPORTED: return TLMC_UNSUPPORTED;
  case TL_IO: return TLMC_IO;
  case TL_MEMORY: return TLMC_MEMORY;
  case TL_DEVICE: return TLMC_DEVICE;
  case TL_CANCELLED: return TLMC_CANCELLED;
  default: return TLMC_INTERNAL;
  }
}

const char *tlmc_status_text(tlmc_status status) {
  for (int s = 0; s < TL_STATUS_COUNT; s++) {
    if (public_status((tl_status)s) == status) return tl_status_text((tl_status)s);
  }
  return tl_status_text(TL_INTERNAL);
}

const char *tlmc_version(void) {
  return TLMC_VERSION;
}

tlmc_status tl_error_set(tlmc_error *error, tlmc_status status, const char *format, ...) {
  if (!error) return status;
  va_list args;
  va_start(args, format);
  vsnprintf(error->text, sizeof error->text, format, args);
  va_end(args);
  error->status = status;
  return status;
}

tlmc_status tl_error_fill(tlmc_error *error, tl_status status, const tl_diag *diag) {
  if (tl_ok(status)) return TLMC_OK;
  const char *text = diag && diag->count > 0 ? diag->entries[0].text : tl_status_text(status);
  return tl_error_set(error, public_status(status), "%s", text);
}

bool tl_options_read(const void *options, size_t known, void *out_options) {
  size_t size = 0;
  memset(out_options, 0, known);
  if (!options) {
    memcpy(out_options, &known, sizeof known);
    return true;
  }
  memcpy(&size, options, sizeof size);
  if (size < known || size > TL_OPTIONS_BYTES_MAX) return false;
  const char *bytes = options;
  for (size_t i = known; i < size; i++) {
    if (bytes[i] != 0) return false;
  }
  memcpy(out_options, options, known);
  return true;
}
