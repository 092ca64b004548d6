// Runs a fuzz target without libFuzzer, the same way each time: fuzz_NAME ROUNDS FILE|FOLDER..
//
// Each file of the corpus is run as it is, which must be accepted unless its name begins with
// `fault`, then ROUNDS chains of up to four mutations of it. ROUNDS `any` runs the files only, also
// those that are refused. With -DTLMC_FUZZ=ON (clang) libFuzzer's own main takes the place of this
// file.
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"
#include "tests/lib/check.h"

enum {
  INPUT_BYTES_MAX = 1 << 18,
  PATH_BYTES = 1024,
  CHAIN_MAX = 4,
  ROOM_ROUNDS = 8,
  FILES_MAX = 8192
};

static unsigned seed;
static bool any;

// A seed that is no valid input any more finds little: it is time to renew it.
static void check_seed(const char *path) {
  const char *name = strrchr(path, '/');
  if (any || tl_fuzz_accepted || strncmp(name ? name + 1 : path, "fault", 5) == 0) return;
  fprintf(stderr, "%s: refused\n", path);
  CHECK(!"a valid seed");
}

static void run_file(const char *path, unsigned rounds) {
  static uint8_t original[INPUT_BYTES_MAX], data[INPUT_BYTES_MAX];
  FILE *file = fopen(path, "rb");
  CHECK(file);
  size_t size = fread(original, 1, sizeof original, file);
  fclose(file);
  LLVMFuzzerTestOneInput(original, size);
  check_seed(path);
  for (unsigned r = 0; r < rounds; r++) {
    size_t mutated = size;
    memcpy(data, original, size);
    for (unsigned i = 0; i <= r % CHAIN_MAX; i++) {
      size_t room = r % ROOM_ROUNDS ? sizeof data : mutated; // sometimes no byte can be added
      mutated = LLVMFuzzerCustomMutator(data, mutated, room ? room : 1, ++seed);
      CHECK(mutated <= (room ? room : 1));
    }
    LLVMFuzzerTestOneInput(data, mutated);
  }
}

static int order_names(const void *a, const void *b) {
  return strcmp(a, b);
}

static void run_path(const char *path, unsigned rounds) {
  static char paths[FILES_MAX][PATH_BYTES];
  struct stat info;
  CHECK(stat(path, &info) == 0);
  if (!S_ISDIR(info.st_mode)) {
    run_file(path, rounds);
    return;
  }
  DIR *folder = opendir(path);
  CHECK(folder);
  size_t count = 0;
  for (const struct dirent *entry; (entry = readdir(folder));) {
    if (entry->d_name[0] == '.') continue;
    CHECK(count < FILES_MAX);
    CHECK(snprintf(paths[count++], PATH_BYTES, "%s/%s", path, entry->d_name) < PATH_BYTES);
  }
  closedir(folder);
  qsort(paths, count, PATH_BYTES, order_names);
  for (size_t i = 0; i < count; i++)
    run_file(paths[i], rounds);
}

int main(int argc, char **argv) {
  CHECK(argc > 2);
  any = strcmp(argv[1], "any") == 0;
  for (int i = 2; i < argc; i++)
    run_path(argv[i], (unsigned)strtoul(argv[1], NULL, 10));
  return 0;
}
