// Entries are whole files or none; what tells a damaged one is its sum.
#include "compiler/codegen/kernel_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/file_writer.h"

typedef struct head {
  char magic[8];
  int64_t registers;
  uint64_t bytes;
} head;

static const char magic[8] = {'t', 'l', 'm', 'c', 'k', 'e', 'r', 'n'};

// Creates the folder if its parent is there. False if there is none.
static bool find_folder(char *out, size_t bytes) {
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  char parent[TL_KERNEL_CACHE_PATH_BYTES / 2];
  int length = cache && *cache ? snprintf(parent, sizeof parent, "%s", cache)
               : home && *home ? snprintf(parent, sizeof parent, "%s/.cache", home)
                               : 0;
  if (length <= 0 || (size_t)length >= sizeof parent) return false;
  mkdir(parent, 0700);
  snprintf(out, bytes, "%s/tlmc", parent);
  mkdir(out, 0700);
  return access(out, W_OK) == 0;
}

void tl_kernel_cache_find(tl_sha256 *made_from, tl_kernel_cache_entry *out_entry) {
  char folder[TL_KERNEL_CACHE_PATH_BYTES / 2 + 8], text[TL_SHA256_TEXT_BYTES];
  uint8_t digest[TL_SHA256_BYTES];
  tl_sha256_finish(made_from, digest);
  tl_sha256_text(digest, text);
  out_entry->path[0] = 0;
  if (!find_folder(folder, sizeof folder)) return;
  snprintf(out_entry->path, sizeof out_entry->path, "%s/%s", folder, text);
}

static uint64_t sum_of(const head *h, tl_str code) {
  return tl_hash64(code.data, code.length, tl_hash64(h, sizeof *h, 0));
}

// The code within a file's bytes; data is NULL if it is damaged.
static tl_str code_in(tl_str bytes, head *out_head) {
  uint64_t sum;
  if (bytes.length < sizeof *out_head + sizeof sum) return (tl_str){0};
  memcpy(out_head, bytes.data, sizeof *out_head);
  memcpy(&sum, bytes.data + bytes.length - sizeof sum, sizeof sum);
  tl_str code = tl_str_slice(bytes, sizeof *out_head, bytes.length - sizeof sum);
  bool is_whole = memcmp(out_head->magic, magic, sizeof magic) == 0 &&
                  out_head->bytes == code.length && sum == sum_of(out_head, code);
  return is_whole ? code : (tl_str){0};
}

bool tl_kernel_cache_get(const tl_kernel_cache_entry *entry, tl_arena *arena,
                         tl_kernel_code *out_code) {
  tl_file file;
  head h;
  *out_code = (tl_kernel_code){0};
  if (!entry->path[0] || access(entry->path, R_OK) != 0) return false;
  if (!tl_ok(tl_file_open(entry->path, &file, NULL))) return false;
  tl_str code = code_in(file.bytes, &h);
  if (code.data) {
    out_code->bytes = tl_arena_copy(arena, code);
    out_code->registers = h.registers;
  }
  tl_file_close(&file);
  return out_code->bytes.data;
}

void tl_kernel_cache_put(const tl_kernel_cache_entry *entry, const tl_kernel_code *code) {
  tl_file_writer writer;
  head h = {.registers = code->registers, .bytes = code->bytes.length};
  memcpy(h.magic, magic, sizeof magic);
  uint64_t sum = sum_of(&h, code->bytes);
  if (!entry->path[0] || !tl_ok(tl_file_writer_open(entry->path, &writer, NULL))) return;
  size_t end = sizeof h + code->bytes.length;
  tl_status status = tl_file_writer_write(&writer, 0, &h, sizeof h, NULL);
  if (tl_ok(status))
    status = tl_file_writer_write(&writer, sizeof h, code->bytes.data, code->bytes.length, NULL);
  if (tl_ok(status)) status = tl_file_writer_write(&writer, end, &sum, sizeof sum, NULL);
  if (tl_ok(status)) status = tl_file_writer_publish(&writer, NULL);
  (void)status; // without a place there is no cache
  tl_file_writer_close(&writer);
}
