// Model folders: single files, shards, cache entries, sub-folders, other formats, faults, and
// streaming with bounded memory.
#include "compiler/load/checkpoint.h"
#include "tests/lib/check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STREAM_BYTES = 256 << 20, SLICE_BYTES = 8 << 20, RESIDENT_MAX = 24 << 20 };

static tl_diag diag;
static tl_arena arena;

static void put_file(const char *path, const char *text) {
  FILE *out = fopen(path, "w");
  CHECK(out && fputs(text, out) >= 0 && fclose(out) == 0);
}

static void make_folder(const char *path) {
  CHECK(mkdir(path, 0700) == 0);
}

// A safetensors file with U8 tensors of one byte each, called by the letters of `names`.
static void put_tensors(const char *path, const char *names) {
  char header[1024] = "{";
  for (size_t i = 0; names[i]; i++)
    snprintf(header + strlen(header), sizeof header - strlen(header),
             "%s\"%c.weight\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}",
             i ? "," : "", names[i], i, i + 1);
  size_t length = strlen(header);
  header[length++] = '}';
  unsigned char prefix[8] = {(unsigned char)length, (unsigned char)(length >> 8)};
  FILE *out = fopen(path, "w");
  CHECK(out && fwrite(prefix, 8, 1, out) == 1 && fwrite(header, length, 1, out) == 1);
  CHECK(fputs(names, out) >= 0 && fclose(out) == 0);
}

static tl_status open_folder(const char *path, const tl_checkpoint_options *options,
                             tl_checkpoint **out) {
  diag.count = 0;
  tl_status status = tl_checkpoint_open(&arena, path, options, out, &diag);
  CHECK(tl_ok(status) == (diag.count == 0) && tl_ok(status) == (*out != NULL));
  return status;
}

// The folder must be refused with `status` and a sentence that has `message` in it.
static void check_refused(const char *path, tl_status status, const char *message) {
  tl_checkpoint *checkpoint;
  tl_status got = open_folder(path, NULL, &checkpoint);
  bool as_expected = got == status && strstr(diag.entries[0].text, message);
  if (!as_expected) tl_diag_print(&diag, stderr);
  CHECK(as_expected);
}

static void test_single(void) {
  tl_checkpoint *checkpoint;
  check_refused("nowhere", TL_IO, "No such file");
  make_folder("single");
  check_refused("single", TL_IO, "has no config.json");
  put_file("single/config.json", "[1]");
  check_refused("single", TL_INPUT, "'config.json' is a list, expected an object");
  check_refused("single/config.json", TL_USAGE, "is a file, expected a model's folder");
  put_file("single/config.json", "{\"hidden_size\": 4}");
  check_refused("single", TL_IO, "neither model.safetensors nor");
  CHECK(
      tl_ok(open_folder("single", &(tl_checkpoint_options){.without_tensors = true}, &checkpoint)));
  CHECK(!checkpoint->generation && checkpoint->tensors_count == 0);
  CHECK(!tl_checkpoint_find(checkpoint, TL_STR("a.weight")));
  tl_checkpoint_close(checkpoint);
  put_file("single/adapter_model.safetensors", "");
  check_refused("single", TL_UNSUPPORTED, "holds an adapter");
  CHECK(unlink("single/adapter_model.safetensors") == 0);
  put_file("single/pytorch_model.bin", "");
  check_refused("single", TL_UNSUPPORTED, "only pickled tensors (pytorch_model.bin)");
  put_tensors("single/model.safetensors", "bac");
  put_file("single/generation_config.json", "{\"eos_token_id\": [1, 2]}");
  CHECK(tl_ok(open_folder("single", NULL, &checkpoint)));
  int64_t size;
  CHECK(tl_json_to_int(tl_json_get(checkpoint->config, TL_STR("hidden_size")), &size) && size == 4);
  CHECK(tl_json_count(tl_json_get(checkpoint->generation, TL_STR("eos_token_id"))) == 2);
  CHECK(checkpoint->tensors_count == 3 && checkpoint->bytes == 3);
  CHECK(tl_str_is(checkpoint->tensors[0]->name, "b.weight")); // in the order of the data
  CHECK(*tl_checkpoint_find(checkpoint, TL_STR("c.weight"))->data == 'c');
  CHECK(tl_checkpoint_closest(checkpoint, TL_STR("c.wieght"))->data[0] == 'c');
  CHECK(!tl_checkpoint_closest(checkpoint, TL_STR("lm_head")));
  const tl_source *text;
  CHECK(tl_ok(tl_checkpoint_text(checkpoint, &arena, "tokenizer.json", &text, &diag)) && !text);
  CHECK(tl_ok(tl_checkpoint_text(checkpoint, &arena, "config.json", &text, &diag)) && text);
  tl_checkpoint_close(checkpoint);
  put_file("single/generation_config.json", "{");
  check_refused("single", TL_INPUT, "expected a key");
  put_file("single/generation_config.json", "{}");
}

static void put_index(const char *map) {
  char text[1024];
  snprintf(text, sizeof text, "{\"metadata\": {\"total_size\": 3}, \"weight_map\": %s}", map);
  put_file("shards/model.safetensors.index.json", text);
}

static void test_shards(void) {
  tl_checkpoint *checkpoint;
  make_folder("shards");
  put_file("shards/config.json", "{}");
  put_tensors("shards/m-2.safetensors", "cd");
  put_tensors("shards/m-1.safetensors", "ab");
  put_index("{\"c.weight\": \"m-2.safetensors\", \"a.weight\": \"m-1.safetensors\","
            "\"b.weight\": \"m-1.safetensors\"}");
  CHECK(tl_ok(open_folder("shards", NULL, &checkpoint)));
  CHECK(checkpoint->files_count == 2 && checkpoint->tensors_count == 4); // d is left over
  for (uint32_t i = 0; i < 4; i++)
    CHECK(*checkpoint->tensors[i]->data == "abcd"[i]);
  const tl_tensor *c = tl_checkpoint_find(checkpoint, TL_STR("c.weight"));
  CHECK(strcmp(tl_checkpoint_file_of(checkpoint, c), "shards/m-2.safetensors") == 0);
  tl_checkpoint_close(checkpoint);
  put_index("{\"c.weight\": \"m-1.safetensors\", \"a.weight\": \"m-2.safetensors\"}");
  check_refused("shards", TL_INPUT, "'c.weight' is in m-2.safetensors, not in m-1.safetensors");
  CHECK(diag.count == 2);
  put_index("{\"x\": \"m-1.safetensors\"}");
  check_refused("shards", TL_INPUT, "'x' is not in m-1.safetensors");
  put_index("{\"a.weight\": \"m-3.safetensors\"}");
  check_refused("shards", TL_IO, "cannot open shards/m-3.safetensors");
  put_index("{\"a.weight\": \"../single/model.safetensors\", \"b\": 1, \"c\": \"m-1.bin\"}");
  check_refused("shards", TL_INPUT, "expected the name of a .safetensors file");
  CHECK(diag.count == 3);
  put_index("[]");
  check_refused("shards", TL_INPUT, "'weight_map' is a list");
  put_file("shards/model.safetensors.index.json", "{}");
  check_refused("shards", TL_INPUT, "no 'weight_map'");
  put_tensors("shards/m-2.safetensors", "ca");
  put_index("{\"c.weight\": \"m-2.safetensors\", \"b.weight\": \"m-1.safetensors\"}");
  check_refused("shards", TL_INPUT, "'a.weight' is in two files");
}

static void test_cache(void) {
  tl_checkpoint *checkpoint;
  make_folder("models--x--y");
  make_folder("models--x--y/snapshots");
  check_refused("models--x--y", TL_IO, "no snapshot");
  make_folder("models--x--y/snapshots/4f2a");
  make_folder("models--x--y/blobs");
  put_file("models--x--y/blobs/1", "{}");
  put_tensors("models--x--y/blobs/2", "a");
  CHECK(symlink("../../blobs/1", "models--x--y/snapshots/4f2a/config.json") == 0);
  CHECK(symlink("../../blobs/2", "models--x--y/snapshots/4f2a/model.safetensors") == 0);
  CHECK(tl_ok(open_folder("models--x--y", NULL, &checkpoint)) && checkpoint->tensors_count == 1);
  tl_checkpoint_close(checkpoint);
  CHECK(tl_ok(open_folder("models--x--y/snapshots/4f2a/", NULL, &checkpoint)));
  tl_checkpoint_close(checkpoint);
  make_folder("models--x--y/snapshots/77");
  check_refused("models--x--y", TL_INPUT, "several snapshots");
  make_folder("models--x--y/refs");
  put_file("models--x--y/refs/main", "4f2a\n");
  CHECK(tl_ok(open_folder("models--x--y", NULL, &checkpoint)));
  tl_checkpoint_close(checkpoint);
  put_file("models--x--y/refs/main", "gone");
  check_refused("models--x--y", TL_IO, "the download is not complete");
  put_file("models--x--y/refs/main", "../4f2a");
  check_refused("models--x--y", TL_INPUT, "names no snapshot");
}

static void test_subfolder(void) {
  tl_checkpoint *checkpoint;
  make_folder("single/part");
  put_file("single/part/config.json", "{}");
  put_tensors("single/part/model.safetensors", "p");
  tl_checkpoint_options options = {.subfolder = "part"};
  CHECK(tl_ok(open_folder("single", &options, &checkpoint)));
  CHECK(tl_checkpoint_find(checkpoint, TL_STR("p.weight")));
  tl_checkpoint_close(checkpoint);
  options.subfolder = "other";
  CHECK(open_folder("single", &options, &checkpoint) == TL_IO);
}

// Bytes of files now resident in this process.
static size_t resident_bytes(void) {
  long total, resident, shared;
  FILE *in = fopen("/proc/self/statm", "r");
  CHECK(in && fscanf(in, "%ld %ld %ld", &total, &resident, &shared) == 3);
  fclose(in);
  return (size_t)shared * (size_t)sysconf(_SC_PAGESIZE);
}

// A tensor far larger than the memory that reading it may take; the file is a hole.
static void test_stream(void) {
  char header[128];
  size_t length = (size_t)snprintf(
      header, sizeof header, "{\"w\":{\"dtype\":\"BF16\",\"shape\":[%d],\"data_offsets\":[0,%d]}}",
      STREAM_BYTES / 2, STREAM_BYTES);
  make_folder("large");
  put_file("large/config.json", "{}");
  int fd = open("large/model.safetensors", O_CREAT | O_WRONLY, 0600);
  uint64_t prefix = length;
  CHECK(fd >= 0 && write(fd, &prefix, 8) == 8 && write(fd, header, length) == (ssize_t)length);
  CHECK(ftruncate(fd, (off_t)(8 + length + STREAM_BYTES)) == 0 && close(fd) == 0);
  tl_checkpoint *checkpoint;
  CHECK(tl_ok(open_folder("large", NULL, &checkpoint)));
  const tl_tensor *tensor = checkpoint->tensors[0];
  int64_t slice = SLICE_BYTES / 2;
  float *out = tl_arena_array(&arena, (size_t)slice, sizeof *out);
  CHECK(out);
  size_t before = resident_bytes(), most = 0;
  for (int64_t first = 0; first < tensor->elements_count; first += slice) {
    CHECK(tl_ok(tl_tensor_read_f32(tensor, first, slice, out, &diag)) && out[slice - 1] == 0);
    size_t resident = resident_bytes();
    if (resident > most) most = resident;
    tl_checkpoint_drop(checkpoint, tensor, first, slice);
  }
  CHECK(most - before < RESIDENT_MAX);
  tl_checkpoint_drop(checkpoint, tensor, -1, 5);
  tl_checkpoint_drop(checkpoint, tensor, 5, INT64_MAX);
  tl_checkpoint_close(checkpoint);
}

static void test_memory(void) {
  tl_status status = TL_MEMORY;
  for (size_t allowed = 0; status != TL_OK; allowed++) {
    tl_arena inner;
    tl_checkpoint *checkpoint;
    tl_arena_init(&inner, 1 << 24);
    inner.fail_after = allowed;
    status = tl_checkpoint_open(&inner, "single", NULL, &checkpoint, NULL);
    CHECK(allowed < 200 && (status == TL_OK || status == TL_MEMORY));
    tl_checkpoint_close(checkpoint);
    tl_arena_finish(&inner);
  }
}

int main(void) {
  char folder[] = "/tmp/tlmc_checkpoint_test_??????", command[64];
  memset(strchr(folder, '?'), 'X', 6);
  CHECK(mkdtemp(folder) && chdir(folder) == 0);
  tl_arena_init(&arena, 1 << 26);
  test_single();
  test_shards();
  test_cache();
  test_subfolder();
  test_stream();
  test_memory();
  tl_arena_finish(&arena);
  snprintf(command, sizeof command, "rm -r %s", folder);
  CHECK(chdir("/") == 0 && system(command) == 0);
  return 0;
}
