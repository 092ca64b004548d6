// Lines and words: what stays near a grammar without knowing it.
#include <string.h>

#include "tests/fuzz/edit.h"
#include "tests/fuzz/mutate.h"

static const char *const numbers[] = {"0",
                                      "1",
                                      "-1",
                                      "64",
                                      "4095",
                                      "2147483648",
                                      "1099511627776",
                                      "9223372036854775807",
                                      "-9223372036854775808",
                                      "1e309",
                                      "1e-46",
                                      "-0",
                                      "0.1",
                                      "1e5",
                                      NULL};

static int is_word(uint8_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
         c == '_' || c == '%';
}

// The line at a random place, with its end.
static tl_range some_line(tl_edit *edit) {
  tl_range line = {tl_edit_random(edit, edit->size), 0};
  line.end = line.begin;
  while (line.begin > 0 && edit->data[line.begin - 1] != '\n')
    line.begin--;
  while (line.end < edit->size && edit->data[line.end++] != '\n') {
  }
  return line;
}

// The run of word bytes, or of others, at a random place.
static tl_range some_word(tl_edit *edit) {
  size_t at = tl_edit_random(edit, edit->size);
  tl_range word = {at, at + 1};
  int kind = is_word(edit->data[at]);
  while (word.begin > 0 && is_word(edit->data[word.begin - 1]) == kind)
    word.begin--;
  while (word.end < edit->size && is_word(edit->data[word.end]) == kind)
    word.end++;
  return word;
}

static void swap(tl_edit *edit, tl_range a, tl_range b) {
  static uint8_t first[1 << 16];
  size_t length = a.end - a.begin;
  if (a.begin > b.begin) {
    swap(edit, b, a);
    return;
  }
  if (a.end > b.begin || length > sizeof first) return;
  memcpy(first, edit->data + a.begin, length);
  size_t moved = 0 - edit->size; // wraps around if it is negative; there may be no room for all
  tl_edit_copy(edit, a, b);
  moved += edit->size;
  tl_edit_replace(edit, (tl_range){b.begin + moved, b.end + moved}, first, length);
}

static void change(tl_edit *edit, const char *const *pieces) {
  int lines = tl_edit_random(edit, 3) == 0;
  tl_range a = lines ? some_line(edit) : some_word(edit);
  tl_range b = lines ? some_line(edit) : some_word(edit);
  uint8_t first = edit->data[a.begin];
  switch (tl_edit_random(edit, 6)) {
  case 0: tl_edit_copy(edit, a, b); break;
  case 1: tl_edit_put(edit, a, ""); break;
  case 2: tl_edit_copy(edit, (tl_range){a.begin, a.begin}, b); break;
  case 3: swap(edit, a, b); break;
  case 4:
    if (lines) {
      size_t cut = first == ' ' && tl_edit_random(edit, 2) ? 2 : 0;
      if (cut > a.end - a.begin) cut = a.end - a.begin;
      tl_edit_put(edit, (tl_range){a.begin, a.begin + cut}, cut ? "" : "  ");
      break;
    } // fallthrough
  default:
    if (first >= '0' && first <= '9') {
      tl_edit_put(edit, a, tl_edit_pick(edit, numbers));
    } else {
      if (tl_edit_random(edit, 2)) a.end = a.begin;
      tl_edit_put(edit, a, tl_edit_pick(edit, pieces));
    }
  }
}

size_t tl_fuzz_mutate_text(uint8_t *data, size_t size, size_t size_max, unsigned seed,
                           const char *const *pieces) {
  tl_edit edit = tl_edit_begin(data, size, size_max, seed);
  if (size == 0 || tl_edit_random(&edit, 4) == 0) {
    tl_edit_bytes(&edit, pieces);
    return edit.size;
  }
  for (uint32_t n = 1 + tl_edit_random(&edit, 3); n > 0 && edit.size > 0; n--)
    change(&edit, pieces);
  return edit.size;
}
