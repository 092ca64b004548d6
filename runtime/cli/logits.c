// `tlmrt logits`: the model's outputs for a list of ids, as the f32 tensor `logits` of a
// safetensors file.
//
//   [n, vocabulary]  models that generate: row i scores the id behind ids[i]
//   [n, labels]      models that score tokens
//   [1, labels]      models that score the sequence
//
// Rows go to the file as steps produce them: memory holds one step's outputs, whatever n is. The
// file gets its name when it is whole.
#include "runtime/base/file_writer.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/input.h"
#include "runtime/cli/outputs.h"

enum {
  HEADER_BYTES = 128,     // its length field too; padded with spaces
  HEADER_LENGTH_BYTES = 8 // little endian, in front of the JSON text
};

typedef struct logits_file {
  tl_cli *cli;
  tl_file_writer writer;
  int64_t rows, columns;
  int64_t written; // rows
} logits_file;

static size_t row_bytes(const logits_file *file) {
  return (size_t)file->columns * sizeof(float);
}

static tl_status write_header(logits_file *file) {
  char header[HEADER_BYTES + 1];
  memset(header, ' ', sizeof header);
  int length = snprintf(header + HEADER_LENGTH_BYTES, sizeof header - HEADER_LENGTH_BYTES,
                        "{\"logits\":{\"dtype\":\"F32\",\"shape\":[%lld,%lld],"
                        "\"data_offsets\":[0,%llu]}}",
                        (long long)file->rows, (long long)file->columns,
                        (unsigned long long)file->rows * row_bytes(file));
  header[HEADER_LENGTH_BYTES + length] = ' '; // the NUL
  for (int i = 0; i < HEADER_LENGTH_BYTES; i++) {
    header[i] = (char)((uint64_t)(HEADER_BYTES - HEADER_LENGTH_BYTES) >> (8 * i));
  }
  return tl_file_writer_write(&file->writer, 0, header, HEADER_BYTES, &file->cli->diag);
}

// Appends outputs 0 .. count - 1 of the step; neighbours in memory go out in one piece.
static tl_status take_outputs(void *user, int32_t count) {
  logits_file *file = user;
  tl_cli *cli = file->cli;
  if (!tl_cli_has_row_each(cli)) file->written = 0; // of several parts the last one counts
  for (int32_t first = 0, end; first < count; first = end) {
    const float *data = tlmc_step_output(cli->session, first);
    if (!data) return tl_cli_fail(cli, TL_INTERNAL, "the step has no output %d", first);
    for (end = first + 1; end < count; end++) {
      if (tlmc_step_output(cli->session, end) != data + (end - first) * file->columns) break;
    }
    if (file->written + (end - first) > file->rows) {
      return tl_cli_fail(cli, TL_INTERNAL, "the session gave more outputs than rows");
    }
    uint64_t offset = HEADER_BYTES + (uint64_t)file->written * row_bytes(file);
    size_t bytes = (size_t)(end - first) * row_bytes(file);
    TL_TRY(tl_file_writer_write(&file->writer, offset, data, bytes, &cli->diag));
    file->written += end - first;
  }
  return TL_OK;
}

static tl_status write_file(tl_cli *cli, const tl_cli_ids *ids, logits_file *file) {
  TL_TRY(write_header(file));
  TL_TRY(tl_cli_outputs_feed(cli, ids, take_outputs, file));
  if (file->written != file->rows) {
    return tl_cli_fail(cli, TL_INTERNAL, "the session gave %lld of %lld output rows",
                       (long long)file->written, (long long)file->rows);
  }
  return tl_file_writer_commit(&file->writer, &cli->diag);
}

tl_status tl_cli_logits(tl_cli *cli) {
  tl_cli_ids ids;
  logits_file file = {.cli = cli};
  if (!cli->options.out) {
    return tl_cli_fail(cli, TL_USAGE, "--out FILE is missing: the safetensors file to write");
  }
  TL_TRY(tl_cli_plan_open(cli));
  TL_TRY(tl_cli_read_prompt_ids(cli, cli->options.ids, &ids));
  TL_TRY(tl_cli_check_length(cli, ids.count));
  TL_TRY(tl_cli_outputs_open(cli, ids.count));
  file.rows = tl_cli_has_row_each(cli) ? ids.count : 1;
  file.columns = cli->facts.outputs;
  TL_TRY(tl_file_writer_open(cli->options.out, &file.writer, &cli->diag));
  tl_status status = write_file(cli, &ids, &file);
  tl_file_writer_close(&file.writer);
  return status;
}
