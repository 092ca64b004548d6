// The commands of tlmrt, one file each. Each finds its options in cli->options, opens what it needs
// and prints its data on stdout; what is open afterwards is closed by tl_cli_finish.
//
//   run         run.c       text from text
//   chat        chat.c      a conversation
//   generate    generate.c  ids from ids, greedy
//   logits      logits.c    output rows as a file
//   classify    classify.c  labels with their probabilities; score: numbers
//   tokenize    tokens.c    ids of a text; detokenize: the way back
//   bench       bench.c     prefill and decode rates
//   tune        tune.c      the fastest ways of this GPU, kept beside a plan
//   info        info.c      what is in a plan, and whether it fits here
#ifndef TL_CLI_COMMANDS_H
#define TL_CLI_COMMANDS_H

#include "runtime/cli/cli.h"

tl_status tl_cli_run(tl_cli *cli) TL_CHECKED;
tl_status tl_cli_chat(tl_cli *cli) TL_CHECKED;
tl_status tl_cli_generate(tl_cli *cli) TL_CHECKED;
tl_status tl_cli_classify(tl_cli *cli) TL_CHECKED;
tl_status tl_cli_score(tl_cli *cli) TL_CHECKED;
tl_status tl_cli_logits(tl_cli *cli) TL_CHECKED;
tl_status tl_cli_tokens(tl_cli *cli) TL_CHECKED; // tokenize
tl_status tl_cli_words(tl_cli *cli) TL_CHECKED;  // detokenize
tl_status tl_cli_bench(tl_cli *cli) TL_CHECKED;
tl_status tl_cli_tune(tl_cli *cli) TL_CHECKED;
tl_status tl_cli_info(tl_cli *cli) TL_CHECKED;

#endif
