// What commands read: texts, and ids as JSON.
//
//   [1, 2, 3]        {"ids": [1, 2, 3], "token_type_ids": [0, 0, 1]}
//
// Every id is checked against the plan before anything runs; faults point into the file.
#ifndef TL_CLI_INPUT_H
#define TL_CLI_INPUT_H

#include "runtime/cli/cli.h"

typedef struct tl_cli_ids {
  int32_t *ids;
  int32_t *types; // NULL = none given
  int32_t count;
} tl_cli_ids;

// The whole of the file `path`, "-" for stdin, on the arena. TL_IO, or TL_MEMORY above
// TL_CLI_TEXT_BYTES_MAX.
tl_status tl_cli_read_text(tl_cli *cli, const char *path, tl_str *out_text) TL_CHECKED;

// The ids in the file `path`, "-" for stdin; may be none. TL_INPUT for what is no list of ids of
// the plan's vocabulary, or has token types that the model has not.
tl_status tl_cli_read_ids(tl_cli *cli, const char *path, tl_cli_ids *out_ids) TL_CHECKED;

// The same for a command whose --ids is `path`: TL_USAGE if that is NULL, TL_INPUT if there are
// none.
tl_status tl_cli_read_prompt_ids(tl_cli *cli, const char *path, tl_cli_ids *out_ids) TL_CHECKED;

#endif
