// Writes JSON into an arena: the same calls give the same bytes everywhere.
//
//   tl_json_writer writer;
//   tl_json_writer_init(&writer, arena, 2);
//   tl_json_write_object_begin(&writer);
//   tl_json_write_key(&writer, TL_STR("layers"));
//   tl_json_write_int(&writer, 30);
//   tl_json_write_object_end(&writer);
//   TL_TRY(tl_json_writer_finish(&writer, &text));     {"layers": 30}, on three lines
//
// Calls never fail one by one: the first fault is kept and comes out of finish. Calls in an order
// that gives no JSON (a value without key in an object, an end without begin) are a bug of the
// caller and come out as TL_INTERNAL.
#ifndef TL_BASE_JSON_WRITE_H
#define TL_BASE_JSON_WRITE_H

#include "runtime/base/json.h"

typedef struct tl_json_writer {
  tl_arena *arena;
  char *data;
  size_t length, capacity;
  int indent;       // spaces per level; 0 = everything on one line
  tl_status status; // of the first fault
  int depth;
  bool is_object[TL_JSON_DEPTH_MAX];
  bool has_items[TL_JSON_DEPTH_MAX];
  bool after_key;
  bool is_done; // a whole value has been written
} tl_json_writer;

// The text is built on `arena`. `indent` spaces per level (0 to 8), 0 writes one line.
void tl_json_writer_init(tl_json_writer *writer, tl_arena *arena, int indent);

// The whole text, without a line end after it. TL_MEMORY if the arena was full, TL_INTERNAL if the
// calls made no JSON.
tl_status tl_json_writer_finish(tl_json_writer *writer, tl_str *out_text) TL_CHECKED;

void tl_json_write_object_begin(tl_json_writer *writer);
void tl_json_write_object_end(tl_json_writer *writer);
void tl_json_write_array_begin(tl_json_writer *writer);
void tl_json_write_array_end(tl_json_writer *writer);

// The key of the value that the next call writes. Keys are not compared with each other.
void tl_json_write_key(tl_json_writer *writer, tl_str key);

// Quotes, backslashes and control characters are escaped; bytes that are not UTF-8 become U+FFFD.
void tl_json_write_string(tl_json_writer *writer, tl_str text);

void tl_json_write_int(tl_json_writer *writer, int64_t value);

// The shortest text that reads back to `value`; null for infinities and NaN, which JSON has not.
void tl_json_write_real(tl_json_writer *writer, double value);

void tl_json_write_bool(tl_json_writer *writer, bool value);
void tl_json_write_null(tl_json_writer *writer);

#endif
