// tlmrt: runs plans. The table of commands, and nothing else; see runtime/cli/commands.h.
//
//   tlmrt run model.plan -p "The capital of France is" -n 32
//   tlmrt help bench
//
// Data goes to stdout, everything else to stderr. The exit code tells the class of a failure: see
// base/status.h; 130 after an interrupt.
#include <stdio.h>
#include <string.h>

#include "runtime/cli/commands.h"
#include "runtime/cli/signals.h"

typedef struct command_row {
  const char *name;
  tl_cli_command_bit bit; // 0 = not in this version
  tl_status (*run)(tl_cli *cli);
  const char *synopsis, *summary;
} command_row;

static const command_row commands[] = {
    {"run", TL_CLI_RUN, tl_cli_run, "PLAN -p TEXT [-n N]", "continues a text"},
    {"chat", TL_CLI_CHAT, tl_cli_chat, "PLAN [--system TEXT]", "answers questions, one by one"},
    {"generate", TL_CLI_GENERATE, tl_cli_generate, "PLAN --ids FILE -n N",
     "continues ids, always with the likeliest; prints {\"ids\": [..]}"},
    {"logits", TL_CLI_LOGITS, tl_cli_logits, "PLAN --ids FILE --out FILE",
     "writes the model's outputs as the f32 tensor `logits`"},
    {"classify", TL_CLI_CLASSIFY, tl_cli_classify, "PLAN -p TEXT [--pair TEXT]",
     "says how likely each label of a text is"},
    {"score", TL_CLI_SCORE, tl_cli_score, "PLAN -p TEXT [--pair TEXT]",
     "prints a text's score, or one for each of its steps"},
    {"tokenize", TL_CLI_TOKENIZE, tl_cli_tokens, "PLAN < TEXT", "prints a text's ids, as JSON"},
    {"detokenize", TL_CLI_DETOKENIZE, tl_cli_words, "PLAN < IDS", "prints the text of ids"},
    {"bench", TL_CLI_BENCH, tl_cli_bench, "PLAN [--prompt N] [--gen N] [--batch 1,4]",
     "measures how fast prompts are read and tokens made"},
    {"tune", TL_CLI_TUNE, tl_cli_tune, "PLAN [--batch S] [--chunk T]",
     "measures a GPU's ways to compute matmuls, keeps the fastest in PLAN.tune"},
    {"info", TL_CLI_INFO, tl_cli_info, "PLAN [--json | --text]",
     "says what a plan is and whether it fits here"},
    {"serve", 0, NULL, "", ""},
};

enum { COMMANDS_COUNT = sizeof commands / sizeof commands[0] };

static const command_row *command_of(const char *name) {
  for (int i = 0; i < COMMANDS_COUNT; i++) {
    if (strcmp(commands[i].name, name) == 0) return &commands[i];
  }
  return NULL;
}

static void print_overview(FILE *out) {
  fprintf(out, "usage: tlmrt COMMAND PLAN [OPTION]..\n"
               "Runs a plan, a file that `tlmc build` made from a model's folder.\n\n");
  for (int i = 0; i < COMMANDS_COUNT; i++) {
    if (commands[i].run) fprintf(out, "  %-11s %s\n", commands[i].name, commands[i].summary);
  }
  fprintf(out, "  %-11s %s\n  %-11s %s\n\n", "help", "explains a command: tlmrt help run",
          "version", "prints the version");
  fprintf(out,
          "exit codes: 2 usage, 3 bad input, 4 unsupported, 5 input/output, 6 memory, 7 device,"
          "\n            8 cancelled, 70 internal error, 130 interrupted\n");
}

static void print_command(const command_row *command, FILE *out) {
  fprintf(out, "usage: tlmrt %s %s\n%s\n\n", command->name, command->synopsis, command->summary);
  tl_cli_options_print(command->bit, out);
}

static int unknown_command(const char *name) {
  const char *closest = NULL;
  size_t distance = TL_CLI_EDITS_MAX;
  for (int i = 0; i < COMMANDS_COUNT; i++) {
    size_t edits = tl_str_distance(tl_str_from(name), tl_str_from(commands[i].name), distance);
    if (edits >= distance || !commands[i].run) continue;
    closest = commands[i].name;
    distance = edits;
  }
  fprintf(stderr, "error: there is no command '%s'\nnote: %s%s%s\n", name,
          closest ? "the closest is '" : "see `tlmrt help", closest ? closest : "",
          closest ? "'" : "`");
  return tl_status_exit_code(TL_USAGE);
}

static int refuse(const command_row *command) {
  fprintf(stderr, "error: `tlmrt %s` is not part of this version; use `tlmrt run`\n",
          command->name);
  return tl_status_exit_code(TL_UNSUPPORTED);
}

static int print_help(const char *name) {
  const command_row *command = name ? command_of(name) : NULL;
  if (name && !command) return unknown_command(name);
  if (command && !command->run) return refuse(command);
  if (command)
    print_command(command, stdout);
  else
    print_overview(stdout);
  return fflush(stdout) == 0 ? 0 : tl_status_exit_code(TL_IO);
}

static int run_command(const command_row *command, int argc, char **argv) {
  tl_cli cli;
  tl_cli_init(&cli);
  cli.options.bench_gen = -1; // 0 is a choice
  tl_status status = tl_cli_options_parse(command->bit, argc, argv, &cli.options, &cli.diag);
  bool wants_help = tl_ok(status) && cli.options.help;
  if (tl_ok(status) && !wants_help) status = command->run(&cli);
  int code = tl_cli_report(&cli, status);
  tl_cli_finish(&cli);
  return wants_help ? print_help(command->name) : code;
}

int main(int argc, char **argv) {
  tl_cli_signals_install();
  if (argc < 2) {
    print_overview(stderr);
    return tl_status_exit_code(TL_USAGE);
  }
  const char *name = argv[1];
  if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
    fprintf(stdout, "tlmrt %s\n", tlmc_version());
    return fflush(stdout) == 0 ? 0 : tl_status_exit_code(TL_IO);
  }
  bool wants_help =
      strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
  if (wants_help) return print_help(argc > 2 ? argv[2] : NULL);
  const command_row *command = command_of(name);
  if (!command) return unknown_command(name);
  return command->run ? run_command(command, argc - 1, argv + 1) : refuse(command);
}
