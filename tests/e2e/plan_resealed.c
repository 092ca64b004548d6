// Opens and runs copies of a plan with one or two fields changed and all digests but those of the
// code made right again. Each must be refused with a sentence, or run on the CPU: kernels stay in
// their buffers, whatever the programs section says, and nothing hangs.
//
//   plan_resealed PLAN TRIES [FIRST]      prints how many were refused, accepted and run
//
// The changes follow from the number of the try, FIRST on, so that one can be looked at alone. All
// tables of the programs section are changed, its strings, header and section table, meta, the
// tokenizer, checksums and weights. Tries run in a child process; when one ends by a signal, it is
// told with its changes, and a new child goes on with the next.
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/str.h"
#include "runtime/tlmc.h"
#include "tests/lib/check.h"
#include "tests/lib/plan_file.h"

enum {
  TRIES_MAX = 1 << 24,
  EDITS_MAX = 2,
  TRY_SECONDS = 20, // of a processor; of a clock ten times as many, since machines may be busy
  PROMPT = 70,      // ids, more than a page of positions
  TOKENS = 4,
  STEPS_MAX = 200,
  TEXT_MAX = 1 << 12,
  NUMBERS_COUNT = 12,
  MEMORY_GIB = 8 // of address space that a try may take
};

// What happened to a try.
typedef enum outcome { REFUSED, OPENED, RAN, OUTCOMES_COUNT } outcome;

// `size` bytes at `offset` of the file, and what they became.
typedef struct edit {
  char name[64];
  uint64_t offset, size, before, after;
} edit;

// Shared with the children.
typedef struct progress {
  int64_t at; // the try under way
  int64_t outcomes[OUTCOMES_COUNT];
  int64_t reused; // prompts that found pages of an earlier one
  edit edits[EDITS_MAX];
  int edits_count;
} progress;

typedef struct bench {
  plan_file file;
  progress *progress;
  uint64_t random;
  int faults;
} bench;

static tlmc_error error;

static uint64_t next_random(bench *b) {
  b->random += 0x9e3779b97f4a7c15ull;
  uint64_t x = (b->random ^ b->random >> 30) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 27) * 0x94d049bb133111ebull;
  return x ^ x >> 31;
}

// ---------------------------------------------------------------------------------------------
// Changes

static uint64_t change(bench *b, uint64_t old, uint64_t other) {
  static const uint64_t numbers[NUMBERS_COUNT] = {
      0, 1, 2, 64, 4096, 65536, 1 << 20, 1 << 24, 0x7fffffff, 0xffffffff, 1ull << 40, UINT64_MAX};
  uint64_t r = next_random(b);
  switch (next_random(b) % 10) {
  case 0: return numbers[r % NUMBERS_COUNT];
  case 1: return old + 1;
  case 2: return old - 1;
  case 3: return old + 64;
  case 4: return old - 64;
  case 5: return old * 2;
  case 6: return old / 2;
  case 7: return old ^ 1ull << r % 64;
  case 8: return r % 256;
  default: return other;
  }
}

// Changes the number at `offset`, perhaps to the one at `other`.
static void apply(bench *b, const char *name, size_t offset, size_t other, size_t size) {
  edit *e = &b->progress->edits[b->progress->edits_count++];
  uint64_t like = 0;
  *e = (edit){.offset = offset, .size = size};
  snprintf(e->name, sizeof e->name, "%s", name);
  memcpy(&e->before, b->file.bytes + offset, size);
  memcpy(&like, b->file.bytes + other, size);
  uint64_t number = change(b, e->before, like);
  memcpy(b->file.bytes + offset, &number, size);
  memcpy(&e->after, &number, size);
}

static void change_row(bench *b) {
  static const char *const names[TL_PLAN_TABLES_COUNT] = {
#define X(name) #name,
      TL_PLAN_TABLE_MAP(X)
#undef X
  };
  tl_plan_table table = (tl_plan_table)(next_random(b) % TL_PLAN_TABLES_COUNT);
  uint32_t rows = plan_file_rows(&b->file, table);
  if (rows == 0) return;
  uint32_t row = (uint32_t)(next_random(b) % rows), like = (uint32_t)(next_random(b) % rows);
  size_t size = next_random(b) % 3 ? 4 : 8;
  size_t place = next_random(b) % (plan_file_row_bytes(table) / size) * size;
  char name[64];
  snprintf(name, sizeof name, "%s %u at %zu", names[table], row, place);
  apply(b, name, (size_t)((char *)plan_file_row(&b->file, table, row) - b->file.bytes) + place,
        (size_t)((char *)plan_file_row(&b->file, table, like) - b->file.bytes) + place, size);
}

// Anywhere in a section, most often near its start, where sizes stand.
static void change_section(bench *b, tl_plan_section_kind kind, const char *name) {
  const tl_plan_section *section = plan_file_section(&b->file, kind);
  if (!section) return;
  size_t size = kind == TL_PLAN_SECTION_META ? 1 : 4;
  const char *row = (const char *)section;
  // Of the good plan: the row may have been changed.
  section = (const tl_plan_section *)(b->file.original + (row - b->file.bytes));
  size_t range = section->bytes - size + 1;
  if (kind == TL_PLAN_SECTION_TOKENIZER && next_random(b) % 2 && range > 512) range = 512;
  size_t place = next_random(b) % range / size * size, like = next_random(b) % range / size * size;
  apply(b, name, section->offset + place, section->offset + like, size);
}

static void change_head(bench *b) {
  const tl_plan_header *header = (const tl_plan_header *)b->file.original;
  size_t bytes = sizeof *header + header->sections_count * sizeof(tl_plan_section);
  size_t place = next_random(b) % (bytes / 4) * 4, like = next_random(b) % (bytes / 4) * 4;
  apply(b, "header or section table", place, like, 4);
}

static void change_one(bench *b) {
  uint64_t choice = next_random(b) % 100;
  if (choice < 70) {
    change_row(b);
  } else if (choice < 74) {
    change_section(b, TL_PLAN_SECTION_PROGRAMS, "section programs");
  } else if (choice < 82) {
    change_section(b, TL_PLAN_SECTION_META, "section meta");
  } else if (choice < 92) {
    change_section(b, TL_PLAN_SECTION_TOKENIZER, "section tokenizer");
  } else if (choice < 94) {
    b->file.weights_changed = true;
    change_section(b, TL_PLAN_SECTION_WEIGHTS, "section weights");
  } else {
    change_head(b);
  }
}

static void change_plan(bench *b, int64_t number) {
  b->random = (uint64_t)number * 0xd1342543de82ef95ull;
  b->progress->edits_count = 0;
  uint64_t edits = 1 + next_random(b) % EDITS_MAX;
  for (uint64_t i = 0; i < edits; i++)
    change_one(b);
  plan_file_seal(&b->file);
}

// Weights are not restored with the rest.
static void undo(bench *b) {
  for (int i = b->progress->edits_count; i-- > 0;) {
    const edit *e = &b->progress->edits[i];
    memcpy(b->file.bytes + e->offset, &e->before, e->size);
  }
  plan_file_restore(&b->file);
}

// ---------------------------------------------------------------------------------------------
// Use

static void use_texts(const tlmc_plan *plan) {
  static char text[TEXT_MAX];
  static int32_t ids[TEXT_MAX];
  size_t bytes, count;
  tlmc_bytes line = {"The quick brown fox, 1234 times; \xc3\xa9t\xc3\xa9", 38};
  (void)tlmc_plan_describe(plan, TLMC_FORMAT_TEXT, text, sizeof text, &bytes, &error);
  (void)tlmc_plan_describe(plan, TLMC_FORMAT_JSON, text, sizeof text, &bytes, &error);
  if (tlmc_tokenize(plan, line, TLMC_TEXT_ADD, ids, TEXT_MAX, &count, &error) != TLMC_OK) return;
  if (count > TEXT_MAX) count = TEXT_MAX;
  (void)tlmc_detokenize(plan, ids, count, TLMC_TEXT_SPECIAL, text, sizeof text, &bytes, &error);
}

static int32_t likeliest(const float *row, int32_t count) {
  int32_t best = 0;
  for (int32_t i = 1; i < count; i++)
    if (row[i] > row[best]) best = i;
  return best;
}

// A prompt in one step, then tokens one by one, in a copy of the sequence too.
static bool decode(tlmc_session *session, const tlmc_plan_facts *facts) {
  int32_t ids[PROMPT], sequence, first = 0;
  tlmc_wanted wanted = facts->task == TLMC_TASK_SCORE_TOKENS ? TLMC_WANTED_ALL : TLMC_WANTED_LAST;
  tlmc_rows rows = {.size = sizeof rows, .ids = ids, .count = PROMPT, .wanted = wanted};
  for (int32_t i = 0; i < PROMPT; i++)
    ids[i] = (int32_t)((uint32_t)i * 2654435761u % (uint32_t)facts->vocabulary);
  ids[0] = facts->vocabulary - 1;
  if (tlmc_sequence_open(session, &sequence, &error) != TLMC_OK) return false;
  for (int token = 0; token < TOKENS; token++) {
    rows.sequence = sequence;
    tlmc_step_begin(session);
    if (tlmc_step_add(session, &rows, &first, &error) != TLMC_OK ||
        tlmc_step_run(session, &error) != TLMC_OK) {
      return false;
    }
    const float *row = tlmc_step_output(session, first);
    CHECK(row);
    ids[0] = likeliest(row, facts->outputs) % facts->vocabulary;
    rows.count = 1;
    if (token == 1 && tlmc_sequence_fork(session, sequence, &sequence, &error) != TLMC_OK)
      return false;
  }
  return true;
}

static void run_requests(bench *b, tlmc_session *session, const tlmc_plan_facts *facts) {
  static const char text[] = "Twice the same prompt, so that its pages are found again.";
  int32_t ids[PROMPT], left = 0;
  tlmc_sampling sampling = {.size = sizeof sampling, .temperature = 1, .logprobs = 2};
  tlmc_event event = {.size = sizeof event};
  for (int32_t i = 0; i < PROMPT; i++)
    ids[i] = i % facts->vocabulary;
  for (int i = 0; i < 3; i++) {
    tlmc_request_options ask = {.size = sizeof ask, .tokens_max = 3, .sampling = &sampling};
    tlmc_request *request;
    if (i < 2) {
      ask.ids = ids, ask.ids_count = PROMPT;
    } else {
      ask.text = text, ask.text_bytes = sizeof text - 1;
    }
    if (tlmc_request_submit(session, &ask, &request, &error) != TLMC_OK) continue;
    for (int step = 0; event.kind != TLMC_EVENT_FINISHED && step < STEPS_MAX; step++) {
      if (tlmc_session_step(session, &left, &error) != TLMC_OK) break;
      CHECK(tlmc_request_poll(request, &event) == TLMC_OK);
    }
    b->progress->reused += event.reused_count > 0;
    event.kind = TLMC_EVENT_NONE;
    tlmc_request_release(request);
  }
}

static outcome use_plan(bench *b, const tlmc_plan *plan) {
  tlmc_plan_facts facts = {.size = sizeof facts};
  tlmc_session_options options = {.size = sizeof options,
                                  .threads = 1,
                                  .batch = 2,
                                  .chunk = 96,
                                  .context = 400,
                                  .rollback = 8,
                                  .kv_type = next_random(b) % 3 ? NULL : "f32"};
  tlmc_session *session;
  CHECK(tlmc_plan_info(plan, &facts) == TLMC_OK);
  use_texts(plan);
  tlmc_status status = tlmc_session_open(plan, &options, &session, &error);
  CHECK(status == TLMC_OK || (error.text[0] && !session));
  if (status != TLMC_OK) return OPENED;
  bool ran = decode(session, &facts);
  run_requests(b, session, &facts);
  tlmc_session_close(session);
  return ran ? RAN : OPENED;
}

static outcome try_plan(bench *b) {
  tlmc_plan *plan;
  error.text[0] = 0;
  tlmc_status status = tlmc_plan_open(b->file.path, NULL, &plan, &error);
  CHECK(status == TLMC_OK || (error.text[0] && !plan));
  if (status != TLMC_OK) return REFUSED;
  outcome found = use_plan(b, plan);
  tlmc_plan_close(plan);
  return found;
}

// ---------------------------------------------------------------------------------------------
// Children

static void run_child(bench *b, int64_t end) {
#if !defined(__SANITIZE_ADDRESS__)
  struct rlimit limit = {(rlim_t)MEMORY_GIB << 30, (rlim_t)MEMORY_GIB << 30};
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
#endif
  struct itimerval busy = {.it_value.tv_sec = TRY_SECONDS};
  for (; b->progress->at < end; b->progress->at++) {
    CHECK(setitimer(ITIMER_PROF, &busy, NULL) == 0);
    alarm(10 * TRY_SECONDS);
    change_plan(b, b->progress->at);
    b->progress->outcomes[try_plan(b)]++;
    undo(b);
  }
  _exit(0);
}

static void report(bench *b, int result) {
  const progress *p = b->progress;
  int number = WIFSIGNALED(result) ? WTERMSIG(result) : 0;
  if (number != 0) {
    bool hung = number == SIGALRM || number == SIGPROF;
    printf("try %lld ended by signal %d (%s)\n", (long long)p->at, number,
           hung ? "it hung" : strsignal(number));
  } else {
    printf("try %lld ended with status %d\n", (long long)p->at, WEXITSTATUS(result));
  }
  for (int i = 0; i < p->edits_count; i++) {
    const edit *e = &p->edits[i];
    printf("  %s, %llu bytes at %llu: %llu became %llu\n", e->name, (unsigned long long)e->size,
           (unsigned long long)e->offset, (unsigned long long)e->before,
           (unsigned long long)e->after);
  }
  b->faults++;
}

static void run_tries(bench *b, int64_t end) {
  while (b->progress->at < end) {
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) run_child(b, end);
    int result = 0;
    CHECK(waitpid(child, &result, 0) == child);
    if (WIFEXITED(result) && WEXITSTATUS(result) == 0) continue;
    report(b, result);
    undo(b);
    b->progress->at++;
  }
}

int main(int argc, char **argv) {
  static bench b;
  CHECK(argc == 3 || argc == 4);
  int64_t tries = strtoll(argv[2], NULL, 10), first = argc == 4 ? strtoll(argv[3], NULL, 10) : 0;
  CHECK(tries > 0 && tries <= TRIES_MAX && first >= 0 && first <= TRIES_MAX);
  b.progress =
      mmap(NULL, sizeof *b.progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(b.progress != MAP_FAILED);
  plan_file_open(&b.file, argv[1]);
  if (try_plan(&b) != RAN) {
    fprintf(stderr, "plan_resealed: the plan itself does not run here: %s\n", error.text);
    return 77;
  }
  b.progress->at = first;
  run_tries(&b, first + tries);
  const int64_t *outcomes = b.progress->outcomes;
  int64_t accepted = outcomes[OPENED] + outcomes[RAN];
  printf(
      "%lld plans changed and sealed: %lld refused, %lld accepted, of which %lld ran; %d faults\n",
      (long long)tries, (long long)outcomes[REFUSED], (long long)accepted, (long long)outcomes[RAN],
      b.faults);
  plan_file_close(&b.file);
  return b.faults > 0 || outcomes[RAN] == 0;
}
