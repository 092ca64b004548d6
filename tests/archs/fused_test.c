// Golden programs: fused_test FOLDER. For each row below the program that fusion makes of
// NAME.json, a config of two layers, must be NAME.program, and a layer takes no more launches than
// the bound. TLMC_BLESS=1 rewrites.
//
// Bounds: qkv, attention, o, gate and up, down; two more where norms follow attention and MLP, one
// more where gate and up have biases of their own.
#include "compiler/build/build.h"
#include "tests/lib/check.h"

enum { PATH_BYTES = 512, LAYERS = 2 };

static const struct {
  const char *name;
  int launches_max; // of a layer
} cases[] = {
    {"llama_biases", 6},
    {"llama_long", 5},
    {"qwen2_window", 5},
    {"gemma3", 7},
};

static tl_diag diag;

static void require(tl_status status, const char *path) {
  if (tl_ok(status)) return;
  fprintf(stderr, "%s: %s\n", path, tl_status_text(status));
  tl_diag_print(&diag, stderr);
  exit(1);
}

static bool check_launches(const tl_program *program, const char *name, int launches_max) {
  int launches[LAYERS + 1] = {0}, worst = 0;
  for (size_t i = 0; i < program->kernels_count; i++) {
    CHECK(program->kernels[i]->layer >= 0 && program->kernels[i]->layer <= LAYERS);
    launches[program->kernels[i]->layer]++;
  }
  for (int layer = 1; layer <= LAYERS; layer++) {
    CHECK(launches[layer] > 0);
    if (launches[layer] > worst) worst = launches[layer];
  }
  printf("%s: %d launches a layer (at most %d)\n", name, worst, launches_max);
  return worst <= launches_max;
}

static bool check_text(tl_str text, const char *path) {
  tl_file file;
  if (getenv("TLMC_BLESS")) {
    FILE *out = fopen(path, "wb");
    CHECK(out && fwrite(text.data, 1, text.length, out) == text.length && fclose(out) == 0);
    return true;
  }
  require(tl_file_open(path, &file, &diag), path);
  bool is_equal = tl_str_equal(text, file.bytes);
  tl_file_close(&file);
  if (!is_equal) {
    fprintf(stderr, "%s differs; TLMC_BLESS=1 rewrites it, then look at the change\n", path);
  }
  return is_equal;
}

static bool check_case(const char *folder, const char *name, int launches_max) {
  char config_path[PATH_BYTES], golden_path[PATH_BYTES];
  tl_build build;
  CHECK(snprintf(config_path, PATH_BYTES, "%s/%s.json", folder, name) < PATH_BYTES);
  CHECK(snprintf(golden_path, PATH_BYTES, "%s/%s.program", folder, name) < PATH_BYTES);
  tl_build_options options = {
      .model = config_path, .skeleton = true, .pipeline = tl_pipeline_defaults()};
  tl_build_init(&build);
  require(tl_build_lower(&build, &options, &diag), config_path);
  require(tl_build_fuse(&build, &options, &diag), config_path);
  tl_str text = tl_program_print(build.module.program, &build.arena);
  CHECK(text.data);
  bool is_right = check_launches(build.module.program, name, launches_max);
  is_right &= check_text(text, golden_path);
  tl_build_finish(&build);
  return is_right;
}

int main(int argc, char **argv) {
  bool is_right = true;
  CHECK(argc == 2);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    is_right &= check_case(argv[1], cases[i].name, cases[i].launches_max);
  CHECK(is_right);
  return 0;
}
