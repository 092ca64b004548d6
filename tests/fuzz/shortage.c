// The end of an input that says when memory runs out.
#include "tests/fuzz/shortage.h"

#include <stdio.h>
#include <string.h>

#include "tests/fuzz/edit.h"

enum { LEVELS = 13 }; // of the number, a power of two each

size_t tl_shortage_take(tl_str *input) {
  size_t at = input->length, count = 0, scale = 1;
  for (; at > 0 && input->data[at - 1] >= '0' && input->data[at - 1] <= '9' && scale < 1000000;
       at--) {
    count += (size_t)(input->data[at - 1] - '0') * scale;
    scale *= 10;
  }
  if (scale == 1 || at == 0 || input->data[at - 1] != '#') return SIZE_MAX;
  input->length = at - 1;
  return count;
}

tl_shortage tl_shortage_keep(const uint8_t *data, size_t *size, size_t *size_max, unsigned seed) {
  tl_shortage shortage = {.length = 0};
  tl_str input = {(const char *)data, *size};
  size_t count = tl_shortage_take(&input);
  *size = input.length;
  *size_max = *size_max > sizeof shortage.text ? *size_max - sizeof shortage.text : 0;
  if (*size > *size_max) *size = *size_max;
  tl_edit random = tl_edit_begin(NULL, 0, 0, seed ^ 0x53484f52u);
  if (tl_edit_random(&random, 8) == 0) {
    uint32_t level = tl_edit_random(&random, LEVELS);
    count = level ? tl_edit_random(&random, (size_t)1 << level) : SIZE_MAX;
  }
  if (count != SIZE_MAX && *size_max > 0)
    shortage.length = (size_t)snprintf(shortage.text, sizeof shortage.text, "#%zu", count);
  return shortage;
}

size_t tl_shortage_put(const tl_shortage *shortage, uint8_t *data, size_t size) {
  memcpy(data + size, shortage->text, shortage->length);
  return size + shortage->length;
}
