// Implementation of checkpoint_folder.h.
#include "compiler/load/checkpoint_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "compiler/load/name_index.h"
#include "runtime/base/file.h"

enum { REVISION_BYTES_MAX = 256, INDEX_BYTES_MAX = 1 << 28, ENTRIES_MAX = 1 << 16 };

static const tl_span nowhere = {0};

static tl_status out_of_memory(const char *path, tl_diag *diag) {
  return tl_diag_error(diag, TL_MEMORY, nowhere, "no memory to open %s", path);
}

const char *tl_folder_join(tl_arena *arena, const char *folder, tl_str name) {
  size_t length = strlen(folder);
  const char *slash = length && folder[length - 1] == '/' ? "" : "/";
  return tl_arena_format(arena, "%s%s%.*s", folder, slash, TL_STR_ARG(name)).data;
}

tl_status tl_folder_read(tl_arena *arena, const char *path, size_t bytes_max,
                         const tl_source **out_source, tl_diag *diag) {
  *out_source = NULL;
  tl_file file;
  TL_TRY(tl_file_open(path, &file, diag));
  tl_status status = TL_OK;
  if (file.bytes.length > bytes_max)
    status = tl_diag_error(diag, TL_MEMORY, nowhere, "%s has %zu bytes, the limit is %zu", path,
                           file.bytes.length, bytes_max);
  tl_source *source = tl_ok(status) ? tl_arena_alloc(arena, sizeof *source) : NULL;
  if (source) {
    source->name = tl_arena_copy(arena, tl_str_from(path)).data;
    source->text = tl_arena_copy(arena, file.bytes);
  }
  tl_file_close(&file);
  if (!tl_ok(status)) return status;
  if (!source || !source->name || !source->text.data) return out_of_memory(path, diag);
  *out_source = source;
  return TL_OK;
}

// Whether `name` is the name of an entry of a folder, and not a path.
static bool is_plain_name(tl_str name) {
  return name.length && !memchr(name.data, '/', name.length) &&
         !memchr(name.data, 0, name.length) && !tl_str_is(name, ".") && !tl_str_is(name, "..");
}

// What to do with each entry of a folder; false stops.
typedef bool visit_entry(void *context, tl_str name);

// Visits the entries of `folder` that do not begin with a dot, in no order; false if it cannot be
// read or has too many.
static bool visit_folder(const char *folder, visit_entry *visit, void *context) {
  DIR *entries = opendir(folder);
  if (!entries) return false;
  int count = 0;
  bool goes_on = true;
  while (goes_on && count < ENTRIES_MAX) {
    const struct dirent *entry = readdir(entries);
    if (!entry) break;
    count++;
    if (entry->d_name[0] != '.') goes_on = visit(context, tl_str_from(entry->d_name));
  }
  closedir(entries);
  return count < ENTRIES_MAX;
}

typedef struct snapshot_search {
  tl_arena *arena;
  tl_str name; // of a snapshot
  int count;
} snapshot_search;

static bool count_snapshot(void *context, tl_str name) {
  snapshot_search *search = context;
  if (search->count++ == 0) search->name = tl_arena_copy(search->arena, name);
  return search->count < 2;
}

// The only snapshot there is, if refs/main does not name one.
static tl_status only_snapshot(tl_arena *arena, const char *path, const char *snapshots,
                               tl_str *out_name, tl_diag *diag) {
  snapshot_search search = {.arena = arena};
  if (!visit_folder(snapshots, count_snapshot, &search) || search.count == 0)
    return tl_diag_error(diag, TL_IO, nowhere, "%s has no snapshot: the download is not complete",
                         path);
  if (search.count > 1) {
    tl_status status =
        tl_diag_error(diag, TL_INPUT, nowhere,
                      "%s has several snapshots and no refs/main says which one to take", path);
    tl_diag_note(diag, "give one of the folders in %s", snapshots);
    return status;
  }
  *out_name = search.name;
  return search.name.data ? TL_OK : out_of_memory(path, diag);
}

// The snapshot of the cache entry `path`.
static tl_status resolve_cache(tl_arena *arena, const char *path, const char *snapshots,
                               const char **out_folder, tl_diag *diag) {
  const char *reference = tl_folder_join(arena, path, TL_STR("refs/main"));
  if (!reference) return out_of_memory(path, diag);
  tl_str name;
  if (tl_file_exists(reference)) {
    const tl_source *source;
    TL_TRY(tl_folder_read(arena, reference, REVISION_BYTES_MAX, &source, diag));
    name = tl_str_trim(source->text);
    if (!is_plain_name(name))
      return tl_diag_error(diag, TL_INPUT, (tl_span){source, 0, 0},
                           "this names no snapshot; expected a revision");
  } else {
    TL_TRY(only_snapshot(arena, path, snapshots, &name, diag));
  }
  *out_folder = tl_folder_join(arena, snapshots, name);
  if (!*out_folder) return out_of_memory(path, diag);
  if (!tl_file_is_folder(*out_folder))
    return tl_diag_error(diag, TL_IO, nowhere,
                         "%s is named by refs/main but is not there: the download is not complete",
                         *out_folder);
  return TL_OK;
}

static tl_status check_is_folder(const char *path, tl_diag *diag) {
  if (tl_file_exists(path)) {
    tl_status status =
        tl_diag_error(diag, TL_USAGE, nowhere, "%s is a file, expected a model's folder", path);
    tl_diag_note(diag, "give the folder that has config.json and the tensors in it");
    return status;
  }
  if (access(path, R_OK | X_OK) != 0)
    return tl_diag_error(diag, TL_IO, nowhere, "cannot open the folder '%s': %s", path,
                         strerror(errno));
  if (tl_file_is_folder(path)) return TL_OK;
  return tl_diag_error(diag, TL_IO, nowhere, "%s is a device or pipe, expected a model's folder",
                       path);
}

tl_status tl_folder_resolve(tl_arena *arena, const char *path, const char *subfolder,
                            const char **out_folder, tl_diag *diag) {
  TL_TRY(check_is_folder(path, diag));
  const char *folder = tl_arena_copy(arena, tl_str_from(path)).data;
  const char *snapshots = tl_folder_join(arena, path, TL_STR("snapshots"));
  const char *config = tl_folder_join(arena, path, TL_STR("config.json"));
  if (!folder || !snapshots || !config) return out_of_memory(path, diag);
  if (!tl_file_exists(config) && tl_file_is_folder(snapshots))
    TL_TRY(resolve_cache(arena, path, snapshots, &folder, diag));
  if (subfolder) {
    folder = tl_folder_join(arena, folder, tl_str_from(subfolder));
    if (!folder) return out_of_memory(path, diag);
    TL_TRY(check_is_folder(folder, diag));
  }
  *out_folder = folder;
  return TL_OK;
}

typedef struct format_search {
  bool has_safetensors, has_adapter;
  char found[REVISION_BYTES_MAX]; // a file of another format, the first by name
  const char *format;             // which
} format_search;

static bool look_at_format(void *context, tl_str name) {
  static const struct {
    const char *ending, *format;
  } others[] = {{".bin", "pickled"},   {".pt", "pickled"},
                {".pth", "pickled"},   {".gguf", "GGUF"},
                {".h5", "TensorFlow"}, {".msgpack", "Flax"},
                {".ckpt", "pickled"},  {".ckpt.index", "TensorFlow"},
                {".onnx", "ONNX"}};
  format_search *search = context;
  if (tl_str_is(name, "adapter_model.safetensors")) search->has_adapter = true;
  if (tl_str_ends_with(name, TL_STR(".safetensors"))) search->has_safetensors = true;
  if (tl_str_is(name, "training_args.bin") || name.length >= sizeof search->found) return true;
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    if (!tl_str_ends_with(name, tl_str_from(others[i].ending))) continue;
    bool is_first = !search->format || tl_str_compare(name, tl_str_from(search->found)) < 0;
    if (!is_first) continue;
    memcpy(search->found, name.data, name.length);
    search->found[name.length] = 0;
    search->format = others[i].format;
  }
  return true;
}

// Says what is there instead of model.safetensors.
static tl_status no_weights(const char *folder, tl_diag *diag) {
  format_search search = {0};
  (void)visit_folder(folder, look_at_format, &search);
  if (search.has_adapter)
    return tl_diag_error(
        diag, TL_UNSUPPORTED, nowhere,
        "%s holds an adapter (adapter_model.safetensors) and not a model: merge it "
        "into its base model first",
        folder);
  if (!search.has_safetensors && search.format)
    return tl_diag_error(diag, TL_UNSUPPORTED, nowhere,
                         "%s has only %s tensors (%s): save them as safetensors first, for example "
                         "with transformers' save_pretrained",
                         folder, search.format, search.found);
  tl_status status = tl_diag_error(diag, TL_IO, nowhere,
                                   "%s has neither model.safetensors nor "
                                   "model.safetensors.index.json",
                                   folder);
  if (search.has_safetensors)
    tl_diag_note(diag,
                 "other .safetensors files are not read: nothing says that they are the model");
  return status;
}

static int order_paths(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// The different file names that the map's values give.
static tl_status collect_files(tl_arena *arena, const char *folder, uint32_t files_max,
                               tl_folder_weights *weights, tl_diag *diag) {
  tl_name_index names;
  const tl_source *source = weights->index_source;
  if (!tl_ok(tl_name_index_init(&names, arena, files_max))) return out_of_memory(folder, diag);
  tl_status status = TL_OK;
  for (uint32_t i = 0; i < weights->map->count; i++) {
    const tl_json *value = &weights->map->members[i].value;
    tl_str name = {"", 0};
    if (!tl_json_to_string(value, &name) || !is_plain_name(name) ||
        !tl_str_ends_with(name, TL_STR(".safetensors"))) {
      status = tl_diag_error(diag, TL_INPUT, tl_json_span(source, value),
                             "expected the name of a .safetensors file in this folder");
      continue;
    }
    if (tl_name_index_find(&names, name) >= 0) continue;
    if (tl_name_index_add(&names, name) < 0)
      return tl_diag_error(diag, TL_INPUT, tl_json_span(source, value),
                           "this is the file number %u, the limit is %u", files_max + 1, files_max);
  }
  TL_TRY(status);
  weights->paths = tl_arena_array(arena, names.count, sizeof *weights->paths);
  if (!weights->paths) return out_of_memory(folder, diag);
  for (; weights->count < names.count; weights->count++) {
    weights->paths[weights->count] = tl_folder_join(arena, folder, names.names[weights->count]);
    if (!weights->paths[weights->count]) return out_of_memory(folder, diag);
  }
  qsort(weights->paths, weights->count, sizeof *weights->paths, order_paths);
  return TL_OK;
}

static tl_status read_index(tl_arena *arena, const char *path, tl_folder_weights *weights,
                            tl_diag *diag) {
  const tl_json *root;
  TL_TRY(tl_folder_read(arena, path, INDEX_BYTES_MAX, &weights->index_source, diag));
  const tl_source *source = weights->index_source;
  TL_TRY(tl_json_parse(arena, source, NULL, &root, diag));
  weights->map = tl_json_get(root, TL_STR("weight_map"));
  if (!weights->map)
    return tl_diag_error(diag, TL_INPUT, tl_json_span(source, root),
                         "the index has no 'weight_map', expected an object with one");
  if (weights->map->kind != TL_JSON_OBJECT)
    return tl_json_expected(source, weights->map, "weight_map", "an object with file names", diag);
  if (!weights->map->count)
    return tl_diag_error(diag, TL_INPUT, tl_json_span(source, weights->map),
                         "'weight_map' is empty, expected tensors and their files");
  return TL_OK;
}

tl_status tl_folder_find_weights(tl_arena *arena, const char *folder, uint32_t files_max,
                                 tl_folder_weights *out_weights, tl_diag *diag) {
  *out_weights = (tl_folder_weights){0};
  const char *single = tl_folder_join(arena, folder, TL_STR("model.safetensors"));
  const char *index = tl_folder_join(arena, folder, TL_STR("model.safetensors.index.json"));
  if (!single || !index) return out_of_memory(folder, diag);
  // The single file first, as transformers looks for them.
  if (tl_file_exists(single)) {
    out_weights->paths = tl_arena_alloc(arena, sizeof *out_weights->paths);
    if (!out_weights->paths) return out_of_memory(folder, diag);
    out_weights->paths[out_weights->count++] = single;
    return TL_OK;
  }
  if (!tl_file_exists(index)) return no_weights(folder, diag);
  TL_TRY(read_index(arena, index, out_weights, diag));
  return collect_files(arena, folder, files_max, out_weights, diag);
}
