// Implementation of json_write.h.
#include "runtime/base/json_write.h"

#include <math.h>
#include <stdio.h>

#include "runtime/base/decimal.h"
#include "runtime/base/utf8.h"

enum { INDENT_MAX = 8, ESCAPE_BYTES_MAX = 6 };

void tl_json_writer_init(tl_json_writer *writer, tl_arena *arena, int indent) {
  *writer = (tl_json_writer){.arena = arena, .indent = indent < 0 ? 0 : indent};
  if (writer->indent > INDENT_MAX) writer->indent = INDENT_MAX;
}

static void fail(tl_json_writer *writer, tl_status status) {
  if (tl_ok(writer->status)) writer->status = status;
}

static void put(tl_json_writer *writer, const char *data, size_t length) {
  if (!tl_ok(writer->status) || !length) return;
  char *grown = tl_arena_grow(writer->arena, writer->data, &writer->capacity,
                              writer->length + length, sizeof *grown);
  if (!grown) {
    fail(writer, TL_MEMORY);
    return;
  }
  writer->data = grown;
  memcpy(grown + writer->length, data, length);
  writer->length += length;
}

static void put_line(tl_json_writer *writer) {
  static const char spaces[INDENT_MAX + 1] = "        ";
  if (!writer->indent) return;
  put(writer, "\n", 1);
  for (int i = 0; i < writer->depth; i++)
    put(writer, spaces, (size_t)writer->indent);
}

// What stands before an item of the innermost array or object.
static void put_separator(tl_json_writer *writer) {
  int top = writer->depth - 1;
  if (writer->has_items[top]) put(writer, writer->indent ? "," : ", ", writer->indent ? 1 : 2);
  writer->has_items[top] = true;
  put_line(writer);
}

static void begin_value(tl_json_writer *writer) {
  bool in_object = writer->depth && writer->is_object[writer->depth - 1];
  if (writer->is_done || in_object != writer->after_key) fail(writer, TL_INTERNAL);
  if (!tl_ok(writer->status)) return;
  if (writer->depth && !in_object) put_separator(writer);
  writer->after_key = false;
  writer->is_done = writer->depth == 0;
}

static void begin_container(tl_json_writer *writer, bool is_object) {
  begin_value(writer);
  if (writer->depth == TL_JSON_DEPTH_MAX) fail(writer, TL_INTERNAL);
  if (!tl_ok(writer->status)) return;
  put(writer, is_object ? "{" : "[", 1);
  writer->is_object[writer->depth] = is_object;
  writer->has_items[writer->depth++] = false;
  writer->is_done = false;
}

static void end_container(tl_json_writer *writer, bool is_object) {
  bool fits = writer->depth && writer->is_object[writer->depth - 1] == is_object;
  if (!fits || writer->after_key) fail(writer, TL_INTERNAL);
  if (!tl_ok(writer->status)) return;
  if (writer->has_items[--writer->depth]) put_line(writer);
  put(writer, is_object ? "}" : "]", 1);
  writer->is_done = writer->depth == 0;
}

// The escape of an ASCII character, empty if it stands for itself.
static size_t escape(uint32_t code, char out[ESCAPE_BYTES_MAX + 1]) {
  static const char special[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
  const char *found = code && code < 0x80 ? strchr(special, (int)code) : NULL;
  if (found) return (size_t)snprintf(out, ESCAPE_BYTES_MAX + 1, "\\%c", letters[found - special]);
  if (code >= 0x20 && code != 0x7F) return 0;
  return (size_t)snprintf(out, ESCAPE_BYTES_MAX + 1, "\\u%04x", (unsigned)code);
}

static void put_string(tl_json_writer *writer, tl_str text) {
  put(writer, "\"", 1);
  size_t done = 0;
  for (size_t at = 0; at < text.length;) {
    uint32_t code;
    bool valid;
    char instead[ESCAPE_BYTES_MAX + 1];
    size_t length = tl_utf8_check(text.data + at, text.length - at, &code, &valid);
    size_t instead_length = valid ? escape(code, instead) : tl_utf8_write(code, instead);
    if (instead_length) {
      put(writer, text.data + done, at - done);
      put(writer, instead, instead_length);
      done = at + length;
    }
    at += length;
  }
  put(writer, text.data + done, text.length - done);
  put(writer, "\"", 1);
}

void tl_json_write_object_begin(tl_json_writer *writer) {
  begin_container(writer, true);
}

void tl_json_write_object_end(tl_json_writer *writer) {
  end_container(writer, true);
}

void tl_json_write_array_begin(tl_json_writer *writer) {
  begin_container(writer, false);
}

void tl_json_write_array_end(tl_json_writer *writer) {
  end_container(writer, false);
}

void tl_json_write_key(tl_json_writer *writer, tl_str key) {
  bool in_object = writer->depth && writer->is_object[writer->depth - 1];
  if (!in_object || writer->after_key) fail(writer, TL_INTERNAL);
  if (!tl_ok(writer->status)) return;
  put_separator(writer);
  put_string(writer, key);
  put(writer, ": ", 2);
  writer->after_key = true;
}

void tl_json_write_string(tl_json_writer *writer, tl_str text) {
  begin_value(writer);
  put_string(writer, text);
}

void tl_json_write_int(tl_json_writer *writer, int64_t value) {
  char text[TL_DECIMAL_TEXT_BYTES];
  begin_value(writer);
  put(writer, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)value));
}

void tl_json_write_real(tl_json_writer *writer, double value) {
  char text[TL_DECIMAL_TEXT_BYTES];
  begin_value(writer);
  if (isfinite(value))
    put(writer, text, tl_decimal_from_f64(value, text));
  else
    put(writer, "null", 4);
}

void tl_json_write_bool(tl_json_writer *writer, bool value) {
  begin_value(writer);
  put(writer, value ? "true" : "false", value ? 4 : 5);
}

void tl_json_write_null(tl_json_writer *writer) {
  begin_value(writer);
  put(writer, "null", 4);
}

tl_status tl_json_writer_finish(tl_json_writer *writer, tl_str *out_text) {
  if (!writer->is_done) fail(writer, TL_INTERNAL);
  *out_text = tl_ok(writer->status) ? (tl_str){writer->data, writer->length} : (tl_str){NULL, 0};
  return writer->status;
}
