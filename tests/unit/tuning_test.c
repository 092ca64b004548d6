// Tuning files: what is printed is read back; a text that was cut, or of which a byte differs, is
// refused; what is accepted with its sum made right again is what would be printed.
#include "runtime/plan/tuning.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/check.h"

enum { TEXT_BYTES = 4096, ARENA_BYTES = 1 << 24 };

static tl_tuning tuning, found;
static tl_arena arena;

static tl_str print(const tl_tuning *from) {
  tl_str text;
  CHECK(tl_ok(tl_tuning_print(from, &arena, &text)));
  return text;
}

static void make(void) {
  static const tl_tuning_way ways[] = {
      {0, 1, 1, 0, 8, 0}, {0, 1, 8, 0, 8, 0}, // one line
      {0, 2, 8, 0, 8, 0}, {0, 1, 64, 33, 64, 0}, {0, 2, 300, 257, UINT32_MAX, 2},
      {3, 1, 2, 9, 16, 1}};
  for (int i = 0; i < TL_SHA256_BYTES; i++)
    tuning.plan[i] = (uint8_t)(i * 37);
  snprintf(tuning.device, sizeof tuning.device, "9.0 NVIDIA H200");
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
    CHECK(tl_tuning_add(&tuning, &ways[i]));
  CHECK(tuning.ways_count == 5);
}

static void test_find(void) {
  CHECK(!tl_tuning_find(NULL, 0, 1, 1) && !tl_tuning_find(&tuning, 0, 0, 1));
  CHECK(tl_tuning_find(&tuning, 0, 1, 1)->guard_max == 8);
  CHECK(tl_tuning_find(&tuning, 0, 1, 8)->guard_max == 8);
  CHECK(tl_tuning_find(&tuning, 0, 1, 9)->guard_max == 64);
  CHECK(tl_tuning_find(&tuning, 0, 1, 64)->guard_max == 64 && !tl_tuning_find(&tuning, 0, 1, 65));
  CHECK(tl_tuning_find(&tuning, 0, 2, 300)->guard_library == 2);
  CHECK(tl_tuning_find(&tuning, 3, 1, 1)->guard_min == 9 && !tl_tuning_find(&tuning, 3, 2, 1));
}

static void test_damage(tl_str text) {
  char copy[TEXT_BYTES];
  CHECK(text.length < sizeof copy);
  for (size_t length = 0; length < text.length; length++)
    CHECK(tl_tuning_parse(tl_str_slice(text, 0, length), &found) == TL_INPUT);
  memcpy(copy, text.data, text.length);
  copy[text.length] = '\n';
  CHECK(tl_tuning_parse((tl_str){copy, text.length + 1}, &found) == TL_INPUT);
  for (size_t at = 0; at < text.length; at++) {
    for (int bit = 0; bit < 8; bit++) {
      copy[at] = (char)(text.data[at] ^ 1 << bit);
      CHECK(tl_tuning_parse((tl_str){copy, text.length}, &found) == TL_INPUT);
    }
    copy[at] = text.data[at];
  }
}

// With the sum of what is before it.
static tl_str seal(char *text, size_t length) {
  char sum[17];
  size_t before = length - 21; // "sum ", 16 digits, line end
  snprintf(sum, sizeof sum, "%016" PRIx64, tl_hash64(text, before, 0));
  memcpy(text + before + 4, sum, 16);
  return (tl_str){text, length};
}

// Every byte of every line but the last, as each other: there is one way to write a fact.
static void test_sealed(tl_str text) {
  char copy[TEXT_BYTES];
  int accepted = 0;
  for (size_t at = 0; at < text.length - 21; at++) {
    for (int byte = 0; byte < 256; byte++) {
      tl_arena_reset(&arena);
      memcpy(copy, text.data, text.length);
      copy[at] = (char)byte;
      tl_str sealed = seal(copy, text.length);
      tl_status status = tl_tuning_parse(sealed, &found);
      CHECK(tl_ok(status) || status == TL_INPUT);
      if (!tl_ok(status)) continue;
      CHECK(tl_str_equal(print(&found), sealed));
      accepted++;
    }
  }
  CHECK(accepted > 1000); // digits of the plan, letters of the device, numbers
}

static void check_refused(const char *ways) {
  char text[TEXT_BYTES], digest[TL_SHA256_TEXT_BYTES];
  tl_sha256_text(tuning.plan, digest);
  int length = snprintf(text, sizeof text, "tlmc tuning 1\nplan %s\ndevice x\n%ssum %016d\n",
                        digest, ways, 0);
  CHECK(tl_tuning_parse(seal(text, (size_t)length), &found) == TL_INPUT);
}

static void test_order(void) {
  check_refused("way 0 1 8 0 8 0\nway 0 1 8 9 16 0\n");
  check_refused("way 0 1 8 0 8 0\nway 0 2 9 0 8 0\nway 0 1 7 9 16 0\n");
  check_refused("way 0 0 8 0 8 0\n");
  check_refused("way 0 1 0 0 8 0\n");
  check_refused("way 0 1 8 0 4294967296 0\n");
  check_refused("way 0 1 8 0 99999999999999999999999999 0\n");
  check_refused("way 0 1 08 0 8 0\n");
  check_refused("way 0 1 8 0 8\n");
  check_refused("way 0 1 8 0 8 0 0\n");
}

static void test_full(void) {
  static tl_tuning full;
  snprintf(full.device, sizeof full.device, "%s", "x");
  tl_tuning_way way = {0, 1, 1, 0, UINT32_MAX, 0};
  for (uint32_t i = 0; i < TL_TUNING_WAYS_MAX; i++) {
    way.rows = UINT32_MAX - TL_TUNING_WAYS_MAX + i;
    way.guard_min = UINT32_MAX - i;
    CHECK(tl_tuning_add(&full, &way));
  }
  way.guard_min = 1;
  CHECK(!tl_tuning_add(&full, &way));
  CHECK(tl_ok(tl_tuning_parse(print(&full), &found)));
  CHECK(memcmp(&full, &found, sizeof full) == 0);
}

static void test_files(void) {
  char plan[] = "/tmp/tlmc-tuning-??????", path[sizeof plan + 8];
  tl_diag diag = {0};
  bool is_found = true;
  memset(strchr(plan, '?'), 'X', 6);
  int fd = mkstemp(plan);
  CHECK(fd >= 0 && close(fd) == 0);
  snprintf(path, sizeof path, "%s.tune", plan);
  CHECK(tl_ok(tl_tuning_read(plan, &found, &is_found, &diag)) && !is_found);
  CHECK(tl_ok(tl_tuning_write(&tuning, plan, &diag)));
  CHECK(tl_ok(tl_tuning_read(plan, &found, &is_found, &diag)) && is_found);
  CHECK(memcmp(&found, &tuning, sizeof found) == 0 && diag.count == 0);
  CHECK(truncate(path, 100) == 0);
  CHECK(tl_tuning_read(plan, &found, &is_found, &diag) == TL_INPUT && diag.count == 1);
  CHECK(strstr(diag.entries[0].text, ".tune is damaged or of another version"));
  CHECK(unlink(path) == 0 && mkdir(path, 0700) == 0);
  CHECK(tl_tuning_write(&tuning, plan, &diag) == TL_IO);
  CHECK(rmdir(path) == 0 && unlink(plan) == 0);
}

int main(void) {
  tl_arena_init(&arena, ARENA_BYTES);
  make();
  tl_str text = print(&tuning);
  CHECK(tl_ok(tl_tuning_parse(text, &found)));
  CHECK(memcmp(&found, &tuning, sizeof found) == 0);
  test_find();
  test_damage(text);
  char kept[TEXT_BYTES];
  memcpy(kept, text.data, text.length);
  test_sealed((tl_str){kept, text.length});
  test_order();
  test_full();
  test_files();
  tl_arena_finish(&arena);
  return 0;
}
