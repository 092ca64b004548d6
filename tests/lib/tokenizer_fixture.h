// Compiles the tokenizer.json of a fixture folder, for tests and fuzz targets.
#ifndef TL_TESTS_TOKENIZER_FIXTURE_H
#define TL_TESTS_TOKENIZER_FIXTURE_H

#include "compiler/load/tokenizer.h"
#include "tests/lib/check.h"

// The bytes of a file, with a NUL after them; released by the caller. Ends the program if it cannot
// be read.
static inline tl_str tl_fixture_read(const char *path) {
  FILE *file = fopen(path, "rb");
  CHECK(file && fseek(file, 0, SEEK_END) == 0);
  long bytes = ftell(file);
  CHECK(bytes >= 0 && fseek(file, 0, SEEK_SET) == 0);
  char *data = malloc((size_t)bytes + 1);
  CHECK(data && fread(data, 1, (size_t)bytes, file) == (size_t)bytes);
  data[bytes] = '\0';
  CHECK(fclose(file) == 0);
  return (tl_str){data, (size_t)bytes};
}

// Compiles a tokenizer from its JSON text, or from a tokenizer.model; prints the errors and ends
// the program on failure.
static inline tl_str tl_fixture_compile(tl_str text, tl_arena *arena) {
  static tl_diag diag;
  tl_source source = {"tokenizer", text};
  tl_str section;
  bool json = tl_str_starts_with(text, TL_STR("{"));
  if (!tl_ok((json ? tl_tokenizer_compile : tl_tokenizer_compile_pieces)(&source, NULL, arena,
                                                                         &diag, &section))) {
    tl_diag_print(&diag, stderr);
    exit(1);
  }
  return section;
}

#endif
