// `tlmc opt`: runs passes over a graph in text form, the way in for tests of passes.
//
//   tlmc opt --pass=simplify x.ir        one pass; several --pass run in the order given
//   tlmc opt --stop-after=fuse x.ir      the pipeline from its start, or from --from=NAME
//   tlmc opt x.ir                        verifies and prints the canonical form
//
// Data goes to stdout, everything else to stderr. One thread.
#ifndef TL_COMPILER_CLI_OPT_H
#define TL_COMPILER_CLI_OPT_H

// `argv[0]` is "opt". Returns the exit code.
int tl_cli_opt(int argc, char **argv);

#endif
