// Plans: every byte is verified, faults name the section, code is mapped in three ways and never
// writable and executable at once, and a plan can be written again while it is open.
#include "runtime/plan/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/file.h"
#include "runtime/plan/code.h"
#include "tests/lib/check.h"
#include "tests/lib/tiny_plan.h"

enum { FLIPS = 2000, CUTS = 300, KILLS = 12, REBUILDS = 20, FILE_MAX = 8 << 20, THREADS = 3 };

typedef struct fixture {
  char folder[64];
  char path[80];
  char bytes[FILE_MAX]; // of the good plan
  size_t size;
} fixture;

static fixture f;
static tl_diag diag;

static uint32_t next_random(void) {
  static uint32_t state = 2463534242u;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

static void write_tiny(uint64_t seed, bool skeleton, int jobs) {
  tl_tiny_plan tiny;
  tl_arena arena;
  diag = (tl_diag){0};
  tl_arena_init(&arena, (size_t)256 << 20);
  tl_tiny_plan_init(&tiny, seed, skeleton);
  tl_status status = tl_plan_write(&tiny.parts, f.path, jobs, &arena, &diag);
  if (!tl_ok(status)) tl_diag_print(&diag, stderr);
  CHECK(tl_ok(status));
  tl_arena_finish(&arena);
}

static size_t read_file(char *out) {
  int file = open(f.path, O_RDONLY);
  ssize_t count = read(file, out, FILE_MAX);
  CHECK(file >= 0 && count > 0 && count < FILE_MAX);
  close(file);
  return (size_t)count;
}

static void put_file(const char *bytes, size_t size) {
  int file = open(f.path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  CHECK(file >= 0 && write(file, bytes, size) == (ssize_t)size);
  close(file);
}

static tl_status try_open(tl_plan *out_plan) {
  diag = (tl_diag){0};
  return tl_plan_open(f.path, NULL, out_plan, &diag);
}

// The plan must be refused with `status` and one sentence that holds `words`.
static void expect_refusal(tl_status expected, const char *words) {
  tl_plan plan;
  tl_status status = try_open(&plan);
  bool told = diag.count == 1 && strstr(diag.entries[0].text, words) &&
              strstr(diag.entries[0].text, f.path);
  if (status != expected || !told) {
    fprintf(stderr, "status %d, expected %d with \"%s\"\n", status, expected, words);
    tl_diag_print(&diag, stderr);
  }
  CHECK(status == expected && told && plan.file == -1 && !plan.bytes);
}

static void expect_good(uint64_t *out_first) {
  tl_plan plan;
  tl_status status = try_open(&plan);
  if (!tl_ok(status)) tl_diag_print(&diag, stderr);
  CHECK(tl_ok(status) && diag.count == 0);
  const tl_plan_section *weights = tl_plan_find(&plan, TL_PLAN_SECTION_WEIGHTS, 0);
  if (out_first) memcpy(out_first, tl_plan_bytes(&plan, weights).data, 8);
  tl_plan_close(&plan);
  CHECK(plan.file == -1);
  tl_plan_close(&plan);
}

// ---- damage

static const char *const kinds[] = {
#define X(name, text, summary) text,
    TL_PLAN_SECTION_MAP(X)
#undef X
};

// What an error about byte `at` of the good plan must say.
static void name_of_byte(size_t at, char out[64]) {
  const tl_plan_header *header = (const tl_plan_header *)f.bytes;
  const tl_plan_section *sections = (const tl_plan_section *)(header + 1);
  size_t end = sizeof *header;
  snprintf(out, 64, "header");
  if (at < end) return;
  end += header->sections_count * sizeof *sections;
  snprintf(out, 64, "section table");
  if (at < end) return;
  snprintf(out, 64, "gap after the section table");
  for (uint32_t i = 0; i < header->sections_count; i++) {
    if (at < sections[i].offset) return;
    const char *kind = kinds[sections[i].kind];
    snprintf(out, 64, "section %s", kind);
    if (at < sections[i].offset + sections[i].bytes) return;
    snprintf(out, 64, "gap after section %s", kind);
  }
}

// One byte in each region with every bit in turn, then anywhere.
static size_t choose_byte(int round) {
  const tl_plan_header *header = (const tl_plan_header *)f.bytes;
  const tl_plan_section *sections = (const tl_plan_section *)(header + 1);
  size_t head = sizeof *header + header->sections_count * sizeof *sections;
  if (round % 3 == 0) return next_random() % head;
  const tl_plan_section *section = &sections[next_random() % header->sections_count];
  if (round % 3 == 1) return section->offset + next_random() % section->bytes;
  // Around a border.
  size_t at = section->offset + (next_random() % 2 ? section->bytes : 0);
  at += next_random() % 128 - 64u;
  return at < f.size ? at : f.size - 1;
}

static void test_flips(void) {
  int file = open(f.path, O_WRONLY);
  CHECK(file >= 0);
  for (int round = 0; round < FLIPS; round++) {
    char name[64];
    size_t at = choose_byte(round);
    char flipped = (char)(f.bytes[at] ^ (1 << round % 8));
    CHECK(pwrite(file, &flipped, 1, (off_t)at) == 1);
    name_of_byte(at, name);
    bool version =
        at >= offsetof(tl_plan_header, version) && at < offsetof(tl_plan_header, sections_count);
    expect_refusal(version ? TL_UNSUPPORTED : TL_INPUT, name);
    CHECK(pwrite(file, f.bytes + at, 1, (off_t)at) == 1);
  }
  close(file);
  expect_good(NULL);
}

static void test_lengths(void) {
  int file = open(f.path, O_WRONLY);
  for (int round = 0; round < CUTS; round++) {
    bool longer = round % 4 == 3;
    size_t size = longer ? f.size + 1 + next_random() % 70000 : next_random() % f.size;
    if (round < 150 && !longer) size = (size_t)round * 2;
    CHECK(ftruncate(file, (off_t)size) == 0);
    expect_refusal(TL_INPUT, longer ? "longer" : size < 8 ? "no plan" : "cut short");
    if (longer) continue;
    CHECK(pwrite(file, f.bytes + size, f.size - size, (off_t)size) == (ssize_t)(f.size - size));
  }
  CHECK(ftruncate(file, (off_t)f.size) == 0);
  close(file);
  expect_good(NULL);
}

static void test_trust(void) {
  tl_plan plan;
  int file = open(f.path, O_WRONLY);
  size_t at = f.size - 5;
  char flipped = (char)~f.bytes[at];
  CHECK(pwrite(file, &flipped, 1, (off_t)at) == 1);
  expect_refusal(TL_INPUT, "MiB 3 of section weights");
  CHECK(tl_ok(tl_plan_open(f.path, &(tl_plan_open_options){.trust = true}, &plan, &diag)));
  tl_plan_close(&plan);
  CHECK(pwrite(file, f.bytes + at, 1, (off_t)at) == 1);
  close(file);
}

static void test_foreign_files(void) {
  tl_plan plan;
  diag = (tl_diag){0};
  CHECK(tl_plan_open(f.folder, NULL, &plan, &diag) == TL_IO && diag.count == 1);
  diag = (tl_diag){0};
  CHECK(tl_plan_open("/nowhere/model.plan", NULL, &plan, &diag) == TL_IO && diag.count == 1);
  put_file("GGUF and some more bytes", 24);
  expect_refusal(TL_INPUT, "no plan");
  put_file(f.bytes, f.size);
}

// ---- files that are sealed and wrong

typedef struct sealed {
  char bytes[FILE_MAX];
  tl_plan_header *header;
  tl_plan_section *sections, *last;
} sealed;

static sealed *sealed_start(void) {
  static sealed s;
  memcpy(s.bytes, f.bytes, f.size);
  s.header = (tl_plan_header *)s.bytes;
  s.sections = (tl_plan_section *)(s.header + 1);
  s.last = s.sections + s.header->sections_count - 1;
  return &s;
}

static void sealed_refused(sealed *s, const char *words) {
  put_file(s->bytes, f.size);
  expect_refusal(TL_INPUT, words);
  put_file(f.bytes, f.size);
}

static void drop_last(sealed *s) {
  s->header->sections_count--;
}

static void misalign(sealed *s) {
  s->sections[0].alignment = 24;
}

static void overlap(sealed *s) {
  s->sections[1].offset = s->sections[0].offset;
}

static void leave_file(sealed *s) {
  s->last->bytes++;
}

static void leave_world(sealed *s) {
  s->last->offset = UINT64_MAX - TL_PLAN_PAGE_BYTES + 1;
}

static void repeat(sealed *s) {
  s->sections[1].kind = s->sections[0].kind;
}

static void make_unknown(sealed *s) {
  s->sections[1].kind = TL_PLAN_SECTION_COUNT;
}

static void move_file(sealed *s) {
  s->sections[1].file = 1;
}

static void fill_gap(sealed *s) {
  s->bytes[s->last->offset - 1] = 1;
}

// Faults of the section table, which are found before anything is hashed.
static void test_section_table(void) {
  static const struct {
    void (*change)(sealed *s);
    const char *words;
  } cases[] = {{drop_last, "gap after the section table"},
               {misalign, "not aligned"},
               {overlap, "overlaps"},
               {leave_file, "outside of the file"},
               {leave_world, "outside of the file"},
               {repeat, "twice"},
               {make_unknown, "unknown kind"},
               {move_file, "another file"},
               {fill_gap, "gap after section code (target 1)"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    sealed *s = sealed_start();
    cases[i].change(s);
    tl_tiny_plan_seal_head(s->bytes);
    sealed_refused(s, cases[i].words);
  }
}

static tl_plan_section *section_of(sealed *s, tl_plan_section_kind kind) {
  return tl_tiny_plan_find(s->bytes, kind);
}

static void shrink_code(sealed *s) {
  tl_plan_section *code = &s->last[-1];
  s->bytes[code->offset + --code->bytes] = 0;
}

static void lose_shape(sealed *s) {
  tl_plan_section *code = &s->last[-1];
  code->bytes -= 8;
  memset(s->bytes + code->offset + code->bytes, 0, 8);
}

static void retarget(sealed *s) {
  s->last[-1].target = 7;
}

static void lose_checksum(sealed *s) {
  tl_plan_section *checksums = section_of(s, TL_PLAN_SECTION_CHECKSUMS);
  checksums->bytes -= 8;
  memset(s->bytes + checksums->offset + checksums->bytes, 0, 8);
}

static void *rows_of(sealed *s, tl_plan_table table) {
  const tl_plan_section *programs = section_of(s, TL_PLAN_SECTION_PROGRAMS);
  const tl_plan_extent *extents =
      (const tl_plan_extent *)(s->bytes + programs->offset + sizeof(tl_plan_directory));
  return s->bytes + programs->offset + extents[table].offset;
}

static void deny_weights(sealed *s) {
  ((tl_plan_model *)rows_of(s, TL_PLAN_TABLE_model))->has_weights = 0;
}

// What a device finds of outputs lies in two buffers of the wanted rows, of just these sizes.
static void test_candidates(void) {
  enum { H = 1, SUMS, LOGITS, NO_BUFFER };
  static const uint32_t cases[][2] = {
      {LOGITS, 0}, {0, LOGITS}, {LOGITS, LOGITS}, {SUMS, H}, {NO_BUFFER, NO_BUFFER}, {~0u, ~0u}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    sealed *s = sealed_start();
    tl_plan_program *program = rows_of(s, TL_PLAN_TABLE_program);
    program->best = cases[i][0];
    program->candidates = cases[i][1];
    tl_tiny_plan_seal(s->bytes);
    sealed_refused(s, "program 0 has a value out of range");
  }
}

// Faults that only show when all hashes are right.
static void test_contradictions(void) {
  static const struct {
    void (*change)(sealed *s);
    const char *words;
  } cases[] = {{shrink_code, "section code (target 1) has"},
               {lose_shape, "does not fit its kernel"},
               {retarget, "no code for target 1"},
               {lose_checksum, "section checksums has 24 bytes"},
               {deny_weights, "the weights are there"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    sealed *s = sealed_start();
    cases[i].change(s);
    tl_tiny_plan_seal(s->bytes);
    sealed_refused(s, cases[i].words);
  }
}

// Without a section that every plan has.
static void test_missing_sections(void) {
  static const tl_plan_section_kind kinds_needed[] = {TL_PLAN_SECTION_META,
                                                      TL_PLAN_SECTION_PROGRAMS};
  for (int i = 0; i < 2; i++) {
    sealed *s = sealed_start();
    tl_plan_section *template = section_of(s, TL_PLAN_SECTION_TEMPLATE);
    tl_plan_section *lost = section_of(s, kinds_needed[i]);
    // Rows stay in the file's order: all between the two move by one, and an empty one is left.
    memset(s->bytes + template->offset, 0, template->bytes);
    template->kind = TL_PLAN_SECTION_COUNT;
    lost->kind = TL_PLAN_SECTION_TEMPLATE;
    template = section_of(s, TL_PLAN_SECTION_COUNT);
    memmove(template, template + 1, (size_t)((char *)(s->last + 1) - (char *)(template + 1)));
    memset(s->last, 0, sizeof *s->last);
    s->header->sections_count--;
    tl_tiny_plan_seal(s->bytes);
    sealed_refused(s, i == 0 ? "no section meta" : "no section programs");
  }
}

static void test_skeleton(void) {
  tl_plan plan;
  write_tiny(1, true, 1);
  CHECK(tl_ok(try_open(&plan)));
  CHECK(!tl_plan_find(&plan, TL_PLAN_SECTION_WEIGHTS, 0) && !plan.tables.models->has_weights);
  tl_plan_close(&plan);
  put_file(f.bytes, f.size);
}

// ---- threads

static tl_plan_work *thread_work;
typedef struct share {
  void *context;
  uint64_t begin, end;
} share;

static void *run_share(void *context) {
  const share *s = context;
  thread_work(s->context, s->begin, s->end);
  return NULL;
}

// A crew of threads with equal shares, started each time.
static void run_crew(void *crew, uint64_t count, tl_plan_work *work, void *context) {
  pthread_t threads[THREADS];
  share shares[THREADS];
  thread_work = work;
  ++*(int *)crew;
  for (uint64_t i = 0; i < THREADS; i++) {
    shares[i] = (share){context, count * i / THREADS, count * (i + 1) / THREADS};
    CHECK(pthread_create(&threads[i], NULL, run_share, &shares[i]) == 0);
  }
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
}

static void test_crew(void) {
  int runs = 0;
  tl_plan plan;
  tl_plan_crew crew = {run_crew, &runs};
  tl_plan_open_options options = {.crew = &crew};
  CHECK(tl_ok(tl_plan_open(f.path, &options, &plan, &diag)) && runs == 1);
  tl_plan_close(&plan);
  sealed *s = sealed_start();
  // Several faults: the first in the file is told, whoever finds it.
  s->bytes[s->last->offset + 5] ^= 1;
  s->bytes[s->last->offset + 3 * TL_PLAN_CHECKSUM_BYTES] ^= 1;
  put_file(s->bytes, f.size);
  for (int i = 0; i < 20; i++) {
    diag = (tl_diag){0};
    CHECK(tl_plan_open(f.path, &options, &plan, &diag) == TL_INPUT);
    CHECK(diag.count == 1 && strstr(diag.entries[0].text, "MiB 0 of section weights"));
  }
  put_file(f.bytes, f.size);
}

// ---- code

// Whether any mapping of this process can be written and executed.
static bool has_writable_code(void) {
  char line[512];
  bool found = false;
  FILE *maps = fopen("/proc/self/maps", "r");
  CHECK(maps);
  while (fgets(line, sizeof line, maps)) {
    const char *rights = strchr(line, ' ');
    found |= rights && rights[2] == 'w' && rights[3] == 'x';
  }
  fclose(maps);
  return found;
}

// Machine code has no signature in front of it for the sanitizer to check.
#if defined(__clang__)
__attribute__((no_sanitize("function")))
#endif
static int
call(const char *code) {
  int (*function)(void);
  memcpy(&function, &code, sizeof function);
  return function();
}

static void test_code(void) {
  tl_plan plan;
  CHECK(tl_ok(try_open(&plan)));
  const tl_plan_section *section = tl_plan_find(&plan, TL_PLAN_SECTION_CODE, 1);
  const tl_plan_target *target = &plan.tables.targets[1];
  for (int way = 0; way < TL_CODE_WAYS_COUNT; way++) {
    tl_code code;
    tl_code_source source = {.file = plan.file,
                             .name = f.path,
                             .offset = section->offset,
                             .bytes = tl_plan_bytes(&plan, section).data,
                             .bytes_count = target->code_bytes,
                             .text_bytes = target->text_bytes};
    CHECK(tl_ok(tl_code_map(&source, (tl_code_way)way, &code, &diag)));
    CHECK((int)code.way == way && !has_writable_code());
    CHECK(call(code.bytes) == TL_TINY_ANSWER);
    CHECK(code.bytes[TL_PLAN_CODE_BYTES + 3] == 1);
    tl_code_unmap(&code);
    CHECK(!code.bytes);
  }
  tl_plan_close(&plan);
}

// ---- writing

static void test_same_bytes(void) {
  static char again[FILE_MAX];
  for (int jobs = 1; jobs <= 4; jobs += 3) {
    write_tiny(1, false, jobs);
    CHECK(read_file(again) == f.size && memcmp(again, f.bytes, f.size) == 0);
  }
}

static void test_rebuild_while_open(void) {
  tl_plan plan;
  uint64_t old, now, first;
  expect_good(&first);
  CHECK(tl_ok(try_open(&plan)));
  write_tiny(2, false, 2);
  expect_good(&now);
  memcpy(&old, tl_plan_bytes(&plan, tl_plan_find(&plan, TL_PLAN_SECTION_WEIGHTS, 0)).data, 8);
  CHECK(old == first && now != first);
  tl_plan_close(&plan);
  pid_t child = fork();
  if (child == 0) {
    for (uint64_t i = 0; i < REBUILDS; i++)
      write_tiny(i, false, 1);
    _exit(0);
  }
  int result = 0;
  while (waitpid(child, &result, WNOHANG) == 0)
    expect_good(NULL);
  CHECK(WIFEXITED(result) && WEXITSTATUS(result) == 0);
}

static void test_kills(void) {
  for (int i = 0; i < KILLS; i++) {
    pid_t child = fork();
    if (child == 0) {
      for (uint64_t seed = 0;; seed++)
        write_tiny(seed, false, 2);
    }
    usleep(next_random() % 30000);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    expect_good(NULL);
  }
  char temporary[96];
  write_tiny(1, false, 1);
  snprintf(temporary, sizeof temporary, "%s.tmp", f.path);
  CHECK(access(temporary, F_OK) != 0 && errno == ENOENT);
}

// NOLINTNEXTLINE(readability-non-const-parameter): a tl_plan_fill
static tl_status fail_fill(void *context, uint64_t begin, uint64_t end, char *out,
                           tl_arena *scratch, tl_diag *sink) {
  (void)context, (void)begin, (void)end, (void)out, (void)scratch;
  return tl_diag_error(sink, TL_INPUT, (tl_span){0}, "the filler's fault");
}

static void test_failed_write(void) {
  tl_tiny_plan tiny;
  tl_arena arena;
  for (size_t fail_after = 0; fail_after < 16; fail_after++) {
    diag = (tl_diag){0};
    tl_arena_init(&arena, (size_t)256 << 20);
    tl_tiny_plan_init(&tiny, 9, false);
    if (fail_after == 15) {
      tiny.parts.fill = fail_fill;
    } else {
      arena.fail_after = fail_after;
    }
    tl_status status = tl_plan_write(&tiny.parts, f.path, 2, &arena, &diag);
    CHECK(tl_ok(status) || status == (fail_after == 15 ? TL_INPUT : TL_MEMORY));
    CHECK(fail_after != 15 || (diag.count == 1 && strstr(diag.entries[0].text, "filler's")));
    tl_arena_finish(&arena);
    expect_good(NULL);
  }
  diag = (tl_diag){0};
  tl_arena_init(&arena, (size_t)256 << 20);
  tl_tiny_plan_init(&tiny, 9, false);
  CHECK(tl_plan_write(&tiny.parts, f.path, 0, &arena, &diag) == TL_USAGE);
  tiny.model.has_weights = 0;
  CHECK(tl_plan_write(&tiny.parts, f.path, 1, &arena, &diag) == TL_INTERNAL);
  tl_arena_finish(&arena);
}

int main(void) {
  snprintf(f.folder, sizeof f.folder,
           "/tmp/tlmc-plan-XX"
           "XX"
           "XX");
  CHECK(mkdtemp(f.folder));
  snprintf(f.path, sizeof f.path, "%s/tiny.plan", f.folder);
  write_tiny(1, false, 1);
  f.size = read_file(f.bytes);
  expect_good(NULL);
  test_flips();
  test_lengths();
  test_trust();
  test_foreign_files();
  test_section_table();
  test_contradictions();
  test_candidates();
  test_missing_sections();
  test_skeleton();
  test_crew();
  test_code();
  test_same_bytes();
  test_rebuild_while_open();
  test_kills();
  test_failed_write();
  unlink(f.path);
  CHECK(rmdir(f.folder) == 0);
  return 0;
}
