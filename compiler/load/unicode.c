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

tl_status tl_unicode_add(tl_arena *arena, tl_unicode_set which, tl_charset *set) {
  switch (which) {
  case TL_UNICODE_SPACE: return add_runs(arena, SET_SPACE, COUNT(SET_SPACE), set);
  case TL_UNICODE_WORD: return add_runs(arena, SET_WORD, COUNT(SET_WORD), set);
  case TL_UNICODE_NUMERIC: return add_runs(arena, SET_NUMERIC, COUNT(SET_NUMERIC), set);
  case TL_UNICODE_ADDED_WORD: return add_runs(arena, SET_ADDED_WORD, COUNT(SET_ADDED_WORD), set);
  case TL_UNICODE_ADDED_SPACE: return add_runs(arena, SET_ADDED_SPACE, COUNT(SET_ADDED_SPACE), set);
  case TL_UNICODE_NFC: return add_composing(arena, set);
  }
  return TL_INTERNAL;
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

tl_status tl_unicode_nfc(tl_arena *arena, tl_tokenizer_table *table) {
  tl_tokenizer_nfc *rows = tl_arena_array(arena, COUNT(NFC_CODES), sizeof *rows);
  tl_tokenizer_pair *pairs = tl_arena_array(arena, COUNT(NFC_PAIRS) / 3, sizeof *pairs);
  if (!rows || !pairs) return TL_MEMORY;
  uint32_t code = 0, text = 0;
  for (size_t i = 0; i < COUNT(NFC_CODES); i++) {
    code += NFC_CODES[i];
    rows[i] = (tl_tokenizer_nfc){code, (uint16_t)text, NFC_ROWS[i] % 8, (uint8_t)(NFC_ROWS[i] / 8)};
    text += rows[i].count;
  }
  for (size_t i = 0; i < COUNT(NFC_PAIRS) / 3; i++)
    pairs[i] = (tl_tokenizer_pair){NFC_PAIRS[3 * i], NFC_PAIRS[3 * i + 1], NFC_PAIRS[3 * i + 2]};
  table->nfc_codes = rows;
  table->nfc_codes_count = COUNT(NFC_CODES);
  table->nfc_text = NFC_TEXT;
  table->nfc_text_count = COUNT(NFC_TEXT);
  table->nfc_pairs = pairs;
  table->nfc_pairs_count = COUNT(NFC_PAIRS) / 3;
  return TL_OK;
}
