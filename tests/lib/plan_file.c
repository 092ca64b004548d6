// Implementation of plan_file.h: a file in memory, mapped twice.
#include "tests/lib/plan_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/hash.h"
#include "tests/lib/check.h"

static char *map_file(int fd, size_t size, int rights, int flags) {
  char *bytes = mmap(NULL, size, rights, flags, fd, 0);
  CHECK(bytes != MAP_FAILED);
  return bytes;
}

void plan_file_open(plan_file *file, const char *path) {
  struct stat info;
  int source = open(path, O_RDONLY);
  CHECK(source >= 0 && fstat(source, &info) == 0);
  *file = (plan_file){.fd = memfd_create("plan", MFD_CLOEXEC), .size = (size_t)info.st_size};
  CHECK(file->fd >= 0 && ftruncate(file->fd, info.st_size) == 0);
  snprintf(file->path, sizeof file->path, "/proc/self/fd/%d", file->fd);
  file->original = map_file(source, file->size, PROT_READ, MAP_PRIVATE);
  file->bytes = map_file(file->fd, file->size, PROT_READ | PROT_WRITE, MAP_SHARED);
  close(source);
  memcpy(file->bytes, file->original, file->size);
  const tl_plan_section *code = plan_file_section(file, TL_PLAN_SECTION_CODE);
  CHECK(code);
  file->head = code->offset;
}

void plan_file_close(plan_file *file) {
  munmap(file->bytes, file->size);
  munmap(file->original, file->size);
  close(file->fd);
}

tl_plan_section *plan_file_section(const plan_file *file, tl_plan_section_kind kind) {
  const tl_plan_header *header = (const tl_plan_header *)file->original;
  const tl_plan_section *sections = (const tl_plan_section *)(header + 1);
  for (uint32_t i = 0; i < header->sections_count; i++) {
    if (sections[i].kind == (uint32_t)kind)
      return (tl_plan_section *)(file->bytes + sizeof *header) + i;
  }
  return NULL;
}

// In the good plan.
static const tl_plan_extent *extent_of(const plan_file *file, tl_plan_table table,
                                       uint64_t *out_section) {
  const char *row = (const char *)plan_file_section(file, TL_PLAN_SECTION_PROGRAMS);
  const tl_plan_section *programs = (const tl_plan_section *)(file->original + (row - file->bytes));
  *out_section = programs->offset;
  const char *extents = file->original + programs->offset + sizeof(tl_plan_directory);
  return (const tl_plan_extent *)extents + table;
}

void *plan_file_row(const plan_file *file, tl_plan_table table, uint32_t row) {
  uint64_t section;
  const tl_plan_extent *extent = extent_of(file, table, &section);
  CHECK(row < extent->count);
  return file->bytes + section + extent->offset + (size_t)row * extent->row_bytes;
}

uint32_t plan_file_rows(const plan_file *file, tl_plan_table table) {
  uint64_t section;
  return extent_of(file, table, &section)->count;
}

size_t plan_file_row_bytes(tl_plan_table table) {
  static const size_t sizes[TL_PLAN_TABLES_COUNT] = {
#define X(name) sizeof(tl_plan_##name),
      TL_PLAN_TABLE_MAP(X)
#undef X
  };
  return sizes[table];
}

static void digest_of(const char *bytes, size_t count, uint8_t out_digest[TL_SHA256_BYTES]) {
  tl_sha256 sha;
  tl_sha256_init(&sha);
  tl_sha256_add(&sha, bytes, count);
  tl_sha256_finish(&sha, out_digest);
}

static bool lies_within(const plan_file *file, const tl_plan_section *section) {
  return section && section->offset <= file->size && section->bytes <= file->size - section->offset;
}

// Whether `section`, a row of the file, is as in the good plan.
static bool is_original(const plan_file *file, const tl_plan_section *section) {
  size_t at = (size_t)((const char *)section - file->bytes);
  return memcmp(section, file->original + at, sizeof *section) == 0;
}

static void seal_weights(plan_file *file) {
  const tl_plan_section *weights = plan_file_section(file, TL_PLAN_SECTION_WEIGHTS);
  const tl_plan_section *checksums = plan_file_section(file, TL_PLAN_SECTION_CHECKSUMS);
  if (!lies_within(file, weights) || !lies_within(file, checksums)) return;
  if (!file->weights_changed && is_original(file, weights) && is_original(file, checksums)) {
    uint64_t at = checksums->offset;
    memcpy(file->bytes + at, file->original + at, checksums->bytes);
    return;
  }
  for (uint64_t i = 0; i < checksums->bytes / 8; i++) {
    uint64_t at = i * TL_PLAN_CHECKSUM_BYTES, rest = weights->bytes - at;
    if (at > weights->bytes || checksums->offset + (i + 1) * 8 > file->head) break;
    size_t bytes = rest < TL_PLAN_CHECKSUM_BYTES ? rest : TL_PLAN_CHECKSUM_BYTES;
    uint64_t sum = tl_hash64(file->bytes + weights->offset + at, bytes, 0);
    memcpy(file->bytes + checksums->offset + i * 8, &sum, sizeof sum);
  }
}

// Sets the digest of a section that lies within the file: the good plan's where it is that one, as
// comparing takes less time.
static void seal_section(const plan_file *file, tl_plan_section *section) {
  const char *row = (const char *)section;
  const tl_plan_section *good = (const tl_plan_section *)(file->original + (row - file->bytes));
  const char *bytes = file->bytes + section->offset;
  if (section->offset == good->offset && section->bytes == good->bytes &&
      memcmp(bytes, file->original + section->offset, section->bytes) == 0) {
    memcpy(section->digest, good->digest, sizeof section->digest);
  } else {
    digest_of(bytes, section->bytes, section->digest);
  }
}

void plan_file_seal(plan_file *file) {
  tl_plan_header *header = (tl_plan_header *)file->bytes;
  tl_plan_section *sections = (tl_plan_section *)(header + 1);
  seal_weights(file);
  for (uint32_t i = 0; i < header->sections_count && i < TL_PLAN_SECTIONS_MAX; i++) {
    bool sealed = sections[i].kind != TL_PLAN_SECTION_WEIGHTS &&
                  sections[i].kind != TL_PLAN_SECTION_CODE && lies_within(file, &sections[i]);
    if (sealed) seal_section(file, &sections[i]);
  }
  size_t bytes = sizeof *header + (size_t)header->sections_count * sizeof *sections;
  if (bytes > file->size) return;
  uint8_t digest[TL_SHA256_BYTES];
  memset(header->digest, 0, sizeof header->digest);
  digest_of(file->bytes, bytes, digest);
  memcpy(header->digest, digest, sizeof digest);
}

void plan_file_restore(plan_file *file) {
  memcpy(file->bytes, file->original, file->head);
}
