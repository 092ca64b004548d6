// Implementation of feed.h.
#include "runtime/cli/feed.h"

// Where the next row comes from.
typedef struct feed_state {
  int32_t sequence, row;
  int32_t filled;  // rows of the step that is being put together
  int32_t outputs; // that it asks for
} feed_state;

// Score tasks choose their rows themselves: they are asked the same of every part.
static tlmc_wanted wanted_of(const tl_cli *cli, const tl_cli_feed *feed, bool is_last) {
  if (feed->wants_all) return TLMC_WANTED_ALL;
  return is_last || cli->facts.task != TLMC_TASK_GENERATE ? TLMC_WANTED_LAST : TLMC_WANTED_NONE;
}

static tl_status run_step(tl_cli *cli, const tl_cli_feed *feed, feed_state *state) {
  TL_TRY(tl_cli_check_interrupt(cli));
  TL_TRY(tl_cli_take(cli, tlmc_step_run(cli->session, &cli->error)));
  if (feed->take && state->outputs) TL_TRY(feed->take(feed->user, state->outputs));
  tlmc_step_begin(cli->session);
  state->filled = state->outputs = 0;
  return TL_OK;
}

// Adds as many rows of the current sequence as the step holds.
static tl_status add_rows(tl_cli *cli, const tl_cli_feed *feed, feed_state *state) {
  int32_t room = feed->step_rows - state->filled, left = feed->rows - state->row;
  int32_t count = left < room ? left : room;
  size_t first = (size_t)state->sequence * (size_t)feed->rows + (size_t)state->row;
  tlmc_rows rows = {
      .size = sizeof rows,
      .sequence = feed->sequences[state->sequence],
      .count = count,
      .ids = feed->ids + first,
      .types = feed->types ? feed->types + first : NULL,
      .prompt = feed->rows,
      .wanted = wanted_of(cli, feed, count == left),
  };
  TL_TRY(tl_cli_take(cli, tlmc_step_add(cli->session, &rows, NULL, &cli->error)));
  state->filled += count;
  state->row += count;
  if (rows.wanted == TLMC_WANTED_ALL) state->outputs += count;
  if (rows.wanted == TLMC_WANTED_LAST) state->outputs++;
  return TL_OK;
}

tl_status tl_cli_feed_run(tl_cli *cli, const tl_cli_feed *feed) {
  feed_state state = {0};
  tlmc_step_begin(cli->session);
  while (state.sequence < feed->count) {
    bool is_full = state.filled == feed->step_rows || (cli->facts.whole && state.filled &&
                                                       state.filled + feed->rows > feed->step_rows);
    if (is_full) TL_TRY(run_step(cli, feed, &state));
    TL_TRY(add_rows(cli, feed, &state));
    if (state.row < feed->rows) continue;
    state.row = 0;
    state.sequence++;
  }
  return run_step(cli, feed, &state);
}
