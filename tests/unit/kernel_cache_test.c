// The cache of compiled kernels: what is put comes back, what is damaged or cut does not, and a
// place that cannot be written is no fault.
#include "compiler/codegen/kernel_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/check.h"

enum { BYTES = 1000, ARENA_BYTES = 1 << 20 };

static char code_bytes[BYTES];

static void write_file(const char *path, const char *bytes, size_t count) {
  FILE *out = fopen(path, "wb");
  CHECK(out && fwrite(bytes, 1, count, out) == count && fclose(out) == 0);
}

static size_t read_file(const char *path, char *out, size_t room) {
  FILE *in = fopen(path, "rb");
  CHECK(in);
  size_t count = fread(out, 1, room, in);
  CHECK(fclose(in) == 0);
  return count;
}

static void test_entry(const tl_kernel_cache_entry *entry, tl_arena *arena) {
  static char bytes[2 * BYTES];
  tl_kernel_code code = {.bytes = {code_bytes, BYTES}, .registers = 77}, found;
  CHECK(!tl_kernel_cache_get(entry, arena, &found));
  tl_kernel_cache_put(entry, &code);
  CHECK(tl_kernel_cache_get(entry, arena, &found) && found.registers == 77);
  CHECK(found.bytes.length == BYTES && memcmp(found.bytes.data, code_bytes, BYTES) == 0);
  size_t count = read_file(entry->path, bytes, sizeof bytes);
  for (size_t at = 0; at < count; at += 7) { // any byte
    bytes[at] ^= 1;
    write_file(entry->path, bytes, count);
    CHECK(!tl_kernel_cache_get(entry, arena, &found));
    bytes[at] ^= 1;
  }
  for (size_t cut = 0; cut < count; cut += 13) {
    write_file(entry->path, bytes, cut);
    CHECK(!tl_kernel_cache_get(entry, arena, &found));
  }
  tl_kernel_cache_put(entry, &code); // replaces it
  CHECK(tl_kernel_cache_get(entry, arena, &found));
  CHECK(unlink(entry->path) == 0);
}

static tl_kernel_cache_entry entry_of(const char *text) {
  tl_kernel_cache_entry entry;
  tl_sha256 sha;
  tl_sha256_init(&sha);
  tl_sha256_add(&sha, text, strlen(text));
  tl_kernel_cache_find(&sha, &entry);
  return entry;
}

// An entry for all that code depends on; none without a place.
static void test_find(const char *folder) {
  CHECK(setenv("XDG_CACHE_HOME", folder, 1) == 0);
  tl_kernel_cache_entry entry = entry_of("a");
  CHECK(entry.path[0] && strcmp(entry.path, entry_of("a").path) == 0);
  CHECK(strcmp(entry.path, entry_of("b").path) != 0);
  CHECK(unsetenv("XDG_CACHE_HOME") == 0 && unsetenv("HOME") == 0);
  CHECK(!entry_of("a").path[0]);
}

int main(void) {
  char folder[64], path[72];
  tl_arena arena;
  tl_kernel_cache_entry entry, nowhere = {""}, bad = {"/proc/none/entry"};
  tl_kernel_code code = {.bytes = {code_bytes, BYTES}};
  tl_arena_init(&arena, ARENA_BYTES);
  for (int i = 0; i < BYTES; i++)
    code_bytes[i] = (char)(i * 37);
  snprintf(folder, sizeof folder, "./kernel_cache_%ld", (long)getpid());
  CHECK(mkdir(folder, 0700) == 0);
  snprintf(entry.path, sizeof entry.path, "%s/entry", folder);
  test_entry(&entry, &arena);
  tl_kernel_cache_put(&nowhere, &code);
  tl_kernel_cache_put(&bad, &code);
  CHECK(!tl_kernel_cache_get(&nowhere, &arena, &code));
  CHECK(!tl_kernel_cache_get(&bad, &arena, &code));
  test_find(folder);
  snprintf(path, sizeof path, "%s/tlmc", folder);
  rmdir(path);
  CHECK(rmdir(folder) == 0);
  tl_arena_finish(&arena);
  return 0;
}
