// What a person types: one text at a time from stdin, of one line or of several.
//
//   first line \                """first line
//   second line                 second line"""
//
// At a terminal a prompt is shown on stderr.
#ifndef TL_CLI_LINES_H
#define TL_CLI_LINES_H

#include "runtime/cli/cli.h"

enum { TL_LINES_BUFFER_BYTES = 1 << 16 };

typedef struct tl_lines {
  tl_cli *cli;
  bool is_terminal;
  bool is_over; // stdin has ended
  char buffer[TL_LINES_BUFFER_BYTES];
  size_t begin, end; // of what was read and not taken
} tl_lines;

void tl_lines_init(tl_lines *lines, tl_cli *cli);

// The next text, without its line end, on `arena`. `*out_is_over` is true behind the last one. At a
// terminal an interrupt drops what was typed so far; elsewhere it is TL_CANCELLED. TL_IO.
tl_status tl_lines_next(tl_lines *lines, tl_arena *arena, tl_str *out_text,
                        bool *out_is_over) TL_CHECKED;

#endif
