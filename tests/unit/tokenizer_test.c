// The tokenizer against stored results of the reference (tests/oracle/make_tokenizers.py), streams
// against whole decoding, errors with their words, hostile texts, and damaged tables.
#include <time.h>

#include "runtime/text/decoder.h"
#include "tests/lib/tokenizer_fixture.h"

#define FIXTURES TL_SOURCE_DIR "/tests/fixtures/tokenizers/"

enum { IDS_MAX = 4096, TEXT_MAX = 4096 };

static tl_tokenizer open_section(tl_str section) {
  static tl_diag diag;
  tl_tokenizer tokenizer;
  CHECK(tl_ok(tl_tokenizer_open(section, &diag, &tokenizer)));
  return tokenizer;
}

static tl_tokenizer open_fixture(const char *path, tl_arena *arena) {
  tl_str json = tl_fixture_read(path);
  tl_tokenizer tokenizer = open_section(tl_fixture_compile(json, arena));
  free((char *)json.data);
  return tokenizer;
}

static int hex(char c) {
  return c <= '9' ? c - '0' : c - 'a' + 10;
}

// "HEX ids.." to bytes and ids.
static tl_str read_case(char *line, char *text, int32_t *ids, size_t *out_count) {
  size_t length = 0;
  char *word = strtok(line, " ");
  CHECK(word);
  for (size_t i = 0; word[0] != '-' && word[i]; i += 2)
    text[length++] = (char)(hex(word[i]) * 16 + hex(word[i + 1]));
  *out_count = 0;
  while ((word = strtok(NULL, " ")))
    ids[(*out_count)++] = (int32_t)strtol(word, NULL, 10);
  return (tl_str){text, length};
}

static void check_stream(const tl_tokenizer *tokenizer, const int32_t *ids, size_t count,
                         tl_str whole, tl_arena *arena) {
  tl_decoder decoder;
  tl_decoder_init(&decoder, tokenizer, true, arena);
  for (int round = 0; round < 2; round++) { // finishing makes it ready for another text
    size_t at = 0;
    for (size_t i = 0; i <= count; i++) {
      tl_str part;
      CHECK(tl_ok(i < count ? tl_decoder_push(&decoder, ids[i], &part)
                            : tl_decoder_finish(&decoder, &part)));
      CHECK(part.length <= whole.length - at);
      CHECK(part.length == 0 || memcmp(part.data, whole.data + at, part.length) == 0);
      at += part.length;
    }
    CHECK(at == whole.length);
  }
}

// "HEX HEX ids.. types..": the line begins with the first text.
static void run_pair(const tl_tokenizer *tokenizer, char *line, tl_arena *arena) {
  static char first[TEXT_MAX], second[TEXT_MAX];
  static int32_t expected[IDS_MAX];
  size_t count;
  char *rest = strchr(line, ' ');
  CHECK(rest);
  *rest++ = '\0';
  tl_str text = read_case(line, first, expected, &count);
  tl_str pair = read_case(rest, second, expected, &count);
  tl_ids ids;
  tl_types types;
  tl_encode_options options = {.add_special = true, .pair = &pair, .out_types = &types};
  tl_arena_reset(arena);
  CHECK(tl_ok(tl_tokenizer_encode(tokenizer, text, &options, arena, NULL, &ids)));
  CHECK(2 * ids.count == count && types.count == ids.count);
  for (size_t i = 0; i < ids.count; i++)
    CHECK(ids.items[i] == expected[i] && types.items[i] == expected[ids.count + i]);
}

static void run_case(const tl_tokenizer *tokenizer, char *line, tl_arena *arena) {
  static char bytes[TEXT_MAX];
  static int32_t expected[IDS_MAX];
  size_t count;
  if (strncmp(line, "pair ", 5) == 0) {
    run_pair(tokenizer, line + 5, arena);
    return;
  }
  bool encodes = strncmp(line, "encode ", 7) == 0, plain = strncmp(line, "plain ", 6) == 0;
  tl_str text = read_case(strchr(line, ' ') + 1, bytes, expected, &count), decoded;
  tl_arena_reset(arena);
  if (encodes || plain) {
    tl_ids ids;
    tl_encode_options options = {.add_special = encodes, .plain_special = plain};
    CHECK(tl_ok(tl_tokenizer_encode(tokenizer, text, &options, arena, NULL, &ids)));
    CHECK(ids.count == count);
    CHECK(count == 0 || memcmp(ids.items, expected, count * sizeof *expected) == 0);
    return;
  }
  CHECK(tl_ok(tl_tokenizer_decode(tokenizer, expected, count, true, arena, &decoded)));
  CHECK(tl_str_equal(decoded, text));
  check_stream(tokenizer, expected, count, text, arena);
}

static void test_fixture(const char *json_path, const char *cases_path) {
  tl_arena arena, request;
  tl_arena_init(&arena, (size_t)1 << 30);
  tl_arena_init(&request, (size_t)1 << 30);
  tl_tokenizer tokenizer = open_fixture(json_path, &arena);
  tl_str cases = tl_fixture_read(cases_path);
  int count = 0;
  for (char *line = (char *)cases.data, *next; *line; line = next, count++) {
    next = strchr(line, '\n');
    CHECK(next);
    *next++ = '\0';
    run_case(&tokenizer, line, &request);
  }
  CHECK(count > 250);
  free((char *)cases.data);
  tl_arena_finish(&request);
  tl_arena_finish(&arena);
}

static double seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// A megabyte without a place to cut must not take quadratic time.
static void test_long_words(const char *path) {
  static const char *const units[] = {"a", "\n", "the", "\xCC\x81", "\xFF", "\xE4\xBD\xA0"};
  tl_arena arena, request;
  tl_arena_init(&arena, (size_t)1 << 30);
  tl_arena_init(&request, (size_t)1 << 30);
  tl_tokenizer tokenizer = open_fixture(path, &arena);
  enum { BYTES = 1 << 20 };
  char *text = malloc(BYTES);
  CHECK(text);
  for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
    for (size_t i = 0; i < BYTES; i++)
      text[i] = units[u][i % strlen(units[u])];
    tl_ids ids;
    double begin = seconds();
    tl_arena_reset(&request);
    CHECK(tl_ok(tl_tokenizer_encode(&tokenizer, (tl_str){text, BYTES}, &(tl_encode_options){0},
                                    &request, NULL, &ids)));
    CHECK((ids.count > 0 || u > 0) && seconds() - begin < 20); // marks and spaces may vanish
  }
  free(text);
  tl_arena_finish(&request);
  tl_arena_finish(&arena);
}

static void test_options(void) {
  tl_arena arena;
  tl_arena_init(&arena, (size_t)1 << 30);
  tl_tokenizer tokenizer = open_fixture(FIXTURES "bytes/tokenizer.json", &arena);
  int32_t end = tl_tokenizer_find(&tokenizer, TL_STR("<|end|>"));
  CHECK(end >= 0 && tl_tokenizer_find(&tokenizer, TL_STR("<|no such token|>")) == -1);
  tl_ids ids;
  tl_encode_options plain = {.plain_special = true};
  CHECK(tl_ok(tl_tokenizer_encode(&tokenizer, TL_STR("<|end|>"), &(tl_encode_options){0}, &arena,
                                  NULL, &ids)));
  CHECK(ids.count == 1 && ids.items[0] == end);
  CHECK(tl_ok(tl_tokenizer_encode(&tokenizer, TL_STR("<|end|>"), &plain, &arena, NULL, &ids)));
  CHECK(ids.count > 1);
  tl_str text;
  CHECK(tl_ok(tl_tokenizer_decode(&tokenizer, &end, 1, true, &arena, &text)) && text.length == 0);
  CHECK(tl_ok(tl_tokenizer_decode(&tokenizer, &end, 1, false, &arena, &text)));
  CHECK(tl_str_is(text, "<|end|>"));
  tl_arena small;
  tl_arena_init(&small, 64);
  static tl_diag diag;
  CHECK(tl_tokenizer_encode(&tokenizer, TL_STR("hello"), &plain, &small, &diag, &ids) == TL_MEMORY);
  CHECK(diag.count == 1);
  tl_arena_finish(&small);
  tl_arena_finish(&arena);
}

static void expect_error(const char *json, tl_status expected, const char *words) {
  static tl_diag diag;
  tl_arena arena;
  tl_arena_init(&arena, (size_t)256 << 20);
  diag = (tl_diag){0};
  tl_source source = {"tokenizer.json", tl_str_from(json)};
  tl_str section;
  tl_status status = tl_tokenizer_compile(&source, NULL, &arena, &diag, &section);
  if (status != expected || diag.count != 1 || !strstr(diag.entries[0].text, words)) {
    fprintf(stderr, "%s\nstatus %d, wanted '%s'\n", json, (int)status, words);
    tl_diag_print(&diag, stderr);
    exit(1);
  }
  tl_arena_finish(&arena);
}

#define MODEL                                                                                      \
  "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}, \"merges\": "
#define SPLIT(regex)                                                                               \
  "{\"pre_tokenizer\": {\"type\": \"Split\", \"behavior\": \"Isolated\", \"pattern\": "            \
  "{\"Regex\": "                                                                                   \
  "\"" regex "\"}}, " MODEL "[]}}"

#define MAP(text)                                                                                  \
  "{\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"" text "\"}, " MODEL   \
  "[]}}"

static void test_errors(void) {
  expect_error("{}", TL_INPUT, "model");
  expect_error("{\"model\": {\"type\": \"X\"}}", TL_UNSUPPORTED, "model 'X'");
  expect_error("{\"normalizer\": {\"type\": \"Squeeze\"}, " MODEL "[]}}", TL_UNSUPPORTED,
               "normalizer 'Squeeze'");
  expect_error(MAP("AA="), TL_INPUT, "expected base64");
  expect_error(MAP("AAAA"), TL_INPUT, "too short");
  expect_error(MAP("CAAAAAAAAAA="), TL_INPUT, "its trie lies outside");
  expect_error("{\"decoder\": {\"type\": \"CTC\"}, " MODEL "[]}}", TL_UNSUPPORTED, "decoder 'CTC'");
  expect_error("{\"post_processor\": {\"type\": \"X\"}, " MODEL "[]}}", TL_UNSUPPORTED,
               "post-processor 'X'");
  expect_error("{\"pre_tokenizer\": {\"type\": \"UnicodeScripts\"}, " MODEL "[]}}", TL_UNSUPPORTED,
               "pre-tokenizer 'UnicodeScripts'");
  expect_error("{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": 0}}}", TL_INPUT,
               "unknown token");
  expect_error("{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", 0]]}}", TL_INPUT, "unk_id");
  expect_error("{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"a\"]]}}",
               TL_INPUT, "a text and its score");
  expect_error("{" MODEL "[\"a c\"]}}", TL_INPUT, "not in the vocabulary");
  expect_error("{" MODEL "[\"ab\"]}}", TL_INPUT, "two parts");
  expect_error("{" MODEL "[], \"dropout\": 0.1}}", TL_UNSUPPORTED, "dropout");
  expect_error("{\"model\": {\"vocab\": {\"a\": 0, \"b\": 0}, \"merges\": []}}", TL_INPUT,
               "the id 0");
  expect_error("{\"model\": {\"vocab\": {\"a\": 99999999}, \"merges\": []}}", TL_UNSUPPORTED,
               "too high");
  expect_error(SPLIT("a*"), TL_UNSUPPORTED, "empty text");
  expect_error(SPLIT("(?<=a)b"), TL_UNSUPPORTED, "this kind of group");
  expect_error(SPLIT("a+?"), TL_UNSUPPORTED, "lazy, possessive");
  expect_error(SPLIT("\\\\bword"), TL_UNSUPPORTED, "escape");
  expect_error(SPLIT("\\\\p{Nonsense}"), TL_UNSUPPORTED, "unknown property");
  expect_error(SPLIT("[a-z&&[b]]"), TL_UNSUPPORTED, "intersections");
  expect_error(SPLIT("[b"), TL_UNSUPPORTED, "never closed");
  expect_error(SPLIT("(((a{1000}){1000}){1000})"), TL_UNSUPPORTED, "too large");
  expect_error(SPLIT("(?i:stra\xC3\x9F"
                     "e)"),
               TL_UNSUPPORTED, "(?i: )");
}

// tokenizer.model: what is wrong with it, in words.
static void expect_model_error(tl_str model, tl_status expected, const char *words) {
  static tl_diag diag;
  tl_arena arena;
  tl_arena_init(&arena, (size_t)256 << 20);
  diag = (tl_diag){0};
  tl_source source = {"tokenizer.model", model};
  tl_str section;
  tl_status status = tl_tokenizer_compile_pieces(&source, NULL, &arena, &diag, &section);
  if (status != expected || diag.count != 1 || !strstr(diag.entries[0].text, words)) {
    fprintf(stderr, "status %d, wanted '%s'\n", (int)status, words);
    tl_diag_print(&diag, stderr);
    exit(1);
  }
  tl_arena_finish(&arena);
}

// A map of no characters changes none.
static void test_empty_map(void) {
  tl_arena arena;
  tl_arena_init(&arena, (size_t)256 << 20);
  tl_tokenizer tokenizer =
      open_section(tl_fixture_compile(tl_str_from(MAP("BAAAAAAAAAA=")), &arena));
  tl_ids ids;
  CHECK(tl_ok(
      tl_tokenizer_encode(&tokenizer, TL_STR("ba"), &(tl_encode_options){0}, &arena, NULL, &ids)));
  CHECK(ids.count == 2 && ids.items[0] == 1 && ids.items[1] == 0);
  tl_arena_finish(&arena);
}

#define PIECE "\x0A\x03\x0A\x01x"

static void test_model_errors(void) {
  expect_model_error(TL_STR(""), TL_INPUT, "no pieces");
  expect_model_error(TL_STR("\x0A\x7F"), TL_INPUT, "after the file at byte 0");
  expect_model_error(TL_STR("\xFF\xFF"), TL_INPUT, "a number without end");
  expect_model_error(TL_STR("\x0F"), TL_INPUT, "an unknown kind of field");
  expect_model_error(TL_STR("\x0A\x03\x0A\x01\xFF"), TL_INPUT, "not UTF-8 at byte 2");
  expect_model_error(TL_STR(PIECE), TL_INPUT, "no piece is the unknown one");
  expect_model_error(TL_STR(PIECE PIECE), TL_INPUT, "two pieces are 'x'");
  expect_model_error(TL_STR(PIECE "\x12\x02\x18\x04"), TL_UNSUPPORTED, "model kind 4");
  expect_model_error(TL_STR(PIECE "\x1A\x03\x12\x01m"), TL_INPUT, "map of characters is damaged");
}

// Every single damaged byte of a table is refused or leaves a table that works without faults.
static void test_damage(const char *path) {
  tl_arena arena, request;
  tl_arena_init(&arena, (size_t)1 << 30);
  tl_arena_init(&request, (size_t)1 << 26);
  tl_str json = tl_fixture_read(path);
  tl_str section = tl_fixture_compile(json, &arena);
  char *copy = aligned_alloc(64, (section.length + 63) / 64 * 64);
  CHECK(copy);
  memcpy(copy, section.data, section.length);
  for (size_t i = 0; i < section.length; i += i < 1024 ? 1 : 61) {
    for (int bit = 0; bit < 8; bit += 3) {
      tl_tokenizer tokenizer;
      tl_ids ids;
      tl_str text;
      copy[i] ^= (char)(1 << bit);
      if (tl_ok(tl_tokenizer_open((tl_str){copy, section.length}, NULL, &tokenizer))) {
        tl_arena_reset(&request);
        tl_status status =
            tl_tokenizer_encode(&tokenizer, TL_STR("The fox's\n\n e\xCC\x81 12 \xFF"),
                                &(tl_encode_options){.add_special = true}, &request, NULL, &ids);
        if (tl_ok(status))
          status = tl_tokenizer_decode(&tokenizer, ids.items, ids.count, true, &request, &text);
        CHECK(tl_ok(status) || status == TL_MEMORY || status == TL_UNSUPPORTED);
      }
      copy[i] ^= (char)(1 << bit);
    }
  }
  tl_tokenizer tokenizer;
  for (size_t length = 0; length < section.length; length += 997)
    CHECK(tl_tokenizer_open((tl_str){copy, length}, NULL, &tokenizer) == TL_INPUT);
  free(copy);
  free((char *)json.data);
  tl_arena_finish(&request);
  tl_arena_finish(&arena);
}

// Every allocation that fails ends in TL_MEMORY.
static void test_memory(const char *path) {
  static tl_diag diag;
  tl_str json = tl_fixture_read(path), section = {NULL, 0};
  tl_source source = {"tokenizer.json", json};
  tl_arena arena, request;
  tl_status status = TL_MEMORY;
  tl_arena_init(&arena, (size_t)1 << 30);
  for (size_t allocations = 0; status != TL_OK; allocations += 1 + allocations / 16) {
    tl_arena_finish(&arena);
    tl_arena_init(&arena, (size_t)1 << 30);
    arena.fail_after = allocations;
    diag = (tl_diag){0};
    status = tl_tokenizer_compile(&source, NULL, &arena, &diag, &section);
    CHECK(status == TL_OK || (status == TL_MEMORY && !section.data));
  }
  tl_tokenizer tokenizer = open_section(section);
  tl_ids ids;
  status = TL_MEMORY;
  for (size_t allocations = 0; status != TL_OK; allocations++) {
    tl_arena_init(&request, (size_t)1 << 20);
    request.fail_after = allocations;
    status = tl_tokenizer_encode(&tokenizer, TL_STR("the fox\xFF"), &(tl_encode_options){0},
                                 &request, NULL, &ids);
    CHECK(status == TL_OK || status == TL_MEMORY);
    tl_arena_finish(&request);
  }
  free((char *)json.data);
  tl_arena_finish(&arena);
}

int main(void) {
  static const char *const paths[] = {
      FIXTURES "bytes/tokenizer.json", FIXTURES "pieces/tokenizer.json",
      FIXTURES "words/tokenizer.json", FIXTURES "scores/tokenizer.json",
      FIXTURES "rules/tokenizer.json"};
  test_fixture(FIXTURES "bytes/tokenizer.json", FIXTURES "bytes/expected.txt");
  test_fixture(FIXTURES "pieces/tokenizer.json", FIXTURES "pieces/expected.txt");
  test_fixture(FIXTURES "model-merges/tokenizer.model", FIXTURES "model-merges/expected.txt");
  test_fixture(FIXTURES "model-scores/tokenizer.model", FIXTURES "model-scores/expected.txt");
  test_fixture(FIXTURES "words/tokenizer.json", FIXTURES "words/expected.txt");
  test_fixture(FIXTURES "scores/tokenizer.json", FIXTURES "scores/expected.txt");
  test_fixture(FIXTURES "rules/tokenizer.json", FIXTURES "rules/expected.txt");
  test_fixture(FIXTURES "model-rules/tokenizer.model", FIXTURES "model-rules/expected.txt");
  test_long_words(FIXTURES "bytes/tokenizer.json");
  test_long_words(FIXTURES "pieces/tokenizer.json");
  test_long_words(FIXTURES "words/tokenizer.json");
  test_long_words(FIXTURES "scores/tokenizer.json");
  test_options();
  test_errors();
  test_empty_map();
  test_model_errors();
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    test_damage(paths[i]);
    test_memory(paths[i]);
  }
  return 0;
}
