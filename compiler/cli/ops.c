// Implementation of ops.h.
#include "compiler/cli/ops.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/status.h"

typedef struct row {
  const char *name, *signature, *attributes, *summary;
} row;

static const row rows[] = {
#define OP(name, signature, attributes, flops, effects, tolerance, decomposition, summary)         \
  {#name, signature, attributes, summary},
#include "ir/ops.def"
#undef OP
};

// A bar would end the cell.
static void print_cell(const char *text) {
  for (; *text; text++)
    fputs(*text == '|' ? "\\|" : (char[]){*text, 0}, stdout);
}

static void print_code(const char *text) {
  if (!*text) return;
  putchar('`');
  print_cell(text);
  putchar('`');
}

int tl_cli_ops(int argc, char **argv) {
  if (argc > 1) {
    bool is_help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
    fputs("usage: tlmc ops\n", is_help ? stdout : stderr);
    return is_help ? 0 : tl_status_exit_code(TL_USAGE);
  }
  puts("| op | operands and result | attributes | what it computes |\n|---|---|---|---|");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    printf("| %s | ", rows[i].name);
    print_code(rows[i].signature);
    fputs(" | ", stdout);
    print_code(rows[i].attributes);
    fputs(" | ", stdout);
    print_cell(rows[i].summary);
    puts(" |");
  }
  return 0;
}
