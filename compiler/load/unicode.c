// Unpacks unicode_data.inc on demand; its form is described in tests/oracle/make_unicode.py.
#include "compiler/load/unicode.h"

#include "compiler/load/unicode_data.inc"

#define COUNT(array) (sizeof(array) / sizeof *(array))

// Categories in the order of the data, and the names of groups of them (by their first letter).
static const char categories[][3] = {"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl",
                                     "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc",
                                     "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cn", "Cs"};

static const char *const long_names[][2] = {
    {"Letter", "L"},          {"Mark", "M"},
    {"Number", "N"},          {"Punctuation", "P"},
    {"Symbol", "S"},          {"Other", "C"},
    {"Separator", "Z"},       {"Uppercase_Letter", "Lu"},
    {"Decimal_Number", "Nd"}, {"Lowercase_Letter", "Ll"},
};

typedef struct packed_set {
  const char *name;
  const uint32_t *runs;
  size_t count;
} packed_set;

static const packed_set scripts[] = {
    {"Han", SET_SCRIPT_HAN, COUNT(SET_SCRIPT_HAN)},
    {"Hiragana", SET_SCRIPT_HIRAGANA, COUNT(SET_SCRIPT_HIRAGANA)},
    {"Katakana", SET_SCRIPT_KATAKANA, COUNT(SET_SCRIPT_KATAKANA)},
    {"Hangul", SET_SCRIPT_HANGUL, COUNT(SET_SCRIPT_HANGUL)},
    {"Latin", SET_SCRIPT_LATIN, COUNT(SET_SCRIPT_LATIN)},
    {"Greek", SET_SCRIPT_GREEK, COUNT(SET_SCRIPT_GREEK)},
    {"Cyrillic", SET_SCRIPT_CYRILLIC, COUNT(SET_SCRIPT_CYRILLIC)},
    {"Arabic", SET_SCRIPT_ARABIC, COUNT(SET_SCRIPT_ARABIC)},
    {"Hebrew", SET_SCRIPT_HEBREW, COUNT(SET_SCRIPT_HEBREW)},
    {"Thai", SET_SCRIPT_THAI, COUNT(SET_SCRIPT_THAI)},
    {"Devanagari", SET_SCRIPT_DEVANAGARI, COUNT(SET_SCRIPT_DEVANAGARI)},
};

static tl_status add_runs(tl_arena *arena, const uint32_t *runs, size_t count, tl_charset *set) {
  tl_charset unpacked = {0};
  uint32_t at = 0;
  for (size_t i = 0; i + 1 < count; i += 2) {
    uint32_t begin = at + runs[i];
    at = begin + runs[i + 1];
    TL_TRY(tl_charset_add(arena, &unpacked, begin, at));
  }
  return tl_charset_unite(arena, set, &unpacked);
}

// Adds all categories of the bit mask.
static tl_status add_categories(tl_arena *arena, uint32_t mask, tl_charset *set) {
  tl_charset unpacked = {0};
  uint32_t at = 0;
  for (size_t i = 0; i < COUNT(CATEGORY_RUNS); i++) {
    uint32_t length = CATEGORY_RUNS[i] / 32;
    if (mask >> CATEGORY_RUNS[i] % 32 & 1)
      TL_TRY(tl_charset_add(arena, &unpacked, at, at + length));
    at += length;
  }
  return tl_charset_unite(arena, set, &unpacked);
}

// Hangul syllables compose from vowels and trailing consonants, which no table lists.
static tl_status add_composing(tl_arena *arena, tl_charset *set) {
  uint32_t code = 0;
  tl_charset unpacked = {0};
  for (size_t i = 0; i < COUNT(NFC_CODES); i++) {
    code += NFC_CODES[i];
    size_t count = NFC_ROWS[i] % 8;
    bool composite = false; // composed already: stays as it is
    for (size_t p = 2; count && !composite && p < COUNT(NFC_PAIRS); p += 3)
      composite = NFC_PAIRS[p] == code;
    if (!composite) TL_TRY(tl_charset_add(arena, &unpacked, code, code + 1));
  }
  for (size_t p = 1; p < COUNT(NFC_PAIRS); p += 3)
    TL_TRY(tl_charset_add(arena, &unpacked, NFC_PAIRS[p], NFC_PAIRS[p] + 1));
  TL_TRY(tl_charset_add(arena, &unpacked, 0x1161, 0x1176));
  TL_TRY(tl_charset_add(arena, &unpacked, 0x11A8, 0x11C3));
  return tl_charset_unite(arena, set, &unpacked);
}

static tl_status add_codes(tl_arena *arena, const uint32_t *deltas, size_t count, tl_charset *set) {
  uint32_t code = 0;
  tl_charset unpacked = {0};
  for (size_t i = 0; i < count; i++) {
    code += deltas[i];
    TL_TRY(tl_charset_add(arena, &unpacked, code, code + 1));
  }
  return tl_charset_unite(arena, set, &unpacked);
}

tl_status tl_unicode_add_form(tl_arena *arena, tl_text_form form, tl_charset *set) {
  tl_charset hangul = {0};
  if (form & TL_FORM_COMPATIBLE) TL_TRY(add_codes(arena, NFKD_CODES, COUNT(NFKD_CODES), set));
  if (!(form & TL_FORM_DECOMPOSED)) return add_composing(arena, set);
  TL_TRY(tl_charset_add(arena, &hangul, 0xAC00, 0xD7A4));
  TL_TRY(tl_charset_unite(arena, set, &hangul));
  return add_codes(arena, NFC_CODES, COUNT(NFC_CODES), set);
}

tl_status tl_unicode_add(tl_arena *arena, tl_unicode_set which, tl_charset *set) {
  static const packed_set sets[] = {
#define SET(name) [TL_UNICODE_##name] = {#name, SET_##name, COUNT(SET_##name)}
      SET(SPACE),       SET(WORD),          SET(NUMERIC),     SET(ADDED_WORD), SET(ADDED_SPACE),
      SET(PUNCTUATION), SET(CLEAN_REMOVED), SET(CLEAN_SPACE), SET(HAN),        SET(ACCENT),
      SET(MARK),        SET(NMT_REMOVED),   SET(NMT_SPACE)};
#undef SET
  return add_runs(arena, sets[which].runs, sets[which].count, set);
}

// Syllables of Hangul: of 28 each the first has no tail.
static tl_status add_syllables(tl_arena *arena, bool closed, tl_charset *set) {
  tl_charset unpacked = {0};
  for (uint32_t code = 0xAC00; code < 0xD7A4; code += 28)
    TL_TRY(closed ? tl_charset_add(arena, &unpacked, code + 1, code + 28)
                  : tl_charset_add(arena, &unpacked, code, code + 1));
  return tl_charset_unite(arena, set, &unpacked);
}

// The line ends are left out of the data, as they are a cluster together.
static tl_status add_line_ends(tl_arena *arena, tl_charset *set) {
  tl_charset ends = {0};
  TL_TRY(tl_charset_add(arena, &ends, '\n', '\n' + 1));
  TL_TRY(tl_charset_add(arena, &ends, '\r', '\r' + 1));
  return tl_charset_unite(arena, set, &ends);
}

tl_status tl_unicode_add_cluster(tl_arena *arena, tl_cluster_kind kind, tl_charset *set) {
  static const uint32_t joiner[] = {0x200D, 1};
  static const packed_set sets[TL_CLUSTER_KINDS] = {
#define SET(name) [TL_CLUSTER_##name] = {#name, SET_CLUSTER_##name, COUNT(SET_CLUSTER_##name)}
      SET(CONTROL),
      SET(EXTEND),
      SET(PLAIN),
      SET(LINKER),
      SET(SPACING),
      SET(PREPEND),
      SET(LEAD),
      SET(VOWEL),
      SET(TAIL),
      SET(PICTURE),
      SET(CONSONANT),
#undef SET
      [TL_CLUSTER_JOINER] = {"JOINER", joiner, COUNT(joiner)}};
  if (kind == TL_CLUSTER_OPEN || kind == TL_CLUSTER_CLOSED)
    return add_syllables(arena, kind == TL_CLUSTER_CLOSED, set);
  if (kind == TL_CLUSTER_CONTROL) TL_TRY(add_line_ends(arena, set));
  return add_runs(arena, sets[kind].runs, sets[kind].count, set);
}

void tl_unicode_lower(uint32_t *codes) {
  uint32_t at = 0;
  for (size_t i = 0; i < COUNT(LOWER_RUNS); i += 4) {
    at += (uint32_t)LOWER_RUNS[i];
    uint32_t end = at + (uint32_t)LOWER_RUNS[i + 1];
    for (uint32_t code = at; code < end; code += (uint32_t)LOWER_RUNS[i + 2])
      codes[code] = code + (uint32_t)LOWER_RUNS[i + 3];
    at = end;
  }
}

tl_status tl_unicode_add_property(tl_arena *arena, tl_str name, tl_charset *set) {
  for (size_t i = 0; i < COUNT(long_names); i++)
    if (tl_str_is(name, long_names[i][0])) name = tl_str_from(long_names[i][1]);
  uint32_t mask = 0;
  for (size_t i = 0; i < COUNT(categories); i++)
    if (tl_str_is(name, categories[i]) || (name.length == 1 && name.data[0] == categories[i][0]))
      mask |= 1u << i;
  if (mask) return add_categories(arena, mask, set);
  for (size_t i = 0; i < COUNT(scripts); i++)
    if (tl_str_is(name, scripts[i].name))
      return add_runs(arena, scripts[i].runs, scripts[i].count, set);
  return TL_UNSUPPORTED;
}

// Rows of all code points with a class or a canonical decomposition; returns how many.
static uint32_t add_canonical(tl_tokenizer_form *rows) {
  uint32_t code = 0, text = 0;
  for (size_t i = 0; i < COUNT(NFC_CODES); i++) {
    code += NFC_CODES[i];
    rows[i] = (tl_tokenizer_form){.code = code,
                                  .text = (uint16_t)text,
                                  .count = NFC_ROWS[i] % 8,
                                  .ccc = (uint8_t)(NFC_ROWS[i] / 8)};
    text += rows[i].count;
  }
  return COUNT(NFC_CODES);
}

// Rows of all that have a compatible decomposition, whose texts follow the canonical ones; where
// `have` has a row, it gets a copy that is complete. Returns how many rows there are then.
static uint32_t add_compatible(const tl_tokenizer_form *have, tl_tokenizer_form *rows) {
  uint32_t code = 0, count = 0, h = 0, text = COUNT(NFC_TEXT);
  for (size_t i = 0; i < COUNT(NFKD_CODES); i++) {
    code += NFKD_CODES[i];
    while (h < COUNT(NFC_CODES) && have[h].code < code)
      rows[count++] = have[h++];
    bool known = h < COUNT(NFC_CODES) && have[h].code == code;
    rows[count] = known ? have[h++] : (tl_tokenizer_form){.code = code};
    rows[count].compatible = (uint16_t)text;
    rows[count++].compatible_count = NFKD_COUNTS[i];
    text += NFKD_COUNTS[i];
  }
  while (h < COUNT(NFC_CODES))
    rows[count++] = have[h++];
  return count;
}

tl_status tl_unicode_forms(tl_arena *arena, bool compatible, tl_tokenizer_table *table) {
  size_t rows_max = COUNT(NFC_CODES) + COUNT(NFKD_CODES), text_count = COUNT(NFC_TEXT);
  tl_tokenizer_form *canonical = tl_arena_array(arena, COUNT(NFC_CODES), sizeof *canonical);
  tl_tokenizer_form *all = tl_arena_array(arena, rows_max, sizeof *all);
  tl_tokenizer_pair *pairs = tl_arena_array(arena, COUNT(NFC_PAIRS) / 3, sizeof *pairs);
  uint32_t *text = tl_arena_array(arena, text_count + COUNT(NFKD_TEXT), sizeof *text);
  if (!canonical || !all || !pairs || !text) return TL_MEMORY;
  for (size_t i = 0; i < COUNT(NFC_PAIRS) / 3; i++)
    pairs[i] = (tl_tokenizer_pair){NFC_PAIRS[3 * i], NFC_PAIRS[3 * i + 1], NFC_PAIRS[3 * i + 2]};
  memcpy(text, NFC_TEXT, sizeof NFC_TEXT);
  memcpy(text + text_count, NFKD_TEXT, sizeof NFKD_TEXT);
  uint32_t count = add_canonical(canonical);
  if (compatible) count = add_compatible(canonical, all);
  table->forms = compatible ? all : canonical;
  table->forms_count = count;
  table->form_text = text;
  table->form_text_count = (uint32_t)(text_count + (compatible ? COUNT(NFKD_TEXT) : 0));
  table->form_pairs = pairs;
  table->form_pairs_count = COUNT(NFC_PAIRS) / 3;
  return TL_OK;
}
