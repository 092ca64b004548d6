// Merging. A piece is a list of symbols between two neighbours that no merge can join.
#include "runtime/base/tokenizer_bpe.h"

#include "runtime/base/utf8.h"

enum {
  SCAN_BITS = 6,             // of the number of
  SCAN_MAX = 1 << SCAN_BITS, // symbols up to which scanning for the lowest rank beats a heap
  KEY_NONE = INT32_MAX,      // of a pair that does not merge, above all others
  WORD_UNCUT = 24,           // bytes of a byte word up to which looking for cuts does not pay
  SYMBOLS_MAX = 1 << 30,     // of a piece
};

// A symbol of a long piece: a doubly linked list by index.
struct tl_bpe_symbol {
  uint32_t id; // TL_TOKEN_NONE once joined to its left neighbour
  int32_t before, after;
};

tl_status tl_ids_push(tl_arena *arena, tl_ids *ids, uint32_t id) {
  if (ids->count == ids->capacity) {
    int32_t *grown =
        tl_arena_grow(arena, ids->items, &ids->capacity, ids->count + 64, sizeof *grown);
    if (!grown) return TL_MEMORY;
    ids->items = grown;
  }
  ids->items[ids->count++] = (int32_t)id;
  return TL_OK;
}

uint32_t tl_word_find(const tl_tokenizer_table *table, tl_str word) {
  uint32_t hash = tl_word_hash(word.data, word.length), mask = table->word_slots_count - 1;
  uint32_t at = hash & mask;
  for (uint32_t probe = 0; probe <= table->header.word_probes; probe++) {
    uint32_t slot = table->word_slots[at], id = slot & TL_SLOT_EMPTY;
    if (id == TL_SLOT_EMPTY) return TL_TOKEN_NONE;
    if (slot >> 21 == hash >> 21 && tl_str_equal(tl_token_word(table, id), word)) return id;
    at = (at + 1) & mask;
  }
  return TL_TOKEN_NONE;
}

// The slot of (left, right), or NULL if they do not merge; most that do not are told by a bit.
static const tl_tokenizer_merge *find_merge(const tl_tokenizer_table *table, uint32_t left,
                                            uint32_t right) {
  uint32_t hash = tl_pair_hash(left, right), bit = hash & (table->pair_bits_count * 32 - 1);
  if (!(table->pair_bits[bit / 32] >> bit % 32 & 1)) return NULL;
  uint32_t at = tl_merge_slot(hash, table->merges_count);
  for (uint32_t probe = 0; probe <= table->header.merge_probes; probe++) {
    const tl_tokenizer_merge *merge = &table->merges[at];
    if (merge->result == TL_TOKEN_NONE) return NULL;
    if (tl_merge_left(merge) == left && tl_merge_right(merge) == right) return merge;
    if (++at == table->merges_count) at = 0;
  }
  return NULL;
}

static tl_status push_ids(tl_bpe *bpe, const uint32_t *ids, size_t count) {
  for (size_t i = 0; i < count; i++)
    TL_TRY(tl_ids_push(bpe->arena, &bpe->ids, ids[i]));
  return TL_OK;
}

// The key of a pair of a short piece, with its place in the low bits: the least is merged first.
static int32_t look_up(const tl_tokenizer_table *t, const uint32_t *ids, size_t place, size_t next,
                       uint32_t *results) {
  const tl_tokenizer_merge *merge = find_merge(t, ids[place], ids[next]);
  if (!merge) return KEY_NONE;
  results[place] = merge->result;
  return (int32_t)(tl_merge_rank(merge) << SCAN_BITS | (uint32_t)place);
}

// Keeps the ids whose bits are set; returns how many.
static size_t keep_live(uint32_t *ids, uint64_t live) {
  size_t kept = 0;
  for (; live; live &= live - 1)
    ids[kept++] = ids[__builtin_ctzll(live)];
  return kept;
}

// Merges up to SCAN_MAX symbols in place; returns how many are left. Symbols stay where they are,
// and one that is joined to its left neighbour loses its bit in `live`.
static size_t merge_short(const tl_tokenizer_table *t, uint32_t *ids, size_t count) {
  int32_t keys[SCAN_MAX];
  uint32_t results[SCAN_MAX];
  size_t padded = (count + 7) / 8 * 8;
  uint64_t live = count == SCAN_MAX ? UINT64_MAX : ((uint64_t)1 << count) - 1;
  for (size_t i = 0; i < padded; i++)
    keys[i] = i + 1 < count ? look_up(t, ids, i, i + 1, results) : KEY_NONE;
  for (;;) {
    int32_t best = KEY_NONE;
    for (size_t i = 0; i < padded; i++)
      best = keys[i] < best ? keys[i] : best;
    if (best == KEY_NONE) return keep_live(ids, live);
    size_t at = (size_t)best % SCAN_MAX;
    uint64_t before = live & (((uint64_t)1 << at) - 1), after = live & ~before;
    after &= after - 1; // without this one
    keys[__builtin_ctzll(after)] = KEY_NONE;
    live &= ~(after & -after);
    after &= after - 1;
    ids[at] = results[at];
    keys[at] = after ? look_up(t, ids, at, (size_t)__builtin_ctzll(after), results) : KEY_NONE;
    if (!before) continue;
    size_t left = (size_t)(63 - __builtin_clzll(before));
    keys[left] = look_up(t, ids, left, at, results);
  }
}

// The heap holds rank << 32 | place, the smallest on top.
static void heap_push(tl_bpe *bpe, uint64_t key) {
  size_t at = bpe->heap_count++;
  while (at > 0 && bpe->heap[(at - 1) / 2] > key) {
    bpe->heap[at] = bpe->heap[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  bpe->heap[at] = key;
}

static uint64_t heap_pop(tl_bpe *bpe) {
  uint64_t top = bpe->heap[0], key = bpe->heap[--bpe->heap_count];
  size_t at = 0, count = bpe->heap_count;
  for (size_t child = 1; child < count; child = 2 * at + 1) {
    if (child + 1 < count && bpe->heap[child + 1] < bpe->heap[child]) child++;
    if (bpe->heap[child] >= key) break;
    bpe->heap[at] = bpe->heap[child];
    at = child;
  }
  bpe->heap[at] = key;
  return top;
}

static const tl_tokenizer_merge *merge_at(const tl_bpe *bpe, int32_t place) {
  const tl_bpe_symbol *symbol = &bpe->links[place];
  if (symbol->id == TL_TOKEN_NONE || symbol->after < 0) return NULL;
  return find_merge(bpe->table, symbol->id, bpe->links[symbol->after].id);
}

static void offer(tl_bpe *bpe, int32_t place) {
  const tl_tokenizer_merge *merge = place < 0 ? NULL : merge_at(bpe, place);
  if (merge) heap_push(bpe, (uint64_t)tl_merge_rank(merge) << 32 | (uint32_t)place);
}

// Room for `count` symbols; a merge takes one key out and puts at most two in, so 2 * count hold.
static tl_status reserve_links(tl_bpe *bpe, size_t count) {
  tl_bpe_symbol *links =
      tl_arena_grow(bpe->arena, bpe->links, &bpe->links_capacity, count, sizeof *links);
  if (!links) return TL_MEMORY;
  bpe->links = links;
  uint64_t *heap =
      tl_arena_grow(bpe->arena, bpe->heap, &bpe->heap_capacity, 2 * count, sizeof *heap);
  if (!heap) return TL_MEMORY;
  bpe->heap = heap;
  return TL_OK;
}

static tl_status merge_long(tl_bpe *bpe) {
  size_t count = bpe->symbols_count;
  if (count > SYMBOLS_MAX) return TL_MEMORY;
  TL_TRY(reserve_links(bpe, count));
  for (size_t i = 0; i < count; i++)
    bpe->links[i] = (tl_bpe_symbol){bpe->symbols[i], (int32_t)i - 1, (int32_t)i + 1};
  bpe->links[count - 1].after = -1;
  bpe->heap_count = 0;
  for (size_t i = 0; i + 1 < count; i++)
    offer(bpe, (int32_t)i);
  while (bpe->heap_count) {
    uint64_t key = heap_pop(bpe);
    int32_t place = (int32_t)(uint32_t)key;
    const tl_tokenizer_merge *merge = merge_at(bpe, place);
    if (!merge || tl_merge_rank(merge) != key >> 32) continue; // a pair that is no more
    tl_bpe_symbol *symbol = &bpe->links[place], *gone = &bpe->links[symbol->after];
    symbol->id = merge->result;
    gone->id = TL_TOKEN_NONE;
    symbol->after = gone->after;
    if (symbol->after >= 0) bpe->links[symbol->after].before = place;
    offer(bpe, symbol->before);
    offer(bpe, place);
  }
  for (int32_t i = 0; i >= 0; i = bpe->links[i].after)
    TL_TRY(tl_ids_push(bpe->arena, &bpe->ids, bpe->links[i].id));
  return TL_OK;
}

static void take_pending(tl_bpe *bpe) {
  if (bpe->unknown_pending) bpe->symbols[bpe->symbols_count++] = bpe->table->header.unknown_id;
  bpe->unknown_pending = false;
}

// A code point that is no token: its bytes if all have symbols, else the unknown token, which waits
// for the next known symbol so that neighbours can fuse.
static void add_unknown(tl_bpe *bpe, const char *data, size_t length) {
  const tl_tokenizer_table *t = bpe->table;
  bool spelled = t->header.model_flags & TL_MODEL_BYTE_FALLBACK;
  for (size_t i = 0; i < length; i++)
    spelled = spelled && t->byte_ids[(uint8_t)data[i]] != TL_TOKEN_NONE;
  if (spelled) {
    for (size_t i = 0; i < length; i++)
      bpe->symbols[bpe->symbols_count++] = t->byte_ids[(uint8_t)data[i]];
  } else if (t->header.unknown_id != TL_TOKEN_NONE) {
    if (!(t->header.model_flags & TL_MODEL_FUSE_UNKNOWN)) take_pending(bpe);
    bpe->unknown_pending = true;
  }
}

static void add_symbols(tl_bpe *bpe, tl_str piece) {
  const tl_tokenizer_table *t = bpe->table;
  bool bytes = t->header.model_flags & TL_MODEL_BYTES;
  size_t length = 1;
  for (size_t at = 0; at < piece.length; at += length) {
    uint32_t id, code;
    if (bytes) {
      id = t->byte_ids[(uint8_t)piece.data[at]];
    } else {
      length = tl_utf8_read(piece.data + at, piece.length - at, &code);
      id = t->char_ids[(size_t)t->char_id_index[code / TL_CHAR_BLOCK] * TL_CHAR_BLOCK +
                       code % TL_CHAR_BLOCK];
    }
    if (id == TL_TOKEN_NONE) {
      add_unknown(bpe, piece.data + at, length);
    } else {
      take_pending(bpe);
      bpe->symbols[bpe->symbols_count++] = id;
    }
  }
}

static uint32_t find_whole(const tl_bpe *bpe, tl_str piece, bool is_word) {
  const tl_tokenizer_table *t = bpe->table;
  if (piece.length > t->header.word_bytes_max || bpe->skip_whole) return TL_TOKEN_NONE;
  uint32_t id = tl_word_find(t, piece);
  if (id == TL_TOKEN_NONE || t->token_flags[id] & TL_TOKEN_WHOLE) return id;
  return is_word && t->header.model_flags & TL_MODEL_WHOLE_WORDS ? id : TL_TOKEN_NONE;
}

// Of the word's pieces, one that is the word itself has been looked up already.
static tl_status encode_piece(tl_bpe *bpe, tl_str piece, tl_str word) {
  uint32_t *symbols = tl_arena_grow(bpe->arena, bpe->symbols, &bpe->symbols_capacity,
                                    piece.length + 2, sizeof *symbols);
  if (!symbols) return TL_MEMORY;
  bpe->symbols = symbols;
  bpe->symbols_count = 0;
  bool is_last = piece.data + piece.length == word.data + word.length;
  uint32_t whole = piece.length == word.length ? TL_TOKEN_NONE : find_whole(bpe, piece, false);
  if (whole != TL_TOKEN_NONE) {
    take_pending(bpe);
    symbols[bpe->symbols_count++] = whole;
    return push_ids(bpe, symbols, bpe->symbols_count);
  }
  add_symbols(bpe, piece);
  if (is_last) take_pending(bpe);
  if (bpe->symbols_count > SCAN_MAX) return merge_long(bpe);
  return push_ids(bpe, symbols, merge_short(bpe->table, symbols, bpe->symbols_count));
}

// Length of the piece at the start of `word`.
static size_t piece_length(const tl_tokenizer_table *t, tl_str word) {
  bool bytes = t->header.model_flags & TL_MODEL_BYTES;
  if (bytes && word.length <= WORD_UNCUT) return word.length;
  uint32_t before = 0, code = 0;
  for (size_t at = 0, length = 1; at < word.length; at += length) {
    if (bytes) {
      code = (uint8_t)word.data[at];
    } else {
      length = tl_utf8_read(word.data + at, word.length - at, &code);
    }
    if (at > 0) {
      uint32_t bit = tl_edge_bit(before, code, t->edge_bits_count);
      if (!(t->edge_bits[bit / 32] >> bit % 32 & 1)) return at;
    }
    before = code;
  }
  return word.length;
}

tl_status tl_bpe_encode(tl_bpe *bpe, tl_str word) {
  uint32_t whole = find_whole(bpe, word, true);
  if (whole != TL_TOKEN_NONE) return tl_ids_push(bpe->arena, &bpe->ids, whole);
  bpe->unknown_pending = false;
  for (size_t at = 0, length; at < word.length; at += length) {
    length = piece_length(bpe->table, tl_str_slice(word, at, word.length));
    TL_TRY(encode_piece(bpe, (tl_str){word.data + at, length}, word));
  }
  return TL_OK;
}
