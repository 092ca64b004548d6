// Fuzz target: tunings. The input is a file without its last line, the sum, which is put behind it
// and right. What is accepted is what would be printed of it, and each of its ways is found; what
// is not, says nothing.
#include <inttypes.h>
#include <stdio.h>

#include "runtime/plan/tuning.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"
#include "tests/lib/check.h"

enum { ARENA_BYTES = 4 << 20, SUM_BYTES = 32 };

static void check_found(const tl_tuning *tuning, tl_str text, tl_arena *arena) {
  tl_str printed;
  CHECK(tl_ok(tl_tuning_print(tuning, arena, &printed)));
  CHECK(tl_str_equal(printed, text));
  for (uint32_t i = 0; i < tuning->ways_count; i++) {
    const tl_tuning_way *way = &tuning->ways[i];
    CHECK(tl_tuning_find(tuning, way->program, way->set, way->rows) == way);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static tl_tuning tuning;
  static tl_arena arena; // kept: a text takes as much room as the longest
  if (arena.limit_bytes == 0) tl_arena_init(&arena, ARENA_BYTES);
  tl_arena_reset(&arena);
  if (size > TL_TUNING_BYTES_MAX - SUM_BYTES) return 0;
  char *text = tl_arena_alloc(&arena, size + SUM_BYTES);
  CHECK(text);
  if (size > 0) memcpy(text, data, size);
  size_t length = size + (size_t)snprintf(text + size, SUM_BYTES, "sum %016" PRIx64 "\n",
                                          tl_hash64(text, size, 0));
  tl_status status = tl_tuning_parse((tl_str){text, length}, &tuning);
  CHECK(tl_ok(status) || status == TL_INPUT);
  tl_fuzz_accepted = tl_ok(status);
  if (tl_ok(status)) check_found(&tuning, (tl_str){text, length}, &arena);
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  static const char *const pieces[] = {
      "tlmc tuning 1\n", "plan ", "device ", "way ", "sum ", "way 0 1 8 0 8 0\n",
      "4294967295",      "0",     "\n",      " ",    "00",   NULL};
  return tl_fuzz_mutate_text(data, size, size_max, seed, pieces);
}
