// The safetensors header: what is right reads as it should, everything else is refused with a
// sentence; exact reading of all float types; exhausted memory.
#include "compiler/load/safetensors.h"
#include "runtime/base/half.h"
#include "tests/lib/check.h"

#include <math.h>

static tl_diag diag;

// A file of `header` and `data_bytes` bytes 0, 1, 2, ... on `arena`.
static tl_str make(tl_arena *arena, const char *header, size_t data_bytes) {
  size_t length = strlen(header), total = 8 + length + data_bytes;
  unsigned char *bytes = tl_arena_alloc(arena, total);
  CHECK(bytes);
  for (int i = 0; i < 8; i++)
    bytes[i] = (unsigned char)(length >> (8 * i));
  memcpy(bytes + 8, header, length);
  for (size_t i = 0; i < data_bytes; i++)
    bytes[8 + length + i] = (unsigned char)i;
  return (tl_str){(const char *)bytes, total};
}

static tl_status read_bytes(tl_arena *arena, tl_str bytes, tl_safetensors *out_file) {
  diag.count = 0;
  tl_status status = tl_safetensors_read(arena, "x.safetensors", bytes, out_file, &diag);
  CHECK(tl_ok(status) == (diag.count == 0));
  return status;
}

static const char good[] =
    "{\"__metadata__\":{\"format\":\"pt\"},"
    "\"b\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[4,16]},"
    "\"none\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[4,4]},"
    "\"a\":{\"data_offsets\":[0,4],\"dtype\":\"F32\",\"shape\":[]},"
    "\"\\u0063\":{\"dtype\":\"F8_E4M3\",\"shape\":[1,1,1,3],\"data_offsets\":[16,19]}}   ";

static void test_good(void) {
  tl_arena arena;
  tl_arena_init(&arena, 1 << 20);
  tl_safetensors file;
  CHECK(tl_ok(read_bytes(&arena, make(&arena, good, 19), &file)));
  CHECK(file.tensors_count == 4 && file.metadata && tl_json_count(file.metadata) == 1);
  CHECK(tl_str_is(file.tensors[0].name, "a") && tl_str_is(file.tensors[1].name, "none"));
  const tl_tensor *b = tl_safetensors_find(&file, TL_STR("b"));
  CHECK(b && b->dtype == TL_DTYPE_BF16 && b->rank == 2 && b->dims[1] == 3 && b->bytes == 12);
  CHECK(b->elements_count == 6 && b->data[0] == 4);
  CHECK(tl_safetensors_find(&file, TL_STR("c"))->rank == 4);
  CHECK(tl_safetensors_find(&file, TL_STR("a"))->elements_count == 1);
  CHECK(!tl_safetensors_find(&file, TL_STR("d")) && !tl_safetensors_find(&file, TL_STR("")));
  float out[6];
  CHECK(tl_ok(tl_tensor_read_f32(b, 1, 5, out, &diag)));
  CHECK(out[0] == tl_bf16_to_f32(0x0706) && out[4] == tl_bf16_to_f32(0x0F0E));
  CHECK(tl_tensor_read_f32(b, 1, 6, out, &diag) == TL_USAGE);
  CHECK(tl_tensor_read_f32(b, -1, 1, out, &diag) == TL_USAGE);
  CHECK(tl_tensor_read_f32(b, INT64_MAX, INT64_MAX, out, NULL) == TL_USAGE);
  CHECK(tl_ok(tl_tensor_read_f32(b, 6, 0, out, &diag)));
  CHECK(tl_ok(read_bytes(&arena, make(&arena, "{}", 0), &file)) && file.tensors_count == 0);
  tl_safetensors_close(&file);
  tl_safetensors_close(&file);
  tl_arena_finish(&arena);
}

#define ENTRY(name, dtype, shape, begin, end)                                                      \
  "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]" \
  "}"

static const struct {
  const char *header;
  size_t data_bytes;
  const char *message;
} faults[] = {
    {"", 0, "does not begin with '{'"},
    {"[]", 0, "does not begin with '{'"},
    {" {}", 0, "does not begin with '{'"},
    {"{", 0, "key in double quotes"},
    {"{}x", 0, "nothing after"},
    {"{}", 1, "the last 1 bytes of the file belong to no tensor"},
    {"{" ENTRY("a", "F32", "[1]", "0", "4") "," ENTRY("a", "F32", "[1]", "4", "8") "}", 8,
     "already in this object"},
    {"{" ENTRY("a", "F32", "[1]", "0", "4") "," ENTRY("b", "F32", "[1]", "5", "9") "}", 9,
     "1 bytes before the data of 'b'"},
    {"{" ENTRY("a", "F32", "[1]", "0", "4") "," ENTRY("b", "F32", "[1]", "2", "6") "}", 6,
     "overlaps"},
    {"{" ENTRY("a", "F32", "[1]", "0", "4") "," ENTRY("b", "F32", "[1]", "0", "4") "}", 4,
     "overlaps"},
    {"{" ENTRY("a", "F32", "[1]", "0", "4") "}", 3, "but the file has 3 bytes of data"},
    {"{" ENTRY("a", "F32", "[1]", "4", "0") "}", 4, "data_offsets of 'a' are 4 to 0"},
    {"{" ENTRY("a", "F32", "[1]", "-4", "0") "}", 4, "data_offsets of 'a' are -4 to 0"},
    {"{" ENTRY("a", "F32", "[1]", "0", "1e1") "}", 4, "data_offsets of 'a' are another list"},
    {"{" ENTRY("a", "F32", "[2]", "0", "4") "}", 4,
     "'a' has 4 bytes, but 2 elements of F32 need 8"},
    {"{" ENTRY("a", "F32", "[-1]", "0", "4") "}", 4, "a dim of 'a' is negative"},
    {"{" ENTRY("a", "F32", "[1.0]", "0", "4") "}", 4, "a dim of 'a' is a number"},
    {"{" ENTRY("a", "F32", "7", "0", "4") "}", 4, "shape of 'a' is an integer"},
    {"{" ENTRY("a", "F32", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, "a list of more"},
    {"{" ENTRY("a", "F32", "[4294967296,4294967296]", "0", "0") "}", 0, "more than 64 bits"},
    {"{" ENTRY("a", "F32", "[4294967296,2147483647]", "0", "0") "}", 0, "'a' has 0 bytes"},
    {"{" ENTRY("a", "F32", "[4611686018427387904]", "0", "0") "}", 0, "'a' has 0 bytes"},
    {"{" ENTRY("a", "f32", "[1]", "0", "4") "}", 4, "the dtype 'f32' of 'a' is not known"},
    {"{" ENTRY("a", "F32", "[1]", "0", "4") ",\"__metadata__\":[]}", 4, "expected an object of"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "'a' in __metadata__ is an integer"},
    {"{\"a\":[]}", 0, "the entry of 'a' is a list"},
    {"{\"a\":{}}", 0, "the dtype of 'a' is missing"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4,
     "'x' is not known"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets of 'a' are missing"},
    {"{\"\xff\":{}}", 0, "not valid UTF-8"},
};

static void test_faults(void) {
  tl_arena arena;
  tl_arena_init(&arena, 1 << 24);
  tl_safetensors file;
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    tl_str bytes = make(&arena, faults[i].header, faults[i].data_bytes);
    tl_status status = read_bytes(&arena, bytes, &file);
    bool as_expected = !tl_ok(status) && strstr(diag.entries[0].text, faults[i].message);
    if (!as_expected) fprintf(stderr, "fault %zu: %s\n", i, faults[i].header);
    if (!as_expected) tl_diag_print(&diag, stderr);
    CHECK(as_expected);
  }
  // All faulty tensors are named, not the first alone.
  tl_str two = make(
      &arena, "{" ENTRY("a", "F32", "[1]", "0", "3") "," ENTRY("b", "Q", "[1]", "3", "4") "}", 4);
  CHECK(read_bytes(&arena, two, &file) == TL_INPUT && diag.count == 2);
  two = make(&arena,
             "{" ENTRY("a", "F32", "[-1]", "0", "4") "," ENTRY("b", "F32", "[null]", "4", "8") "}",
             8);
  CHECK(read_bytes(&arena, two, &file) == TL_INPUT && diag.count == 2);
  CHECK(strstr(diag.entries[1].text, "a dim of 'b' is null"));
  tl_arena_finish(&arena);
}

// Every prefix of a good file, and every wrong header length.
static void test_cuts(void) {
  tl_arena arena;
  tl_arena_init(&arena, 1 << 26);
  tl_safetensors file;
  tl_str whole = make(&arena, good, 19);
  for (size_t length = 0; length < whole.length; length++) {
    tl_arena inner;
    tl_arena_init(&inner, 1 << 20);
    char *cut = tl_arena_alloc(&inner, length);
    memcpy(cut, whole.data, length);
    CHECK(read_bytes(&inner, (tl_str){cut, length}, &file) == TL_INPUT);
    tl_arena_finish(&inner);
  }
  static const uint64_t lengths[] = {0, 1, 1 << 20, UINT64_MAX, UINT64_MAX - 7, 1ull << 63};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    char *copy = tl_arena_alloc(&arena, whole.length);
    memcpy(copy, whole.data, whole.length);
    memcpy(copy, &lengths[i], 8);
    CHECK(read_bytes(&arena, (tl_str){copy, whole.length}, &file) == TL_INPUT);
  }
  CHECK(read_bytes(&arena, TL_STR("version https://git-lfs.github.com/spec/v1\n"), &file) ==
        TL_INPUT);
  CHECK(strstr(diag.entries[0].text, "git-lfs"));
  tl_arena_finish(&arena);
}

static void test_memory(void) {
  tl_arena arena;
  tl_arena_init(&arena, 1 << 20);
  tl_str bytes = make(&arena, good, 19);
  tl_status status = TL_MEMORY;
  for (size_t allowed = 0; status != TL_OK; allowed++) {
    tl_arena inner;
    tl_safetensors file;
    tl_arena_init(&inner, 1 << 20);
    inner.fail_after = allowed;
    status = tl_safetensors_read(&inner, "x", bytes, &file, NULL);
    CHECK(allowed < 100 && (status == TL_OK || status == TL_MEMORY));
    tl_arena_finish(&inner);
  }
  tl_arena_finish(&arena);
}

// 65536 consecutive bit patterns of each float type, from an odd address.
static void test_read(void) {
  static char bytes[4 * 65536 + 1];
  static float out[65536];
  for (int i = 0; i < 65536; i++)
    bytes[2 * i + 1] = (char)i, bytes[2 * i + 2] = (char)(i >> 8);
  tl_tensor tensor = {.name = TL_STR("t"), .elements_count = 65536, .data = bytes + 1};
  tensor.dtype = TL_DTYPE_F16;
  CHECK(tl_ok(tl_tensor_read_f32(&tensor, 0, 65536, out, NULL)));
  for (int i = 0; i < 65536; i++)
    CHECK(tl_f32_bits(out[i]) == tl_f32_bits(tl_f16_to_f32((uint16_t)i)));
  tensor.dtype = TL_DTYPE_BF16;
  CHECK(tl_ok(tl_tensor_read_f32(&tensor, 100, 65436, out, NULL)));
  CHECK(tl_f32_bits(out[65435]) == 0xFFFF0000 && tl_f32_bits(out[0]) == 100 << 16);
  tensor.dtype = TL_DTYPE_F8_E5M2;
  CHECK(tl_ok(tl_tensor_read_f32(&tensor, 0, 512, out, NULL)));
  CHECK(out[2 * 0x3C] == 1 && isinf(out[2 * 0x7C]));
  tensor.dtype = TL_DTYPE_F8_E4M3;
  CHECK(tl_ok(tl_tensor_read_f32(&tensor, 0, 512, out, NULL)));
  CHECK(out[2 * 0x38] == 1 && isnan(out[2 * 0x7F]) && out[2 * 0x7E] == 448);
  tensor.dtype = TL_DTYPE_F32;
  CHECK(tl_ok(tl_tensor_read_f32(&tensor, 3, 5, out, NULL)) && !memcmp(out, bytes + 13, 20));
  for (int dtype = 0; dtype < TL_DTYPE_COUNT; dtype++) {
    tl_dtype again;
    CHECK(tl_dtype_by_text(tl_str_from(tl_dtype_text((tl_dtype)dtype)), &again));
    CHECK(again == (tl_dtype)dtype && tl_dtype_bytes(again) > 0);
  }
  tensor.dtype = TL_DTYPE_I64;
  CHECK(tl_tensor_read_f32(&tensor, 0, 1, out, NULL) == TL_UNSUPPORTED);
}

static void test_names(void) {
  tl_arena arena;
  tl_arena_init(&arena, 1 << 24);
  tl_name_index index;
  CHECK(tl_ok(tl_name_index_init(&index, &arena, 1000)));
  CHECK(tl_name_index_find(&index, TL_STR("a")) == -1);
  for (int i = 0; i < 1000; i++)
    CHECK(tl_name_index_add(&index, tl_arena_format(&arena, "layers.%d.norm", i)) == i);
  CHECK(tl_name_index_add(&index, TL_STR("layers.7.norm")) == -1);
  CHECK(tl_name_index_add(&index, TL_STR("full")) == -1);
  CHECK(tl_name_index_find(&index, TL_STR("layers.999.norm")) == 999);
  CHECK(tl_name_index_closest(&index, TL_STR("layers.123.nrom")) == 123);
  CHECK(tl_name_index_closest(&index, TL_STR("something else")) == -1);
  CHECK(tl_name_index_init(&index, &arena, SIZE_MAX) == TL_MEMORY);
  tl_arena_finish(&arena);
}

int main(void) {
  test_good();
  test_faults();
  test_cuts();
  test_memory();
  test_read();
  test_names();
  return 0;
}
