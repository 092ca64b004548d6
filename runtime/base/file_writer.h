// Writes a file so that its name never shows half of it.
//
//   TL_TRY(tl_file_writer_open("model.plan", &writer, diag));
//   status = tl_file_writer_write(&writer, 4096, data, bytes, diag);     any order, any thread
//   if (tl_ok(status)) status = tl_file_writer_commit(&writer, diag);
//   tl_file_writer_close(&writer);                                       abandons what was
//                                                                        not committed
//
// Killed at any moment, the name holds what it held before or all of the new bytes:
//
//   unnamed file in the folder --write, sync--> --link--> model.plan.tmp --rename--> model.plan
//
// Where the system has no unnamed files, model.plan.tmp is there from the start. The writer holds a
// lock on its file; a model.plan.tmp without one is the remains of a killed writer and is removed
// by the next writer of model.plan.
#ifndef TL_BASE_FILE_WRITER_H
#define TL_BASE_FILE_WRITER_H

#include "runtime/base/file.h"

typedef struct tl_file_writer {
  char path[TL_FILE_PATH_MAX]; // as errors show it
  char name[256];              // last part of it
  char temporary[256];         // name.tmp
  int folder_fd, fd;           // -1 = closed
  bool is_named;               // the temporary's name exists
  bool has_commit;
} tl_file_writer;

// Starts a new version of `path`, in the folder it is in, and removes the remains of killed
// writers. A link is followed: its target is written. TL_IO if the folder cannot be written, `path`
// is something else than a file, or another process writes it just now; then the writer is closed.
tl_status tl_file_writer_open(const char *path, tl_file_writer *out_writer,
                              tl_diag *diag) TL_CHECKED;

// The same without unnamed files, whether or not the system has them; for tests.
tl_status tl_file_writer_open_named(const char *path, tl_file_writer *out_writer,
                                    tl_diag *diag) TL_CHECKED;

// Writes `bytes` bytes at `offset`; gaps read as zeros. May be called by several threads for ranges
// that do not overlap, each with a sink of its own. TL_IO.
tl_status tl_file_writer_write(const tl_file_writer *writer, uint64_t offset, const void *data,
                               size_t bytes, tl_diag *diag) TL_CHECKED;

// Makes the file durable and gives it its name. After TL_IO the name is as before.
tl_status tl_file_writer_commit(tl_file_writer *writer, tl_diag *diag) TL_CHECKED;

// Gives the file its name as it is, durable or not: for what can be made anew. After TL_IO the name
// is as before.
tl_status tl_file_writer_publish(tl_file_writer *writer, tl_diag *diag) TL_CHECKED;

// Closes; without commit or publish nothing remains. Accepts a closed writer.
void tl_file_writer_close(tl_file_writer *writer);

#endif
