// Writes the meta section.
#include "compiler/build/meta.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/hash.h"
#include "runtime/base/json_write.h"

// What comes after the last slash that has something behind it.
static tl_str last_part(const char *path) {
  tl_str name = tl_str_from(path);
  while (name.length > 1 && name.data[name.length - 1] == '/')
    name.length--;
  for (size_t i = name.length; i-- > 0;) {
    if (name.data[i] == '/') return tl_str_slice(name, i + 1, name.length);
  }
  return name;
}

tl_str tl_build_model_name(const char *path, char room[PATH_MAX]) {
  tl_str name = last_part(path);
  bool is_relative = tl_str_is(name, ".") || tl_str_is(name, "..");
  return is_relative && realpath(path, room) ? last_part(room) : name;
}

static void write_text(tl_json_writer *writer, const char *key, tl_str text) {
  tl_json_write_key(writer, tl_str_from(key));
  tl_json_write_string(writer, text);
}

static void write_ids(tl_json_writer *writer, const tl_json *node) {
  int64_t id;
  if (tl_json_to_int(node, &id)) tl_json_write_int(writer, id);
  for (size_t i = 0; i < tl_json_count(node); i++) {
    if (tl_json_to_int(tl_json_item(node, i), &id)) tl_json_write_int(writer, id);
  }
}

// Ids that end a generation: of generation_config.json, else those that the description finds.
static void write_stop_ids(tl_json_writer *writer, const tl_build *build) {
  const tl_json *stops = NULL;
  if (build->checkpoint) {
    stops = tl_json_get(build->checkpoint->generation, TL_STR("eos_token_id"));
  }
  if (!stops) stops = build->model.stops;
  tl_json_write_key(writer, TL_STR("stop_ids"));
  tl_json_write_array_begin(writer);
  if (build->model.task == TL_PLAN_TASK_GENERATE) write_ids(writer, stops);
  tl_json_write_array_end(writer);
}

// Names of the outputs by their numbers: all of them, or nothing is written.
static void write_labels(tl_json_writer *writer, const tl_build *build) {
  const tl_json *labels = tl_json_get(build->config, TL_STR("id2label"));
  const tl_json *problem = tl_json_get(build->config, TL_STR("problem_type"));
  bool scores = build->model.task != TL_PLAN_TASK_GENERATE;
  size_t count = scores && tl_json_kind_of(labels) == TL_JSON_OBJECT ? tl_json_count(labels) : 0;
  tl_str name;
  char key[24];
  for (int round = 0; round < 2 && count > 0; round++) { // looks first, then writes
    if (round == 1) tl_json_write_key(writer, TL_STR("labels"));
    if (round == 1) tl_json_write_array_begin(writer);
    for (size_t i = 0; i < count; i++) {
      snprintf(key, sizeof key, "%zu", i);
      if (!tl_json_to_string(tl_json_get(labels, tl_str_from(key)), &name)) return;
      if (round == 1) tl_json_write_string(writer, name);
    }
    if (round == 1) tl_json_write_array_end(writer);
  }
  if (scores && tl_json_to_string(problem, &name)) write_text(writer, "problem_type", name);
}

static void write_targets(tl_json_writer *writer, const tl_build_options *options) {
  tl_json_write_key(writer, TL_STR("targets"));
  tl_json_write_array_begin(writer);
  for (int i = 0; i < TL_TARGET_COUNT; i++) {
    if (options->targets[i]) tl_json_write_string(writer, tl_str_from(tl_target_of(i)->text));
  }
  tl_json_write_array_end(writer);
}

tl_status tl_build_meta(tl_build *build, const tl_build_options *options, tl_str *out_text) {
  tl_json_writer writer;
  char room[PATH_MAX];
  uint8_t digest[TL_SHA256_BYTES];
  char digest_text[TL_SHA256_TEXT_BYTES];
  tl_sha256 sha;
  tl_sha256_init(&sha);
  tl_sha256_add(&sha, build->config_source->text.data, build->config_source->text.length);
  tl_sha256_finish(&sha, digest);
  tl_sha256_text(digest, digest_text);
  tl_str architecture = TL_STR("");
  tl_json_to_string(tl_json_item(tl_json_get(build->config, TL_STR("architectures")), 0),
                    &architecture);
  tl_json_writer_init(&writer, &build->arena, 2);
  tl_json_write_object_begin(&writer);
  write_text(&writer, "model", tl_build_model_name(options->model, room));
  write_text(&writer, "architecture", architecture);
  write_text(&writer, "tool", TL_STR("tlmc " TL_COMPILER_VERSION));
  write_text(&writer, "config_sha256", tl_str_from(digest_text));
  write_targets(&writer, options);
  write_stop_ids(&writer, build);
  write_labels(&writer, build);
  tl_json_write_object_end(&writer);
  return tl_json_writer_finish(&writer, out_text);
}
