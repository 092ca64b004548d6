// Fuzz target: the safetensors header. An accepted file's tensors lie in its data, one after the
// other without holes, are found by name and can be read; a refused one has a diagnostic.
//
// The mutator changes the header and then mostly puts its new length in front of it, so that faults
// behind the first eight bytes are reached.
#include "compiler/load/safetensors.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"
#include "tests/lib/check.h"

enum { ARENA_BYTES = 256 << 20, LENGTH_BYTES = 8, READ_MAX = 256 };

static void check_tensor(const tl_safetensors *file, const tl_tensor *tensor) {
  float out[READ_MAX];
  CHECK(tl_safetensors_find(file, tensor->name) == tensor);
  CHECK(tensor->rank >= 0 && tensor->rank <= TL_TENSOR_RANK_MAX && tensor->elements_count >= 0);
  CHECK((size_t)tensor->elements_count * tl_dtype_bytes(tensor->dtype) == tensor->bytes);
  int64_t count = tensor->elements_count < READ_MAX ? tensor->elements_count : READ_MAX;
  tl_status status = tl_tensor_read_f32(tensor, tensor->elements_count - count, count, out, NULL);
  CHECK(status == TL_OK || status == TL_UNSUPPORTED);
}

static void check_file(const tl_safetensors *file, tl_str bytes) {
  const char *at = bytes.data + LENGTH_BYTES + file->header->text.length;
  for (uint32_t i = 0; i < file->tensors_count; i++) {
    CHECK(file->tensors[i].data == at);
    at += file->tensors[i].bytes;
    check_tensor(file, &file->tensors[i]);
  }
  CHECK(at == bytes.data + bytes.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static tl_diag diag;
  diag.count = 0;
  tl_arena arena;
  tl_arena_init(&arena, ARENA_BYTES);
  tl_str bytes = {(const char *)data, size};
  tl_safetensors file;
  tl_status status = tl_safetensors_read(&arena, "input", bytes, &file, &diag);
  CHECK(tl_ok(status) == (diag.count == 0));
  tl_fuzz_accepted = tl_ok(status);
  if (tl_ok(status)) check_file(&file, bytes);
  tl_safetensors_close(&file);
  tl_arena_finish(&arena);
  return 0;
}

static uint64_t header_length(const uint8_t *data, size_t size) {
  uint64_t length = 0;
  if (size < LENGTH_BYTES) return 0;
  memcpy(&length, data, sizeof length);
  return length < size - LENGTH_BYTES ? length : size - LENGTH_BYTES;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
  static const char *const pieces[] = {"{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}",
                                       "\"dtype\":",
                                       "\"shape\":",
                                       "\"data_offsets\":",
                                       "\"__metadata__\":{\"a\":\"b\"},",
                                       "\"F64\"",
                                       "\"F16\"",
                                       "\"BF16\"",
                                       "\"F8_E4M3\"",
                                       "\"I64\"",
                                       "\"BOOL\"",
                                       "[]",
                                       "[0,0]",
                                       "0",
                                       "1",
                                       "-1",
                                       "4294967296",
                                       "9223372036854775807",
                                       "1.0",
                                       ",",
                                       "}",
                                       "\"a\":",
                                       NULL};
  if (size < LENGTH_BYTES || size_max < size || seed % 16 == 0)
    return tl_fuzz_mutate(data, size, size_max, seed, pieces);
  uint64_t length = header_length(data, size);
  size_t rest = size - LENGTH_BYTES - length;
  uint8_t *header = data + LENGTH_BYTES;
  static uint8_t tail[1 << 20];
  if (rest > sizeof tail) rest = sizeof tail;
  memcpy(tail, header + length, rest);
  length = tl_fuzz_mutate_json(header, length, size_max - LENGTH_BYTES - rest, seed, pieces);
  if (seed % 4 == 1 && rest) rest--;
  memcpy(header + length, tail, rest);
  if (seed % 8 == 2 && LENGTH_BYTES + length + rest < size_max) header[length + rest++] = 0;
  memcpy(data, &length, sizeof length);
  return LENGTH_BYTES + length + rest;
}
