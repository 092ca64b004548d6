// Reads the affinity mask, /proc/self/cgroup and the quota files that it leads to.
//
//   v2   0::/a/b            <root>/sys/fs/cgroup/a/b/cpu.max       "max 100000" | "50000 100000"
//   v1   4:cpu,cpuacct:/a   <root>/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us and .../cpu.cfs_period_us
//
// Inside a container the path may not exist below the mount; then only its existing parents count.
#include "runtime/base/processors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "runtime/base/str.h"

enum { TEXT_BYTES_MAX = 8192, PATH_BYTES_MAX = 1024, DEPTH_MAX = 64 };

int tl_processors_list(int *out_numbers, int capacity) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) {
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    for (int i = 0; i < online && i < CPU_SETSIZE; i++)
      CPU_SET((size_t)i, &set);
  }
  int count = 0;
  for (int i = 0; i < TL_PROCESSORS_MAX && i < CPU_SETSIZE; i++) {
    if (!CPU_ISSET((size_t)i, &set)) continue;
    if (count < capacity) out_numbers[count] = i;
    count++;
  }
  if (count > 0) return count;
  if (capacity > 0) out_numbers[0] = 0;
  return 1;
}

// The start of a small file; empty if it cannot be read.
static tl_str read_small(const char *path, char buffer[TEXT_BYTES_MAX]) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return (tl_str){buffer, 0};
  size_t used = 0;
  while (used < TEXT_BYTES_MAX) {
    ssize_t got = read(file, buffer + used, TEXT_BYTES_MAX - used);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    used += (size_t)got;
  }
  close(file);
  return (tl_str){buffer, used};
}

// Cuts everything up to the next `separator` (or the end) off the front of `*rest`.
static tl_str cut(tl_str *rest, char separator) {
  size_t length = 0;
  while (length < rest->length && rest->data[length] != separator)
    length++;
  tl_str part = {rest->data, length};
  *rest = tl_str_slice(*rest, length + 1, rest->length);
  return part;
}

static int ratio(tl_str quota, tl_str period) {
  int64_t q, p;
  if (!tl_str_to_i64(tl_str_trim(quota), &q) || !tl_str_to_i64(tl_str_trim(period), &p)) return 0;
  if (q <= 0 || p <= 0) return 0;
  int64_t threads = q / p + (q % p != 0);
  return threads > INT_MAX ? INT_MAX : (int)threads;
}

static int quota_of_folder(const char *folder, bool second_version) {
  char path[PATH_BYTES_MAX + 32], text[TEXT_BYTES_MAX], other[TEXT_BYTES_MAX];
  if (second_version) {
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    tl_str rest = read_small(path, text);
    tl_str quota = cut(&rest, ' ');
    return ratio(quota, rest);
  }
  snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
  tl_str quota = read_small(path, text);
  snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
  return ratio(quota, read_small(path, other));
}

static int tighter(int a, int b) {
  return a == 0 || (b != 0 && b < a) ? b : a;
}

// The tightest quota of `mount`/`path` and all folders above it up to the mount.
static int quota_of_path(const char *mount, tl_str path, bool second_version) {
  int quota = 0;
  for (int depth = 0; depth < DEPTH_MAX; depth++) {
    char folder[PATH_BYTES_MAX];
    int length = snprintf(folder, sizeof folder, "%s%.*s", mount, TL_STR_ARG(path));
    if (length >= 0 && length < (int)sizeof folder)
      quota = tighter(quota, quota_of_folder(folder, second_version));
    if (path.length == 0) break;
    do
      path.length--;
    while (path.length > 0 && path.data[path.length] != '/');
  }
  return quota;
}

static bool has_cpu(tl_str controllers) {
  while (controllers.length > 0)
    if (tl_str_is(cut(&controllers, ','), "cpu")) return true;
  return false;
}

int tl_processors_quota(const char *root) {
  static const char *const mounts[2][2] = {{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"},
                                           {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}};
  char path[PATH_BYTES_MAX], text[TEXT_BYTES_MAX];
  snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  tl_str rest = read_small(path, text);
  int quota = 0;
  while (rest.length > 0) {
    tl_str line = cut(&rest, '\n');
    bool second_version = tl_str_is(cut(&line, ':'), "0");
    tl_str controllers = cut(&line, ':');
    if (!second_version && !has_cpu(controllers)) continue;
    for (int i = 0; i < 2; i++) {
      snprintf(path, sizeof path, "%s%s", root, mounts[second_version][i]);
      quota = tighter(quota, quota_of_path(path, line, second_version));
    }
  }
  return quota;
}

int tl_processors_allowed(int limit) {
  int allowed = tighter(tl_processors_list(NULL, 0), tl_processors_quota(""));
  return allowed < limit ? allowed : limit;
}
