// The JSON reader, its tree, its writer, and decimal numbers.
#include "runtime/base/decimal.h"
#include "runtime/base/json_tree.h"
#include "tests/lib/check.h"

#include <locale.h>
#include <math.h>

#ifdef TL_HAS_JANSSON
#include <jansson.h>
#endif

static tl_diag diag;

// Parses `text`, whose bytes are copied so that the sanitizer sees reads past its end.
static tl_status parse(tl_arena *arena, const char *text, size_t length, const tl_json **out_root) {
  static tl_source sources[64]; // spans of `diag` point to them
  static int next;
  tl_source *source = &sources[next++ % 64];
  char *copy = tl_arena_alloc(arena, length + 1);
  memcpy(copy, text, length);
  *source = (tl_source){"test.json", {copy, length}};
  diag.count = 0;
  diag.dropped = 0;
  tl_status status = tl_json_parse(arena, source, NULL, out_root, &diag);
  CHECK(tl_ok(status) == (diag.count == 0));
  return status;
}

static const tl_json *parsed(tl_arena *arena, const char *text) {
  const tl_json *root;
  tl_status status = parse(arena, text, strlen(text), &root);
  if (!tl_ok(status)) tl_diag_print(&diag, stderr);
  CHECK(tl_ok(status));
  return root;
}

static void test_values(void) {
  tl_arena arena;
  tl_arena_init(&arena, 1 << 24);
  const tl_json *root =
      parsed(&arena,
             " {\"a\": [1, -2.5e3, true, false, null], \"b\\u0041\\n\": \"\\uD83D\\ude00\\u0000x\","
             "\"empty\": {}, \"list\": [], \"big\": 9223372036854775808, \"low\": "
             "-9223372036854775808, \"zero\": -0}\n");
  CHECK(tl_json_kind_of(root) == TL_JSON_OBJECT && tl_json_count(root) == 7);
  const tl_json *a = tl_json_get(root, TL_STR("a"));
  CHECK(tl_json_count(a) == 5 && a->offset == 7 && a->length == 30);
  int64_t integer = 0;
  double real = 0;
  bool boolean = false;
  tl_str string;
  CHECK(tl_json_to_int(tl_json_item(a, 0), &integer) && integer == 1);
  CHECK(tl_json_to_real(tl_json_item(a, 0), &real) && real == 1);
  CHECK(!tl_json_to_int(tl_json_item(a, 1), &integer));
  CHECK(tl_json_to_real(tl_json_item(a, 1), &real) && real == -2500);
  CHECK(tl_json_to_bool(tl_json_item(a, 2), &boolean) && boolean);
  CHECK(tl_json_to_bool(tl_json_item(a, 3), &boolean) && !boolean);
  CHECK(tl_json_item(a, 4) && tl_json_kind_of(tl_json_item(a, 4)) == TL_JSON_NULL);
  CHECK(!tl_json_item(a, 5) && !tl_json_item(root, 0) && !tl_json_get(a, TL_STR("a")));
  CHECK(tl_json_to_string(tl_json_get(root, TL_STR("bA\n")), &string));
  CHECK(tl_str_equal(string, TL_STR("\xF0\x9F\x98\x80\0x")));
  CHECK(tl_json_count(tl_json_get(root, TL_STR("empty"))) == 0);
  CHECK(tl_json_kind_of(tl_json_get(root, TL_STR("big"))) == TL_JSON_REAL);
  CHECK(tl_json_to_real(tl_json_get(root, TL_STR("big")), &real) && real == 0x1p63);
  CHECK(tl_json_to_int(tl_json_get(root, TL_STR("low")), &integer) && integer == INT64_MIN);
  CHECK(tl_json_to_real(tl_json_get(root, TL_STR("zero")), &real) && signbit(real));
  CHECK(!tl_json_get(root, TL_STR("none")) && !tl_json_get(NULL, TL_STR("a")));
  CHECK(tl_json_to_int(parsed(&arena, "7"), &integer) && integer == 7);
  tl_arena_finish(&arena);
}

// X(text, offset of the fault, part of its message)
static const struct {
  const char *text;
  size_t offset;
  const char *message;
} faults[] = {
    {"", 0, "the end of the text"},
    {"  ", 2, "the end of the text"},
    {"{", 1, "key in double quotes or '}'"},
    {"{\"a\"", 4, "':' after the key"},
    {"{\"a\":", 5, "expected a value"},
    {"{\"a\":1", 6, "',' or '}'"},
    {"{\"a\":1,}", 7, "expected a key in double quotes but found '}'"},
    {"{a:1}", 1, "but found 'a'"},
    {"{'a':1}", 1, "but found '''"},
    {"[1,]", 3, "expected a value but found ']'"},
    {"[1 2]", 3, "expected ',' or ']' but found '2'"},
    {"[1}", 2, "but found '}'"},
    {"[,1]", 1, "a value or ']'"},
    {"]", 0, "but found ']'"},
    {"1 2", 2, "nothing after the first value"},
    {"// x\n1", 0, "but found '/'"},
    {"[NaN]", 1, "NaN is not JSON"},
    {"[Infinity]", 1, "Infinity is not JSON"},
    {"[-Infinity]", 1, "-Infinity is not JSON"},
    {"[True]", 1, "but found 'True'"},
    {"[nulls]", 1, "but found 'nulls'"},
    {"[nul]", 1, "but found 'nul'"},
    {"01", 0, "begin with a zero"},
    {"-", 0, "but found '-'"},
    {"-a", 1, "expected a digit"},
    {"1.", 2, "expected a digit"},
    {".5", 0, "expected a value"},
    {"1e", 2, "expected a digit"},
    {"1e+", 3, "expected a digit"},
    {"+1", 0, "expected a value"},
    {"0x10", 1, "nothing after"},
    {"1e999", 0, "beyond the range"},
    {"\"a", 0, "no closing quote"},
    {"\"a\\", 2, "no closing quote"},
    {"\"\\x\"", 1, "no such escape"},
    {"\"\\u12g4\"", 1, "four hex digits"},
    {"\"\\ud800\"", 1, "surrogate"},
    {"\"\\ud800\\u0041\"", 1, "surrogate"},
    {"\"\\udc00\"", 1, "surrogate"},
    {"\"\n\"", 1, "control character"},
    {"\"\xff\"", 1, "not valid UTF-8"},
    {"\"12345678\xc3\"", 9, "not valid UTF-8"},
    {"\"\xed\xa0\x80\"", 1, "not valid UTF-8"},
    {"\"\xc0\x80\"", 1, "not valid UTF-8"},
    {"\xEF\xBB\xBF{}", 0, "byte order mark"},
    {"{\"a\":1,\"\\u0061\":2}", 7, "already in this object"},
    {"\x80", 0, "found byte 0x80"},
};

static void test_faults(void) {
  tl_arena arena;
  tl_arena_init(&arena, 1 << 24);
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    const tl_json *root = NULL;
    CHECK(parse(&arena, faults[i].text, strlen(faults[i].text), &root) == TL_INPUT && !root);
    const tl_span *span = &diag.entries[0].span;
    bool as_expected = diag.count == 1 && span->offset == faults[i].offset &&
                       span->offset + span->length <= strlen(faults[i].text) &&
                       strstr(diag.entries[0].text, faults[i].message);
    if (!as_expected) fprintf(stderr, "fault %zu: %s\n", i, faults[i].text);
    if (!as_expected) tl_diag_print(&diag, stderr);
    CHECK(as_expected);
  }
  tl_arena_finish(&arena);
}

static void test_limits(void) {
  tl_arena arena;
  tl_arena_init(&arena, 1 << 26);
  const tl_json *root;
  char deep[2 * TL_JSON_DEPTH_MAX + 2];
  memset(deep, '[', sizeof deep);
  memset(deep + TL_JSON_DEPTH_MAX, ']', TL_JSON_DEPTH_MAX);
  CHECK(tl_ok(parse(&arena, deep, 2 * TL_JSON_DEPTH_MAX, &root)));
  memset(deep, '[', sizeof deep);
  CHECK(parse(&arena, deep, sizeof deep, &root) == TL_INPUT);
  char number[TL_JSON_NUMBER_MAX + 8];
  memset(number, '1', sizeof number);
  number[1] = '.';
  CHECK(tl_ok(parse(&arena, number, TL_JSON_NUMBER_MAX, &root)));
  CHECK(tl_json_kind_of(root) == TL_JSON_REAL && root->real == 0x1.1c71c71c71c72p+0);
  CHECK(parse(&arena, number, TL_JSON_NUMBER_MAX + 1, &root) == TL_INPUT);
  tl_arena_finish(&arena);
}

// Objects around the size at which the index begins, and one of 300,000 keys.
static void test_lookup(void) {
  static const int counts[] = {1, 8, 9, 16, 17, 1000, 300000};
  for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
    tl_arena arena;
    tl_arena_init(&arena, 1 << 28);
    char *text = tl_arena_alloc(&arena, (size_t)counts[c] * 24 + 2);
    size_t length = 0;
    for (int i = 0; i < counts[c]; i++)
      length += (size_t)sprintf(text + length, "%c\"k%d\":%d", i ? ',' : '{', i, i);
    text[length++] = '}';
    const tl_json *root;
    CHECK(tl_ok(parse(&arena, text, length, &root)));
    for (int i = 0; i < counts[c]; i++) {
      char key[16];
      sprintf(key, "k%d", i);
      int64_t value;
      CHECK(tl_json_to_int(tl_json_get(root, tl_str_from(key)), &value) && value == i);
      CHECK(tl_str_is(root->members[i].key.string, key));
    }
    CHECK(!tl_json_get(root, TL_STR("k-1")) && !tl_json_get(root, TL_STR("")));
    tl_arena_finish(&arena);
  }
}

static void test_duplicates(void) {
  tl_arena arena;
  tl_arena_init(&arena, 1 << 24);
  const tl_json *root;
  for (int count = 2; count < 40; count += 7) {
    char text[512] = "{";
    for (int i = 0; i < count; i++)
      sprintf(text + strlen(text), "\"%d\":%d,", i % (count - 1), i);
    text[strlen(text) - 1] = '}';
    CHECK(parse(&arena, text, strlen(text), &root) == TL_INPUT && diag.count == 1);
    tl_source source = {"test.json", tl_str_from(text)};
    tl_json_options options = {.allows_duplicates = true};
    CHECK(tl_ok(tl_json_parse(&arena, &source, &options, &root, NULL)));
    int64_t value;
    CHECK(tl_json_to_int(tl_json_get(root, TL_STR("0")), &value) && value == count - 1);
    CHECK(tl_json_count(root) == (size_t)count);
  }
  tl_arena_finish(&arena);
}

// Of many faults only those that are shown may take time of their own: this would take hours.
static void test_many_duplicates(void) {
  enum { COUNT = 1 << 19 };
  tl_arena arena;
  tl_arena_init(&arena, (size_t)1 << 28);
  char *text = tl_arena_alloc(&arena, COUNT * 5 + 2);
  CHECK(text);
  for (size_t i = 0; i < COUNT; i++)
    memcpy(text + 5 * i, ",\"\":0", 5);
  text[0] = '{';
  text[(size_t)COUNT * 5] = '}';
  const tl_json *root;
  CHECK(parse(&arena, text, (size_t)COUNT * 5 + 1, &root) == TL_INPUT && diag.count == TL_DIAG_MAX);
  CHECK(diag.dropped == COUNT - 1 - TL_DIAG_MAX);
  tl_arena_finish(&arena);
}

// Every allocation fails in turn; the last round, with none failing, succeeds.
static void test_memory(void) {
  const char *text = "{\"a\\n\":[1,2,{\"b\":[]}],\"c\":{\"0\":0,\"1\":0,\"2\":0,\"3\":0,\"4\":0,"
                     "\"5\":0,\"6\":0,\"7\":0,\"8\":0}}";
  tl_source source = {"test.json", tl_str_from(text)};
  tl_status status = TL_MEMORY;
  for (size_t allowed = 0; status != TL_OK; allowed++) {
    CHECK(allowed < 100);
    tl_arena arena;
    tl_arena_init(&arena, 1 << 20);
    arena.fail_after = allowed;
    const tl_json *root;
    status = tl_json_parse(&arena, &source, NULL, &root, NULL);
    CHECK(status == TL_OK || (status == TL_MEMORY && !root));
    tl_arena_finish(&arena);
  }
}

static void test_decimals(void) {
  static const double values[] = {0,    -0.0,  1,    0.1,  1e-06,  1e-5,  123456.789,
                                  1e15, 1e16,  1e22, 1e23, 5e-324, 0.3,   2.5e-10,
                                  100,  1e300, 0.5,  1e-4, 12345,  7e-10, 0x1.fffffffffffffp+1023};
  double back;
  char text[TL_DECIMAL_TEXT_BYTES];
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    size_t length = tl_decimal_from_f64(values[i], text);
    CHECK(tl_decimal_to_f64((tl_str){text, length}, &back));
    CHECK(memcmp(&back, &values[i], 8) == 0);
  }
  CHECK(tl_decimal_from_f64(1e-06, text) && tl_str_is(tl_str_from(text), "1e-06"));
  CHECK(tl_decimal_from_f64(-0.0001, text) && tl_str_is(tl_str_from(text), "-0.0001"));
  CHECK(tl_decimal_from_f64(1e6, text) && tl_str_is(tl_str_from(text), "1000000.0"));
  CHECK(tl_decimal_from_f64(1.25e17, text) && tl_str_is(tl_str_from(text), "1.25e+17"));
  CHECK(tl_decimal_from_f64(12.5, text) && tl_str_is(tl_str_from(text), "12.5"));
  uint64_t state = 1;
  for (int i = 0; i < 200000; i++) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    uint64_t bits = state ^ state >> 29;
    double value;
    memcpy(&value, &bits, 8);
    if (!isfinite(value)) continue;
    size_t length = tl_decimal_from_f64(value, text);
    CHECK(tl_decimal_to_f64((tl_str){text, length}, &back) && memcmp(&back, &value, 8) == 0);
    CHECK(strtod(text, NULL) == value);
  }
  CHECK(tl_decimal_to_f64(TL_STR("1e-999999999999"), &back) && back == 0);
  CHECK(!tl_decimal_to_f64(TL_STR("1e999999999999"), &back));
  CHECK(tl_decimal_to_f64(TL_STR("0e999999999999"), &back) && back == 0);
  CHECK(!tl_decimal_to_f64(TL_STR(""), &back) && !tl_decimal_to_f64(TL_STR("1,5"), &back));
}

#ifdef TL_HAS_JANSSON
// Whether jansson's tree says the same.
static bool same_tree(const tl_json *ours, const json_t *theirs) {
  bool same = true;
  switch (ours->kind) {
  case TL_JSON_NULL: return json_is_null(theirs);
  case TL_JSON_BOOL: return json_is_boolean(theirs) && json_is_true(theirs) == ours->boolean;
  case TL_JSON_INT: return json_is_integer(theirs) && json_integer_value(theirs) == ours->integer;
  case TL_JSON_REAL: return json_is_number(theirs) && json_number_value(theirs) == ours->real;
  case TL_JSON_STRING:
    return json_is_string(theirs) &&
           tl_str_equal(ours->string,
                        (tl_str){json_string_value(theirs), json_string_length(theirs)});
  case TL_JSON_ARRAY:
    same = json_is_array(theirs) && json_array_size(theirs) == ours->count;
    for (size_t i = 0; same && i < ours->count; i++)
      same = same_tree(&ours->items[i], json_array_get(theirs, i));
    return same;
  default:
    same = json_is_object(theirs) && json_object_size(theirs) == ours->count;
    for (size_t i = 0; same && i < ours->count; i++) {
      tl_str key = ours->members[i].key.string;
      const json_t *value = json_object_getn(theirs, key.data, key.length);
      same = value && same_tree(&ours->members[i].value, value);
    }
    return same;
  }
}

// What jansson refuses though RFC 8259 allows it: NUL in keys, integers beyond 64 bits.
static bool jansson_is_narrower(const json_error_t *error) {
  return strstr(error->text, "NUL") || strstr(error->text, "too big integer") ||
         strstr(error->text, "invalid token near '-'");
}

// Damaged texts: both accept and agree, or both refuse.
static void test_against_jansson(void) {
  static const char seed[] =
      "{\"a\":[1,-2.5e3,true,false,null,\"\\u00e9\\ud83d\\ude00\xC3\xA9\",{}],\"b\":{\"c\":[[]],"
      "\"d\":0.1,\"e\":-0,\"f\":1E+2}}";
  static const char bytes[] = "{}[],:\"\\0123456789.eE+-u aftrn\x80\xC3\n";
  uint64_t state = 7;
  int accepted = 0;
  for (int round = 0; round < 100000; round++) {
    char text[sizeof seed];
    memcpy(text, seed, sizeof seed);
    for (int edits = round % 3; edits >= 0; edits--) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      text[(state >> 33) % (sizeof seed - 1)] = bytes[(state >> 20) % (sizeof bytes - 1)];
    }
    tl_arena arena;
    tl_arena_init(&arena, 1 << 20);
    const tl_json *root;
    tl_status status = parse(&arena, text, sizeof seed - 1, &root);
    json_error_t error;
    json_t *theirs = json_loadb(text, sizeof seed - 1,
                                JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    bool agree = theirs ? tl_ok(status) && same_tree(root, theirs)
                        : !tl_ok(status) || jansson_is_narrower(&error);
    if (!agree) fprintf(stderr, "%s\njansson: %s\n", text, theirs ? "accepts" : error.text);
    CHECK(agree);
    accepted += theirs != NULL;
    json_decref(theirs);
    tl_arena_finish(&arena);
  }
  CHECK(accepted > 1000);
}
#endif

int main(void) {
  setlocale(LC_ALL, "de_DE.UTF-8"); // a decimal comma, where it is installed
  test_values();
  test_faults();
  test_limits();
  test_lookup();
  test_duplicates();
  test_many_duplicates();
  test_memory();
  test_decimals();
#ifdef TL_HAS_JANSSON
  test_against_jansson();
#else
  printf("skipped: comparison with jansson (apt-get install libjansson-dev)\n");
#endif
  return 0;
}
