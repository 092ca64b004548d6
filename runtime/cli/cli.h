// What every command of tlmrt shares: one object with the options, the plan, the session, and the
// first thing that went wrong.
//
//   tl_cli cli;
//   tl_cli_init(&cli);
//   status = tl_cli_plan_open(&cli);
//   if (tl_ok(status)) status = tl_cli_take(&cli, tlmc_step_run(cli.session, &cli.error));
//   tl_cli_report(&cli, status);           prints on stderr
//   tl_cli_finish(&cli);
//
// Commands return a tl_status and print nothing but data on stdout; what is to be said is in `diag`
// (faults of the command line and of files, with places) or `error` (of the library).
#ifndef TL_CLI_CLI_H
#define TL_CLI_CLI_H

#include "runtime/base/arena.h"
#include "runtime/base/diag.h"
#include "runtime/cli/options.h"
#include "runtime/tlmc.h"

typedef struct tl_cli {
  tl_arena arena; // lives as long as the command
  tl_diag diag;
  tlmc_error error; // of the library; its text is empty if the library did not fail
  tl_cli_options options;
  tlmc_pool *pool;
  tlmc_plan *plan;
  tlmc_plan_facts facts; // of the plan
  tlmc_session *session;
  tlmc_session_facts session_facts;
} tl_cli;

// Everything empty. Nothing is taken from the system yet.
void tl_cli_init(tl_cli *cli);

// Closes what is open and releases all memory.
void tl_cli_finish(tl_cli *cli);

// The tl_status for what a function of the library returned.
tl_status tl_cli_take(tl_cli *cli, tlmc_status status) TL_CHECKED;

// Reports a fault without a place; returns `status`.
tl_status tl_cli_fail(tl_cli *cli, tl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// TL_MEMORY with the sentence that the command's own memory is full.
tl_status tl_cli_full(tl_cli *cli);

// TL_CANCELLED if the user has interrupted.
tl_status tl_cli_check_interrupt(tl_cli *cli) TL_CHECKED;

// Starts the threads and opens options.plan: fills pool, plan and facts.
tl_status tl_cli_plan_open(tl_cli *cli) TL_CHECKED;

// TL_UNSUPPORTED, with the sentence that `command` needs a model that generates, unless the plan is
// of one.
tl_status tl_cli_need_generator(tl_cli *cli, const char *command) TL_CHECKED;

// TL_INPUT, with a sentence, unless the model has `length` positions.
tl_status tl_cli_check_length(tl_cli *cli, int64_t length) TL_CHECKED;

// What the command line says about the session.
void tl_cli_session_options(const tl_cli *cli, tlmc_session_options *out_options);

// Makes room for one sequence of `length` positions in options that leave the context to the
// default; a context or KV memory that the user chose stays.
void tl_cli_session_fit(const tl_cli *cli, tlmc_session_options *options, int64_t length);

// Opens the session: fills session and session_facts. From here on an interrupt asks the command to
// stop. TL_MEMORY also for a skeleton whose weights would not fit into memory.
tl_status tl_cli_session_open(tl_cli *cli, const tlmc_session_options *options) TL_CHECKED;

// The same for a session that runs no step: of a skeleton of any size.
tl_status tl_cli_session_reserve(tl_cli *cli, const tlmc_session_options *options) TL_CHECKED;

// Writes to stdout at once. TL_IO.
tl_status tl_cli_write(tl_cli *cli, tl_str text) TL_CHECKED;

// Text of `ids` on the arena, special tokens spelled out.
tl_status tl_cli_detokenize(tl_cli *cli, const int32_t *ids, size_t count,
                            tl_str *out_text) TL_CHECKED;

// Ids of `text` on the arena, as the tokenizer's own library makes them by default: with what it
// puts around a text, spellings of special tokens count.
tl_status tl_cli_tokenize(tl_cli *cli, tl_str text, int32_t **out_ids,
                          size_t *out_count) TL_CHECKED;

// Seconds of a clock that never jumps.
double tl_cli_seconds(void);

// Prints what went wrong on stderr, nothing if `status` is TL_OK. Returns the exit code.
int tl_cli_report(const tl_cli *cli, tl_status status);

#endif
