// Normal forms work on stretches between characters that never change: such a character, then all
// that follow it up to the next one, is decomposed, sorted and, for NFC and NFKC, composed.
#include "runtime/base/tokenizer_form.h"

enum {
  HANGUL_S = 0xAC00,
  HANGUL_L = 0x1100,
  HANGUL_V = 0x1161,
  HANGUL_T = 0x11A7,
  HANGUL_L_COUNT = 19,
  HANGUL_V_COUNT = 21,
  HANGUL_T_COUNT = 28,
  HANGUL_S_COUNT = HANGUL_L_COUNT * HANGUL_V_COUNT * HANGUL_T_COUNT,
  INSERTION_MAX = 16, // marks in a row sorted by insertion; more are counted
};

// A decomposed code point with its combining class in the upper byte.
typedef struct marks {
  tl_arena *arena;
  uint32_t *items, *other;
  size_t count, capacity, other_capacity;
} marks;

static uint32_t code_of(uint32_t mark) {
  return mark & 0xFFFFFF;
}

static tl_status append_code(tl_text_buffer *buffer, uint32_t code) {
  char bytes[TL_UTF8_BYTES_MAX];
  return tl_text_append(buffer, (tl_str){bytes, tl_utf8_write(code, bytes)});
}

static const tl_tokenizer_form *find_row(const tl_tokenizer_table *t, uint32_t code) {
  uint32_t low = 0, high = t->forms_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (t->forms[middle].code < code) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < t->forms_count && t->forms[low].code == code ? &t->forms[low] : NULL;
}

static tl_status add_mark(const tl_tokenizer_table *t, marks *m, uint32_t code) {
  uint32_t *grown = tl_arena_grow(m->arena, m->items, &m->capacity, m->count + 1, sizeof *grown);
  if (!grown) return TL_MEMORY;
  m->items = grown;
  // Nothing below U+0300 and no Hangul has a combining class.
  bool is_starter = code < 0x300 || code - HANGUL_L < 0x100;
  const tl_tokenizer_form *row = is_starter ? NULL : find_row(t, code);
  m->items[m->count++] = code | (row ? (uint32_t)row->ccc << 24 : 0);
  return TL_OK;
}

static tl_status decompose(const tl_tokenizer_table *t, uint32_t form, marks *m, uint32_t code) {
  uint32_t hangul = code - HANGUL_S;
  if (hangul < HANGUL_S_COUNT) {
    uint32_t tail = hangul % HANGUL_T_COUNT, lead = hangul / HANGUL_T_COUNT;
    TL_TRY(add_mark(t, m, HANGUL_L + lead / HANGUL_V_COUNT));
    TL_TRY(add_mark(t, m, HANGUL_V + lead % HANGUL_V_COUNT));
    return tail ? add_mark(t, m, HANGUL_T + tail) : TL_OK;
  }
  const tl_tokenizer_form *row = code < 0x80 ? NULL : find_row(t, code);
  if (!row) return add_mark(t, m, code);
  bool compatible = form & TL_FORM_COMPATIBLE && row->compatible_count;
  uint32_t text = compatible ? row->compatible : row->text;
  uint32_t count = compatible ? row->compatible_count : row->count;
  if (count == 0) return add_mark(t, m, code);
  for (uint32_t i = 0; i < count; i++)
    TL_TRY(add_mark(t, m, t->form_text[text + i]));
  return TL_OK;
}

// Sorts by class and keeps the order within a class.
static tl_status sort_marks(marks *m, size_t begin, size_t end) {
  if (end - begin <= INSERTION_MAX) {
    for (size_t i = begin + 1; i < end; i++) {
      uint32_t mark = m->items[i];
      size_t at = i;
      for (; at > begin && m->items[at - 1] >> 24 > mark >> 24; at--)
        m->items[at] = m->items[at - 1];
      m->items[at] = mark;
    }
    return TL_OK;
  }
  uint32_t *other =
      tl_arena_grow(m->arena, m->other, &m->other_capacity, end - begin, sizeof *other);
  if (!other) return TL_MEMORY;
  m->other = other;
  size_t starts[257] = {0};
  for (size_t i = begin; i < end; i++)
    starts[(m->items[i] >> 24) + 1]++;
  for (int i = 0; i < 256; i++)
    starts[i + 1] += starts[i];
  for (size_t i = begin; i < end; i++)
    other[starts[m->items[i] >> 24]++] = m->items[i];
  memcpy(m->items + begin, other, (end - begin) * sizeof *other);
  return TL_OK;
}

// The composite of two code points, or 0.
static uint32_t compose_pair(const tl_tokenizer_table *t, uint32_t first, uint32_t second) {
  if (first - HANGUL_L < HANGUL_L_COUNT && second - HANGUL_V < HANGUL_V_COUNT)
    return HANGUL_S + ((first - HANGUL_L) * HANGUL_V_COUNT + (second - HANGUL_V)) * HANGUL_T_COUNT;
  if (first - HANGUL_S < HANGUL_S_COUNT && (first - HANGUL_S) % HANGUL_T_COUNT == 0 &&
      second - HANGUL_T - 1 < HANGUL_T_COUNT - 1)
    return first + second - HANGUL_T;
  uint32_t low = 0, high = t->form_pairs_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    const tl_tokenizer_pair *pair = &t->form_pairs[middle];
    if (pair->first == first && pair->second == second) return pair->result;
    if (pair->first < first || (pair->first == first && pair->second < second)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return 0;
}

// Composes in place: each mark joins the last starter unless one of its own class or a starter
// stands between them.
static void compose_marks(const tl_tokenizer_table *t, marks *m) {
  size_t kept = 0, starter = SIZE_MAX;
  for (size_t i = 0; i < m->count; i++) {
    uint32_t mark = m->items[i], class = mark >> 24;
    bool blocked = starter == SIZE_MAX ||
                   (kept > starter + 1 && (m->items[kept - 1] >> 24 >= class || class == 0));
    uint32_t joined = blocked ? 0 : compose_pair(t, code_of(m->items[starter]), code_of(mark));
    if (joined) {
      m->items[starter] = joined;
      continue;
    }
    if (class == 0) starter = kept;
    m->items[kept++] = mark;
  }
  m->count = kept;
}

static tl_status change_stretch(const tl_tokenizer_table *t, uint32_t form, tl_str text, marks *m,
                                tl_text_buffer *buffer) {
  m->count = 0;
  uint32_t code;
  for (size_t at = 0; at < text.length;) {
    at += tl_utf8_read(text.data + at, text.length - at, &code);
    TL_TRY(decompose(t, form, m, code));
  }
  for (size_t begin = 0, end; begin < m->count; begin = end + 1) {
    for (end = begin; end < m->count && m->items[end] >> 24; end++) {
    }
    TL_TRY(sort_marks(m, begin, end));
  }
  if (!(form & TL_FORM_DECOMPOSED)) compose_marks(t, m);
  for (size_t i = 0; i < m->count; i++)
    TL_TRY(append_code(buffer, code_of(m->items[i])));
  return TL_OK;
}

// The first place from `at` on where a character may change, and the start of the one before it.
static size_t find_change(const tl_tokenizer_table *t, uint32_t form, tl_str text, size_t at,
                          size_t *out_before) {
  uint32_t code;
  *out_before = at;
  while (at < text.length) {
    size_t length = 1;
    if ((uint8_t)text.data[at] >= 0x80) {
      length = tl_utf8_read(text.data + at, text.length - at, &code);
      if (tl_class_flags_of(t, code) & TL_CLASS_FORM << form) return at;
    }
    *out_before = at;
    at += length;
  }
  return at;
}

static size_t find_stable(const tl_tokenizer_table *t, uint32_t form, tl_str text, size_t at) {
  uint32_t code;
  while (at < text.length) {
    size_t length = tl_utf8_read(text.data + at, text.length - at, &code);
    if (!(tl_class_flags_of(t, code) & TL_CLASS_FORM << form)) break;
    at += length;
  }
  return at;
}

tl_status tl_text_form_apply(const tl_tokenizer_table *table, uint32_t form, tl_text_buffer *buffer,
                             tl_str *text) {
  size_t copied = 0, before, change = find_change(table, form, *text, 0, &before);
  if (change == text->length) return TL_OK;
  marks m = {.arena = buffer->arena};
  buffer->length = 0;
  while (change < text->length) {
    size_t end = find_stable(table, form, *text, change);
    TL_TRY(tl_text_append(buffer, tl_str_slice(*text, copied, before)));
    TL_TRY(change_stretch(table, form, tl_str_slice(*text, before, end), &m, buffer));
    copied = end;
    change = find_change(table, form, *text, end, &before);
  }
  TL_TRY(tl_text_append(buffer, tl_str_slice(*text, copied, text->length)));
  *text = (tl_str){buffer->data, buffer->length};
  return TL_OK;
}
