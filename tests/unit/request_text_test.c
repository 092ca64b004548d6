// Text of requests: prompts as text, output whose tokens are given by a script, halves of
// characters, stop texts that are held back, split over tokens or completed by the end.
#include "runtime/base/utf8.h"
#include "tests/lib/tokenizer_fixture.h"
#include "tests/lib/toy_session.h"

#define FIXTURES TL_SOURCE_DIR "/tests/fixtures/tokenizers/"

enum { IDS_MAX = 200, TEXT_MAX = 2000 };

static toy_plan plan;
static toy_session toy;
static tlmc_error error;

typedef struct outcome {
  char text[TEXT_MAX];
  size_t text_bytes;
  int32_t tokens;
  tlmc_event end;
} outcome;

static size_t ids_of(const char *text, int32_t *ids) {
  size_t count;
  tlmc_bytes bytes = {text, strlen(text)};
  CHECK(tlmc_tokenize(plan.plan, bytes, TLMC_TEXT_SPECIAL, ids, IDS_MAX, &count, &error) ==
        TLMC_OK);
  CHECK(count <= IDS_MAX);
  return count;
}

static void take(outcome *out, const tlmc_event *event) {
  CHECK(tl_utf8_is_valid((tl_str){event->text, event->text_bytes}));
  CHECK(out->text_bytes + event->text_bytes < TEXT_MAX);
  memcpy(out->text + out->text_bytes, event->text, event->text_bytes);
  out->text_bytes += event->text_bytes;
  out->text[out->text_bytes] = 0;
}

// Generates what the script says behind a prompt of one id.
static outcome run_script(const int32_t *ids, size_t count, const tlmc_request_options *options) {
  int32_t script[IDS_MAX + 1] = {5}, prompt = 5;
  outcome out = {0};
  memcpy(script + 1, ids, count * sizeof *ids);
  toy.script = script;
  toy.script_count = (int32_t)count + 1;
  tlmc_request_options ask = *options;
  tlmc_request *request;
  ask.size = sizeof ask;
  ask.ids = &prompt;
  ask.ids_count = 1;
  if (!ask.tokens_max) ask.tokens_max = (int32_t)count;
  tlmc_status status = tlmc_request_submit(toy.session, &ask, &request, &error);
  if (status != TLMC_OK) fprintf(stderr, "%s\n", error.text);
  CHECK(status == TLMC_OK);
  tlmc_event before = {0}, event = {.size = sizeof event};
  char copy[TEXT_MAX];
  while (event.kind != TLMC_EVENT_FINISHED) {
    CHECK(tlmc_session_step(toy.session, NULL, &error) == TLMC_OK);
    // What the last poll gave is still there.
    CHECK(before.text_bytes == 0 || memcmp(before.text, copy, before.text_bytes) == 0);
    CHECK(tlmc_request_poll(request, &event) == TLMC_OK);
    take(&out, &event);
    before = event;
    memcpy(copy, event.text, event.text_bytes);
    out.tokens += event.kind == TLMC_EVENT_TOKEN;
    CHECK(event.kind != TLMC_EVENT_TOKEN || event.id == script[out.tokens]);
  }
  out.end = event;
  tlmc_request_release(request);
  return out;
}

static outcome run_text(const char *text, const tlmc_request_options *options) {
  int32_t ids[IDS_MAX];
  return run_script(ids, ids_of(text, ids), options);
}

static outcome run_stops(const char *text, const char *stop, const char *other) {
  tlmc_bytes stops[2] = {{stop, strlen(stop)}, {other, other ? strlen(other) : 0}};
  return run_text(text, &(tlmc_request_options){.stops = stops, .stops_count = other ? 2 : 1});
}

static void expect(const outcome *out, const char *text, tlmc_finish finish, int32_t stop) {
  if (strcmp(out->text, text) != 0 || out->end.finish != finish || out->end.stop_index != stop) {
    fprintf(stderr, "'%s' finish %d stop %d, expected '%s' %d %d\n", out->text, out->end.finish,
            out->end.stop_index, text, finish, stop);
    CHECK(false);
  }
}

static void test_text(void) {
  const char *text = "the quick fox \xF0\x9F\x99\x82 jumps \xE5\xA4\xA9 over {x: 1}";
  int32_t ids[IDS_MAX];
  size_t count = ids_of(text, ids);
  outcome out = run_text(text, &(tlmc_request_options){0});
  expect(&out, text, TLMC_FINISH_LENGTH, -1);
  CHECK(out.tokens == (int32_t)count && out.end.tokens_count == out.tokens);
  // Ended in the middle of a character: what is left is not one.
  count = ids_of("ab \xF0\x9F\x99\x82", ids);
  for (size_t cut = count - 1; cut > count - 3; cut--) {
    out = run_script(ids, cut, &(tlmc_request_options){0});
    CHECK(strncmp(out.text, "ab ", 3) == 0 && tl_utf8_is_valid(tl_str_from(out.text)));
    CHECK(strstr(out.text, "\xEF\xBF\xBD"));
  }
}

static void test_stops(void) {
  outcome out = run_stops("the quick fox END jumps", "END", NULL);
  expect(&out, "the quick fox ", TLMC_FINISH_STOP_TEXT, 0);
  out = run_stops("the quick fox EN jumps over EN", "END", NULL);
  expect(&out, "the quick fox EN jumps over EN", TLMC_FINISH_LENGTH, -1);
  out = run_stops("ab\n\nUser: x", "nothing", "\nUser:");
  expect(&out, "ab\n", TLMC_FINISH_STOP_TEXT, 1);
  out = run_stops("x aaab aab", "aaaab", "aab");
  expect(&out, "x a", TLMC_FINISH_STOP_TEXT, 1);
  out = run_stops("END", "END", NULL); // with the last token
  expect(&out, "", TLMC_FINISH_STOP_TEXT, 0);
  int32_t ids[IDS_MAX];
  tlmc_bytes broken = {"\xEF\xBF\xBD", 3};
  tlmc_request_options ask = {.stops = &broken, .stops_count = 1};
  size_t count = ids_of("ab \xF0\x9F\x99\x82", ids);
  out = run_script(ids, count - 1, &ask); // completed by the end of the text
  expect(&out, "ab ", TLMC_FINISH_STOP_TEXT, 0);
}

// The stop id itself has no text, what was held before it comes out.
static void test_stop_id(void) {
  int32_t ids[IDS_MAX];
  tlmc_bytes stop = {"fox END", 7};
  tlmc_request_options ask = {.stops = &stop, .stops_count = 1};
  size_t count = ids_of("the fox E", ids);
  ids[count] = TOY_STOP;
  outcome out = run_script(ids, count + 1, &ask);
  expect(&out, "the fox E", TLMC_FINISH_STOP_ID, -1);
  CHECK(out.tokens == (int32_t)count + 1);
  ids[count] = ids[0];
  ask.stop_ids = ids + 1;
  ask.stop_ids_count = 1;
  out = run_script(ids, count + 1, &ask);
  expect(&out, "the", TLMC_FINISH_STOP_ID, -1);
}

static void test_prompts(void) {
  static const char broken[] = "\xff\xfe";
  char odd[] = "caf\xC3";
  int32_t ids[IDS_MAX];
  tlmc_request *request;
  tlmc_event event = {.size = sizeof event};
  tlmc_request_options ask = {.size = sizeof ask, .text = "the quick", .text_bytes = 9};
  size_t count = ids_of("the quick", ids);
  CHECK(tlmc_request_submit(toy.session, &ask, &request, &error) == TLMC_OK);
  CHECK(tlmc_request_poll(request, &event) == TLMC_OK && event.prompt_count == (int32_t)count);
  tlmc_request_release(request);
  ask.text = broken;
  ask.text_bytes = 2;
  CHECK(tlmc_request_submit(toy.session, &ask, &request, &error) == TLMC_OK);
  CHECK(tlmc_request_poll(request, &event) == TLMC_OK);
  CHECK(event.prompt_count == (int32_t)ids_of("\xEF\xBF\xBD\xEF\xBF\xBD", ids));
  tlmc_request_release(request);
  ask.text = "";
  ask.text_bytes = 0;
  CHECK(tlmc_request_submit(toy.session, &ask, &request, &error) == TLMC_USAGE && !request);
  static char huge[3 * TOY_CONTEXT * 4];
  memset(huge, '!', sizeof huge);
  for (size_t i = 0; i < sizeof huge; i += 3)
    huge[i] = (char)('a' + i % 19);
  ask.text = huge;
  ask.text_bytes = sizeof huge;
  CHECK(tlmc_request_submit(toy.session, &ask, &request, &error) == TLMC_MEMORY && !request);
  tlmc_bytes stops[] = {{odd, 4}, {huge, 257}, {"", 0}, {NULL, 3}};
  for (int i = 0; i < 4; i++) {
    ask = (tlmc_request_options){.size = sizeof ask, .text = "a", .text_bytes = 1};
    ask.stops = &stops[i];
    ask.stops_count = 1;
    CHECK(tlmc_request_submit(toy.session, &ask, &request, &error) == TLMC_USAGE && !request);
  }
}

// Two texts with token types, also where there is less room than tokens.
static void test_pairs(tl_arena *arena) {
  static const int32_t expected[] = {2, 26, 27, 3, 28, 3}, expected_types[] = {0, 0, 0, 0, 1, 1};
  static toy_plan pairs;
  int32_t ids[8], types[8];
  tlmc_bytes texts[] = {{"a b", 3}, {"c", 1}, {"\xFF", 1}};
  tlmc_tokens tokens = {.size = sizeof tokens, .ids = ids, .types = types, .capacity = 8};
  tl_str json = tl_fixture_read(FIXTURES "words/tokenizer.json");
  toy_plan_open(&pairs, tl_fixture_compile(json, arena), TL_PLAN_TASK_SCORE_FIRST);
  CHECK(tlmc_tokenize_pair(pairs.plan, texts, 2, TLMC_TEXT_ADD, &tokens, &error) == TLMC_OK);
  CHECK(tokens.count == 6 && memcmp(ids, expected, sizeof expected) == 0);
  CHECK(memcmp(types, expected_types, sizeof expected_types) == 0);
  CHECK(tlmc_tokenize_pair(pairs.plan, texts, 1, 0, &tokens, &error) == TLMC_OK);
  CHECK(tokens.count == 2 && ids[0] == 26 && ids[1] == 27 && types[0] == 0);
  tokens = (tlmc_tokens){.size = sizeof tokens, .ids = types, .capacity = 1};
  CHECK(tlmc_tokenize_pair(pairs.plan, texts, 2, TLMC_TEXT_ADD, &tokens, &error) == TLMC_OK);
  CHECK(tokens.count == 6 && types[0] == 2 && types[1] == 0);
  CHECK(tlmc_tokenize_pair(pairs.plan, texts, 3, 0, &tokens, &error) == TLMC_USAGE);
  CHECK(tlmc_tokenize_pair(pairs.plan, texts + 1, 2, 0, &tokens, &error) == TLMC_OK);
  CHECK(tokens.count == 1); // what is broken reads as U+FFFD, which this tokenizer removes
  toy_plan_close(&pairs);
  free((char *)json.data);
}

int main(void) {
  static tl_arena arena;
  tl_arena_init(&arena, (size_t)1 << 30);
  tl_str json = tl_fixture_read(FIXTURES "bytes/tokenizer.json");
  toy_plan_open(&plan, tl_fixture_compile(json, &arena), TL_PLAN_TASK_GENERATE);
  toy_session_open(&toy, &plan, (tlmc_session_options){0});
  test_text();
  test_stops();
  test_stop_id();
  test_prompts();
  toy_session_close(&toy, true);
  toy_plan_close(&plan);
  test_pairs(&arena);
  tl_arena_finish(&arena);
  free((char *)json.data);
  return 0;
}
