// Golden programs: fused_test FOLDER. For each row below the program that fusion makes of
// NAME.json, a config of two layers, must be NAME.program, and a layer takes no more launches than
// the bound: also with every combination of the choices, values that take the place of the
// config's. TLMC_BLESS=1 rewrites.
//
// Bounds: qkv, attention, o, gate and up, down; two more where norms follow attention and MLP.
#include <limits.h>

#include "compiler/build/build.h"
#include "tests/lib/check.h"

enum { PATH_BYTES = 512, LAYERS = 2, CHOICES_MAX = 6, VALUES_MAX = 8 };

// In the working folder.
#define VARIANT_PATH "fused_variant.json"

typedef struct config_choice {
  const char *key, *values[VALUES_MAX];
} config_choice;

typedef struct test_row {
  const char *name;
  int launches_max; // of a layer
  config_choice choices[CHOICES_MAX];
} test_row;

#define SWITCH {"false", "true"}

static const test_row rows[] = {
    {"llama_biases",
     5,
     {{"attention_bias", SWITCH},
      {"mlp_bias", SWITCH},
      {"tie_word_embeddings", SWITCH},
      {"num_key_value_heads", {"1", "2", "4"}},
      {"head_dim", {"2", "48", "64", "80", "96", "100", "128", "256"}},
      {"hidden_act", {"\"silu\"", "\"gelu_pytorch_tanh\""}}}},
    {"llama_long", 5, {{"attention_bias", SWITCH}, {"mlp_bias", SWITCH}}},
    {"qwen2_window",
     5,
     {{"use_sliding_window", SWITCH},
      {"tie_word_embeddings", SWITCH},
      {"num_key_value_heads", {"1", "3"}}}},
    {"gemma3",
     7,
     {{"attention_bias", SWITCH},
      {"final_logit_softcapping", {"null", "30.0"}},
      {"sliding_window_pattern", {"1", "2"}},
      {"num_key_value_heads", {"1", "3"}},
      {"head_dim", {"96", "100", "128", "256"}},
      {"tie_word_embeddings", SWITCH}}},
};

static tl_diag diag;

static void require(tl_status status, const char *path) {
  if (tl_ok(status)) return;
  fprintf(stderr, "%s: %s\n", path, tl_status_text(status));
  tl_diag_print(&diag, stderr);
  exit(1);
}

// The launches of the layer that takes the most.
static int launches_of(const tl_program *program) {
  int launches[LAYERS + 1] = {0}, most = 0;
  for (size_t i = 0; i < program->kernels_count; i++) {
    CHECK(program->kernels[i]->layer >= 0 && program->kernels[i]->layer <= LAYERS);
    launches[program->kernels[i]->layer]++;
  }
  for (int layer = 1; layer <= LAYERS; layer++) {
    CHECK(launches[layer] > 0);
    if (launches[layer] > most) most = launches[layer];
  }
  return most;
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

static const tl_program *fuse(tl_build *build, const char *config_path) {
  tl_build_options options = {.model = config_path,
                              .skeleton = true,
                              .targets = {[TL_TARGET_CPU_V3] = true},
                              .pipeline = tl_pipeline_defaults()};
  tl_build_init(build);
  require(tl_build_lower(build, &options, &diag), config_path);
  require(tl_build_fuse(build, &options, &diag), config_path);
  return tl_build_program(build);
}

static bool check_golden(const test_row *row, const char *config_path, const char *golden_path) {
  tl_build build;
  const tl_program *program = fuse(&build, config_path);
  tl_str text = tl_program_print(program, &build.arena);
  CHECK(text.data);
  bool is_right = launches_of(program) <= row->launches_max;
  is_right &= check_text(text, golden_path);
  tl_build_finish(&build);
  return is_right;
}

// Value number `*combination` of the choice; what is left numbers the combination of the others.
static const char *take_value(const config_choice *choice, int *combination) {
  int count = 1;
  while (count < VALUES_MAX && choice->values[count])
    count++;
  const char *value = choice->values[*combination % count];
  *combination /= count;
  return value;
}

static bool is_chosen(const test_row *row, const char *line) {
  char quoted[64];
  for (int i = 0; i < CHOICES_MAX && row->choices[i].key; i++) {
    snprintf(quoted, sizeof quoted, " \"%s\":", row->choices[i].key);
    if (strncmp(line, quoted, strlen(quoted)) == 0) return true;
  }
  return false;
}

// Writes the config with other values: a line per key, of which the last is none that is chosen.
// False if all combinations are done.
static bool write_variant(const test_row *row, const char *config_path, int combination) {
  char line[256];
  FILE *in = fopen(config_path, "r"), *out = fopen(VARIANT_PATH, "w");
  CHECK(in && out && fgets(line, sizeof line, in));
  fputs(line, out);
  for (int i = 0; i < CHOICES_MAX && row->choices[i].key; i++) {
    const char *value = take_value(&row->choices[i], &combination);
    fprintf(out, " \"%s\": %s,\n", row->choices[i].key, value);
  }
  while (fgets(line, sizeof line, in)) {
    if (!is_chosen(row, line)) fputs(line, out);
  }
  CHECK(fclose(in) == 0 && fclose(out) == 0);
  return combination == 0;
}

static void print_variant(const test_row *row, int combination) {
  fprintf(stderr, "more than %d launches:", row->launches_max);
  for (int i = 0; i < CHOICES_MAX && row->choices[i].key; i++) {
    const char *value = take_value(&row->choices[i], &combination);
    fprintf(stderr, " %s=%s", row->choices[i].key, value);
  }
  fprintf(stderr, "\n");
}

static bool check_variants(const test_row *row, const char *config_path) {
  int fewest = INT_MAX, most = 0, count = 0;
  bool is_right = true;
  for (; write_variant(row, config_path, count); count++) {
    tl_build build;
    int launches = launches_of(fuse(&build, VARIANT_PATH));
    tl_build_finish(&build);
    if (launches > row->launches_max) print_variant(row, count);
    is_right &= launches <= row->launches_max;
    if (launches < fewest) fewest = launches;
    if (launches > most) most = launches;
  }
  remove(VARIANT_PATH);
  printf("%s: %d configs, %d to %d launches a layer (at most %d)\n", row->name, count, fewest, most,
         row->launches_max);
  return is_right;
}

static bool check_row(const char *folder, const test_row *row) {
  char config_path[PATH_BYTES], golden_path[PATH_BYTES];
  CHECK(snprintf(config_path, PATH_BYTES, "%s/%s.json", folder, row->name) < PATH_BYTES);
  CHECK(snprintf(golden_path, PATH_BYTES, "%s/%s.program", folder, row->name) < PATH_BYTES);
  bool is_right = check_golden(row, config_path, golden_path);
  return check_variants(row, config_path) && is_right;
}

int main(int argc, char **argv) {
  bool is_right = true;
  CHECK(argc == 2);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    is_right &= check_row(argv[1], &rows[i]);
  CHECK(is_right);
  return 0;
}
