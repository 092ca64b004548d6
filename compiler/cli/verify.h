// `tlmc verify`: the logits of a plan against those of the interpreter, on the same ids.
#ifndef TL_COMPILER_CLI_VERIFY_H
#define TL_COMPILER_CLI_VERIFY_H

// `argv[0]` is the command. Returns the exit code: 0 if the comparison could be made and all logits
// are numbers; how large a difference is acceptable depends on the formats and is for the reader.
int tl_cli_verify(int argc, char **argv);

#endif
