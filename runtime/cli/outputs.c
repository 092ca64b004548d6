// Implementation of outputs.h.
#include "runtime/cli/outputs.h"

enum {
  OUTPUTS_BYTES_MAX = 64 << 20, // of a step
  CHUNK_DEFAULT = 512           // of tlmc_session_options
};

bool tl_cli_has_row_each(const tl_cli *cli) {
  return cli->facts.task == TLMC_TASK_GENERATE || cli->facts.task == TLMC_TASK_SCORE_TOKENS;
}

// A step holds what its outputs leave room for; a sequence that must be whole takes one step.
tl_status tl_cli_outputs_open(tl_cli *cli, int32_t count) {
  tlmc_session_options session;
  tl_cli_session_options(cli, &session);
  tl_cli_session_fit(cli, &session, count);
  bool is_whole = cli->facts.whole || cli->facts.task == TLMC_TASK_SCORE_FIRST;
  if (session.chunk == 0) session.chunk = CHUNK_DEFAULT;
  if (is_whole && session.chunk < count) session.chunk = count;
  if (session.chunk > count) session.chunk = count;
  if (session.chunk < session.batch) session.chunk = session.batch;
  int64_t fitting = OUTPUTS_BYTES_MAX / ((int64_t)cli->facts.outputs * (int64_t)sizeof(float));
  session.outputs = session.chunk;
  if (!is_whole && fitting < session.outputs) session.outputs = fitting > 1 ? (int32_t)fitting : 1;
  if (session.outputs < session.batch) session.outputs = session.batch;
  return tl_cli_session_open(cli, &session);
}

tl_status tl_cli_outputs_feed(tl_cli *cli, const tl_cli_ids *ids, tl_cli_feed_take *take,
                              void *user) {
  int32_t sequence;
  TL_TRY(tl_cli_take(cli, tlmc_sequence_open(cli->session, &sequence, &cli->error)));
  const tlmc_session_facts *facts = &cli->session_facts;
  bool is_bounded = tl_cli_has_row_each(cli) && facts->outputs < facts->chunk;
  tl_cli_feed feed = {
      .sequences = &sequence,
      .count = 1,
      .rows = ids->count,
      .ids = ids->ids,
      .types = ids->types,
      .step_rows = is_bounded ? facts->outputs : facts->chunk,
      .wants_all = tl_cli_has_row_each(cli),
      .take = take,
      .user = user,
  };
  return tl_cli_feed_run(cli, &feed);
}
