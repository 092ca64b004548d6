// Search for automata, literals and added tokens.
#include "runtime/base/tokenizer_match.h"

// End of the match that begins at `start`, or `start` if there is none. Adds to `*steps`.
static size_t run_automaton(const tl_tokenizer_table *t, const tl_tokenizer_pattern *pattern,
                            tl_str text, size_t start, uint64_t *steps) {
  const uint16_t *cells = t->cells + pattern->offset;
  const uint8_t *ascii = t->char_blocks + (size_t)t->char_index[0] * TL_CHAR_BLOCK;
  uint32_t width = t->class_flags_count + 1, state = 1;
  size_t at = start, end = start;
  while (at < text.length) {
    uint32_t code = (uint8_t)text.data[at];
    size_t length = 1;
    uint8_t class;
    if (code < 0x80) {
      class = ascii[code];
    } else {
      length = tl_utf8_read(text.data + at, text.length - at, &code);
      class = tl_class_of(t, code);
    }
    uint32_t cell = cells[state * width + class];
    if (cell & TL_CELL_MATCH) end = at;
    state = cell & TL_CELL_STATE;
    ++*steps;
    if (!state) return end;
    at += length;
  }
  return cells[state * width + width - 1] & TL_CELL_MATCH ? at : end;
}

static tl_status find_automaton(const tl_tokenizer_table *t, const tl_tokenizer_pattern *pattern,
                                tl_find *find) {
  uint64_t steps = 0;
  size_t start = find->end;
  while (start < find->text.length && steps <= find->steps_left) {
    size_t end = run_automaton(t, pattern, find->text, start, &steps);
    if (end > start) {
      find->begin = start;
      find->end = end;
      find->found = true;
      break;
    }
    uint32_t code;
    start += tl_utf8_read(find->text.data + start, find->text.length - start, &code);
  }
  if (steps > find->steps_left) return TL_UNSUPPORTED;
  find->steps_left -= steps;
  return TL_OK;
}

tl_status tl_pattern_find(const tl_tokenizer_table *table, uint32_t pattern, tl_find *find) {
  const tl_tokenizer_pattern *row = &table->patterns[pattern];
  find->found = false;
  if (find->end >= find->text.length) return TL_OK;
  if (!row->literal) return find_automaton(table, row, find);
  const char *data = find->text.data;
  const char *hit = memmem(data + find->end, find->text.length - find->end,
                           table->pool + row->offset, row->length);
  if (!hit) return TL_OK;
  find->begin = (size_t)(hit - data);
  find->end = find->begin + row->length;
  find->found = true;
  return TL_OK;
}

// Rows of [*lo, *hi) whose byte at `depth` is `byte`; all are equal before it, and sorted. A row
// that ends at `depth` sorts first and is left out.
static void narrow(const tl_tokenizer_table *t, size_t depth, uint8_t byte, uint32_t *lo,
                   uint32_t *hi) {
  for (int upper = 0; upper < 2; upper++) {
    uint32_t low = *lo, high = *hi;
    while (low < high) {
      uint32_t middle = low + (high - low) / 2;
      const tl_tokenizer_added *row = &t->added[middle];
      int value = depth < row->text_length ? (uint8_t)t->pool[row->text_offset + depth] : -1;
      if (value < byte + upper) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    *(upper ? hi : lo) = low;
  }
}

static const tl_tokenizer_added *longest_at(const tl_tokenizer_table *t, tl_str text, size_t at,
                                            uint32_t lo, uint32_t hi) {
  const tl_tokenizer_added *best = NULL;
  for (size_t depth = 1; lo < hi; depth++) {
    if (t->added[lo].text_length == depth) best = &t->added[lo];
    if (at + depth >= text.length) break;
    narrow(t, depth, (uint8_t)text.data[at + depth], &lo, &hi);
  }
  return best;
}

const tl_tokenizer_added *tl_added_find(const tl_tokenizer_table *table, uint32_t list, tl_str text,
                                        size_t from, size_t *out_begin) {
  const uint32_t *first = table->added_first + (size_t)list * 257;
  if (first[0] == first[256]) return NULL;
  for (size_t at = from; at < text.length; at++) {
    uint8_t byte = (uint8_t)text.data[at];
    uint32_t lo = first[byte], hi = first[byte + 1];
    if (lo == hi) continue;
    const tl_tokenizer_added *found = longest_at(table, text, at, lo, hi);
    if (!found) continue;
    *out_begin = at;
    return found;
  }
  return NULL;
}
