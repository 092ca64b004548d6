// Implementation of available.h: /proc/meminfo and the control group.
#include "runtime/cli/available.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SYSTEM_TEXT_BYTES = 4096 };

// A number in a file of the system, behind `key` or at its start; false if there is none.
static bool system_number(const char *path, const char *key, uint64_t *out_value) {
  char text[SYSTEM_TEXT_BYTES];
  FILE *file = fopen(path, "re");
  if (!file) return false;
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  const char *place = strstr(text, key);
  return place && sscanf(place + strlen(key), "%" SCNu64, out_value) == 1;
}

uint64_t tl_cli_available_bytes(void) {
  uint64_t available = 0, limit, used;
  if (system_number("/proc/meminfo", "MemAvailable:", &available)) available <<= 10;
  if (system_number("/sys/fs/cgroup/memory.max", "", &limit) &&
      system_number("/sys/fs/cgroup/memory.current", "", &used)) {
    uint64_t left = limit > used ? limit - used : 0;
    if (left < available) available = left;
  }
  return available;
}
