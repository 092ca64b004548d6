// Hashes: SHA-256 for what must be told apart for certain, XXH3 for damage and for tables.
//
//   tl_sha256 sha;
//   tl_sha256_init(&sha);
//   tl_sha256_add(&sha, part, bytes);   any number of times
//   tl_sha256_finish(&sha, digest);
//
// The digest does not depend on how the bytes were cut into parts, nor on the machine.
#ifndef TL_BASE_HASH_H
#define TL_BASE_HASH_H

#include "runtime/base/str.h"

enum { TL_SHA256_BYTES = 32, TL_SHA256_BLOCK_BYTES = 64, TL_SHA256_TEXT_BYTES = 65 };

// Folds `count` blocks of 64 bytes into the state.
typedef void tl_sha256_blocks(uint32_t state[8], const uint8_t *blocks, size_t count);

typedef struct tl_sha256 {
  uint32_t state[8];
  uint64_t total_bytes;
  uint8_t pending[TL_SHA256_BLOCK_BYTES]; // the first total_bytes % 64 are used
  tl_sha256_blocks *blocks;
} tl_sha256;

// Starts an empty message. Takes the machine's SHA instructions where it has them.
void tl_sha256_init(tl_sha256 *sha);

// The same without special instructions, for tests.
void tl_sha256_init_portable(tl_sha256 *sha);

// Appends `bytes` bytes (`data` may be NULL if there are none).
void tl_sha256_add(tl_sha256 *sha, const void *data, size_t bytes);

// The digest of everything added; the object must be initialised again before another use.
void tl_sha256_finish(tl_sha256 *sha, uint8_t out_digest[TL_SHA256_BYTES]);

// Digest as 64 lower-case hex digits and a NUL.
void tl_sha256_text(const uint8_t digest[TL_SHA256_BYTES], char out_text[TL_SHA256_TEXT_BYTES]);

// XXH3-64 of the bytes; `seed` 0 is the plain one. Equal on all machines. `data` may be NULL if
// there are none.
uint64_t tl_hash64(const void *data, size_t bytes, uint64_t seed);

#endif
