// `tlmc arch`: architecture files without a model.
//
//   tlmc arch list                                     what is built in
//   tlmc arch check FILE.yaml                          keys, forms, grammar of expressions
//   tlmc arch check FILE.yaml --config config.json     lowers a model without weights, too
#ifndef TL_COMPILER_CLI_ARCH_H
#define TL_COMPILER_CLI_ARCH_H

// `argv[0]` is "arch". Returns the exit code.
int tl_cli_arch(int argc, char **argv);

#endif
