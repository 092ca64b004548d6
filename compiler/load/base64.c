// Four characters are three bytes.
#include "compiler/load/base64.h"

static int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

tl_status tl_base64_decode(tl_arena *arena, tl_str text, tl_str *out_bytes) {
  size_t padding = 0, count = 0;
  while (padding < 2 && padding < text.length && text.data[text.length - 1 - padding] == '=')
    padding++;
  if (text.length % 4) return TL_INPUT;
  char *bytes = tl_arena_alloc(arena, text.length / 4 * 3 + 1);
  if (!bytes) return TL_MEMORY;
  uint32_t bits = 0;
  for (size_t i = 0; i < text.length; i++) {
    int value = i < text.length - padding ? value_of(text.data[i]) : 0;
    if (value < 0) return TL_INPUT;
    bits = bits << 6 | (uint32_t)value;
    if (i % 4 != 3) continue;
    for (int shift = 16; shift >= 0; shift -= 8)
      bytes[count++] = (char)(bits >> shift);
  }
  *out_bytes = (tl_str){bytes, count - padding};
  return TL_OK;
}
