// A file mapped read-only, and pages given back when they have been read.
//
//   tl_file file;
//   TL_TRY(tl_file_open("model.safetensors", &file, diag));
//   ... file.bytes ...
//   tl_file_drop(&file, 0, 64 << 20);     the bytes stay readable, from disk
//   tl_file_close(&file);
//
// Only bytes that were touched take memory, and only until they are dropped: a file of any size can
// be read through a window of fixed size. If somebody truncates the file meanwhile, touching the
// missing bytes raises SIGBUS; installing a handler is up to the program.
#ifndef TL_BASE_FILE_H
#define TL_BASE_FILE_H

#include "runtime/base/diag.h"

enum { TL_FILE_PATH_MAX = 4096 };

typedef struct tl_file {
  tl_str bytes; // data is never NULL in an open file
  int fd;       // -1 = none
} tl_file;

// A closed file.
#define TL_FILE_CLOSED ((tl_file){.fd = -1})

// Opens and maps the regular file `path`; an empty one gives no bytes. The caller closes it. TL_IO
// with a diagnostic that names the path and the system's reason; then
// `out_file` is closed.
tl_status tl_file_open(const char *path, tl_file *out_file, tl_diag *diag) TL_CHECKED;

// Unmaps and closes. Accepts a closed file.
void tl_file_close(tl_file *file);

// Takes the pages that hold bytes [offset, offset + length) out of this process's memory, also
// where neighbours share them. Their content is read again when touched. May be called by any
// thread.
void tl_file_drop(const tl_file *file, size_t offset, size_t length);

// Closes the descriptor and keeps the bytes, for programs that map hundreds of files.
void tl_file_close_descriptor(tl_file *file);

// Takes a shared lock on the file, held until it is closed; waits for a writer that is about to
// finish. TL_IO if the system refuses; file systems without locks count as success.
tl_status tl_file_lock_shared(const tl_file *file, const char *path, tl_diag *diag) TL_CHECKED;

// Whether `path` names a regular file or a folder (links are followed).
bool tl_file_exists(const char *path);
bool tl_file_is_folder(const char *path);

#endif
