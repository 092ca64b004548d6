// Compares what a plan gave with what it should have given, and says it in one line:
//
//   cuda_compare NAME FOUND WANTED DEVIATIONS_MAX KL_MAX    logits, as `tlmrt logits` writes them
//   cuda_compare NAME FOUND WANTED SHARE_MIN                ids, as `tlmrt generate` prints them
//
// Logits differ by the largest |difference|, in standard deviations of all that was wanted, and by
// the mean over rows of the divergence KL(wanted || found) of what they say of the next id. Exit
// status 1: too far apart, or a file is not what it should be.
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES_MAX = 4096, IDS_MAX = 4096, LENGTH_BYTES = 8 };

static const int64_t VALUES_MAX = 1 << 28;

static const char *name; // of what is compared

typedef struct logits {
  int64_t rows, columns;
  float *values; // (rows, columns)
} logits;

typedef struct ids {
  int count;
  long at[IDS_MAX];
} ids;

static _Noreturn void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  printf("%-44s BAD: ", name);
  vprintf(format, arguments);
  printf("\n");
  va_end(arguments);
  exit(1);
}

// ---- files

static FILE *open_file(const char *path) {
  FILE *in = fopen(path, "rb");
  if (!in) fail("there is no %s", path);
  return in;
}

static uint64_t read_length(FILE *in, const char *path) {
  unsigned char bytes[LENGTH_BYTES];
  uint64_t length = 0;
  if (fread(bytes, 1, sizeof bytes, in) != sizeof bytes) fail("%s is cut off", path);
  for (int i = 0; i < LENGTH_BYTES; i++)
    length |= (uint64_t)bytes[i] << (8 * i);
  if (length >= HEADER_BYTES_MAX) fail("%s has a header of %" PRIu64 " bytes", path, length);
  return length;
}

// A safetensors file with the f32 tensor `logits` and nothing else.
static logits read_logits(const char *path) {
  char header[HEADER_BYTES_MAX] = "";
  logits out = {0};
  FILE *in = open_file(path);
  size_t length = (size_t)read_length(in, path);
  if (fread(header, 1, length, in) != length) fail("%s is cut off", path);
  if (sscanf(header, "{\"logits\":{\"dtype\":\"F32\",\"shape\":[%" SCNd64 ",%" SCNd64 "]",
             &out.rows, &out.columns) != 2)
    fail("%s does not begin with logits", path);
  if (out.rows < 1 || out.columns < 1 || out.rows > VALUES_MAX / out.columns)
    fail("%s holds no logits that could be compared", path);
  size_t count = (size_t)(out.rows * out.columns);
  // NOLINTNEXTLINE(*.TaintedAlloc): at most VALUES_MAX
  out.values = malloc(count * sizeof *out.values);
  if (!out.values) fail("no memory");
  if (fread(out.values, sizeof *out.values, count, in) != count) fail("%s is cut off", path);
  fclose(in);
  return out;
}

// Every number of a text.
static ids read_ids(const char *path) {
  static char text[1 << 16];
  ids out = {0};
  FILE *in = open_file(path);
  size_t length = fread(text, 1, sizeof text - 1, in);
  fclose(in);
  text[length] = 0;
  for (char *at = text; (at = strpbrk(at, "0123456789")) && out.count < IDS_MAX;)
    out.at[out.count++] = strtol(at, &at, 10);
  return out;
}

// ---- comparisons

static double deviation_of(const logits *a) {
  double sum = 0, squares = 0;
  int64_t count = a->rows * a->columns;
  for (int64_t i = 0; i < count; i++)
    sum += a->values[i];
  // NOLINTNEXTLINE(*.DivideZero): read_logits wants a row and a column
  double mean = sum / (double)count;
  for (int64_t i = 0; i < count; i++)
    squares += pow(a->values[i] - mean, 2);
  return sqrt(squares / (double)count);
}

// log(sum(exp(row))).
static double log_sum(const float *row, int64_t count) {
  double top = row[0], sum = 0;
  for (int64_t i = 1; i < count; i++)
    top = fmax(top, row[i]);
  for (int64_t i = 0; i < count; i++)
    sum += exp(row[i] - top);
  return top + log(sum);
}

static double divergence(const float *wanted, const float *found, int64_t count) {
  double wanted_sum = log_sum(wanted, count), found_sum = log_sum(found, count), out = 0;
  for (int64_t i = 0; i < count; i++) {
    double p = wanted[i] - wanted_sum, q = found[i] - found_sum;
    out += exp(p) * (p - q);
  }
  return out;
}

static int compare_logits(char **paths, double deviations_max, double kl_max) {
  logits found = read_logits(paths[0]), wanted = read_logits(paths[1]);
  double worst = 0, kl = 0;
  int64_t worst_row = 0, columns = wanted.columns;
  if (found.rows != wanted.rows || found.columns != columns)
    fail("logits are [%" PRId64 ",%" PRId64 "], expected [%" PRId64 ",%" PRId64 "]", found.rows,
         found.columns, wanted.rows, columns);
  for (int64_t i = 0; i < wanted.rows * columns; i++) {
    double difference = fabs((double)found.values[i] - wanted.values[i]);
    if (!isfinite(found.values[i])) fail("row %" PRId64 " is not finite", i / columns);
    if (difference > worst) worst_row = i / columns;
    worst = fmax(worst, difference);
  }
  for (int64_t r = 0; r < wanted.rows; r++)
    kl += divergence(wanted.values + r * columns, found.values + r * columns, columns);
  kl /= (double)wanted.rows;
  worst /= deviation_of(&wanted);
  bool is_good = worst <= deviations_max && kl <= kl_max;
  printf("%-44s %s: %.1e deviations in row %-3" PRId64 " (at most %.0e), KL %.1e (%.0e)\n", name,
         is_good ? "good" : "BAD", worst, worst_row, deviations_max, fabs(kl), kl_max);
  free(found.values);
  free(wanted.values);
  return !is_good;
}

static int compare_ids(char **paths, double share_min) {
  ids found = read_ids(paths[0]), wanted = read_ids(paths[1]);
  int same = 0;
  while (same < wanted.count && same < found.count && found.at[same] == wanted.at[same])
    same++;
  bool is_good =
      wanted.count > 0 && found.count == wanted.count && same >= share_min * wanted.count;
  printf("%-44s %s: the first %d of %d ids are equal\n", name, is_good ? "good" : "BAD", same,
         wanted.count);
  return !is_good;
}

int main(int argc, char **argv) {
  if (argc != 5 && argc != 6) {
    fputs("usage: cuda_compare NAME FOUND WANTED DEVIATIONS_MAX KL_MAX|SHARE_MIN\n", stderr);
    return 2;
  }
  name = argv[1];
  if (argc == 5) return compare_ids(argv + 2, strtod(argv[4], NULL));
  return compare_logits(argv + 2, strtod(argv[4], NULL), strtod(argv[5], NULL));
}
