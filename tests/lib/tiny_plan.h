// A small but complete plan for tests: two targets whose kernels return at once, two programs, the
// second with a product for a library, which no device that it is for has;
// weights of 3 MiB in all formats and layouts (four checksums), a tokenizer of noise.
//
//   tl_tiny_plan tiny;
//   tl_tiny_plan_init(&tiny, seed, false);
//   CHECK(tl_ok(tl_plan_write(&tiny.parts, path, 1, &arena, &diag)));
//
// Plans of different seeds differ in their weights and in nothing else.
#ifndef TL_TESTS_TINY_PLAN_H
#define TL_TESTS_TINY_PLAN_H

#include "compiler/plan_write.h"

enum {
  TL_TINY_TARGETS = 2,
  TL_TINY_ANSWER = 42, // what the code at offset 0 of each image returns, as an int
  TL_TINY_CODE_BYTES = TL_PLAN_CODE_BYTES + 100
};

typedef struct tl_tiny_plan {
  tl_plan_parts parts;
  tl_plan_tables tables;
  tl_plan_model model;
  tl_str images[TL_TINY_TARGETS];
  uint64_t seed;
} tl_tiny_plan;

// `tiny` must stay where it is.
void tl_tiny_plan_init(tl_tiny_plan *tiny, uint64_t seed, bool skeleton);

// Makes the digest of header and section table right again in a plan file in memory.
void tl_tiny_plan_seal_head(char *file);

// The same for all sections and checksums, which must lie inside the file, and for the head.
void tl_tiny_plan_seal(char *file);

// The first section of `kind` of a plan file in memory; NULL if there is none.
tl_plan_section *tl_tiny_plan_find(char *file, tl_plan_section_kind kind);

#endif
