// The command line of one tlmrt command, parsed by the table in options.def.
//
//   tlmrt run model.plan -p "Hello" --top-k=40     -> {.plan = "model.plan", .prompt = "Hello", ..}
//
// Options and the plan may come in any order; `--name value` and `--name=value` are the same;
// behind
// `--` everything is a file. Of an option that is given twice the last one counts. Texts are views
// into argv.
#ifndef TL_CLI_OPTIONS_H
#define TL_CLI_OPTIONS_H

#include <stdio.h>

#include "runtime/base/diag.h"

enum {
  TL_CLI_LIST_MAX = 16,                       // numbers of `1,4,16`, and times of --stop
  TL_CLI_CHUNK_MAX = 1 << 16,                 // rows of a step, of tlmc_session_options
  TL_CLI_IDS_MAX = 1 << 24,                   // ids of a prompt
  TL_CLI_NAME_BYTES_MAX = 64,                 // of an option, with its NUL
  TL_CLI_EDITS_MAX = 3,                       // between a name and what is offered instead
  TL_CLI_TEXT_BYTES_MAX = TL_CLI_IDS_MAX * 16 // of a file that is read
};
#define TL_CLI_CONTEXT_MAX ((int64_t)1 << 40)

// Commands as a set, for the table.
typedef enum tl_cli_command_bit {
  TL_CLI_RUN = 1,
  TL_CLI_GENERATE = 2,
  TL_CLI_LOGITS = 4,
  TL_CLI_TOKENIZE = 8,
  TL_CLI_DETOKENIZE = 16,
  TL_CLI_BENCH = 32,
  TL_CLI_INFO = 64,
  TL_CLI_CHAT = 128,
  TL_CLI_CLASSIFY = 256,
  TL_CLI_SCORE = 512,
  TL_CLI_TUNE = 1024
} tl_cli_command_bit;

typedef struct tl_cli_list {
  int64_t items[TL_CLI_LIST_MAX];
  int count;
} tl_cli_list;

typedef struct tl_cli_texts {
  const char *items[TL_CLI_LIST_MAX];
  int count;
} tl_cli_texts;

// Texts are NULL and numbers 0 where nothing was given.
typedef struct tl_cli_options {
  const char *plan;
  const char *prompt, *prompt_file, *ids, *out, *image;
  const char *system, *template_variables;
  const char *pair, *messages, *step;
  const char *device, *target, *kv_type;
  int64_t tokens, top_k, batch, context, chunk, threads, bench_prompt, bench_gen;
  double temperature, top_p, min_p;
  double repetition_penalty, presence_penalty, frequency_penalty;
  uint64_t seed, kv_memory;
  tl_cli_texts stops;
  tl_cli_list bench_batch, bench_depth;
  bool chat, json, text, stop_eos, ignore_eos, trust, prefault, help;
} tl_cli_options;

// Parses argv[1..] of the command `name`, whose bit is `command`, over the defaults that
// `out_options` holds. TL_USAGE with one diagnostic that says what was expected, or which name is
// closest; TL_UNSUPPORTED for an option that this version refuses. A missing plan is no fault if
// help is asked for.
tl_status tl_cli_options_parse(tl_cli_command_bit command, int argc, char **argv,
                               tl_cli_options *out_options, tl_diag *diag) TL_CHECKED;

// Prints the options of `command`, one line each.
void tl_cli_options_print(tl_cli_command_bit command, FILE *out);

#endif
