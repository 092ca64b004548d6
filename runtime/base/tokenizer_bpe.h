// Byte pair encoding on verified tokenizer tables: one word in, ids out.
//
// The pair with the lowest rank is joined first, the leftmost of equals, until no pair has a rank.
// Three things make that fast without changing a result: a word whose merges are known to end in
// one token is looked up; a word is cut where no merge can ever join its neighbours; short pieces
// are scanned, long ones use a heap (a piece of n symbols costs O(n log n)).
#ifndef TL_BASE_TOKENIZER_BPE_H
#define TL_BASE_TOKENIZER_BPE_H

#include "runtime/base/arena.h"
#include "runtime/base/tokenizer_table.h"

typedef struct tl_ids {
  int32_t *items;
  size_t count, capacity;
} tl_ids;

typedef struct tl_bpe_symbol tl_bpe_symbol;

// Work space for many words of one text; init in place, memory comes from `arena` and stays there.
typedef struct tl_bpe {
  const tl_tokenizer_table *table;
  tl_arena *arena;
  bool skip_whole; // do not look words up (the compiler, when it finds out which may be)
  tl_ids ids;      // the result, appended to
  // Private: symbols of the current piece and its heap.
  uint32_t *symbols;
  size_t symbols_count, symbols_capacity;
  tl_bpe_symbol *links;
  size_t links_capacity;
  uint64_t *heap;
  size_t heap_count, heap_capacity;
  bool unknown_pending;
} tl_bpe;

// Appends the ids of `word` to bpe->ids. TL_MEMORY if the arena is exhausted.
TL_CHECKED tl_status tl_bpe_encode(tl_bpe *bpe, tl_str word);

// Appends one id. TL_MEMORY if the arena is exhausted.
TL_CHECKED tl_status tl_ids_push(tl_arena *arena, tl_ids *ids, uint32_t id);

// The id made from exactly `word`, or TL_TOKEN_NONE.
uint32_t tl_word_find(const tl_tokenizer_table *table, tl_str word);

// The bit of edge_bits for two neighbouring symbols, given as bytes or code points.
static inline uint32_t tl_edge_bit(uint32_t before, uint32_t after, uint32_t words_count) {
  return tl_pair_hash(before, after) & (words_count * 32 - 1);
}

#endif
