// The outputs of one sequence, in the order of its rows: logits, classify, score.
//
//   tl_cli_outputs_open(cli, ids.count)           a session that holds the sequence
//   tl_cli_outputs_feed(cli, &ids, take, user)    take(user, n): outputs 0 .. n - 1 are there
#ifndef TL_CLI_OUTPUTS_H
#define TL_CLI_OUTPUTS_H

#include "runtime/cli/feed.h"
#include "runtime/cli/input.h"

// As `take` of tl_cli_feed.
typedef tl_status tl_cli_feed_take(void *user, int32_t count);

// Whether the model gives an output for each row; else one for the sequence, and of several parts
// of it the last one counts.
bool tl_cli_has_row_each(const tl_cli *cli);

// Opens the session for a sequence of `count` rows.
tl_status tl_cli_outputs_open(tl_cli *cli, int32_t count) TL_CHECKED;

// Runs the sequence, all of its outputs asked for.
tl_status tl_cli_outputs_feed(tl_cli *cli, const tl_cli_ids *ids, tl_cli_feed_take *take,
                              void *user) TL_CHECKED;

#endif
