// Fuzz target: JSON. A text that parses is written and parsed again to an equal tree; every node's
// place lies in its parent's; every member is found by its key; the pull reader agrees with the
// tree. A text that does not parse has a diagnostic inside of it.
#include <math.h>

#include "runtime/base/json_tree.h"
#include "runtime/base/json_write.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"
#include "tests/lib/check.h"

enum { ARENA_BYTES = 256 << 20 };

static void check_node(const tl_json *node, const tl_json *parent) {
  CHECK(!parent || (node->offset >= parent->offset &&
                    node->offset + node->length <= parent->offset + parent->length));
  CHECK(node->length > 0);
  for (uint32_t i = 0; i < node->count && node->kind == TL_JSON_ARRAY; i++)
    check_node(&node->items[i], node);
  for (uint32_t i = 0; i < node->count && node->kind == TL_JSON_OBJECT; i++) {
    const tl_json_member *member = &node->members[i];
    check_node(&member->key, node);
    check_node(&member->value, node);
    CHECK(tl_json_get(node, member->key.string) == &member->value);
  }
}

static void write_node(tl_json_writer *writer, const tl_json *node) {
  switch ((tl_json_kind)node->kind) {
  case TL_JSON_NULL: tl_json_write_null(writer); break;
  case TL_JSON_BOOL: tl_json_write_bool(writer, node->boolean); break;
  case TL_JSON_INT: tl_json_write_int(writer, node->integer); break;
  case TL_JSON_REAL: tl_json_write_real(writer, node->real); break;
  case TL_JSON_STRING: tl_json_write_string(writer, node->string); break;
  case TL_JSON_ARRAY:
    tl_json_write_array_begin(writer);
    for (uint32_t i = 0; i < node->count; i++)
      write_node(writer, &node->items[i]);
    tl_json_write_array_end(writer);
    break;
  case TL_JSON_OBJECT:
    tl_json_write_object_begin(writer);
    for (uint32_t i = 0; i < node->count; i++) {
      tl_json_write_key(writer, node->members[i].key.string);
      write_node(writer, &node->members[i].value);
    }
    tl_json_write_object_end(writer);
  }
}

static void check_equal(const tl_json *a, const tl_json *b) {
  CHECK(a->kind == b->kind && a->count == b->count);
  switch ((tl_json_kind)a->kind) {
  case TL_JSON_NULL: break;
  case TL_JSON_BOOL: CHECK(a->boolean == b->boolean); break;
  case TL_JSON_INT: CHECK(a->integer == b->integer); break;
  case TL_JSON_REAL: CHECK(a->real == b->real && signbit(a->real) == signbit(b->real)); break;
  case TL_JSON_STRING: CHECK(tl_str_equal(a->string, b->string)); break;
  case TL_JSON_ARRAY:
    for (uint32_t i = 0; i < a->count; i++)
      check_equal(&a->items[i], &b->items[i]);
    break;
  case TL_JSON_OBJECT:
    for (uint32_t i = 0; i < a->count; i++) {
      check_equal(&a->members[i].key, &b->members[i].key);
      check_equal(&a->members[i].value, &b->members[i].value);
    }
  }
}

static void check_round_trip(tl_arena *arena, const tl_json *root, int indent) {
  tl_json_writer writer;
  tl_str text;
  const tl_json *again;
  tl_json_writer_init(&writer, arena, indent);
  write_node(&writer, root);
  CHECK(tl_ok(tl_json_writer_finish(&writer, &text)));
  tl_source source = {"written", text};
  CHECK(tl_ok(tl_json_parse(arena, &source, NULL, &again, NULL)));
  check_equal(root, again);
}

// Status of pulling all tokens; a duplicate key is no fault there.
static tl_status pull(const tl_source *source) {
  tl_json_reader reader;
  tl_json_token token;
  tl_status status;
  tl_json_reader_init(&reader, source, NULL);
  do {
    status = tl_json_next(&reader, &token);
    CHECK(token.offset <= source->text.length);
    CHECK(token.length <= source->text.length - token.offset || !tl_ok(status));
  } while (tl_ok(status) && token.kind != TL_JSON_END);
  CHECK(tl_json_next(&reader, &token) == status);
  return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static tl_diag diag;
  diag.count = 0;
  tl_arena arena;
  tl_arena_init(&arena, ARENA_BYTES);
  tl_source source = {"input", {(const char *)data, size}};
  const tl_json *root;
  tl_status status = tl_json_parse(&arena, &source, NULL, &root, &diag);
  CHECK(tl_ok(status) == (diag.count == 0) && tl_ok(status) == (root != NULL));
  tl_fuzz_accepted = tl_ok(status);
  for (int i = 0; i < diag.count; i++)
    CHECK(diag.entries[i].span.offset <= size);
  tl_status pulled = pull(&source);
  CHECK(tl_ok(pulled) || !tl_ok(status));
  tl_json_options options = {.allows_duplicates = true};
  const tl_json *lenient;
  CHECK(tl_json_parse(&arena, &source, &options, &lenient, NULL) == pulled);
  if (root) {
    check_node(root, NULL);
    check_equal(root, lenient);
    check_round_trip(&arena, root, 0);
    check_round_trip(&arena, root, 3);
  }
  tl_arena_finish(&arena);
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  static const char *const pieces[] = {"{",
                                       "}",
                                       "[",
                                       "]",
                                       ",",
                                       ":",
                                       "\"",
                                       "\\",
                                       "\\u",
                                       "d83d\\ude00",
                                       "\n",
                                       "null",
                                       "true",
                                       "false",
                                       "0",
                                       "-",
                                       ".",
                                       "e",
                                       "1e308",
                                       "1e-320",
                                       "9223372036854775807",
                                       "-9223372036854775808",
                                       "\"a\":",
                                       "\"\\u0061\":",
                                       "\xC3\xA9",
                                       "\xF0\x9F\x98\x80",
                                       "\xED\xA0",
                                       "NaN",
                                       "[[[[[[[[",
                                       NULL};
  return tl_fuzz_mutate_json(data, size, size_max, seed, pieces);
}
