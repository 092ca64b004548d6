// Implementation of chat_template.h.
#include "compiler/load/chat_template.h"

#include <dirent.h>
#include <stdlib.h>

#include "runtime/base/json_write.h"
#include "runtime/base/utf8.h"
#include "runtime/text/jinja/jinja.h"

enum { TEMPLATES_MAX = 31, CHECK_BYTES_MAX = 1 << 28 };

typedef struct template_loader {
  const tl_checkpoint *checkpoint;
  tl_arena *arena;
  tl_diag *diag;
  tl_str names[TEMPLATES_MAX];
  const tl_source *sources[TEMPLATES_MAX]; // where they are from; texts of files as they are
  tl_str texts[TEMPLATES_MAX];
  int count;
} template_loader;

static tl_status add(template_loader *loader, tl_str name, const tl_source *source, tl_str text) {
  if (loader->count == TEMPLATES_MAX) {
    return tl_diag_error(loader->diag, TL_UNSUPPORTED, (tl_span){0},
                         "the model has more than %d chat templates", TEMPLATES_MAX);
  }
  loader->names[loader->count] = name;
  loader->sources[loader->count] = source;
  loader->texts[loader->count++] = text;
  return TL_OK;
}

static int compare_names(const void *a, const void *b) {
  return tl_str_compare(*(const tl_str *)a, *(const tl_str *)b);
}

// Names of the templates in additional_chat_templates, in order.
static tl_status list_files(template_loader *loader, const char *folder, tl_str *names,
                            int *out_count) {
  DIR *entries = opendir(folder);
  const struct dirent *entry;
  tl_status status = TL_OK;
  *out_count = 0;
  while (entries && (entry = readdir(entries))) {
    tl_str file = tl_str_from(entry->d_name);
    if (!tl_str_ends_with(file, TL_STR(".jinja")) || file.length == 6) continue;
    if (*out_count == TEMPLATES_MAX) break;
    names[*out_count] = tl_arena_copy(loader->arena, tl_str_slice(file, 0, file.length - 6));
    if (!names[(*out_count)++].data) status = TL_MEMORY;
  }
  if (entries) closedir(entries);
  if (tl_ok(status)) qsort(names, (size_t)*out_count, sizeof *names, compare_names);
  return status;
}

static tl_status load_files(template_loader *loader) {
  static const char folder[] = "additional_chat_templates";
  tl_str names[TEMPLATES_MAX];
  const tl_source *source = NULL;
  int count = 0;
  TL_TRY(tl_checkpoint_text(loader->checkpoint, loader->arena, "chat_template.jinja", &source,
                            loader->diag));
  if (source) TL_TRY(add(loader, TL_STR("default"), source, source->text));
  tl_str path = tl_arena_format(loader->arena, "%s/%s", loader->checkpoint->folder, folder);
  if (!path.data) return TL_MEMORY;
  TL_TRY(list_files(loader, path.data, names, &count));
  for (int i = 0; i < count; i++) {
    tl_str file = tl_arena_format(loader->arena, "%s/%.*s.jinja", folder, TL_STR_ARG(names[i]));
    if (!file.data) return TL_MEMORY;
    TL_TRY(tl_checkpoint_text(loader->checkpoint, loader->arena, file.data, &source, loader->diag));
    if (source) TL_TRY(add(loader, names[i], source, source->text));
  }
  return TL_OK;
}

// "chat_template" of a JSON file: one text, or a list of named ones.
static tl_status load_member(template_loader *loader, const tl_source *source,
                             const tl_json *root) {
  const tl_json *node = tl_json_get(root, TL_STR("chat_template"));
  tl_str text, name;
  if (tl_json_kind_of(node) == TL_JSON_NULL) return TL_OK;
  if (tl_json_to_string(node, &text)) return add(loader, TL_STR("default"), source, text);
  bool is_list = tl_json_kind_of(node) == TL_JSON_ARRAY;
  for (size_t i = 0; is_list && i < node->count; i++) {
    const tl_json *item = &node->items[i];
    is_list = tl_json_to_string(tl_json_get(item, TL_STR("name")), &name) &&
              tl_json_to_string(tl_json_get(item, TL_STR("template")), &text);
    if (is_list) TL_TRY(add(loader, name, source, text));
  }
  if (is_list) return TL_OK;
  return tl_json_expected(source, node, "chat_template",
                          "a text or a list of objects with name and template", loader->diag);
}

static tl_status read_json(template_loader *loader, const char *name, const tl_source **out_source,
                           const tl_json **out_root) {
  *out_root = NULL;
  TL_TRY(tl_checkpoint_text(loader->checkpoint, loader->arena, name, out_source, loader->diag));
  if (!*out_source) return TL_OK;
  const tl_json_options last_counts = {.allows_duplicates = true};
  return tl_json_parse(loader->arena, *out_source, &last_counts, out_root, loader->diag);
}

// The text of a special token: {"content": ..} or the text itself.
static bool token_text(const tl_json *node, tl_str *out) {
  const tl_json *content = tl_json_get(node, TL_STR("content"));
  return tl_json_to_string(content ? content : node, out);
}

// Members whose name ends with `_token`, as templates know special tokens by.
static void write_tokens(tl_json_writer *writer, const tl_json *object, const tl_json *except) {
  for (size_t i = 0; i < tl_json_count(object); i++) {
    const tl_json_member *member = &object->members[i];
    tl_str name = member->key.string, text;
    bool is_token = tl_str_ends_with(name, TL_STR("_token")) && token_text(&member->value, &text);
    bool is_known = tl_json_get(object, name) != &member->value || tl_json_get(except, name);
    if (!is_token || is_known) continue;
    tl_json_write_key(writer, name);
    tl_json_write_string(writer, text);
  }
}

static tl_status write_section(template_loader *loader, const tl_json *config, tl_str *out_bytes) {
  const tl_source *source = NULL;
  const tl_json *map = NULL, *extra = NULL;
  tl_json_writer writer;
  TL_TRY(read_json(loader, "special_tokens_map.json", &source, &map));
  if (tl_json_kind_of(map) != TL_JSON_OBJECT) map = NULL;
  extra = tl_json_get(config, TL_STR("extra_special_tokens"));
  if (tl_json_kind_of(extra) != TL_JSON_OBJECT) extra = NULL;
  tl_json_writer_init(&writer, loader->arena, 0);
  tl_json_write_object_begin(&writer);
  tl_json_write_key(&writer, TL_STR("templates"));
  tl_json_write_array_begin(&writer);
  for (int i = 0; i < loader->count; i++) {
    tl_json_write_object_begin(&writer);
    tl_json_write_key(&writer, TL_STR("name"));
    tl_json_write_string(&writer, loader->names[i]);
    tl_json_write_key(&writer, TL_STR("text"));
    tl_json_write_string(&writer, loader->texts[i]);
    tl_json_write_object_end(&writer);
  }
  tl_json_write_array_end(&writer);
  tl_json_write_key(&writer, TL_STR("tokens"));
  tl_json_write_object_begin(&writer);
  write_tokens(&writer, config, NULL);
  if (extra) write_tokens(&writer, extra, config);
  if (map && !extra) write_tokens(&writer, map, config);
  tl_json_write_object_end(&writer);
  tl_json_write_object_end(&writer);
  return tl_json_writer_finish(&writer, out_bytes);
}

// "chat_template.jinja, line 3, column 7: .." for the first template that cannot be parsed.
static tl_status check(template_loader *loader, const char **out_warning) {
  *out_warning = NULL;
  for (int i = 0; i < loader->count && !*out_warning; i++) {
    tl_arena memory;
    tl_diag *diag = tl_arena_alloc(loader->arena, sizeof *diag);
    const tl_jinja_template *template = NULL;
    int line = 1, column = 1;
    if (!diag) return TL_MEMORY;
    tl_source source = {loader->sources[i]->name, loader->texts[i]};
    tl_arena_init(&memory, CHECK_BYTES_MAX);
    tl_status status = tl_jinja_parse(&memory, &source, &template, diag);
    const tl_diag_entry *entry = &diag->entries[0];
    if (!tl_ok(status) && diag->count > 0 && entry->span.source) {
      tl_diag_locate(entry->span.source->text, entry->span.offset, &line, &column);
    }
    if (!tl_ok(status)) {
      tl_str text = tl_arena_format(
          loader->arena, "%s: chat template '%.*s', line %d, column %d: %s; `chat` will refuse it",
          source.name, TL_STR_ARG(loader->names[i]), line, column,
          diag->count > 0 ? entry->text : "it is too large");
      *out_warning = text.data;
    }
    tl_arena_finish(&memory);
    if (!tl_ok(status) && !*out_warning) return TL_MEMORY;
  }
  return TL_OK;
}

tl_status tl_chat_template_load(const tl_checkpoint *checkpoint, tl_arena *arena, tl_diag *diag,
                                tl_chat_template_section *out_section) {
  template_loader *loader = tl_arena_alloc(arena, sizeof *loader);
  const tl_source *source = NULL, *config_source = NULL;
  const tl_json *config = NULL, *root = NULL;
  *out_section = (tl_chat_template_section){0};
  if (!loader) return TL_MEMORY;
  loader->checkpoint = checkpoint;
  loader->arena = arena;
  loader->diag = diag;
  TL_TRY(read_json(loader, "tokenizer_config.json", &config_source, &config));
  TL_TRY(load_files(loader));
  if (loader->count == 0 && config_source) TL_TRY(load_member(loader, config_source, config));
  if (loader->count == 0) {
    TL_TRY(read_json(loader, "chat_template.json", &source, &root));
    if (source) TL_TRY(load_member(loader, source, root));
  }
  if (loader->count == 0) return TL_OK;
  TL_TRY(check(loader, &out_section->warning));
  return write_section(loader, config, &out_section->bytes);
}
