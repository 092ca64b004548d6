// Law: a plan's text is refused with one diagnostic inside of it, or its tables can be printed;
// what is printed reads back and prints the same again.
#include "runtime/plan/describe.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"
#include "tests/lib/check.h"
#include "tests/lib/plan_equal.h"
#include "tests/lib/plan_text.h"

enum { ARENA_BYTES = 256 << 20 };

// The text of a plan that was read from `source`; reads it again into `out_plan`.
static tl_str print_and_read(const tl_plan *plan, tl_source *out_source, tl_arena *arena,
                             tl_plan *out_plan) {
  static tl_diag diag;
  diag.count = 0;
  out_source->name = "printed";
  CHECK(tl_ok(tl_plan_describe_text(plan, arena, &out_source->text)));
  tl_status status = tl_plan_text_read(out_source, arena, out_plan, &diag);
  if (!tl_ok(status)) tl_diag_print(&diag, stderr);
  CHECK(tl_ok(status));
  return out_source->text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static tl_diag diag;
  diag.count = 0;
  tl_arena arena;
  tl_arena_init(&arena, ARENA_BYTES);
  tl_source source = {"input", {(const char *)data, size}}, first, second;
  tl_plan plan, again, last;
  tl_status status = tl_plan_text_read(&source, &arena, &plan, &diag);
  CHECK(tl_ok(status) == (diag.count == 0) && diag.count <= 1);
  if (diag.count) CHECK(diag.entries[0].span.offset + diag.entries[0].span.length <= size);
  if (tl_ok(status)) {
    // Bytes that are no text print as question marks: from the second time on nothing is lost.
    tl_str text = print_and_read(&plan, &first, &arena, &again);
    CHECK(tl_str_equal(text, print_and_read(&again, &second, &arena, &last)));
    CHECK(tl_plan_tables_equal(&again.tables, &last.tables));
  }
  tl_fuzz_accepted = tl_ok(status);
  tl_arena_finish(&arena);
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  static const char *const pieces[] = {"\n",
                                       "  ",
                                       ", ",
                                       "{",
                                       "}",
                                       "[",
                                       "]",
                                       "=",
                                       ":",
                                       "%",
                                       "~1",
                                       "@",
                                       "|",
                                       "    | ",
                                       "0",
                                       "1",
                                       "-1",
                                       "4294967295",
                                       "4294967296",
                                       "1099511627776",
                                       "9223372036854775807",
                                       "kv f32",
                                       "bf16",
                                       "T >= 2",
                                       "T <= 9",
                                       "layer 3",
                                       "grid 1 * ceil(A / 4)",
                                       "vector",
                                       "panel64",
                                       "window",
                                       "int ",
                                       "weight ",
                                       "buffer ",
                                       "state ",
                                       "group ",
                                       "page_bytes ",
                                       "program ",
                                       "launch ",
                                       "args ",
                                       "code ",
                                       "kernel ",
                                       "output ",
                                       "arenas ",
                                       "target ",
                                       NULL};
  return tl_fuzz_mutate_text(data, size, size_max, seed, pieces);
}
