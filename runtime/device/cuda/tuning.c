// The tuning beside a plan, if there is one for this plan on this GPU.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/device/cuda/state.h"

void tl_cuda_note(tl_cuda_device *d, const char *format, ...) {
  size_t length = strlen(d->note);
  va_list arguments;
  if (length > 0 && length + 2 < sizeof d->note) {
    memcpy(d->note + length, "; ", 3);
    length += 2;
  }
  va_start(arguments, format);
  vsnprintf(d->note + length, sizeof d->note - length, format, arguments);
  va_end(arguments);
}

static void identify(tl_cuda_device *d) {
  char name[TL_TUNING_DEVICE_BYTES - 32] = "";
  int major = 0, minor = 0;
  d->driver.device_name(name, sizeof name, d->gpu);
  d->driver.device_attribute(&major, TL_CUDA_CAPABILITY_MAJOR, d->gpu);
  d->driver.device_attribute(&minor, TL_CUDA_CAPABILITY_MINOR, d->gpu);
  snprintf(d->identity, sizeof d->identity, "%d.%d %s", major, minor, name);
  for (char *at = d->identity; *at; at++)
    *at = (unsigned char)*at < ' ' ? '?' : *at;
}

// Each is a graph more.
static bool has_few_rows(const tl_tuning *tuning) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < tuning->ways_count; i++) {
    uint32_t before = 0;
    while (before < i && tuning->ways[before].rows != tuning->ways[i].rows)
      before++;
    count += before == i;
  }
  return count <= TL_CUDA_TUNED_ROWS_MAX;
}

// Why the tuning is not used; "" if it is.
static const char *fault_of(const tl_cuda_device *d, const tl_tuning *tuning) {
  const tl_device_config *config = &d->config;
  if (memcmp(tuning->plan, config->plan_digest, sizeof tuning->plan) != 0) return "of another plan";
  if (strcmp(tuning->device, d->identity) != 0) return "of another GPU";
  if (!tl_tuning_fits(tuning, config->tables, config->target)) return "of another target";
  return has_few_rows(tuning) ? "" : "damaged";
}

void tl_cuda_tuning_open(tl_cuda_device *d) {
  const tl_device_config *config = &d->config;
  tl_diag diag = {0};
  bool is_found = false;
  identify(d);
  if (config->deterministic || !config->plan_digest) return;
  tl_tuning *tuning = malloc(sizeof *tuning);
  if (!tuning) return; // as without one
  tl_status status = tl_tuning_read(config->file_name, tuning, &is_found, &diag);
  const char *fault = is_found && tl_ok(status) ? fault_of(d, tuning) : "";
  if (!tl_ok(status)) tl_cuda_note(d, "%s: it is ignored", diag.entries[0].text);
  if (*fault) tl_cuda_note(d, "%s.tune is %s: it is ignored", config->file_name, fault);
  if (is_found && tl_ok(status) && !*fault) {
    d->tuning = tuning;
  } else {
    free(tuning);
  }
}
