// Implementation of checkpoint.h.
#include "compiler/load/checkpoint.h"

#include "compiler/load/checkpoint_folder.h"

static tl_status out_of_memory(const char *path, tl_diag *diag) {
  return tl_diag_error(diag, TL_MEMORY, (tl_span){0}, "no memory to open %s", path);
}

tl_status tl_checkpoint_text(const tl_checkpoint *checkpoint, tl_arena *arena, const char *name,
                             const tl_source **out_source, tl_diag *diag) {
  *out_source = NULL;
  const char *path = tl_folder_join(arena, checkpoint->folder, tl_str_from(name));
  if (!path) return out_of_memory(name, diag);
  if (!tl_file_exists(path)) return TL_OK;
  return tl_folder_read(arena, path, TL_CHECKPOINT_TEXT_BYTES_MAX, out_source, diag);
}

// Reads a file that holds one JSON object; both outputs are NULL if there is none.
static tl_status read_settings(const tl_checkpoint *checkpoint, const char *name,
                               const tl_source **out_source, const tl_json **out_root,
                               tl_diag *diag) {
  *out_root = NULL;
  TL_TRY(tl_checkpoint_text(checkpoint, checkpoint->arena, name, out_source, diag));
  if (!*out_source) return TL_OK;
  TL_TRY(tl_json_parse(checkpoint->arena, *out_source, NULL, out_root, diag));
  if ((*out_root)->kind == TL_JSON_OBJECT) return TL_OK;
  return tl_json_expected(*out_source, *out_root, name, "an object", diag);
}

static tl_status open_settings(tl_checkpoint *checkpoint, tl_diag *diag) {
  TL_TRY(read_settings(checkpoint, "config.json", &checkpoint->config_source, &checkpoint->config,
                       diag));
  if (!checkpoint->config)
    return tl_diag_error(diag, TL_IO, (tl_span){0}, "%s has no config.json", checkpoint->folder);
  TL_TRY(read_settings(checkpoint, "generation_config.json", &checkpoint->generation_source,
                       &checkpoint->generation, diag));
  const tl_json *stops = tl_json_get(checkpoint->generation, TL_STR("eos_token_id"));
  if (tl_json_kind_of(stops) == TL_JSON_NULL || tl_json_holds_ints(stops)) return TL_OK;
  return tl_json_expected(checkpoint->generation_source, stops, "eos_token_id",
                          "an integer or a list of integers", diag);
}

static tl_status open_files(tl_checkpoint *checkpoint, const tl_folder_weights *weights,
                            tl_diag *diag) {
  checkpoint->files = tl_arena_array(checkpoint->arena, weights->count, sizeof *checkpoint->files);
  if (!checkpoint->files) return out_of_memory(checkpoint->folder, diag);
  tl_status first = TL_OK;
  for (uint32_t i = 0; i < weights->count; i++) {
    tl_safetensors *file = &checkpoint->files[checkpoint->files_count++];
    tl_status status = tl_safetensors_open(checkpoint->arena, weights->paths[i], file, diag);
    if (!tl_ok(status) && tl_ok(first)) first = status;
    if (status == TL_MEMORY) return first;
  }
  return first;
}

static tl_status add_tensor(tl_checkpoint *checkpoint, tl_tensor *tensor, tl_diag *diag) {
  int64_t number = tl_name_index_add(&checkpoint->names, tensor->name);
  if (number >= 0) {
    checkpoint->tensors[checkpoint->tensors_count++] = tensor;
    checkpoint->bytes += (int64_t)tensor->bytes;
    return TL_OK;
  }
  tl_status status = tl_diag_error(diag, TL_INPUT, tensor->span, "tensor '%.*s' is in two files",
                                   TL_STR_ARG(tensor->name));
  const tl_tensor *other = tl_checkpoint_find(checkpoint, tensor->name);
  tl_diag_note(diag, "the other is %s", tl_checkpoint_file_of(checkpoint, other));
  return status;
}

static tl_status index_tensors(tl_checkpoint *checkpoint, tl_diag *diag) {
  size_t count = 0;
  for (uint32_t f = 0; f < checkpoint->files_count; f++)
    count += checkpoint->files[f].tensors_count;
  checkpoint->tensors = tl_arena_array(checkpoint->arena, count, sizeof *checkpoint->tensors);
  if (!checkpoint->tensors ||
      !tl_ok(tl_name_index_init(&checkpoint->names, checkpoint->arena, count)))
    return out_of_memory(checkpoint->folder, diag);
  tl_status first = TL_OK;
  for (uint32_t f = 0; f < checkpoint->files_count; f++) {
    tl_safetensors *file = &checkpoint->files[f];
    for (uint32_t i = 0; i < file->tensors_count; i++) {
      file->tensors[i].file_index = f;
      tl_status status = add_tensor(checkpoint, &file->tensors[i], diag);
      if (tl_ok(first)) first = status;
    }
  }
  return first;
}

// The index must tell the truth: each tensor it lists is in the file that it names.
static tl_status check_index(const tl_checkpoint *checkpoint, const tl_folder_weights *weights,
                             tl_diag *diag) {
  tl_status first = TL_OK;
  for (uint32_t i = 0; weights->map && i < weights->map->count; i++) {
    const tl_json_member *member = &weights->map->members[i];
    tl_span span = tl_json_span(weights->index_source, &member->key);
    const tl_tensor *tensor = tl_checkpoint_find(checkpoint, member->key.string);
    const char *path = tensor ? tl_checkpoint_file_of(checkpoint, tensor) : "/";
    tl_str name = tl_str_from(strrchr(path, '/') + 1);
    if (tl_str_equal(name, member->value.string)) continue;
    first = TL_INPUT;
    if (tensor)
      (void)tl_diag_error(diag, TL_INPUT, span, "tensor '%.*s' is in %.*s, not in %.*s",
                          TL_STR_ARG(member->key.string), TL_STR_ARG(name),
                          TL_STR_ARG(member->value.string));
    else
      (void)tl_diag_error(diag, TL_INPUT, span, "tensor '%.*s' is not in %.*s",
                          TL_STR_ARG(member->key.string), TL_STR_ARG(member->value.string));
  }
  return first;
}

static tl_status open_tensors(tl_checkpoint *checkpoint, tl_diag *diag) {
  tl_folder_weights weights;
  TL_TRY(tl_folder_find_weights(checkpoint->arena, checkpoint->folder, TL_CHECKPOINT_FILES_MAX,
                                &weights, diag));
  TL_TRY(open_files(checkpoint, &weights, diag));
  TL_TRY(index_tensors(checkpoint, diag));
  return check_index(checkpoint, &weights, diag);
}

tl_status tl_checkpoint_open(tl_arena *arena, const char *path,
                             const tl_checkpoint_options *options, tl_checkpoint **out_checkpoint,
                             tl_diag *diag) {
  static const tl_checkpoint_options defaults = {0};
  if (!options) options = &defaults;
  *out_checkpoint = NULL;
  tl_checkpoint *checkpoint = tl_arena_alloc(arena, sizeof *checkpoint);
  if (!checkpoint) return out_of_memory(path, diag);
  checkpoint->arena = arena;
  tl_status status = tl_folder_resolve(arena, path, options->subfolder, &checkpoint->folder, diag);
  if (tl_ok(status)) status = open_settings(checkpoint, diag);
  if (tl_ok(status) && !options->without_tensors) status = open_tensors(checkpoint, diag);
  if (tl_ok(status))
    *out_checkpoint = checkpoint;
  else
    tl_checkpoint_close(checkpoint);
  return status;
}

void tl_checkpoint_close(tl_checkpoint *checkpoint) {
  if (!checkpoint) return;
  for (uint32_t i = 0; i < checkpoint->files_count; i++)
    tl_safetensors_close(&checkpoint->files[i]);
  checkpoint->files_count = 0;
  checkpoint->tensors_count = 0;
}

const tl_tensor *tl_checkpoint_find(const tl_checkpoint *checkpoint, tl_str name) {
  int64_t number = tl_name_index_find(&checkpoint->names, name);
  return number < 0 ? NULL : checkpoint->tensors[number];
}

const tl_tensor *tl_checkpoint_closest(const tl_checkpoint *checkpoint, tl_str name) {
  int64_t number = tl_name_index_closest(&checkpoint->names, name);
  return number < 0 ? NULL : checkpoint->tensors[number];
}

const char *tl_checkpoint_file_of(const tl_checkpoint *checkpoint, const tl_tensor *tensor) {
  return checkpoint->files[tensor->file_index].header->name;
}

void tl_checkpoint_drop(const tl_checkpoint *checkpoint, const tl_tensor *tensor, int64_t first,
                        int64_t count) {
  int64_t total = tensor->elements_count;
  if (first < 0 || count <= 0 || first >= total) return;
  if (count > total - first) count = total - first;
  const tl_file *file = &checkpoint->files[tensor->file_index].file;
  size_t element = tl_dtype_bytes(tensor->dtype);
  size_t offset = (size_t)(tensor->data - file->bytes.data) + (size_t)first * element;
  tl_file_drop(file, offset, (size_t)count * element);
}
