// Runs on a machine with a GPU and its driver what cuda_pack compiled elsewhere:
//
//   cuda_run FOLDER MODE [FIRST]      MODE: a name of `modes`; `name` only says what the GPU is
#include "tests/gpu/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct mode {
  const char *name;
  int (*run)(gpu *g, int first); // returns how much is wrong
} mode;

static int say_name(gpu *g, int first) {
  (void)g;
  return first; // opening has said it
}

static const mode modes[] = {
    {"name", say_name},
    {"check", gpu_check_all},
    {"attention", gpu_check_attention},
    {"rates", gpu_measure_rates},
    {"attention_bench", gpu_bench_attention},
    {"layers", gpu_bench_layers},
    {"bench", gpu_bench_all},
};
enum { MODES_COUNT = sizeof modes / sizeof *modes };

int main(int argc, char **argv) {
  static gpu g;
  for (int i = 0; argc > 2 && i < MODES_COUNT; i++) {
    if (strcmp(argv[2], modes[i].name) != 0) continue;
    int first = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0;
    gpu_open(&g, argv[1], argv[2]);
    return modes[i].run(&g, first) != 0;
  }
  fputs("usage: cuda_run FOLDER MODE [FIRST], MODE one of:", stderr);
  for (int i = 0; i < MODES_COUNT; i++)
    fprintf(stderr, " %s", modes[i].name);
  fputs("\n", stderr);
  return 2;
}
