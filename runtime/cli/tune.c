// `tlmrt tune`: measures the ways there are to compute a plan's matmuls on this machine's GPU, and
// keeps the fastest beside the plan, as PLAN.tune. Nothing ever needs it.
//
// A line per kind of matmul and number of rows, in the order of measuring:
//
//   matmul                   x  rows  usual               us  fastest             us
//   l0.qkv                  28     8  matmul_few 0..8   91.2  matmul_few 0..8   91.2
#include <string.h>

#include "runtime/cli/commands.h"

enum { NAME_COLUMNS = 28, WAY_COLUMNS = 24, CHUNK_DEFAULT = 512 /* of tlmc_session_options */ };

typedef struct tune_set {
  tl_cli *cli;
  tl_status status; // of printing
  int32_t lines, changed;
} tune_set;

static tl_status print_line(tl_cli *cli, const tlmc_tuned *tuned) {
  tl_str line =
      tl_arena_format(&cli->arena, "%-*s %4d %6d  %-*s %10.1f  %-*s %10.1f\n", NAME_COLUMNS,
                      tuned->name, tuned->matmuls, tuned->rows, WAY_COLUMNS, tuned->usual,
                      tuned->usual_us, WAY_COLUMNS, tuned->fastest, tuned->fastest_us);
  return line.data ? tl_cli_write(cli, line) : tl_cli_full(cli);
}

static int32_t report(void *user, const tlmc_tuned *tuned) {
  tune_set *tune = user;
  tune->status = print_line(tune->cli, tuned);
  if (tl_ok(tune->status)) tune->status = tl_cli_check_interrupt(tune->cli);
  tune->lines++;
  tune->changed += strcmp(tuned->usual, tuned->fastest) != 0;
  return tl_ok(tune->status);
}

static tl_status open_session(tl_cli *cli) {
  tlmc_session_options session;
  tl_cli_session_options(cli, &session);
  if (!session.chunk) session.chunk = CHUNK_DEFAULT;
  if (cli->facts.task == TLMC_TASK_SCORE_TOKENS) session.outputs = session.chunk;
  session.no_prefix_reuse = 1;
  return tl_cli_session_open(cli, &session);
}

tl_status tl_cli_tune(tl_cli *cli) {
  tune_set tune = {.cli = cli};
  TL_TRY(tl_cli_plan_open(cli));
  TL_TRY(open_session(cli));
  tl_str head =
      tl_arena_format(&cli->arena, "%-*s %4s %6s  %-*s %10s  %-*s %10s\n", NAME_COLUMNS, "matmul",
                      "x", "rows", WAY_COLUMNS, "usual", "us", WAY_COLUMNS, "fastest", "us");
  if (!head.data) return tl_cli_full(cli);
  TL_TRY(tl_cli_write(cli, head));
  tl_status status = tl_cli_take(cli, tlmc_session_tune(cli->session, report, &tune, &cli->error));
  if (!tl_ok(tune.status)) return tune.status; // it says more
  TL_TRY(status);
  tl_str line = tl_arena_format(&cli->arena, "%s.tune: %d of %d changed\n", cli->options.plan,
                                tune.changed, tune.lines);
  return line.data ? tl_cli_write(cli, line) : tl_cli_full(cli);
}
