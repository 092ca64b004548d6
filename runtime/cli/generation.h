// One request from its submission to its end, for `run` and `generate`: ids, text and times.
//
//   tl_cli_generation generation = {.ask = {.size = sizeof generation.ask, .ids = ids, ..}};
//   tl_cli_generation_run(cli, &generation)
//
// An interrupt ends the request, not the program: what was generated so far is there.
#ifndef TL_CLI_GENERATION_H
#define TL_CLI_GENERATION_H

#include "runtime/cli/cli.h"

typedef struct tl_cli_generation {
  tlmc_request_options ask; // set by the caller
  bool is_streamed;         // set by the caller: text goes to stdout as it comes
  int32_t *ids;             // generated, on the arena
  size_t ids_count, ids_capacity;
  char *text; // on the arena, without a NUL
  size_t text_bytes, text_capacity;
  tlmc_event end;                      // the last event
  tlmc_request *kept;                  // with ask.keep: the request, for the caller to release
  double first_seconds, total_seconds; // from the submission to the first and the last token
} tl_cli_generation;

// Runs `generation->ask` on the open session; a request that it goes on from is released.
// TL_INTERNAL for a request that never ends; TL_OK for every end but a fault, whose status is
// returned.
tl_status tl_cli_generation_run(tl_cli *cli, tl_cli_generation *generation) TL_CHECKED;

// "stop_id", "stop_text", "length", "cancelled" or "fault".
const char *tl_cli_finish_text(tlmc_finish finish);

#endif
