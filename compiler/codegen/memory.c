// First-fit placement of buffers by their lives.
#include "compiler/codegen/memory.h"

static bool overlap(const tl_memory_life *a, const tl_memory_life *b) {
  return a->first <= b->last && b->first <= a->last;
}

// The lowest offset at which buffer `index` meets no placed buffer that lives with it.
static uint64_t fit(const tl_plan_buffer *buffers, const tl_memory_life *lives,
                    const uint32_t *placed, uint32_t placed_count, uint32_t index) {
  uint64_t at = 0;
  bool moved = true;
  while (moved) {
    moved = false;
    for (uint32_t i = 0; i < placed_count; i++) {
      const tl_plan_buffer *other = &buffers[placed[i]];
      if (other->symbol != buffers[index].symbol) continue;
      if (!overlap(&lives[placed[i]], &lives[index])) continue;
      if (at < other->offset + other->row_bytes && other->offset < at + buffers[index].row_bytes) {
        at = other->offset + other->row_bytes;
        moved = true;
      }
    }
  }
  return at;
}

tl_status tl_memory_place(tl_plan_buffer *buffers, const tl_memory_life *lives, uint32_t count,
                          uint64_t *out_arena_bytes, tl_arena *scratch) {
  uint32_t *placed = tl_arena_array(scratch, count + 1, sizeof *placed);
  if (!placed) return TL_MEMORY;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t at = i;
    while (at > 0 && lives[placed[at - 1]].first > lives[i].first) {
      placed[at] = placed[at - 1];
      at--;
    }
    placed[at] = i;
  }
  for (uint32_t i = 0; i < count; i++) {
    tl_plan_buffer *buffer = &buffers[placed[i]];
    buffer->offset = fit(buffers, lives, placed, i, placed[i]);
    uint64_t end = buffer->offset + buffer->row_bytes;
    if (end > out_arena_bytes[buffer->symbol]) out_arena_bytes[buffer->symbol] = end;
  }
  return TL_OK;
}
