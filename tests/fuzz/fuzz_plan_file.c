// Law: a plan file with any bytes before its code changed, and all digests but those of the code
// made right again, is refused with one sentence, or can be described, tokenizes, opens a session
// and runs sequences and requests on the null device, without end only as far as it was asked to.
//
// The first byte of the input chooses the session's options; then come patches of twelve bytes:
//
//   | part of the file | how | text | unused | place, 4 bytes | number, 4 bytes |
//
// text: 1 puts one of the pieces below at the place; 2 puts all that follows in place of the part.
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/tokenizer_table.h"
#include "runtime/tlmc.h"
#include "tests/fuzz/edit.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/plan_file.h"
#include "tests/lib/tiny_plan.h"
#include "tests/lib/tokenizer_fixture.h"

enum {
  PATCH_BYTES = 12,
  PATCHES_MAX = 16,
  PARTS_MAX = 8,
  TOKENIZER = 3, // the part whose patches go into one of its tables
  NUMBERS_COUNT = 14,
  PUTS_PIECE = 1, // texts of a patch
  PUTS_REST = 2,
  PROMPT = 70, // ids, more than a page
  STEPS_MAX = 64,
  TEXT_MAX = 512
};

typedef struct part {
  size_t begin, bytes;
} part;

// What patches put into texts, as single bytes rarely come to it.
static const char *const pieces[] = {"1e400",
                                     "-0",
                                     "1e-400",
                                     "123456789012345678901234567890.5e-9",
                                     "99999999999999999999",
                                     "0.1e+",
                                     "007",
                                     "null",
                                     "true",
                                     "fals",
                                     "NaN",
                                     "-Infinity",
                                     "{}",
                                     "[]",
                                     "[[",
                                     "{\"a\": 1}",
                                     "\"\"",
                                     "\\u00e9",
                                     "\\ud83d",
                                     "\\udc00",
                                     "\\ud83d\\ude00",
                                     "\\uD8",
                                     "\\x",
                                     "\\\"",
                                     "\xC3\xA9",
                                     "\xE2\x82\xAC",
                                     "\xF0\x9F\x98\x80",
                                     "\xF4\x90\x80\x80",
                                     "\xED\xA0\x80",
                                     "\xE0\x80",
                                     "\xEF\xBB\xBF",
                                     "{{",
                                     "}}",
                                     "{%",
                                     "%}",
                                     "{#",
                                     "#}",
                                     "'a'",
                                     "()",
                                     "1.5",
                                     "(x, y)",
                                     "not in",
                                     " is ",
                                     " if ",
                                     "else",
                                     "==",
                                     "**",
                                     "loop",
                                     "endfor",
                                     "endif",
                                     "raw",
                                     "do",
                                     "include 'a'",
                                     "extends",
                                     "block x",
                                     "|",
                                     ":",
                                     ",",
                                     "\\r\\n",
                                     NULL};

// Of all that tables can hold a little, so that many patches of them change something.
static const char tokenizer_json[] =
    "{\"added_tokens\": [{\"id\": 0, \"content\": \"<s>\", \"special\": true},"
    " {\"id\": 1, \"content\": \"</s>\", \"lstrip\": true, \"rstrip\": true, \"special\": true},"
    " {\"id\": 2, \"content\": \"<u>\", \"single_word\": true, \"normalized\": true}],"
    " \"normalizer\": {\"type\": \"Sequence\", \"normalizers\":"
    " [{\"type\": \"Prepend\", \"prepend\": \"_\"},"
    " {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"_\"}]},"
    " \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"_?[a-z]+(?!1)|_|[^_]\"},"
    " \"behavior\": \"Isolated\"},"
    " \"post_processor\": {\"type\": \"RobertaProcessing\", \"cls\": [\"<s>\", 0],"
    " \"sep\": [\"</s>\", 1]},"
    " \"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\","
    " \"pattern\": {\"String\": \"_\"}, \"content\": \" \"}, {\"type\": \"ByteFallback\"},"
    " {\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]},"
    " \"model\": {\"byte_fallback\": true, \"fuse_unk\": true, \"unk_token\": \"<u>\","
    " \"vocab\": {\"<s>\": 0, \"</s>\": 1, \"<u>\": 2, \"a\": 3, \"b\": 4, \"c\": 5, \"_\": 6, "
    "\"ab\": 7,"
    " \"abc\": 8, \"_a\": 9, \"<0x0A>\": 10, \"<0xC3>\": 11, \"<0xA9>\": 12, \"<0xFF>\": 13, "
    "\"cab\": 14,"
    " \"\xC3\xBC\": 15}, \"merges\": [\"a b\", \"ab c\", \"_ a\", \"c ab\"]}}";

// All kinds of statements and expressions; it is parsed when the plan is opened.
static const char chat_template[] =
    "{\"templates\": [{\"name\": \"default\", \"text\": \""
    "{#- c -#}{%- set a, (b, c) = 1, (2, 3.5e-2) -%}\\n"
    "{% for x, y in d.items() if x is not none and not y recursive %}{{ loop(x) }}"
    "{% break %}{% continue %}{% else %}{% endfor %}\\n"
    "{% macro m(p, q='\\\\x41\\\\u00e9\\\\n\\\\'', r=[1,]) %}{{ caller(p) }}{% endmacro %}"
    "{% call(k) m(*u, **v) %}{% endcall %}\\n"
    "{% filter upper | trim %}{% endfilter %}{% with z = {'a': 1, 'b': -2} %}{% endwith %}"
    "{% generation %}{% endgeneration %}\\n"
    "{% set ns.t | indent(2) %}{% raw %}{{{% endraw %}{% endset %}"
    "{% if a == b or c != 2 and 1 <= 2 < 3 >= 0 > -1 %}\\n"
    "{%+ elif a ~ b % c ** 2 // 3 / +4 - 5 * 6 is divisibleby 3 %}{%- else -%}"
    "{% endif +%}\\n"
    "{{ s[1:-1:2] if x in y[::2] else z not in w[0].k | d(true, boolean=False) | join(', ') ~ "
    "1_0 }}{{ () -}} {{- (1,) }}\\n"
    "text {{ 1 if x is eq 1.5 else 2 if y is in 'a' 'b' or z is in {'k': 1,} else u.0 ~ "
    "-5 ~ '\\\\101\\\\U0001F600\\\\\\n"
    "' }}{{ x is lt (2) and y is even }}{{ w is defined and not q is ge [] }}"
    "{{ 'a' is in not_it }}\\n"
    "end\\r\\n"
    "\"}]}";

static plan_file file;
static part parts[PARTS_MAX], token_tables[TL_TOKENIZER_SECTIONS];
static int parts_count, token_tables_count;
static tlmc_error error;

static void add_part(size_t begin, size_t bytes) {
  CHECK(parts_count < PARTS_MAX && bytes >= 4);
  parts[parts_count++] = (part){begin, bytes};
}

// Where patches of the tokenizer section go: as often into a short table as into a long one.
static void find_tables(const tl_plan_section *section) {
  tl_tokenizer_header header;
  memcpy(&header, file.bytes + section->offset, sizeof header);
  for (int i = 0; i < TL_TOKENIZER_SECTIONS; i++) {
    size_t begin = header.sections[i].offset;
    size_t end = i + 1 < TL_TOKENIZER_SECTIONS ? header.sections[i + 1].offset : header.bytes;
    if (end > begin)
      token_tables[token_tables_count++] = (part){section->offset + begin, end - begin};
  }
}

static void find_parts(void) {
  static const tl_plan_section_kind kinds[] = {TL_PLAN_SECTION_META, TL_PLAN_SECTION_TOKENIZER,
                                               TL_PLAN_SECTION_TEMPLATE, TL_PLAN_SECTION_PROGRAMS,
                                               TL_PLAN_SECTION_CHECKSUMS};
  const tl_plan_header *header = (const tl_plan_header *)file.bytes;
  add_part(0, sizeof *header);
  add_part(sizeof *header, header->sections_count * sizeof(tl_plan_section));
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    const tl_plan_section *section = plan_file_section(&file, kinds[i]);
    CHECK(section);
    add_part(section->offset, section->bytes);
    if (kinds[i] != TL_PLAN_SECTION_TOKENIZER) continue;
    add_part(section->offset, sizeof(tl_tokenizer_header));
    find_tables(section);
  }
}

// The tiny plan's, made small: most of a run's time was their hashes and copies of their pages. Two
// checksums are left.
static void make_small(tl_plan_tables *tables, tl_plan_weight *weights, tl_plan_group *groups,
                       tl_plan_state *states) {
  enum { EMBED, UP, NORM, DOWN, SQUARE, WEIGHTS };
  enum { UP_OFFSET = TL_PLAN_CHECKSUM_BYTES, NORM_OFFSET = UP_OFFSET + 16384 };
  CHECK(tables->weights_count == WEIGHTS);
  memcpy(weights, tables->weights, WEIGHTS * sizeof *weights);
  memcpy(groups, tables->groups, tables->groups_count * sizeof *groups);
  memcpy(states, tables->states, tables->states_count * sizeof *states);
  weights[UP].bytes = 16384, weights[UP].stride = 2048;
  weights[UP].rows = 100, weights[UP].columns = 16;
  weights[NORM].offset = NORM_OFFSET;
  weights[DOWN].offset = NORM_OFFSET + 4096;
  weights[SQUARE].offset = NORM_OFFSET + 12288;
  for (uint32_t i = 0; i < tables->groups_count; i++)
    groups[i].page_bytes[0] = 8192, groups[i].page_bytes[1] = 4096;
  for (uint32_t i = 0; i < tables->states_count; i++)
    states[i].key = states[i].value = 8;
  tables->weights = weights, tables->groups = groups, tables->states = states;
}

static void open_file(void) {
  char path[] = "/tmp/tlmc-fuzz-file-??????";
  memset(strchr(path, '?'), 'X', 6);
  int made = mkstemp(path);
  CHECK(made >= 0 && close(made) == 0);
  tl_tiny_plan tiny;
  tl_plan_weight weights[8];
  tl_plan_group groups[TL_GROUPS_MAX];
  tl_plan_state states[8];
  tl_arena arena;
  tl_arena_init(&arena, (size_t)1 << 30);
  tl_tiny_plan_init(&tiny, 1, false);
  make_small(&tiny.tables, weights, groups, states);
  tiny.parts.meta = TL_STR("{\"model\": \"t\\u00e9\\ud83d\\ude00\\n\\/\\\"\xC3\xA9\", "
                           "\"stop_ids\": [0, 7], \"rest\": [-1.5e-3, 12E+2, true, false, null]}");
  tiny.parts.chat_template = TL_STR(chat_template);
  tiny.parts.tokenizer = tl_fixture_compile(TL_STR(tokenizer_json), &arena);
  CHECK(tl_ok(tl_plan_write(&tiny.parts, path, 1, &arena, NULL)));
  plan_file_open(&file, path);
  CHECK(unlink(path) == 0);
  tl_arena_finish(&arena);
  find_parts();
}

static void patch(const uint8_t *data) {
  static const uint32_t numbers[NUMBERS_COUNT] = {
      0,          1,       2,          63,         64,      4096,    0x7fffffff,
      0x80000000, 1 << 16, 0xffffffff, 0xffffffc0, 1 << 20, 1 << 24, 1 << 30};
  const part *p = &parts[data[0] % parts_count];
  uint32_t place, number, word;
  memcpy(&place, data + 4, sizeof place);
  memcpy(&number, data + 8, sizeof number);
  if (data[2] == PUTS_REST) return;
  if (p == &parts[TOKENIZER]) {
    p = &token_tables[place % (uint32_t)token_tables_count];
    place /= (uint32_t)token_tables_count;
  }
  if (data[2] == PUTS_PIECE) {
    const char *piece = pieces[number % (sizeof pieces / sizeof *pieces - 1)];
    size_t begin = place % p->bytes, length = strlen(piece);
    memcpy(file.bytes + p->begin + begin, piece,
           length < p->bytes - begin ? length : p->bytes - begin);
    return;
  }
  if (data[1] % 8 == 7) {
    file.bytes[p->begin + place % p->bytes] = (char)number;
    return;
  }
  char *at = file.bytes + p->begin + place % (p->bytes / 4) * 4;
  memcpy(&word, at, sizeof word);
  switch (data[1] % 8) {
  case 0: word = numbers[number % NUMBERS_COUNT]; break;
  case 1: word += number % 17 - 8; break;
  case 2: word = number; break;
  case 3: word ^= 1u << number % 32; break;
  case 4: word *= 2; break;
  case 5: word /= 2; break;
  default: memcpy(&word, file.bytes + p->begin + number % (p->bytes / 4) * 4, sizeof word); break;
  }
  memcpy(at, &word, sizeof word);
}

// Where the text behind the patches begins; the input's end if there is none.
static size_t rest_of(const uint8_t *data, size_t size) {
  size_t at = 1;
  for (; at + PATCH_BYTES <= size; at += PATCH_BYTES)
    if (data[at + 2] == PUTS_REST) return at + PATCH_BYTES;
  return size;
}

// The part keeps its length: blanks follow, as they may in JSON.
static void put_rest(uint8_t part_number, const uint8_t *text, size_t bytes) {
  const part *p = &parts[part_number % parts_count];
  if (bytes > p->bytes) bytes = p->bytes;
  memset(file.bytes + p->begin, ' ', p->bytes);
  memcpy(file.bytes + p->begin, text, bytes);
}

static void use_texts(const tlmc_plan *plan) {
  static char text[TEXT_MAX];
  static int32_t ids[TEXT_MAX];
  size_t bytes;
  static const char line[] = "abc cab a1  </s> <s>x<u> <u> ab\n\xC3\xA9\xC3\xBC<0x0A>";
  tlmc_status status =
      tlmc_plan_describe(plan, TLMC_FORMAT_TEXT, text, sizeof text, &bytes, &error);
  CHECK(status == TLMC_OK ? bytes > 0 : status == TLMC_MEMORY);
  status = tlmc_plan_describe(plan, TLMC_FORMAT_JSON, text, sizeof text, &bytes, &error);
  CHECK(status == TLMC_OK ? bytes > 0 : status == TLMC_MEMORY || status == TLMC_INPUT);
  uint32_t both = TLMC_TEXT_ADD | TLMC_TEXT_SPECIAL;
  for (uint32_t flags = 0; flags <= both; flags++) {
    tlmc_bytes bytes_of_line = {line, sizeof line - 1};
    status = tlmc_tokenize(plan, bytes_of_line, flags, ids, TEXT_MAX, &bytes, &error);
    if (status != TLMC_OK) return;
    (void)tlmc_detokenize(plan, ids, bytes < TEXT_MAX ? bytes : TEXT_MAX, flags, text, sizeof text,
                          &bytes, &error);
  }
}

static void read_outputs(const tlmc_session *session, int32_t columns) {
  float sum = 0;
  const float *row;
  for (int32_t i = 0; (row = tlmc_step_output(session, i)); i++)
    for (int32_t c = 0; c < columns; c++)
      sum += row[c];
  CHECK(!isnan(sum));
}

// Rows of a sequence and of a copy of it, which shares a page that is then written to.
static void use_sequences(tlmc_session *session, const tlmc_plan_facts *facts) {
  int32_t ids[PROMPT] = {0}, sequence, other;
  tlmc_wanted wanted = facts->task == TLMC_TASK_SCORE_TOKENS ? TLMC_WANTED_ALL : TLMC_WANTED_LAST;
  tlmc_rows rows = {.size = sizeof rows, .ids = ids, .wanted = wanted};
  if (tlmc_sequence_open(session, &sequence, &error) != TLMC_OK) return;
  rows.sequence = sequence;
  for (int32_t count = 7; count > 0; count -= 3) {
    rows.count = count;
    ids[0] = facts->vocabulary - 1;
    tlmc_step_begin(session);
    if (tlmc_step_add(session, &rows, NULL, &error) == TLMC_OK) {
      CHECK(tlmc_step_run(session, &error) == TLMC_OK);
      read_outputs(session, facts->outputs);
    }
    if (tlmc_sequence_fork(session, sequence, &other, &error) == TLMC_OK) {
      rows.sequence = other;
      if (count == 7) CHECK(tlmc_sequence_truncate(session, other, 0, &error) == TLMC_OK);
    }
  }
}

static void use_requests(tlmc_session *session, const tlmc_plan_facts *facts) {
  int32_t ids[PROMPT], left = 1;
  tlmc_sampling sampling = {.size = sizeof sampling, .temperature = 1, .logprobs = 3};
  tlmc_request_options ask = {
      .size = sizeof ask, .ids = ids, .tokens_max = 3, .sampling = &sampling};
  tlmc_request *requests[2] = {NULL, NULL};
  tlmc_event event = {.size = sizeof event};
  for (int32_t i = 0; i < PROMPT; i++)
    ids[i] = i % facts->vocabulary;
  ask.ids_count = PROMPT;
  tlmc_status status = tlmc_request_submit(session, &ask, &requests[0], &error);
  ask.ids = NULL, ask.ids_count = 0;
  ask.text = "some text", ask.text_bytes = 9;
  (void)tlmc_request_submit(session, &ask, &requests[1], &error);
  for (int step = 0; status == TLMC_OK && left > 0; step++) {
    CHECK(step < STEPS_MAX);
    CHECK(tlmc_session_step(session, &left, &error) == TLMC_OK);
    for (int i = 0; i < 2; i++) {
      if (requests[i]) CHECK(tlmc_request_poll(requests[i], &event) == TLMC_OK);
    }
  }
  tlmc_request_release(requests[0]);
  tlmc_request_release(requests[1]);
}

static void use_session(const tlmc_plan *plan, uint8_t choice) {
  tlmc_plan_facts facts = {.size = sizeof facts};
  tlmc_session_options options = {.size = sizeof options,
                                  .device = "null",
                                  .threads = 1,
                                  .batch = 2,
                                  .sequences = 6,
                                  .chunk = choice & 1 ? 16 : 128,
                                  .context = choice & 2 ? 300 : 0,
                                  .rollback = choice & 4 ? 0 : 8,
                                  .kv_type = choice & 8 ? "f32" : NULL,
                                  .kv_bytes = choice & 16 ? 1 << 22 : 0};
  tlmc_session *session;
  CHECK(tlmc_plan_info(plan, &facts) == TLMC_OK);
  CHECK(facts.vocabulary > 0 && facts.outputs > 0 && facts.context > 0);
  tlmc_status status = tlmc_session_open(plan, &options, &session, &error);
  CHECK(status == TLMC_OK || (error.text[0] && !session));
  if (status != TLMC_OK) return;
  use_sequences(session, &facts);
  use_requests(session, &facts);
  tlmc_session_close(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tlmc_plan *plan;
  if (size == 0) return 0;
  if (!file.bytes) open_file();
  const uint8_t *patches = data + 1;
  size_t rest = rest_of(data, size), count = (rest - 1) / PATCH_BYTES;
  for (size_t i = 0; i < PATCHES_MAX && i < count; i++)
    patch(patches + i * PATCH_BYTES);
  if (rest < size) put_rest(patches[(count - 1) * PATCH_BYTES], data + rest, size - rest);
  plan_file_seal(&file);
  error.text[0] = 0;
  tlmc_status status = tlmc_plan_open(file.path, NULL, &plan, &error);
  CHECK(status == TLMC_OK || (error.text[0] && !plan));
  tl_fuzz_accepted = status == TLMC_OK;
  if (status == TLMC_OK) {
    use_texts(plan);
    use_session(plan, data[0]);
    tlmc_plan_close(plan);
  }
  plan_file_restore(&file);
  return 0;
}

// Changes an option, adds, drops or copies a patch, or changes where or what one patches; what an
// input has found so far stays.
static void change(tl_edit *edit) {
  uint8_t new[PATCH_BYTES];
  size_t rest = rest_of(edit->data, edit->size), patches = (rest - 1) / PATCH_BYTES;
  if (rest < edit->size && tl_edit_random(edit, 2)) {
    tl_edit text = {edit->data + rest, edit->size - rest, edit->size_max - rest, edit->random};
    tl_edit_bytes(&text, pieces);
    edit->size = rest + text.size;
    edit->random = text.random;
    return;
  }
  size_t at = 1 + tl_edit_random(edit, patches) * PATCH_BYTES;
  tl_range one = {at, at + PATCH_BYTES}, before = {at, at};
  for (size_t i = 0; i < sizeof new; i++)
    new[i] = (uint8_t)tl_edit_random(edit, 256);
  new[2] = tl_edit_random(edit, 4) == 0;
  uint32_t how = tl_edit_random(edit, 8);
  if (how == 0) {
    edit->data[0] ^= (uint8_t)(1 << tl_edit_random(edit, 5));
  } else if (one.end > edit->size || how <= 2) {
    if (patches < PATCHES_MAX) tl_edit_replace(edit, before, new, sizeof new);
  } else if (how == 3) {
    tl_edit_put(edit, one, "");
  } else if (how == 4) { // the same place or another one near it
    size_t place = at + 4;
    edit->data[place] = (uint8_t)(edit->data[place] + tl_edit_random(edit, 17) - 8);
  } else if (how == 5) {
    memcpy(edit->data + at + 1, new + 1, 1);
    memcpy(edit->data + at + 8, new + 8, 4);
  } else {
    memcpy(edit->data + at, new, sizeof new);
  }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  tl_edit edit = tl_edit_begin(data, size, size_max, seed);
  if (size == 0) {
    data[0] = 0;
    edit.size = 1;
  }
  for (uint32_t n = 1 + tl_edit_random(&edit, 3); n > 0; n--)
    change(&edit);
  return edit.size;
}
