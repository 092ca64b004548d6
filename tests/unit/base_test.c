// Status, string views, arenas and diagnostics.
#include "runtime/base/arena.h"
#include "runtime/base/diag.h"
#include "tests/lib/check.h"

static void test_status(void) {
  CHECK(tl_status_exit_code(TL_OK) == 0);
  for (int s = 1; s < TL_STATUS_COUNT; s++)
    CHECK(tl_status_exit_code((tl_status)s) != 0);
  CHECK(tl_status_text((tl_status)99) != NULL);
}

static void test_str(void) {
  int64_t value;
  CHECK(tl_str_to_i64(TL_STR("-9223372036854775808"), &value) && value == INT64_MIN);
  CHECK(!tl_str_to_i64(TL_STR("9223372036854775808"), &value));
  CHECK(!tl_str_to_i64(TL_STR(""), &value) && !tl_str_to_i64(TL_STR("-"), &value));
  double real;
  CHECK(tl_str_to_f64(TL_STR("1e-06"), &real) && real == 1e-06);
  CHECK(!tl_str_to_f64(TL_STR(" 1"), &real) && !tl_str_to_f64(TL_STR("1x"), &real));
  CHECK(tl_str_is(tl_str_trim(TL_STR(" a b\n")), "a b"));
  CHECK(tl_str_distance(TL_STR("q_nrom"), TL_STR("q_norm"), 9) == 2);
  CHECK(tl_str_distance(TL_STR("abc"), TL_STR(""), 9) == 3);
  CHECK(tl_str_compare(TL_STR("ab"), TL_STR("abc")) < 0);
  CHECK(tl_str_slice(TL_STR("abc"), 2, 99).length == 1);
}

static void test_arena(void) {
  tl_arena arena;
  tl_arena_init(&arena, 1 << 20);
  char *first = tl_arena_alloc(&arena, 100);
  CHECK(first && first[99] == 0 && (uintptr_t)first % 16 == 0);
  CHECK(tl_arena_alloc(&arena, 2 << 20) == NULL);
  CHECK(tl_arena_array(&arena, SIZE_MAX / 2, 4) == NULL);
  CHECK(tl_str_is(tl_arena_format(&arena, "%d-%s", 7, "x"), "7-x"));
  size_t capacity = 0;
  int *items = NULL;
  for (int i = 0; i < 1000; i++) {
    items = tl_arena_grow(&arena, items, &capacity, (size_t)i + 1, sizeof *items);
    CHECK(items);
    items[i] = i;
  }
  for (int i = 0; i < 1000; i++)
    CHECK(items[i] == i);
  arena.fail_after = 1;
  CHECK(tl_arena_alloc(&arena, 1) && !tl_arena_alloc(&arena, 1) && !tl_arena_alloc(&arena, 1));
  arena.fail_after = SIZE_MAX;
  tl_arena_reset(&arena);
  CHECK(tl_arena_alloc(&arena, 64));
  tl_arena_finish(&arena);
  tl_arena_finish(&arena);
}

static void test_diag(void) {
  static tl_diag diag;
  tl_source source = {"x.yaml", TL_STR("one\ntwo three\n")};
  tl_str part = tl_str_slice(source.text, 8, 13);
  CHECK(tl_diag_error(&diag, TL_INPUT, tl_span_of(&source, part), "no '%s'", "three") == TL_INPUT);
  tl_diag_note(&diag, "closest is 'two'");
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);
  tl_diag_print(&diag, out);
  fclose(out);
  CHECK(tl_str_is(tl_str_from(text), "x.yaml:2:5: error: no 'three'\n"
                                     "    2 | two three\n"
                                     "      |     ^~~~~\n"
                                     "note: closest is 'two'\n"));
  free(text);
  (void)tl_diag_error(&diag, TL_INPUT, (tl_span){&source, 12, SIZE_MAX}, "ends beyond the text");
  CHECK(diag.entries[1].span.offset == 12 && diag.entries[1].span.length == 2);
  (void)tl_diag_error(&diag, TL_INPUT, (tl_span){&source, 15, 1}, "begins beyond the text");
  CHECK(diag.entries[2].span.offset == 14 && diag.entries[2].span.length == 0);
  (void)tl_diag_error(&diag, TL_INPUT, tl_span_of(&source, part), "no '%s'", "three");
  tl_diag_note(&diag, "goes with what is said already");
  CHECK(diag.count == 3 && diag.entries[2].notes_count == 0);
  diag.count = 1;
  for (int i = 0; i < 40; i++)
    (void)tl_diag_error(&diag, TL_IO, (tl_span){0}, "again, %d", i);
  CHECK(diag.count == TL_DIAG_MAX && diag.dropped == 9 && diag.entries[0].status == TL_INPUT);
}

int main(void) {
  test_status();
  test_str();
  test_arena();
  test_diag();
  return 0;
}
