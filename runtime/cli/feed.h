// Feeds sequences to the session in steps: what `logits` and `bench` are made of.
//
//   feed     sequence 0  |-----------|--------|
//            sequence 1              |--|-----|------|
//   steps                |  chunk    |  chunk | rest |     rows in order; only the last
//                                                          step may not be full
//
// Where the model needs a sequence whole, the session's chunk must hold it; steps are then cut
// between sequences.
#ifndef TL_CLI_FEED_H
#define TL_CLI_FEED_H

#include "runtime/cli/cli.h"

typedef struct tl_cli_feed {
  const int32_t *sequences; // `count` of them
  int32_t count;
  int32_t rows;         // of each sequence, at least 1
  const int32_t *ids;   // [count, rows]
  const int32_t *types; // [count, rows] or NULL
  int32_t step_rows;    // of a step, at least 1
  // Outputs asked for: of every row, or else of the last one of each sequence.
  bool wants_all;
  // Called after each step that had outputs, which are numbered 0 .. count - 1; NULL = nobody
  // looks.
  tl_status (*take)(void *user, int32_t count);
  void *user;
} tl_cli_feed;

// Runs the steps. TL_CANCELLED between two steps once the user has interrupted.
tl_status tl_cli_feed_run(tl_cli *cli, const tl_cli_feed *feed) TL_CHECKED;

#endif
