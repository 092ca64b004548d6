// `tlmc build` and the other commands that read a model.
#ifndef TL_COMPILER_CLI_BUILD_H
#define TL_COMPILER_CLI_BUILD_H

// `argv[0]` is the command. Each returns the exit code.
int tl_cli_build(int argc, char **argv);
int tl_cli_dump(int argc, char **argv);

#endif
