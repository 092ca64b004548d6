// `tlmc ops`: the table of graph operations, as Markdown. ir/ops.def says what its columns mean.
#ifndef TL_COMPILER_CLI_OPS_H
#define TL_COMPILER_CLI_OPS_H

// `argv[0]` is "ops". Returns the exit code.
int tl_cli_ops(int argc, char **argv);

#endif
