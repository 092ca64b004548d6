// tlmc: compiles models. The table of commands, and nothing else; each is in compiler/cli.
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "compiler/cli/arch.h"
#include "compiler/cli/build.h"
#include "compiler/cli/ops.h"
#include "compiler/cli/opt.h"
#include "compiler/cli/tlmrt.h"
#include "compiler/cli/verify.h"

typedef struct command {
  const char *name;
  int (*run)(int argc, char **argv); // NULL = tlmrt beside this program does it
  const char *summary;
} command;

static const command commands[] = {
    {"build", tl_cli_build, "makes a plan from a model's folder"},
    {"dump", tl_cli_dump, "prints the graph of a model"},
    {"arch", tl_cli_arch, "checks a description of an architecture"},
    {"ops", tl_cli_ops, "prints the table of graph operations"},
    {"verify", tl_cli_verify, "compares a plan's logits with the interpreter's"},
    {"opt", tl_cli_opt, "runs passes over a graph in text form"},
    {"run", NULL, "continues a text (tlmrt)"},
    {"chat", NULL, "talks (tlmrt)"},
    {"generate", NULL, "continues ids (tlmrt)"},
    {"logits", NULL, "writes a model's outputs (tlmrt)"},
    {"classify", NULL, "labels of a text (tlmrt)"},
    {"score", NULL, "a text's score (tlmrt)"},
    {"tokenize", NULL, "text to ids (tlmrt)"},
    {"detokenize", NULL, "ids to text (tlmrt)"},
    {"bench", NULL, "measures a plan (tlmrt)"},
    {"tune", NULL, "finds the fastest ways of a GPU (tlmrt)"},
    {"serve", NULL, "serves a plan (tlmrt)"},
    {"info", NULL, "describes a plan (tlmrt)"},
};

enum { COMMANDS_COUNT = sizeof commands / sizeof *commands };

static void print_usage(FILE *out) {
  fprintf(out, "usage: tlmc COMMAND ..\n");
  for (int i = 0; i < COMMANDS_COUNT; i++)
    fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
}

static int hand_over(char **argv) {
  static tl_diag diag;
  tl_status status = tl_tlmrt_become(argv, &diag);
  tl_diag_print(&diag, stderr);
  return tl_status_exit_code(status);
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  signal(SIGXFSZ, SIG_IGN); // a file that may not grow is an error of the write
  if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
    puts("tlmc 0.1.0");
    return 0;
  }
  if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0) {
    print_usage(stdout);
    return 0;
  }
  for (int i = 0; i < COMMANDS_COUNT; i++) {
    if (strcmp(name, commands[i].name) != 0) continue;
    return commands[i].run ? commands[i].run(argc - 1, argv + 1) : hand_over(argv);
  }
  if (argc > 1) fprintf(stderr, "tlmc: there is no command '%s'\n", name);
  print_usage(stderr);
  return tl_status_exit_code(TL_USAGE);
}
