// Implementation of arena.h: a list of malloc'd blocks, newest first.
#include "runtime/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_BYTES_MIN = 64 * 1024, ALIGNMENT = 16 };

// To the address sanitizer, only what was asked for is memory: not the rest of a block, nor the gap
// behind each allocation.
#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
enum { GAP = ALIGNMENT };
#else
#define ASAN_POISON_MEMORY_REGION(data, bytes) ((void)(data), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(data, bytes) ((void)(data), (void)(bytes))
enum { GAP = 0 };
#endif

struct tl_arena_block {
  tl_arena_block *next;
  size_t capacity;
  size_t used;
  size_t padding; // keeps the bytes that follow aligned to 16
};

void tl_arena_init(tl_arena *arena, size_t limit_bytes) {
  *arena = (tl_arena){.limit_bytes = limit_bytes, .fail_after = SIZE_MAX};
}

void tl_arena_finish(tl_arena *arena) {
  for (tl_arena_block *block = arena->head; block;) {
    tl_arena_block *next = block->next;
    free(block);
    block = next;
  }
  arena->head = NULL;
  arena->total_bytes = 0;
}

void tl_arena_reset(tl_arena *arena) {
  tl_arena_block *keep = arena->head;
  if (!keep) return;
  arena->head = keep->next;
  tl_arena_finish(arena);
  keep->next = NULL;
  ASAN_POISON_MEMORY_REGION(keep + 1, keep->used);
  keep->used = 0;
  arena->head = keep;
  arena->total_bytes = keep->capacity;
}

static tl_arena_block *add_block(tl_arena *arena, size_t bytes) {
  size_t capacity = arena->head ? arena->head->capacity * 2 : BLOCK_BYTES_MIN;
  size_t room = arena->limit_bytes - arena->total_bytes;
  if (capacity > room) capacity = room;
  if (capacity < bytes) capacity = bytes;
  if (capacity > room) return NULL;
  tl_arena_block *block = malloc(sizeof *block + capacity);
  if (!block) return NULL;
  *block = (tl_arena_block){.next = arena->head, .capacity = capacity};
  ASAN_POISON_MEMORY_REGION(block + 1, capacity);
  arena->head = block;
  arena->total_bytes += capacity;
  return block;
}

void *tl_arena_alloc(tl_arena *arena, size_t bytes) {
  if (arena->fail_after != SIZE_MAX && arena->fail_after-- == 0) {
    arena->fail_after = 0;
    return NULL;
  }
  if (bytes > SIZE_MAX - 2 * ALIGNMENT - GAP) return NULL;
  size_t taken = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + GAP;
  if (taken == 0) taken = ALIGNMENT;
  tl_arena_block *block = arena->head;
  if (!block || block->capacity - block->used < taken) block = add_block(arena, taken);
  if (!block) return NULL;
  char *data = (char *)(block + 1) + block->used;
  block->used += taken;
  ASAN_UNPOISON_MEMORY_REGION(data, bytes);
  return memset(data, 0, bytes);
}

void *tl_arena_array(tl_arena *arena, size_t count, size_t element_bytes) {
  size_t bytes;
  if (__builtin_mul_overflow(count, element_bytes, &bytes)) return NULL;
  return tl_arena_alloc(arena, bytes);
}

tl_str tl_arena_copy(tl_arena *arena, tl_str s) {
  char *data = tl_arena_alloc(arena, s.length + 1);
  if (!data) return (tl_str){NULL, 0};
  if (s.length) memcpy(data, s.data, s.length);
  return (tl_str){data, s.length};
}

tl_str tl_arena_format(tl_arena *arena, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  char *data = length < 0 ? NULL : tl_arena_alloc(arena, (size_t)length + 1);
  if (data) vsnprintf(data, (size_t)length + 1, format, again);
  va_end(again);
  return data ? (tl_str){data, (size_t)length} : (tl_str){NULL, 0};
}

void *tl_arena_grow(tl_arena *arena, void *items, size_t *capacity, size_t count,
                    size_t element_bytes) {
  if (count <= *capacity) return items;
  size_t wanted = *capacity ? *capacity * 2 : 8;
  if (wanted < count) wanted = count;
  void *grown = tl_arena_array(arena, wanted, element_bytes);
  if (!grown) return NULL;
  if (items) memcpy(grown, items, *capacity * element_bytes);
  *capacity = wanted;
  return grown;
}
