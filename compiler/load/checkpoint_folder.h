// Which folder and which files of tensors a path means.
//
//   models--x--y/refs/main = "4f2a\n"   ->   models--x--y/snapshots/4f2a
//   model.safetensors.index.json        ->   its shards, by name, each once
//
// A part of checkpoint.c; names read from files never lead out of the folder.
#ifndef TL_LOAD_CHECKPOINT_FOLDER_H
#define TL_LOAD_CHECKPOINT_FOLDER_H

#include "runtime/base/json_tree.h"

// `folder`/`name` on `arena`, NULL if it is full.
const char *tl_folder_join(tl_arena *arena, const char *folder, tl_str name);

// Reads a text file of at most `bytes_max` bytes onto `arena`. TL_IO, TL_MEMORY.
tl_status tl_folder_read(tl_arena *arena, const char *path, size_t bytes_max,
                         const tl_source **out_source, tl_diag *diag) TL_CHECKED;

// The folder that holds config.json: `path` itself, or a snapshot of the cache entry `path`; then
// its `subfolder`, if that is not NULL. TL_IO, TL_INPUT, TL_MEMORY.
tl_status tl_folder_resolve(tl_arena *arena, const char *path, const char *subfolder,
                            const char **out_folder, tl_diag *diag) TL_CHECKED;

// What says where tensors are.
typedef struct tl_folder_weights {
  const char **paths; // of the safetensors files, in the order of their names
  uint32_t count;
  const tl_source *index_source; // model.safetensors.index.json, or NULL
  const tl_json *map;            // tensor name -> file name, or NULL
} tl_folder_weights;

// The files of tensors in `folder`, at most `files_max`. TL_UNSUPPORTED if there are tensors, but
// in another format; TL_IO if there are none; TL_INPUT, TL_MEMORY.
tl_status tl_folder_find_weights(tl_arena *arena, const char *folder, uint32_t files_max,
                                 tl_folder_weights *out_weights, tl_diag *diag) TL_CHECKED;

#endif
