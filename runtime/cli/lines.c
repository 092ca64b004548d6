// Implementation of lines.h.
#include "runtime/cli/lines.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "runtime/cli/signals.h"

enum { POLL_MS = 50 }; // until an interrupt is seen that another thread took

static const tl_str quotes = {"\"\"\"", 3};

typedef struct line_text {
  char *data;
  size_t length, capacity;
} line_text;

void tl_lines_init(tl_lines *lines, tl_cli *cli) {
  *lines = (tl_lines){.cli = cli, .is_terminal = isatty(STDIN_FILENO)};
}

static void show_prompt(const tl_lines *lines, bool is_first) {
  if (lines->is_terminal) fputs(is_first ? "> " : ". ", stderr);
}

static tl_status add(tl_lines *lines, tl_arena *arena, line_text *text, tl_str more) {
  size_t length = text->length + more.length;
  if (length > TL_CLI_TEXT_BYTES_MAX) {
    return tl_cli_fail(lines->cli, TL_MEMORY, "a text of more than %d bytes",
                       TL_CLI_TEXT_BYTES_MAX);
  }
  char *data = tl_arena_grow(arena, text->data, &text->capacity, length + 1, 1);
  if (!data) return tl_cli_full(lines->cli);
  memcpy(data + text->length, more.data, more.length);
  text->data = data;
  text->length = length;
  return TL_OK;
}

// Waits for something to read; false after an interrupt, whichever thread took the signal.
static bool wait_for_input(void) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  while (!tl_cli_interrupted()) {
    int ready = poll(&input, 1, POLL_MS);
    if (ready > 0 || (ready < 0 && errno != EINTR)) return true;
  }
  return !tl_cli_signals_take();
}

// Fills the buffer. An interrupt is told by `*out_interrupted`.
static tl_status fill(tl_lines *lines, bool *out_interrupted) {
  lines->begin = lines->end = 0;
  *out_interrupted = !wait_for_input();
  if (*out_interrupted) {
    if (!lines->is_terminal) return tl_cli_fail(lines->cli, TL_CANCELLED, "interrupted");
    fputs("\n(Ctrl-D or /exit ends)\n", stderr);
    return TL_OK;
  }
  ssize_t got = read(STDIN_FILENO, lines->buffer, sizeof lines->buffer);
  if (got < 0 && errno == EINTR) return TL_OK;
  if (got < 0) {
    return tl_cli_fail(lines->cli, TL_IO, "stdin cannot be read: %s", strerror(errno));
  }
  lines->is_over = got == 0;
  lines->end = (size_t)got;
  return TL_OK;
}

// Adds one line without its end to `text`. `*out_dropped`: it was interrupted.
static tl_status read_line(tl_lines *lines, tl_arena *arena, line_text *text, bool *out_dropped) {
  *out_dropped = false;
  while (!lines->is_over) {
    tl_str rest = {lines->buffer + lines->begin, lines->end - lines->begin};
    const char *end = rest.length ? memchr(rest.data, '\n', rest.length) : NULL;
    size_t length = end ? (size_t)(end - rest.data) : rest.length;
    if (length > 0) TL_TRY(add(lines, arena, text, tl_str_slice(rest, 0, length)));
    lines->begin += length + (end != NULL);
    if (end) break;
    TL_TRY(fill(lines, out_dropped));
    if (*out_dropped) return TL_OK;
  }
  if (text->length > 0 && text->data[text->length - 1] == '\r') text->length--;
  return TL_OK;
}

// Whether the text goes on in the next line; takes away what says so.
static bool goes_on(line_text *text) {
  tl_str whole = {text->data, text->length};
  if (tl_str_starts_with(whole, quotes)) {
    bool is_closed = whole.length >= 2 * quotes.length && tl_str_ends_with(whole, quotes);
    if (!is_closed) text->data[text->length++] = '\n'; // there is room: see add
    return !is_closed;
  }
  if (!tl_str_ends_with(whole, TL_STR("\\"))) return false;
  text->data[text->length - 1] = '\n';
  return true;
}

tl_status tl_lines_next(tl_lines *lines, tl_arena *arena, tl_str *out_text, bool *out_is_over) {
  line_text text = {0};
  bool dropped = false, is_first = true;
  *out_is_over = false;
  do {
    show_prompt(lines, is_first);
    TL_TRY(read_line(lines, arena, &text, &dropped));
    if (dropped) text.length = 0;
    is_first = dropped;
  } while (dropped || (!lines->is_over && text.length > 0 && goes_on(&text)));
  *out_text = (tl_str){text.length ? text.data : "", text.length};
  if (tl_str_starts_with(*out_text, quotes) && tl_str_ends_with(*out_text, quotes) &&
      out_text->length >= 2 * quotes.length) {
    *out_text = tl_str_slice(*out_text, quotes.length, out_text->length - quotes.length);
  }
  *out_is_over = lines->is_over && text.length == 0;
  if (*out_is_over && lines->is_terminal) fputs("\n", stderr);
  return TL_OK;
}
