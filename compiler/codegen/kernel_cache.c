// Files are written beside their place and renamed over it.
#include "compiler/codegen/kernel_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/codegen/cuda_texts.h"
#include "runtime/base/file.h"
#include "runtime/base/hash.h"

typedef struct head {
  char magic[8];
  int64_t registers;
  uint64_t bytes;
} head;

static const char magic[8] = {'t', 'l', 'm', 'c', 'k', 'e', 'r', 'n'};

static void add_text(tl_sha256 *sha, const char *text) {
  tl_sha256_add(sha, text, strlen(text) + 1);
}

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

void tl_kernel_cache_find(const tl_nvrtc *nvrtc, const tl_nvrtc_source *source,
                          tl_kernel_cache_entry *out_entry) {
  char folder[TL_KERNEL_CACHE_PATH_BYTES / 2 + 8], text[TL_SHA256_TEXT_BYTES];
  uint8_t digest[TL_SHA256_BYTES];
  size_t count = 0;
  const tl_cuda_text *texts = tl_cuda_texts(&count);
  tl_sha256 sha;
  out_entry->path[0] = 0;
  if (!find_folder(folder, sizeof folder)) return;
  tl_sha256_init(&sha);
  add_text(&sha, tl_nvrtc_flags(nvrtc));
  add_text(&sha, source->architecture);
  add_text(&sha, source->text.data);
  for (size_t i = 0; i < count; i++) {
    add_text(&sha, texts[i].path);
    add_text(&sha, texts[i].text);
  }
  tl_sha256_finish(&sha, digest);
  tl_sha256_text(digest, text);
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
                         tl_nvrtc_code *out_code) {
  static tl_diag nowhere;
  tl_file file;
  head h;
  *out_code = (tl_nvrtc_code){0};
  if (!entry->path[0] || access(entry->path, R_OK) != 0) return false;
  if (!tl_ok(tl_file_open(entry->path, &file, &nowhere))) return false;
  tl_str code = code_in(file.bytes, &h);
  if (code.data) {
    out_code->bytes = tl_arena_copy(arena, code);
    out_code->registers = h.registers;
  }
  tl_file_close(&file);
  return out_code->bytes.data;
}

static bool write_parts(FILE *out, const head *h, tl_str code) {
  uint64_t sum = sum_of(h, code);
  return fwrite(h, 1, sizeof *h, out) == sizeof *h &&
         fwrite(code.data, 1, code.length, out) == code.length &&
         fwrite(&sum, 1, sizeof sum, out) == sizeof sum;
}

void tl_kernel_cache_put(const tl_kernel_cache_entry *entry, const tl_nvrtc_code *code) {
  char temporary[TL_KERNEL_CACHE_PATH_BYTES + 32];
  head h = {.registers = code->registers, .bytes = code->bytes.length};
  memcpy(h.magic, magic, sizeof magic);
  if (!entry->path[0]) return;
  snprintf(temporary, sizeof temporary, "%s.%ld", entry->path, (long)getpid());
  FILE *out = fopen(temporary, "wb");
  if (!out) return;
  bool written = write_parts(out, &h, code->bytes);
  written = fclose(out) == 0 && written;
  if (!written || rename(temporary, entry->path) != 0) unlink(temporary);
}
