// Stop strings: written-out cases, and random texts in random pieces against a search of the whole.
#include "runtime/engine/stop.h"

#include "tests/lib/check.h"

static tl_stop stop;
static char out[4096];
static uint64_t state = 7;

static uint32_t draw(uint32_t below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33) % below;
}

static void expect(const char *text, int32_t found, const char *given) {
  size_t bytes;
  CHECK(tl_stop_feed(&stop, tl_str_from(text), out, &bytes) == found);
  CHECK(tl_str_is((tl_str){out, bytes}, given));
}

static void test_cases(void) {
  size_t bytes;
  tl_str stops[] = {TL_STR("\nUser:"), TL_STR("END")};
  CHECK(tl_stop_init(&stop, stops, 2, NULL) == TL_OK);
  expect("The E", -1, "The ");
  expect("dge\n", -1, "Edge");
  expect("", -1, "");
  expect("User: x", 0, "");
  expect("more", 0, "");
  tl_stop_flush(&stop, out, &bytes);
  CHECK(bytes == 0);

  CHECK(tl_stop_init(&stop, stops, 2, NULL) == TL_OK);
  expect("EEN", -1, "E");
  tl_stop_flush(&stop, out, &bytes);
  CHECK(tl_str_is((tl_str){out, bytes}, "EN"));

  tl_str together[] = {TL_STR("bc"), TL_STR("abc"), TL_STR("abcd")};
  CHECK(tl_stop_init(&stop, together, 3, NULL) == TL_OK);
  expect("xabcd", 1, "x");

  CHECK(tl_stop_init(&stop, NULL, 0, NULL) == TL_OK);
  expect("anything", -1, "anything");
}

static void test_limits(void) {
  static tl_diag diag;
  static char long_text[TL_STOP_BYTES_MAX + 1];
  memset(long_text, 'a', sizeof long_text);
  tl_str stops[TL_STOPS_MAX + 1];
  for (int i = 0; i <= TL_STOPS_MAX; i++)
    stops[i] = TL_STR("x");
  CHECK(tl_stop_init(&stop, stops, TL_STOPS_MAX + 1, &diag) == TL_USAGE);
  CHECK(tl_stop_init(&stop, stops, -1, &diag) == TL_USAGE);
  stops[1] = (tl_str){long_text, sizeof long_text};
  CHECK(tl_stop_init(&stop, stops, 2, &diag) == TL_USAGE);
  stops[1] = TL_STR("");
  CHECK(tl_stop_init(&stop, stops, 2, &diag) == TL_USAGE && diag.count == 4);
  // The longest stop, missed by one byte again and again.
  stops[0] = (tl_str){long_text, TL_STOP_BYTES_MAX};
  CHECK(tl_stop_init(&stop, stops, 1, NULL) == TL_OK);
  size_t bytes;
  tl_str almost = {long_text, TL_STOP_BYTES_MAX - 1};
  for (int i = 0; i < 3; i++) {
    CHECK(tl_stop_feed(&stop, almost, out, &bytes) == -1 && bytes == 0);
    CHECK(tl_stop_feed(&stop, TL_STR("b"), out, &bytes) == -1 && bytes == TL_STOP_BYTES_MAX);
  }
  CHECK(tl_stop_feed(&stop, almost, out, &bytes) == -1 && bytes == 0);
  CHECK(tl_stop_feed(&stop, TL_STR("a"), out, &bytes) == 0 && bytes == 0);
}

// The first end of any stop in the whole text, and the longest stop that ends there.
static int32_t search(tl_str text, const tl_str *stops, int32_t count, size_t *out_given) {
  for (size_t end = 1; end <= text.length; end++) {
    int32_t best = -1;
    for (int32_t i = 0; i < count; i++)
      if (tl_str_ends_with((tl_str){text.data, end}, stops[i]) &&
          (best < 0 || stops[i].length > stops[best].length))
        best = i;
    *out_given = best < 0 ? text.length : end - stops[best].length;
    if (best >= 0) return best;
  }
  *out_given = text.length;
  return -1;
}

static void test_random(void) {
  for (int round = 0; round < 20000; round++) {
    char text[120], stop_text[4][8], given[400];
    tl_str stops[4], whole = {text, draw(sizeof text)};
    int32_t count = 1 + (int32_t)draw(4);
    for (size_t i = 0; i < whole.length; i++)
      text[i] = (char)('a' + draw(2 + round % 2));
    for (int32_t i = 0; i < count; i++) {
      stops[i] = (tl_str){stop_text[i], 1 + draw(8)};
      for (size_t j = 0; j < stops[i].length; j++)
        stop_text[i][j] = (char)('a' + draw(2 + round % 2));
    }
    CHECK(tl_stop_init(&stop, stops, count, NULL) == TL_OK);
    size_t at = 0, used = 0, bytes = 0, want_bytes;
    int32_t found = -1, want = search(whole, stops, count, &want_bytes);
    while (at < whole.length) {
      size_t piece = 1 + draw(9);
      tl_str part = tl_str_slice(whole, at, at + piece);
      found = tl_stop_feed(&stop, part, given + used, &bytes);
      used += bytes;
      at += part.length;
    }
    tl_stop_flush(&stop, given + used, &bytes);
    used += bytes;
    CHECK(found == want && used == want_bytes && memcmp(given, text, used) == 0);
  }
}

int main(void) {
  test_cases();
  test_limits();
  test_random();
  return 0;
}
