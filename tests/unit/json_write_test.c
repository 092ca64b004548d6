// The JSON writer: exact text, round trips, misuse and exhausted memory.
#include "runtime/base/json_tree.h"
#include "runtime/base/json_write.h"
#include "tests/lib/check.h"

#include <math.h>

static void write_sample(tl_json_writer *writer) {
  tl_json_write_object_begin(writer);
  tl_json_write_key(writer, TL_STR("a\"b"));
  tl_json_write_array_begin(writer);
  tl_json_write_int(writer, INT64_MIN);
  tl_json_write_real(writer, 1e-06);
  tl_json_write_real(writer, 2);
  tl_json_write_real(writer, NAN);
  tl_json_write_bool(writer, true);
  tl_json_write_null(writer);
  tl_json_write_array_end(writer);
  tl_json_write_key(writer, TL_STR("text"));
  tl_json_write_string(writer, TL_STR("\n\x01\x7F\\/\xC3\xA9\xFF\0z"));
  tl_json_write_key(writer, TL_STR("empty"));
  tl_json_write_object_begin(writer);
  tl_json_write_object_end(writer);
  tl_json_write_object_end(writer);
}

static void test_text(void) {
  tl_arena arena;
  tl_arena_init(&arena, 1 << 20);
  tl_json_writer writer;
  tl_str text;
  tl_json_writer_init(&writer, &arena, 0);
  write_sample(&writer);
  CHECK(tl_ok(tl_json_writer_finish(&writer, &text)));
  CHECK(tl_str_is(text, "{\"a\\\"b\": [-9223372036854775808, 1e-06, 2.0, null, true, null], "
                        "\"text\": \"\\n\\u0001\\u007f\\\\/\xC3\xA9\xEF\xBF\xBD\\u0000z\", "
                        "\"empty\": {}}"));
  tl_json_writer_init(&writer, &arena, 2);
  tl_json_write_array_begin(&writer);
  tl_json_write_int(&writer, 1);
  tl_json_write_array_begin(&writer);
  tl_json_write_array_end(&writer);
  tl_json_write_array_end(&writer);
  CHECK(tl_ok(tl_json_writer_finish(&writer, &text)) && tl_str_is(text, "[\n  1,\n  []\n]"));
  tl_arena_finish(&arena);
}

// What is written reads back the same.
static void test_round_trip(void) {
  tl_arena arena;
  tl_arena_init(&arena, 1 << 20);
  tl_json_writer writer;
  tl_str text;
  tl_json_writer_init(&writer, &arena, 3);
  write_sample(&writer);
  CHECK(tl_ok(tl_json_writer_finish(&writer, &text)));
  tl_source source = {"text", text};
  const tl_json *root;
  CHECK(tl_ok(tl_json_parse(&arena, &source, NULL, &root, NULL)));
  const tl_json *list = tl_json_get(root, TL_STR("a\"b"));
  double real;
  CHECK(list && tl_json_to_real(tl_json_item(list, 1), &real) && real == 1e-06);
  CHECK(tl_json_kind_of(tl_json_item(list, 2)) == TL_JSON_REAL);
  tl_str string;
  CHECK(tl_json_to_string(tl_json_get(root, TL_STR("text")), &string));
  CHECK(tl_str_equal(string, TL_STR("\n\x01\x7F\\/\xC3\xA9\xEF\xBF\xBD\0z")));
  tl_arena_finish(&arena);
}

static void test_misuse(void) {
  tl_arena arena;
  tl_arena_init(&arena, 1 << 20);
  for (int kind = 0; kind < 8; kind++) {
    tl_json_writer writer;
    tl_str text;
    tl_json_writer_init(&writer, &arena, 0);
    if (kind == 1) tl_json_write_key(&writer, TL_STR("a"));
    if (kind == 2) tl_json_write_array_end(&writer);
    if (kind >= 3) tl_json_write_object_begin(&writer);
    if (kind == 3) tl_json_write_int(&writer, 1);
    if (kind == 4) tl_json_write_array_end(&writer);
    if (kind >= 5) tl_json_write_key(&writer, TL_STR("a"));
    if (kind == 5) tl_json_write_object_end(&writer);
    if (kind == 6) tl_json_write_key(&writer, TL_STR("a"));
    if (kind == 7) tl_json_write_int(&writer, 1);
    CHECK(tl_json_writer_finish(&writer, &text) == TL_INTERNAL && !text.data);
  }
  tl_json_writer deep;
  tl_str text;
  tl_json_writer_init(&deep, &arena, 0);
  for (int i = 0; i < 2 * TL_JSON_DEPTH_MAX; i++)
    tl_json_write_array_begin(&deep);
  CHECK(tl_json_writer_finish(&deep, &text) == TL_INTERNAL);
  tl_arena_finish(&arena);
}

static void test_memory(void) {
  tl_status status = TL_MEMORY;
  for (size_t allowed = 0; status != TL_OK; allowed++) {
    tl_arena arena;
    tl_json_writer writer;
    tl_str text;
    tl_arena_init(&arena, 1 << 20);
    arena.fail_after = allowed;
    tl_json_writer_init(&writer, &arena, 8);
    write_sample(&writer);
    status = tl_json_writer_finish(&writer, &text);
    CHECK(allowed < 100 && (status == TL_OK || status == TL_MEMORY));
    tl_arena_finish(&arena);
  }
}

int main(void) {
  test_text();
  test_round_trip();
  test_misuse();
  test_memory();
  return 0;
}
