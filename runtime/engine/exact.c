// log by the series of artanh, random numbers by Philox (Salmon et al., "Parallel random numbers:
// as easy as 1, 2, 3", 2011).
#include "runtime/engine/exact.h"

enum { LOG_TERMS = 12, ROUNDS = 10 };

double tl_exact_log(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  int exponent = (int)(bits >> 52 & 2047) - 1023;
  bits = (bits & 0x000fffffffffffffu) | 0x3ff0000000000000u;
  double m;
  memcpy(&m, &bits, sizeof m);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    exponent++;
  }
  // log m = 2 artanh s; s is at most 0.172, so twelve terms reach the last bit.
  double s = (m - 1) / (m + 1), square = s * s, sum = 0;
  for (int i = LOG_TERMS; i-- > 0;)
    sum = sum * square + 1.0 / (2 * i + 1);
  return 2 * s * sum + exponent * 0.69314718055994531;
}

void tl_exact_random(uint64_t seed, uint64_t position, uint32_t out_words[4]) {
  uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  uint32_t w[4] = {(uint32_t)position, (uint32_t)(position >> 32), 0, 0};
  for (int round = 0; round < ROUNDS; round++) {
    uint64_t a = (uint64_t)w[0] * 0xd2511f53u, b = (uint64_t)w[2] * 0xcd9e8d57u;
    uint32_t mixed[4] = {(uint32_t)(b >> 32) ^ w[1] ^ key[0], (uint32_t)b,
                         (uint32_t)(a >> 32) ^ w[3] ^ key[1], (uint32_t)a};
    memcpy(w, mixed, sizeof w);
    key[0] += 0x9e3779b9u;
    key[1] += 0xbb67ae85u;
  }
  memcpy(out_words, w, sizeof w);
}
