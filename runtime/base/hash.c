// Implementation of hash.h: SHA-256 after FIPS 180-4, XXH3 from the system's header.
#include "runtime/base/hash.h"

#define XXH_INLINE_ALL
#include <stdatomic.h>
#include <xxhash.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

static const uint32_t constants[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, int count) {
  return x >> count | x << (32 - count);
}

// The 64 words of a block: its own 16, the rest made from earlier ones.
static void expand(const uint8_t *block, uint32_t words[64]) {
  for (int i = 0; i < 16; i++) {
    memcpy(&words[i], block + 4 * i, 4);
    words[i] = __builtin_bswap32(words[i]);
  }
  for (int i = 16; i < 64; i++) {
    uint32_t a = words[i - 15], b = words[i - 2];
    uint32_t s0 = rotate(a, 7) ^ rotate(a, 18) ^ a >> 3;
    uint32_t s1 = rotate(b, 17) ^ rotate(b, 19) ^ b >> 10;
    words[i] = words[i - 16] + s0 + words[i - 7] + s1;
  }
}

static void blocks_portable(uint32_t state[8], const uint8_t *blocks, size_t count) {
  for (; count; count--, blocks += TL_SHA256_BLOCK_BYTES) {
    uint32_t words[64], s[8];
    expand(blocks, words);
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
      uint32_t s1 = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
      uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
      uint32_t t1 = s[7] + s1 + choice + constants[i] + words[i];
      uint32_t s0 = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
      uint32_t t2 = s0 + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
      memmove(s + 1, s, 7 * sizeof *s);
      s[4] += t1;
      s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
      state[i] += s[i];
  }
}

#if defined(__x86_64__)
#define SHA_TARGET __attribute__((target("sha,ssse3,sse4.1")))

// The instructions keep the state as two vectors, highest word first:
//
//   abef = a b e f      cdgh = c d g h
//
// and do two rounds each. Four words of the message are in one vector.
SHA_TARGET static inline void rounds4(__m128i *abef, __m128i *cdgh, __m128i words, int group) {
  __m128i sum =
      _mm_add_epi32(words, _mm_load_si128((const __m128i *)(const void *)(constants + 4 * group)));
  *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, sum);
  *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(sum, 0x0E));
}

// Words 4g .. 4g+3 from the sixteen before them, `w[g & 3]` being the oldest four.
SHA_TARGET static inline __m128i next_words(const __m128i w[4], int group) {
  __m128i oldest = w[group & 3], newest = w[(group + 3) & 3], third = w[(group + 2) & 3];
  __m128i sum = _mm_sha256msg1_epu32(oldest, w[(group + 1) & 3]);
  sum = _mm_add_epi32(sum, _mm_alignr_epi8(newest, third, 4));
  return _mm_sha256msg2_epu32(sum, newest);
}

SHA_TARGET static void blocks_sha_ni(uint32_t state[8], const uint8_t *blocks, size_t count) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bll, 0x0405060700010203ll);
  __m128i dcba = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)state), 0xB1);
  __m128i hgfe =
      _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)(state + 4)), 0x1B);
  __m128i abef = _mm_alignr_epi8(dcba, hgfe, 8), cdgh = _mm_blend_epi16(hgfe, dcba, 0xF0);
  for (; count; count--, blocks += TL_SHA256_BLOCK_BYTES) {
    __m128i abef_before = abef, cdgh_before = cdgh, w[4];
    for (int i = 0; i < 4; i++) {
      w[i] = _mm_loadu_si128((const __m128i *)(const void *)(blocks + 16 * i));
      w[i] = _mm_shuffle_epi8(w[i], swap);
      rounds4(&abef, &cdgh, w[i], i);
    }
#pragma GCC unroll 12
    for (int group = 4; group < 16; group++) {
      w[group & 3] = next_words(w, group);
      rounds4(&abef, &cdgh, w[group & 3], group);
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  __m128i feba = _mm_shuffle_epi32(abef, 0x1B), dchg = _mm_shuffle_epi32(cdgh, 0xB1);
  _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(feba, dchg, 0xF0));
  _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

static bool ask_sha_ni(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1)) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & 1u << 29);
}

// Asking takes a virtual machine longer than hashing a page does, so it is done once.
static bool has_sha_ni(void) {
  enum { UNKNOWN, NO, YES };
  static atomic_int known = UNKNOWN;
  int answer = atomic_load_explicit(&known, memory_order_relaxed);
  if (answer == UNKNOWN) {
    answer = ask_sha_ni() ? YES : NO;
    atomic_store_explicit(&known, answer, memory_order_relaxed);
  }
  return answer == YES;
}

static tl_sha256_blocks *best_blocks(void) {
  return has_sha_ni() ? blocks_sha_ni : blocks_portable;
}
#else
static tl_sha256_blocks *best_blocks(void) {
  return blocks_portable;
}
#endif

void tl_sha256_init_portable(tl_sha256 *sha) {
  *sha = (tl_sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                               0x9b05688c, 0x1f83d9ab, 0x5be0cd19},
                     .blocks = blocks_portable};
}

void tl_sha256_init(tl_sha256 *sha) {
  tl_sha256_init_portable(sha);
  sha->blocks = best_blocks();
}

void tl_sha256_add(tl_sha256 *sha, const void *data, size_t bytes) {
  if (!bytes) return;
  const uint8_t *from = data;
  size_t used = sha->total_bytes % TL_SHA256_BLOCK_BYTES;
  sha->total_bytes += bytes;
  if (used) {
    size_t part = TL_SHA256_BLOCK_BYTES - used;
    if (part > bytes) part = bytes;
    memcpy(sha->pending + used, from, part);
    from += part;
    bytes -= part;
    if (used + part < TL_SHA256_BLOCK_BYTES) return;
    sha->blocks(sha->state, sha->pending, 1);
  }
  size_t whole = bytes / TL_SHA256_BLOCK_BYTES;
  if (whole) sha->blocks(sha->state, from, whole);
  memcpy(sha->pending, from + whole * TL_SHA256_BLOCK_BYTES, bytes % TL_SHA256_BLOCK_BYTES);
}

void tl_sha256_finish(tl_sha256 *sha, uint8_t out_digest[TL_SHA256_BYTES]) {
  // A one bit, zeros, and the message's length in bits in the last eight bytes of a block.
  static const uint8_t padding[TL_SHA256_BLOCK_BYTES] = {0x80};
  uint64_t bits = __builtin_bswap64(sha->total_bytes * 8);
  size_t used = sha->total_bytes % TL_SHA256_BLOCK_BYTES;
  tl_sha256_add(sha, padding, used < 56 ? 56 - used : 120 - used);
  tl_sha256_add(sha, &bits, sizeof bits);
  for (int i = 0; i < 8; i++) {
    uint32_t word = __builtin_bswap32(sha->state[i]);
    memcpy(out_digest + 4 * i, &word, 4);
  }
}

void tl_sha256_text(const uint8_t digest[TL_SHA256_BYTES], char out_text[TL_SHA256_TEXT_BYTES]) {
  static const char digits[] = "0123456789abcdef";
  for (int i = 0; i < TL_SHA256_BYTES; i++) {
    out_text[2 * i] = digits[digest[i] >> 4];
    out_text[2 * i + 1] = digits[digest[i] & 15];
  }
  out_text[2 * TL_SHA256_BYTES] = 0;
}

uint64_t tl_hash64(const void *data, size_t bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes ? data : "", bytes, seed);
}
