// Maps of characters, and how two that follow each other become one.
#include "compiler/load/tokenizer_build.h"
#include "runtime/base/hash.h"

tl_status tl_build_map_start(tl_build *build, uint32_t **out_map) {
  *out_map = tl_arena_array(build->arena, TL_CODES_COUNT, sizeof **out_map);
  return *out_map ? TL_OK : TL_MEMORY;
}

tl_status tl_build_map_set(tl_build *build, tl_unicode_set set, uint32_t cell, uint32_t *map) {
  tl_charset codes = {0};
  TL_TRY(tl_unicode_add(build->arena, set, &codes));
  for (size_t i = 0; i + 1 < codes.count; i += 2)
    for (uint32_t code = codes.bounds[i]; code < codes.bounds[i + 1]; code++)
      map[code] = cell;
  return TL_OK;
}

tl_status tl_build_map_cell(tl_build *build, tl_str text, uint32_t *out_cell) {
  uint32_t offset;
  TL_TRY(tl_build_pool(build, text, &offset));
  if (text.length >> TL_MAP_LENGTH_BITS || build->pool.length >> TL_MAP_OFFSET_BITS)
    return TL_MEMORY;
  *out_cell = TL_MAP_CHANGED | offset << TL_MAP_LENGTH_BITS | (uint32_t)text.length;
  return TL_OK;
}

tl_status tl_build_map_lower(tl_build *build, uint32_t *map) {
  uint32_t *small = tl_arena_array(build->arena, TL_CODES_COUNT, sizeof *small);
  if (!small) return TL_MEMORY;
  tl_unicode_lower(small);
  for (uint32_t code = 0; code < TL_CODES_COUNT; code++) {
    char text[TL_UTF8_BYTES_MAX];
    if (!small[code]) continue;
    TL_TRY(tl_build_map_cell(build, (tl_str){text, tl_utf8_write(small[code], text)}, &map[code]));
  }
  // The one letter that becomes two: I with a dot.
  return tl_build_map_cell(build, TL_STR("i\xCC\x87"), &map[0x130]);
}

// What `cell` of the character `code` becomes under `map`, on the pool.
static tl_status change_cell(tl_build *b, const uint32_t *map, uint32_t code, uint32_t *cell) {
  char itself[TL_UTF8_BYTES_MAX + 2] = " ", changed[1 << TL_MAP_LENGTH_BITS];
  tl_str text = {b->pool.data + tl_map_offset(*cell), tl_map_length(*cell)};
  if (*cell & TL_MAP_SPACED) {
    size_t length = tl_utf8_write(code, itself + 1);
    itself[1 + length] = ' ';
    text = (tl_str){itself, length + 2};
  }
  size_t count = 0;
  bool same = true;
  for (size_t at = 0, length; at < text.length; at += length) {
    uint32_t part;
    length = tl_utf8_read(text.data + at, text.length - at, &part);
    tl_str to = tl_str_slice(text, at, at + length);
    if (map[part] & TL_MAP_SPACED) return TL_MEMORY; // no map of one kind after another does that
    if (map[part]) to = (tl_str){b->pool.data + tl_map_offset(map[part]), tl_map_length(map[part])};
    if (count + to.length > sizeof changed) return TL_MEMORY;
    if (to.length) memcpy(changed + count, to.data, to.length);
    count += to.length;
    same = same && !map[part];
  }
  return same ? TL_OK : tl_build_map_cell(b, (tl_str){changed, count}, cell);
}

// Whether every result of `first` can be written down after `second`.
static bool can_follow(const uint32_t *first, const uint32_t *second) {
  bool spaced = false, changed = false;
  for (uint32_t code = 0; code < TL_CODES_COUNT; code++) {
    spaced = spaced || second[code] & TL_MAP_SPACED;
    changed = changed || tl_map_length(first[code]) || first[code] & TL_MAP_SPACED;
  }
  return !(spaced && changed);
}

tl_status tl_build_map_step(tl_build *build, const tl_json *node, uint32_t *map) {
  uint32_t steps = build->table.steps_count;
  tl_tokenizer_step *last = steps ? &build->steps[steps - 1] : NULL;
  if (last && last->kind == TL_STEP_MAP && can_follow(build->maps[last->pattern], map)) {
    uint32_t *first = build->maps[last->pattern];
    for (uint32_t code = 0; code < TL_CODES_COUNT; code++) {
      if (first[code]) {
        TL_TRY(change_cell(build, map, code, &first[code]));
      } else {
        first[code] = map[code];
      }
    }
    return TL_OK;
  }
  if (build->maps_count == TL_TOKENIZER_MAPS_MAX)
    return tl_diag_error(build->diag, TL_UNSUPPORTED, tl_json_span(build->source, node),
                         "more than %d normalizers of single characters", TL_TOKENIZER_MAPS_MAX);
  build->maps[build->maps_count] = map;
  tl_tokenizer_step step = {.kind = TL_STEP_MAP, .pattern = build->maps_count++};
  return tl_build_step(build, node, step, TL_STR(""));
}

tl_status tl_build_maps(tl_build *build) {
  size_t block_bytes = TL_CHAR_BLOCK * sizeof(uint32_t), capacity = 0, hashes_capacity = 0;
  uint32_t count = build->maps_count * TL_CHAR_BLOCKS, blocks = 0;
  uint16_t *index = tl_arena_array(build->arena, count, sizeof *index);
  uint32_t *cells = NULL;
  uint64_t *hashes = NULL;
  if (!index) return TL_MEMORY;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t *block =
        build->maps[i / TL_CHAR_BLOCKS] + (size_t)i % TL_CHAR_BLOCKS * TL_CHAR_BLOCK;
    uint64_t hash = tl_hash64(block, block_bytes, 0);
    uint32_t same = blocks; // the newest first: most are like the one before
    while (same > 0 &&
           (hashes[same - 1] != hash ||
            memcmp(cells + (size_t)(same - 1) * TL_CHAR_BLOCK, block, block_bytes) != 0))
      same--;
    if (same == 0) {
      cells = tl_arena_grow(build->arena, cells, &capacity, (size_t)(blocks + 1) * TL_CHAR_BLOCK,
                            sizeof *cells);
      hashes = tl_arena_grow(build->arena, hashes, &hashes_capacity, blocks + 1, sizeof *hashes);
      if (!cells || !hashes || blocks > UINT16_MAX) return TL_MEMORY;
      memcpy(cells + (size_t)blocks * TL_CHAR_BLOCK, block, block_bytes);
      hashes[blocks] = hash;
      same = ++blocks;
    }
    index[i] = (uint16_t)(same - 1);
  }
  build->table.map_index = index;
  build->table.map_index_count = count;
  build->table.map_cells = cells;
  build->table.map_cells_count = blocks * TL_CHAR_BLOCK;
  return TL_OK;
}
