// SHA-256 against the standard's examples and between its two paths; XXH3 against its reference.
#include "runtime/base/hash.h"
#include "tests/lib/check.h"

typedef void start(tl_sha256 *sha);

static void check_digest(start *init, const char *data, size_t bytes, const char *wanted) {
  tl_sha256 sha;
  uint8_t digest[TL_SHA256_BYTES];
  char text[TL_SHA256_TEXT_BYTES];
  init(&sha);
  tl_sha256_add(&sha, data, bytes);
  tl_sha256_finish(&sha, digest);
  tl_sha256_text(digest, text);
  CHECK(strcmp(text, wanted) == 0);
}

static void test_examples(start *init) {
  check_digest(init, NULL, 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  check_digest(init, "abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  check_digest(init, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  tl_sha256 sha;
  uint8_t digest[TL_SHA256_BYTES];
  char part[1000], text[TL_SHA256_TEXT_BYTES];
  memset(part, 'a', sizeof part);
  init(&sha);
  for (int i = 0; i < 1000; i++)
    tl_sha256_add(&sha, part, sizeof part);
  tl_sha256_finish(&sha, digest);
  tl_sha256_text(digest, text);
  CHECK(!strcmp(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
}

// Any cut of any length gives the same digest on both paths.
static void test_cuts(void) {
  uint8_t data[300];
  for (size_t i = 0; i < sizeof data; i++)
    data[i] = (uint8_t)(i * 167 + 13);
  for (size_t length = 0; length <= sizeof data; length++) {
    tl_sha256 whole, parts;
    uint8_t a[TL_SHA256_BYTES], b[TL_SHA256_BYTES];
    tl_sha256_init(&whole);
    tl_sha256_add(&whole, data, length);
    tl_sha256_finish(&whole, a);
    tl_sha256_init_portable(&parts);
    for (size_t at = 0, part = 1; at < length; at += part, part = part % 97 + 7) {
      if (part > length - at) part = length - at;
      tl_sha256_add(&parts, data + at, part);
    }
    tl_sha256_finish(&parts, b);
    CHECK(memcmp(a, b, sizeof a) == 0);
  }
}

int main(void) {
  test_examples(tl_sha256_init);
  test_examples(tl_sha256_init_portable);
  test_cuts();
  CHECK(tl_hash64(NULL, 0, 0) == 0x2d06800538d394c2ull);
  CHECK(tl_hash64("abc", 3, 0) == 0x78af5f94892f3950ull);
  CHECK(tl_hash64("abc", 3, 1) != tl_hash64("abc", 3, 0));
  return 0;
}
