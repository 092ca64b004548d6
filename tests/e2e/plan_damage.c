// Opens damaged copies of a plan: one byte changed, the end missing, bytes added. Each must be
// refused with one sentence that names the part of the file that the damage is in.
//
//   plan_damage PLAN FLIPS CUTS      prints how many of what were tried, and every fault
//
// The copy is an unnamed file in memory that is damaged and repaired in place, so that nothing is
// written to a disk and no process is started per try. Tries are dealt out evenly to the parts of
// the file: header, section table, gaps, each section; first and last byte of each are among them.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/plan_texts.h"
#include "runtime/plan/plan.h"
#include "tests/lib/check.h"

enum { PARTS_MAX = 2 * TL_PLAN_SECTIONS_MAX + 3, TRIES_MAX = 1 << 20, ADDED_BYTES = 3 };

// Bytes [begin, end) of the file and the word that a sentence about them must hold.
typedef struct part {
  uint64_t begin, end;
  const char *word;
  int tries;
} part;

typedef struct bench {
  char path[64]; // of the copy
  int fd;
  const char *bytes; // of the plan itself
  uint64_t bytes_count;
  part parts[PARTS_MAX];
  int parts_count;
  uint64_t random;
  int faults;
} bench;

static uint64_t next_random(bench *b) {
  b->random = b->random * 6364136223846793005u + 1442695040888963407u;
  return b->random >> 32 ^ b->random;
}

static void add_part(bench *b, uint64_t begin, uint64_t end, const char *word) {
  if (begin < end) b->parts[b->parts_count++] = (part){begin, end, word, 0};
}

static void find_parts(bench *b, const tl_plan *plan) {
  uint64_t table = sizeof *plan->header, end = table;
  add_part(b, 0, table, "header");
  end += plan->header->sections_count * sizeof *plan->sections;
  add_part(b, table, end, "section table");
  for (uint32_t i = 0; i < plan->header->sections_count; i++) {
    const tl_plan_section *section = &plan->sections[i];
    add_part(b, end, section->offset, "the gap after");
    end = section->offset + section->bytes;
    add_part(b, section->offset, end, tl_plan_section_texts[section->kind]);
  }
}

static void write_at(const bench *b, uint64_t offset, const void *bytes, size_t count) {
  CHECK(pwrite(b->fd, bytes, count, (off_t)offset) == (ssize_t)count);
}

// Opens the copy, which must fail with one sentence that holds `word`.
static void expect_refusal(bench *b, const char *word, const char *what, uint64_t offset) {
  static tl_diag diag;
  tl_plan plan;
  diag.count = 0;
  tl_status status = tl_plan_open(b->path, NULL, &plan, &diag);
  bool refused = status == TL_INPUT || status == TL_UNSUPPORTED;
  if (refused && diag.count == 1 && strstr(diag.entries[0].text, word)) return;
  printf("%s at byte %llu: status %d, %d sentences, expected one with \"%s\": %s\n", what,
         (unsigned long long)offset, status, diag.count, word, diag.entries[0].text);
  b->faults++;
  if (tl_ok(status)) tl_plan_close(&plan);
}

// The first two tries in a part are its first and last byte.
static void flip(bench *b, part *p) {
  uint64_t offset = p->begin + next_random(b) % (p->end - p->begin);
  if (p->tries == 0) offset = p->begin;
  if (p->tries == 1) offset = p->end - 1;
  p->tries++;
  char damaged = (char)(b->bytes[offset] ^ (1 + next_random(b) % 255));
  write_at(b, offset, &damaged, 1);
  expect_refusal(b, p->word, "byte changed", offset);
  write_at(b, offset, &b->bytes[offset], 1);
}

static void cut(bench *b, uint64_t bytes) {
  CHECK(ftruncate(b->fd, (off_t)bytes) == 0);
  expect_refusal(b, bytes < 8 ? "no plan" : "cut short", "cut", bytes);
  for (uint64_t at = bytes; at < b->bytes_count;) {
    ssize_t written = pwrite(b->fd, b->bytes + at, b->bytes_count - at, (off_t)at);
    CHECK(written > 0);
    at += (uint64_t)written;
  }
}

static void lengthen(bench *b) {
  for (int count = 1; count <= ADDED_BYTES; count++) {
    CHECK(ftruncate(b->fd, (off_t)(b->bytes_count + (uint64_t)count)) == 0);
    expect_refusal(b, "longer", "bytes added", b->bytes_count);
  }
  CHECK(ftruncate(b->fd, (off_t)b->bytes_count) == 0);
}

static void make_copy(bench *b) {
  b->fd = memfd_create("plan", MFD_CLOEXEC);
  CHECK(b->fd >= 0);
  snprintf(b->path, sizeof b->path, "/proc/self/fd/%d", b->fd);
  cut(b, 0); // writes all of it
}

static void damage(bench *b, int flips, int cuts) {
  make_copy(b);
  CHECK(b->parts_count > 0 && b->bytes_count > 0);
  for (int i = 0; i < flips; i++)
    flip(b, &b->parts[i % b->parts_count]);
  for (int i = 0; i < cuts; i++)
    cut(b, i < 2 ? b->bytes_count - 1 - (uint64_t)i : next_random(b) % b->bytes_count);
  lengthen(b);
  tl_plan repaired;
  CHECK(tl_ok(tl_plan_open(b->path, NULL, &repaired, NULL)));
  tl_plan_close(&repaired);
  close(b->fd);
}

int main(int argc, char **argv) {
  static bench b = {.random = 1};
  static tl_diag diag;
  tl_plan plan;
  CHECK(argc == 4);
  int flips = atoi(argv[2]), cuts = atoi(argv[3]);
  CHECK(flips >= 0 && flips <= TRIES_MAX && cuts >= 0 && cuts <= TRIES_MAX);
  if (!tl_ok(tl_plan_open(argv[1], NULL, &plan, &diag))) {
    tl_diag_print(&diag, stderr);
    return 1;
  }
  b.bytes = plan.bytes;
  b.bytes_count = plan.bytes_count;
  find_parts(&b, &plan);
  damage(&b, flips, cuts);
  for (int i = 0; i < b.parts_count; i++)
    printf("%-15s %9llu bytes, %d changed\n", b.parts[i].word,
           (unsigned long long)(b.parts[i].end - b.parts[i].begin), b.parts[i].tries);
  printf("%d bytes changed, %d cuts, %d lengthened: %d faults\n", flips, cuts, ADDED_BYTES,
         b.faults);
  tl_plan_close(&plan);
  return b.faults > 0;
}
