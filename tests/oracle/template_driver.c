// Renders a chat template for every set of variables in a file, for compare_templates.py:
//
//   template_driver TEMPLATE CASES.json NOW    [{"messages": [..], ..}, ..]
//
// prints one JSON array: {"text": ..} for each case, or {"error": ..}.
#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/file.h"
#include "runtime/base/json_write.h"
#include "runtime/text/jinja/jinja.h"

static void write_result(tl_json_writer *writer, tl_status status, const tl_diag *diag,
                         tl_str text) {
  tl_json_write_object_begin(writer);
  tl_json_write_key(writer, tl_ok(status) ? TL_STR("text") : TL_STR("error"));
  if (!tl_ok(status)) {
    text = diag->count ? tl_str_from(diag->entries[0].text) : tl_str_from(tl_status_text(status));
  }
  tl_json_write_string(writer, text);
  tl_json_write_object_end(writer);
}

static tl_status render(const tl_jinja_template *template, const tl_source *source,
                        const tl_json *variables, int64_t now, tl_json_writer *writer) {
  tl_arena arena;
  static tl_diag diag;
  tl_str text = {0};
  diag = (tl_diag){0};
  tl_arena_init(&arena, (size_t)1 << 30);
  tl_jinja_variables set = {source, variables};
  tl_jinja_input input = {.sets = &set, .sets_count = 1, .now = now};
  tl_status status = tl_jinja_render(template, &input, &arena, &diag, &text);
  write_result(writer, status, &diag, text);
  tl_arena_finish(&arena);
  return TL_OK;
}

int main(int argc, char **argv) {
  static tl_diag diag;
  static tl_arena arena;
  tl_file template_file, cases_file;
  tl_json_writer writer;
  const tl_json *cases = NULL;
  const tl_jinja_template *template = NULL;
  tl_str out = {0};
  int64_t now = 0;
  if (argc != 4 || !tl_str_to_i64(tl_str_from(argv[3]), &now)) return 2;
  tl_arena_init(&arena, (size_t)4 << 30);
  tl_status status = tl_file_open(argv[1], &template_file, &diag);
  if (tl_ok(status)) status = tl_file_open(argv[2], &cases_file, &diag);
  if (!tl_ok(status)) {
    tl_diag_print(&diag, stderr);
    return 1;
  }
  tl_source text = {argv[1], template_file.bytes}, source = {argv[2], cases_file.bytes};
  status = tl_json_parse(&arena, &source, NULL, &cases, &diag);
  if (!tl_ok(status)) {
    tl_diag_print(&diag, stderr);
    return 1;
  }
  tl_json_writer_init(&writer, &arena, 0);
  tl_json_write_array_begin(&writer);
  tl_status parsed = tl_jinja_parse(&arena, &text, &template, &diag);
  if (!tl_ok(parsed)) tl_diag_print(&diag, stderr);
  for (size_t i = 0; tl_ok(status) && i < tl_json_count(cases); i++) {
    if (tl_ok(parsed))
      status = render(template, &source, tl_json_item(cases, i), now, &writer);
    else
      write_result(&writer, parsed, &diag, out);
  }
  tl_json_write_array_end(&writer);
  if (tl_ok(status)) status = tl_json_writer_finish(&writer, &out);
  fwrite(out.data, 1, out.length, stdout);
  tl_file_close(&template_file);
  tl_file_close(&cases_file);
  tl_arena_finish(&arena);
  return tl_ok(status) ? 0 : 1;
}
