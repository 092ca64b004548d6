// Diagnostics: a bounded sink of sentences with places, filled by libraries, printed by
// executables.
//
//   archs/x.yaml:41:15: error: checkpoint has no tensor 'layers.0.q_nrom.weight'
//      41 |     q_norm: q_nrom.weight
//         |             ^~~~~~~~~~~~~
//   note: closest name in model.safetensors is 'layers.0.q_norm.weight'
//
// Reporting never allocates: entries hold their text inline, and entries past TL_DIAG_MAX are only
// counted. Line and column are computed when printing. Wording: lower case, no full stop, says what
// was found and what was expected, and what to do if that is known. One sink, one thread.
#ifndef TL_BASE_DIAG_H
#define TL_BASE_DIAG_H

#include <stdio.h>

#include "runtime/base/status.h"
#include "runtime/base/str.h"

enum { TL_DIAG_MAX = 32, TL_DIAG_TEXT_MAX = 320, TL_DIAG_NOTES_MAX = 3 };

// A text that errors can point into. `name` and `text` must outlive the sink; `text` may be empty
// (then only the name is printed).
typedef struct tl_source {
  const char *name;
  tl_str text;
} tl_source;

typedef struct tl_span {
  const tl_source *source; // NULL = no place
  size_t offset;           // bytes from the start of the source
  size_t length;           // bytes; 0 points between characters
} tl_span;

typedef struct tl_diag_entry {
  tl_status status;
  tl_span span;
  char text[TL_DIAG_TEXT_MAX];
  char notes[TL_DIAG_NOTES_MAX][TL_DIAG_TEXT_MAX];
  int notes_count;
} tl_diag_entry;

typedef struct tl_diag {
  tl_diag_entry entries[TL_DIAG_MAX];
  int count;    // entries used
  long dropped; // errors past the limit
  bool repeats; // the newest error is one of the entries
} tl_diag;

// The span of bytes [part.data, +length) of `source`; `part` must be a view into its text.
tl_span tl_span_of(const tl_source *source, tl_str part);

// Adds an error and returns `status`, so that `return tl_diag_error(...)` reads well. `diag` may be
// NULL (the caller only wants the status). What of `span` leaves its source's text is cut off, so
// that the places of entries are safe to read. What an entry says already of the same place, as of
// every layer of a model, is not said again.
tl_status tl_diag_error(tl_diag *diag, tl_status status, tl_span span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#ifdef __clang_analyzer__ // sees one file at a time and must know what comes back
#define tl_diag_error(diag, status, ...) (tl_diag_error(diag, status, __VA_ARGS__), (status))
#endif

// Adds a note to the newest error; without one, or past the limit, it is dropped.
void tl_diag_note(tl_diag *diag, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Line and column (both from 1, column in bytes) of `offset` in `text`.
void tl_diag_locate(tl_str text, size_t offset, int *out_line, int *out_column);

// Prints all entries with source lines and carets. Executables and tests only.
void tl_diag_print(const tl_diag *diag, FILE *out);

#endif
