// Implementation of diag.h.
#include "runtime/base/diag.h"

#include <stdarg.h>

enum { SHOWN_LINE_MAX = 160 };

tl_span tl_span_of(const tl_source *source, tl_str part) {
  return (tl_span){source, (size_t)(part.data - source->text.data), part.length};
}

static tl_span cut_to_source(tl_span span) {
  size_t length = span.source ? span.source->text.length : 0;
  if (span.offset > length) span.offset = length;
  if (span.length > length - span.offset) span.length = length - span.offset;
  return span;
}

// Whether an entry before `entry`, the newest, says the same of the same place.
static bool is_told(const tl_diag *diag, const tl_diag_entry *entry) {
  for (const tl_diag_entry *e = diag->entries; e < entry; e++) {
    bool same_place = e->span.source == entry->span.source &&
                      e->span.offset == entry->span.offset && e->span.length == entry->span.length;
    if (same_place && strcmp(e->text, entry->text) == 0) return true;
  }
  return false;
}

#undef tl_diag_error // a macro when the source is analysed

tl_status tl_diag_error(tl_diag *diag, tl_status status, tl_span span, const char *format, ...) {
  if (!diag) return status;
  if (diag->count == TL_DIAG_MAX) {
    diag->dropped++;
    return status;
  }
  tl_diag_entry *entry = &diag->entries[diag->count++];
  entry->status = status;
  entry->span = cut_to_source(span);
  entry->notes_count = 0;
  va_list args;
  va_start(args, format);
  vsnprintf(entry->text, sizeof entry->text, format, args);
  va_end(args);
  diag->repeats = is_told(diag, entry);
  diag->count -= diag->repeats;
  return status;
}

void tl_diag_note(tl_diag *diag, const char *format, ...) {
  if (!diag || diag->count == 0 || diag->dropped || diag->repeats) return;
  tl_diag_entry *entry = &diag->entries[diag->count - 1];
  if (entry->notes_count == TL_DIAG_NOTES_MAX) return;
  va_list args;
  va_start(args, format);
  vsnprintf(entry->notes[entry->notes_count++], TL_DIAG_TEXT_MAX, format, args);
  va_end(args);
}

void tl_diag_locate(tl_str text, size_t offset, int *out_line, int *out_column) {
  if (offset > text.length) offset = text.length;
  int line = 1;
  size_t line_start = 0;
  for (size_t i = 0; i < offset; i++) {
    if (text.data[i] != '\n') continue;
    line++;
    line_start = i + 1;
  }
  *out_line = line;
  *out_column = (int)(offset - line_start) + 1;
}

// The line that holds `offset`, at most SHOWN_LINE_MAX bytes of it.
static tl_str line_at(tl_str text, size_t offset) {
  if (offset > text.length) offset = text.length;
  size_t begin = offset, end = offset;
  while (begin > 0 && text.data[begin - 1] != '\n')
    begin--;
  while (end < text.length && text.data[end] != '\n' && end - begin < SHOWN_LINE_MAX)
    end++;
  return (tl_str){text.data + begin, end - begin};
}

static void print_caret(tl_str line, int column, size_t length, FILE *out) {
  fprintf(out, "      | ");
  for (int i = 0; i + 1 < column; i++) {
    bool tab = (size_t)i < line.length && line.data[i] == '\t';
    fputc(tab ? '\t' : ' ', out);
  }
  fputc('^', out);
  size_t room = line.length > (size_t)column ? line.length - (size_t)column : 0;
  for (size_t i = 1; i < length && i <= room; i++)
    fputc('~', out);
  fputc('\n', out);
}

static void print_place(const tl_span *span, FILE *out) {
  int line, column;
  tl_diag_locate(span->source->text, span->offset, &line, &column);
  tl_str shown = line_at(span->source->text, span->offset);
  if (shown.length >= SHOWN_LINE_MAX) return;
  fprintf(out, "%5d | %.*s\n", line, TL_STR_ARG(shown));
  print_caret(shown, column, span->length, out);
}

static void print_entry(const tl_diag_entry *entry, FILE *out) {
  const tl_source *source = entry->span.source;
  bool has_text = source && source->text.length > 0;
  if (has_text) {
    int line, column;
    tl_diag_locate(source->text, entry->span.offset, &line, &column);
    fprintf(out, "%s:%d:%d: ", source->name, line, column);
  } else if (source) {
    fprintf(out, "%s: ", source->name);
  }
  fprintf(out, "error: %s\n", entry->text);
  if (has_text) print_place(&entry->span, out);
  for (int i = 0; i < entry->notes_count; i++)
    fprintf(out, "note: %s\n", entry->notes[i]);
}

void tl_diag_print(const tl_diag *diag, FILE *out) {
  for (int i = 0; i < diag->count; i++)
    print_entry(&diag->entries[i], out);
  if (diag->dropped) fprintf(out, "error: %ld more errors are not shown\n", diag->dropped);
}
