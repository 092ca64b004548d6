// A model folder as transformers writes it: settings, texts and tensors.
//
//   config.json  generation_config.json  tokenizer.json ...
//   model.safetensors   |   model.safetensors.index.json  model-00001-of-00002.safetensors ...
//
// The folder may also be an entry of the hub's cache (models--x--y): then the snapshot that
// refs/main names is read, or the only one there is.
//
//   TL_TRY(tl_checkpoint_open(arena, "models/smol", NULL, &checkpoint, diag));
//   const tl_tensor *head = tl_checkpoint_find(checkpoint, TL_STR("lm_head.weight"));
//   status = tl_tensor_read_f32(head, first, count, floats, diag);
//   tl_checkpoint_drop(checkpoint, head, first, count);
//   tl_checkpoint_close(checkpoint);
//
// Tensors are in files mapped into memory: reading takes memory for as long as a range is not
// dropped. Except for open and close, any number of threads may use a checkpoint.
#ifndef TL_LOAD_CHECKPOINT_H
#define TL_LOAD_CHECKPOINT_H

#include "compiler/load/safetensors.h"

enum {
  TL_CHECKPOINT_FILES_MAX = 4096,        // files of tensors
  TL_CHECKPOINT_TEXT_BYTES_MAX = 1 << 28 // of a text file
};

typedef struct tl_checkpoint_options {
  const char *subfolder; // read this part of the folder; NULL = the folder itself
  bool without_tensors;  // open no files of tensors: there need be none
} tl_checkpoint_options;

typedef struct tl_checkpoint {
  tl_arena *arena;
  const char *folder;                 // where the files are, after following a cache entry
  const tl_source *config_source;     // config.json
  const tl_json *config;              // an object
  const tl_source *generation_source; // generation_config.json, or NULL
  const tl_json *generation;          // an object, or NULL
  tl_safetensors *files;              // in the order of their names
  uint32_t files_count;
  const tl_tensor **tensors; // file by file, in the order of their data
  uint32_t tensors_count;
  int64_t bytes;       // of all tensors
  tl_name_index names; // numbers are those of `tensors`
} tl_checkpoint;

// Opens the folder `path`. Settings, texts and names are on `arena`, which must outlive the
// checkpoint. `options` may be NULL. TL_INPUT for files that are damaged or contradict each other,
// TL_UNSUPPORTED for folders that hold their tensors in another format, TL_IO for files that are
// missing or cannot be read, TL_MEMORY. The caller closes after success; after a failure nothing is
// open.
tl_status tl_checkpoint_open(tl_arena *arena, const char *path,
                             const tl_checkpoint_options *options, tl_checkpoint **out_checkpoint,
                             tl_diag *diag) TL_CHECKED;

// Unmaps all files; tensors end here, names and settings live on. Accepts NULL.
void tl_checkpoint_close(tl_checkpoint *checkpoint);

// Reads the text file `name` of the folder onto `arena`; `*out_source` is NULL if there is none.
// TL_IO, TL_MEMORY (also for a file of more than TL_CHECKPOINT_TEXT_BYTES_MAX).
tl_status tl_checkpoint_text(const tl_checkpoint *checkpoint, tl_arena *arena, const char *name,
                             const tl_source **out_source, tl_diag *diag) TL_CHECKED;

// The tensor called `name`, or NULL.
const tl_tensor *tl_checkpoint_find(const tl_checkpoint *checkpoint, tl_str name);

// The tensor whose name is most like `name`, or NULL if none is near. For "closest name" notes.
const tl_tensor *tl_checkpoint_closest(const tl_checkpoint *checkpoint, tl_str name);

// The path of the file that `tensor` lies in.
const char *tl_checkpoint_file_of(const tl_checkpoint *checkpoint, const tl_tensor *tensor);

// Takes the pages of elements [first, first + count) out of memory; they can be read again.
// Elements that do not exist are left out.
void tl_checkpoint_drop(const tl_checkpoint *checkpoint, const tl_tensor *tensor, int64_t first,
                        int64_t count);

#endif
